"""Which software a node is seeded with: all of it, or the base operating system alone.

A node with the base alone has SRC, the ODM, the error log, accounts, devices and storage, and nothing of a cluster: its
machine is two processes, lpar and srcmstr, and whatever they supervise.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


ALL, BASE = "all", "base"

_COMPONENTS: Final = frozenset({
    "accounts", "audit", "devices", "errlog", "network", "node", "node.folder", "odm", "snap", "software", "src",
    "storage",
})  # fmt: skip
_LEFT_OUT: Final = ("cluster", "rc.d", "snmpd.conf", "usr/es", "usr/local", "usr/sbin/rsct", "var/ct")
"""What of the repository's ``etc/`` a base node does not get."""
_NOT_BASE: Final = ("/usr/es/", "/usr/sbin/rsct/", "/etc/es", "/etc/cluster", "/var/hacmp", "/var/ct", "/var/clcomd",
                    "/var/cluster", "/var/adm/cluster")  # fmt: skip
"""Paths on a node, of programs and folders, that a base node does not get."""
_RECORDS: Final = frozenset({"clcomd", "clconfd", "ctrmc", "hacmp"})
_FILESETS: Final = ("bos.", "devices.", "rsct.core.")
_NO_FILESETS: Final = frozenset({"bos.ahafs", "bos.cluster.rte", "bos.clvm.enh", "bos.net.tcp.snmpd", "rsct.core.rmc"})


def has_component(software: str, name: str) -> bool:
    """Whether a node gets a program map, or the object classes and objects, of that name."""
    return software == ALL or name in _COMPONENTS


def programs(software: str, text: str) -> str:
    """A program map without the programs of what is not installed (``halevel`` among the machine's)."""
    if software == ALL:
        return text
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(_NOT_BASE))


def has_file(software: str, path: str) -> bool:
    """Whether a node gets a file or folder of the repository's ``etc/``; ``path`` is relative to it."""
    return software == ALL or not any(path == out or path.startswith(f"{out}/") for out in _LEFT_OUT)


def has_directory(software: str, path: str) -> bool:
    """Whether a node gets a folder."""
    return software == ALL or not path.startswith(_NOT_BASE)


def has_fileset(software: str, name: str) -> bool:
    """Whether a fileset is installed on a node."""
    return software == ALL or (name.startswith(_FILESETS) and name not in _NO_FILESETS)


def inittab(software: str, text: str) -> str:
    """/etc/inittab without the records of what is not installed."""
    if software == ALL:
        return text
    return "".join(line for line in text.splitlines(keepends=True) if line.partition(":")[0] not in _RECORDS)
