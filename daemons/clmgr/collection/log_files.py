"""Which files a log has: itself and its old copies, or a file a day. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from daemons.cluster.configuration import LogFile

DAILY = "cluster.mmddyyyy"
"""The log that has a file a day."""


def files_of_log(log: LogFile, names: Iterable[str]) -> list[str]:
    """Those of some file names that are a log's."""
    if log.name == DAILY:
        return [name for name in names if _number_behind("cluster.", name, 8)]
    return [name for name in names if name == log.name or _number_behind(f"{log.name}.", name)]


def _number_behind(prefix: str, name: str, digits: int = 0) -> bool:
    text = name[len(prefix) :] if name.startswith(prefix) else ""
    return text.isascii() and text.isdigit() and digits in (0, len(text))
