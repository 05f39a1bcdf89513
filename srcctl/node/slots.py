"""A small durable record that can be written while the disk is full.

A file that is replaced by a new one needs room for the new one. Here the room is taken once: the file has two slots, a
write goes to the one that does not hold the newest record, and a slot counts only if its checksum is right. So a writer
that is killed at any instant leaves the record before or the new one, and no write but the first asks the disk for room
(on file systems that overwrite in place, as ext4, XFS and tmpfs do). The technique is that of the two root blocks of
shadow-paged databases (J. Gray and A. Reuter, Transaction Processing, 1993, on ping-pong writes).
"""

from __future__ import annotations

import os
import zlib

from srcctl.node.root import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

HEADER: Final = "slot {sequence:020d} {length:010d} {checksum:08x}\n"
HEADER_BYTES: Final = len(HEADER.format(sequence=0, length=0, checksum=0))
CAPACITY: Final = 4000
"""Bytes of a record that a new file has room for at least."""


class SlotFile:
    """One record, kept in a file of two slots.

    Args:
        path: the file; it is made by the first write.
        mode: its permissions.
    """

    def __init__(self, path: str, mode: int = 0o600) -> None:
        self.path = path
        self._mode = mode

    def read(self) -> bytes:
        """The newest whole record; empty if there is none.

        Raises:
            OSError: the file is there and cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                contents = file.read()
        except FileNotFoundError:
            return b""
        return max(_slots(contents), default=(0, 0, b""))[2]

    def write(self, record: bytes) -> None:
        """Make ``record`` the newest one.

        Raises:
            OSError: it cannot be written; the record before is untouched.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self._make(record, 1)
            return
        try:
            contents = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            sequence, place, _ = max(_slots(contents), default=(0, 1, b""))
            size = len(contents) // 2
            if HEADER_BYTES + len(record) <= size:
                slot = _slot(record, sequence + 1)
                if os.pwrite(descriptor, slot, (1 - place) * size) == len(slot):
                    return
        finally:
            os.close(descriptor)
        self._make(record, sequence + 1)

    def _make(self, record: bytes, sequence: int) -> None:
        size = HEADER_BYTES + max(CAPACITY, 2 * len(record))
        # Written, not only declared: a hole would be filled later, when the disk may be full.
        replace_file(self.path, _slot(record, sequence).ljust(size, b"\n") + b"\n" * size, self._mode)


def _slot(record: bytes, sequence: int) -> bytes:
    header = HEADER.format(sequence=sequence, length=len(record), checksum=_checksum(record, sequence))
    return header.encode() + record


def _checksum(record: bytes, sequence: int) -> int:
    return zlib.crc32(record, zlib.crc32(str(sequence).encode()))


def _slots(contents: bytes) -> list[tuple[int, int, bytes]]:
    """Sequence number, place and record of the slots that are whole."""
    size = len(contents) // 2
    found = []
    for place in (0, 1):
        slot = contents[place * size : (place + 1) * size]
        fields = slot[:HEADER_BYTES].split()
        try:
            word, sequence, length, checksum = fields[0], int(fields[1]), int(fields[2]), int(fields[3], 16)
        except (IndexError, ValueError):
            continue
        record = slot[HEADER_BYTES : HEADER_BYTES + length]
        if word == b"slot" and length == len(record) and checksum == _checksum(record, sequence):
            found.append((sequence, place, record))
    return found
