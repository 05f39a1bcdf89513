"""Values that a field can have: whoever edits object classes by hand may write anything (the texts are inferred)."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.configuration.policies import (
    DIFFERENT_NODES,
    HIGH,
    INTERMEDIATE,
    LOW,
    PARENT_CHILD,
    SAME_NODE,
    SAME_SITE,
    START_AFTER,
    STOP_AFTER,
)
from daemons.cluster.configuration.split_merge import POLICIES, go_together
from daemons.cluster.verification.findings import Case, Finding, error

SECURITY_LEVELS = ("", "Low", "Med", "Medium", "High")
METHOD_KINDS = ("event", "snapshot", "verify")
SETTLING_MAX = 86_400
"""Seconds."""


def are_possible(case: Case) -> Iterator[Finding]:
    """Words are among those that mean something, numbers within their range."""
    for what, value, possible in _words(case):
        if value not in possible:
            yield error(f"{what} is '{value}', which is not possible.")
    for what, number, least, most in _numbers(case):
        if not least <= number <= most:
            yield error(f"{what} is {number}; {least} to {most} is possible.")


def _words(case: Case) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    c = case.configuration
    yield "The heartbeat type of the cluster", c.cluster.heartbeat_type, ("U", "C")
    yield "The distribution policy of resource groups", c.cluster.distribution_policy or "node", ("node", "network")
    yield "The security level of the cluster", c.cluster.message_authentication, SECURITY_LEVELS
    for network in c.networks:
        yield f"The attribute of the network '{network.name}'", network.attribute, ("public", "private")
    for controller in c.controllers:
        what = f"The startup mode of the application controller '{controller.name}'"
        yield what, controller.startup_mode, ("background", "foreground")
    for dependency in c.dependencies:
        what = f"The kind of the dependency between '{dependency.parent}' and '{dependency.child}'"
        yield what, dependency.kind, (PARENT_CHILD, START_AFTER, STOP_AFTER)
    for location in c.location_dependencies:
        listed = ", ".join(location.groups)
        yield f"The kind of the location dependency of {listed}", location.kind, (
            SAME_NODE, SAME_SITE, DIFFERENT_NODES,
        )  # fmt: skip
        for name, priority in location.members if location.kind == DIFFERENT_NODES else ():
            yield f"The priority of '{name}' in the location dependency of {listed}", priority, (
                HIGH, INTERMEDIATE, LOW,
            )  # fmt: skip
    for timer in c.timers:
        what = f"The recurrence of the fallback timer '{timer.name}'"
        yield what, timer.recurrence, ("daily", "weekly", "monthly", "yearly", "specific")
    for method in c.methods:
        yield f"The type of the custom method '{method.name}'", method.kind, METHOD_KINDS


def _numbers(case: Case) -> Iterator[tuple[str, int, int, int]]:
    c = case.configuration
    yield "The hour of automatic verification", c.cluster.verification_hour, 0, 23
    yield "The settling time of resource groups", c.cluster.settling_time, 0, SETTLING_MAX
    for timer in c.timers:
        what = f"of the fallback timer '{timer.name}'"
        yield f"The hour {what}", timer.hour, 0, 23
        yield f"The minute {what}", timer.minutes, 0, 59
        if timer.recurrence == "weekly":
            yield f"The day of the week {what}", timer.week_day, 0, 6
        if timer.recurrence in ("monthly", "yearly", "specific"):
            yield f"The day of the month {what}", timer.day_of_month, 1, 31
        if timer.recurrence in ("yearly", "specific"):
            yield f"The month {what}", timer.month, 1, 12


def split_and_merge_policies_fit(case: Case) -> Iterator[Finding]:
    """Policies that exist and go together, with the disk or the file that they ask."""
    c = case.configuration
    policies = dict(c.split_merge)
    wrong = False
    for policy, possible in POLICIES.items():
        value = policies.get(policy, possible[0])
        if value.lower() not in map(str.lower, possible):
            wrong = True
            yield error(f"The {policy} policy of the cluster is '{value}', which is not possible.")
    if wrong:
        return
    split, merge = (policies.get(name, POLICIES[name][0]).lower() for name in ("split", "merge"))
    if not go_together(split, merge):
        yield error(f"The split policy '{split}' and the merge policy '{merge}' do not go together.")
    if "tiebreaker" in (split, merge):
        disk = policies.get("tiebreaker", "")
        if not disk:
            yield error("The split and merge policies need a tie breaker disk, but none is defined.")
        for node, known in case.answering() if disk else ():
            if known.disks and disk not in known.disks:
                yield error(f"The tie breaker disk with PVID {disk} is not known to node '{node}'.")
    if "nfs" in (split, merge):
        for key in ("NFS_QUORUM_SERVER", "LOCAL_QUORUM_DIRECTORY", "REMOTE_QUORUM_DIRECTORY"):
            if not c.setting(key):
                yield error(f"The split and merge policies need {key}, which is not set.")


def notifications_are_of_nodes(case: Case) -> Iterator[Finding]:
    """Remote notifications come from nodes that exist."""
    c = case.configuration
    for method in c.notify_methods:
        for node in method.nodes:
            if c.node(node) is None:
                yield error(f"The remote notification '{method.name}' names the node '{node}', which is not defined.")
