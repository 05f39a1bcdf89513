"""The leader's part in the groups: which protocol runs next, the tally of votes, time limits.

Everything here is volatile. A new leader starts with nothing and is told again: members repeat their open proposals and
the ballots of the running phases when a view is installed, and failures are part of the replicated state. So a vote
goes on under a new leader in the phase in which the old one left it (the barrier idea of the phases is that of
two-phase and n-phase commitment; Skeen, "Nonblocking commit protocols", 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from daemons.cthags.groups import GroupTable, default_vote, voters
from daemons.cthags.messages import ErrorCode, LeaveReason, Phases, Provider, Summary
from daemons.cthags.wire import (
    Ballot,
    Begin,
    End,
    Fail,
    Failure,
    GroupRecord,
    NextPhase,
    Operation,
    Proposal,
    Running,
)
from srcctl.machine import SECOND

MOURNING_US = 30 * SECOND
"""How long joins wait for the nodes of critical providers to go down, once no provider is left that knows of them."""

PENDING_MAX = 1024
"""Joins that may wait in a group."""


@dataclass(slots=True)
class _Round:
    """The votes of the running phase of a group."""

    serial: int
    phase: int
    deadline: int | None
    ballots: dict[Provider, Ballot] = field(default_factory=dict)


class Sequencer:
    """Decides what comes next in each group.

    Args:
        table: the replicated state.
        sequence: appends an operation to the log and applies it to ``table``.
        refuse: answers a proposal (node, request) with an error.
    """

    def __init__(
        self,
        table: GroupTable,
        sequence: Callable[[Operation], None],
        refuse: Callable[[int, int, ErrorCode], None],
    ) -> None:
        self._table = table
        self._sequence = sequence
        self._refuse = refuse
        self._joins: dict[str, list[tuple[int, Proposal]]] = {}
        self._rounds: dict[str, _Round] = {}
        self._mourning: dict[str, int] = {}

    def clear(self) -> None:
        """Forget everything: another leads, or a new view begins."""
        self._joins.clear()
        self._rounds.clear()
        self._mourning.clear()

    def restart(self, now: int) -> None:
        """Begin to lead a view: take up every group where it is."""
        self.clear()
        for name in sorted(self._table.groups):
            self._advance(now, name)

    def next_deadline(self) -> int | None:
        """When a phase's time is up."""
        deadlines = [entry.deadline for entry in self._rounds.values() if entry.deadline is not None]
        deadlines += [until for name, until in self._mourning.items() if self._joins.get(name)]
        return min(deadlines, default=None)

    def tick(self, now: int) -> None:
        """Close the phases whose time is up: the default vote is cast for those who are late."""
        for name in sorted(self._rounds):
            entry = self._rounds[name]
            if entry.deadline is not None and now >= entry.deadline:
                entry.deadline = None
                self._tally(now, name, late=True)
        for name in sorted(self._mourning):
            if now >= self._mourning[name]:
                self._advance(now, name)

    def not_voted(self, name: str) -> tuple[Provider, ...]:
        """The voters of the running phase that are still awaited."""
        group, entry = self._table.groups.get(name), self._rounds.get(name)
        if group is None or group.running is None or entry is None:
            return ()
        return self._awaited(group, group.running, entry)

    # Inputs.

    def propose(self, now: int, node: int, proposal: Proposal) -> None:
        """A member's client proposes a protocol."""
        group = self._table.groups.get(proposal.group)
        if proposal.kind == "join":
            self._propose_join(now, node, proposal, group)
            return
        error: ErrorCode | None = None
        if group is None or proposal.proposer not in group.providers or proposal.proposer in dict(group.failed):
            error = "HA_GS_NOT_A_MEMBER"
        elif group.running is not None or group.failed or self._joins.get(proposal.group):
            error = "HA_GS_COLLIDE"
        elif proposal.kind == "expel" and not set(proposal.changing) <= set(group.providers):
            error = "HA_GS_UNKNOWN_PROVIDER"
        elif proposal.old_state is not None and proposal.old_state != group.state:
            error = "HA_GS_WRONG_OLD_STATE"
        if error is not None:
            self._refuse(node, proposal.request, error)
            return
        self._begin(now, node, proposal)
        self._advance(now, proposal.group)

    def ballot(self, now: int, ballot: Ballot) -> None:
        """A provider votes; a ballot for another phase than the running one is late and void."""
        group, entry = self._table.groups.get(ballot.group), self._rounds.get(ballot.group)
        if group is None or group.running is None or entry is None:
            return
        if (ballot.serial, ballot.phase) != (entry.serial, entry.phase) or ballot.provider in entry.ballots:
            return
        if ballot.provider in voters(group, group.running):
            entry.ballots[ballot.provider] = ballot
            self._tally(now, ballot.group, late=False)

    def failure(self, now: int, failure: Failure) -> None:
        """A provider has ended."""
        group = self._table.groups.get(failure.group)
        joins = self._joins.get(failure.group, [])
        self._joins[failure.group] = [entry for entry in joins if entry[1].proposer != failure.provider]
        if group is None:
            return
        joining = group.running.begin.changing if group.running is not None else ()
        if failure.provider in group.providers or failure.provider in joining:
            self._sequence(Fail(failure.group, failure.provider, failure.reason))
            self._tally(now, failure.group, late=False)
            self._advance(now, failure.group)

    # Decisions.

    def _propose_join(self, now: int, node: int, proposal: Proposal, group: GroupRecord | None) -> None:
        waiting = self._joins.setdefault(proposal.group, [])
        attributes = proposal.attributes
        known = group.attributes if group is not None else (waiting[0][1].attributes if waiting else attributes)
        error: ErrorCode | None = None
        if attributes is None or attributes != known:
            error = "HA_GS_BAD_GROUP_ATTRIBUTES"
        elif (group is not None and proposal.proposer in group.providers) or any(
            entry.proposer == proposal.proposer for _, entry in waiting
        ):
            error = "HA_GS_DUPLICATE_INSTANCE_NUMBER"
        elif len(waiting) >= PENDING_MAX:
            error = "HA_GS_COLLIDE"
        if error is not None:
            self._refuse(node, proposal.request, error)
            return
        waiting.append((node, proposal))
        self._advance(now, proposal.group)

    def _advance(self, now: int, name: str) -> None:
        """Start what is due in an idle group: failures first, then joins."""
        while True:
            group = self._table.groups.get(name)
            if group is not None and group.running is not None:
                if name not in self._rounds:
                    self._open_round(now, group.running)
                    self._tally(now, name, late=False)
                return
            failed = dict(group.failed) if group is not None else {}
            if group is not None and failed:
                leaving = tuple(provider for provider in group.providers if provider in failed)
                survivors = len(group.providers) > len(leaving)
                attributes = group.attributes
                phases: Phases = attributes.phases if survivors else 1
                self._sequence(
                    Begin(
                        group=name,
                        serial=self._table.serial + 1,
                        kind="failure_leave",
                        proposer=None,
                        changing=leaving,
                        reasons=tuple(failed[provider] for provider in leaving),
                        phases=phases,
                        time_limit_us=attributes.time_limit_us,
                        message=b"",
                        state=None,
                        attributes=None,
                        origin=0,
                        request=0,
                    )
                )
                continue
            waiting = self._joins.get(name)
            if not waiting:
                self._joins.pop(name, None)
                return
            if group is not None and not group.providers and now < self._mourning.setdefault(name, now + MOURNING_US):
                return
            self._mourning.pop(name, None)
            self._begin(now, *waiting.pop(0))

    def _begin(self, now: int, node: int, proposal: Proposal) -> None:
        join = proposal.kind == "join"
        attributes = proposal.attributes
        self._sequence(
            Begin(
                group=proposal.group,
                serial=self._table.serial + 1,
                kind=proposal.kind,
                proposer=None if join else proposal.proposer,
                changing=(proposal.proposer,) if proposal.kind in ("join", "leave") else proposal.changing,
                reasons=_reasons(proposal),
                phases=attributes.phases if join and attributes is not None else proposal.phases,
                time_limit_us=attributes.time_limit_us if join and attributes is not None else proposal.time_limit_us,
                message=proposal.message,
                state=proposal.state,
                attributes=attributes,
                origin=node,
                request=proposal.request,
                critical=proposal.critical,
            )
        )

    def _open_round(self, now: int, running: Running) -> None:
        limit = running.begin.time_limit_us
        self._rounds[running.begin.group] = _Round(
            running.begin.serial, running.phase, now + limit if limit > 0 else None
        )

    def _awaited(self, group: GroupRecord, running: Running, entry: _Round) -> tuple[Provider, ...]:
        failed = dict(group.failed)
        return tuple(
            provider for provider in voters(group, running) if provider not in entry.ballots and provider not in failed
        )

    def _tally(self, now: int, name: str, late: bool) -> None:
        """Close the running phase of a group once every vote is there, or its time is up."""
        group = self._table.groups.get(name)
        if group is None or group.running is None:
            return
        running = group.running
        entry = self._rounds.get(name)
        if entry is None or entry.serial != running.begin.serial:
            return
        awaited = self._awaited(group, running, entry)
        if awaited and not late:
            return
        self._close(now, group, running, entry, awaited)

    def _close(
        self, now: int, group: GroupRecord, running: Running, entry: _Round, awaited: tuple[Provider, ...]
    ) -> None:
        name = group.name
        everybody = voters(group, running)
        defaults = dict(running.defaults)
        votes: list[str] = []
        message, state = b"", None
        for provider in everybody:
            ballot = entry.ballots.get(provider)
            if ballot is None:
                votes.append(default_vote(group, running, provider))
                continue
            votes.append(ballot.vote)
            if ballot.default_vote is not None:
                defaults[provider] = ballot.default_vote
            message = message or ballot.message or b""
            state = ballot.state if state is None else state
        absent = tuple(provider for provider in everybody if provider not in entry.ballots)
        del self._rounds[name]
        if "reject" not in votes and "continue" in votes:
            self._sequence(
                NextPhase(
                    name, running.begin.serial, running.phase + 1, message, state, tuple(sorted(defaults.items()))
                )
            )
        else:
            summary = _summary(group, running, entry, absent, awaited)
            approved = "reject" not in votes
            self._sequence(End(name, running.begin.serial, approved, message, state, summary, absent))
        self._advance(now, name)


def _reasons(proposal: Proposal) -> tuple[LeaveReason, ...]:
    if proposal.kind == "leave":
        return ("voluntary_leave",)
    if proposal.kind == "expel":
        return tuple("provider_expelled" for _ in proposal.changing)
    return ()


def _summary(
    group: GroupRecord, running: Running, entry: _Round, absent: tuple[Provider, ...], late: tuple[Provider, ...]
) -> tuple[Summary, ...]:
    summary: list[Summary] = []
    if absent:
        casts = {default_vote(group, running, provider) for provider in absent}
        summary += ["default_approve"] if "approve" in casts else []
        summary += ["default_reject"] if "reject" in casts else []
        summary += ["time_limit_exceeded"] if late else []
        summary += ["provider_failed"] if len(absent) > len(late) else []
    if any(ballot.vote == "reject" for ballot in entry.ballots.values()):
        summary.append("explicit_reject")
    return tuple(summary)
