"""Port numbers come from the node's own ``/etc/services``, where the administrator can see and change them."""

from __future__ import annotations

from srcctl.node.root import NodeRoot


class UnknownService(Exception):
    """``/etc/services`` has no such entry."""


def port(root: NodeRoot, service: str, protocol: str) -> int:
    """The port of ``service`` over ``protocol`` ("tcp" or "udp").

    Raises:
        UnknownService: the file does not name it (or cannot be read).
    """
    try:
        with open(root.path("/etc/services"), encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.partition("#")[0].split()
                if len(fields) >= 2 and fields[1].endswith("/" + protocol) and service in (fields[0], *fields[2:]):
                    return int(fields[1].partition("/")[0])
    except (OSError, ValueError):
        pass
    raise UnknownService(f"/etc/services has no entry {service}/{protocol}")
