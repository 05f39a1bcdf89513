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
    checked = f"[{client.responsiveness}]"
    if client.interval_us:
        checked += f" interval[{client.interval_us // SECOND}] response time limit[{client.limit_us // SECOND}]"
    lines.append(checked)
    if client.interval_us:
        silent = " [does not respond]" if client.silent else ""
        good = client.answered - client.late
        lines.append(f"checks good[{good}] bad[{client.bad}] late[{client.late}]{silent}")
    lines += [
        f"[{{provider}}Member token[{token}] Client token[{client.number}] ProviderId{provider}] group[{group}]"
        for token, (group, provider) in enumerate(client.providers)
    ]
    return lines
