"""Cluster Aware AIX's membership as a pure machine, which ties together what its parts know.

Every node sends heartbeats on every path to every other node: each network, and its sector of the repository disk. A
heartbeat carries the set of nodes that its sender hears itself, each with the life in which it hears it; the alive set
is what can be reached from this node over such contacts. (Gossip-style failure detection: van Renesse, Minsky, Hayden,
"A Gossip-Style Failure Detection Service", 1998. Ours differs: it spreads direct contacts instead of counters and takes
their closure, because a cluster has at most 16 nodes and every one tells every other one directly.)

The parts: ``peers`` (what is known of another node), ``heartbeats`` (what they say), ``contacts`` (who hears whom),
``interfaces`` (links and traffic monitoring), ``liveness`` (who is alive), ``split`` (who may act), ``deadman`` (who
must not go on), ``letters`` (datagrams over the repository disk).
"""

from __future__ import annotations

import msgspec

from daemons.caa import contacts, heartbeats, letters
from daemons.caa.contacts import Asymmetry
from daemons.caa.deadman import CRITICAL_RESOURCE_PROTECTION, GroupServicesSwitch, NodeSwitch
from daemons.caa.inputs import (
    EVERYBODY,
    Announce,
    Arbitrate,
    Arbitrated,
    Configure,
    Deliver,
    DiskSeen,
    Effect,
    GroupServicesTurn,
    HaltNode,
    Input,
    Links,
    Post,
    Publish,
    ReadDisk,
    Received,
    Send,
    Settings,
    Stopped,
    Withdraw,
    WriteDisk,
    WriteLetter,
)
from daemons.caa.interfaces import Interfaces
from daemons.caa.letters import Letters
from daemons.caa.liveness import Liveness
from daemons.caa.messages import DISK_PATH, Heartbeat
from daemons.caa.peers import Peer
from daemons.caa.split import GO_ON, Split
from srcctl.machine import Tick

__all__ = [
    "EVERYBODY",
    "Announce",
    "Arbitrate",
    "Arbitrated",
    "Configure",
    "Deliver",
    "DiskSeen",
    "Effect",
    "GroupServicesTurn",
    "HaltNode",
    "Input",
    "Links",
    "Membership",
    "Post",
    "Publish",
    "ReadDisk",
    "Received",
    "Send",
    "Settings",
    "Stopped",
    "Withdraw",
    "WriteDisk",
    "WriteLetter",
]


class Membership:
    """The machine."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.repository_up = True
        self.peers: dict[int, Peer] = {}
        self._interfaces = Interfaces()
        self._liveness = Liveness()
        self._split = Split()
        self._asymmetry = Asymmetry()
        self._letters = Letters()
        self._node_switch = NodeSwitch()
        self._group_services_switch = GroupServicesSwitch()
        self._began = 0
        self._serial = 0
        self._next_beat = 0
        self._announced: Announce | None = None
        self._settled_until: int | None = None
        """Until then time alone changes no decision; None: something that decisions rest on has changed."""
        self._halted = False

    @property
    def alive(self) -> frozenset[int]:
        """The live nodes, this one among them."""
        return self._liveness.alive

    @property
    def generation(self) -> int:
        """Grows with every change of the alive set."""
        return self._liveness.generation

    @property
    def links(self) -> frozenset[str]:
        """The networks whose link is up here."""
        return self._interfaces.links

    @property
    def group_services_armed(self) -> bool:
        """Group Services, of this life or a former one, have critical clients: without them the node goes down."""
        return self._group_services_switch.armed

    @property
    def newest_epoch(self) -> int:
        """Of the repositories that this node and the nodes that it has heard use."""
        own = self.settings.epoch if self.settings is not None else 0
        return max((own, *(peer.epoch for peer in self.peers.values())))

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
        effects: list[Effect] = []
        # Before anything else: a machine that was away for too long may have been declared dead meanwhile.
        reason = self._deadman(now)
        if reason is not None and self.settings is not None and self.settings.deadman:
            return self._halt(reason)
        if self._node_switch.is_news(reason is not None) and self.settings is not None:
            effects.append(Publish("NODE_ISOLATED", self.settings.own))
        self._node_switch.turn(now)
        match value:
            case Configure(settings):
                effects += self._configure(now, settings)
            case Received(path, heartbeat):
                effects += self._received(now, path, heartbeat)
            case DiskSeen(sectors, mail):
                effects += self._disk_seen(now, sectors)
                if self.settings is not None and not self._halted:
                    effects += letters.delivered(self.settings, self.peers, mail)
            case Post(node, payload):
                if self.settings is not None:
                    effects += self._letters.post(self.settings, self._serial, node, self.peers.get(node), payload)
            case Links(up):
                effects += self._links(now, up)
            case Arbitrated(side, won, spread):
                effects += self._arbitrated(now, side, won, spread)
            case GroupServicesTurn(armed):
                self._group_services_switch.turn(armed)
            case Stopped():
                effects += self._farewell(now)
            case Tick():
                if self.settings is not None and now >= self._next_beat:
                    effects += self._beat(now)
        return effects

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
            if not peer.gone
            and not peer.is_deaf(now, settings.node_timeout_us)
            and now - at < (settings.network_fdt_us if path != DISK_PATH else settings.node_timeout_us)
            and (self.repository_up if path == DISK_PATH else self._interfaces.joins(settings, path, peer))
        )

    # Inputs.

    def _configure(self, now: int, settings: Settings) -> list[Effect]:
        before, self.settings = self.settings, settings
        self._settled_until = None
        others = settings.nodes - {settings.own}
        # A live node that was removed may not know it yet: nobody takes its place before it is as if it were lost.
        leaving = (self.peers.keys() - settings.nodes) & self.alive
        self.peers = {node: self.peers.get(node, Peer()) for node in sorted(others | leaving)}
        if before is None:
            self._began = now
            self._interfaces.begin(settings.networks)
            self._liveness.begin(settings.own)
            return [*self._announce(now), Publish("NODE_UP", settings.own), *self._beat(now)]
        self._interfaces.configure(settings.networks)
        if settings.epoch != before.epoch:
            for peer in self.peers.values():
                peer.looked = False  # what the other repository disk holds may have been written before a death
        effects: list[Effect] = [Publish("NODE_DELETE", node) for node in sorted(before.nodes - settings.nodes)]
        effects += [Publish("NODE_ADD", node) for node in sorted(settings.nodes - before.nodes)]
        return effects + self._evaluate(now, frozenset())

    def _links(self, now: int, up: frozenset[str]) -> list[Effect]:
        settings = self.settings
        if settings is None or up == self.links:
            return []
        self._settled_until = None
        effects = self._interfaces.link(now, settings.own, up)
        return effects + self._evaluate(now, frozenset())

    def _received(self, now: int, path: str, heartbeat: Heartbeat) -> list[Effect]:
        settings = self.settings
        if settings is None or path not in self.links or not settings.lan or heartbeat.sender not in settings.nodes:
            return []
        heartbeat = heartbeat.to(settings.own)
        reborn, effects = self._hear(now, path, heartbeat, settings)
        peer, silent = self.peers.get(heartbeat.sender), self._interfaces.silent
        if path in silent and peer is not None and peer.heard.get(path) == now:
            self._settled_until = None
            effects += self._interfaces.silence(settings.own, silent - {path})
        if peer is not None and peer.wants_answer(now, settings.heartbeat_us // 4):
            # It waits for our answer to its stamp as we wait for its answer to ours.
            peer.answered_at = now
            effects.append(Send(path, heartbeat.sender, heartbeats.to_peer(now, self._heartbeat(now), peer)))
        if heartbeat.verdict and heartbeat.incarnation == (peer.incarnation if peer is not None else 0):
            effects += self._hear_verdict(now, heartbeat)
            if self._halted:
                return effects
        return effects + self._evaluate(now, reborn)

    def _disk_seen(self, now: int, sectors: tuple[Heartbeat, ...] | None) -> list[Effect]:
        settings = self.settings
        if settings is None:
            return []
        effects: list[Effect] = []
        up = sectors is not None
        if up != self.repository_up:
            self.repository_up = up
            self._settled_until = None
            effects.append(Publish("REP_UP" if up else "REP_DOWN", settings.own))
            if not up and settings.repository_assert:
                return [*effects, *self._halt("the repository disk is lost (repos_mode a)")]
        reborn: frozenset[int] = frozenset()
        for heartbeat in (sectors or ()) if settings.disk else ():
            found, told = self._hear(now, DISK_PATH, heartbeat, settings)
            reborn |= found
            effects += told
        return effects + self._evaluate(now, reborn)

    def _hear(
        self, now: int, path: str, heartbeat: Heartbeat, settings: Settings
    ) -> tuple[frozenset[int], list[Effect]]:
        """Take a heartbeat; returns the nodes that turn out to live another life, and what the sender says anew."""
        if heartbeat.sender not in settings.nodes:
            return frozenset(), []  # of one that is leaving: it is as if it had fallen silent
        learnt = heartbeats.hear(now, path, heartbeat, settings, self.peers, self._began)
        if learnt.changed:
            self._settled_until = None
        return learnt.reborn, list(learnt.effects)

    # Decisions.

    def _heartbeat(self, now: int) -> Heartbeat:
        """A heartbeat as it goes to this node's sector of the disk: one that answers nobody's stamp."""
        settings = self.settings
        assert settings is not None
        networks = self._interfaces.sending(settings)
        heard, deaf, rows, unheard = contacts.said(settings, self.peers, now, networks)
        return Heartbeat(
            settings.own,
            settings.incarnation,
            self._serial,
            heard,
            down=self._interfaces.down_mask(settings),
            repository=self.repository_up,
            deaf=deaf,
            rows=rows,
            verdict=self._split.verdict[0],
            verdict_side=self._split.verdict[1],
            unheard=unheard,
            epoch=settings.epoch,
        )

    def _beat(self, now: int) -> list[Effect]:
        settings = self.settings
        assert settings is not None
        self._next_beat = now + settings.heartbeat_us
        if self._group_services_switch.is_due(settings):
            return self._halt(CRITICAL_RESOURCE_PROTECTION)
        if self._asymmetry.lasts(now, settings, self.peers) and settings.deadman:
            return self._halt("asymmetric topology: this node is not in contact with all others")
        self._serial += 1
        effects: list[Effect] = []
        networks, heartbeat = self._interfaces.sending(settings), self._heartbeat(now)
        if settings.multicast:
            to_all = heartbeats.to_everybody(now, heartbeat, self.peers)
            effects += [Send(network, EVERYBODY, to_all) for network in networks]
        far_too = self._serial % settings.remote_beats == 0
        for node, peer in self.peers.items():
            # Multicast stays at the site (the AIX manual: only TCP/IP crosses sites).
            if not far_too if node in settings.remote else settings.multicast:
                continue
            to_peer = heartbeats.to_peer(now, heartbeat, peer)
            effects += [Send(network, node, to_peer) for network in networks]
        if settings.disk:
            effects.append(WriteDisk(heartbeat))
        effects.append(ReadDisk())
        silent = self._interfaces.found_silent(now, settings, self.peers, self._began)
        if silent != self._interfaces.silent:
            self._settled_until = None
            effects += self._interfaces.silence(settings.own, silent)
        return effects + self._evaluate(now, frozenset())

    def _farewell(self, now: int) -> list[Effect]:
        """The last heartbeats of this life, so that the others need not wait for a silence to be sure.

        Said only where nobody can hold anything here: while critical clients may, the silence alone counts, which lasts
        longer than any node goes on without Group Services.
        """
        settings, self._halted = self.settings, True
        if settings is None or self._group_services_switch.armed:
            return []
        self._serial += 1
        heartbeat = msgspec.structs.replace(self._heartbeat(now), last=True)
        return [
            Send(network, node, heartbeats.to_peer(now, heartbeat, peer))
            for node, peer in self.peers.items()
            for network in self._interfaces.sending(settings)
        ]

    def _evaluate(self, now: int, reborn: frozenset[int]) -> list[Effect]:
        settings = self.settings
        if settings is None:
            return []
        if not reborn and self._settled_until is not None and now < self._settled_until:
            return []  # every heartbeat leads here, and hardly any changes anything
        effects = self._liveness.bury(now, reborn, self.peers)
        if effects:
            effects += self._announce(now)  # its death must still be known
        effects += self._liveness.decide(now, settings, self.peers, self._split)
        for node in [node for node in self.peers if node not in settings.nodes and node not in self.alive]:
            del self.peers[node]
        self._settled_until = self._liveness.next_change(now, settings, self.peers, self._split)
        return effects + self._announce(now)

    def _arbitrated(self, now: int, side: frozenset[int], won: bool, spread: bool = False) -> list[Effect]:
        settings = self.settings
        if settings is None or not self._split.answer(side, won, spread):
            return []
        self._settled_until = None
        told: list[Effect] = []
        if spread:
            heartbeat = self._heartbeat(now)
            told = [
                Send(network, node, heartbeats.to_peer(now, heartbeat, self.peers[node]))
                for node in sorted(side - {settings.own})
                for network in self._interfaces.sending(settings)
            ]
        if not won:
            why = "an operator has decided so" if spread else "another side holds the tie breaker"
            return [*told, *self._halt(f"split policy: this side gives way, {why}", gives_way=True)]
        self._split.win(now, settings, side)
        return told + self._evaluate(now, frozenset())

    def _hear_verdict(self, now: int, heartbeat: Heartbeat) -> list[Effect]:
        """An operator has decided on another node of this side."""
        side = self._split.answered_by(heartbeat)
        if side is None:
            return []
        return [Withdraw(), *self._arbitrated(now, side, heartbeat.verdict == GO_ON, True)]

    def _announce(self, now: int) -> list[Effect]:
        settings = self.settings
        assert settings is not None
        live = {node: peer for node, peer in self.peers.items() if node in self.alive}
        own, direct = settings.own, contacts.direct(settings, self.peers, now)
        down = {(own, network) for network in settings.networks if network not in self._interfaces.up}
        down |= {
            (node, network)
            for node, peer in live.items()
            for bit, network in enumerate(settings.networks)
            if peer.down >> bit & 1
        }
        lost = {node for node, peer in live.items() if not peer.repository}
        picture = Announce(
            self.generation,
            self.alive,
            self.up_paths(now),
            self.repository_up,
            frozenset({(own, settings.incarnation), *((n, p.incarnation) for n, p in live.items() if p.incarnation)}),
            frozenset(down),
            frozenset(lost if self.repository_up else lost | {own}),
            frozenset(live) - direct,
            contacts.apart(settings, self.peers, direct, self.alive),
            self.alive - self._liveness.reached,
            self._liveness.undecided & self.alive,
        )
        if picture == self._announced:
            return []
        before, self._announced = self._announced.paths if self._announced else frozenset(), picture
        changes: list[Effect] = [Publish("CONNECT_DOWN", *path) for path in sorted(before - picture.paths)]
        changes += [Publish("CONNECT_UP", *path) for path in sorted(picture.paths - before)]
        # The picture first: events name nodes by it.
        return [picture, *changes]

    def _deadman(self, now: int) -> str | None:
        """Why this node must not go on, if so."""
        if self.settings is None:
            return None
        return self._node_switch.fault(now, self.settings, self._interfaces, self.repository_up)

    def _halt(self, reason: str, gives_way: bool = False) -> list[Effect]:
        self._halted = True
        return [HaltNode(reason, gives_way)]
