"""Who is alive: Cluster Aware AIX's membership as a pure machine.

Every node sends heartbeats on every path to every other node: each network, and its sector of the repository disk. A
heartbeat carries the set of nodes that its sender hears itself, each with the life in which it hears it; the alive set
is what can be reached from this node over such contacts. (Gossip-style failure detection: van Renesse, Minsky, Hayden,
"A Gossip-Style Failure Detection Service", 1998. Ours differs: it spreads direct contacts instead of counters and takes
their closure, because a cluster has at most 16 nodes and every one tells every other one directly.)

A contact counts only if both sides hear each other, and so does a path: one that is cut in one direction is cut, which
the deaf end says to the other by whatever way is left (as two-way connectivity is checked by the hellos of OSPF, RFC
2328). What the closure calls
alive and is not in contact with everybody cannot be agreed with: of such a cluster the nodes with the fewest contacts
halt until the rest is complete (CAA reboots "those with the smaller contact view until views agree").

A node that was not heard on any path for ``node_timeout`` is suspected; after ``node_down_delay`` more it is down, one
of another site after ``link_timeout`` more than that. One that is heard again is up at once. A node that restarted
faster than that was down in between, and all that hear it by whatever way say so at once: later its new life would be
mistaken for the death of the old one.

An interface is down when its link is, or (traffic monitoring, unless no_if_traffic_monitor is 1) when nothing has come
in on it from anybody for ``network_fdt`` and some beats although at least two others, which are heard on other paths,
hear each other on that network. Of two nodes nobody can say at whose end the fault is (on AIX netmon.cf names further
witnesses), so there an interface is in the state of its link. What comes in on it again brings it up at once.

The repository disk carries letters, too: datagrams of Group Services to nodes to which they know no network path.
Their receiver may have another opinion of the networks, so mailboxes are looked through with every beat. A letter is as
short-lived as a datagram: one of a former life of its sender, or to a former life of its receiver, or one that has
waited for some of the sender's beats, is not delivered (the lifetime of RFC 791, in beats instead of hops).

The dead man's switch: whoever could not tell the others that it lives for ``node_timeout`` must not go on, because they
will take over after ``node_timeout + node_down_delay``. A machine that was paused finds this out before it does
anything else; one that has neither a working link nor the repository finds it out by waiting. With deadman_mode ``a``
it halts, with ``e`` it says so in an event.

The dead man's switch of Group Services: while critical clients (the cluster manager) depend on them, they set it again
with each of their beats. A node on which they have died or hang goes down, and so takes with it what a client holds
that hangs as well; without clients that hang it is down long before, by the clients' own end.
"""

from __future__ import annotations

import msgspec

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
    Withdraw,
    WriteDisk,
    WriteLetter,
)
from daemons.caa.messages import DISK_PATH, RELAY_MAX, Heartbeat, Letter, mask_of, nodes_of
from daemons.caa.peers import Peer, hear_each_other, left_out, reachable
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
    "Withdraw",
    "WriteDisk",
    "WriteLetter",
]


Pairs = tuple[tuple[int, int], ...]
Contacts = tuple[Pairs, int, Pairs, Pairs]
"""What a heartbeat says of contacts: the nodes that are heard with their lives, those of them that are deaf, the
contacts of those nodes whose contacts are not the same as the sender's (none in a healthy cluster), and the networks on
which a contact is not heard (none either)."""

LETTER_BEATS = 5
"""A letter that waits longer, in beats of its sender, is too old to be delivered."""

FIRST_BEATS = 3
"""So long a node that was just heard for the first time may take to be heard on all networks."""

GO_ON, GIVE_WAY = 1, 2
"""An operator's verdicts in a split."""

CRITICAL_RESOURCE_PROTECTION = "RSCT reboot caused by critical resource protection - Group Services"
"""The panic string of the product."""


class Membership:
    """The machine."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.alive: frozenset[int] = frozenset()
        self.generation = 0
        self.links: frozenset[str] = frozenset()
        self.silent: frozenset[str] = frozenset()
        """The networks whose link is up here, and on which traffic monitoring has found this node's end broken."""
        self._link_since: dict[str, int] = {}
        """Since when a link that was down has been up."""
        self.repository_up = True
        self.peers: dict[int, Peer] = {}
        self._began = 0
        self._serial = 0
        self._next_beat = 0
        self._last_turn: int | None = None
        self._isolated_since: int | None = None
        self._isolation_told = False
        self._left_out_since: int | None = None
        self._announced: Announce | None = None
        self._reached: frozenset[int] = frozenset()
        """The nodes that can be reached now, this one among them: the live ones without those that nobody hears."""
        self._asked: frozenset[int] | None = None
        self._won: frozenset[int] | None = None
        """The side that was told that it may act, while that is of use."""
        self._verdict = (0, 0)
        self._reborn: dict[int, int] = {}
        """Nodes that died and came back before anybody missed them, and have not been alive since: from when on."""
        self._granted: frozenset[int] = frozenset()
        self._granted_from = 0
        """The nodes that this side may call dead since it has won the tie breaker, and from when on."""
        self._letters: dict[int, int] = {}
        """The number of the last letter to each node: they name the slots of its mailbox."""
        self._settled_until: int | None = None
        """Until then time alone changes no decision; None: something that decisions rest on has changed."""
        self.group_services_armed = False
        """Group Services, of this life or a former one, have critical clients: without them the node goes down."""
        self._group_services_silent = 0
        self._halted = False

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
        if (reason := self._deadman(now)) is None:
            self._isolation_told = False
        elif self.settings is not None:
            if self.settings.deadman:
                return self._halt(reason)
            if not self._isolation_told:
                self._isolation_told = True
                effects.append(Publish("NODE_ISOLATED", self.settings.own))
        self._last_turn = now
        match value:
            case Configure(settings):
                effects += self._configure(now, settings)
            case Received(path, heartbeat):
                effects += self._received(now, path, heartbeat)
            case DiskSeen(heartbeats, letters):
                effects += self._disk_seen(now, heartbeats)
                if not self._halted:
                    effects += self._letters_seen(letters)
            case Post(node, payload):
                effects += self._post(node, payload)
            case Links(up):
                effects += self._links(now, up)
            case Arbitrated(side, won, spread):
                effects += self._arbitrated(now, side, won, spread)
            case GroupServicesTurn(armed):
                self.group_services_armed = armed
                self._group_services_silent = 0
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
            if not peer.is_deaf(now, settings.node_timeout_us)
            and now - at < (settings.network_fdt_us if path != DISK_PATH else settings.node_timeout_us)
            and (self.repository_up if path == DISK_PATH else self._joins(path, peer))
        )

    def _joins(self, network: str, peer: Peer) -> bool:
        """Whether the interfaces at both ends of a network are up and the other end hears this one there.

        Whoever takes a path for up that the other end knows to be down is not heard, although both call each other
        alive on another path.
        """
        settings = self.settings
        return (
            settings is not None
            and network in self.links
            and network in settings.networks
            and not (peer.down | peer.unheard) >> settings.networks.index(network) & 1
        )

    # Inputs.

    def _configure(self, now: int, settings: Settings) -> list[Effect]:
        before, self.settings = self.settings, settings
        self._settled_until = None
        self.links = self.links & set(settings.networks) if before is not None else frozenset(settings.networks)
        self.silent &= self.links
        others = settings.nodes - {settings.own}
        self.peers = {node: self.peers.get(node, Peer()) for node in sorted(others)}
        if before is None:
            self._began = now
            self.alive = self._reached = frozenset({settings.own})
            self.generation += 1
            return [*self._announce(now), Publish("NODE_UP", settings.own), *self._beat(now)]
        effects: list[Effect] = [Publish("NODE_DELETE", node) for node in sorted(before.nodes - settings.nodes)]
        effects += [Publish("NODE_ADD", node) for node in sorted(settings.nodes - before.nodes)]
        return effects + self._evaluate(now, frozenset())

    def _links(self, now: int, up: frozenset[str]) -> list[Effect]:
        settings = self.settings
        if settings is None or up == self.links:
            return []
        self._link_since.update(dict.fromkeys(up - self.links, now))
        effects = self._interfaces(up, self.silent & up)
        return effects + self._evaluate(now, frozenset())

    def _interfaces(self, links: frozenset[str], silent: frozenset[str]) -> list[Effect]:
        """This node's links, and those of its interfaces that hear nobody, are these now."""
        assert self.settings is not None
        before, after = self.links - self.silent, links - silent
        self.links, self.silent = links, silent
        self._settled_until = None
        effects: list[Effect] = [Publish("ADAPTER_DOWN", self.settings.own, n) for n in sorted(before - after)]
        return effects + [Publish("ADAPTER_UP", self.settings.own, n) for n in sorted(after - before)]

    def _received(self, now: int, path: str, heartbeat: Heartbeat) -> list[Effect]:
        settings = self.settings
        if settings is None or path not in self.links or not settings.lan:
            return []
        heartbeat = heartbeat.to(settings.own)
        reborn, effects = self._hear(now, path, heartbeat)
        peer = self.peers.get(heartbeat.sender)
        if path in self.silent and peer is not None and peer.heard.get(path) == now:
            effects += self._interfaces(self.links, self.silent - {path})
        if peer is not None and peer.wants_answer(now, settings.heartbeat_us // 4):
            # It waits for our answer to its stamp as we wait for its answer to ours.
            peer.answered_at = now
            effects.append(Send(path, heartbeat.sender, self._heartbeat(now, peer)))
        if heartbeat.verdict and heartbeat.incarnation == (peer.incarnation if peer is not None else 0):
            effects += self._hear_verdict(now, heartbeat)
            if self._halted:
                return effects
        return effects + self._evaluate(now, reborn)

    def _disk_seen(self, now: int, heartbeats: tuple[Heartbeat, ...] | None) -> list[Effect]:
        settings = self.settings
        if settings is None:
            return []
        effects: list[Effect] = []
        up = heartbeats is not None
        if up != self.repository_up:
            self.repository_up = up
            self._settled_until = None
            effects.append(Publish("REP_UP" if up else "REP_DOWN", settings.own))
            if not up and settings.repository_assert:
                return [*effects, *self._halt("the repository disk is lost (repos_mode a)")]
        reborn: frozenset[int] = frozenset()
        for heartbeat in (heartbeats or ()) if settings.disk else ():
            found, told = self._hear(now, DISK_PATH, heartbeat)
            reborn |= found
            effects += told
        return effects + self._evaluate(now, reborn)

    def _post(self, node: int, payload: bytes) -> list[Effect]:
        settings, peer = self.settings, self.peers.get(node)
        if settings is None or peer is None or len(payload) > RELAY_MAX:
            return []
        number = self._letters[node] = self._letters.get(node, 0) + 1
        letter = Letter(settings.own, settings.incarnation, number, peer.incarnation, self._serial, payload)
        return [WriteLetter(node, letter)]

    def _letters_seen(self, letters: tuple[Letter, ...]) -> list[Effect]:
        settings = self.settings
        if settings is None:
            return []
        return [
            Deliver(letter.sender, letter.payload)
            for letter in letters
            if letter.target == settings.incarnation
            and (peer := self.peers.get(letter.sender)) is not None
            and letter.incarnation == peer.incarnation
            and peer.newest - letter.beat <= LETTER_BEATS
        ]

    def _hear(self, now: int, path: str, heartbeat: Heartbeat) -> tuple[frozenset[int], list[Effect]]:
        """Take a heartbeat; returns the nodes that turn out to live another life, and what the sender says anew."""
        settings, peer = self.settings, self.peers.get(heartbeat.sender)
        if settings is None or peer is None or heartbeat.incarnation < peer.incarnation:
            return frozenset(), []
        reborn: set[int] = set()
        if heartbeat.incarnation > peer.incarnation:
            self._settled_until = None
            if peer.begin(heartbeat.incarnation):
                reborn.add(heartbeat.sender)
        before, said = peer.heard.get(path), (peer.contacts, peer.deaf, peer.hears_us, peer.rows, peer.unheard)
        if not peer.hear(now, path, heartbeat, self._began, (settings.own, settings.incarnation)):
            return frozenset(reborn), []
        says = (peer.contacts, peer.deaf, peer.hears_us, peer.rows, peer.unheard)
        if before is None or now - before >= settings.silence_us or says != said:
            self._settled_until = None
        for node, incarnation in heartbeat.contacts:
            other = self.peers.get(node)
            if other is not None and incarnation > other.incarnation:
                self._settled_until = None
                if other.begin(incarnation):
                    reborn.add(node)
        if (heartbeat.down, heartbeat.repository) == (peer.down, peer.repository):
            return frozenset(reborn), []
        self._settled_until = None
        effects: list[Effect] = []
        changed, peer.down = peer.down ^ heartbeat.down, heartbeat.down
        for bit, network in enumerate(settings.networks):
            if changed >> bit & 1:
                kind = "ADAPTER_DOWN" if heartbeat.down >> bit & 1 else "ADAPTER_UP"
                effects.append(Publish(kind, heartbeat.sender, network))
        if heartbeat.repository != peer.repository:
            peer.repository = heartbeat.repository
            effects.append(Publish("REP_UP" if peer.repository else "REP_DOWN", heartbeat.sender))
        return frozenset(reborn), effects

    # Decisions.

    def _heartbeat(self, now: int, peer: Peer | None = None, contacts: Contacts | None = None) -> Heartbeat:
        """A heartbeat to a peer, or for this node's sector of the disk."""
        settings = self.settings
        assert settings is not None
        heard, deaf, rows, unheard = self._contacts(now) if contacts is None else contacts
        return Heartbeat(
            settings.own,
            settings.incarnation,
            self._serial,
            heard,
            now if peer is not None else 0,
            peer.last_stamp if peer is not None else 0,
            now - peer.last_stamp_at if peer is not None and peer.last_stamp else 0,
            sum(1 << bit for bit, network in enumerate(settings.networks) if network not in self.links - self.silent),
            self.repository_up,
            deaf,
            rows,
            *self._verdict,
            unheard=unheard,
        )

    def _to_everybody(self, now: int, contacts: Contacts) -> Heartbeat:
        """A heartbeat by multicast, which answers the stamps of all."""
        echoes = tuple((n, p.last_stamp, now - p.last_stamp_at) for n, p in self.peers.items() if p.last_stamp)
        return msgspec.structs.replace(self._heartbeat(now, None, contacts), stamp=now, echoes=echoes)

    def _contacts(self, now: int) -> Contacts:
        heard, direct = self._heard(now), self._direct(now)
        contacts = tuple((node, self.peers[node].incarnation) for node in sorted(heard))
        return contacts, mask_of(heard - direct), self._rows(direct), self._unheard(now, heard)

    def _unheard(self, now: int, heard: set[int]) -> Pairs:
        """The networks on which a contact is not heard although the interfaces at both ends are up."""
        settings = self.settings
        assert settings is not None
        networks = [(1 << settings.networks.index(name), name) for name in self._networks()]
        pairs = []
        for node in sorted(heard):
            peer = self.peers[node]
            beats = FIRST_BEATS * (settings.remote_beats if node in settings.remote else 1)
            if peer.first_heard is None or now - peer.first_heard < beats * settings.heartbeat_us:
                continue
            mask = 0
            for bit, name in networks:
                at = peer.heard.get(name)
                if not peer.down & bit and (at is None or now - at >= settings.network_fdt_us):
                    mask |= bit
            if mask:
                pairs.append((node, mask))
        return tuple(pairs)

    def _rows(self, own: set[int]) -> tuple[tuple[int, int], ...]:
        assert self.settings is not None
        if self._complete(own):
            return ()
        everybody = own | {self.settings.own}
        rows = ((node, self.peers[node].row) for node in sorted(own))
        return tuple((node, mask_of(row)) for node, row in rows if row | {node} != everybody)

    def _complete(self, own: set[int]) -> bool:
        """All of the cluster's nodes are in contact with each other."""
        others = len(self.peers)
        return len(own) == others and all(len(self.peers[node].row) == others for node in own)

    def _beat(self, now: int) -> list[Effect]:
        settings = self.settings
        assert settings is not None
        self._next_beat = now + settings.heartbeat_us
        if self.group_services_armed:
            # Counted in this machine's own turns: a machine that was paused has missed none.
            self._group_services_silent += 1
            if self._group_services_silent * settings.heartbeat_us >= settings.group_services_us:
                return self._halt(CRITICAL_RESOURCE_PROTECTION)
        if not self._is_left_out(now):
            self._left_out_since = None
        elif self._left_out_since is None:
            self._left_out_since = now
        elif now - self._left_out_since >= settings.node_timeout_us and settings.deadman:
            return self._halt("asymmetric topology: this node is not in contact with all others")
        self._serial += 1
        effects: list[Effect] = []
        networks, contacts = self._networks(), self._contacts(now)
        if settings.multicast:
            heartbeat = self._to_everybody(now, contacts)
            effects += [Send(network, EVERYBODY, heartbeat) for network in networks]
        far_too = self._serial % settings.remote_beats == 0
        for node, peer in self.peers.items():
            # Multicast stays at the site (the AIX manual: only TCP/IP crosses sites).
            if not far_too if node in settings.remote else settings.multicast:
                continue
            heartbeat = self._heartbeat(now, peer, contacts)
            effects += [Send(network, node, heartbeat) for network in networks]
        if settings.disk:
            effects.append(WriteDisk(self._heartbeat(now, None, contacts)))
        effects.append(ReadDisk())
        silent = frozenset(network for network in self.links if self._hears_nobody(now, network))
        if silent != self.silent:
            effects += self._interfaces(self.links, silent)
        return effects + self._evaluate(now, frozenset())

    def _hears_nobody(self, now: int, network: str) -> bool:
        """Whether this node's end of a network is broken, by what comes in and what others say (traffic monitoring)."""
        settings = self.settings
        assert settings is not None
        if not settings.traffic_monitor or not settings.lan:
            return False
        fresh = FIRST_BEATS * settings.heartbeat_us * settings.remote_beats
        since = self._link_since.get(network, self._began)
        last = max((peer.heard.get(network, since) for peer in self.peers.values()), default=since)
        last = max(last, since)
        if now - last < settings.network_fdt_us + fresh:
            return False
        if network in self.silent and any(
            peer.heard_within(now, settings.node_timeout_us) for peer in self.peers.values()
        ):
            return True
        return hear_each_other(
            self.peers, settings.networks.index(network), now - fresh, last + settings.network_fdt_us
        )

    def _networks(self) -> list[str]:
        """The networks that heartbeats are sent on."""
        settings = self.settings
        assert settings is not None
        return [network for network in settings.networks if settings.lan and network in self.links]

    def _heard(self, now: int) -> set[int]:
        """The nodes that this one hears itself."""
        assert self.settings is not None
        timeout = self.settings.node_timeout_us
        return {node for node, peer in self.peers.items() if peer.heard_within(now, timeout)}

    def _direct(self, now: int) -> set[int]:
        """The nodes that this one hears and that hear it."""
        assert self.settings is not None
        timeout = self.settings.node_timeout_us
        return {node for node in self._heard(now) if not self.peers[node].is_deaf(now, timeout)}

    def _is_left_out(self, now: int) -> bool:
        """Whether this node is one of those that must go, as far as is known of the contacts of the live nodes."""
        settings = self.settings
        assert settings is not None
        own = self._direct(now)
        if self._complete(own):
            return False
        found = reachable(settings.own, own, self.peers, now, settings.node_timeout_us)
        if all(found <= row | {node} for node, row in ((settings.own, own), *((n, self.peers[n].row) for n in own))):
            return False
        rows = {settings.own: frozenset(own)}
        for node in sorted(own):
            rows[node] = self.peers[node].row
            for other, row in self.peers[node].rows:
                if other in found and other not in own and other != settings.own:
                    rows.setdefault(other, nodes_of(row))
        return settings.own in left_out(rows)

    def _apart(self, direct: set[int]) -> frozenset[tuple[int, int]]:
        """Pairs of live nodes that are not known to hear each other, by the contacts of each node."""
        settings = self.settings
        assert settings is not None
        if self._complete(direct) and len(self.alive) == len(self.peers) + 1:
            return frozenset()
        rows = {settings.own: frozenset(direct), **{node: self.peers[node].row for node in direct}}
        unknown = self.alive - rows.keys()
        for node in sorted(direct) if unknown else ():
            peer = self.peers[node]
            for other in unknown & peer.row:
                # Of a contact that it does not list the contacts are the same as its own.
                listed = dict(peer.rows).get(other)
                rows[other] = nodes_of(listed) if listed is not None else (peer.row | {node}) - {other}
            unknown -= peer.row
        return frozenset(
            (min(one, other), max(one, other))
            for one in self.alive
            for other in self.alive - rows.get(one, frozenset()) - {one}
        )

    def _evaluate(self, now: int, reborn: frozenset[int]) -> list[Effect]:
        settings = self.settings
        if settings is None:
            return []
        if not reborn and self._settled_until is not None and now < self._settled_until:
            return []  # every heartbeat leads here, and hardly any changes anything
        effects: list[Effect] = []
        for node in sorted(reborn):
            peer = self.peers[node]
            peer.down, peer.repository = 0, True
        self._reached -= reborn
        if reborn & self.alive:
            # It died and came back before anybody missed it; its death must still be known.
            effects += [Publish("NODE_DOWN", node) for node in sorted(reborn & self.alive)]
            self._reborn.update(dict.fromkeys(reborn & self.alive, now))
            self.alive -= reborn
            self.generation += 1
            effects += self._announce(now)
        found = reachable(settings.own, self._direct(now), self.peers, now, settings.node_timeout_us)
        self._reached = frozenset(found)
        alive = set(self.alive)
        for node, peer in self.peers.items():
            if node in found:
                peer.silent_since = None
                alive.add(node)
            elif node in alive:
                if peer.silent_since is None:
                    peer.silent_since = now
                if now - peer.silent_since >= settings.down_delay_us(node):
                    alive.discard(node)
        alive &= settings.nodes
        self._granted -= found
        if not self._granted:
            self._verdict = (0, 0)
        granted = self._granted if now >= self._granted_from else frozenset[int]()
        self._reborn = {node: at for node, at in self._reborn.items() if node not in found | granted}
        # A node that boots and is not heard again may be a side of its own, however well known the death before it.
        missed = {node for node, at in self._reborn.items() if now - at >= settings.down_delay_us(node)}
        if settings.arbitrate and not (self.alive | missed) & settings.nodes <= alive | granted:
            # The other side may live: whether this one may act is for the tie breaker, or an operator, to say.
            side = frozenset(alive)
            if side not in (self._asked, self._won):
                self._asked, self._won, self._verdict = side, None, (0, 0)
                effects.append(Arbitrate(side))
            alive |= self.alive & settings.nodes
        else:
            self._won = None
            if self._asked is not None:
                self._asked = None
                effects.append(Withdraw())
        effects += [Publish("NODE_DOWN", node) for node in sorted(self.alive - alive) if node in settings.nodes]
        effects += [Publish("NODE_UP", node) for node in sorted(alive - self.alive)]
        if alive != self.alive:
            self.alive = frozenset(alive)
            self.generation += 1
        self._settled_until = self._next_change(now)
        return effects + self._announce(now)

    def _next_change(self, now: int) -> int:
        """When the next silence becomes long enough to change a decision, if nobody is heard until then."""
        settings = self.settings
        assert settings is not None
        timeout = settings.node_timeout_us
        times = [now + timeout, self._granted_from]
        times += [at + settings.down_delay_us(node) for node, at in self._reborn.items()]
        for node, peer in self.peers.items():
            for path, at in peer.heard.items():
                times += [at + timeout] if path == DISK_PATH else [at + timeout, at + settings.network_fdt_us]
            times.append(peer.contacts_at + timeout)
            if peer.first_heard is not None:
                times.append(peer.first_heard + timeout)
            if peer.silent_since is not None:
                times.append(peer.silent_since + settings.down_delay_us(node))
        return min(time for time in times if time > now)

    def _arbitrated(self, now: int, side: frozenset[int], won: bool, spread: bool = False) -> list[Effect]:
        if self.settings is None or side != self._asked:
            return []  # sides have changed since
        self._asked = None
        self._settled_until = None
        told: list[Effect] = []
        if spread:
            self._verdict = (GO_ON if won else GIVE_WAY, mask_of(side))
            told = [
                Send(network, node, self._heartbeat(now, self.peers[node]))
                for node in sorted(side - {self.settings.own})
                for network in self._networks()
            ]
        if not won:
            why = "an operator has decided so" if spread else "another side holds the tie breaker"
            return [*told, *self._halt(f"split policy: this side gives way, {why}", gives_way=True)]
        # The other side finds out by its own silence that it must ask. What it heard last from this one may be younger
        # by node_timeout than what this one heard from it: longer than that it would have been told of being unheard.
        self._won, self._granted = side, self.settings.nodes - side
        self._granted_from = now + self.settings.node_timeout_us + 2 * self.settings.heartbeat_us
        return told + self._evaluate(now, frozenset())

    def _hear_verdict(self, now: int, heartbeat: Heartbeat) -> list[Effect]:
        """An operator has decided on another node of this side."""
        side = self._asked
        if side is None or mask_of(side) != heartbeat.verdict_side:
            return []
        return [Withdraw(), *self._arbitrated(now, side, heartbeat.verdict == GO_ON, True)]

    def _announce(self, now: int) -> list[Effect]:
        settings = self.settings
        assert settings is not None
        live = {node: peer for node, peer in self.peers.items() if node in self.alive}
        own, direct = settings.own, self._direct(now)
        down = {(own, network) for network in settings.networks if network not in self.links - self.silent}
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
            self._apart(direct),
            self.alive - self._reached,
        )
        if picture == self._announced:
            return []
        before, self._announced = self._announced.paths if self._announced else frozenset(), picture
        contacts: list[Effect] = [Publish("CONNECT_DOWN", *contact) for contact in sorted(before - picture.paths)]
        contacts += [Publish("CONNECT_UP", *contact) for contact in sorted(picture.paths - before)]
        # The picture first: events name nodes by it.
        return [picture, *contacts]

    def _deadman(self, now: int) -> str | None:
        """Why this node must not go on, if so."""
        settings = self.settings
        if settings is None or self._last_turn is None:
            return None
        # Alone as well: while it was away others may have been switched on and have taken over.
        if len(settings.nodes) > 1 and now - self._last_turn >= settings.node_timeout_us:
            return "dead man's switch: this node was silent for longer than node_timeout"
        if (self.repository_up and settings.disk) or not settings.networks or self._networks():
            self._isolated_since = None
            return None
        if self._isolated_since is None:
            self._isolated_since = now
        if now - self._isolated_since >= settings.node_timeout_us:
            return "dead man's switch: neither a network nor the repository disk is left"
        return None

    def _halt(self, reason: str, gives_way: bool = False) -> list[Effect]:
        self._halted = True
        return [HaltNode(reason, gives_way)]
