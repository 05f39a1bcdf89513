"""What clients and cthags say to each other over ``/var/ct/cthags.sock``: the GSAPI as messages.

Names follow the calls and notifications of the Group Services programming interface (``ha_gs_join``,
``ha_gs_vote``, ...). A connection is one GS client; its first message is ``Init``. The end of the connection is the
client's death: all its providers leave by a failure leave. The end of cthags is the end of the connection, for which
the client side makes a ``Died``.

Every provider of a group gets the same notifications in the same order, its own proposals included. One protocol runs
at a time in a group: failure leaves first, then joins, then what a provider proposes; a proposal that finds another
one waiting or running is answered with DelayedError COLLIDE and may be made again.

Times are microseconds of patience (real time, never divided by the lab's speed); 0 means no limit.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemons.runtime.codec import Codec

SOCKET_PATH = "/var/ct/cthags.sock"

GROUP_NAME_MAX = 32
"""Bytes of a group's name (HA_GS_MAX_GROUP_NAME_LENGTH)."""

MESSAGE_MAX = 1 << 20
"""Bytes of a provider message. The product allows 2048; a joiner's copy of the cluster state needs more."""

STATE_MAX = 256
"""Bytes of a group's state value."""

HOST_MEMBERSHIP = "HostMembership"
"""The system group whose providers are the nodes that are up: those of the view, and live ones whose Group Services
have just ended or begun. A node leaves it only when caa calls it dead. Anybody may subscribe; nobody may join."""

Phases: TypeAlias = Literal[1, "n"]
"""1: no vote, the protocol is approved at once. "n": rounds of votes, each of them a barrier."""

VoteValue: TypeAlias = Literal["approve", "continue", "reject"]
DefaultVote: TypeAlias = Literal["approve", "reject"]
ProtocolKind: TypeAlias = Literal[
    "join",
    "leave",
    "failure_leave",
    "expel",
    "cast_out",
    "state_change",
    "message",
    "attribute_change",
    "source_reflection",
]
LeaveReason: TypeAlias = Literal[
    "voluntary_leave",
    "said_goodbye",
    "provider_failure",
    "host_failure",
    "provider_expelled",
    "source_provider_leave",
]
Batching: TypeAlias = Literal["none", "joins", "leaves", "both"]
SubscriptionKind: TypeAlias = Literal["state", "membership", "both"]
ResponsivenessType: TypeAlias = Literal[
    "HA_GS_NO_RESPONSIVENESS", "HA_GS_PING_RESPONSIVENESS", "HA_GS_COUNTER_RESPONSIVENESS"
]
Summary: TypeAlias = Literal[
    "default_approve",
    "default_reject",
    "time_limit_exceeded",
    "provider_failed",
    "explicit_reject",
    "responsiveness_no_response",
    "responsiveness_response",
    "castout",
    "group_dissolved",
    "deactivate_unsuccessful",
    "group_services_has_died_horribly",
]
ErrorCode: TypeAlias = Literal[
    "HA_GS_COLLIDE",
    "HA_GS_BAD_GROUP_ATTRIBUTES",
    "HA_GS_BAD_MEMBER_TOKEN",
    "HA_GS_BAD_PARAMETER",
    "HA_GS_CONNECT_FAILED",
    "HA_GS_DUPLICATE_INSTANCE_NUMBER",
    "HA_GS_EXISTS",
    "HA_GS_INVALID_DEACTIVATE_PHASE",
    "HA_GS_INVALID_GROUP",
    "HA_GS_INVALID_SOURCE_GROUP",
    "HA_GS_NAME_TOO_LONG",
    "HA_GS_NOT_A_MEMBER",
    "HA_GS_NO_INIT",
    "HA_GS_NO_MEMORY",
    "HA_GS_NOT_SUPPORTED",
    "HA_GS_NO_SOURCE_GROUP_PROVIDER",
    "HA_GS_PROVIDER_APPEARS_TWICE",
    "HA_GS_SOCK_CREATE_FAILED",
    "HA_GS_SOCK_INIT_FAILED",
    "HA_GS_UNKNOWN_GROUP",
    "HA_GS_UNKNOWN_PROVIDER",
    "HA_GS_VOTE_NOT_EXPECTED",
    "HA_GS_WRONG_OLD_STATE",
]
"""The names of ``ha_gs.h``. Three of them cannot occur here: HA_GS_BACKLEVEL_PROVIDERS, as all programs have the
library of one level, HA_GS_BAD_CLIENT_TOKEN, as the client is an object of the program and no token, and HA_GS_NOT_OK,
as every failure has a name of its own."""


ENET_MEMBERSHIP = "enMembership"
"""The system group of the network interfaces that are up (instance: the interface's place on its node, from 0)."""

SYSTEM_GROUPS = (HOST_MEMBERSHIP, ENET_MEMBERSHIP)

RMC_PEERS = "rmc_peers"
"""The group of the RMC daemons of the domain."""


class Provider(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A member of a group. ``instance`` is unique among the providers of the node; a process that comes back has a
    new one."""

    node: int
    instance: int

    def __str__(self) -> str:
        return f"[{self.instance}/{self.node}]"


class GroupAttributes(msgspec.Struct, frozen=True):
    """What all providers of a group must agree on.

    Args:
        phases: of join and failure-leave protocols.
        time_limit_us: of each phase of those.
        default_vote: cast for a provider that fails or is late in a phase.
        batch: whether joins, or failures, that wait together are one protocol; the two are never mixed.
        deactivate_on_failure: a provider that fails is deactivated by its script, too.
        merge: what becomes of the group when two halves of the domain meet. dissolve: that of the smaller half
            ends; dontcare: its providers there join that of the other half, as new ones.
        source_group: a provider needs a provider of this group on its node, is cast out with it, and is told of that
            group's state value; "" for none.
        source_reflection_phases, source_reflection_time_limit_us: of the protocols that tell it.
        client_version: of the application.
    """

    phases: Phases = 1
    time_limit_us: int = 0
    default_vote: DefaultVote = "reject"
    batch: Batching = "leaves"
    deactivate_on_failure: bool = False
    merge: Literal["dissolve", "dontcare"] = "dissolve"
    source_group: str = ""
    source_reflection_phases: Phases = 1
    source_reflection_time_limit_us: int = 0
    client_version: int = 1


# Requests ------------------------------------------------------------------------------------------------------------


class Init(msgspec.Struct, frozen=True, tag="init"):
    """``ha_gs_init``: become a GS client. Answered by ``Initialized``.

    Args:
        name: the program's name as ``lssrc -ls cthags`` shows it.
        pid: its process id, checked against the socket's credentials.
        responsiveness_interval_us: how often cthags probes the client; 0: never (HA_GS_NO_RESPONSIVENESS).
        responsiveness_limit_us: the time within which it must answer a probe, or its counter must move.
        critical: the client is killed if it does not respond (else the other providers of its groups are told, and
            told again when it does).
        deactivate_script: absolute path of the program that is run on this node for a provider of this client that is
            expelled; "" for none.
        counter: a descriptor of the client's, of a file with a counter that moves as long as the client is well
            (HA_GS_COUNTER_RESPONSIVENESS); None: it answers probes (HA_GS_PING_RESPONSIVENESS).
    """

    name: str
    pid: int
    responsiveness_interval_us: int = 0
    responsiveness_limit_us: int = 0
    critical: bool = False
    deactivate_script: str = ""
    counter: int | None = None

    @property
    def responsiveness(self) -> ResponsivenessType:
        """The product's name of how the client is checked."""
        if not self.responsiveness_interval_us:
            return "HA_GS_NO_RESPONSIVENESS"
        return "HA_GS_PING_RESPONSIVENESS" if self.counter is None else "HA_GS_COUNTER_RESPONSIVENESS"


class Join(msgspec.Struct, frozen=True, tag="join"):
    """``ha_gs_join``: become a provider. ``instance`` 0 lets cthags choose. The end is an Approved or Rejected of
    protocol "join" whose ``changing`` names the provider (see ``self_provider`` there), or a DelayedError."""

    group: str
    attributes: GroupAttributes = GroupAttributes()
    instance: int = 0
    local_name: str = ""


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """``ha_gs_leave``: leave by a voted protocol."""

    group: str
    phases: Phases = 1
    time_limit_us: int = 0
    code: int = 0


class Goodbye(msgspec.Struct, frozen=True, tag="goodbye"):
    """``ha_gs_goodbye``: be out at once; the others see a failure leave with reason "said_goodbye"."""

    group: str


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    """``ha_gs_subscribe``: watch a group. Answered by a ``Subscription`` now and after every change of what ``kind``
    names; by DelayedError HA_GS_UNKNOWN_GROUP if there is no such group."""

    group: str
    kind: SubscriptionKind = "both"


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    """``ha_gs_unsubscribe``."""

    group: str


class ProviderMessage(msgspec.Struct, frozen=True, tag="message"):
    """``ha_gs_send_message``: broadcast ``message`` to the group."""

    group: str
    message: bytes
    phases: Phases = 1
    time_limit_us: int = 0


class ChangeStateValue(msgspec.Struct, frozen=True, tag="change_state"):
    """``ha_gs_change_state_value``: propose a new state value. If ``old`` is given it must be the value at the moment
    the protocol starts, else the answer is DelayedError HA_GS_WRONG_OLD_STATE."""

    group: str
    state: bytes
    phases: Phases = 1
    time_limit_us: int = 0
    old: bytes | None = None


class ChangeAttributes(msgspec.Struct, frozen=True, tag="change_attributes"):
    """``ha_gs_change_attributes``: propose other attributes for the group. The source group cannot be changed."""

    group: str
    attributes: GroupAttributes
    phases: Phases = 1
    time_limit_us: int = 0


class Expel(msgspec.Struct, frozen=True, tag="expel"):
    """``ha_gs_expel``: propose to throw providers out. They get no vote.

    In phase ``deactivate_phase`` (0: never; it needs an n-phase protocol) the deactivate script of each of them runs
    on its node, with its pid, the time limit in seconds, its name, the group and ``deactivate_flag`` as arguments. What
    has not succeeded within the time limit has failed; the next notification tells.
    """

    group: str
    providers: tuple[Provider, ...]
    phases: Phases = 1
    time_limit_us: int = 0
    deactivate_phase: int = 0
    deactivate_flag: str = ""


class Vote(msgspec.Struct, frozen=True, tag="vote"):
    """``ha_gs_vote``: the answer to the ``NPhase`` with this ``token``.

    ``message`` rides to all members with the next notification, ``state`` becomes the proposed state value; where
    several members give one in a phase, that of the oldest provider is kept. ``default_vote`` replaces this
    provider's default for the rest of the protocol.
    """

    group: str
    token: int
    vote: VoteValue
    message: bytes | None = None
    state: bytes | None = None
    default_vote: DefaultVote | None = None


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """The answer to a ``ResponsivenessProbe``; ``well``: what the client's callback says of itself
    (HA_GS_CALLBACK_OK or HA_GS_CALLBACK_NOT_OK). Who is not well does not respond."""

    serial: int
    well: bool = True


class QueryStatus(msgspec.Struct, frozen=True, tag="query_status"):
    """Ask for a ``DomainStatus``; needs no ``Init``."""


class Decide(msgspec.Struct, frozen=True, tag="decide"):
    """An operator's answer where two parts of the domain meet under merge policy Manual; needs no ``Init``."""

    go_on: bool


class Disarm(msgspec.Struct, frozen=True, tag="disarm"):
    """Until this daemon ends its dead man's switch is not set any more (``hags_stopdms``), or critical clients are not
    killed when they do not respond (``hags_disable_client_kill``). Needs no ``Init``; answered by ``DomainStatus``."""

    dead_mans_switch: bool = False
    client_kill: bool = False


# Notifications -------------------------------------------------------------------------------------------------------


class Initialized(msgspec.Struct, frozen=True, tag="initialized"):
    """The client is registered. ``node`` is this node's number."""

    node: int


class Decided(msgspec.Struct, frozen=True, tag="decided"):
    """The answer to ``Decide``: whether a decision was awaited."""

    awaited: bool


class _ProtocolNotification(msgspec.Struct, frozen=True):
    """What the three notifications of a protocol have in common.

    Args:
        group: the group.
        token: names this notification; a vote gives it back.
        protocol: the kind.
        phase: from 1; of Approved and Rejected, the last phase that was voted on (0 if none was).
        proposer: the provider that proposed it; None for joins and failures.
        changing: the providers that join or leave.
        reasons: why they leave, one for each of ``changing``.
        providers: the group's providers, oldest first: during a protocol those before it, in Approved those after it.
        message: in phase 1 the proposer's, later the one that rode on the votes of the phase before (empty: none).
            A one-phase protocol's Approved carries the proposer's.
        state: in NPhase the proposed state value (the current one if no change is proposed), else the current one.
        time_limit_us: within which the vote is expected; 0: no limit.
        self_provider: who the receiver is in this group.
        attributes: that are proposed, in an attribute change.
        source_state: of the source group, in its reflection.
        leave_code: of a provider that leaves.
        deactivated: the providers whose deactivate scripts have run, and whether those succeeded.
        summary: of Approved and Rejected, what the announcement that follows says too: empty if every voter voted
            (the product's gs_summary_code).
    """

    group: str
    token: int
    protocol: ProtocolKind
    phase: int
    proposer: Provider | None
    changing: tuple[Provider, ...]
    reasons: tuple[LeaveReason, ...]
    providers: tuple[Provider, ...]
    message: bytes
    state: bytes
    time_limit_us: int
    self_provider: Provider
    attributes: GroupAttributes | None = None
    source_state: bytes = b""
    leave_code: int = 0
    deactivated: tuple[tuple[Provider, bool], ...] = ()
    summary: tuple[Summary, ...] = ()


class NPhase(_ProtocolNotification, frozen=True, tag="n_phase"):
    """A phase began: do what is to be done in it, then vote. Nobody sees phase n + 1 before all voted in phase n."""


class Approved(_ProtocolNotification, frozen=True, tag="approved"):
    """The protocol ended and takes effect. A provider that left gets no further notification of the group."""


class Rejected(_ProtocolNotification, frozen=True, tag="rejected"):
    """The protocol ended without effect (a failure leave removes the failed providers all the same)."""


class Announcement(msgspec.Struct, frozen=True, tag="announcement"):
    """News without a vote: late or failed voters of the protocol that just ended; or "group_dissolved": this half of
    the domain gave way in a merge, the receiver is no longer a provider and may join again; or that another provider's
    client has ceased to respond to the checks of its responsiveness, or responds again."""

    group: str
    summary: tuple[Summary, ...]
    providers: tuple[Provider, ...]


class Merge(msgspec.Struct, frozen=True, tag="merge"):
    """HA_GS_MERGE_NOTIFICATION: this half of the domain gave way in a merge, and the group outlives that: the receiver,
    which was ``former``, joins the other half's group as ``provider`` (of which the usual notifications follow)."""

    group: str
    former: Provider
    provider: Provider


class Subscription(msgspec.Struct, frozen=True, tag="subscription"):
    """A subscriber's picture of a group (no providers: the group does not exist)."""

    group: str
    providers: tuple[Provider, ...]
    state: bytes


class ResponsivenessProbe(msgspec.Struct, frozen=True, tag="probe"):
    """Answer with ``Alive(serial)`` in time."""

    serial: int


class DelayedError(msgspec.Struct, frozen=True, tag="error"):
    """A request failed; ``request`` is its tag ("join", "message", ...)."""

    group: str
    code: ErrorCode
    request: str


class Died(msgspec.Struct, frozen=True, tag="died"):
    """HA_GS_GROUP_SERVICES_HAS_DIED_HORRIBLY: made by the client side when the connection to cthags ends, or when
    cthags has been silent for longer than its probes allow."""

    reason: str = "Group Services died"


class Ballots(msgspec.Struct, frozen=True, array_like=True):
    """A voter of the running phase: what it voted ("" if it has not yet), and whether it has failed."""

    provider: Provider
    vote: str
    failed: bool


class GroupStatus(msgspec.Struct, frozen=True):
    """A group as ``lssrc -ls cthags`` and ``hagsgr`` show it; ``leader`` is the node that sequences its protocols."""

    name: str
    leader: int
    providers: tuple[Provider, ...]
    local_providers: int
    local_subscribers: int
    protocol: str = ""
    phase: int = 0
    not_voted: tuple[Provider, ...] = ()
    ballots: tuple[Ballots, ...] = ()
    default_vote: DefaultVote = "reject"
    subscribers: tuple[str, ...] = ()
    source_group: str = ""


class ClientStatus(msgspec.Struct, frozen=True):
    """A GS client of this node."""

    pid: int
    name: str
    critical: bool = False
    number: int = 0
    """Of its connection."""
    uid: int = 0
    gid: int = 0
    interval_us: int = 0
    limit_us: int = 0
    answered: int = 0
    """Checks to which it has responded, how many of these not within a fifth of its time limit, and how many it has
    failed."""
    late: int = 0
    providers: tuple[tuple[str, str], ...] = ()
    """Groups that it has joined, and who it is there."""
    bad: int = 0
    responsiveness: ResponsivenessType = "HA_GS_NO_RESPONSIVENESS"
    silent: bool = False
    """It has failed the last check."""


class LinkStatus(msgspec.Struct, frozen=True, array_like=True):
    """The reliable link to another member: packets numbered so far, acknowledged, and on their way or waiting."""

    node: int
    sent: int
    acknowledged: int

    @property
    def waiting(self) -> int:
        """Packets that the peer has not acknowledged."""
        return self.sent - self.acknowledged


class DomainStatus(msgspec.Struct, frozen=True, tag="domain_status"):
    """What the status commands print. ``established`` is False while no view is agreed on.

    The process and the times (seconds since 1970; ``connected_after`` is how long CAA took) are filled in by the shell.
    """

    node: int
    established: bool
    leader: int
    view: int
    members: tuple[int, ...]
    clients: tuple[ClientStatus, ...]
    groups: tuple[GroupStatus, ...]
    incarnation: int = 0
    leader_incarnation: int = 0
    proposing: bool = False
    alive: tuple[int, ...] = ()
    host_subscribers: tuple[str, ...] = ()
    adapters: tuple[Provider, ...] = ()
    position: int = 0
    stable: int = 0
    links: tuple[LinkStatus, ...] = ()
    pid: int = 0
    started_at: float = 0.0
    connected_after: float = 0.0
    certain_at: float = 0.0
    first_certain_at: float = 0.0
    clients_ever: int = 0
    requests: int = 0
    """Clients and their requests since the daemon was started."""
    dead_mans_switch: bool = False
    """CAA ends the node if this daemon falls silent."""
    kills_clients: bool = True
    """Critical clients are killed when they do not respond."""


Request: TypeAlias = (
    Init
    | Join
    | Leave
    | Goodbye
    | Subscribe
    | Unsubscribe
    | ProviderMessage
    | ChangeStateValue
    | ChangeAttributes
    | Expel
    | Vote
    | Alive
    | QueryStatus
    | Decide
    | Disarm
)
Notification: TypeAlias = (
    Initialized
    | NPhase
    | Approved
    | Rejected
    | Announcement
    | Merge
    | Subscription
    | ResponsivenessProbe
    | DelayedError
    | Died
    | DomainStatus
    | Decided
)

_LIMIT = MESSAGE_MAX + (64 << 10)

request_codec: Codec[Request] = Codec(Request, limit=_LIMIT)
notification_codec: Codec[Notification] = Codec(Notification, limit=_LIMIT)
