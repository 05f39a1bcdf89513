"""The GS clients of this node: who they are, what they joined, and whether they still turn.

Every interval a client is checked: it is sent a probe, or its counter is read. A probe that is not answered within the
limit, an answer that it is not well, or a counter that does not move within the limit make it unresponsive, until it
passes a check again. The limit is counted in our own ticks, not in elapsed time: after a pause of the whole machine one
tick has passed, whatever the clock says, and the client gets the rest of its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

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
    counter: bytes | None = None
    silent: bool = False
    """It has failed the last check."""
    answered: int = 0
    late: int = 0
    bad: int = 0
    """Checks that it passed, those of them that it passed only after the first tick, and those that it failed."""

    def provider_name(self, group: str) -> str:
        """What its provider of a group is called: its local name, else its id."""
        return self.names.get(group) or str(self.identity(group))

    def identity(self, group: str) -> Provider | None:
        """Who the client is, or is about to be, in a group."""
        return self.providers.get(group) or self.joining.get(group)


class Probe(Struct, frozen=True):
    """A probe is due."""

    client: Client


class Look(Struct, frozen=True):
    """The counter of a client is to be read."""

    client: Client


class Unresponsive(Struct, frozen=True):
    """A client that was well has failed a check."""

    client: Client


class Responsive(Struct, frozen=True):
    """A client that had failed has passed a check."""

    client: Client


Check: TypeAlias = Probe | Look | Unresponsive | Responsive


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

    def heard(self, now: int, client: Client, serial: int, well: bool) -> list[Check]:
        """The client answered a probe."""
        if client.waiting_ticks is None or serial != client.probe or client.init.counter is not None:
            return []
        client.deadline = now + client.init.responsiveness_interval_us
        return _passed(client) if well else _failed(client)

    def counted(self, now: int, client: Client, value: bytes | None) -> list[Check]:
        """The client's counter was read."""
        if client.init.counter is None or client.deadline is not None:
            return []
        moved = value is not None and value != client.counter
        client.counter = value
        if not moved:
            client.waiting_ticks = 0 if client.waiting_ticks is None else client.waiting_ticks + 1
            if client.waiting_ticks < LIMIT_TICKS:
                client.deadline = now + _step(client)
                return []
        client.deadline = now + client.init.responsiveness_interval_us
        return _passed(client) if moved else _failed(client)

    def next_deadline(self) -> int | None:
        """When ``tick`` is due."""
        return earliest(*[client.deadline for client in self._clients.values()])

    def tick(self, now: int) -> list[Check]:
        """Count one tick of every client whose time has come."""
        results: list[Check] = []
        for client in self:
            if client.deadline is None or now < client.deadline:
                continue
            if client.init.counter is not None:
                client.deadline = None
                results.append(Look(client))
                continue
            client.deadline = now + _step(client)
            if client.waiting_ticks is None:
                client.waiting_ticks = 0
                client.probe += 1
                results.append(Probe(client))
                continue
            client.waiting_ticks += 1
            if client.waiting_ticks >= LIMIT_TICKS:
                client.deadline = None  # no further probe before this one is answered
                ticks = client.waiting_ticks
                results += _failed(client)
                client.waiting_ticks = ticks
        return results


def _step(client: Client) -> int:
    return max(1, client.init.responsiveness_limit_us // LIMIT_TICKS)


def _passed(client: Client) -> list[Check]:
    client.answered += 1
    client.late += bool(client.waiting_ticks)
    was_silent, client.silent, client.waiting_ticks = client.silent, False, None
    return [Responsive(client)] if was_silent else []


def _failed(client: Client) -> list[Check]:
    client.bad += 1
    was_silent, client.silent, client.waiting_ticks = client.silent, True, None
    return [] if was_silent else [Unresponsive(client)]
