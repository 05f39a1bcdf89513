"""The decision who is alive.

The alive set is what can be reached from this node over contacts. A node that was not heard on any path for
``node_timeout`` is suspected; after ``node_down_delay`` more it is down, one of another site after ``link_timeout``
more than that; one that has said that it stops is down at once. One that is heard again is up at once. A node that
restarted faster than that was down in between, and all that hear it by whatever way say so at once: later its new life
would be mistaken for the death of the old one.
"""

from __future__ import annotations

from collections.abc import Mapping

from daemons.caa import contacts
from daemons.caa.inputs import Effect, Publish, Settings
from daemons.caa.messages import DISK_PATH
from daemons.caa.peers import Peer, reachable
from daemons.caa.split import Split


class Liveness:
    """Who is alive, as far as is decided."""

    def __init__(self) -> None:
        self.alive: frozenset[int] = frozenset()
        self.generation = 0
        """Grows with every change of the alive set."""
        self.reached: frozenset[int] = frozenset()
        """The nodes that can be reached now, this one among them: the live ones without those that nobody hears."""
        self.undecided: frozenset[int] = frozenset()
        """The live nodes that would be down if nobody had to be asked whether this side may act."""
        self._reborn: dict[int, int] = {}
        """Nodes that died and came back before anybody missed them, and have not been alive since: from when on."""

    def begin(self, own: int) -> None:
        """This node lives; of others nothing is known yet."""
        self.alive = self.reached = frozenset({own})
        self.generation += 1

    def bury(self, now: int, reborn: frozenset[int], peers: Mapping[int, Peer]) -> list[Effect]:
        """Nodes live another life: those that died and came back before anybody missed them are down."""
        for node in reborn:
            peer = peers[node]
            peer.down, peer.repository = 0, True
        self.reached -= reborn
        dead = reborn & self.alive
        if not dead:
            return []
        self._reborn.update(dict.fromkeys(dead, now))
        self.alive -= dead
        self.generation += 1
        return [Publish("NODE_DOWN", node) for node in sorted(dead)]

    def decide(self, now: int, settings: Settings, peers: Mapping[int, Peer], split: Split) -> list[Effect]:
        """Decide anew who is alive, and whether the tie breaker must be asked before others may be called dead."""
        own = contacts.direct(settings, peers, now)
        found = reachable(settings.own, own, peers, now, settings.node_timeout_us)
        self.reached = frozenset(found)
        alive = set(self.alive)
        for node, peer in peers.items():
            if node in found:
                peer.silent_since = None
                alive.add(node)
            elif node in alive:
                if peer.silent_since is None:
                    peer.silent_since = now
                if peer.gone or now - peer.silent_since >= settings.down_delay_us(node):
                    alive.discard(node)
        alive &= settings.nodes | peers.keys()
        granted = split.granted(now, found)
        self._reborn = {node: at for node, at in self._reborn.items() if node not in found | granted}
        # A node that boots and is not heard again may be a side of its own, however well known the death before it.
        missed = {node for node, at in self._reborn.items() if now - at >= settings.down_delay_us(node)}
        if settings.arbitrate and not (self.alive | missed) & settings.nodes <= alive | granted:
            effects = split.ask(frozenset(alive))
            self.undecided = self.alive & settings.nodes - alive
            alive |= self.undecided
        else:
            effects = split.settle()
            self.undecided = frozenset()
        effects += [Publish("NODE_DOWN", node) for node in sorted(self.alive - alive) if node in settings.nodes]
        effects += [Publish("NODE_UP", node) for node in sorted(alive - self.alive)]
        if alive != self.alive:
            self.alive = frozenset(alive)
            self.generation += 1
        return effects

    def next_change(self, now: int, settings: Settings, peers: Mapping[int, Peer], split: Split) -> int:
        """When the next silence becomes long enough to change a decision, if nobody is heard until then."""
        timeout = settings.node_timeout_us
        times = [now + timeout, split.granted_from]
        times += [at + settings.down_delay_us(node) for node, at in self._reborn.items()]
        for node, peer in peers.items():
            for path, at in peer.heard.items():
                times += [at + timeout] if path == DISK_PATH else [at + timeout, at + settings.network_fdt_us]
            times.append(peer.contacts_at + timeout)
            if peer.first_heard is not None:
                times.append(peer.first_heard + timeout)
            if peer.silent_since is not None:
                times.append(peer.silent_since + settings.down_delay_us(node))
        return min(time for time in times if time > now)
