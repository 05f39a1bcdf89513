"""What local clients are told: an operation of the log becomes notifications for providers and subscribers."""

from __future__ import annotations

from collections.abc import Callable, Collection

from daemons.cthags import groups
from daemons.cthags.clients import Client, Clients
from daemons.cthags.groups import GroupTable
from daemons.cthags.inputs import Deactivate, Effect, Notify
from daemons.cthags.messages import (
    ENET_MEMBERSHIP,
    HOST_MEMBERSHIP,
    Announcement,
    Approved,
    GroupAttributes,
    LeaveReason,
    Notification,
    NPhase,
    ProtocolKind,
    Provider,
    Rejected,
    Subscription,
)
from daemons.cthags.wire import Failure, PeerMessage, Running

PHASE_BITS = 20
"""A notification's token is the protocol's serial number above this many bits of phase."""


class Notifier:
    """Tells the clients of one node.

    Args:
        node: this node's number.
        table: the replicated groups.
        clients: who is registered.
        emit: takes an effect.
        to_leader: hands a message to the leader of the view.
        hosts: the nodes that are up.
        no_script: told of a provider that is to be deactivated and has no script (group, protocol, provider).
    """

    def __init__(
        self,
        node: int,
        table: GroupTable,
        clients: Clients,
        emit: Callable[[Effect], None],
        to_leader: Callable[[PeerMessage], None],
        hosts: Callable[[], tuple[Provider, ...]],
        no_script: Callable[[str, int, Provider], None],
    ) -> None:
        self._node = node
        self._table = table
        self._clients = clients
        self._emit = emit
        self._to_leader = to_leader
        self._view_hosts = hosts
        self._no_script = no_script
        self._hosts: tuple[Provider, ...] = ()
        self.adapters: tuple[Provider, ...] = ()

    def notify(self, client: Client, notification: Notification) -> None:
        """Tell a client."""
        self._emit(Notify(client.number, notification))

    def introduce(self, client: Client, name: str) -> None:
        """A new subscriber gets its first picture of a group."""
        self.notify(client, self._subscription(name))

    def dissolved(self, outliving: Collection[str] = ()) -> None:
        """The view is given up: every provider of this node is out and told so, but for those of groups that outlive
        a merge."""
        for client in self._clients:
            for name, provider in sorted({**client.providers, **client.joining}.items()):
                if name in outliving:
                    continue
                self.notify(client, Announcement(name, ("group_dissolved",), (provider,)))
                client.providers.pop(name, None)
                client.joining.pop(name, None)

    def _subscription(self, name: str) -> Subscription:
        if name == HOST_MEMBERSHIP:
            return Subscription(name, self._view_hosts(), b"")
        if name == ENET_MEMBERSHIP:
            return Subscription(name, self.adapters, b"")
        group = self._table.groups.get(name)
        return Subscription(name, group.providers if group else (), group.state if group else b"")

    def tell_subscribers(self, name: str, membership: bool = True, state: bool = True) -> None:
        """The subscribers of a group get their new picture of it if what they want to know of has changed."""
        for client in self._clients:
            kind = client.subscriptions.get(name)
            if kind is not None and ((membership and kind != "state") or (state and kind != "membership")):
                self.notify(client, self._subscription(name))

    def tell_hosts(self) -> None:
        """Which nodes are up may have changed."""
        hosts = self._view_hosts()
        if hosts != self._hosts:
            self._hosts = hosts
            self.tell_subscribers(HOST_MEMBERSHIP)

    def tell_adapters(self, adapters: tuple[tuple[int, int], ...]) -> None:
        """Which network interfaces are up may have changed."""
        providers = tuple(Provider(node, place) for node, place in adapters)
        if providers != self.adapters:
            self.adapters = providers
            self.tell_subscribers(ENET_MEMBERSHIP)

    def deliver(self, delivery: groups.Delivery) -> None:
        """An operation was applied: the local providers and subscribers learn what it means for them."""
        match delivery:
            case groups.Changed(name, membership, state):
                self.tell_subscribers(name, membership, state)
            case groups.PhaseBegan():
                for provider, client in self._local(delivery.group, delivery.recipients):
                    fields = _fields(delivery.running, delivery.running.message, delivery, provider)
                    self.notify(client, NPhase(*fields))
                self._fail_orphans(delivery.group, delivery.running)
                self._deactivate(delivery.group, delivery.running)
            case groups.Announced():
                for _, client in self._local(delivery.group, delivery.recipients):
                    self.notify(client, Announcement(delivery.group, delivery.summary, delivery.providers))
            case groups.Ended():
                self._ended(delivery)

    def _fail_orphans(self, name: str, running: Running) -> None:
        """A joiner whose client has gone meanwhile."""
        if running.begin.kind != "join" or running.phase != 1:
            return
        for provider in running.begin.changing:
            if provider.node == self._node and self._clients.owner(name, provider) is None:
                self._to_leader(Failure(name, provider, "provider_failure"))

    def _deactivate(self, name: str, running: Running) -> None:
        """Run the scripts of the providers of this node that are being expelled, if it is the phase for that."""
        begin = running.begin
        if not begin.deactivate_phase or begin.deactivate_phase != running.phase:
            return
        for provider in begin.changing:
            client = self._clients.owner(name, provider)
            if provider.node != self._node:
                continue
            if client is not None and client.init.deactivate_script:
                self._emit(
                    deactivation(client, name, begin.serial, provider, begin.time_limit_us, begin.deactivate_flag)
                )
            else:
                self._no_script(name, begin.serial, provider)

    def _ended(self, ended: groups.Ended) -> None:
        approved = ended.outcome == "approved"
        joined = ended.running.begin.changing if ended.running.begin.kind == "join" else ()
        for provider, client in self._local(ended.group, ended.recipients):
            if provider in joined:
                client.joining.pop(ended.group, None)
                if approved:
                    client.providers[ended.group] = provider
            if provider in ended.gone:
                client.providers.pop(ended.group, None)
            fields = _fields(ended.running, ended.message, ended, provider)
            kind = Approved if approved else Rejected
            self.notify(client, kind(*fields, summary=ended.summary))
        for provider in joined:
            orphan = approved and provider.node == self._node and self._clients.owner(ended.group, provider) is None
            if orphan:
                self._to_leader(Failure(ended.group, provider, "provider_failure"))

    def _local(self, name: str, recipients: tuple[Provider, ...]) -> list[tuple[Provider, Client]]:
        return [
            (provider, client)
            for provider in recipients
            if provider.node == self._node and (client := self._clients.owner(name, provider)) is not None
        ]


def deactivation(client: Client, group: str, serial: int, provider: Provider, limit_us: int, flag: str) -> Deactivate:
    """The run of a client's deactivate script for one of its providers."""
    name = client.provider_name(group)
    return Deactivate(group, serial, provider, name, client.init.deactivate_script, client.init.pid, limit_us, flag)


def notification_token(running: Running) -> int:
    """Names a phase of a protocol; a vote gives it back."""
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
    GroupAttributes | None,
    bytes,
    int,
    tuple[tuple[Provider, bool], ...],
]:
    begin = running.begin
    return (
        source.group,
        notification_token(running),
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
        begin.attributes if begin.kind == "attribute_change" else None,
        begin.source_state,
        begin.leave_code,
        running.deactivated,
    )
