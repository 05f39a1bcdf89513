"""The groups of the domain as all members hold them: a state machine that only the leader's log changes.

The algorithm is the replicated state machine (Schneider, "Implementing fault-tolerant services using the state machine
approach", 1990) over a fixed sequencer (Defago, Schiper, Urban, "Total order broadcast and multicast algorithms", 2004,
section 4.1): the leader of the view orders operations, every member applies the same ones in the same order. What it
computes is the voting of the Group Services programming interface.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from daemons.cthags.messages import DefaultVote, GroupAttributes, LeaveReason, Provider, Summary
from daemons.cthags.wire import Begin, End, Fail, GroupRecord, NextPhase, Operation, Respond, Running, Snapshot
from srcctl.machine import LocalFault

LEAVING_KINDS = ("leave", "failure_leave", "expel", "cast_out")
UNSTOPPABLE_KINDS = ("failure_leave", "cast_out")
"""What these remove is removed, however the vote ends."""


class PhaseBegan(Struct, frozen=True):
    """Providers are to be told of a phase; ``recipients`` vote."""

    group: str
    running: Running
    providers: tuple[Provider, ...]
    state: bytes
    recipients: tuple[Provider, ...]


class Ended(Struct, frozen=True):
    """Providers are to be told of the end of a protocol."""

    group: str
    outcome: Literal["approved", "rejected"]
    running: Running
    message: bytes
    providers: tuple[Provider, ...]
    state: bytes
    recipients: tuple[Provider, ...]
    gone: tuple[Provider, ...]
    summary: tuple[Summary, ...] = ()


class Announced(Struct, frozen=True):
    """Providers are to be told whose default vote was cast, or who does not respond."""

    group: str
    summary: tuple[Summary, ...]
    providers: tuple[Provider, ...]
    recipients: tuple[Provider, ...]


class Changed(Struct, frozen=True):
    """Subscribers are to be told."""

    group: str
    membership: bool
    state: bool


Delivery: TypeAlias = PhaseBegan | Ended | Announced | Changed


def voters(group: GroupRecord, running: Running) -> tuple[Provider, ...]:
    """Who votes: all providers, a joiner too; those who are thrown out or have failed do not."""
    changing = running.begin.changing
    if running.begin.kind == "join":
        return group.providers + changing
    if running.begin.kind in ("failure_leave", "expel", "cast_out"):
        return tuple(provider for provider in group.providers if provider not in changing)
    return group.providers


def default_vote(group: GroupRecord, running: Running, provider: Provider) -> DefaultVote:
    """The vote that is cast for a provider that cannot cast it."""
    for other, vote in running.defaults:
        if other == provider:
            return vote
    return group.attributes.default_vote


class GroupTable:
    """All groups, by name."""

    def __init__(self) -> None:
        self.groups: dict[str, GroupRecord] = {}
        self.serial = 0

    def snapshot(self) -> Snapshot:
        """Everything, for a joiner."""
        return Snapshot(self.serial, tuple(self.groups[name] for name in sorted(self.groups)))

    def restore(self, snapshot: Snapshot) -> None:
        """Take over everything."""
        self.serial = snapshot.serial
        self.groups = {group.name: group for group in snapshot.groups}

    def fail_nodes(self, nodes: dict[int, LeaveReason]) -> None:
        """Members left the view: all their providers, and those of them that were about to join, have failed."""
        for name in sorted(self.groups):
            group = self.groups[name]
            doomed = tuple(node for node in group.doomed if node not in nodes)
            if not group.providers and not doomed and group.running is None:
                del self.groups[name]
                continue
            group = msgspec.structs.replace(group, doomed=doomed)
            known = dict(group.failed)
            candidates = group.providers
            if group.running is not None and group.running.begin.kind == "join":
                candidates += group.running.begin.changing
            for provider in candidates:
                if provider.node in nodes and provider not in known:
                    known[provider] = nodes[provider.node]
                    group = _doom(group, provider, known[provider])
            self.groups[name] = msgspec.structs.replace(group, failed=tuple(known.items()))

    def source_state(self, attributes: GroupAttributes) -> bytes:
        """The state value of a group's source group."""
        source = self.groups.get(attributes.source_group)
        return source.state if source is not None else b""

    def apply(self, operation: Operation) -> list[Delivery]:
        """Apply the next operation of the log; what the local clients are to be told.

        Raises:
            LocalFault: it does not fit to the state: members have diverged.
        """
        if isinstance(operation, Begin):
            return self._begin(operation)
        group = self.groups.get(operation.group)
        if group is None:
            raise LocalFault(f"operation {operation!r} for a group that does not exist")
        if isinstance(operation, Fail):
            if operation.provider not in dict(group.failed):
                failed = (*group.failed, (operation.provider, operation.reason))
                group = _doom(group, operation.provider, operation.reason)
                self.groups[group.name] = msgspec.structs.replace(group, failed=failed)
            return []
        if isinstance(operation, Respond):
            return self._respond(group, operation)
        running = group.running
        if running is None or running.begin.serial != operation.serial:
            raise LocalFault(f"operation {operation!r} for a protocol that does not run")
        state = operation.state if operation.state is not None else running.state
        if isinstance(operation, NextPhase):
            following = Running(
                running.begin,
                operation.phase,
                operation.message,
                state,
                operation.defaults,
                operation.deactivated,
                operation.summary,
                operation.announced,
            )
            group = msgspec.structs.replace(group, running=following)
            self.groups[group.name] = group
            return [self._phase_began(group, following)]
        ended = Running(running.begin, running.phase, operation.message, state, running.defaults, operation.deactivated)
        return self._end(group, ended, operation)

    def _begin(self, begin: Begin) -> list[Delivery]:
        group = self.groups.get(begin.group)
        if group is None:
            if begin.kind != "join" or begin.attributes is None:
                raise LocalFault(f"{begin!r} for a group that does not exist")
            group = GroupRecord(begin.group, begin.attributes, reflected=self.source_state(begin.attributes))
        if group.running is not None:
            raise LocalFault(f"{begin!r} while another protocol runs")
        self.serial = max(self.serial, begin.serial)
        if begin.phases == 1:
            running = Running(begin, 0, begin.message, begin.state)
            return self._end(group, running, End(begin.group, begin.serial, True, begin.message, None, (), ()))
        running = Running(begin, 1, begin.message, begin.state)
        group = msgspec.structs.replace(group, running=running)
        self.groups[group.name] = group
        return [self._phase_began(group, running)]

    def _respond(self, group: GroupRecord, operation: Respond) -> list[Delivery]:
        provider, responds = operation.provider, operation.responds
        if provider not in group.providers or (provider not in group.silent) == responds:
            return []
        silent = tuple(other for other in group.silent if other != provider)
        silent = silent if responds else (*silent, provider)
        self.groups[group.name] = msgspec.structs.replace(group, silent=silent)
        summary: Summary = "responsiveness_response" if responds else "responsiveness_no_response"
        others = tuple(other for other in group.providers if other != provider)  # inferred: not who it is about
        return [Announced(group.name, (summary,), (provider,), others)]

    @staticmethod
    def _phase_began(group: GroupRecord, running: Running) -> PhaseBegan:
        state = running.state if running.state is not None else group.state
        return PhaseBegan(group.name, running, group.providers, state, voters(group, running))

    def _end(self, group: GroupRecord, running: Running, end: End) -> list[Delivery]:
        kind, changing = running.begin.kind, running.begin.changing
        before = group.providers
        providers = before
        gone: tuple[Provider, ...] = ()
        state = group.state
        if end.approved:
            if kind == "join":
                providers = before + tuple(provider for provider in changing if provider not in before)
            if running.state is not None:
                state = running.state
        elif kind == "join":
            gone = changing
        if kind in UNSTOPPABLE_KINDS or (end.approved and kind in LEAVING_KINDS):
            providers = tuple(provider for provider in before if provider not in changing)
            gone = changing
        failed: tuple[tuple[Provider, LeaveReason], ...] = tuple(
            (provider, reason) for provider, reason in group.failed if provider in providers
        )
        if kind == "join" and end.approved and running.begin.critical:
            group = msgspec.structs.replace(group, critical=group.critical + running.begin.critical)
        if kind == "attribute_change" and end.approved and running.begin.attributes is not None:
            group = msgspec.structs.replace(group, attributes=running.begin.attributes)
        if kind == "source_reflection":
            group = msgspec.structs.replace(group, reflected=running.begin.source_state)
        critical = tuple(provider for provider in group.critical if provider in providers)
        silent = tuple(provider for provider in group.silent if provider in providers)
        membership_changed, state_changed = providers != before, state != group.state
        group = msgspec.structs.replace(
            group, providers=providers, state=state, failed=failed, running=None, critical=critical, silent=silent
        )
        if providers or group.doomed:
            self.groups[group.name] = group
        else:
            self.groups.pop(group.name, None)
        recipients = before + changing if kind == "join" else before
        deliveries: list[Delivery] = [
            Ended(
                group.name,
                "approved" if end.approved else "rejected",
                running,
                end.message,
                providers,
                state,
                recipients,
                gone,
                (*end.summary, "castout") if kind == "cast_out" else end.summary,
            )
        ]
        if end.summary:
            deliveries.append(Announced(group.name, end.summary, end.announced, providers))
        if membership_changed or state_changed:
            deliveries.append(Changed(group.name, membership_changed, state_changed))
        return deliveries


def _doom(group: GroupRecord, provider: Provider, reason: LeaveReason) -> GroupRecord:
    """Note the node of a critical provider whose process failed: it goes down, and may hold things until then."""
    if reason != "provider_failure" or provider not in group.critical or provider.node in group.doomed:
        return group
    return msgspec.structs.replace(group, doomed=(*group.doomed, provider.node))
