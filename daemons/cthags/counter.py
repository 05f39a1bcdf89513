"""The counter of HA_GS_COUNTER_RESPONSIVENESS: memory that a client writes and its Group Services daemon reads.

The client advances it in whatever loop must not stand still; nothing has to be dispatched for that. How the product's
daemon gets at the counter is not published; here the client hands over the descriptor of the memory (inferred).
"""

from __future__ import annotations

import mmap
import os
import stat
import struct

COUNTER_BYTES = 8


class ResponsivenessCounter:
    """The client's side."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("responsiveness", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, COUNTER_BYTES)
        self._memory = mmap.mmap(self.descriptor, COUNTER_BYTES)
        self._count = 0

    def advance(self) -> None:
        """Count one: the client is well."""
        self._count += 1
        self._memory[:] = struct.pack("=Q", self._count & (1 << 64) - 1)

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.descriptor)


class CounterReader:
    """The daemon's side; it outlives the descriptor of the client.

    Args:
        pid: of the client.
        descriptor: of its counter, in its own table.

    Raises:
        OSError: the client has no such file.
    """

    def __init__(self, pid: int, descriptor: int) -> None:
        # Not to wait for whoever opens the other end of a pipe.
        self._file = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self.close()
            raise OSError(f"descriptor {descriptor} of process {pid} is no file with a counter")

    def read(self) -> bytes | None:
        """What it holds now; None if nothing can be read."""
        try:
            return os.pread(self._file, COUNTER_BYTES, 0) or None
        except OSError:
            return None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
