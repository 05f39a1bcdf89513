"""The node's own interfaces: their links, and traffic monitoring.

An interface is down when its link is, or (traffic monitoring, unless no_if_traffic_monitor is 1) when nothing has come
in on it from anybody for ``network_fdt`` and some beats although at least two others, which are heard on other paths,
hear each other on that network. Of two nodes nobody can say at whose end the fault is (on AIX netmon.cf names further
witnesses), so there an interface is in the state of its link. What comes in on it again brings it up at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from daemons.caa.inputs import Effect, Publish, Settings
from daemons.caa.peers import FIRST_BEATS, Peer, hear_each_other


class Interfaces:
    """The interfaces of this node, by the networks that they are on."""

    def __init__(self) -> None:
        self.links: frozenset[str] = frozenset()
        """The networks whose link is up here."""
        self.silent: frozenset[str] = frozenset()
        """Those of them on which traffic monitoring has found this node's end broken."""
        self._link_since: dict[str, int] = {}
        """Since when a link that was down has been up."""

    @property
    def up(self) -> frozenset[str]:
        """The networks on which this node's interface is up."""
        return self.links - self.silent

    def begin(self, networks: tuple[str, ...]) -> None:
        """Until more is known all links are taken for up."""
        self.links = frozenset(networks)

    def configure(self, networks: tuple[str, ...]) -> None:
        """The cluster has these networks now."""
        self.links &= set(networks)
        self.silent &= self.links

    def link(self, now: int, own: int, links: frozenset[str]) -> list[Effect]:
        """The links that are up are these now."""
        self._link_since.update(dict.fromkeys(links - self.links, now))
        return self._change(own, links, self.silent & links)

    def silence(self, own: int, silent: frozenset[str]) -> list[Effect]:
        """The interfaces that are found broken are these now."""
        return self._change(own, self.links, silent)

    def _change(self, own: int, links: frozenset[str], silent: frozenset[str]) -> list[Effect]:
        before = self.up
        self.links, self.silent = links, silent
        effects: list[Effect] = [Publish("ADAPTER_DOWN", own, n) for n in sorted(before - self.up)]
        return effects + [Publish("ADAPTER_UP", own, n) for n in sorted(self.up - before)]

    def sending(self, settings: Settings) -> list[str]:
        """The networks that heartbeats are sent on."""
        return [network for network in settings.networks if settings.lan and network in self.links]

    def down_mask(self, settings: Settings) -> int:
        """The networks on which this node's interface is down, a bit for each in their order."""
        return sum(1 << bit for bit, network in enumerate(settings.networks) if network not in self.up)

    def joins(self, settings: Settings, network: str, peer: Peer) -> bool:
        """Whether the interfaces at both ends of a network are up and the other end hears this one there.

        Whoever takes a path for up that the other end knows to be down is not heard, although both call each other
        alive on another path.
        """
        return (
            network in self.links
            and network in settings.networks
            and not (peer.down | peer.unheard) >> settings.networks.index(network) & 1
        )

    def found_silent(self, now: int, settings: Settings, peers: Mapping[int, Peer], began: int) -> frozenset[str]:
        """The networks on which this node's end is broken, as traffic monitoring finds it.

        Args:
            now: microseconds.
            settings: the cluster.
            peers: all other nodes.
            began: when this node's own life began, microseconds.
        """
        if not settings.traffic_monitor or not settings.lan:
            return frozenset()
        return frozenset(network for network in self.links if self._hears_nobody(now, settings, peers, began, network))

    def _hears_nobody(self, now: int, settings: Settings, peers: Mapping[int, Peer], began: int, network: str) -> bool:
        """Whether this node's end of a network is broken, by what comes in and what others say."""
        fresh = FIRST_BEATS * settings.heartbeat_us * settings.remote_beats
        since = self._link_since.get(network, began)
        last = max((peer.heard.get(network, since) for peer in peers.values()), default=since)
        last = max(last, since)
        if now - last < settings.network_fdt_us + fresh:
            return False
        if network in self.silent and any(peer.heard_within(now, settings.node_timeout_us) for peer in peers.values()):
            return True
        return hear_each_other(peers, settings.networks.index(network), now - fresh, last + settings.network_fdt_us)
