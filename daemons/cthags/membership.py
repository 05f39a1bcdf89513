"""Who is in: this node's part in the domain, from first greeting to view, and what happens when two domains meet.

``detector`` says who is suspected, ``agreement`` how a view comes about; here a node finds its domain. Nodes without a
view greet all that caa calls alive; the lowest of those that meet forms the first view (the product's name server), a
node that meets an existing view is taken into it. A node that caa calls alive and cannot reach may be in a view: nobody
forms a first one without it before it is known to be dead. Assumption: caa and greetings reach whoever is to be reached
before ``formation_us`` has passed. When halves of a split meet, the smaller one (at a tie the one without the lowest
node number) dissolves and its nodes join as new members; Birman's systems leave this to the application. That is merge
policy majority (tie breakers decide before). With priority the part goes on that has a node of the site with the
highest recovery priority; where both have, or no site has one, that with the lowest node number (inferred). With manual
and none two parts that both have critical clients stay as they are until an operator makes one give way, or for good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daemons.cthags.agreement import REFUSALS_MAX, Agreement, Replica
from daemons.cthags.detector import Peer, Settings
from daemons.cthags.inputs import AliveNodes
from daemons.cthags.wire import (
    Ack,
    Beat,
    Commit,
    Data,
    GiveWay,
    Hello,
    Member,
    Packet,
    PeerMessage,
    Prepare,
    Prepared,
    Refused,
    View,
    ViewId,
    peer_codec,
)
from srcctl.machine import earliest

PRIORITY_NONE = 1 << 30
"""Behind the priorities of all sites: that of a node at none, or at one that an operator recovers (MANUAL)."""


class Membership(Agreement):
    """The membership machine of one node. Arguments as of ``Agreement``."""

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
        super().__init__(node, incarnation, promised, settings, send, store, log, replica)
        self.ready = False
        """True once caa has spoken."""
        self._beat_at: int | None = None
        self.merge = "majority"
        self._priorities: Mapping[int, int] = {}
        self._site_merge = ""
        self._sites: Mapping[int, int] = {}
        self.awaits_operator = False
        """An operator decides about the parts in conflict; otherwise they stay as they are."""
        self.conflict: frozenset[int] = frozenset()
        """Nodes of another part of the domain that neither gives way to this one nor makes it give way."""
        self.beats = 0
        """Signs of life that were due so far."""

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
        return earliest(self._sessions.next_deadline(), self._beat_at, self._hello_at, self._formation_at)

    # Inputs.

    def set_alive(self, now: int, word: AliveNodes) -> None:
        """caa's word on who is alive, since which boot, and who does not hear whom; and the cluster's merge policy."""
        self.merge = word.merge
        self._priorities = word.priorities
        self._site_merge, self._sites = word.site_merge, word.sites
        self.apart = word.apart
        self.detection_us = word.detection_us
        self.conflict &= word.alive
        grown = bool(word.alive - self.alive) or not self.ready
        self.configured = word.configured
        self.alive = word.alive | {self.node}
        self.note_boots(word.boots)
        for node in [node for node in self._peers if node not in self.alive]:
            del self._peers[node]
        for node in [node for node in self._held if node not in self.alive]:
            del self._held[node]
        self._silence = {node: count for node, count in self._silence.items() if node in self.alive}
        self.ready = True
        if grown:
            if self.view is None:
                self._await_others(now)
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
            case GiveWay(session):
                if self.view is not None and session == self.view.id and node in self.view.nodes:
                    self._log(f"domain merge: view {session} gives way, an operator has decided so")
                    self.dissolve(now)
            case Beat():
                if self.view is not None and packet.session == self.view.id:
                    self._member_promised[node] = packet.promised
                self._reconsider(now)
            case Refused():
                self._refused(now, node, packet)
            case Ack():
                link = self._sessions.get(packet.session, node)
                if link is not None and (packet.source, packet.target) == (link.target, link.source):
                    link.acknowledge(now, packet.acknowledged)
                    self._sessions.touch(packet.session, node)
            case Data():
                return self._data(now, node, packet)
        return []

    def tick(self, now: int) -> None:
        """Time has passed."""
        if self._formation_at is not None and now >= self._formation_at:
            self._formation_at = None
        if self._beat_at is not None and now >= self._beat_at:
            self._beat_at = now + self.settings.beat_us
            self.beats += 1
            self._beat()
        if self._hello_at is not None and now >= self._hello_at:
            self._hello_at = None
            self._greet(now)
            self._retry(now)
        self._sessions.expire(now)
        self._reconsider(now)

    def send(self, node: int, message: PeerMessage) -> None:
        """Send a message to a member within the present view, reliably."""
        assert self.view is not None
        self._sessions.send(self.view.id, node, message)

    def flush(self, now: int) -> None:
        """Hand out what the links have to send; called at the end of every step."""
        for node, packet in self._sessions.transmit(now):
            self._send_packet(node, packet)

    def acknowledged(self, node: int) -> tuple[int, int]:
        """Of the link to a member in this view: packets that it has processed, and the number of the next one."""
        link = self._sessions.get(self.view.id, node) if self.view is not None else None
        return (link.acknowledged, link.next_number) if link is not None else (0, 0)

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
                    if self.view is None:
                        # Whatever silenced it, caa finds out: no view without it before that.
                        self._await_others(now)
            self._send_packet(node, self._own_hello(True))
        if strangers or self._round is not None:
            self._hello_at = now + self.settings.hello_us

    def _own_hello(self, wants_answer: bool) -> Hello:
        return Hello(self.incarnation, self.view, self.promised, wants_answer, self._replica.has_critical())

    def _is_late(self, node: int, packet: Hello | Refused) -> bool:
        """Whether a packet was on its way while its sender agreed to a later view with this node.

        Promises only grow. One that waited in a mailbox of the repository disk until the network failed would tell of
        a domain that is no more, to which the survivor of a crash would give way.
        """
        incarnation, number = self._agreed.get(node, (0, 0))
        return packet.incarnation == incarnation and packet.promised < number

    def _hello(self, now: int, node: int, hello: Hello) -> None:
        if self._is_late(node, hello):
            return
        self._note_peer(node, hello.incarnation, hello.view, hello.promised)
        self._peers[node].critical = hello.critical
        self._peers[node].critical_in = hello.view.id if hello.view is not None else None
        if hello.wants_answer:
            self._send_packet(node, self._own_hello(False))
        self._meet(now, node)
        self._reconsider(now)

    def _note_peer(self, node: int, incarnation: int, view: View | None, promised: int) -> None:
        peer = self._peers.get(node)
        if peer is None or incarnation > peer.incarnation:
            self._peers[node] = Peer(incarnation, view, promised)
        elif incarnation == peer.incarnation:
            peer.promised = max(peer.promised, promised)
            if view is not None and (peer.view is None or view.id > peer.view.id):
                peer.view = view

    # Meeting another view.

    def _meet(self, now: int, node: int) -> None:
        """Two views that met: this node gives way if its half is the smaller one."""
        other = self._peers[node].view if node in self._peers else None
        mine = self.view
        if mine is None or other is None or other.id == mine.id or self.me in other.members:
            self.conflict -= {node}
            return
        if other.id in self._accepted:
            return
        merge = self._merge_policy(other, mine)
        if merge == "heuristic" and self._peers[node].critical_in != other.id:
            # What it said in a former view, perhaps a common one, must not make both give way.
            self._send_packet(node, self._own_hello(True))
            return
        if merge in ("manual", "none", "heuristic"):
            ours, theirs = self._replica.has_critical(), self._peers[node].critical
            if ours and theirs and merge != "heuristic":
                self.conflict |= {node}
                self.awaits_operator = merge == "manual"
                return
            self.conflict -= {node}
            gives_way = theirs if ours != theirs else outweighs(other, mine)
        elif merge == "priority":
            gives_way = self._rank(other) < self._rank(mine)
        else:
            gives_way = outweighs(other, mine)
        if gives_way:
            self._log(f"domain merge: view {mine.id} gives way to view {other.id}")
            self.dissolve(now)

    def _merge_policy(self, other: View, mine: View) -> str:
        """What decides between two views: the policy between sites where each is at one, and not at the same."""
        here, there = ({self._sites.get(node, 0) for node in view.nodes} for view in (mine, other))
        return self._site_merge if self._site_merge and len(here) == len(there) == 1 and here != there else self.merge

    def _rank(self, view: View) -> tuple[int, int]:
        """The lower, the more a view is to go on under merge policy priority."""
        return min((self._priorities.get(node, PRIORITY_NONE), node) for node in view.nodes)

    def decided(self, now: int, go_on: bool) -> None:
        """An operator has decided which of two parts gives way: this one, or not."""
        view = self.view
        if view is None or not self.conflict:
            return
        if go_on:
            self._log(f"domain merge: view {view.id} goes on, an operator has decided so")
            return
        for node in view.nodes:
            if node != self.node:
                self._send_packet(node, GiveWay(view.id))
        self._log(f"domain merge: view {view.id} gives way, an operator has decided so")
        self.dissolve(now)

    def dissolve(self, now: int) -> None:
        """Give up the view: all groups end here, and this node joins again as a new member."""
        self.incarnation += 1
        self._store("incarnation", self.incarnation)
        self.view = None
        self.conflict = frozenset()
        self._round = None
        self._last_commit = None
        self._accepted.clear()
        self._held.clear()
        self._sessions.keep(lambda session, node: False)
        self._silence.clear()
        self._member_promised.clear()
        self._await_others(now)
        self._replica.dissolved()
        self._greet(now)

    # What is to be done.

    def _reconsider(self, now: int) -> None:
        """See whether a view must be proposed, or a proposal given up."""
        if not self.ready:
            return
        for node in sorted(self._held):
            session, prepare = self._held[node]
            if self._may_accept(session, prepare):
                del self._held[node]
                self._accept(now, session, prepare)
        if self.view is None and (self._must_wait() or self._is_cut_off()):
            return
        if self._round is not None:
            if self._senior_is_back(self._round):
                self._sessions.drop(self._round.id)
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

    # Packets of sessions.

    def _data(self, now: int, node: int, data: Data) -> list[tuple[ViewId, PeerMessage]]:
        if data.target != self.incarnation:
            self._send_packet(node, self._own_hello(False))
            return []
        if self.view is not None and data.session == self.view.id and self.blocked:
            return []  # not even acknowledged: what the flush did not count must not count as delivered
        link = self._sessions.get(data.session, node)
        if link is None:
            if data.session.number <= self.promised or data.session.leader != node or data.number != 0:
                self._refuse(node, data.session)
                return []
            if any(other == node and session > data.session for session, other in self._sessions):
                return []  # a proposal that its own maker has overtaken
            self._sessions.keep(lambda session, other: other != node or not self._tentative(session))
            link = self._sessions.open(data.session, node, self.incarnation, data.source)
        elif link.target != data.source:
            return []
        self._sessions.touch(data.session, node)
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

    def _refused(self, now: int, node: int, refused: Refused) -> None:
        if self._is_late(node, refused):
            return
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
