"""What goes into the core of Group Services and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field

from daemons.cthags.messages import Notification, Provider, Request
from daemons.cthags.wire import Packet, View, ViewId
from srcctl.machine import Tick

# Inputs --------------------------------------------------------------------------------------------------------------


class AliveNodes(Struct, frozen=True):
    """caa's word: who is alive, which nodes are configured, and the boot of each live node as far as it is known."""

    generation: int
    alive: frozenset[int]
    configured: tuple[int, ...]
    boots: Mapping[int, int] = field(default_factory=dict)
    adapters: tuple[tuple[int, int], ...] = ()
    """Node and place of each network interface that is up."""
    merge: str = "majority"
    """The cluster's merge policy, in clmgr's words."""
    apart: frozenset[tuple[int, int]] = frozenset()
    """Pairs of live nodes that are not known to hear each other on any path."""
    detection_us: int = 0
    """Within this time caa knows that a node has fallen silent."""
    priorities: Mapping[int, int] = field(default_factory=dict)
    """The recovery priority of the sites of nodes, 1 the highest, by node."""
    site_merge: str = ""
    """The merge policy between parts that are each at one site, and not at the same one; "" if it is ``merge``."""
    sites: Mapping[int, int] = field(default_factory=dict)
    """The site of each node that is at one."""


class Received(Struct, frozen=True):
    """A packet from another node's cthags."""

    node: int
    packet: Packet


class ClientRequest(Struct, frozen=True):
    """A request on a client's connection."""

    client: int
    request: Request


class ClientGone(Struct, frozen=True):
    """A client's connection ended."""

    client: int


class Deactivated(Struct, frozen=True):
    """The deactivate script of a provider has ended."""

    group: str
    serial: int
    provider: Provider
    success: bool


class Counted(Struct, frozen=True):
    """What a client's responsiveness counter holds; None: it cannot be read."""

    client: int
    value: bytes | None


Input: TypeAlias = AliveNodes | Received | ClientRequest | ClientGone | Deactivated | Counted | Tick


# Effects -------------------------------------------------------------------------------------------------------------


class Store(Struct, frozen=True):
    """Make a number durable before any effect that follows."""

    key: str
    value: int


class Send(Struct, frozen=True):
    """Send a packet; it may be lost."""

    node: int
    packet: Packet


class Notify(Struct, frozen=True):
    """Tell a client."""

    client: int
    notification: Notification


class CloseClient(Struct, frozen=True):
    """End a client's connection; with ``kill``, end its process first (SIGKILL)."""

    client: int
    pid: int
    kill: bool
    reason: str


class ReadCounter(Struct, frozen=True):
    """Read a client's responsiveness counter; ``Counted`` answers."""

    client: int


class Deactivate(Struct, frozen=True):
    """Run a provider's deactivate script; ``Deactivated`` answers it, unless ``serial`` is 0.

    ``limit_us`` is the time that it has; 0: what the shell finds patient.
    """

    group: str
    serial: int
    provider: Provider
    name: str
    script: str
    pid: int
    limit_us: int
    flag: str


class Log(Struct, frozen=True):
    """A line for the daemon's log."""

    text: str


class ViewInstalled(Struct, frozen=True):
    """A view was installed (for the error log, and for checkers)."""

    view: View
    base: ViewId | None
    position: int


class Dissolved(Struct, frozen=True):
    """This node gave up its view in a merge."""


class MergePrompt(Struct, frozen=True):
    """Two parts of the domain meet, both with critical clients, and an operator must say which one gives way.

    Without ``others`` nobody needs to answer any more.
    """

    others: tuple[int, ...]


class DeadMansSwitch(Struct, frozen=True):
    """Tell caa that Group Services turn, and whether critical clients depend on them.

    Once armed it must be told again and again: a node whose Group Services fall silent while critical clients hold
    something on their word goes down, whatever state those clients are in.
    """

    armed: bool


Effect: TypeAlias = (
    Store
    | Send
    | Notify
    | CloseClient
    | ReadCounter
    | Deactivate
    | Log
    | ViewInstalled
    | Dissolved
    | DeadMansSwitch
    | MergePrompt
)
