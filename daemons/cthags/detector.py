"""Who is suspected: failure detection inside the domain.

caa's word on live nodes, completed by signs of life of the daemons themselves: an unreliable failure detector in the
sense of Chandra and Toueg, "Unreliable failure detectors for reliable distributed systems" (1996), eventually perfect
as long as caa is. A live node whose cthags is silent is suspected after a number of beats, counted in our own ticks, so
that a machine that was paused suspects nobody when it wakes up. Where ours differs: what a node says itself (that it
lives a new life, or is in a newer view without us) is reason to suspect it, too. And a daemon whose whole node is
silent is never suspected before caa has decided about the node: its word is also that of a tie breaker, at which the
side that loses has to be gone before anybody acts without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from daemons.cthags.messages import Provider
from daemons.cthags.sessions import Sessions
from daemons.cthags.wire import Beat, Member, Packet, View, ViewId
from srcctl.machine import SECOND


class Settings(Struct, frozen=True):
    """Intervals in microseconds (already scaled by the lab's speed).

    Args:
        beat_us: between two signs of life inside a view.
        silent_beats: beats without a sign after which a live node's cthags counts as failed, at least.
        hello_us: between two greetings to live nodes outside the view; also the pace of retries.
        formation_us: how long a starting node waits for configured nodes before it forms a view without them, at least:
            longer than caa's node_timeout and node_down_delay together. A node that is only paused must be heard again,
            or have fallen to its dead man's switch, before anybody acts as if it did not exist.
        joiner_hellos: retries after which a joiner that does not acknowledge is left out.
    """

    beat_us: int = 5 * SECOND
    silent_beats: int = 10
    hello_us: int = SECOND // 2
    formation_us: int = 45 * SECOND
    joiner_hellos: int = 4


class Peer(Struct):
    """What is known of a live node outside or inside the view."""

    incarnation: int
    view: View | None
    promised: int
    unanswered: int = 0
    critical: bool = False
    critical_in: ViewId | None = None
    """Whether its view has critical clients, and the view of which it said so."""


class Detector:
    """What this node knows of the others, and whom it believes to be out.

    Args:
        node: this node's number.
        incarnation, promised: durable numbers of the last life.
        settings: intervals.
        send: hands out a packet to a node.
        log: a line for the daemon's log.
    """

    def __init__(
        self,
        node: int,
        incarnation: int,
        promised: int,
        settings: Settings,
        send: Callable[[int, Packet], None],
        log: Callable[[str], None],
    ) -> None:
        self.node = node
        self.settings = settings
        self.incarnation = incarnation
        self.promised = promised
        self.view: View | None = None
        self.alive: frozenset[int] = frozenset((node,))
        self.boots: dict[int, int] = {}
        self.apart: frozenset[tuple[int, int]] = frozenset()
        """Pairs of live nodes, the lower number first, that do not hear each other as far as caa knows."""
        self.configured: tuple[int, ...] = (node,)
        self.detection_us = 0
        """Within this time caa knows that a node has fallen silent."""
        self._send_packet = send
        self._log = log
        self._sessions = Sessions()
        self._peers: dict[int, Peer] = {}
        self._accepted: dict[ViewId, View] = {}
        """Proposals that this node has acknowledged since its view."""
        self._silence: dict[int, int] = {}
        self._member_promised: dict[int, int] = {}
        self._agreed: dict[int, tuple[int, int]] = {}
        """The last life of each node in a view with this one, and the number of that view, which it promised."""

    @property
    def me(self) -> Member:
        """This life of this node."""
        return Member(self.node, self.incarnation)

    @property
    def leads(self) -> bool:
        """This node leads its view, and the view goes on."""
        return self.view is not None and self.view.id.leader == self.node and not self.blocked

    @property
    def blocked(self) -> bool:
        """A proposal was acknowledged: nothing of the present view is delivered any more."""
        return bool(self._accepted)

    @property
    def boot(self) -> int:
        """The boot of this node, 0 while it is unknown."""
        return self.boots.get(self.node, 0)

    def note_boots(self, boots: Mapping[int, int]) -> None:
        """Nodes are known to have booted that often; whoever is behind knows less, never better."""
        for node, boot in boots.items():
            self.boots[node] = max(boot, self.boots.get(node, 0))

    def hosts(self) -> tuple[Provider, ...]:
        """The nodes that are up: members of the view, oldest first, then others that caa calls alive.

        The instance of a node is its boot: one that went down and came back between two views shows by it.
        """
        inside = self.view.nodes if self.view is not None else ()
        nodes = inside + tuple(node for node in sorted(self.alive) if node not in inside)
        return tuple(Provider(node, self.boots.get(node, 0)) for node in nodes)

    def _suspected(self, member: Member) -> bool:
        """The member is out as far as this node can tell."""
        if member.node == self.node:
            return member.incarnation != self.incarnation
        if member.node not in self.alive or self._silence.get(member.node, 0) >= self._silent_beats:
            return True
        peer = self._peers.get(member.node)
        if peer is None:
            return False
        if peer.incarnation > member.incarnation:
            return True
        link = self._sessions.get(self.view.id, member.node) if self.view is not None else None
        if link is not None and link.overflowed:
            return True
        return (
            peer.view is not None
            and self.view is not None
            and peer.view.id.number > self.view.id.number
            and self.me not in peer.view.members
        )

    @property
    def _silent_beats(self) -> int:
        """Beats without a sign after which a live node's cthags counts as failed: more than caa needs for a node."""
        return max(self.settings.silent_beats, self.detection_us * 9 // 8 // self.settings.beat_us + 1)

    def _beat(self) -> None:
        watched = {self._coordinator()}
        if self.view is not None:
            leads = self.view.id.leader == self.node
            watched |= set(self.view.nodes) if leads else {self.view.id.leader}
        for node in sorted((watched - {self.node}) & self.alive):
            if (min(node, self.node), max(node, self.node)) not in self.apart:
                self._silence[node] = self._silence.get(node, 0) + 1
                if self._silence[node] == self._silent_beats:
                    self._log(f"Group Services on node {node} is silent")
            if self.view is not None:
                self._send_packet(node, Beat(self.incarnation, self.view.id, self.promised))

    def _order(self) -> tuple[Member, ...]:
        """Who may belong to the next view, by age: the members of this one, then those of the newest proposal."""
        members = self.view.members if self.view is not None else ()
        if self._accepted:
            newest = self._accepted[max(self._accepted)].members
            members += tuple(member for member in newest if member not in members)
        return members

    def _coordinator(self) -> int:
        """The oldest member that is not suspected."""
        return next((member.node for member in self._order() if not self._suspected(member)), self.node)

    def _joiners(self, inside: tuple[Member, ...]) -> list[Member]:
        """Who may be taken in beside these: whoever has no view and hears all of them and is heard by them.

        A view that its members cannot all acknowledge is never installed, and the old one stands still while it is
        tried. So connectivity decides beforehand, as in the membership services that agree on a component of nodes
        which all reach each other (Chockler, Keidar and Vitenberg, "Group communication specifications: a comprehensive
        study", 2001). Who is in already and loses a contact is for caa to judge.
        """
        members = set(inside)
        nodes = {self.node, *(member.node for member in inside)}
        found: list[Member] = []
        for node, peer in sorted(self._peers.items()):
            joiner = Member(node, peer.incarnation)
            if peer.view is not None or joiner in members:
                continue
            if self.apart and any((min(node, other), max(node, other)) in self.apart for other in nodes):
                continue
            nodes.add(node)
            found.append(joiner)
        return found

    def _strangers(self) -> list[int]:
        inside: set[int] = set()
        if self.view is not None:
            inside = {member.node for member in self.view.members if not self._suspected(member)}
        return [node for node in sorted(self.alive) if node != self.node and node not in inside]
