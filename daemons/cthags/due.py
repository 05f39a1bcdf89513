"""Which protocol Group Services themselves begin in a group: what failures call for, and a source group's news.

Pure functions of the replicated groups, so that whoever leads comes to the same answer.
"""

from __future__ import annotations

from daemons.cthags.groups import GroupTable
from daemons.cthags.messages import LeaveReason, Phases, ProtocolKind, Provider
from daemons.cthags.wire import Begin, GroupRecord


def sourceless(table: GroupTable, source: str, provider: Provider) -> bool:
    """The provider's node has no provider of the source group."""
    group = table.groups.get(source)
    return group is None or all(other.node != provider.node for other in group.providers)


def due(table: GroupTable, group: GroupRecord) -> Begin | None:
    """The protocol that the failures of a group's providers, or of its source's, call for."""
    failed = dict(group.failed)
    attributes = group.attributes
    leaving = tuple(provider for provider in group.providers if provider in failed)
    if leaving:
        if attributes.batch in ("none", "joins"):
            leaving = leaving[:1]
        return _removal(table, group, "failure_leave", leaving, tuple(failed[provider] for provider in leaving))
    if not attributes.source_group:
        return None
    bereft = tuple(provider for provider in group.providers if sourceless(table, attributes.source_group, provider))
    if not bereft:
        return None
    reasons: tuple[LeaveReason, ...] = tuple("source_provider_leave" for _ in bereft)
    return _removal(table, group, "cast_out", bereft, reasons)


def _removal(
    table: GroupTable,
    group: GroupRecord,
    kind: ProtocolKind,
    leaving: tuple[Provider, ...],
    reasons: tuple[LeaveReason, ...],
) -> Begin:
    phases: Phases = group.attributes.phases if len(group.providers) > len(leaving) else 1
    return Begin(
        group=group.name,
        serial=table.serial + 1,
        kind=kind,
        proposer=None,
        changing=leaving,
        reasons=reasons,
        phases=phases,
        time_limit_us=group.attributes.time_limit_us,
        message=b"",
        state=None,
        attributes=None,
    )


def reflection(table: GroupTable, group: GroupRecord) -> Begin | None:
    """The protocol that tells a target group of its source's new state value; None if there is no news."""
    if not group.providers or not group.attributes.source_group:
        return None
    news = table.source_state(group.attributes)
    if news == group.reflected:
        return None
    return Begin(
        group=group.name,
        serial=table.serial + 1,
        kind="source_reflection",
        proposer=None,
        changing=(),
        reasons=(),
        phases=group.attributes.source_reflection_phases,
        time_limit_us=group.attributes.source_reflection_time_limit_us,
        message=b"",
        state=None,
        attributes=None,
        source_state=news,
    )
