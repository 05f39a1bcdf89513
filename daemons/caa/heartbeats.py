"""What heartbeats say, and what is learnt from one.

A heartbeat carries the contacts of its sender, the stamp of this beat and an answer to the receiver's last one (round
trips are measured by them), what is down at the sender, and the verdict of an operator on its side of a split.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from daemons.caa.inputs import Effect, Publish, Settings
from daemons.caa.messages import Heartbeat
from daemons.caa.peers import Peer


def to_peer(now: int, heartbeat: Heartbeat, peer: Peer) -> Heartbeat:
    """The sender's heartbeat as one to a peer: with a stamp, and the answer to the peer's."""
    held = now - peer.last_stamp_at if peer.last_stamp else 0
    return msgspec.structs.replace(heartbeat, stamp=now, echo=peer.last_stamp, held=held)


def to_everybody(now: int, heartbeat: Heartbeat, peers: Mapping[int, Peer]) -> Heartbeat:
    """The sender's heartbeat as one by multicast, which answers the stamps of all."""
    echoes = tuple((n, p.last_stamp, now - p.last_stamp_at) for n, p in peers.items() if p.last_stamp)
    return msgspec.structs.replace(heartbeat, stamp=now, echoes=echoes)


class Learnt(NamedTuple):
    """What a heartbeat has told that was not known before."""

    reborn: frozenset[int] = frozenset()
    """The nodes that turn out to live another life."""
    effects: tuple[Effect, ...] = ()
    """The events of what its sender says of itself."""
    changed: bool = False
    """Whether something has changed that decisions rest on."""


NOTHING = Learnt()


def hear(
    now: int, path: str, heartbeat: Heartbeat, settings: Settings, peers: Mapping[int, Peer], began: int
) -> Learnt:
    """Take a heartbeat into what is known of its sender, and of the lives of the sender's contacts.

    Args:
        now: microseconds.
        path: on which it came.
        heartbeat: what it says to this node.
        settings: the cluster.
        peers: all other nodes.
        began: when this node's own life began, microseconds.
    """
    peer = peers.get(heartbeat.sender)
    if peer is None or heartbeat.incarnation < peer.incarnation:
        return NOTHING
    if peer.gone and heartbeat.incarnation == peer.incarnation:
        return NOTHING  # it was overtaken by the last one
    reborn: set[int] = set()
    changed = heartbeat.incarnation > peer.incarnation
    if changed and peer.begin(heartbeat.incarnation):
        reborn.add(heartbeat.sender)
    before, said = peer.heard.get(path), (peer.contacts, peer.deaf, peer.hears_us, peer.rows, peer.unheard)
    if not peer.hear(now, path, heartbeat, began, (settings.own, settings.incarnation)):
        return Learnt(frozenset(reborn), (), changed)
    if heartbeat.last and not settings.arbitrate:
        # With a tie breaker it is as if it fell silent: one that boots where nobody hears it may be a side of its own.
        peer.gone = True
        return Learnt(frozenset(reborn), (), True)
    says = (peer.contacts, peer.deaf, peer.hears_us, peer.rows, peer.unheard)
    if before is None or now - before >= settings.silence_us or says != said:
        changed = True
    for node, incarnation in heartbeat.contacts:
        other = peers.get(node)
        if other is not None and incarnation > other.incarnation:
            changed = True
            if other.begin(incarnation):
                reborn.add(node)
    if (heartbeat.down, heartbeat.repository) == (peer.down, peer.repository):
        return Learnt(frozenset(reborn), (), changed)
    return Learnt(frozenset(reborn), tuple(_of_itself(settings, heartbeat, peer)), True)


def _of_itself(settings: Settings, heartbeat: Heartbeat, peer: Peer) -> list[Effect]:
    """Note what a heartbeat says of its sender's interfaces and repository; returns the events of the changes."""
    effects: list[Effect] = []
    changed, peer.down = peer.down ^ heartbeat.down, heartbeat.down
    for bit, network in enumerate(settings.networks):
        if changed >> bit & 1:
            kind = "ADAPTER_DOWN" if heartbeat.down >> bit & 1 else "ADAPTER_UP"
            effects.append(Publish(kind, heartbeat.sender, network))
    if heartbeat.repository != peer.repository:
        peer.repository = heartbeat.repository
        effects.append(Publish("REP_UP" if peer.repository else "REP_DOWN", heartbeat.sender))
    return effects
