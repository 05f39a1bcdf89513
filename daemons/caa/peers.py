"""What is known of another node: its life, when it was heard on which path, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from daemons.caa.messages import DISK_PATH, NODES_MAX, Heartbeat, nodes_of

FIRST_BEATS = 3
"""So long a node that was just heard for the first time may take to be heard on all networks."""


class Peer(Struct):
    """Another node. Times in microseconds.

    A heartbeat counts once only, by its serial number, and as a sign of life only when it is fresh: one from a network
    must answer a stamp of this node's own life (``proven``), or what was recorded in the peer's former days could be
    played back to a node that has just been restarted; a sector of the disk must have changed since the first look at
    it, or it may be what a dead node wrote last.
    """

    incarnation: int = 0
    heard: dict[str, int] = field(default_factory=dict)
    last_heard: int | None = None
    serials: dict[str, int] = field(default_factory=dict)
    contacts: tuple[tuple[int, int], ...] = ()
    contacts_at: int = 0
    proven: bool = False
    looked: bool = False
    silent_since: int | None = None
    last_stamp: int = 0
    last_stamp_at: int = 0
    answered_at: int | None = None
    round_trip: int = 0
    deviation: int = 0
    down: int = 0
    """The networks on which its interface is down, a bit for each in the order of the networks."""
    repository: bool = True
    newest: int = -1
    """The highest serial number of its heartbeats, on whatever path."""
    first_heard: int | None = None
    hears_us: bool | None = None
    """What its newest heartbeat says of this node; None: it has not known this node yet."""
    deaf: frozenset[int] = frozenset()
    """Its contacts that do not hear it."""
    row: frozenset[int] = frozenset()
    """Its contacts both ways, as it says."""
    rows: tuple[tuple[int, int], ...] = ()
    unheard: int = 0
    """The networks on which it does not hear this node although it does on another path, a bit for each."""
    misses: tuple[tuple[int, int], ...] = ()
    """The same of all its contacts: pairs of a contact and the networks on which it does not hear it."""
    epoch: int = 0
    """That of the repository which it uses."""
    gone: bool = False
    """It has said that it stops: nothing more counts of this life, what others say of it neither."""

    def begin(self, incarnation: int) -> bool:
        """Note a newer life of the node: nothing from the former one counts; True if there was one."""
        first = self.incarnation == 0
        self.incarnation = incarnation
        self.heard.clear()
        self.last_heard = None
        self.serials.clear()
        self.contacts, self.contacts_at = (), 0
        self.proven = self.looked = False
        self.newest, self.first_heard, self.hears_us = -1, None, None
        self.deaf, self.row, self.rows, self.unheard, self.misses = frozenset(), frozenset(), (), 0, ()
        self.epoch, self.gone = 0, False
        self.last_stamp = self.last_stamp_at = 0
        return not first

    def hear(self, now: int, path: str, heartbeat: Heartbeat, began: int, own: tuple[int, int]) -> bool:
        """Take a heartbeat of this life; True if it is a sign of life.

        Args:
            now: microseconds.
            path: on which it came.
            heartbeat: what it says.
            began: when this node's own life began.
            own: this node and its incarnation, as a contact of the peer.
        """
        if heartbeat.serial <= self.serials.get(path, -1):
            return False
        if path == DISK_PATH:
            self.serials[path] = heartbeat.serial
            if not self.looked:
                self.looked = True
                return False
        else:
            if heartbeat.stamp > self.last_stamp:
                self.last_stamp, self.last_stamp_at = heartbeat.stamp, now
            self.proven = self.proven or began <= heartbeat.echo <= now
            if not self.proven:
                return False
            self.serials[path] = heartbeat.serial
            if heartbeat.echo:
                sample = max(0, now - heartbeat.echo - heartbeat.held)
                # The smoothing of RFC 6298.
                self.deviation += (abs(sample - self.round_trip) - self.deviation) // 4
                self.round_trip += (sample - self.round_trip) // 8
        self.heard[path] = self.last_heard = now
        if heartbeat.serial < self.newest:
            return True  # a slower path: a faster one has told more already
        self.newest = heartbeat.serial
        if heartbeat.contacts != self.contacts or heartbeat.deaf or self.deaf:
            self.contacts, self.deaf = heartbeat.contacts, nodes_of(heartbeat.deaf)
            self.row = frozenset(node for node, _ in heartbeat.contacts if 0 < node <= NODES_MAX) - self.deaf
        self.contacts_at, self.rows = now, heartbeat.rows
        self.misses, self.epoch = heartbeat.unheard, heartbeat.epoch
        self.unheard = next((mask for node, mask in heartbeat.unheard if node == own[0]), 0)
        if self.first_heard is None:
            self.first_heard = now
        if own in heartbeat.contacts:
            self.hears_us = True
        elif self.hears_us:
            self.hears_us = False
        return True

    def is_deaf(self, now: int, patience: int) -> bool:
        """Whether it does not hear this node: it no longer does, or never did within ``patience``."""
        if self.hears_us is None:
            return self.first_heard is not None and now - self.first_heard >= patience
        return not self.hears_us

    def wants_answer(self, now: int, pause: int) -> bool:
        """Whether to answer it at once: it is not proven, and was not answered within ``pause``."""
        return not self.proven and (self.answered_at is None or now - self.answered_at >= pause)

    def heard_within(self, now: int, time: int) -> bool:
        """Whether it was heard on any path within that time, and has not stopped since."""
        return not self.gone and self.last_heard is not None and now - self.last_heard < time


def reachable(own: int, direct: set[int], peers: Mapping[int, Peer], now: int, timeout: int) -> set[int]:
    """The closure of direct contacts both ways, this node's and those that live nodes tell of.

    A contact with a former life of a node is none with the node, and nobody reaches one that has stopped.
    """
    found, waiting = {own}, sorted(direct)
    while waiting:
        node = waiting.pop()
        if node in found or node not in peers or peers[node].gone:
            continue
        found.add(node)
        peer = peers[node]
        if now - peer.contacts_at < timeout:
            waiting += [
                other
                for other, incarnation in peer.contacts
                if other not in found
                and other not in peer.deaf
                and other in peers
                and peers[other].incarnation == incarnation
            ]
    return found


def left_out(rows: Mapping[int, frozenset[int]]) -> set[int]:
    """Who must go so that all that stay reach each other directly, by the contacts of each node.

    The node with the fewest contacts goes first, at a tie the one with the highest number. All nodes that know the same
    contacts come to the same answer.
    """
    contacts = {node: {other for other in row if other in rows and node in rows[other]} for node, row in rows.items()}
    gone: set[int] = set()
    while True:
        staying = contacts.keys() - gone
        lacking = [node for node in staying if not staying - {node} <= contacts[node]]
        if not lacking:
            return gone
        gone.add(min(lacking, key=lambda node: (len(contacts[node] & staying), -node)))


def hear_each_other(peers: Mapping[int, Peer], place: int, since: int, until: int) -> bool:
    """Whether a node hears another one on a network, as it says itself, and the interfaces of both are up there.

    Args:
        peers: all other nodes.
        place: the network's, in the order of networks.
        since: what a node has said before is too old.
        until: a node that had fallen silent by then on all paths is no witness: whoever dies was last heard everywhere
            when it was last heard on the network.
    """
    witnesses = {
        node: peer
        for node, peer in peers.items()
        if peer.contacts_at > since and peer.contacts_at >= until and not peer.down >> place & 1
    }
    return any(
        other in peer.row and not dict(peer.misses).get(other, 0) >> place & 1
        for node, peer in witnesses.items()
        for other in witnesses
        if other != node
    )
