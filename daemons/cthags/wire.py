"""What the cthags daemons of a domain tell each other.

Two layers. A *packet* is one datagram: ``Hello`` and ``Beat`` may be lost, ``Data`` and ``Ack`` make a reliable link.
A *peer message* travels in the payload of Data packets. An *operation* is an entry of the leader's log: it changes
what all members agree on.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from daemons.cthags.messages import (
    MESSAGE_MAX,
    DefaultVote,
    ErrorCode,
    GroupAttributes,
    LeaveReason,
    Phases,
    ProtocolKind,
    Provider,
    Summary,
    VoteValue,
)
from daemons.runtime.codec import Codec

# Identities ----------------------------------------------------------------------------------------------------------


class Member(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One life of one node's cthags. ``incarnation`` grows with every start and every dissolution."""

    node: int
    incarnation: int


class ViewId(msgspec.Struct, frozen=True, order=True, array_like=True):
    """The name of a view, and of the reliable session that its leader opens when it proposes it."""

    number: int
    leader: int

    def __str__(self) -> str:
        return f"({self.number},{self.leader})"


class View(msgspec.Struct, frozen=True, array_like=True):
    """An agreed membership. Members are listed oldest first; the first one leads."""

    id: ViewId
    members: tuple[Member, ...]

    @property
    def nodes(self) -> tuple[int, ...]:
        """The members' node numbers, oldest first."""
        return tuple(member.node for member in self.members)


# Operations ----------------------------------------------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """A protocol begins in a group; a one-phase protocol is approved with it.

    ``serial`` grows in the log. ``requests`` name the proposals that it comes from (node, number). ``critical`` are the
    joiners whose end is the end of their node.
    """

    group: str
    serial: int
    kind: ProtocolKind
    proposer: Provider | None
    changing: tuple[Provider, ...]
    reasons: tuple[LeaveReason, ...]
    phases: Phases
    time_limit_us: int
    message: bytes
    state: bytes | None
    attributes: GroupAttributes | None
    requests: tuple[tuple[int, int], ...] = ()
    critical: tuple[Provider, ...] = ()
    leave_code: int = 0
    deactivate_phase: int = 0
    deactivate_flag: str = ""
    source_state: bytes = b""


class NextPhase(msgspec.Struct, frozen=True, tag="phase"):
    """All voted, or their default was cast, and somebody asked for one more phase. ``announced`` and ``summary`` as in
    ``End``, of all phases so far."""

    group: str
    serial: int
    phase: int
    message: bytes
    state: bytes | None
    defaults: tuple[tuple[Provider, DefaultVote], ...]
    deactivated: tuple[tuple[Provider, bool], ...] = ()
    summary: tuple[Summary, ...] = ()
    announced: tuple[Provider, ...] = ()


class End(msgspec.Struct, frozen=True, tag="end"):
    """The vote is decided. ``announced`` are the voters whose default vote was cast, ``summary`` says why."""

    group: str
    serial: int
    approved: bool
    message: bytes
    state: bytes | None
    summary: tuple[Summary, ...]
    announced: tuple[Provider, ...]
    deactivated: tuple[tuple[Provider, bool], ...] = ()


class Fail(msgspec.Struct, frozen=True, tag="fail"):
    """A provider failed or said goodbye: from now on its default vote is cast; a failure leave will follow."""

    group: str
    provider: Provider
    reason: LeaveReason


class Respond(msgspec.Struct, frozen=True, tag="respond"):
    """A provider's client has ceased to respond, or responds again: the others are told, the group goes on."""

    group: str
    provider: Provider
    responds: bool


Operation: TypeAlias = Begin | NextPhase | End | Fail | Respond


# The replicated state, as a joiner gets it ---------------------------------------------------------------------------


class Running(msgspec.Struct, frozen=True):
    """The protocol that runs in a group."""

    begin: Begin
    phase: int
    message: bytes
    state: bytes | None
    defaults: tuple[tuple[Provider, DefaultVote], ...] = ()
    deactivated: tuple[tuple[Provider, bool], ...] = ()
    summary: tuple[Summary, ...] = ()
    announced: tuple[Provider, ...] = ()
    """Whose default vote was cast in an earlier phase, and why: they are named when the protocol has ended."""


class GroupRecord(msgspec.Struct, frozen=True):
    """A group as all members hold it; providers are listed oldest first.

    ``critical`` are the providers whose process must not fail: with it their node goes down. ``doomed`` are the nodes
    of those that have failed, until they have left the view. A group without providers exists as long as it has such.
    ``reflected`` is the state value of the source group that the providers know, ``silent`` are the providers whose
    clients do not respond.
    """

    name: str
    attributes: GroupAttributes
    providers: tuple[Provider, ...] = ()
    state: bytes = b""
    failed: tuple[tuple[Provider, LeaveReason], ...] = ()
    running: Running | None = None
    critical: tuple[Provider, ...] = ()
    doomed: tuple[int, ...] = ()
    reflected: bytes = b""
    silent: tuple[Provider, ...] = ()


class Snapshot(msgspec.Struct, frozen=True):
    """All groups, sorted by name."""

    serial: int
    groups: tuple[GroupRecord, ...]


# Peer messages -------------------------------------------------------------------------------------------------------


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """A view is proposed; its id is the session's. ``base`` is the proposer's view and ``position`` its place in that
    view's log."""

    base: ViewId | None
    position: int
    members: tuple[Member, ...]


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """The acknowledgement of a proposal. The sender delivers nothing more of its old view.

    ``view`` is its view, ``position`` its place there; ``operations`` are those that the proposer lacks;
    ``commit`` is how the sender came to a view that the proposer has not seen; ``boot`` is the boot of its node.
    """

    view: ViewId | None
    position: int
    operations: tuple[Operation, ...] = ()
    commit: Commit | None = None
    boot: int = 0


class Commit(msgspec.Struct, frozen=True, tag="commit"):
    """All acknowledged: bring your copy of the old view's log to its end, then install the view.

    ``operations`` begin after position ``first`` of the log of view ``base``. ``base_commit`` leads a member that is
    one view behind to ``base``. ``snapshot`` is the state at the end of that log, for those who had no view. ``down``
    are the nodes that caa calls dead: of a member that is left out but not among them only the daemon has failed.
    ``boots`` are the boots of the members' nodes: a caa may hear of a new boot later than its Group Services takes the
    node in, and a member would then seem to have booted after it became one.
    """

    view: View
    base: ViewId | None
    first: int
    operations: tuple[Operation, ...]
    snapshot: Snapshot
    down: tuple[int, ...] = ()
    base_commit: Commit | None = None
    boots: tuple[tuple[int, int], ...] = ()


class Entries(msgspec.Struct, frozen=True, tag="entries"):
    """The leader extends the log after position ``first``; up to ``stable`` every member has it."""

    first: int
    operations: tuple[Operation, ...]
    stable: int


class Proposal(msgspec.Struct, frozen=True, tag="proposal"):
    """A client's request, to the leader."""

    request: int
    group: str
    kind: ProtocolKind
    proposer: Provider
    changing: tuple[Provider, ...] = ()
    phases: Phases = 1
    time_limit_us: int = 0
    message: bytes = b""
    state: bytes | None = None
    old_state: bytes | None = None
    attributes: GroupAttributes | None = None
    critical: bool = False
    leave_code: int = 0
    deactivate_phase: int = 0
    deactivate_flag: str = ""


class Ballot(msgspec.Struct, frozen=True, tag="ballot"):
    """A provider's vote in a phase, to the leader."""

    group: str
    serial: int
    phase: int
    provider: Provider
    vote: VoteValue
    message: bytes | None = None
    state: bytes | None = None
    default_vote: DefaultVote | None = None


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """A provider of the sender's node has ended, to the leader."""

    group: str
    provider: Provider
    reason: LeaveReason


class Deactivated(msgspec.Struct, frozen=True, tag="deactivated"):
    """The deactivate script of a provider of the sender's node has ended, to the leader."""

    group: str
    serial: int
    provider: Provider
    success: bool


class Responsiveness(msgspec.Struct, frozen=True, tag="responsiveness"):
    """Whether the client of a provider responds, to the leader; of interest where that has changed."""

    group: str
    provider: Provider
    responds: bool


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """A proposal cannot be taken up, from the leader."""

    request: int
    code: ErrorCode


PeerMessage: TypeAlias = (
    Prepare | Prepared | Commit | Entries | Proposal | Ballot | Failure | Deactivated | Responsiveness | Refusal
)


# Packets -------------------------------------------------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """Who I am and what view I am in (None: none yet); to live nodes outside the view. ``promised`` is the highest
    view number that the sender has agreed to; ``critical``: critical clients are in groups of the view."""

    incarnation: int
    view: View | None
    promised: int
    wants_answer: bool
    critical: bool = False


class GiveWay(msgspec.Struct, frozen=True, tag="give_way"):
    """An operator has decided on a member of view ``session`` that its side gives way."""

    session: ViewId


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """I am still in view ``session``."""

    incarnation: int
    session: ViewId
    promised: int


class Data(msgspec.Struct, frozen=True, tag="data"):
    """A fragment of a peer message (``more``: another one follows); ``acknowledged`` is the next number expected."""

    session: ViewId
    source: int
    target: int
    number: int
    acknowledged: int
    more: bool
    payload: bytes


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """Everything before ``acknowledged`` has arrived."""

    session: ViewId
    source: int
    target: int
    acknowledged: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The session is none of mine: I have agreed to a higher number, or my view is another one."""

    session: ViewId
    incarnation: int
    promised: int
    view: View | None


Packet: TypeAlias = Hello | GiveWay | Beat | Data | Ack | Refused

PACKET_LIMIT = 60_000
"""Bytes of an encoded packet."""

peer_codec: Codec[PeerMessage] = Codec(PeerMessage, limit=16 * MESSAGE_MAX)
packet_codec: Codec[Packet] = Codec(Packet, limit=PACKET_LIMIT)
