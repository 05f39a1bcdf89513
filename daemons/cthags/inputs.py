"""What goes into the core of Group Services and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from daemons.cthags.messages import Notification, Provider, Request
from daemons.cthags.wire import Packet, View, ViewId
from srcctl.machine import Tick

# Inputs --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AliveNodes:
    """caa's word: who is alive, which nodes are configured, and the boot of each live node as far as it is known."""

    generation: int
    alive: frozenset[int]
    configured: tuple[int, ...]
    boots: Mapping[int, int] = field(default_factory=dict)
    adapters: tuple[tuple[int, int], ...] = ()
    """Node and place of each network interface that is up."""
    merge: str = "majority"
    """The cluster's merge policy, in clmgr's words."""


@dataclass(frozen=True, slots=True)
class Received:
    """A packet from another node's cthags."""

    node: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A request on a client's connection."""

    client: int
    request: Request


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A client's connection ended."""

    client: int


@dataclass(frozen=True, slots=True)
class Deactivated:
    """The deactivate script of a provider has ended."""

    group: str
    serial: int
    provider: Provider
    success: bool


Input: TypeAlias = AliveNodes | Received | ClientRequest | ClientGone | Deactivated | Tick


# Effects -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Store:
    """Make a number durable before any effect that follows."""

    key: str
    value: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a packet; it may be lost."""

    node: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell a client."""

    client: int
    notification: Notification


@dataclass(frozen=True, slots=True)
class CloseClient:
    """End a client's connection; with ``kill``, end its process first (SIGKILL)."""

    client: int
    pid: int
    kill: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Deactivate:
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


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the daemon's log."""

    text: str


@dataclass(frozen=True, slots=True)
class ViewInstalled:
    """A view was installed (for the error log, and for checkers)."""

    view: View
    base: ViewId | None
    position: int


@dataclass(frozen=True, slots=True)
class Dissolved:
    """This node gave up its view in a merge."""


@dataclass(frozen=True, slots=True)
class MergePrompt:
    """Two parts of the domain meet, both with critical clients, and an operator must say which one gives way.

    Without ``others`` nobody needs to answer any more.
    """

    others: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeadMansSwitch:
    """Tell caa that Group Services turn, and whether critical clients depend on them.

    Once armed it must be told again and again: a node whose Group Services fall silent while critical clients hold
    something on their word goes down, whatever state those clients are in.
    """

    armed: bool


Effect: TypeAlias = (
    Store | Send | Notify | CloseClient | Deactivate | Log | ViewInstalled | Dissolved | DeadMansSwitch | MergePrompt
)
