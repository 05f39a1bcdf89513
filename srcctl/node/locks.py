"""Locks of files: one program at a time, whatever happens to it (flock(2): the lock ends with its holder)."""

from __future__ import annotations

import fcntl
import os


class locked:  # noqa: N801 - used like a function
    """Holds the lock of a file, which is made if need be and stays; waits for whoever has it, unless told not to.

    Args:
        path: the file, a real path.
        mode: its permissions if it is made.
        wait: for another holder.

    Raises:
        BlockingIOError: another one has it, and ``wait`` is False.
        OSError: it cannot be opened.
    """

    __slots__ = ("_descriptor", "_how", "_mode", "_path")

    def __init__(self, path: str, mode: int = 0o600, wait: bool = True) -> None:
        self._path = path
        self._mode = mode
        self._how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        self._descriptor = -1

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
        try:
            fcntl.flock(self._descriptor, self._how)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *raised: object) -> None:
        os.close(self._descriptor)
