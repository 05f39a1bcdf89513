"""The text of ``lssrc -ls cthags`` (layout of the PowerHA 7 level; the reference's section on GS command output)."""

from __future__ import annotations

from daemons.cthags.messages import DomainStatus

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
    lines.append("HA Group Services domain information:")
    if status.established:
        lines.append(f"Domain established by node {status.leader}")
    elif status.view:
        lines.append("Domain is recovering.")  # the words of the manual, the sentence is inferred
    else:
        lines.append("Domain not established.")
    known = [group for group in status.groups if group.local_providers or group.local_subscribers]
    lines.append(f"Number of groups known locally: {len(known)}")
    lines.append(" " * NAME_WIDTH + "Number of   Number of local")
    lines.append("Group name".ljust(NAME_WIDTH) + "providers   providers/subscribers")
    for group in known:
        counts = (len(group.providers), group.local_providers, group.local_subscribers)
        widths = (PROVIDERS_WIDTH, LOCAL_WIDTH, LOCAL_WIDTH)
        columns = "".join(f"{number:>{width}}" for number, width in zip(counts, widths, strict=True))
        lines.append(f"{group.name:<{NAME_WIDTH}}{columns}")
    lines += ["", "Critical clients will be terminated if unresponsive"]
    return lines
