"""Locks of files: one program at a time, whatever happens to it (flock(2): the lock ends with its holder)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def locked(path: str, mode: int = 0o600) -> Iterator[None]:
    """Hold the lock of a file, which is made if need be and stays; waits for whoever has it.

    Args:
        path: the file, a real path.
        mode: its permissions if it is made.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
