"""The invariants 1 to 5 of the design and two more, checked after every step that could break them.

The checker believes no core: it looks at what nodes really hold, at what daemons install and tell their clients, and at
what clients answered.

1. A group that is not concurrent is online on at most one live node inside a partition. Two nodes that a cut has
   separated are excused from each other (with split policy "none" both halves act), and so are those that are in one
   view with them, until some time later they share a view again without holding the same group. With a tie breaker
   nobody is excused, nor for the critical group under a quarantine policy: but nodes that start services behind a
   cut, among themselves, know of no group that somebody has. A paused node does not count as live, a resumed one counts
   once its operating system side has looked at the dead man's switch.
2. Nodes that installed the same view list the same members, and on a node view numbers only grow, across restarts.
3. All that go on from one view to the same next view were told the same by then; no provider is told of a phase before
   every provider that could vote in the last one has voted, and none twice in a row that another one does not respond.
4. A group is acquired only while no live node of the same view holds any of it.
5. A serial event script begins only when no other serial one runs on its node, whoever started that.
7. Whatever a node does, it does on a configuration that was committed as a whole, the old one or the new one; it joins
   a cluster only on one that is not older than what was committed when it was last brought in step. The same of the
   definition of the CAA cluster: a node never goes back to an older one, nor to a repository that was replaced; all
   that read the same one know the same nodes; nobody installs a view with a node that is no member; a node that was
   removed and can read it is out of the cluster soon and holds nothing, and none that can read the newest one joins
   the cluster long after it was written without having taken it up. Nobody acts on a configuration that lacks it.
8. A subsystem runs once on a node. Whenever srcmstr serves it knows of every process of a subsystem and takes none for
   running that has ended and was seen to end. One that ended by itself with an error is there again, or given up
   after too many restarts, or SRC's notify method runs, within a second (on a slow node, soon after it has
   caught up): whatever was killed meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemons.caa.own_repository import LOOKS_BETWEEN, Found
from daemons.cluster.dependencies import Dependencies
from daemons.cthags.inputs import ViewInstalled
from daemons.cthags.messages import (
    Announcement,
    Approved,
    Goodbye,
    Notification,
    NPhase,
    Provider,
    Rejected,
    Request,
    Vote,
)
from daemons.cthags.wire import Member, View, ViewId
from daemons.sim.member import PREFIX
from daemons.sim.scenario import CONFIGURATION, NONE, SUPERVISION
from daemons.sim.timing import HEARTBEAT_US
from daemons.sim.world import InvariantBroken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daemons.caa.repository import Definition
    from daemons.cluster.configuration import Configuration
    from daemons.sim.cluster import Cluster
    from daemons.sim.node import SimulatedNode
    from daemons.sim.process import Process
    from daemons.sim.scripts import Script

STALE_US = (LOOKS_BETWEEN + 5) * HEARTBEAT_US
"""After so long whoever can look has seen that a definition was replaced."""
FAILED_OVER = "view: the leader fails over"
"""In the table of what a campaign has come to."""

Told = tuple[str, str, int, int, tuple[Provider, ...], tuple[Provider, ...]]
"""Kind of notification, protocol, token, phase, who changes, providers."""


@dataclass(slots=True)
class _Knowledge:
    """What the checker saw of a node in its present life."""

    view: View | None = None
    dissolved: bool = False
    told: dict[str, list[Told]] = field(default_factory=dict)
    joined: dict[str, int] = field(default_factory=dict)
    phase: dict[str, NPhase] = field(default_factory=dict)
    voted: dict[tuple[str, int, Provider], None] = field(default_factory=dict)
    identities: dict[str, Provider] = field(default_factory=dict)
    responses: dict[tuple[str, Provider], str] = field(default_factory=dict)

    def forget_responses(self, group: str) -> None:
        """Its own provider is out of a group: it is told nothing more of the others."""
        self.responses = {key: what for key, what in self.responses.items() if key[0] != group}


class Checker:
    """Watches a simulated cluster.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.checks = [0] * (SUPERVISION + 1)
        """How often each invariant was looked at, by number."""
        self._nodes = {number: _Knowledge() for number in cluster.numbers}
        self.dependencies = Dependencies.of(cluster.configuration)
        self.concurrent = frozenset(group.name for group in cluster.configuration.groups if group.concurrent)
        self._lost_at: int | None = None
        self._numbers: dict[int, int] = {}
        self._members: dict[ViewId, tuple[Member, ...]] = {}
        self._met: dict[int, frozenset[int]] = {}
        """With whom a node has had cluster services, itself or those that it met, since it joined the cluster."""
        self._joining: set[int] = set()
        self._histories: dict[tuple[ViewId, ViewId], dict[str, tuple[bool, list[Told]]]] = {}
        self._excused: dict[tuple[int, int], int] = {}
        """Pairs of nodes, and when they were last seen cut off from each other."""
        self.views_changed: dict[int, int] = {}
        """When each node installed its newest view."""
        self._separated: frozenset[tuple[int, int]] = frozenset()
        self._definitions: dict[tuple[int, str, int], Definition] = {}
        """Of the CAA cluster, by epoch, disk and number."""
        self._newest: dict[int, tuple[object, int]] = {}
        """The rank and number of the newest one that each node has known."""
        self._scripts: dict[int, Script] = {}
        """The serial script that runs on a node."""

    # Views.

    def view_installed(self, node: SimulatedNode, installed: ViewInstalled) -> None:
        """A node installed a view."""
        view, known = installed.view, self._nodes[node.number]
        self.checks[2] += 1
        newest = self._numbers.get(node.number, 0)
        if view.id.number <= newest:
            raise InvariantBroken(2, f"{node.name} installed view {view.id} after one with number {newest}")
        self._numbers[node.number] = view.id.number
        self.views_changed[node.number] = self.cluster.world.now
        self._note_view(known, installed)
        if view.id not in self._members:
            self._check_members(node, view, known.view.nodes if known.view is not None else ())
        members = self._members.setdefault(view.id, view.members)
        if members != view.members:
            raise InvariantBroken(2, f"{node.name} lists {view.members} in view {view.id}, others {members}")
        if known.view is not None and installed.base == known.view.id:
            self._compare_histories(node, installed.base, view, known)
        known.view = view
        known.told = {}
        known.joined = {}
        self.forgive()

    def _check_members(self, node: SimulatedNode, view: View, before: tuple[int, ...]) -> None:
        """Nobody is taken in who is no member of the cluster, as far as the first node knows that installs a view; who
        hears it later, may know that one of them was removed meanwhile."""
        self.checks[CONFIGURATION] += 1
        states = node.states
        if states is None:
            return
        # A live node that was removed counts as lost only when it would if it had fallen silent.
        strangers = set(view.nodes) - set(states.numbers) - states.core.alive - set(before)
        if strangers:
            raise InvariantBroken(CONFIGURATION, f"{node.name} has nodes {sorted(strangers)} in its view, no members")

    def _note_view(self, known: _Knowledge, installed: ViewInstalled) -> None:
        """For the table of what a campaign has come to: what the view changed, and what it interrupted."""
        reached, before, view = self.cluster.world.reached, known.view, installed.view
        if before is None:
            reached["view: a node is taken in"] += 1
            return
        gone, come = set(before.nodes) - set(view.nodes), set(view.nodes) - set(before.nodes)
        reached["view: members are taken in"] += bool(come)
        reached["view: members are out"] += bool(gone)
        reached["view: members come and go at once"] += bool(come and gone)
        failed_over = before.id.leader != view.id.leader
        reached[FAILED_OVER] += failed_over
        for phase in known.phase.values():
            whom = "leader" if failed_over else "member"
            number = "first" if phase.phase == 1 else "later"
            reached[f"{phase.protocol}: a {whom} is lost in the {number} phase"] += 1

    def _compare_histories(self, node: SimulatedNode, base: ViewId, view: View, known: _Knowledge) -> None:
        self.checks[3] += 1
        others = self._histories.setdefault((base, view.id), {})
        for group in sorted(known.identities.keys() | known.joined.keys()):
            whole = group not in known.joined
            told = known.told.get(group, [])
            told = told if whole else told[known.joined[group] :]
            first = others.setdefault(group, (whole, told))
            if not _agree(first, (whole, told)):
                difference = next(
                    (pair for pair in zip(first[1], told, strict=False) if pair[0] != pair[1]),
                    f"{len(first[1])} and {len(told)} notifications",
                )
                raise InvariantBroken(
                    3, f"{node.name} leaves view {base} for {view.id} having been told something else: {difference}"
                )
            if whole and not first[0]:
                others[group] = (whole, told)

    def dissolved(self, node: SimulatedNode) -> None:
        """A node gave up its view in a merge."""
        self.cluster.world.reached["merge: a node gives its view up"] += 1
        known = self._nodes[node.number]
        known.dissolved = True
        known.view = None
        known.phase = {}
        known.identities = {}
        known.told = {}
        known.responses = {}

    # Votes.

    def requested(self, node: SimulatedNode, client: int, request: Request) -> None:
        """A client of cthags asks something."""
        known = self._nodes[node.number]
        if isinstance(request, Goodbye):
            # It is told nothing more.
            for of_group in (known.phase, known.identities, known.joined):
                of_group.pop(request.group, None)
            known.forget_responses(request.group)
        elif isinstance(request, Vote) and request.group in known.identities | known.phase:
            phase = known.phase.get(request.group)
            if phase is not None:
                known.voted[request.group, request.token, phase.self_provider] = None

    def notified(self, node: SimulatedNode, client: int, notification: Notification) -> None:
        """cthags told a client something."""
        if isinstance(notification, Announcement):
            self._announced(node, notification)
        if not isinstance(notification, NPhase | Approved | Rejected):
            return
        if not isinstance(notification, NPhase):
            outcome = type(notification).__name__.lower()
            self.cluster.world.reached[f"{notification.protocol}: {outcome}"] += 1
            if node.number in self._joining and outcome == "approved" and not notification.group.startswith(PREFIX):
                self._admitted(node)
        known, group = self._nodes[node.number], notification.group
        self._check_barrier(node, notification)
        told = known.told.setdefault(group, [])
        mine = notification.self_provider
        first = notification.phase == (1 if isinstance(notification, NPhase) else 0)
        if notification.protocol == "join" and mine in notification.changing and first:
            known.joined[group] = len(told)
        if isinstance(notification, NPhase) and notification.protocol in ("expel", "cast_out"):
            # Whom it is about has no vote and hears of the end only.
            known.phase[group] = notification
            return
        told.append(
            (
                type(notification).__name__,
                notification.protocol,
                notification.token,
                notification.phase,
                notification.changing,
                notification.providers,
            )
        )
        if isinstance(notification, NPhase):
            known.phase[group] = notification
            return
        known.phase.pop(group, None)
        if mine in notification.providers:
            known.identities[group] = mine
        else:
            known.identities.pop(group, None)
            known.joined.pop(group, None)
            known.forget_responses(group)

    def _announced(self, node: SimulatedNode, announcement: Announcement) -> None:
        for what in announcement.summary:
            if what not in ("responsiveness_no_response", "responsiveness_response"):
                continue
            self.checks[3] += 1
            for provider in announcement.providers:
                known = self._nodes[node.number].responses
                if known.get((announcement.group, provider)) == what:
                    raise InvariantBroken(3, f"{node.name} is told {what} of {provider} twice")
                known[announcement.group, provider] = what

    def _check_barrier(self, node: SimulatedNode, notification: NPhase | Approved | Rejected) -> None:
        last = notification.phase - 1 if isinstance(notification, NPhase) else notification.phase
        if last < 1 or isinstance(notification, Rejected):
            return
        self.checks[3] += 1
        token = notification.token if not isinstance(notification, NPhase) else notification.token - 1
        view = self._nodes[node.number].view
        for other in self.cluster.nodes.values():
            known = self._nodes[other.number]
            phase = known.phase.get(notification.group)
            if (
                other.live
                and known.view == view
                and phase is not None
                and phase.token == token
                and (phase.protocol, phase.changing) == (notification.protocol, notification.changing)
                and (notification.group, token, phase.self_provider) not in known.voted
                and not notification.time_limit_us
                and self._client_lives(other, notification.group)
            ):
                raise InvariantBroken(
                    3, f"{node.name} passed the barrier of phase {last} before {other.name} had voted in it"
                )

    @staticmethod
    def _client_lives(node: SimulatedNode, group: str) -> bool:
        process = node.member if group.startswith(PREFIX) else node.process("clstrmgrES")
        return process is not None and process.running

    # Groups.

    def taken(self, node: SimulatedNode, group: str, first: bool) -> None:
        """A node takes a resource of a group."""
        if group in self.concurrent:
            return
        if first:
            self.checks[4] += 1
            mine = self._nodes[node.number]
            for number in self.cluster.holdings.holders(group):
                other = self._nodes[number]
                if number == node.number or not self.cluster.nodes[number].live or other.dissolved:
                    continue
                together = mine.view is not None and other.view is not None and mine.view.id == other.view.id
                if together and not self._is_excused(node.number, number):
                    raise InvariantBroken(4, f"{node.name} acquires {group}, which node{number} has not released")
            self._check_dependencies(node, group)
        self._check_online(group)

    def _check_dependencies(self, node: SimulatedNode, group: str) -> None:
        """A group is acquired only while its parents and targets are online, and apart from whom it must be apart."""
        dependencies = self.dependencies
        # For a while after a node went off nobody is blamed for counting on what it had.
        lost = self._lost_at is not None and self.cluster.world.now < self._lost_at + 2 * self.cluster.detection_us
        if not dependencies or self._excused or lost:
            return
        self.checks[4] += 1
        holdings = self.cluster.holdings
        for other in (*dependencies.parents_of(group), *dependencies.targets_of(group)):
            if not holdings.online(other):
                raise InvariantBroken(4, f"{node.name} acquires {group}, but {other} is online nowhere")
        for other in holdings.groups():
            if dependencies.separate(group, other) and node.number in holdings.holders(other):
                raise InvariantBroken(4, f"{node.name} acquires {group}, but it holds {other}")
            if other == group or other not in dependencies.together(group):
                continue
            if any(number != node.number and self.cluster.nodes[number].live for number in holdings.holders(other)):
                raise InvariantBroken(4, f"{node.name} acquires {group}, but another node holds {other}")

    def resumed(self, node: SimulatedNode) -> None:
        """A paused node runs on."""
        for group in self.cluster.holdings.groups():
            self._check_online(group)

    def _check_online(self, group: str) -> None:
        if group in self.concurrent:
            return
        self.checks[1] += 1
        online = [
            number
            for number in self.cluster.holdings.online(group)
            if self.cluster.nodes[number].live and not self._nodes[number].dissolved
        ]
        for position, number in enumerate(online):
            for other in online[position + 1 :]:
                protected = group == self.cluster.critical_group and self._have_met(number, other)
                if protected or not self._is_excused(number, other):
                    raise InvariantBroken(1, f"{group} is online on node{number} and on node{other}")

    def _have_met(self, one: int, other: int) -> bool:
        """Whether each of the two knows what the other one had."""
        return other in self._met.get(one, ()) and one in self._met.get(other, ())

    def _is_excused(self, one: int, other: int) -> bool:
        """Whether the two are of domains that a cut has separated: whoever joins one of them is a part of it."""
        if self.cluster.split != NONE or not self._excused:
            return False
        if (min(one, other), max(one, other)) in self._excused:
            return True
        first, second = self._nodes[one].view, self._nodes[other].view
        if first is None or second is None or first.id == second.id:
            return False
        return any((min(a, b), max(a, b)) in self._excused for a in first.nodes for b in second.nodes)

    def separated(self, pairs: list[tuple[int, int]]) -> None:
        """Who is cut off from whom, now that this has changed or is about to change."""
        now = self.cluster.world.now
        self._separated = frozenset(pairs)
        self._excused.update((pair, now) for pair in pairs)

    def forgive(self) -> None:
        """From time to time: nodes that share a view again, and hold nothing twice, have no excuse any more."""
        now = self.cluster.world.now
        for (one, other), since in sorted(self._excused.items()):
            # A cut still works for a while: what was not heard during it may be held against a node after it.
            if now - since < self.cluster.detection_us:
                continue
            first, second = self._nodes[one].view, self._nodes[other].view
            if first is None or first != second or (one, other) in self._separated:
                continue
            holdings = self.cluster.holdings
            if not any({one, other} <= set(holdings.holders(group)) for group in holdings.groups()):
                del self._excused[one, other]

    # The CAA cluster.

    def defined(self, node: SimulatedNode, definition: Definition, serial: int) -> None:
        """A node takes up a definition."""
        self.checks[CONFIGURATION] += 1
        assert node.states is not None
        disk = node.states.repository.name
        first = self._definitions.setdefault((definition.epoch, disk, serial), definition)
        if first != definition:
            raise InvariantBroken(CONFIGURATION, f"{node.name} reads {definition} where another node read {first}")
        newest, known = (Found(disk, definition).rank, serial), self._newest.get(node.number)
        if known is not None and newest < known:
            raise InvariantBroken(CONFIGURATION, f"{node.name} goes back to an older definition, on {disk}")
        self._newest[node.number] = newest

    def removed(self, node: SimulatedNode, boot: int) -> None:
        """A while after a node was removed."""
        states = node.states
        if boot != node.boot_number or states is None or self.cluster.newest.definition.node(node.name) is not None:
            return
        self.checks[CONFIGURATION] += 1
        looks = states.repository.usable and node.live and not states.hung and not node.slowed
        if looks and self.cluster.world.now - self.cluster.redefined_at >= STALE_US:
            raise InvariantBroken(CONFIGURATION, f"{node.name} was removed and is in the cluster all the same")
        holdings = self.cluster.holdings
        held = [group for group in holdings.groups() if node.number in holdings.holders(group)]
        if held and node.live and not states.active and not node.slowed:
            raise InvariantBroken(CONFIGURATION, f"{node.name} was removed and holds {' '.join(held)}")

    def _check_definition(self, node: SimulatedNode) -> None:
        states, newest = node.states, self.cluster.newest
        if states is None or not states.active:
            return
        stale = states.repository.definition != newest.definition
        sees = states.repository.usable and not any(number == node.number for number, _ in self._lost_disks())
        if stale and sees and not node.slowed and self.cluster.world.now - self.cluster.redefined_at >= STALE_US:
            raise InvariantBroken(CONFIGURATION, f"{node.name} joins the cluster on a definition that was replaced")

    def _lost_disks(self) -> frozenset[tuple[int, str]]:
        return self.cluster.topology.disks_lost

    # Configurations.

    def acts(self, node: SimulatedNode, configuration: Configuration | None, older: bool = True) -> None:
        """A node does something on a configuration; ``older``: it may be an old one."""
        self.checks[CONFIGURATION] += 1
        generation = self.cluster.generation_of(configuration) if configuration is not None else 0
        if not generation:
            raise InvariantBroken(CONFIGURATION, f"{node.name} acts on a configuration that was never committed")
        assert configuration is not None
        if configuration.node(node.name) is None:
            raise InvariantBroken(CONFIGURATION, f"{node.name} acts in a cluster that does not have it")
        if not older and generation < node.in_step_with:
            raise InvariantBroken(
                CONFIGURATION,
                f"{node.name} acts on generation {generation}, but generation {node.in_step_with} was committed",
            )

    def joins(self, node: SimulatedNode, configuration: Configuration | None) -> None:
        """A node's cluster manager joins the cluster."""
        self.acts(node, configuration, older=False)
        self._check_definition(node)
        self._met.pop(node.number, None)
        self._joining.add(node.number)

    def _admitted(self, node: SimulatedNode) -> None:
        self._joining.remove(node.number)
        view = self._nodes[node.number].view
        others = [other for other in view.nodes if other != node.number and other in self._met] if view else []
        self._met[node.number] = frozenset((node.number,)).union(*(self._met[other] for other in others))
        for other in others:
            self._met[other] |= {node.number}

    def leaves(self, node: SimulatedNode) -> None:
        """A node's cluster manager has left the cluster."""
        self._joining.discard(node.number)
        self._met.pop(node.number, None)

    # Scripts.

    def script_began(self, script: Script) -> None:
        """An event script was started."""
        self.checks[5] += 1
        if not script.serial:
            return
        other = self._scripts.get(script.node.number)
        if other is not None:
            raise InvariantBroken(5, f"{script.node.name} starts {script.name} while {other.name} runs")
        self._scripts[script.node.number] = script

    def script_ended(self, script: Script) -> None:
        """An event script has ended."""
        if self._scripts.get(script.node.number) is script:
            del self._scripts[script.node.number]

    # Subsystems.

    def subsystem_started(self, node: SimulatedNode, name: str, others: Iterable[str]) -> None:
        """A subsystem's process was made beside others."""
        self.checks[SUPERVISION] += 1
        if name in others:
            raise InvariantBroken(SUPERVISION, f"{node.name} runs {name} twice")

    def supervised(self, node: SimulatedNode, known: set[int], running: set[int], coming: set[int]) -> None:
        """srcmstr has taken a step: the instances it knows, those that run, those whose start or end is under way."""
        self.checks[SUPERVISION] += 1
        if unknown := running - known:
            raise InvariantBroken(SUPERVISION, f"{node.name}: srcmstr does not know of instances {sorted(unknown)}")
        if phantoms := known - running - coming:
            raise InvariantBroken(SUPERVISION, f"{node.name}: srcmstr takes instances {sorted(phantoms)} for running")

    def subsystem_failed(self, node: SimulatedNode, name: str, reacted: bool) -> None:
        """A second after a subsystem ended with an error."""
        self.checks[SUPERVISION] += 1
        if not reacted:
            raise InvariantBroken(SUPERVISION, f"{node.name}: {name} ended and srcmstr did nothing about it")

    # Lives.

    def powered_off(self, node: SimulatedNode) -> None:
        """A node is off; it takes a while until the others know what is no longer online."""
        self._lost_at = self.cluster.world.now
        self._nodes[node.number] = _Knowledge()
        self._scripts.pop(node.number, None)
        self.leaves(node)

    def process_ended(self, node: SimulatedNode, process: Process) -> None:
        """A process ended."""
        known = self._nodes[node.number]
        if process.name == "cthags":
            known.view = None
            known.responses = {}
        elif process.name == "clstrmgrES":
            self.leaves(node)
        for of_group in (known.phase, known.identities, known.told, known.joined):
            for group in list(of_group):
                if process.name == "cthags" or (process.name == "clstrmgrES" and not group.startswith(PREFIX)):
                    del of_group[group]


def _agree(one: tuple[bool, list[Told]], other: tuple[bool, list[Told]]) -> bool:
    """Two histories of a view fit: the same, or that of one who came later is the end of the other one's."""
    (whole, first), (other_whole, second) = one, other
    if whole and other_whole:
        return first == second
    longer, shorter = (first, second) if whole or (not other_whole and len(first) >= len(second)) else (second, first)
    return not shorter or longer[-len(shorter) :] == shorter
