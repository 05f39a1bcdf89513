"""The core of cthags: membership, groups and clients of one node as one pure state machine.

Inputs are caa's word on who is alive, packets of other nodes' cthags, and requests of local clients. The layers below:
``membership`` agrees on views, ``sequencer`` orders operations while this node leads, ``groups`` applies them, and
``clients`` watches over the local clients. What an operation means for a client becomes a notification here.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from daemons.cthags import groups
from daemons.cthags.clients import Client, Clients, Unresponsive
from daemons.cthags.groups import GroupTable
from daemons.cthags.log import ViewLog
from daemons.cthags.membership import Membership, Settings
from daemons.cthags.messages import (
    GROUP_NAME_MAX,
    HOST_MEMBERSHIP,
    MESSAGE_MAX,
    STATE_MAX,
    Alive,
    Announcement,
    Approved,
    ChangeStateValue,
    ClientStatus,
    DelayedError,
    DomainStatus,
    ErrorCode,
    Expel,
    Goodbye,
    GroupStatus,
    Init,
    Initialized,
    Join,
    Leave,
    LeaveReason,
    Notification,
    NPhase,
    ProtocolKind,
    Provider,
    ProviderMessage,
    QueryStatus,
    Rejected,
    Request,
    ResponsivenessProbe,
    Subscribe,
    Subscription,
    Unsubscribe,
    Vote,
)
from daemons.cthags.sequencer import Sequencer
from daemons.cthags.wire import (
    Ballot,
    Begin,
    Entries,
    Failure,
    Operation,
    Packet,
    PeerMessage,
    Proposal,
    Refusal,
    Running,
    Snapshot,
    View,
    ViewId,
)
from srcctl.machine import RemoteFault, Tick

PHASE_BITS = 20
"""A notification's token is the protocol's serial number above this many bits of phase."""

CLIENTS_MAX = 1024


# Inputs --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AliveNodes:
    """caa's word: who is alive, and which nodes are configured."""

    generation: int
    alive: frozenset[int]
    configured: tuple[int, ...]


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


Input: TypeAlias = AliveNodes | Received | ClientRequest | ClientGone | Tick


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


Effect: TypeAlias = Store | Send | Notify | CloseClient | Log | ViewInstalled | Dissolved


class Core:
    """Group Services on one node.

    Args:
        node: this node's number.
        durable: what ``Store`` effects of earlier lives have left: "incarnation", "view" and "instance".
        settings: intervals.
    """

    membership_class: ClassVar[type[Membership]] = Membership
    sequencer_class: ClassVar[type[Sequencer]] = Sequencer

    def __init__(self, node: int, durable: dict[str, int], settings: Settings | None = None) -> None:
        self.node = node
        self._out: list[Effect] = []
        self._now = 0
        self._table = GroupTable()
        self._log = ViewLog()
        self._sequencer = self.sequencer_class(self._table, self._sequence, self._refuse)
        self.clients = Clients()
        self._batch: list[Operation] = []
        self._sent_positions: dict[int, deque[tuple[int, int]]] = {}
        self._stable_at: dict[int, int] = {}
        self._base: ViewId | None = None
        self._hosts: tuple[int, ...] = ()
        self.faults: Counter[str] = Counter()
        self._next_request = 1
        self._instance = durable.get("instance", 0)
        self._outstanding: dict[int, tuple[int, Proposal, str]] = {}
        self._ballots: dict[tuple[str, Provider], Ballot] = {}
        self._loopback: list[PeerMessage] = []
        incarnation = durable.get("incarnation", 0) + 1
        self._out.append(Store("incarnation", incarnation))
        self._membership = self.membership_class(
            self.node,
            incarnation,
            durable.get("view", 0),
            settings or Settings(),
            send=lambda node, packet: self._out.append(Send(node, packet)),
            store=lambda key, value: self._out.append(Store(key, value)),
            log=lambda text: self._out.append(Log(text)),
            replica=self,
        )

    # The machine.

    def step(self, now: int, value: Input, /) -> list[Effect]:
        """Take one input."""
        self._now = now
        match value:
            case Received():
                self._received(now, value)
            case AliveNodes():
                self._membership.set_alive(now, value.alive, value.configured)
                self._tell_hosts()
            case ClientRequest():
                self._request(value.client, value.request)
            case ClientGone():
                self._client_gone(value.client)
            case Tick():
                self._membership.tick(now)
                if self._membership.leads:
                    self._sequencer.tick(now)
                self._client_tick()
        self._settle()
        effects, self._out = self._out, []
        return effects

    def _received(self, now: int, received: Received) -> None:
        try:
            for session, message in self._membership.receive(now, received.node, received.packet):
                self._peer_message(received.node, session, message)
        except RemoteFault as fault:
            cause = f"node {received.node}: {fault}"
            self.faults[cause] += 1
            if self.faults[cause] == 1:
                self._out.append(Log(f"packet dropped, {cause}"))

    def next_deadline(self) -> int | None:
        """When a Tick is due."""
        deadlines = [self._membership.next_deadline(), self.clients.next_deadline()]
        if self._membership.leads:
            deadlines.append(self._sequencer.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def describe(self) -> dict[str, object]:
        """The state as plain values."""
        return {
            **self._membership.describe(),
            "position": self._log.position,
            "groups": {
                name: {
                    "providers": [str(provider) for provider in group.providers],
                    "state": group.state.hex(),
                    "failed": [str(provider) for provider, _ in group.failed],
                    "protocol": group.running.begin.kind if group.running else "",
                    "phase": group.running.phase if group.running else 0,
                }
                for name, group in sorted(self._table.groups.items())
            },
            "clients": [client.init.name for client in self.clients],
            "outstanding": len(self._outstanding),
        }

    def status(self) -> DomainStatus:
        """What the status commands show."""
        view = self._membership.view
        entries = []
        for name in sorted(self._table.groups):
            group = self._table.groups[name]
            running = group.running
            if not group.providers and running is None:
                continue
            entries.append(
                GroupStatus(
                    name=name,
                    leader=view.id.leader if view else 0,
                    providers=group.providers,
                    local_providers=sum(provider.node == self.node for provider in group.providers),
                    local_subscribers=sum(name in client.subscriptions for client in self.clients),
                    protocol=running.begin.kind if running else "",
                    phase=running.phase if running else 0,
                    not_voted=self._sequencer.not_voted(name),
                )
            )
        return DomainStatus(
            node=self.node,
            established=view is not None and not self._membership.blocked,
            leader=view.id.leader if view else 0,
            view=view.id.number if view else 0,
            members=view.nodes if view else (),
            clients=tuple(
                ClientStatus(client.init.pid, client.init.name, client.init.critical) for client in self.clients
            ),
            groups=tuple(entries),
        )

    # The replica, as membership needs it.

    def position(self) -> int:
        """Operations applied in this view."""
        return self._log.position

    def operations_after(self, position: int) -> tuple[Operation, ...]:
        """What was applied after ``position``."""
        return self._log.after(position)

    def snapshot(self) -> Snapshot:
        """The state now."""
        return self._table.snapshot()

    def catch_up(self, operations: tuple[Operation, ...]) -> None:
        """Apply what was missed."""
        for operation in operations:
            self._apply(operation)

    def installed(self, view: View, departed: dict[int, LeaveReason], snapshot: Snapshot | None) -> None:
        """Begin a view: the log is empty, the nodes that are out have failed, open business goes to the leader."""
        base, position = self._base, self._log.position
        self._log = ViewLog()
        self._batch.clear()
        self._loopback.clear()
        self._sent_positions = {node: deque() for node in view.nodes if node != self.node}
        self._stable_at = {}
        if snapshot is not None:
            self._table.restore(snapshot)
        self._table.fail_nodes(departed)
        self._base = view.id
        self._out.append(ViewInstalled(view, base, position))
        self._tell_hosts()
        self._sequencer.clear()
        if self._membership.leads:
            self._sequencer.restart(self._now)
        for _, proposal, _ in self._outstanding.values():
            self._to_leader(proposal)
        for ballot in self._ballots.values():
            self._to_leader(ballot)
        for name, group in sorted(self._table.groups.items()):
            known = dict(group.failed)
            joining = group.running.begin.changing if group.running and group.running.begin.kind == "join" else ()
            for provider in group.providers + joining:
                if provider.node == self.node and provider not in known and not self.clients.owner(name, provider):
                    self._to_leader(Failure(name, provider, "provider_failure"))

    def dissolved(self) -> None:
        """The view is given up: every provider is out and told so; subscribers see their groups vanish."""
        names = sorted(self._table.groups)
        self._out.append(Dissolved())
        for client in self.clients:
            for name, provider in sorted({**client.providers, **client.joining}.items()):
                self._notify(client, Announcement(name, ("group_dissolved",), (provider,)))
            client.providers.clear()
            client.joining.clear()
        self._table.restore(Snapshot(0, ()))
        self._log = ViewLog()
        self._base = None
        self._sequencer.clear()
        self._outstanding.clear()
        self._ballots.clear()
        self._batch.clear()
        self._loopback.clear()
        for name in names:
            self._notify_subscribers(name)
        self._tell_hosts()

    # The log.

    def _sequence(self, operation: Operation) -> None:
        """The leader orders an operation; it goes out at the end of the step."""
        self._batch.append(operation)
        self._apply(operation)

    def _apply(self, operation: Operation) -> None:
        self._log.append(operation)
        if isinstance(operation, Begin) and operation.origin == self.node:
            self._outstanding.pop(operation.request, None)
        for delivery in self._table.apply(operation):
            self._deliver(delivery)

    def _send_batch(self) -> None:
        if not self._batch:
            return
        operations, self._batch = tuple(self._batch), []
        position = self._log.position
        before = position - len(operations)
        self._trim(before)
        message = Entries(before, operations, self._log.stable)
        for node, sent in self._sent_positions.items():
            self._membership.send(node, message)
            sent.append((self._membership.acknowledged(node)[1], position))

    def _trim(self, position: int) -> None:
        """Forget what every member has processed: links acknowledge packets only after their messages were applied."""
        stable = position
        for node, sent in self._sent_positions.items():
            acknowledged = self._membership.acknowledged(node)[0]
            while sent and sent[0][0] <= acknowledged:
                self._stable_at[node] = sent.popleft()[1]
            if sent:
                stable = min(stable, self._stable_at.get(node, 0))
        self._log.forget(stable)

    # Peer messages.

    def _peer_message(self, node: int, session: ViewId, message: PeerMessage) -> None:
        view = self._membership.view
        if view is None or session != view.id or self._membership.blocked:
            return
        if isinstance(message, Entries):
            if node != view.id.leader or message.first != self._log.position:
                raise RemoteFault(f"operations after {message.first}, expected after {self._log.position}")
            for operation in message.operations:
                self._apply(operation)
            self._log.forget(message.stable)
        elif isinstance(message, Refusal):
            self._refused(message)
        elif self._membership.leads:
            self._lead(node, message)

    def _lead(self, node: int, message: PeerMessage) -> None:
        match message:
            case Proposal():
                self._sequencer.propose(self._now, node, message)
            case Ballot():
                self._sequencer.ballot(self._now, message)
            case Failure():
                self._sequencer.failure(self._now, message)
            case _:
                raise RemoteFault(f"{type(message).__name__} to the leader")

    def _to_leader(self, message: PeerMessage) -> None:
        """Hand a message to the leader of the view; without one it waits until a view is installed."""
        view = self._membership.view
        if view is None or self._membership.blocked:
            return
        if view.id.leader == self.node:
            self._loopback.append(message)
        else:
            self._membership.send(view.id.leader, message)

    def _settle(self) -> None:
        """Finish a step: what this node has for itself as the leader, then what goes out."""
        while self._loopback and self._membership.leads:
            self._lead(self.node, self._loopback.pop(0))
        self._send_batch()
        self._membership.flush(self._now)

    def _refuse(self, node: int, request: int, code: ErrorCode) -> None:
        if node == self.node:
            self._refused(Refusal(request, code))
        else:
            self._membership.send(node, Refusal(request, code))

    def _refused(self, refusal: Refusal) -> None:
        entry = self._outstanding.pop(refusal.request, None)
        if entry is None:
            return
        number, proposal, request = entry
        client = self.clients.get(number)
        if client is None:
            return
        if proposal.kind == "join":
            client.joining.pop(proposal.group, None)
        self._notify(client, DelayedError(proposal.group, refusal.code, request))

    # Client requests.

    def _request(self, number: int, request: Request) -> None:
        if isinstance(request, QueryStatus):
            self._out.append(Notify(number, self.status()))
            return
        client = self.clients.get(number)
        if isinstance(request, Init):
            self._init(number, client, request)
            return
        if client is None:
            group = "" if isinstance(request, Alive) else request.group
            self._out.append(Notify(number, DelayedError(group, "HA_GS_NO_INIT", _tag(request))))
            return
        if isinstance(request, Alive):
            self.clients.heard(self._now, client, request.serial)
            return
        error = self._group_request(client, request)
        if error is not None:
            self._notify(client, DelayedError(request.group, error, _tag(request)))

    def _init(self, number: int, client: Client | None, init: Init) -> None:
        if client is not None or sum(1 for _ in self.clients) >= CLIENTS_MAX:
            self._out.append(Notify(number, DelayedError("", "HA_GS_EXISTS", "init")))
            return
        self.clients.add(self._now, number, init)
        self._out.append(Notify(number, Initialized(self.node)))

    def _group_request(self, client: Client, request: Request) -> ErrorCode | None:
        match request:
            case Join():
                return self._join(client, request)
            case Subscribe():
                client.subscriptions[request.group] = None
                self._notify(client, self._subscription(request.group))
                return None
            case Unsubscribe():
                return None if client.subscriptions.pop(request.group, True) is None else "HA_GS_UNKNOWN_GROUP"
            case Goodbye():
                return self._goodbye(client, request)
            case Vote():
                return self._vote(client, request)
            case Leave() | ProviderMessage() | ChangeStateValue() | Expel():
                return self._propose(client, request)
        return "HA_GS_BAD_PARAMETER"

    def _join(self, client: Client, request: Join) -> ErrorCode | None:
        name, length = request.group, len(request.group.encode())
        if length > GROUP_NAME_MAX:
            return "HA_GS_NAME_TOO_LONG"
        if not length or name == HOST_MEMBERSHIP or request.attributes.time_limit_us < 0 or request.instance < 0:
            return "HA_GS_BAD_PARAMETER"
        if client.identity(name) is not None:
            return "HA_GS_EXISTS"
        used = {entry.instance for other in self.clients if (entry := other.identity(name)) is not None}
        if (group := self._table.groups.get(name)) is not None:
            used |= {provider.instance for provider in group.providers if provider.node == self.node}
        instance = request.instance
        if instance in used:
            return "HA_GS_DUPLICATE_INSTANCE_NUMBER"
        if not instance:
            # Never one that was given before: the group may still list a provider of this node's last life.
            while not instance or instance in used:
                self._instance += 1
                instance = self._instance
            self._out.append(Store("instance", instance))
        provider = Provider(self.node, instance)
        client.joining[name] = provider
        critical = client.init.critical
        self._submit(
            client,
            "join",
            Proposal(self._next_request, name, "join", provider, attributes=request.attributes, critical=critical),
        )
        return None

    def _propose(self, client: Client, request: Leave | ProviderMessage | ChangeStateValue | Expel) -> ErrorCode | None:
        provider = client.providers.get(request.group)
        if provider is None:
            return "HA_GS_NOT_A_MEMBER"
        if request.time_limit_us < 0:
            return "HA_GS_BAD_PARAMETER"
        number, group, phases, limit = self._next_request, request.group, request.phases, request.time_limit_us
        match request:
            case Leave():
                proposal = Proposal(number, group, "leave", provider, phases=phases, time_limit_us=limit)
            case ProviderMessage():
                if len(request.message) > MESSAGE_MAX:
                    return "HA_GS_BAD_PARAMETER"
                proposal = Proposal(
                    number, group, "message", provider, phases=phases, time_limit_us=limit, message=request.message
                )
            case ChangeStateValue():
                if len(request.state) > STATE_MAX:
                    return "HA_GS_BAD_PARAMETER"
                proposal = Proposal(
                    number,
                    group,
                    "state_change",
                    provider,
                    phases=phases,
                    time_limit_us=limit,
                    state=request.state,
                    old_state=request.old,
                )
            case Expel():
                if not request.providers:
                    return "HA_GS_BAD_PARAMETER"
                proposal = Proposal(
                    number, group, "expel", provider, request.providers, phases=phases, time_limit_us=limit
                )
        self._submit(client, _tag(request), proposal)
        return None

    def _submit(self, client: Client, request: str, proposal: Proposal) -> None:
        self._next_request += 1
        self._outstanding[proposal.request] = (client.number, proposal, request)
        self._to_leader(proposal)

    def _goodbye(self, client: Client, request: Goodbye) -> ErrorCode | None:
        provider = client.providers.pop(request.group, None)
        if provider is None:
            return "HA_GS_NOT_A_MEMBER"
        self._provider_ended(request.group, provider, "said_goodbye")
        return None

    def _vote(self, client: Client, vote: Vote) -> ErrorCode | None:
        provider = client.identity(vote.group)
        group = self._table.groups.get(vote.group)
        running = group.running if group is not None else None
        if (
            provider is None
            or group is None
            or running is None
            or vote.token != _token(running)
            or provider not in groups.voters(group, running)
        ):
            return "HA_GS_VOTE_NOT_EXPECTED"
        if (vote.message and len(vote.message) > MESSAGE_MAX) or (vote.state and len(vote.state) > STATE_MAX):
            return "HA_GS_BAD_PARAMETER"
        known = self._ballots.get((vote.group, provider))
        if known is not None and (known.serial, known.phase) == (running.begin.serial, running.phase):
            return "HA_GS_VOTE_NOT_EXPECTED"
        ballot = Ballot(
            vote.group,
            running.begin.serial,
            running.phase,
            provider,
            vote.vote,
            vote.message,
            vote.state,
            vote.default_vote,
        )
        self._ballots[vote.group, provider] = ballot
        self._to_leader(ballot)
        return None

    def _client_gone(self, number: int) -> None:
        client = self.clients.remove(number)
        if client is None:
            return
        for name, provider in sorted(client.providers.items()):
            self._provider_ended(name, provider, "provider_failure")
        for name, provider in sorted(client.joining.items()):
            for request in [
                request for request, entry in self._outstanding.items() if entry[0] == number and entry[1].group == name
            ]:
                del self._outstanding[request]
            self._provider_ended(name, provider, "provider_failure")

    def _provider_ended(self, group: str, provider: Provider, reason: LeaveReason) -> None:
        self._ballots.pop((group, provider), None)
        self._to_leader(Failure(group, provider, reason))

    def _client_tick(self) -> None:
        for event in self.clients.tick(self._now):
            client = event.client
            if isinstance(event, Unresponsive):
                critical = client.init.critical
                text = f"client {client.init.name} (pid {client.init.pid}) does not answer"
                self._out.append(Log(f"{text}: {'killed' if critical else 'its connection is closed'}"))
                self._out.append(CloseClient(client.number, client.init.pid, critical, text))
                self._client_gone(client.number)
            else:
                self._notify(client, ResponsivenessProbe(client.probe))

    # Notifications.

    def _notify(self, client: Client, notification: Notification) -> None:
        self._out.append(Notify(client.number, notification))

    def _subscription(self, name: str) -> Subscription:
        if name == HOST_MEMBERSHIP:
            return Subscription(name, tuple(Provider(node, 0) for node in self._membership.hosts()), b"")
        group = self._table.groups.get(name)
        return Subscription(name, group.providers if group else (), group.state if group else b"")

    def _notify_subscribers(self, name: str) -> None:
        for client in self.clients:
            if name in client.subscriptions:
                self._notify(client, self._subscription(name))

    def _tell_hosts(self) -> None:
        hosts = self._membership.hosts()
        if hosts != self._hosts:
            self._hosts = hosts
            self._notify_subscribers(HOST_MEMBERSHIP)

    def _deliver(self, delivery: groups.Delivery) -> None:
        match delivery:
            case groups.Changed():
                self._notify_subscribers(delivery.group)
            case groups.PhaseBegan():
                for provider, client in self._local(delivery.group, delivery.recipients):
                    self._ballots.pop((delivery.group, provider), None)
                    fields = _fields(delivery.running, delivery.running.message, delivery, provider)
                    self._notify(client, NPhase(*fields))
                self._fail_orphans(delivery.group, delivery.running)
            case groups.Announced():
                for _, client in self._local(delivery.group, delivery.recipients):
                    self._notify(client, Announcement(delivery.group, delivery.summary, delivery.providers))
            case groups.Ended():
                self._ended(delivery)

    def _fail_orphans(self, name: str, running: Running) -> None:
        """A joiner whose client has gone meanwhile."""
        if running.begin.kind != "join" or running.phase != 1:
            return
        for provider in running.begin.changing:
            if provider.node == self.node and self.clients.owner(name, provider) is None:
                self._to_leader(Failure(name, provider, "provider_failure"))

    def _ended(self, ended: groups.Ended) -> None:
        approved = ended.outcome == "approved"
        joined = ended.running.begin.changing if ended.running.begin.kind == "join" else ()
        for provider, client in self._local(ended.group, ended.recipients):
            self._ballots.pop((ended.group, provider), None)
            if provider in joined:
                client.joining.pop(ended.group, None)
                if approved:
                    client.providers[ended.group] = provider
            if provider in ended.gone:
                client.providers.pop(ended.group, None)
            fields = _fields(ended.running, ended.message, ended, provider)
            self._notify(client, Approved(*fields) if approved else Rejected(*fields))
        for provider in joined:
            orphan = approved and provider.node == self.node and self.clients.owner(ended.group, provider) is None
            if orphan:
                self._to_leader(Failure(ended.group, provider, "provider_failure"))

    def _local(self, name: str, recipients: tuple[Provider, ...]) -> list[tuple[Provider, Client]]:
        return [
            (provider, client)
            for provider in recipients
            if provider.node == self.node and (client := self.clients.owner(name, provider)) is not None
        ]


def _token(running: Running) -> int:
    return running.begin.serial << PHASE_BITS | running.phase


def _fields(
    running: Running, message: bytes, source: groups.PhaseBegan | groups.Ended, provider: Provider
) -> tuple[
    str,
    int,
    ProtocolKind,
    int,
    Provider | None,
    tuple[Provider, ...],
    tuple[LeaveReason, ...],
    tuple[Provider, ...],
    bytes,
    bytes,
    int,
    Provider,
]:
    begin = running.begin
    return (
        source.group,
        _token(running),
        begin.kind,
        running.phase,
        begin.proposer,
        begin.changing,
        begin.reasons,
        source.providers,
        message,
        source.state,
        begin.time_limit_us,
        provider,
    )


def _tag(request: Request) -> str:
    return str(request.__struct_config__.tag)
