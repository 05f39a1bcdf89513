"""A simple Group Services for tests: one group, one protocol at a time, no network."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from daemons.cthags import messages as cthags


@dataclass
class Protocol:
    kind: cthags.ProtocolKind
    proposer: cthags.Provider | None
    changing: tuple[cthags.Provider, ...]
    reasons: tuple[cthags.LeaveReason, ...]
    message: bytes
    n_phase: bool
    phase: int = 0
    summary: tuple[cthags.Summary, ...] = ()
    voters: tuple[cthags.Provider, ...] = ()
    votes: dict[cthags.Provider, tuple[str, bytes | None]] = field(default_factory=dict)


class FakeGroupServices:
    """Sequences the protocols of one group.

    Args:
        deliver: gives a notification to a client. It must not call back before it returns.
    """

    def __init__(self, deliver: Callable[[object, cthags.Notification], None]) -> None:
        self.providers: list[cthags.Provider] = []
        self.hosts: set[int] = set()
        self.boots: Counter[int] = Counter()
        self.active: Protocol | None = None
        self.waiting: deque[Protocol] = deque()
        self.before_phase: Callable[[Protocol], None] = lambda protocol: None
        self._deliver_to = deliver
        self._clients: dict[cthags.Provider, object] = {}
        self._living: dict[int, object] = {}
        self._subscribers: set[object] = set()
        self._instance = 100

    def connect(self, number: int, client: object) -> None:
        """A client of a node appears."""
        self._living[number] = client

    def fail(self, number: int, reason: cthags.LeaveReason) -> None:
        """The client of a node ends."""
        client = self._living.pop(number, None)
        self._subscribers.discard(client)
        self._provider_failed(number, client, reason)

    def host(self, number: int, up: bool) -> None:
        """A node enters or leaves the view. A node that enters while it is in it has been booted anew."""
        (self.hosts.add if up else self.hosts.discard)(number)
        self.boots[number] += up
        for client in list(self._subscribers):
            self._notify_hosts(client)

    def _provider(self, number: int) -> cthags.Provider | None:
        return next((provider for provider in self.providers if provider.node == number), None)

    def request(self, number: int, client: object, request: cthags.Request) -> None:
        """A request of a node's client."""
        if self._living.get(number) is not client:
            return
        match request:
            case cthags.Subscribe():
                self._subscribers.add(client)
                self._notify_hosts(client)
            case cthags.Join(group=name):
                self._instance += 1
                provider = cthags.Provider(number, self._instance)
                self._clients[provider] = client
                self.waiting.append(Protocol("join", None, (provider,), (), b"", n_phase=True))
            case cthags.ProviderMessage(group=name, message=message, phases=phases):
                if self.active is not None or self.waiting:
                    self._deliver_to(client, cthags.DelayedError(name, "HA_GS_COLLIDE", "message"))
                    return
                own = self._provider(number)
                self.waiting.append(Protocol("message", own, (), (), message, n_phase=phases == "n"))
            case cthags.Leave(group=name):
                if self.active is not None or self.waiting:
                    self._deliver_to(client, cthags.DelayedError(name, "HA_GS_COLLIDE", "leave"))
                    return
                own = self._provider(number)
                assert own is not None
                self.waiting.append(Protocol("leave", own, (own,), ("voluntary_leave",), b"", n_phase=False))
            case cthags.Vote(token=token, vote=vote, message=message):
                active = self.active
                voter = next((voter for voter in active.voters if voter.node == number), None) if active else None
                assert active is not None
                assert voter is not None
                assert token == active.phase
                active.votes[voter] = (vote, message)
                self._tally()
            case _:
                pass
        self._next_protocol()

    def _lives(self, provider: cthags.Provider) -> bool:
        return self._living.get(provider.node) is self._clients[provider]

    def _provider_failed(self, number: int, client: object, reason: cthags.LeaveReason) -> None:
        own = self._provider(number)
        provider = own if own is not None and self._clients[own] is client else None
        if self.active is not None:
            for voter in self.active.voters:
                if voter.node == number and voter not in self.active.votes:
                    self.active.votes[voter] = ("approve", None)
        self.waiting = deque(
            entry
            for entry in self.waiting
            if not (entry.proposer is not None and entry.proposer.node == number)
            and not (entry.kind == "join" and entry.changing[0].node == number)
        )
        if provider is not None:
            self.waiting.appendleft(Protocol("failure_leave", None, (provider,), (reason,), b"", n_phase=True))
        if self.active is not None:
            self._tally()
        self._next_protocol()

    def _next_protocol(self) -> None:
        if self.active is not None or not self.waiting:
            return
        self.active = self.waiting.popleft()
        if self.active.n_phase:
            self._begin_phase()
        else:
            self._end(True)

    def _begin_phase(self) -> None:
        active = self.active
        assert active is not None
        active.phase += 1
        active.votes = {}
        active.voters = ()
        self.before_phase(active)
        voters = [provider for provider in self.providers if self._lives(provider)]
        if active.kind == "join":
            voters += [provider for provider in active.changing if self._lives(provider)]
        active.voters = tuple(
            voter for voter in voters if active.kind != "failure_leave" or voter not in active.changing
        )
        if not active.voters:
            self._end(True)
            return
        providers = tuple(self.providers) + (active.changing if active.kind == "join" else ())
        for voter in active.voters:
            self._deliver(voter, cthags.NPhase, active, providers)

    def _tally(self) -> None:
        active = self.active
        assert active is not None
        if not active.voters or set(active.votes) != set(active.voters):
            return
        values = [vote for vote, _ in active.votes.values()]
        if "reject" in values:
            self._end(False)
        elif "continue" in values:
            active.message = next(
                (active.votes[voter][1] or b"" for voter in active.voters if active.votes[voter][1]), b""
            )
            self._begin_phase()
        else:
            self._end(True)

    def _end(self, approved: bool) -> None:
        active = self.active
        assert active is not None
        self.active = None
        receivers = list(self.providers)
        if active.kind == "join":
            receivers += active.changing
        if active.kind in ("leave", "failure_leave"):
            self.providers = [provider for provider in self.providers if provider not in active.changing]
        elif active.kind == "join" and approved:
            self.providers += active.changing
        if any(not self._lives(provider) for provider in self.providers):
            active.summary = ("default_approve", "provider_failed")
        kind = cthags.Approved if approved else cthags.Rejected
        for receiver in receivers:
            if active.kind == "failure_leave" and receiver in active.changing:
                continue
            self._deliver(receiver, kind, active, tuple(self.providers))
        self._next_protocol()

    def _deliver(
        self,
        receiver: cthags.Provider,
        kind: type[cthags.NPhase] | type[cthags.Approved] | type[cthags.Rejected],
        protocol: Protocol,
        providers: tuple[cthags.Provider, ...],
    ) -> None:
        notification = kind(
            group="CLSTRMGR_1108531106",
            token=protocol.phase,
            protocol=protocol.kind,
            phase=protocol.phase,
            proposer=protocol.proposer,
            changing=protocol.changing,
            reasons=protocol.reasons,
            providers=providers,
            message=protocol.message,
            state=b"",
            time_limit_us=0,
            self_provider=receiver,
            summary=protocol.summary,
        )
        if self._lives(receiver):
            self._deliver_to(self._clients[receiver], notification)

    def _notify_hosts(self, client: object) -> None:
        hosts = tuple(cthags.Provider(host, self.boots[host]) for host in sorted(self.hosts))
        self._deliver_to(client, cthags.Subscription(cthags.HOST_MEMBERSHIP, hosts, b""))
