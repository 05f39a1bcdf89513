"""A disk: a sparse file in the lab's shared folder that every node reads and writes, and that can fail."""

from __future__ import annotations

import errno
import fcntl
import os

from srcctl.digest import blake2b
from srcctl.network.faults import Faults

SECTOR = 512
DIRECTORY = "disks"


def disk_names(lab: str) -> list[str]:
    """The shared disks of a lab, in the order of their numbers."""
    try:
        names = [n for n in os.listdir(os.path.join(lab, DIRECTORY)) if n.startswith("hdisk") and _is_number(n[5:])]
    except OSError:
        return []
    return sorted(names, key=lambda name: int(name[5:]))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def disk_bytes(lab: str, disk: str) -> int:
    """Bytes of a disk, failed or not; 0 if there is none of that name."""
    try:
        return os.path.getsize(os.path.join(lab, DIRECTORY, disk))
    except OSError:
        return 0


def pvid(lab_id: str, disk: str) -> str:
    """The physical volume identifier of a disk: 16 hex digits, the same on every node and for ever."""
    return "00f9" + blake2b(f"{lab_id}/{disk}".encode(), digest_size=6).hexdigest()


def uuid_of(lab_id: str, disk: str) -> str:
    """The UUID of a disk (``lspv -u``)."""
    digits = blake2b(f"uuid/{lab_id}/{disk}".encode(), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def unique_identifier(lab_id: str, disk: str) -> str:
    """The unique device identifier of a disk (attribute unique_id); it ends with the kind of storage."""
    return f"372610{uuid_of(lab_id, disk).replace('-', '')}03AIXvscsi"[:48]


class Disk:
    """A shared disk as one node sees it.

    Args:
        lab: the lab's shared folder.
        name: for example ``hdisk1``.

    Raises:
        OSError: there is no such disk (``open``), or it has failed (EIO).
    """

    def __init__(self, lab: str, name: str) -> None:
        self.name = name
        self._faults = Faults(lab)
        self._path = os.path.join(lab, DIRECTORY, name)
        self._descriptor = -1

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from the disk; a hole reads as zeros."""
        data = os.pread(self._open(), size, offset)
        return data + bytes(size - len(data))

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes. One sector is written as a whole or not at all."""
        descriptor = self._open()
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written

    def reserve(self) -> bool:
        """Take the disk for one writer until ``close``; False if another has it. It ends with the process.

        Readers and whoever does not ask are not kept out: an agreement, as a cluster lock is.
        """
        try:
            fcntl.flock(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return os.fstat(self._open()).st_size

    def close(self) -> None:
        """Release the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self) -> int:
        if self._faults.disk_failed(self.name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.name)
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        return self._descriptor
