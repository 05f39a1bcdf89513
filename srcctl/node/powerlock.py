"""The lock that says that a node is alive: held by lpar and caa, asked for without taking anything.

An open file description lock (F_OFD_SETLK, fcntl(2)): it lasts as long as any process has the descriptor that took it,
and F_OFD_GETLK tells whether it is held. A look by a lock of one's own would make a boot at that instant fail.
"""

from __future__ import annotations

import fcntl
import os
import struct

SWITCHED_OFF = "off"
"""The word behind boot id and pid in the file that is locked: the power is switched off, whatever comes next."""

_FLOCK = struct.Struct("hhqqi4x")
"""struct flock on 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid."""


def _whole_file(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)


def take(descriptor: int) -> bool:
    """Take the lock; False if somebody holds it. ``descriptor`` is open for writing.

    Raises:
        OSError: this file system has no locks.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
    except BlockingIOError:
        return False
    return True


def is_held(descriptor: int) -> bool:
    """Whether anybody holds the lock; takes nothing, so that whoever wants it at this moment gets it."""
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_RDLCK))
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def is_switched_off(descriptor: int) -> bool:
    """Whether the power of the node that holds the lock is being switched off from outside."""
    return SWITCHED_OFF in os.pread(descriptor, 4096, 0).decode(errors="replace").split()
