"""How a view is agreed on: proposal, acknowledgement, commit, and the flush that ends the old view for all survivors.

The protocol is coordinator-based group membership with virtual synchrony: Birman and Joseph, "Exploiting virtual
synchrony in distributed systems" (1987), in the form of Ricciardi and Birman, "Using process groups to implement
failure detection in asynchronous environments" (1991): the oldest member that is not suspected proposes a view, all
members acknowledge, the proposer commits. An acknowledgement carries what the member has of the old view's log; the
commit brings everybody to the end of the longest copy before the view is installed (the flush), so that all who go on
together have delivered the same. A member that acknowledged number n never acknowledges a lower one (the promise of
Lamport, "The part-time parliament", 1998); the number is stored before the acknowledgement leaves.

Assumptions: links between live members are fair (what is repeated arrives in the end), processes crash or pause, they
do not lie; suspicions may be wrong for a while, differently on every node. Where ours differs: views are not those of a
primary partition; both halves of a split install views of their own (the split policy decides elsewhere who may act),
with ids that differ by their leader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field

from daemons.cthags.detector import Detector, Settings
from daemons.cthags.messages import LeaveReason
from daemons.cthags.wire import (
    Commit,
    Member,
    Operation,
    Packet,
    Prepare,
    Prepared,
    Refused,
    Snapshot,
    View,
    ViewId,
)
from srcctl.machine import RemoteFault

REFUSALS_MAX = 3


class Replica(Protocol):
    """What membership needs of the log and the groups of the view."""

    def position(self) -> int:
        """Operations applied in this view."""
        ...

    def operations_after(self, position: int) -> tuple[Operation, ...]:
        """What was applied after ``position``."""
        ...

    def snapshot(self, departed: dict[int, LeaveReason]) -> Snapshot:
        """The state with which the next view begins: the members that are out (``departed``) have failed."""
        ...

    def catch_up(self, operations: tuple[Operation, ...]) -> None:
        """Apply operations that this member missed."""
        ...

    def installed(self, view: View, departed: dict[int, LeaveReason], snapshot: Snapshot | None) -> None:
        """A view begins. ``departed``: nodes whose members are out, and why. ``snapshot``: for a new member."""
        ...

    def has_critical(self) -> bool:
        """Whether critical clients are in groups."""
        ...

    def dissolved(self) -> None:
        """The view ends without a successor; this node begins anew."""
        ...


class _Round(Struct):
    """A view that this node is proposing."""

    id: ViewId
    base: ViewId | None
    members: tuple[Member, ...]
    replies: dict[Member, Prepared] = field(default_factory=dict)
    hellos: int = 0
    refusals: int = 0
    """Proposals in a row that were refused at once; after some, the next one waits for its pace."""


class Agreement(Detector):
    """Both sides of the agreement: this node proposes if it is the oldest that is not suspected, else it acknowledges.

    Args:
        node, incarnation, promised, settings, send, log: as of ``Detector``.
        store: makes a number durable before anything sent after it leaves.
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
        super().__init__(node, incarnation, promised, settings, send, log)
        self._store = store
        self._replica = replica
        self._held: dict[int, tuple[ViewId, Prepare]] = {}
        self._round: _Round | None = None
        self._last_commit: Commit | None = None
        self._hello_at: int | None = None
        self._formation_at: int | None = None

    def _greet(self, now: int) -> None:
        """Greet the live nodes that are not with us."""
        raise NotImplementedError

    def dissolve(self, now: int) -> None:
        """Give up the view."""
        raise NotImplementedError

    # The coordinator's side.

    def _senior_is_back(self, proposal: _Round) -> bool:
        """A member that is older than this node was suspected in error; the proposal is its to make."""
        if self.view is None:
            return False
        first = next((member for member in self.view.members if not self._suspected(member)), self.me)
        return first not in proposal.members

    def _must_wait(self) -> bool:
        """There is a domain that does not know us yet: it will take us in, a second one must not be formed."""
        return any(peer.view is not None and self.me not in peer.view.members for peer in self._peers.values())

    def _await_others(self, now: int) -> None:
        """From now on others may take so long to show up before this node forms a view without them."""
        self._formation_at = now + max(self.settings.formation_us, self.detection_us * 9 // 8)

    def _is_cut_off(self) -> bool:
        """A node that caa calls alive is out of reach: it may be in a domain, until it is called dead."""
        return any(self.node in pair for pair in self.apart)

    def _form(self, now: int) -> None:
        """No view exists as far as we know: the lowest node of those that greeted us proposes the first one."""
        if any(node < self.node for node in self._peers):
            return
        everybody = not self.apart and all(node in self._peers for node in self.configured if node != self.node)
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
            self._sessions.drop(self._round.id)
        self._round = _Round(ViewId(number, self.node), base, members, refusals=refusals)
        self._promise(self._round.id, members)
        self._log(f"view {self._round.id} proposed: nodes {' '.join(str(member.node) for member in members)}")
        prepare = Prepare(base, self._replica.position(), members)
        for member in members:
            if member != self.me:
                self._sessions.open(self._round.id, member.node, self.incarnation, member.incarnation)
                self._sessions.send(self._round.id, member.node, prepare)
        self._hello_at = now + self.settings.hello_us
        self._prepared(now, self.me, Prepared(base, self._replica.position(), boot=self.boot))

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
        down = tuple(node for node in self.view.nodes if node not in self.alive) if self.view is not None else ()
        commit = Commit(
            view=View(proposal.id, proposal.members),
            base=proposal.base,
            first=first,
            operations=self._replica.operations_after(first) if proposal.base is not None else (),
            snapshot=self._replica.snapshot(self._departed(proposal.members, down)),
            down=down,
            base_commit=self._last_commit if behind else None,
            boots=tuple((member.node, prepared.boot) for member, prepared in proposal.replies.items() if prepared.boot),
        )
        for member in proposal.members:
            if member != self.me:
                self._sessions.send(proposal.id, member.node, commit)
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
            self._sessions.drop(self._round.id)
            self._round = None
        self._promise(session, prepare.members)
        view = self.view.id if self.view is not None else None
        position = self._replica.position()
        if view is not None and view == prepare.base:
            answer = Prepared(view, position, self._replica.operations_after(prepare.position), boot=self.boot)
        else:
            newer = view is not None and (prepare.base is None or view > prepare.base)
            answer = Prepared(view, position, (), self._last_commit if newer else None, self.boot)
        self._sessions.send(session, session.leader, answer)

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
        departed = self._departed(commit.view.members, commit.down)
        self.view = commit.view
        self.note_boots(dict(commit.boots))
        self._last_commit = commit
        interrupted = self._round is not None and self._round.id > commit.view.id
        self._round = None
        self._accepted.clear()
        self._held.clear()
        self._silence.clear()
        self._member_promised.clear()
        self._formation_at = None
        self._sessions.keep(lambda session, _: session >= commit.view.id)
        for member in commit.view.members:
            self._peers.pop(member.node, None)  # what it said before it was a member
            self._agreed[member.node] = member.incarnation, commit.view.id.number
        self._replica.installed(commit.view, departed, snapshot)
        self._log(f"view {commit.view.id} installed: nodes {' '.join(map(str, commit.view.nodes))}")
        self._greet(now)
        if interrupted and self._coordinator() == self.node:
            self._propose(now)

    def _departed(self, members: tuple[Member, ...], down: tuple[int, ...]) -> dict[int, LeaveReason]:
        """Who of the present view is not in the next one, and why."""
        before = self.view.members if self.view is not None else ()
        return {
            member.node: "host_failure" if member.node in down else "provider_failure"
            for member in before
            if member not in members
        }

    def _refuse(self, node: int, session: ViewId) -> None:
        self._send_packet(node, Refused(session, self.incarnation, self.promised, self.view))
