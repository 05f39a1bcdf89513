"""What goes into CAA's core, and what comes out."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from daemons.caa.messages import Heartbeat, Letter
from srcctl.machine import SECOND, Tick

EVERYBODY = 0
"""Instead of a node number: all nodes."""


class Settings(Struct, frozen=True):
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
    lan: bool = True
    disk: bool = True
    """Whether heartbeats go over the networks (hb_src_lan) and over the repository disk (hb_src_disk)."""
    group_services_us: int = 40 * SECOND
    """After so long without a word from Group Services whose critical clients hold something the node goes down. Less
    than the silence after which the other nodes' Group Services call these failed."""
    multicast: bool = False
    """Heartbeats on a network are one for all nodes, instead of one for each (communication_mode)."""
    arbitrate: bool = False
    """Whether a side of a split must win the tie breaker before it may call other nodes dead."""
    remote: frozenset[int] = frozenset()
    """The nodes of another site, which are down only after a further ``link_timeout_us`` of silence."""
    link_timeout_us: int = 0
    remote_factor: int = 1
    """Nodes of another site are sent every so-manieth heartbeat only (remote_hb_factor)."""
    traffic_monitor: bool = True
    """An interface that hears nobody while others hear each other on its network is down (no_if_traffic_monitor)."""
    epoch: int = 0
    """That of the repository in use, which heartbeats tell."""

    def down_delay_us(self, node: int) -> int:
        """How long a suspected node is not yet called down."""
        return self.node_down_delay_us + (self.link_timeout_us if node in self.remote else 0)

    @property
    def remote_beats(self) -> int:
        """Every so-manieth beat goes to another site. A factor under which the sites would lose each other between two
        heartbeats is obeyed as far as three of them fit into the shortest timeout (inferred)."""
        return max(1, min(self.remote_factor, self.silence_us // (3 * self.heartbeat_us)))

    @property
    def silence_us(self) -> int:
        """A path that was silent for less than that is up by any measure."""
        return min(self.node_timeout_us, self.network_fdt_us)


class Configure(Struct, frozen=True):
    """Input: the cluster's definition, at start and when it changed."""

    settings: Settings


class Received(Struct, frozen=True):
    """Input: a heartbeat came in on a path."""

    path: str
    heartbeat: Heartbeat


class DiskSeen(Struct, frozen=True):
    """Input: the answer to ``ReadDisk``. ``heartbeats`` are those of all readable sectors, None if the disk is lost;
    ``letters`` are new ones in the mailboxes for this node."""

    heartbeats: tuple[Heartbeat, ...] | None
    letters: tuple[Letter, ...] = ()


class Post(Struct, frozen=True):
    """Input: Group Services have a datagram for a node to which they know no network path."""

    node: int
    payload: bytes


class Links(Struct, frozen=True):
    """Input: the networks on which this node's own interface works."""

    up: frozenset[str]


class Arbitrated(Struct, frozen=True):
    """Input: the answer to ``Arbitrate`` for the same side."""

    side: frozenset[int]
    won: bool
    spread: bool = False
    """The answer is an operator's, given on one node: the nodes of the side pass it on to each other."""


class GroupServicesTurn(Struct, frozen=True):
    """Input: Group Services of this node turn; ``armed``: critical clients depend on them."""

    armed: bool


class Stopped(Struct, frozen=True):
    """Input: CAA stops on this node, whose Group Services have ended: the machine's last one."""


Input: TypeAlias = Configure | Received | DiskSeen | Post | Links | Arbitrated | GroupServicesTurn | Stopped | Tick


class Send(Struct, frozen=True):
    """Effect: send a heartbeat to a node on a network, or (``node`` is EVERYBODY) to all by multicast."""

    network: str
    node: int
    heartbeat: Heartbeat


class WriteDisk(Struct, frozen=True):
    """Effect: write this node's sector of the repository disk."""

    heartbeat: Heartbeat


class ReadDisk(Struct, frozen=True):
    """Effect: read all sectors and mailboxes; exactly one ``DiskSeen`` answers it."""


class WriteLetter(Struct, frozen=True):
    """Effect: put a letter into the mailbox for a node."""

    node: int
    letter: Letter


class Deliver(Struct, frozen=True):
    """Effect: hand a letter's datagram to Group Services."""

    sender: int
    payload: bytes


class Announce(Struct, frozen=True):
    """Effect: membership or paths changed. ``paths`` holds (node, path) of all that are up.

    ``boots`` holds (node, incarnation) of the live nodes of whose life is known. What live nodes tell of themselves:
    ``interfaces_down`` holds (node, network), ``repositories_down`` the nodes that have lost the repository, ``stale``
    those that this node knows by others only, so that what it has may be old; ``apart`` holds pairs of live nodes, the
    lower number first, that are not known to hear each other; ``silent`` those that cannot be reached, and are called
    alive until time, a tie breaker or an operator has decided.
    """

    generation: int
    alive: frozenset[int]
    paths: frozenset[tuple[int, str]]
    repository_up: bool
    boots: frozenset[tuple[int, int]]
    interfaces_down: frozenset[tuple[int, str]] = frozenset()
    repositories_down: frozenset[int] = frozenset()
    stale: frozenset[int] = frozenset()
    apart: frozenset[tuple[int, int]] = frozenset()
    silent: frozenset[int] = frozenset()
    undecided: frozenset[int] = frozenset()
    """Those of the silent nodes whose time is over, so that only the tie breaker or an operator is waited for."""

    @property
    def reached(self) -> frozenset[int]:
        """The live nodes that can be reached, this one among them."""
        return self.alive - self.silent


class Publish(Struct, frozen=True):
    """Effect: an /aha event."""

    kind: str
    node: int
    subject: str = ""


class Arbitrate(Struct, frozen=True):
    """Effect: may the nodes of this side act? ``Arbitrated`` answers it, at once (a tie breaker) or later (an
    operator); an answer for a side that is no more is ignored."""

    side: frozenset[int]


class Withdraw(Struct, frozen=True):
    """Effect: what ``Arbitrate`` asked is settled: the sides see each other again, or another node has the answer."""


class HaltNode(Struct, frozen=True):
    """Effect: this node must end now; with ``gives_way`` the action plan says how (a reboot)."""

    reason: str
    gives_way: bool = False


Effect: TypeAlias = (
    Send | WriteDisk | ReadDisk | WriteLetter | Deliver | Announce | Publish | Arbitrate | Withdraw | HaltNode
)
