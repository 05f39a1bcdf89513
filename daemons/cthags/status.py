"""The text of ``lssrc -ls cthags`` (layout of the PowerHA 7 level; the reference's section on GS command output) and of
``nlssrc -c -ls cthags``."""

from __future__ import annotations

from daemons.caa.messages import GROUP_SERVICES_SILENCE
from daemons.cthags.messages import DomainStatus, GroupStatus

BEAT = 5.0
"""Product seconds between beats of the daemon."""
NAME_WIDTH = 27
PROVIDERS_WIDTH = 8
LOCAL_WIDTH = 12


def long_status(status: DomainStatus) -> list[str]:
    """The lines after the subsystem's own line."""
    count = len(status.clients)
    lines = [
        "1 locally-connected client.  Its PID:"
        if count == 1
        else f"{count} locally-connected clients.{'  Their PIDs:' if count else ''}"
    ]
    if count:
        lines.append(" ".join(f"{client.pid}({client.name})" for client in status.clients))
    lines += ["HA Group Services domain information:", _domain(status)]
    known = _known(status)
    lines.append(f"Number of groups known locally: {len(known)}")
    lines.append(" " * NAME_WIDTH + "Number of   Number of local")
    lines.append("Group name".ljust(NAME_WIDTH) + "providers   providers/subscribers")
    for group in known:
        counts = (len(group.providers), group.local_providers, group.local_subscribers)
        widths = (PROVIDERS_WIDTH, LOCAL_WIDTH, LOCAL_WIDTH)
        columns = "".join(f"{number:>{width}}" for number, width in zip(counts, widths, strict=True))
        lines.append(f"{group.name:<{NAME_WIDTH}}{columns}")
    negation = "" if status.kills_clients else "not "
    return [*lines, "", f"Critical clients will {negation}be terminated if unresponsive", *_dead_mans_switch(status)]


def _dead_mans_switch(status: DomainStatus) -> list[str]:
    """The lines of the dead man's switch (inferred: that there are some, and what they tell, is known)."""
    if not status.dead_mans_switch:
        return ["Dead Man Switch Disabled"]
    return [
        "Dead Man Switch Enabled",
        f"   reset interval = {BEAT:.0f} seconds",
        f"   trip interval = {GROUP_SERVICES_SILENCE:.0f} seconds",
    ]


def canonical_status(status: DomainStatus) -> list[str]:
    """The same as ``key=value`` lines (the manual page of nlssrc has an example)."""
    lines = [f"Number of local clients and their PIDs={len(status.clients)}"]
    if status.clients:
        lines.append(" ".join(str(client.pid) for client in status.clients))
    known = _known(status)
    lines += ["HA Group Services domain information:", _domain(status), f"Number of known local groups={len(known)}"]
    for group in known:
        lines += [
            f"Group Name= {group.name}",
            f"Number of providers = {len(group.providers)}",
            f"Number of local providers = {group.local_providers}",
            f"Number of local subscribers = {group.local_subscribers}",
        ]
    return lines


def _domain(status: DomainStatus) -> str:
    if status.established:
        return f"Domain established by node {status.leader}"
    # The words of the manual, the sentences are inferred.
    return "Domain is recovering." if status.view else "Domain not established."


def _known(status: DomainStatus) -> list[GroupStatus]:
    """The groups with somebody on this node."""
    return [group for group in status.groups if group.local_providers or group.local_subscribers]
