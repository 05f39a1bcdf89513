"""What Cluster Aware AIX tells the daemons of its node over ``/dev/cluster0``, and what nodes tell each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from daemons.runtime.codec import Codec

SOCKET_PATH = "/dev/cluster0"
DISK_PATH = "dpcom"
"""The name of the path over the repository disk."""
GROUP_SERVICES_SILENCE = 40.0
"""Product seconds of silence of Group Services that a node survives while they have critical clients (inferred)."""
RELAY_MAX = 8_000
"""Bytes of a datagram that travels over the repository disk."""


class Node(msgspec.Struct, frozen=True):
    """A node of the cluster: its number, name, uuid, and its address on each network (network order)."""

    number: int
    name: str
    uuid: str
    addresses: tuple[tuple[str, str], ...]
    """Pairs of network and address."""


class Site(msgspec.Struct, frozen=True):
    """A site of the cluster: its name, shorthand id, uuid, the names of its nodes, and its priority, 1 the highest, 0
    for none (cle_prio of mkcluster and chcluster). ``multicast``: the group that an administrator chose for it."""

    name: str
    number: int
    uuid: str
    nodes: tuple[str, ...] = ()
    priority: int = 0
    multicast: str = ""


def multicast_group(nodes: Sequence[Node], network: str, chosen: str = "") -> str:
    """The multicast group of a site on a network: the one that an administrator chose for all networks of the cluster
    or the site, else 228 and the last three octets of the first node's address on it. "" if nobody is on it.
    """
    if chosen and any(name == network for node in nodes for name, _ in node.addresses):
        return chosen
    address = next((address for node in nodes for name, address in node.addresses if name == network), "")
    return "228." + address.partition(".")[2] if address else ""


class PathState(msgspec.Struct, frozen=True):
    """A path from this node to another: a network with both addresses, or ``dpcom`` with empty ones."""

    node: int
    network: str
    local_address: str
    remote_address: str
    up: bool


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    """Ask for ``Membership`` now and after every change; with ``events`` also for events; ``relay`` takes datagrams."""

    events: bool = False
    relay: bool = False


class Query(msgspec.Struct, frozen=True, tag="query"):
    """Ask for one ``Status``."""


class Relay(msgspec.Struct, frozen=True, tag="relay"):
    """A datagram over the repository disk: to a node (from a subscriber), from it (to one with ``relay``)."""

    node: int
    payload: bytes


class Letter(msgspec.Struct, frozen=True):
    """A datagram in a mailbox of the repository disk.

    ``incarnation`` and ``beat``: the sender's life and how often its heart had beaten when it wrote; ``target``: the
    receiver's life as the sender knows it; ``number`` counts the letters of one life to one receiver.
    """

    sender: int
    incarnation: int
    number: int
    target: int
    beat: int
    payload: bytes


class DeadMansSwitch(msgspec.Struct, frozen=True, tag="deadman"):
    """From Group Services: they turn, and critical clients depend on them or not.

    Once armed it must come again in time: else the node goes down. A connection that ends does not disarm it, and
    Group Services that come anew are not let in: their clients of the former life may hold what others will acquire.
    """

    armed: bool


class Decide(msgspec.Struct, frozen=True, tag="decide"):
    """An operator's answer to a split under policy Manual: this side goes on, or gives way."""

    go_on: bool


class Join(msgspec.Struct, frozen=True, tag="join"):
    """Become a member of the cluster on this repository disk (clusterconf)."""

    disk: str


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """Stop CAA on this node; with ``forget`` the node is no longer a member (rmcluster)."""

    forget: bool = False


class Reread(msgspec.Struct, frozen=True, tag="reread"):
    """The definition on the repository disk changed (chcluster, clctrl -tune)."""


class Replace(msgspec.Struct, frozen=True, tag="replace"):
    """Write the cluster's repository to another disk and use that one (chrepos)."""

    disk: str


class Move(msgspec.Struct, frozen=True, tag="move"):
    """Use the repository on another disk, which holds this cluster."""

    disk: str


LOCAL_SITE = Site("LOCAL", 1, "51735173-5173-5173-5173-517351735173")
"""The site of every node of a cluster without sites (the AIX manual's sample of lscluster -m)."""


class Membership(msgspec.Struct, frozen=True, tag="membership"):
    """Who is alive. ``generation`` grows with every change; ``own`` is this node's number.

    ``boots`` tells one life of a node from the next: the boot of each live node, by number, as far as this node knows.
    """

    generation: int
    own: int
    alive: tuple[int, ...]
    nodes: tuple[Node, ...]
    paths: tuple[PathState, ...]
    repository_up: bool
    cluster_name: str
    cluster_id: str
    boots: dict[int, int] = {}
    interfaces_down: tuple[tuple[int, str], ...] = ()
    """Pairs of live node and network on which its interface is down, as that node says."""
    repositories_down: tuple[int, ...] = ()
    """Live nodes that have lost the repository disk, as they say."""
    stale: tuple[int, ...] = ()
    """Live nodes that this one does not hear itself."""
    apart: tuple[tuple[int, int], ...] = ()
    """Pairs of live nodes, the lower number first, that are not known to hear each other on any path."""
    merge: str = "majority"
    action: str = "reboot"
    """The merge policy of the cluster and the action plan of a side that gives way, in clmgr's words."""
    detection: float = 0.0
    """Product seconds after which a node that nobody hears is down: node_timeout, node_down_delay, with several sites
    link_timeout."""
    priorities: tuple[tuple[int, int], ...] = ()
    """Pairs of node and the recovery priority of its site, 1 the highest, of the nodes at sites that have one."""
    site_merge: str = ""
    """The merge policy between sites, in clmgr's words; "" if it is the cluster's."""
    sites: tuple[Site, ...] = ()
    multicast: str = ""
    """The multicast group that an administrator chose for the cluster, "" if none was."""
    undecided: tuple[int, ...] = ()
    """Live nodes that are down for everybody who looks: they have fallen silent for good, and that is no event yet only
    because a tie breaker or an operator must say first which side of a split may act."""

    @property
    def up(self) -> frozenset[int]:
        """The nodes that commands show as UP; one that was removed may still be alive for a moment."""
        return (frozenset(self.alive) - frozenset(self.undecided)) & {node.number for node in self.nodes}

    def site_of(self, node: str) -> Site:
        """The site of the node of that name; a node at none is at LOCAL."""
        return next((site for site in self.sites if node in site.nodes), LOCAL_SITE)

    def group_of(self, site: Site, network: str) -> str:
        """The multicast group of a site on a network."""
        fellows = tuple(node for node in self.nodes if self.site_of(node.name) == site)
        return multicast_group(fellows, network, site.multicast or self.multicast)


class Event(msgspec.Struct, frozen=True, tag="event"):
    """An occurrence of an /aha event producer.

    ``kind`` is the producer's EVENT_TYPE (a key of ``aha.PRODUCERS``); ``node`` whom it concerns; ``subject`` an
    interface or disk name; ``time_ns`` the wall clock; ``details`` further lines of the event text; ``uuid`` of the
    node, which may be no member yet, or any more.
    """

    serial: int
    kind: str
    node: int
    subject: str
    time_ns: int
    details: tuple[str, ...] = ()
    uuid: str = ""


class InterfaceState(msgspec.Struct, frozen=True):
    """An interface of the local node."""

    name: str
    network: str
    address: str
    netmask: str
    up: bool


class DiskState(msgspec.Struct, frozen=True):
    """A disk of the cluster beside its repository: ``kind`` is CLUSDISK or BACKUP_DISK, ``name`` what nodes call it."""

    name: str
    uuid: str
    kind: str
    up: bool


class Statistics(msgspec.Struct, frozen=True):
    """Counters of packets and disk operations (lscluster -s). ``relayed``: datagrams over the repository disk."""

    sent: int = 0
    received: int = 0
    disk_writes: int = 0
    disk_reads: int = 0
    dropped: int = 0
    not_sent: int = 0
    bad: int = 0
    duplicate: int = 0
    relayed_out: int = 0
    relayed_in: int = 0
    events_sent: int = 0
    events_received: int = 0
    node_downs: int = 0
    multicast: int = 0
    not_for_here: int = 0


class Status(msgspec.Struct, frozen=True, tag="status"):
    """Everything that lscluster shows. ``membership`` is None while CAA is not active here."""

    membership: Membership | None
    disk: str = ""
    disk_uuid: str = ""
    interfaces: tuple[InterfaceState, ...] = ()
    round_trips: tuple[tuple[int, int, int], ...] = ()
    """Node, smoothed round-trip time and mean deviation, in milliseconds."""
    tunables: tuple[tuple[str, str], ...] = ()
    statistics: Statistics = Statistics()
    disks: tuple[DiskState, ...] = ()
    aliases: tuple[tuple[str, str, str, str], ...] = ()
    """Node, interface, address and netmask of what live nodes have configured beside their own addresses."""


class Outcome(msgspec.Struct, frozen=True, tag="outcome"):
    """How a request ended; ``error`` is empty on success."""

    error: str = ""


NODES_MAX = 64
"""The highest node number of which a heartbeat can tell (a cluster has 16, the simulator plays 64)."""


def mask_of(nodes: Iterable[int]) -> int:
    """A set of nodes as a number: bit 0 is node 1."""
    return sum(1 << (node - 1) for node in nodes)


def nodes_of(mask: int) -> frozenset[int]:
    """The nodes of such a number; none of one that cannot be."""
    return frozenset(bit + 1 for bit in range(mask.bit_length()) if mask >> bit & 1) if mask > 0 else frozenset()


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat", array_like=True):
    """Between nodes: I live, and these are the nodes that I hear myself.

    ``incarnation`` grows with every boot; ``contacts`` are pairs of node and its incarnation; ``echo`` is the last
    stamp heard from the receiver and ``held`` how long ago in microseconds, for round-trip times and as proof that this
    is no recording. ``down`` has a bit for every network on which the sender's interface is down, in the order of
    networks; ``repository``: it can use the repository disk. ``deaf``: contacts that do not hear the sender. ``rows``:
    pairs of a node and the nodes that are in contact with it both ways, of all whose contacts differ from the sender's.
    ``echoes``: of a heartbeat to all by multicast: triples of a receiver and what ``echo`` and ``held`` say to it.
    ``unheard``: pairs of a contact and the networks on which the sender does not hear it, bits as in ``down``.
    ``verdict``: what an operator has decided in a split, 1 to go on or 2 to give way, for the side ``verdict_side``.
    ``epoch``: that of the repository which the sender uses. ``last``: the sender stops in good order, and nothing comes
    after this in its life.
    Sets of nodes are numbers with a bit for each (``mask_of``): a heartbeat must fit into a sector of the disk.
    """

    sender: int
    incarnation: int
    serial: int
    contacts: tuple[tuple[int, int], ...]
    stamp: int = 0
    echo: int = 0
    held: int = 0
    down: int = 0
    repository: bool = True
    deaf: int = 0
    rows: tuple[tuple[int, int], ...] = ()
    verdict: int = 0
    verdict_side: int = 0
    echoes: tuple[tuple[int, int, int], ...] = ()
    unheard: tuple[tuple[int, int], ...] = ()
    epoch: int = 0
    last: bool = False

    def to(self, receiver: int) -> Heartbeat:
        """What a heartbeat to all says to one node."""
        for node, echo, held in self.echoes:
            if node == receiver:
                return msgspec.structs.replace(self, echo=echo, held=held, echoes=())
        return self


Request: TypeAlias = Subscribe | Query | Relay | DeadMansSwitch | Decide | Join | Leave | Reread | Replace | Move
Answer: TypeAlias = Membership | Event | Relay | Status | Outcome

request_codec: Codec[Request] = Codec(Request)
answer_codec: Codec[Answer] = Codec(Answer)
heartbeat_codec: Codec[Heartbeat] = Codec(Heartbeat, limit=4096)
