"""What happens to files, as the kernel tells it (inotify(7)): the standard library of Python has no name for it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from typing import Final

MODIFY: Final = 0x2
ATTRIB: Final = 0x4
MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
DELETE: Final = 0x200
DELETE_SELF: Final = 0x400
MOVE_SELF: Final = 0x800
UNMOUNT: Final = 0x2000
_IGNORED: Final = 0x8000
_DONT_FOLLOW: Final = 0x02000000
_MASK_ADD: Final = 0x20000000
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)

Callback = Callable[[int, str], None]
"""Told what happened (a mask) and to which name in a watched folder."""


class Inotify:
    """One instance on the running loop, shared by all watches of a process (the host counts instances).

    Raises:
        OSError: the host has none to spare.
    """

    def __init__(self) -> None:
        self._descriptor = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0:
            raise _error("inotify")
        self._watches: dict[int, list[Callback]] = {}
        asyncio.get_running_loop().add_reader(self._descriptor, self._readable)

    def watch(self, path: str, mask: int, told: Callback) -> Callable[[], None]:
        """Watch a file or folder (no link is followed); returns what ends the watch.

        Raises:
            OSError: there is no such file, or it cannot be watched.
        """
        watch = _libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask | _MASK_ADD | _DONT_FOLLOW)
        if watch < 0:
            raise _error(path)
        self._watches.setdefault(watch, []).append(told)

        def end() -> None:
            callbacks = self._watches.get(watch, [])
            if told in callbacks:
                callbacks.remove(told)
                if not callbacks:
                    del self._watches[watch]
                    _libc.inotify_rm_watch(self._descriptor, watch)

        return end

    def close(self) -> None:
        """Give up all watches."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._watches.clear()

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:
            return
        offset = 0
        while offset < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
            offset += length
            for told in tuple(self._watches.get(watch, ())):
                told(mask, name)
            if mask & _IGNORED:
                self._watches.pop(watch, None)


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)
