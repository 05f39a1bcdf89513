"""Compiled code for a node: the source tree is read-only in a view, so what is stale is compiled before power on."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import struct
from collections.abc import Iterator
from typing import Final

PACKAGES: Final = ("srcctl", "daemons")
_HEADER: Final = struct.Struct("<4sIII")


def _sources(directory: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__" and not entry.name.startswith("."):
                    yield from _sources(entry.path)
            elif entry.name.endswith(".py"):
                yield entry


def is_stale(source: str, modified: float, size: int) -> bool:
    """True if a source has no compiled form of its own date and size (PEP 552, timestamp based)."""
    try:
        with open(importlib.util.cache_from_source(source), "rb") as file:
            magic, flags, seconds, length = _HEADER.unpack(file.read(_HEADER.size))
    except (OSError, struct.error):
        return True
    if magic != importlib.util.MAGIC_NUMBER:
        return True
    return not flags and (seconds, length) != (int(modified) & 0xFFFFFFFF, size & 0xFFFFFFFF)


def bring_up_to_date(code: str) -> int:
    """Compile what is stale below ``code``; returns how many files. A tree that is not ours to write stays as it is."""
    count = 0
    for package in PACKAGES:
        directory = os.path.join(code, package)
        if not os.path.isdir(directory) or not os.access(directory, os.W_OK):
            continue
        for entry in _sources(directory):
            status = entry.stat()
            if is_stale(entry.path, status.st_mtime, status.st_size):
                try:
                    py_compile.compile(entry.path, doraise=True, quiet=1)
                except (OSError, py_compile.PyCompileError):
                    continue
                count += 1
    return count
