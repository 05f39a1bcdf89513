"""What local clients ask of Group Services: requests become proposals, ballots and failures for the leader.

What is not decided yet is kept here and repeated to the leader of the next view, so that no leader's death loses it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from daemons.cthags import groups
from daemons.cthags.clients import Check, Client, Clients, Look, Probe, Unresponsive
from daemons.cthags.groups import GroupTable
from daemons.cthags.inputs import CloseClient, Effect, Log, Notify, ReadCounter, Store
from daemons.cthags.messages import (
    GROUP_NAME_MAX,
    MESSAGE_MAX,
    STATE_MAX,
    SYSTEM_GROUPS,
    Alive,
    ChangeAttributes,
    ChangeStateValue,
    Decide,
    DelayedError,
    Disarm,
    ErrorCode,
    Expel,
    Goodbye,
    GroupAttributes,
    Init,
    Initialized,
    Join,
    Leave,
    LeaveReason,
    Merge,
    Provider,
    ProviderMessage,
    QueryStatus,
    Request,
    ResponsivenessProbe,
    Subscribe,
    Unsubscribe,
    Vote,
)
from daemons.cthags.notifier import Notifier, deactivation, notification_token
from daemons.cthags.proposals import Proposing, proposal_of, sound
from daemons.cthags.wire import (
    Ballot,
    Begin,
    Deactivated,
    Failure,
    GroupRecord,
    Operation,
    PeerMessage,
    Proposal,
    Refusal,
    Responsiveness,
)

CLIENTS_MAX = 1024


class Requests:
    """Serves the clients of one node.

    Args:
        node: this node's number.
        table: the replicated groups.
        clients: who is registered.
        notifier: tells clients.
        instance: the last provider instance number that was given, in this life or an earlier one.
        emit: takes an effect.
        to_leader: hands a message to the leader of the view, or drops it while there is none.
    """

    def __init__(
        self,
        node: int,
        table: GroupTable,
        clients: Clients,
        notifier: Notifier,
        instance: int,
        emit: Callable[[Effect], None],
        to_leader: Callable[[PeerMessage], None],
    ) -> None:
        self._node = node
        self._table = table
        self._clients = clients
        self._notifier = notifier
        self._instance = instance
        self._emit = emit
        self._to_leader = to_leader
        self._next_request = 1
        self._outstanding: dict[int, tuple[int, Proposal, str]] = {}
        self._ballots: dict[tuple[str, Provider], Ballot] = {}
        self._reports: dict[tuple[str, Provider], Deactivated] = {}
        self.served = 0
        """Requests of clients so far."""
        self.kills_clients = True
        """Critical clients are killed when they do not respond."""
        self._deactivating: dict[str, int] = {}
        """Expels whose deactivate phase began in this life, by group."""
        self._told: dict[tuple[str, Provider], bool] = {}
        """What the leader of this view was told of the responsiveness of providers."""

    @property
    def outstanding(self) -> int:
        """Proposals that no leader has taken up yet."""
        return len(self._outstanding)

    def cast(self, name: str) -> dict[Provider, Ballot]:
        """The votes of local providers in the running phase of a group."""
        return {provider: ballot for (group, provider), ballot in self._ballots.items() if group == name}

    # The domain.

    def repeat(self) -> None:
        """A view was installed: its leader is told what is open, and who has failed meanwhile."""
        for _, proposal, _ in self._outstanding.values():
            self._to_leader(proposal)
        for ballot in self._ballots.values():
            self._to_leader(ballot)
        for report in self._reports.values():
            self._to_leader(report)
        self._told.clear()
        self.tell_responsiveness()
        for name, group in sorted(self._table.groups.items()):
            self._miss_scripts(name, group)
            known = dict(group.failed)
            joining = group.running.begin.changing if group.running and group.running.begin.kind == "join" else ()
            for provider in group.providers + joining:
                if provider.node == self._node and provider not in known and not self._clients.owner(name, provider):
                    self._to_leader(Failure(name, provider, "provider_failure"))

    def _miss_scripts(self, name: str, group: GroupRecord) -> None:
        """Deactivate scripts that an earlier life of this daemon was to run: nobody else will tell of their end."""
        running = group.running
        if running is None or not running.begin.deactivate_phase:
            return
        begin = running.begin
        if begin.deactivate_phase == running.phase and self._deactivating.get(name) != begin.serial:
            for provider in begin.changing:
                if provider.node == self._node:
                    self.deactivated(name, begin.serial, provider, False)

    def forget(self, outliving: Mapping[str, GroupRecord]) -> None:
        """The view was given up: nothing is open any more. Providers of groups that outlive a merge join them again,
        the other part's if there is one."""
        self._outstanding.clear()
        for client in self._clients:
            for name in sorted(client.providers.keys() | client.joining.keys()):
                if name in outliving:
                    former = client.providers.pop(name, None)
                    provider = Provider(self._node, self._new_instance())
                    if former is not None:
                        self._notifier.notify(client, Merge(name, former, provider))
                    self._propose_join(client, name, provider, outliving[name].attributes)
        self._ballots.clear()
        self._reports.clear()
        self._deactivating.clear()
        self._told.clear()

    def applied(self, operation: Operation) -> None:
        """The leader has ordered an operation."""
        if isinstance(operation, Begin):
            for node, request in operation.requests:
                if node == self._node:
                    self._outstanding.pop(request, None)

    def delivered(self, delivery: groups.Delivery) -> None:
        """A phase or a protocol ended: the votes cast in it are of no more use."""
        if isinstance(delivery, groups.PhaseBegan | groups.Ended):
            for provider in delivery.recipients:
                self._ballots.pop((delivery.group, provider), None)
        if isinstance(delivery, groups.PhaseBegan):
            begin = delivery.running.begin
            if begin.deactivate_phase and begin.deactivate_phase == delivery.running.phase:
                self._deactivating[begin.group] = begin.serial
        if isinstance(delivery, groups.Ended):
            self._deactivating.pop(delivery.group, None)
            self._reports = {key: report for key, report in self._reports.items() if key[0] != delivery.group}

    def deactivated(self, group: str, serial: int, provider: Provider, success: bool) -> None:
        """The deactivate script of a provider of this node has ended, or there is none."""
        report = self._reports[group, provider] = Deactivated(group, serial, provider, success)
        self._to_leader(report)

    def refused(self, refusal: Refusal) -> None:
        """The leader does not take a proposal up."""
        entry = self._outstanding.pop(refusal.request, None)
        if entry is None:
            return
        number, proposal, request = entry
        client = self._clients.get(number)
        if client is None:
            return
        if proposal.kind == "join":
            client.joining.pop(proposal.group, None)
        self._notifier.notify(client, DelayedError(proposal.group, refusal.code, request))

    # Clients.

    def take(self, now: int, number: int, request: Request) -> None:
        """A request arrives on a client's connection (the core itself answers those that need no ``Init``)."""
        assert not isinstance(request, QueryStatus | Decide | Disarm)
        client = self._clients.get(number)
        self.served += 1
        if isinstance(request, Init):
            self._init(now, number, client, request)
            return
        if client is None:
            group = "" if isinstance(request, Alive) else request.group
            self._emit(Notify(number, DelayedError(group, "HA_GS_NO_INIT", _tag(request))))
            return
        if isinstance(request, Alive):
            self._checked(self._clients.heard(now, client, request.serial, request.well))
            return
        error = self._group_request(client, request)
        if error is not None:
            self._notifier.notify(client, DelayedError(request.group, error, _tag(request)))

    def _init(self, now: int, number: int, client: Client | None, init: Init) -> None:
        if client is not None or sum(1 for _ in self._clients) >= CLIENTS_MAX:
            # Which code says that there are too many is inferred.
            code: ErrorCode = "HA_GS_EXISTS" if client is not None else "HA_GS_NO_MEMORY"
            self._emit(Notify(number, DelayedError("", code, "init")))
            return
        script = init.deactivate_script
        if (script and not script.startswith("/")) or "\0" in script:
            self._emit(Notify(number, DelayedError("", "HA_GS_BAD_PARAMETER", "init")))
            return
        self._clients.add(now, number, init)
        self._emit(Notify(number, Initialized(self._node)))

    def _group_request(self, client: Client, request: Request) -> ErrorCode | None:
        match request:
            case Join():
                return self._join(client, request)
            case Subscribe():
                if request.group not in SYSTEM_GROUPS and request.group not in self._table.groups:
                    return "HA_GS_UNKNOWN_GROUP"
                client.subscriptions[request.group] = request.kind
                self._notifier.introduce(client, request.group)
                return None
            case Unsubscribe():
                return None if client.subscriptions.pop(request.group, None) is not None else "HA_GS_UNKNOWN_GROUP"
            case Goodbye():
                return self._goodbye(client, request)
            case Vote():
                return self._vote(client, request)
            case Leave() | ProviderMessage() | ChangeStateValue() | ChangeAttributes() | Expel():
                return self._propose(client, request)
        return "HA_GS_BAD_PARAMETER"

    def _join(self, client: Client, request: Join) -> ErrorCode | None:
        name, length = request.group, len(request.group.encode())
        if length > GROUP_NAME_MAX:
            return "HA_GS_NAME_TOO_LONG"
        if not length or request.instance < 0 or not sound(request.attributes):
            return "HA_GS_BAD_PARAMETER"
        if name in SYSTEM_GROUPS:
            return "HA_GS_INVALID_GROUP"
        if request.attributes.source_group in (name, *SYSTEM_GROUPS):
            return "HA_GS_INVALID_SOURCE_GROUP"
        if client.identity(name) is not None:
            return "HA_GS_EXISTS"
        used = {entry.instance for other in self._clients if (entry := other.identity(name)) is not None}
        if (group := self._table.groups.get(name)) is not None:
            used |= {provider.instance for provider in group.providers if provider.node == self._node}
        instance = request.instance
        if instance in used:
            return "HA_GS_DUPLICATE_INSTANCE_NUMBER"
        if not instance:
            instance = self._new_instance(used)
        client.names[name] = request.local_name
        self._propose_join(client, name, Provider(self._node, instance), request.attributes)
        return None

    def _new_instance(self, used: Collection[int] = ()) -> int:
        """Never one that was given before: the group may still list a provider of this node's last life."""
        self._instance += 1
        while self._instance in used:
            self._instance += 1
        self._emit(Store("instance", self._instance))
        return self._instance

    def _propose_join(self, client: Client, name: str, provider: Provider, attributes: GroupAttributes) -> None:
        client.joining[name] = provider
        critical = client.init.critical
        proposal = Proposal(self._next_request, name, "join", provider, attributes=attributes, critical=critical)
        self._submit(client, "join", proposal)

    def _propose(self, client: Client, request: Proposing) -> ErrorCode | None:
        provider = client.providers.get(request.group)
        if provider is None:
            return "HA_GS_NOT_A_MEMBER"
        proposal = proposal_of(self._next_request, provider, request)
        if not isinstance(proposal, Proposal):
            return proposal
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
            or vote.token != notification_token(running)
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

    def client_gone(self, number: int) -> None:
        """A client's connection ended: all that it was has failed."""
        client = self._clients.remove(number)
        if client is None:
            return
        for name, provider in sorted(client.providers.items()):
            group = self._table.groups.get(name)
            if group is not None and group.attributes.deactivate_on_failure and client.init.deactivate_script:
                self._emit(deactivation(client, name, 0, provider, group.attributes.time_limit_us, ""))
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

    def tick(self, now: int) -> None:
        """Check the clients that are due."""
        self._checked(self._clients.tick(now))

    def counted(self, now: int, number: int, value: bytes | None) -> None:
        """The counter of a client was read."""
        client = self._clients.get(number)
        if client is not None:
            self._checked(self._clients.counted(now, client, value))

    def _checked(self, checks: list[Check]) -> None:
        """What comes of checks: a critical client that fails one is killed, of another one the others are told."""
        for check in checks:
            client = check.client
            if isinstance(check, Probe):
                self._notifier.notify(client, ResponsivenessProbe(client.probe))
            elif isinstance(check, Look):
                self._emit(ReadCounter(client.number))
            elif isinstance(check, Unresponsive) and client.init.critical and self.kills_clients:
                text = f"client {client.init.name} (pid {client.init.pid}) does not answer"
                self._emit(Log(f"{text}: killed"))
                self._emit(CloseClient(client.number, client.init.pid, True, text))
                self.client_gone(client.number)
            else:
                how = "does not respond" if client.silent else "responds again"
                self._emit(Log(f"client {client.init.name} (pid {client.init.pid}) {how}"))
                self.tell_responsiveness()

    def tell_responsiveness(self) -> None:
        """Have the leader announce what its groups do not know yet of the responsiveness of providers."""
        for client in self._clients:
            if not client.init.responsiveness_interval_us:
                continue
            for name, provider in sorted(client.providers.items()):
                group, responds = self._table.groups.get(name), not client.silent
                if group is None or provider not in group.providers or self._told.get((name, provider)) == responds:
                    continue
                if (provider not in group.silent) != responds:
                    self._told[name, provider] = responds
                    self._to_leader(Responsiveness(name, provider, responds))


def _tag(request: Request) -> str:
    return str(request.__struct_config__.tag)
