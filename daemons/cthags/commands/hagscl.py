"""hagscl: the clients of this node's Group Services (`-l`: each of them).

What the listing holds is known, how it is laid out is inferred from the lines that are.
"""

from __future__ import annotations

from daemons.cthags.messages import ClientStatus, DomainStatus
from srcctl.commands.options import Options
from srcctl.machine import SECOND


def clients(status: DomainStatus, options: Options) -> str:
    """The text of hagscl."""
    lines = [
        "HA GS Client Status",
        f"Number of clients: connected[{len(status.clients)}] cumulative[{status.clients_ever}] "
        f"requests[{status.requests}]",
    ]
    if "l" in options:
        for client in status.clients:
            lines += _client(client)
    return "\n".join(lines) + "\n"


def _client(client: ClientStatus) -> list[str]:
    lines = [
        f"Client socket[{client.number}] PID[{client.pid}] uid[{client.uid}] gid[{client.gid}] name[{client.name}]"
    ]
    if client.interval_us:
        interval, limit = client.interval_us // SECOND, client.limit_us // SECOND
        lines.append(f"[HA_GS_PING_RESPONSIVENESS] interval[{interval}] response time limit[{limit}]")
        lines.append(f"checks good[{client.answered - client.late}] bad[0] late[{client.late}]")
    else:
        lines.append("[HA_GS_NO_RESPONSIVENESS]")
    lines += [
        f"[{{provider}}Member token[{token}] Client token[{client.number}] ProviderId{provider}] group[{group}]"
        for token, (group, provider) in enumerate(client.providers)
    ]
    return lines
