"""Contacts: which nodes hear each other, as this node hears and as the others say in their heartbeats.

A contact counts only if both sides hear each other, and so does a path: one that is cut in one direction is cut, which
the deaf end says to the other by whatever way is left (as two-way connectivity is checked by the hellos of OSPF, RFC
2328). What the closure of contacts calls alive and is not in contact with everybody cannot be agreed with: of such a
cluster the nodes with the fewest contacts halt until the rest is complete (CAA reboots "those with the smaller contact
view until views agree").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from daemons.caa.inputs import Settings
from daemons.caa.messages import mask_of, nodes_of
from daemons.caa.peers import FIRST_BEATS, Peer, left_out, reachable

Pairs = tuple[tuple[int, int], ...]
Contacts = tuple[Pairs, int, Pairs, Pairs]
"""What a heartbeat says of contacts: the nodes that are heard with their lives, those of them that are deaf, the
contacts of those nodes whose contacts are not the same as the sender's (none in a healthy cluster), and the networks on
which a contact is not heard (none either)."""


def heard(settings: Settings, peers: Mapping[int, Peer], now: int) -> set[int]:
    """The nodes that this one hears itself."""
    timeout = settings.node_timeout_us
    return {node for node, peer in peers.items() if peer.heard_within(now, timeout)}


def direct(settings: Settings, peers: Mapping[int, Peer], now: int) -> set[int]:
    """The nodes that this one hears and that hear it."""
    timeout = settings.node_timeout_us
    return {node for node in heard(settings, peers, now) if not peers[node].is_deaf(now, timeout)}


def said(settings: Settings, peers: Mapping[int, Peer], now: int, networks: Collection[str]) -> Contacts:
    """What this node says of its contacts; ``networks`` are those that it sends heartbeats on."""
    hears, both = heard(settings, peers, now), direct(settings, peers, now)
    lives = tuple((node, peers[node].incarnation) for node in sorted(hears))
    return lives, mask_of(hears - both), _rows(settings, peers, both), _unheard(settings, peers, now, hears, networks)


def _rows(settings: Settings, peers: Mapping[int, Peer], own: set[int]) -> Pairs:
    if _is_complete(peers, own):
        return ()
    everybody = own | {settings.own}
    rows = ((node, peers[node].row) for node in sorted(own))
    return tuple((node, mask_of(row)) for node, row in rows if row | {node} != everybody)


def _unheard(
    settings: Settings, peers: Mapping[int, Peer], now: int, hears: set[int], networks: Collection[str]
) -> Pairs:
    """The networks on which a contact is not heard although the interfaces at both ends are up."""
    places = [(1 << settings.networks.index(name), name) for name in networks]
    pairs = []
    for node in sorted(hears):
        peer = peers[node]
        beats = FIRST_BEATS * (settings.remote_beats if node in settings.remote else 1)
        if peer.first_heard is None or now - peer.first_heard < beats * settings.heartbeat_us:
            continue
        mask = 0
        for bit, name in places:
            at = peer.heard.get(name)
            if not peer.down & bit and (at is None or now - at >= settings.network_fdt_us):
                mask |= bit
        if mask:
            pairs.append((node, mask))
    return tuple(pairs)


def _is_complete(peers: Mapping[int, Peer], own: set[int]) -> bool:
    """All of the cluster's nodes are in contact with each other; ``own`` are this one's contacts both ways."""
    others = len(peers)
    return len(own) == others and all(len(peers[node].row) == others for node in own)


def apart(
    settings: Settings, peers: Mapping[int, Peer], own: set[int], alive: frozenset[int]
) -> frozenset[tuple[int, int]]:
    """Pairs of live nodes that are not known to hear each other, by the contacts of each node.

    Args:
        settings: the cluster.
        peers: all other nodes.
        own: this node's contacts both ways.
        alive: the live nodes, this one among them.
    """
    if _is_complete(peers, own) and len(alive) == len(peers) + 1:
        return frozenset()
    rows = {settings.own: frozenset(own), **{node: peers[node].row for node in own}}
    unknown = alive - rows.keys()
    for node in sorted(own) if unknown else ():
        peer = peers[node]
        for other in unknown & peer.row:
            # Of a contact that it does not list the contacts are the same as its own.
            listed = dict(peer.rows).get(other)
            rows[other] = nodes_of(listed) if listed is not None else (peer.row | {node}) - {other}
        unknown -= peer.row
    return frozenset(
        (min(one, other), max(one, other)) for one in alive for other in alive - rows.get(one, frozenset()) - {one}
    )


class Asymmetry:
    """How long this node has been one of those that must go so that the rest of the cluster can agree."""

    def __init__(self) -> None:
        self._since: int | None = None

    def lasts(self, now: int, settings: Settings, peers: Mapping[int, Peer]) -> bool:
        """Whether that has been so for ``node_timeout``; to be asked with every beat."""
        if not _is_left_out(settings, peers, now):
            self._since = None
            return False
        if self._since is None:
            self._since = now
            return False
        return now - self._since >= settings.node_timeout_us


def _is_left_out(settings: Settings, peers: Mapping[int, Peer], now: int) -> bool:
    """Whether this node is one of those that must go, as far as is known of the contacts of the live nodes."""
    own = direct(settings, peers, now)
    if _is_complete(peers, own):
        return False
    found = reachable(settings.own, own, peers, now, settings.node_timeout_us)
    if all(found <= row | {node} for node, row in ((settings.own, own), *((n, peers[n].row) for n in own))):
        return False
    rows = {settings.own: frozenset(own)}
    for node in sorted(own):
        rows[node] = peers[node].row
        for other, row in peers[node].rows:
            if other in found and other not in own and other != settings.own:
                rows.setdefault(other, nodes_of(row))
    return settings.own in left_out(rows)
