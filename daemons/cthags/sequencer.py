"""The leader's part in the groups: which protocol runs next, the tally of votes, time limits.

Everything here is volatile. A new leader starts with nothing and is told again: members repeat their open proposals and
the ballots of the running phases when a view is installed, and failures are part of the replicated state. So a vote
goes on under a new leader in the phase in which the old one left it (the barrier idea of the phases is that of
two-phase and n-phase commitment; Skeen, "Nonblocking commit protocols", 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct, field

from daemons.cthags.due import due, reflection, sourceless
from daemons.cthags.groups import GroupTable, default_vote, voters
from daemons.cthags.messages import Ballots, ErrorCode, LeaveReason, Provider, Summary
from daemons.cthags.wire import (
    Ballot,
    Begin,
    Deactivated,
    End,
    Fail,
    Failure,
    GroupRecord,
    NextPhase,
    Operation,
    Proposal,
    Respond,
    Responsiveness,
    Running,
)
from srcctl.machine import SECOND, earliest

MOURNING_US = 30 * SECOND
"""How long joins wait for the nodes of critical providers to go down, once no provider is left that knows of them."""

PENDING_MAX = 1024
"""Joins that may wait in a group."""


EntryT = TypeVar("EntryT")


class _Round(Struct):
    """The votes of the running phase of a group."""

    serial: int
    phase: int
    deadline: int | None
    ballots: dict[Provider, Ballot] = field(default_factory=dict)
    deactivating: tuple[Provider, ...] = ()
    deactivated: dict[Provider, bool] = field(default_factory=dict)


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
        self._nodes: frozenset[int] = frozenset()

    def clear(self) -> None:
        """Forget everything: another leads, or a new view begins."""
        self._joins.clear()
        self._rounds.clear()
        self._mourning.clear()

    def restart(self, now: int, nodes: frozenset[int]) -> None:
        """Begin to lead a view of these nodes: take up every group where it is."""
        self.clear()
        self._nodes = nodes
        for name in sorted(self._table.groups):
            self._advance(now, name)

    def next_deadline(self) -> int | None:
        """When a phase's time is up."""
        if not self._rounds and not self._mourning:
            return None
        deadlines = [entry.deadline for entry in self._rounds.values()]
        return earliest(*deadlines, *[until for name, until in self._mourning.items() if self._joins.get(name)])

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

    def ballots(self, name: str, own: dict[Provider, Ballot]) -> tuple[Ballots, ...]:
        """The voters of the running phase and their votes; a node that does not lead knows those of its ``own``."""
        group, entry = self._table.groups.get(name), self._rounds.get(name)
        if group is None or group.running is None:
            return ()
        failed, cast = dict(group.failed), entry.ballots if entry is not None else own
        return tuple(
            Ballots(provider, cast[provider].vote if provider in cast else "", provider in failed)
            for provider in voters(group, group.running)
        )

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
        elif proposal.kind == "attribute_change" and (
            proposal.attributes is None or proposal.attributes.source_group != group.attributes.source_group
        ):
            error = "HA_GS_BAD_GROUP_ATTRIBUTES"
        elif proposal.old_state is not None and proposal.old_state != group.state:
            error = "HA_GS_WRONG_OLD_STATE"
        if error is not None:
            self._refuse(node, proposal.request, error)
            return
        self._begin(now, [(node, proposal)])
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

    def deactivated(self, now: int, report: Deactivated) -> None:
        """The deactivate script of a provider has ended."""
        entry = self._rounds.get(report.group)
        if entry is not None and entry.serial == report.serial and report.provider in entry.deactivating:
            entry.deactivated.setdefault(report.provider, report.success)
            self._tally(now, report.group, late=False)

    def responsiveness(self, message: Responsiveness) -> None:
        """The client of a provider has ceased to respond, or responds again."""
        group = self._table.groups.get(message.group)
        if group is None or message.provider not in group.providers:
            return
        if (message.provider not in group.silent) != message.responds:
            self._sequence(Respond(message.group, message.provider, message.responds))

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
        elif attributes.source_group and sourceless(self._table, attributes.source_group, proposal.proposer):
            error = "HA_GS_NO_SOURCE_GROUP_PROVIDER"
        elif len(waiting) >= PENDING_MAX:
            error = "HA_GS_COLLIDE"
        if error is not None:
            self._refuse(node, proposal.request, error)
            return
        waiting.append((node, proposal))
        self._advance(now, proposal.group)

    def _advance(self, now: int, name: str) -> None:
        """Start what is due in an idle group: failures first, then cast-outs, joins, and news of the source group."""
        while True:
            group = self._table.groups.get(name)
            if group is not None and group.running is not None:
                if name not in self._rounds:
                    self._open_round(now, group, group.running)
                    self._tally(now, name, late=False)
                return
            if group is not None and (begin := due(self._table, group)) is not None:
                self._sequence(begin)
                continue
            if not self._next_join(now, name, group):
                break
        if group is not None and (begin := reflection(self._table, group)) is not None:
            self._sequence(begin)
            self._advance(now, name)
            return
        for target in sorted(
            other.name for other in self._table.groups.values() if other.attributes.source_group == name
        ):
            self._advance(now, target)

    def _next_join(self, now: int, name: str, group: GroupRecord | None) -> bool:
        """Begin the joins that wait; False if there is none, or they must wait on."""
        waiting = self._joins.get(name)
        if not waiting:
            self._joins.pop(name, None)
            return False
        if group is not None and not group.providers and now < self._mourning.setdefault(name, now + MOURNING_US):
            return False
        self._mourning.pop(name, None)
        attributes = group.attributes if group is not None else waiting[0][1].attributes
        assert attributes is not None
        batch = waiting[:] if attributes.batch in ("joins", "both") else waiting[:1]
        del waiting[: len(batch)]
        accepted = []
        for node, proposal in batch:
            if attributes.source_group and sourceless(self._table, attributes.source_group, proposal.proposer):
                self._refuse(node, proposal.request, "HA_GS_NO_SOURCE_GROUP_PROVIDER")
            else:
                accepted.append((node, proposal))
        if accepted:
            self._begin(now, accepted)
        return True

    def _begin(self, now: int, proposals: list[tuple[int, Proposal]]) -> None:
        """Begin the protocol of a proposal, or of several joins together."""
        proposal = proposals[0][1]
        join = proposal.kind == "join"
        attributes = proposal.attributes
        joining = tuple(entry.proposer for _, entry in proposals)
        self._sequence(
            Begin(
                group=proposal.group,
                serial=self._table.serial + 1,
                kind=proposal.kind,
                proposer=None if join else proposal.proposer,
                changing=joining if proposal.kind in ("join", "leave") else proposal.changing,
                reasons=_reasons(proposal),
                phases=attributes.phases if join and attributes is not None else proposal.phases,
                time_limit_us=attributes.time_limit_us if join and attributes is not None else proposal.time_limit_us,
                message=proposal.message,
                state=proposal.state,
                attributes=attributes,
                requests=tuple((node, entry.request) for node, entry in proposals),
                critical=tuple(entry.proposer for _, entry in proposals if entry.critical),
                leave_code=proposal.leave_code,
                deactivate_phase=proposal.deactivate_phase,
                deactivate_flag=proposal.deactivate_flag,
            )
        )

    def _open_round(self, now: int, group: GroupRecord, running: Running) -> None:
        begin, limit = running.begin, running.begin.time_limit_us
        deactivating = begin.changing if begin.deactivate_phase == running.phase else ()
        self._rounds[begin.group] = _Round(
            begin.serial, running.phase, now + limit if limit > 0 else None, deactivating=deactivating
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
        scripts = any(
            provider.node in self._nodes and provider not in entry.deactivated for provider in entry.deactivating
        )
        if (awaited or scripts) and not late:
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
        deactivated = (
            *running.deactivated,
            *((provider, entry.deactivated.get(provider, False)) for provider in entry.deactivating),
        )
        del self._rounds[name]
        summary = _united(running.summary, _summary(group, running, entry, absent, awaited))
        announced = _united(running.announced, absent)
        if "reject" not in votes and "continue" in votes:
            self._sequence(
                NextPhase(
                    name,
                    running.begin.serial,
                    running.phase + 1,
                    message,
                    state,
                    tuple(sorted(defaults.items())),
                    deactivated,
                    summary,
                    announced,
                )
            )
        else:
            if not all(success for _, success in deactivated):
                summary = _united(summary, ("deactivate_unsuccessful",))
                announced = _united(announced, tuple(provider for provider, success in deactivated if not success))
            approved = "reject" not in votes
            self._sequence(End(name, running.begin.serial, approved, message, state, summary, announced, deactivated))
        self._advance(now, name)


def _reasons(proposal: Proposal) -> tuple[LeaveReason, ...]:
    if proposal.kind == "leave":
        return ("voluntary_leave",)
    if proposal.kind == "expel":
        return tuple("provider_expelled" for _ in proposal.changing)
    return ()


def _united(earlier: tuple[EntryT, ...], later: tuple[EntryT, ...]) -> tuple[EntryT, ...]:
    """Both, nothing twice, in the order in which it came."""
    return tuple(dict.fromkeys((*earlier, *later)))


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
