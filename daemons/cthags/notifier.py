"""What local clients are told: an operation of the log becomes notifications for providers and subscribers."""

from __future__ import annotations

from collections.abc import Callable

from daemons.cthags import groups
from daemons.cthags.clients import Client, Clients
from daemons.cthags.groups import GroupTable
from daemons.cthags.inputs import Effect, Notify
from daemons.cthags.messages import (
    HOST_MEMBERSHIP,
    Announcement,
    Approved,
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
    """

    def __init__(
        self,
        node: int,
        table: GroupTable,
        clients: Clients,
        emit: Callable[[Effect], None],
        to_leader: Callable[[PeerMessage], None],
        hosts: Callable[[], tuple[Provider, ...]],
    ) -> None:
        self._node = node
        self._table = table
        self._clients = clients
        self._emit = emit
        self._to_leader = to_leader
        self._view_hosts = hosts
        self._hosts: tuple[Provider, ...] = ()

    def notify(self, client: Client, notification: Notification) -> None:
        """Tell a client."""
        self._emit(Notify(client.number, notification))

    def introduce(self, client: Client, name: str) -> None:
        """A new subscriber gets its first picture of a group."""
        self.notify(client, self._subscription(name))

    def dissolved(self) -> None:
        """The view is given up: every provider of this node is out and told so."""
        for client in self._clients:
            for name, provider in sorted({**client.providers, **client.joining}.items()):
                self.notify(client, Announcement(name, ("group_dissolved",), (provider,)))
            client.providers.clear()
            client.joining.clear()

    def _subscription(self, name: str) -> Subscription:
        if name == HOST_MEMBERSHIP:
            return Subscription(name, self._view_hosts(), b"")
        group = self._table.groups.get(name)
        return Subscription(name, group.providers if group else (), group.state if group else b"")

    def tell_subscribers(self, name: str) -> None:
        """The subscribers of a group get their new picture of it."""
        for client in self._clients:
            if name in client.subscriptions:
                self.notify(client, self._subscription(name))

    def tell_hosts(self) -> None:
        """Which nodes are up may have changed."""
        hosts = self._view_hosts()
        if hosts != self._hosts:
            self._hosts = hosts
            self.tell_subscribers(HOST_MEMBERSHIP)

    def deliver(self, delivery: groups.Delivery) -> None:
        """An operation was applied: the local providers and subscribers learn what it means for them."""
        match delivery:
            case groups.Changed():
                self.tell_subscribers(delivery.group)
            case groups.PhaseBegan():
                for provider, client in self._local(delivery.group, delivery.recipients):
                    fields = _fields(delivery.running, delivery.running.message, delivery, provider)
                    self.notify(client, NPhase(*fields))
                self._fail_orphans(delivery.group, delivery.running)
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
            self.notify(client, Approved(*fields) if approved else Rejected(*fields))
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
    )
