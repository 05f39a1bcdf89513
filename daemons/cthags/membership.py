"""Who is in: agreed views, and the flush that ends a view for all its survivors at the same point.

The protocol is coordinator-based group membership with virtual synchrony: Birman and Joseph, "Exploiting virtual
synchrony in distributed systems" (1987), in the form of Ricciardi and Birman, "Using process groups to implement
failure detection in asynchronous environments" (1991): the oldest member that is not suspected proposes a view, all
members acknowledge, the proposer commits. An acknowledgement carries what the member has of the old view's log; the
commit brings everybody to the end of the longest copy before the view is installed (the flush), so that all who go on
together have delivered the same. A member that acknowledged number n never acknowledges a lower one (the promise of
Lamport, "The part-time parliament", 1998); the number is stored before the acknowledgement leaves.

Assumptions: links between live members are fair (what is repeated arrives in the end), processes crash or pause, they
do not lie; caa says who is alive, and may err for a while, differently on every node. Where ours differs: views are not
those of a primary partition; both halves of a split install views of their own (the split policy decides elsewhere who
may act), with ids that differ by their leader. When halves meet, the smaller one (at a tie the one without the lowest
node number) dissolves and its nodes join as new members. A live node whose cthags is silent is suspected after
a number of beats, counted in our own ticks, so that a machine that was paused suspects nobody when it wakes up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from daemons.cthags.link import Link
from daemons.cthags.messages import LeaveReason
from daemons.cthags.wire import (
    Ack,
    Beat,
    Commit,
    Data,
    Hello,
    Member,
    Operation,
    Packet,
    PeerMessage,
    Prepare,
    Prepared,
    Refused,
    Snapshot,
    View,
    ViewId,
    peer_codec,
)
from srcctl.machine import SECOND, RemoteFault

REFUSALS_MAX = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """Intervals in microseconds (already scaled by the lab's speed).

    Args:
        beat_us: between two signs of life inside a view.
        silent_beats: beats without a sign after which a live node's cthags counts as failed.
        hello_us: between two greetings to live nodes outside the view; also the pace of retries.
        formation_us: how long a starting node waits for configured nodes before it forms a view without them. Longer
            than caa's node_timeout and node_down_delay together: a node that is only paused must be heard again, or
            have fallen to its dead man's switch, before anybody acts as if it did not exist.
        joiner_hellos: retries after which a joiner that does not acknowledge is left out.
        merge: "majority" dissolves the smaller half when two meet, "manual" leaves both for the operator.
    """

    beat_us: int = 5 * SECOND
    silent_beats: int = 10
    hello_us: int = SECOND // 2
    formation_us: int = 45 * SECOND
    joiner_hellos: int = 4
    merge: Literal["majority", "manual"] = "majority"


class Replica(Protocol):
    """What membership needs of the log and the groups of the view."""

    def position(self) -> int:
        """Operations applied in this view."""
        ...

    def operations_after(self, position: int) -> tuple[Operation, ...]:
        """What was applied after ``position``."""
        ...

    def snapshot(self) -> Snapshot:
        """The state now."""
        ...

    def catch_up(self, operations: tuple[Operation, ...]) -> None:
        """Apply operations that this member missed."""
        ...

    def installed(self, view: View, departed: dict[int, LeaveReason], snapshot: Snapshot | None) -> None:
        """A view begins. ``departed``: nodes whose members are out, and why. ``snapshot``: for a new member."""
        ...

    def dissolved(self) -> None:
        """The view ends without a successor; this node begins anew."""
        ...


@dataclass(slots=True)
class _Peer:
    """What is known of a live node outside or inside the view."""

    incarnation: int
    view: View | None
    promised: int
    unanswered: int = 0


@dataclass(slots=True)
class _Round:
    """A view that this node is proposing."""

    id: ViewId
    base: ViewId | None
    members: tuple[Member, ...]
    replies: dict[Member, Prepared] = field(default_factory=dict)
    hellos: int = 0
    refusals: int = 0
    """Proposals in a row that were refused at once; after some, the next one waits for its pace."""


class Membership:
    """The membership machine of one node.

    Args:
        node: this node's number.
        incarnation, promised: durable numbers of the last life.
        send: hands out a packet to a node.
        store: makes a number durable before anything sent after it leaves.
        log: a line for the daemon's log.
        replica: the log and the groups.
    """

    def __init__(
        self,
        node: int,
        incarnation: int,
        promised: int,
        settings: Settings,
        send: Callable[[int, Packet], None],
        store: Callable[[str, int], None],
        log: Callable[[str], None],
        replica: Replica,
    ) -> None:
        self.node = node
        self.settings = settings
        self.incarnation = incarnation
        self.promised = promised
        self.view: View | None = None
        self.alive: frozenset[int] = frozenset((node,))
        self.configured: tuple[int, ...] = (node,)
        self.ready = False
        """True once caa has spoken."""
        self._send_packet = send
        self._store = store
        self._log = log
        self._replica = replica
        self._peers: dict[int, _Peer] = {}
        self._accepted: dict[ViewId, View] = {}
        self._held: dict[int, tuple[ViewId, Prepare]] = {}
        self._round: _Round | None = None
        self._last_commit: Commit | None = None
        self._links: dict[tuple[ViewId, int], Link] = {}
        self._touched: dict[tuple[ViewId, int], None] = {}
        self._silence: dict[int, int] = {}
        self._member_promised: dict[int, int] = {}
        self._beat_at: int | None = None
        self._hello_at: int | None = None
        self._formation_at: int | None = None

    # What others ask.

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

    def hosts(self) -> tuple[int, ...]:
        """The nodes that are up: members of the view, oldest first, then others that caa calls alive."""
        inside = self.view.nodes if self.view is not None else ()
        return inside + tuple(node for node in sorted(self.alive) if node not in inside)

    def describe(self) -> dict[str, object]:
        """The state as plain values."""
        return {
            "incarnation": self.incarnation,
            "promised": self.promised,
            "view": str(self.view.id) if self.view else None,
            "members": [(member.node, member.incarnation) for member in self.view.members] if self.view else [],
            "alive": sorted(self.alive),
            "blocked": self.blocked,
            "proposing": str(self._round.id) if self._round else None,
            "silence": dict(sorted(self._silence.items())),
            "peers": {
                node: (peer.incarnation, str(peer.view.id) if peer.view else None)
                for node, peer in sorted(self._peers.items())
            },
        }

    def next_deadline(self) -> int | None:
        """When ``tick`` is due."""
        deadlines = [deadline for link in self._links.values() if (deadline := link.next_deadline()) is not None]
        deadlines += [at for at in (self._beat_at, self._hello_at, self._formation_at) if at is not None]
        return min(deadlines, default=None)

    # Inputs.

    def set_alive(self, now: int, alive: frozenset[int], configured: tuple[int, ...]) -> None:
        """caa's word on who is alive."""
        grown = bool(alive - self.alive) or not self.ready
        self.configured = configured
        self.alive = alive | {self.node}
        for node in [node for node in self._peers if node not in self.alive]:
            del self._peers[node]
        for node in [node for node in self._held if node not in self.alive]:
            del self._held[node]
        self._silence = {node: count for node, count in self._silence.items() if node in self.alive}
        self.ready = True
        if grown:
            if self.view is None:
                self._formation_at = now + self.settings.formation_us
            self._greet(now)
        if self._beat_at is None:
            self._beat_at = now + self.settings.beat_us
        self._reconsider(now)

    def receive(self, now: int, node: int, packet: Packet) -> list[tuple[ViewId, PeerMessage]]:
        """A packet from ``node``; returns the peer messages that are not membership's own.

        Raises:
            RemoteFault: it breaks the rules.
        """
        if not self.ready or node == self.node or node not in self.alive:
            return []
        self._silence.pop(node, None)
        if (peer := self._peers.get(node)) is not None:
            peer.unanswered = 0
        match packet:
            case Hello():
                self._hello(now, node, packet)
            case Beat():
                if self.view is not None and packet.session == self.view.id:
                    self._member_promised[node] = packet.promised
                self._reconsider(now)
            case Refused():
                self._refused(now, node, packet)
            case Ack():
                link = self._links.get((packet.session, node))
                if link is not None and (packet.source, packet.target) == (link.target, link.source):
                    link.acknowledge(now, packet.acknowledged)
                    self._touched[packet.session, node] = None
            case Data():
                return self._data(now, node, packet)
        return []

    def tick(self, now: int) -> None:
        """Time has passed."""
        if self._formation_at is not None and now >= self._formation_at:
            self._formation_at = None
        if self._beat_at is not None and now >= self._beat_at:
            self._beat_at = now + self.settings.beat_us
            self._beat()
        if self._hello_at is not None and now >= self._hello_at:
            self._hello_at = None
            self._greet(now)
            self._retry(now)
        for key, link in self._links.items():
            deadline = link.next_deadline()
            if deadline is not None and now >= deadline:
                self._touched[key] = None
        self._reconsider(now)

    def send(self, node: int, message: PeerMessage) -> None:
        """Send a message to a member within the present view, reliably."""
        assert self.view is not None
        self._link_send(self.view.id, node, message)

    def flush(self, now: int) -> None:
        """Hand out what the links have to send; called at the end of every step."""
        touched, self._touched = self._touched, {}
        for key in touched:
            link = self._links.get(key)
            if link is not None:
                for packet in link.transmit(now):
                    self._send_packet(key[1], packet)

    def acknowledged(self, node: int) -> tuple[int, int]:
        """Of the link to a member in this view: packets that it has processed, and the number of the next one."""
        if self.view is None or (link := self._links.get((self.view.id, node))) is None:
            return 0, 0
        return link.acknowledged, link.next_number

    # Greetings.

    def _greet(self, now: int) -> None:
        """Greet live nodes that are not with us, and come back to it as long as there are any."""
        strangers = self._strangers()
        for node in strangers:
            peer = self._peers.get(node)
            if peer is not None:
                peer.unanswered += 1
                if peer.unanswered > 2 * self.settings.joiner_hellos:
                    del self._peers[node]
            self._send_packet(node, Hello(self.incarnation, self.view, self.promised, True))
        if strangers or self._round is not None:
            self._hello_at = now + self.settings.hello_us

    def _strangers(self) -> list[int]:
        inside: set[int] = set()
        if self.view is not None:
            inside = {member.node for member in self.view.members if not self._suspected(member)}
        return [node for node in sorted(self.alive) if node != self.node and node not in inside]

    def _hello(self, now: int, node: int, hello: Hello) -> None:
        self._note_peer(node, hello.incarnation, hello.view, hello.promised)
        if hello.wants_answer:
            self._send_packet(node, Hello(self.incarnation, self.view, self.promised, False))
        self._meet(now, node)
        self._reconsider(now)

    def _note_peer(self, node: int, incarnation: int, view: View | None, promised: int) -> None:
        peer = self._peers.get(node)
        if peer is None or incarnation > peer.incarnation:
            self._peers[node] = _Peer(incarnation, view, promised)
        elif incarnation == peer.incarnation:
            peer.promised = max(peer.promised, promised)
            if view is not None and (peer.view is None or view.id > peer.view.id):
                peer.view = view

    # Suspicion.

    def _suspected(self, member: Member) -> bool:
        """The member is out as far as this node can tell."""
        if member.node == self.node:
            return member.incarnation != self.incarnation
        if member.node not in self.alive or self._silence.get(member.node, 0) >= self.settings.silent_beats:
            return True
        peer = self._peers.get(member.node)
        if peer is None:
            return False
        if peer.incarnation > member.incarnation:
            return True
        link = self._links.get((self.view.id, member.node)) if self.view is not None else None
        if link is not None and link.overflowed:
            return True
        return (
            peer.view is not None
            and self.view is not None
            and peer.view.id.number > self.view.id.number
            and self.me not in peer.view.members
        )

    def _beat(self) -> None:
        watched = {self._coordinator()}
        if self.view is not None:
            leads = self.view.id.leader == self.node
            watched |= set(self.view.nodes) if leads else {self.view.id.leader}
        for node in sorted((watched - {self.node}) & self.alive):
            self._silence[node] = self._silence.get(node, 0) + 1
            if self._silence[node] == self.settings.silent_beats:
                self._log(f"Group Services on node {node} is silent")
            if self.view is not None:
                self._send_packet(node, Beat(self.incarnation, self.view.id, self.promised))

    # Meeting another view.

    def _meet(self, now: int, node: int) -> None:
        """Two views that met: this node gives way if its half is the smaller one."""
        other = self._peers[node].view if node in self._peers else None
        mine = self.view
        if mine is None or other is None or other.id == mine.id or self.me in other.members:
            return
        if self.settings.merge == "manual" or other.id in self._accepted:
            return
        if outweighs(other, mine):
            self._log(f"domain merge: view {mine.id} gives way to view {other.id}")
            self.dissolve(now)

    def dissolve(self, now: int) -> None:
        """Give up the view: all groups end here, and this node joins again as a new member."""
        self.incarnation += 1
        self._store("incarnation", self.incarnation)
        self.view = None
        self._round = None
        self._last_commit = None
        self._accepted.clear()
        self._held.clear()
        self._links.clear()
        self._silence.clear()
        self._member_promised.clear()
        self._formation_at = now + self.settings.formation_us
        self._replica.dissolved()
        self._greet(now)

    # The coordinator's side.

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
        members = set(inside)
        return [
            Member(node, peer.incarnation)
            for node, peer in sorted(self._peers.items())
            if peer.view is None and Member(node, peer.incarnation) not in members
        ]

    def _reconsider(self, now: int) -> None:
        """See whether a view must be proposed, or a proposal given up."""
        if not self.ready:
            return
        for node in sorted(self._held):
            session, prepare = self._held[node]
            if self._may_accept(session, prepare):
                del self._held[node]
                self._accept(now, session, prepare)
        if self.view is None and self._must_wait():
            return
        if self._round is not None:
            if self._senior_is_back(self._round):
                self._drop_session(self._round.id)
                self._round = None
            elif any(self._suspected(member) for member in self._round.members):
                self._propose(now)
            return
        if self.view is None and not self._accepted:
            self._form(now)
            return
        if self._coordinator() != self.node:
            return
        order = self._order()
        survivors = tuple(member for member in order if not self._suspected(member))
        if (
            self.view is None
            or self.blocked
            or survivors != self.view.members
            or self.view.id.leader != self.node
            or self._joiners(survivors)
            or any(self._member_promised.get(member.node, 0) > self.view.id.number for member in self.view.members)
        ):
            self._propose(now)

    def _senior_is_back(self, proposal: _Round) -> bool:
        """A member that is older than this node was suspected in error; the proposal is its to make."""
        if self.view is None:
            return False
        first = next((member for member in self.view.members if not self._suspected(member)), self.me)
        return first not in proposal.members

    def _must_wait(self) -> bool:
        """There is a domain that does not know us yet: it will take us in, a second one must not be formed."""
        return any(peer.view is not None and self.me not in peer.view.members for peer in self._peers.values())

    def _form(self, now: int) -> None:
        """No view exists as far as we know: the lowest node of those that greeted us proposes the first one."""
        if any(node < self.node for node in self._peers):
            return
        everybody = all(node in self._peers for node in self.configured if node != self.node)
        if everybody or self._formation_at is None:
            self._propose(now)

    def _propose(self, now: int, refusals: int = 0) -> None:
        members = tuple(member for member in self._order() if not self._suspected(member))
        if self.me not in members:
            members = (*members, self.me)
        joiners = self._joiners(members)
        members = members + tuple(joiners) if self._order() else tuple(sorted((*members, *joiners)))
        number = 1 + max(
            [self.promised, *(peer.promised for peer in self._peers.values()), *self._member_promised.values()]
        )
        base = self.view.id if self.view is not None else None
        if self._round is not None:
            self._drop_session(self._round.id)
        self._round = _Round(ViewId(number, self.node), base, members, refusals=refusals)
        self._promise(self._round.id, members)
        self._log(f"view {self._round.id} proposed: nodes {' '.join(str(member.node) for member in members)}")
        prepare = Prepare(base, self._replica.position(), members)
        for member in members:
            if member != self.me:
                self._links[self._round.id, member.node] = Link(self._round.id, self.incarnation, member.incarnation)
                self._link_send(self._round.id, member.node, prepare)
        self._hello_at = now + self.settings.hello_us
        self._prepared(now, self.me, Prepared(base, self._replica.position()))

    def _retry(self, now: int) -> None:
        """A joiner that does not answer must not hold up the members."""
        proposal = self._round
        if proposal is None:
            return
        proposal.hellos += 1
        if proposal.refusals >= REFUSALS_MAX:
            self._propose(now)
            return
        if proposal.hellos < self.settings.joiner_hellos:
            return
        proposal.hellos = 0
        mute = [member for member in proposal.members if member not in proposal.replies and not self._is_member(member)]
        for member in mute:
            self._peers.pop(member.node, None)
            self._accepted = {
                session: View(view.id, tuple(other for other in view.members if other != member))
                for session, view in self._accepted.items()
            }
        if mute:
            self._propose(now)

    def _is_member(self, member: Member) -> bool:
        return self.view is not None and member in self.view.members

    def _prepared(self, now: int, member: Member, prepared: Prepared) -> None:
        proposal = self._round
        if proposal is None or member not in proposal.members:
            return
        commit = prepared.commit
        if commit is not None and prepared.view != proposal.base and self._is_ahead(commit):
            # The old leader died after it had told only some: follow those, then propose from there.
            self._install(now, commit)
            return
        proposal.replies[member] = prepared
        if len(proposal.replies) == len(proposal.members):
            self._commit(now, proposal)

    def _is_ahead(self, commit: Commit) -> bool:
        if self.me not in commit.view.members:
            return False
        return self.view is None or (commit.base == self.view.id and commit.view.id > self.view.id)

    def _commit(self, now: int, proposal: _Round) -> None:
        """All acknowledged: make the commit from the longest copy of the log."""
        mine = self._replica.position()
        longest: tuple[Operation, ...] = ()
        first, behind = mine, False
        for prepared in proposal.replies.values():
            if prepared.view == proposal.base:
                first = min(first, prepared.position)
                if prepared.position - mine > len(longest):
                    longest = prepared.operations
            elif prepared.view is not None:
                behind = True
                first = 0
        if proposal.base is not None and longest:
            self._replica.catch_up(longest)
        commit = Commit(
            view=View(proposal.id, proposal.members),
            base=proposal.base,
            first=first,
            operations=self._replica.operations_after(first) if proposal.base is not None else (),
            snapshot=self._replica.snapshot(),
            down=tuple(node for node in self.view.nodes if node not in self.alive) if self.view is not None else (),
            base_commit=self._last_commit if behind else None,
        )
        for member in proposal.members:
            if member != self.me:
                self._link_send(proposal.id, member.node, commit)
        self._install(now, commit)

    # The member's side.

    def _may_accept(self, session: ViewId, prepare: Prepare) -> bool:
        """No member that is older than the proposer could propose: all of them are suspected here too."""
        following = prepare.base is not None and prepare.base in self._accepted
        if self.view is None and not following:
            # A view that exists takes us in; among those who have none, the lowest node proposes.
            return prepare.base is not None or self._round is None or session.leader < self.node
        order = self._accepted[prepare.base].members if prepare.base in self._accepted else self._order()
        for member in order:
            if member.node == session.leader:
                return True
            if not self._suspected(member):
                return False
        return False

    def _prepare(self, now: int, node: int, session: ViewId, prepare: Prepare) -> None:
        if self.me not in prepare.members or session.leader != node:
            raise RemoteFault("a view was proposed to a node that is not in it")
        following = prepare.base is not None and prepare.base in self._accepted
        foreign = False
        if self.view is not None and not following:
            stranger = node not in self.view.nodes
            foreign = stranger or (prepare.base is not None and prepare.base > self.view.id)
        if foreign or session.number <= self.promised:
            self._refuse(node, session)
            return
        if self._may_accept(session, prepare):
            self._accept(now, session, prepare)
        else:
            self._held[node] = (session, prepare)

    def _accept(self, now: int, session: ViewId, prepare: Prepare) -> None:
        if session.number <= self.promised:
            self._refuse(session.leader, session)
            return
        if self._round is not None:
            self._drop_session(self._round.id)
            self._round = None
        self._promise(session, prepare.members)
        view = self.view.id if self.view is not None else None
        position = self._replica.position()
        if view is not None and view == prepare.base:
            answer = Prepared(view, position, self._replica.operations_after(prepare.position))
        else:
            newer = view is not None and (prepare.base is None or view > prepare.base)
            answer = Prepared(view, position, (), self._last_commit if newer else None)
        self._link_send(session, session.leader, answer)

    def _promise(self, session: ViewId, members: tuple[Member, ...]) -> None:
        self.promised = session.number
        self._store("view", session.number)
        self._accepted[session] = View(session, members)

    def _install(self, now: int, commit: Commit) -> None:
        """Bring the old view to its end, then begin the new one."""
        old = self.view
        if old is None:
            snapshot: Snapshot | None = commit.snapshot
        else:
            snapshot = None
            if commit.base != old.id:
                if commit.base_commit is None or commit.base_commit.base != old.id:
                    self._log(f"view {commit.view.id} does not follow view {old.id}")
                    self.dissolve(now)
                    return
                self._install(now, commit.base_commit)
                old = self.view
            self._replica.catch_up(commit.operations[max(0, self._replica.position() - commit.first) :])
        before = old.members if old is not None else ()
        departed: dict[int, LeaveReason] = {
            member.node: "host_failure" if member.node in commit.down else "provider_failure"
            for member in before
            if member not in commit.view.members
        }
        self.view = commit.view
        self._last_commit = commit
        interrupted = self._round is not None and self._round.id > commit.view.id
        self._round = None
        self._accepted.clear()
        self._held.clear()
        self._silence.clear()
        self._member_promised.clear()
        self._formation_at = None
        self._links = {key: link for key, link in self._links.items() if key[0] >= commit.view.id}
        for member in commit.view.members:
            self._peers.pop(member.node, None)  # what it said before it was a member
        self._replica.installed(commit.view, departed, snapshot)
        self._log(f"view {commit.view.id} installed: nodes {' '.join(map(str, commit.view.nodes))}")
        self._greet(now)
        if interrupted and self._coordinator() == self.node:
            self._propose(now)

    # Links.

    def _data(self, now: int, node: int, data: Data) -> list[tuple[ViewId, PeerMessage]]:
        if data.target != self.incarnation:
            self._send_packet(node, Hello(self.incarnation, self.view, self.promised, False))
            return []
        key = (data.session, node)
        if self.view is not None and data.session == self.view.id and self.blocked:
            return []  # not even acknowledged: what the flush did not count must not count as delivered
        link = self._links.get(key)
        if link is None:
            if data.session.number <= self.promised or data.session.leader != node or data.number != 0:
                self._refuse(node, data.session)
                return []
            if any(other[1] == node and other[0] > data.session for other in self._links):
                return []  # a proposal that its own maker has overtaken
            for other in [other for other in self._links if other[1] == node and self._tentative(other[0])]:
                del self._links[other]
            link = self._links[key] = Link(data.session, self.incarnation, data.source)
        elif link.target != data.source:
            return []
        self._touched[key] = None
        passed: list[tuple[ViewId, PeerMessage]] = []
        for payload in link.receive(now, data):
            message = peer_codec.decode(payload)
            match message:
                case Prepare():
                    self._prepare(now, node, data.session, message)
                case Prepared():
                    if self._round is not None and self._round.id == data.session:
                        self._prepared(now, Member(node, data.source), message)
                case Commit():
                    if data.session in self._accepted and message.view.id == data.session:
                        self._install(now, message)
                case _:
                    passed.append((data.session, message))
        return passed

    def _tentative(self, session: ViewId) -> bool:
        return (self.view is None or session != self.view.id) and (self._round is None or session != self._round.id)

    def _refuse(self, node: int, session: ViewId) -> None:
        self._send_packet(node, Refused(session, self.incarnation, self.promised, self.view))

    def _refused(self, now: int, node: int, refused: Refused) -> None:
        self._note_peer(node, refused.incarnation, refused.view, refused.promised)
        self._meet(now, node)
        if self.leads and self.view is not None and refused.session == self.view.id and refused.view == self.view:
            self._propose(now)  # a member of this very view that has lost its end of the link: links anew
            return
        if self._round is not None and self._round.id == refused.session:
            peer = self._peers.get(node)
            member = next((member for member in self._round.members if member.node == node), None)
            if (peer is not None and member is not None and self._suspected(member)) or (
                refused.promised >= self._round.id.number and self._round.refusals < REFUSALS_MAX
            ):
                self._propose(now, self._round.refusals + 1)
                return
        self._reconsider(now)

    def _drop_session(self, session: ViewId) -> None:
        self._links = {key: link for key, link in self._links.items() if key[0] != session}

    def _link_send(self, session: ViewId, node: int, message: PeerMessage) -> None:
        link = self._links.get((session, node))
        if link is None:
            return
        link.send(peer_codec.encode(message))
        self._touched[session, node] = None


def outweighs(other: View, mine: View) -> bool:
    """True if view ``other`` stays and ``mine`` gives way: more nodes, at a tie the one with the lowest node number.

    A node that both list belongs to the one with the higher number; to neither if the numbers are equal. Both sides
    come to the same answer from the same two views.
    """
    theirs, ours = set(other.nodes), set(mine.nodes)
    shared = theirs & ours
    if other.id.number >= mine.id.number:
        ours -= shared
    if other.id.number <= mine.id.number:
        theirs -= shared
    if len(theirs) != len(ours):
        return len(theirs) > len(ours)
    if not theirs:
        return other.id > mine.id
    return min(theirs) < min(ours)
