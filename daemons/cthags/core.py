"""The core of cthags: membership, groups and clients of one node as one pure state machine.

Inputs are caa's word on who is alive, packets of other nodes' cthags, and requests of local clients. The layers below:
``membership`` agrees on views, ``sequencer`` orders operations while this node leads, ``groups`` applies them,
``requests`` turns what local clients ask into proposals, and ``notifier`` what was applied into notifications.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import ClassVar

from daemons.cthags import wire
from daemons.cthags.clients import Clients
from daemons.cthags.detector import Settings
from daemons.cthags.groups import GroupTable
from daemons.cthags.inputs import (
    AliveNodes,
    ClientGone,
    ClientRequest,
    Counted,
    Deactivated,
    DeadMansSwitch,
    Dissolved,
    Effect,
    Input,
    Log,
    MergePrompt,
    Notify,
    Received,
    Send,
    Store,
    ViewInstalled,
)
from daemons.cthags.log import ViewLog
from daemons.cthags.membership import Membership
from daemons.cthags.messages import (
    HOST_MEMBERSHIP,
    ClientStatus,
    Decide,
    Decided,
    Disarm,
    DomainStatus,
    ErrorCode,
    GroupStatus,
    LeaveReason,
    LinkStatus,
    QueryStatus,
)
from daemons.cthags.notifier import Notifier
from daemons.cthags.requests import Requests
from daemons.cthags.sequencer import Sequencer
from daemons.cthags.wire import (
    Ballot,
    Entries,
    Failure,
    Operation,
    PeerMessage,
    Proposal,
    Refusal,
    Snapshot,
    View,
    ViewId,
)
from srcctl.machine import RemoteFault, Tick, earliest


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
        self.faults: Counter[str] = Counter()
        self._loopback: list[PeerMessage] = []
        self._armed = self._disarmed = False
        self._prompted: tuple[int, ...] = ()
        self._beats = 0
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
        self._notifier = Notifier(
            node,
            self._table,
            self.clients,
            self._emit,
            self._to_leader,
            lambda: self._membership.hosts(),
            lambda group, serial, provider: self._requests.deactivated(group, serial, provider, False),
        )
        instance = durable.get("instance", 0)
        self._requests = Requests(
            node, self._table, self.clients, self._notifier, instance, self._emit, self._to_leader
        )

    def _emit(self, effect: Effect) -> None:
        self._out.append(effect)

    # The machine.

    def step(self, now: int, value: Input, /) -> list[Effect]:
        """Take one input."""
        self._now = now
        match value:
            case Received():
                self._received(now, value)
            case AliveNodes():
                self._membership.set_alive(now, value)
                self._notifier.tell_adapters(value.adapters)
                self._notifier.tell_hosts()
            case ClientRequest(client, QueryStatus()):
                self._out.append(Notify(client, self.status()))
            case ClientRequest(client, Decide(go_on)):
                self._out.append(Notify(client, Decided(bool(self._membership.conflict))))
                self._membership.decided(now, go_on)
            case ClientRequest(client, Disarm(switch, client_kill)):
                self._disarmed |= switch
                self._requests.kills_clients &= not client_kill
                self._out.append(Notify(client, self.status()))
            case ClientRequest(client, request):
                self._requests.take(now, client, request)
            case Deactivated(group, serial, provider, success):
                self._requests.deactivated(group, serial, provider, success)
            case Counted(client, count):
                self._requests.counted(now, client, count)
            case ClientGone(client):
                self._requests.client_gone(client)
            case Tick():
                self._membership.tick(now)
                if self._membership.leads:
                    self._sequencer.tick(now)
                self._requests.tick(now)
        self._settle()
        effects, self._out = self._out, []
        return [*self._dead_mans_switch(), *effects, *self._merge_prompt()]

    def _merge_prompt(self) -> list[Effect]:
        """Two parts meet and neither gives way: the operator is asked once, and told when it is settled."""
        others = tuple(sorted(self._membership.conflict))
        if others == self._prompted or (others and not self._membership.awaits_operator):
            return []
        self._prompted = others
        return [MergePrompt(others)]

    def _dead_mans_switch(self) -> list[Effect]:
        """Armed before anything is joined for a critical client; set again with every beat."""
        critical = any(client.init.critical and (client.providers or client.joining) for client in self.clients)
        armed = critical and not self._disarmed
        beats = self._membership.beats
        if armed == self._armed and not (armed and beats != self._beats):
            return []
        self._armed, self._beats = armed, beats
        return [DeadMansSwitch(armed)]

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
        return earliest(
            self._membership.next_deadline(),
            self.clients.next_deadline(),
            self._sequencer.next_deadline() if self._membership.leads else None,
        )

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
                    "silent": [str(provider) for provider in group.silent],
                    "protocol": group.running.begin.kind if group.running else "",
                    "phase": group.running.phase if group.running else 0,
                }
                for name, group in sorted(self._table.groups.items())
            },
            "clients": [client.init.name for client in self.clients],
            "outstanding": self._requests.outstanding,
            "disarmed": [self._disarmed, not self._requests.kills_clients],
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
                    ballots=self._sequencer.ballots(name, self._requests.cast(name)),
                    default_vote=group.attributes.default_vote,
                    subscribers=self._subscribers(name),
                    source_group=group.attributes.source_group,
                )
            )
        return DomainStatus(
            node=self.node,
            established=view is not None and not self._membership.blocked,
            leader=view.id.leader if view else 0,
            view=view.id.number if view else 0,
            members=view.nodes if view else (),
            clients=tuple(
                ClientStatus(
                    client.init.pid,
                    client.init.name,
                    client.init.critical,
                    client.number,
                    interval_us=client.init.responsiveness_interval_us,
                    limit_us=client.init.responsiveness_limit_us,
                    answered=client.answered,
                    late=client.late,
                    bad=client.bad,
                    responsiveness=client.init.responsiveness,
                    silent=client.silent,
                    providers=tuple((name, str(provider)) for name, provider in sorted(client.providers.items())),
                )
                for client in self.clients
            ),
            groups=tuple(entries),
            incarnation=self._membership.incarnation,
            leader_incarnation=view.members[0].incarnation if view else 0,
            proposing=self._membership.blocked,
            alive=tuple(sorted(self._membership.alive)),
            host_subscribers=self._subscribers(HOST_MEMBERSHIP),
            adapters=self._notifier.adapters,
            position=self._log.position,
            stable=self._log.stable,
            clients_ever=self.clients.ever,
            requests=self._requests.served,
            dead_mans_switch=self._armed and not self._disarmed,
            kills_clients=self._requests.kills_clients,
            links=tuple(self._link(node) for node in view.nodes if node != self.node) if view else (),
        )

    def _subscribers(self, name: str) -> tuple[str, ...]:
        return tuple(f"[{client.number}/{self.node}]" for client in self.clients if name in client.subscriptions)

    def _link(self, node: int) -> LinkStatus:
        acknowledged, following = self._membership.acknowledged(node)
        return LinkStatus(node, following, acknowledged)

    # The replica, as membership needs it.

    def position(self) -> int:
        """Operations applied in this view."""
        return self._log.position

    def operations_after(self, position: int) -> tuple[Operation, ...]:
        """What was applied after ``position``."""
        return self._log.after(position)

    def has_critical(self) -> bool:
        """Whether critical clients are in groups; those of nodes that are out count no more, though their failure may
        not have been voted on yet."""
        view = self._membership.view
        nodes = frozenset(view.nodes) if view is not None else frozenset((self.node,))
        return any(provider.node in nodes for group in self._table.groups.values() for provider in group.critical)

    def snapshot(self, departed: dict[int, LeaveReason]) -> Snapshot:
        """The state with which the next view begins: the members that are out (``departed``) have failed."""
        following = GroupTable()
        following.restore(self._table.snapshot())
        following.fail_nodes(departed)
        return following.snapshot()

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
        self._notifier.tell_hosts()
        self._sequencer.clear()
        if self._membership.leads:
            self._sequencer.restart(self._now, frozenset(view.nodes))
        self._requests.repeat()

    def dissolved(self) -> None:
        """The view is given up: every provider is out and told so; subscribers see their groups vanish."""
        names = sorted(self._table.groups)
        self._out.append(Dissolved())
        outliving = {n: group for n, group in self._table.groups.items() if group.attributes.merge == "dontcare"}
        self._notifier.dissolved(outliving)
        self._table.restore(Snapshot(0, ()))
        self._log = ViewLog()
        self._base = None
        self._sequencer.clear()
        self._requests.forget(outliving)
        self._batch.clear()
        self._loopback.clear()
        for name in names:
            self._notifier.tell_subscribers(name)
        self._notifier.tell_hosts()

    # The log.

    def _sequence(self, operation: Operation) -> None:
        """The leader orders an operation; it goes out at the end of the step."""
        self._batch.append(operation)
        self._apply(operation)

    def _apply(self, operation: Operation) -> None:
        self._log.append(operation)
        self._requests.applied(operation)
        for delivery in self._table.apply(operation):
            self._requests.delivered(delivery)
            self._notifier.deliver(delivery)
        self._requests.tell_responsiveness()

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
            self._requests.refused(message)
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
            case wire.Responsiveness():
                self._sequencer.responsiveness(message)
            case wire.Deactivated():
                self._sequencer.deactivated(self._now, message)
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
            self._requests.refused(Refusal(request, code))
        else:
            self._membership.send(node, Refusal(request, code))
