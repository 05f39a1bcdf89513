"""Locks of files: one program at a time, whatever happens to it (flock(2): the lock ends with its holder)."""

from __future__ import annotations

import fcntl
import os


class locked:  # noqa: N801 - used like a function
    """Holds the lock of a file, which is made if need be and stays; waits for whoever has it.

    Args:
        path: the file, a real path.
        mode: its permissions if it is made.

    Raises:
        OSError: it cannot be opened.
    """

    __slots__ = ("_descriptor", "_mode", "_path")

    def __init__(self, path: str, mode: int = 0o600) -> None:
        self._path = path
        self._mode = mode
        self._descriptor = -1

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *raised: object) -> None:
        os.close(self._descriptor)
