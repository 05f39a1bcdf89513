"""The GS clients of this node: who they are, what they joined, and whether they still turn.

A probe that is not answered within the limit makes a client unresponsive. The limit is counted in our own ticks, not in
elapsed time: after a pause of the whole machine one tick has passed, whatever the clock says, and the client gets the
rest of its time.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from daemons.cthags.messages import Init, Provider, SubscriptionKind
from srcctl.machine import earliest

LIMIT_TICKS = 5
"""Into how many ticks the time limit of a probe is divided."""


class Client(Struct):
    """A registered client."""

    number: int
    init: Init
    providers: dict[str, Provider] = field(default_factory=dict)
    joining: dict[str, Provider] = field(default_factory=dict)
    subscriptions: dict[str, SubscriptionKind] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The local names of its providers, by group."""
    probe: int = 0
    waiting_ticks: int | None = None
    deadline: int | None = None
    answered: int = 0
    late: int = 0
    """Probes that it answered, and those of them that it answered only after the first tick."""

    def provider_name(self, group: str) -> str:
        """What its provider of a group is called: its local name, else its id."""
        return self.names.get(group) or str(self.identity(group))

    def identity(self, group: str) -> Provider | None:
        """Who the client is, or is about to be, in a group."""
        return self.providers.get(group) or self.joining.get(group)


class Probe(Struct, frozen=True):
    """A probe is due."""

    client: Client


class Unresponsive(Struct, frozen=True):
    """A client did not answer in time."""

    client: Client


class Clients:
    """All clients of the node, by connection number."""

    def __init__(self) -> None:
        self._clients: dict[int, Client] = {}
        self.ever = 0

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def get(self, number: int) -> Client | None:
        """The client of a connection."""
        return self._clients.get(number)

    def add(self, now: int, number: int, init: Init) -> Client:
        """Register a client."""
        client = self._clients[number] = Client(number, init)
        self.ever += 1
        if init.responsiveness_interval_us > 0:
            client.deadline = now + init.responsiveness_interval_us
        return client

    def remove(self, number: int) -> Client | None:
        """Forget a client."""
        return self._clients.pop(number, None)

    def owner(self, group: str, provider: Provider) -> Client | None:
        """The client that is this provider of a group."""
        return next((client for client in self._clients.values() if client.identity(group) == provider), None)

    def heard(self, now: int, client: Client, serial: int) -> None:
        """The client answered a probe."""
        if client.waiting_ticks is not None and serial == client.probe:
            client.answered += 1
            client.late += client.waiting_ticks > 0
            client.waiting_ticks = None
            client.deadline = now + client.init.responsiveness_interval_us

    def next_deadline(self) -> int | None:
        """When ``tick`` is due."""
        return earliest(*[client.deadline for client in self._clients.values()])

    def tick(self, now: int) -> list[Probe | Unresponsive]:
        """Count one tick of every client whose time has come."""
        results: list[Probe | Unresponsive] = []
        for client in self:
            if client.deadline is None or now < client.deadline:
                continue
            step = max(1, client.init.responsiveness_limit_us // LIMIT_TICKS)
            client.deadline = now + step
            if client.waiting_ticks is None:
                client.waiting_ticks = 0
                client.probe += 1
                results.append(Probe(client))
                continue
            client.waiting_ticks += 1
            if client.waiting_ticks >= LIMIT_TICKS:
                client.deadline = None
                results.append(Unresponsive(client))
        return results
