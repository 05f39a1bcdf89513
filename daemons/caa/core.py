"""Who is alive: Cluster Aware AIX's membership as a pure machine.

Every node sends heartbeats on every path to every other node: each network, and its sector of the repository disk. A
heartbeat carries the set of nodes that its sender hears itself; the alive set is what can be reached from this node
over such contacts. (Gossip-style failure detection: van Renesse, Minsky, Hayden, "A Gossip-Style Failure Detection
Service", 1998. Ours differs: it spreads direct contacts instead of counters and takes their closure, because a cluster
has at most 16 nodes and every one tells every other one directly.)

A node that was not heard on any path for ``node_timeout`` is suspected; after ``node_down_delay`` more it is down. One
that is heard again is up at once.

The dead man's switch: whoever could not tell the others that it lives for ``node_timeout`` must not go on, because they
will take over after ``node_timeout + node_down_delay``. A machine that was paused finds this out before it does
anything else; one that has neither a working link nor the repository finds it out by waiting (deadman_mode a).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from daemons.caa.messages import DISK_PATH, Heartbeat
from srcctl.machine import Tick


@dataclass(frozen=True, slots=True)
class Settings:
    """A cluster as the core sees it. Times in microseconds, already scaled.

    ``networks`` names the networks; every node is on every one of them.
    """

    own: int
    incarnation: int
    nodes: frozenset[int]
    networks: tuple[str, ...]
    heartbeat_us: int
    node_timeout_us: int
    node_down_delay_us: int
    network_fdt_us: int
    deadman: bool = True
    repository_assert: bool = False


@dataclass(frozen=True, slots=True)
class Configure:
    """Input: the cluster's definition, at start and when it changed."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class Received:
    """Input: a heartbeat came in on a path."""

    path: str
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class DiskSeen:
    """Input: the answer to ``ReadDisk``. ``heartbeats`` are those of all readable sectors, None if the disk is lost."""

    heartbeats: tuple[Heartbeat, ...] | None


@dataclass(frozen=True, slots=True)
class Links:
    """Input: the networks on which this node's own interface works."""

    up: frozenset[str]


Input: TypeAlias = Configure | Received | DiskSeen | Links | Tick


@dataclass(frozen=True, slots=True)
class Send:
    """Effect: send a heartbeat to a node on a network."""

    network: str
    node: int
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class WriteDisk:
    """Effect: write this node's sector of the repository disk."""

    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class ReadDisk:
    """Effect: read all sectors; exactly one ``DiskSeen`` answers it."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Effect: membership or paths changed. ``paths`` holds (node, path) of all that are up.

    ``boots`` holds (node, incarnation) of the live nodes that have been heard.
    """

    generation: int
    alive: frozenset[int]
    paths: frozenset[tuple[int, str]]
    repository_up: bool
    boots: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Publish:
    """Effect: an /aha event."""

    kind: str
    node: int
    subject: str = ""


@dataclass(frozen=True, slots=True)
class HaltNode:
    """Effect: this node must end now."""

    reason: str


Effect: TypeAlias = Send | WriteDisk | ReadDisk | Announce | Publish | HaltNode


@dataclass(slots=True)
class _Peer:
    """What is known of another node."""

    incarnation: int = 0
    heard: dict[str, int] = field(default_factory=dict)
    serials: dict[str, int] = field(default_factory=dict)
    contacts: tuple[int, ...] = ()
    contacts_at: int = 0
    silent_since: int | None = None
    last_stamp: int = 0
    last_stamp_at: int = 0
    round_trip: int = 0
    deviation: int = 0


class Membership:
    """The machine."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.alive: frozenset[int] = frozenset()
        self.generation = 0
        self.links: frozenset[str] = frozenset()
        self.repository_up = True
        self.peers: dict[int, _Peer] = {}
        self._serial = 0
        self._next_beat = 0
        self._last_turn: int | None = None
        self._isolated_since: int | None = None
        self._announced: Announce | None = None
        self._halted = False
        self._disk_misses = 0

    def describe(self) -> dict[str, object]:
        return {
            "generation": self.generation,
            "alive": sorted(self.alive),
            "links": sorted(self.links),
            "repository_up": self.repository_up,
        }

    def next_deadline(self) -> int | None:
        return None if self.settings is None or self._halted else self._next_beat

    def step(self, now: int, value: Input) -> list[Effect]:
        if self._halted:
            return []
        # Before anything else: a machine that was away for too long may have been declared dead meanwhile.
        if (reason := self._deadman(now)) is not None:
            return self._halt(reason)
        self._last_turn = now
        match value:
            case Configure(settings):
                return self._configure(now, settings)
            case Received(path, heartbeat):
                self._hear(now, path, heartbeat)
                return self._evaluate(now, self._reborn(heartbeat))
            case DiskSeen(heartbeats):
                return self._disk_seen(now, heartbeats)
            case Links(up):
                return self._links(now, up)
            case Tick():
                return self._beat(now) if self.settings is not None and now >= self._next_beat else []

    def round_trips(self) -> tuple[tuple[int, int, int], ...]:
        """Node, smoothed round-trip time and mean deviation in milliseconds."""
        return tuple((n, p.round_trip // 1000, p.deviation // 1000) for n, p in sorted(self.peers.items()))

    def up_paths(self, now: int) -> frozenset[tuple[int, str]]:
        """The paths on which each other node was heard lately."""
        settings = self.settings
        if settings is None:
            return frozenset()
        return frozenset(
            (node, path)
            for node, peer in self.peers.items()
            for path, at in peer.heard.items()
            if now - at < (settings.network_fdt_us if path != DISK_PATH else settings.node_timeout_us)
            and (path == DISK_PATH or path in self.links)
        )

    # Inputs.

    def _configure(self, now: int, settings: Settings) -> list[Effect]:
        joined = self.settings is None
        self.settings = settings
        self.links = self.links & set(settings.networks) if not joined else frozenset(settings.networks)
        others = settings.nodes - {settings.own}
        self.peers = {node: self.peers.get(node, _Peer()) for node in sorted(others)}
        if joined:
            self.alive = frozenset({settings.own})
            self.generation += 1
            return [*self._announce(now), Publish("NODE_UP", settings.own), *self._beat(now)]
        return self._evaluate(now, reborn=None)

    def _links(self, now: int, up: frozenset[str]) -> list[Effect]:
        settings = self.settings
        if settings is None or up == self.links:
            return []
        effects: list[Effect] = [Publish("ADAPTER_DOWN", settings.own, n) for n in sorted(self.links - up)]
        effects += [Publish("ADAPTER_UP", settings.own, n) for n in sorted(up - self.links)]
        self.links = up
        return effects + self._evaluate(now, reborn=None)

    def _disk_seen(self, now: int, heartbeats: tuple[Heartbeat, ...] | None) -> list[Effect]:
        settings = self.settings
        if settings is None:
            return []
        effects: list[Effect] = []
        up = heartbeats is not None
        if up != self.repository_up:
            self.repository_up = up
            effects.append(Publish("REP_UP" if up else "REP_DOWN", settings.own))
            if not up and settings.repository_assert:
                return [*effects, *self._halt("the repository disk is lost (repos_mode a)")]
        reborn: int | None = None
        for heartbeat in heartbeats or ():
            self._hear(now, DISK_PATH, heartbeat)
            reborn = reborn or self._reborn(heartbeat)
        return effects + self._evaluate(now, reborn)

    def _hear(self, now: int, path: str, heartbeat: Heartbeat) -> None:
        settings, peer = self.settings, self.peers.get(heartbeat.sender)
        if settings is None or peer is None or heartbeat.incarnation < peer.incarnation:
            return
        if heartbeat.incarnation == peer.incarnation and heartbeat.serial <= peer.serials.get(path, -1):
            return  # seen already: a sector of the disk that its node has not written again
        if heartbeat.incarnation > peer.incarnation:
            peer.serials.clear()
        peer.serials[path] = heartbeat.serial
        if path == DISK_PATH and peer.heard.get(path) is None and heartbeat.incarnation != peer.incarnation:
            # The first look at a sector proves nothing: it may be what a dead node wrote last.
            peer.heard[path] = now - settings.node_timeout_us
            return
        peer.heard[path] = now
        peer.contacts, peer.contacts_at = heartbeat.contacts, now
        if path != DISK_PATH and heartbeat.stamp:
            peer.last_stamp, peer.last_stamp_at = heartbeat.stamp, now
            if heartbeat.echo:
                sample = max(0, now - heartbeat.echo - heartbeat.held)
                # The smoothing of RFC 6298.
                peer.deviation += (abs(sample - peer.round_trip) - peer.deviation) // 4
                peer.round_trip += (sample - peer.round_trip) // 8

    def _reborn(self, heartbeat: Heartbeat) -> int | None:
        """The sender, if this heartbeat is the first one of a new life."""
        peer = self.peers.get(heartbeat.sender)
        if peer is None or heartbeat.incarnation <= peer.incarnation:
            return None
        first = peer.incarnation == 0
        peer.incarnation = heartbeat.incarnation
        return None if first else heartbeat.sender

    # Decisions.

    def _beat(self, now: int) -> list[Effect]:
        settings = self.settings
        assert settings is not None
        self._next_beat = now + settings.heartbeat_us
        self._serial += 1
        contacts = tuple(sorted(self._direct(now)))
        effects: list[Effect] = []
        for node, peer in self.peers.items():
            heartbeat = Heartbeat(
                settings.own,
                settings.incarnation,
                self._serial,
                contacts,
                now,
                peer.last_stamp,
                now - peer.last_stamp_at if peer.last_stamp else 0,
            )
            effects += [Send(network, node, heartbeat) for network in settings.networks if network in self.links]
        effects.append(WriteDisk(Heartbeat(settings.own, settings.incarnation, self._serial, contacts)))
        effects.append(ReadDisk())
        return effects + self._evaluate(now, reborn=None)

    def _direct(self, now: int) -> set[int]:
        """The nodes that this one hears itself."""
        settings = self.settings
        assert settings is not None
        return {
            node
            for node, peer in self.peers.items()
            if any(now - at < settings.node_timeout_us for at in peer.heard.values())
        }

    def _reachable(self, now: int) -> set[int]:
        """The closure of direct contacts, this node's and those that live nodes tell of."""
        settings = self.settings
        assert settings is not None
        found, waiting = {settings.own}, sorted(self._direct(now))
        while waiting:
            node = waiting.pop()
            if node in found or node not in self.peers:
                continue
            found.add(node)
            peer = self.peers[node]
            if now - peer.contacts_at < settings.node_timeout_us:
                waiting += [other for other in peer.contacts if other not in found]
        return found

    def _evaluate(self, now: int, reborn: int | None) -> list[Effect]:
        settings = self.settings
        if settings is None:
            return []
        effects: list[Effect] = []
        if reborn is not None and reborn in self.alive:
            # It died and came back before anybody missed it; its death must still be known.
            self.alive -= {reborn}
            self.generation += 1
            effects += [Publish("NODE_DOWN", reborn), *self._announce(now)]
        reachable = self._reachable(now)
        alive = set(self.alive)
        for node, peer in self.peers.items():
            if node in reachable:
                peer.silent_since = None
                alive.add(node)
            elif node in alive:
                if peer.silent_since is None:
                    peer.silent_since = now
                if now - peer.silent_since >= settings.node_down_delay_us:
                    alive.discard(node)
        alive &= settings.nodes
        for node in sorted(self.alive - alive):
            effects.append(Publish("NODE_DOWN", node))
        for node in sorted(alive - self.alive):
            effects.append(Publish("NODE_UP", node))
        if alive != self.alive:
            self.alive = frozenset(alive)
            self.generation += 1
        return effects + self._announce(now)

    def _announce(self, now: int) -> list[Effect]:
        picture = Announce(self.generation, self.alive, self.up_paths(now), self.repository_up, self._boots())
        if picture == self._announced:
            return []
        self._announced = picture
        return [picture]

    def _boots(self) -> frozenset[tuple[int, int]]:
        assert self.settings is not None
        heard = {node: peer.incarnation for node, peer in self.peers.items() if node in self.alive and peer.incarnation}
        return frozenset({**heard, self.settings.own: self.settings.incarnation}.items())

    def _deadman(self, now: int) -> str | None:
        settings = self.settings
        if settings is None or not settings.deadman or self._last_turn is None:
            return None
        # Alone as well: while it was away others may have been switched on and have taken over.
        if len(settings.nodes) > 1 and now - self._last_turn >= settings.node_timeout_us:
            return "dead man's switch: this node was silent for longer than node_timeout"
        if self.links or self.repository_up or not settings.networks:
            self._isolated_since = None
            return None
        if self._isolated_since is None:
            self._isolated_since = now
        if now - self._isolated_since >= settings.node_timeout_us:
            return "dead man's switch: neither a network nor the repository disk is left"
        return None

    def _halt(self, reason: str) -> list[Effect]:
        self._halted = True
        return [HaltNode(reason)]
