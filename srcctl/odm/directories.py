"""A directory of object classes takes the place of another in one step (staged, active)."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def replace_directory(fresh: str, live: str) -> None:
    """Put a prepared directory in the place of the one that is read; both lie in the same file system.

    renameat2(2) with RENAME_EXCHANGE: a reader finds the old classes or the new ones, at every instant, and so does who
    looks after a kill -9 in between. Where the file system cannot exchange, the name is missing for a moment.

    Args:
        fresh: the new directory (a real path); the old contents are removed from under this name.
        live: the name that is read; it need not be there yet.

    Raises:
        OSError: it cannot be done; ``live`` is what it was.
    """
    if not os.path.isdir(live):
        os.rename(fresh, live)
        return
    if not _exchanged(fresh, live):
        aside = f"{live}.old"
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(live, aside)
        try:
            os.rename(fresh, live)
        except OSError:
            os.rename(aside, live)
            raise
        fresh = aside
    with contextlib.suppress(OSError):
        shutil.rmtree(fresh)


def _exchanged(one: str, other: str) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        renameat2 = libc.renameat2
    except AttributeError:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), one, None, other)
