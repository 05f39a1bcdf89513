"""The kernel's side of a file system in user space: the messages of /dev/fuse (fuse(4), linux/fuse.h, protocol 7.31).

Only what a file system of small files needs, all of it unbuffered: every read and write of a consumer comes here. The
libraries for this bind libfuse, which a host need not have, and none of them runs in the event loop of asyncio.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import struct
import sys
from typing import Final, Protocol

from msgspec import Struct

from srcctl.node import syscalls

MAJOR, MINOR = 7, 31
WRITE_MAX: Final = 4096
"""Bytes of one write of a consumer that are handed on at once."""
BUFFER: Final = 16384
"""Bytes of a request: at least FUSE_MIN_READ_BUFFER, and a write with its headers."""
ROOT: Final = 1
_HEADER = struct.Struct("=IIQQIIII")
_REPLY = struct.Struct("=IiQ")
_ATTRIBUTES = struct.Struct("=QQQQQQIIIIIIIIII")
_ENTRY = struct.Struct("=QQQQII")
_VALID = struct.Struct("=QII")
_OPENED = struct.Struct("=QII")
_INITIAL = struct.Struct("=IIIIHHIIHHI28x")
_TRANSFER = struct.Struct("=QQIIQII")
_SET = struct.Struct("=IIQQQQQQIIIIIIII")
_STATISTICS = struct.Struct("=QQQQQIIII24x")
_POLL = struct.Struct("=QQII")
_DIRECTORY = struct.Struct("=QQII")
_DIRECT_IO = 1
_NOTIFY_POLL = 1
_SET_MODE_OR_OWNER = 1 | 2 | 4
POLL_IN: Final = 1
POLL_OUT: Final = 4

(LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, UNLINK, RMDIR) = (1, 2, 3, 4, 9, 10, 11)
(OPEN, READ, WRITE, STATFS, RELEASE) = (14, 15, 16, 17, 18)
(INIT, OPENDIR, READDIR, RELEASEDIR, CREATE, INTERRUPT, DESTROY, POLL, BATCH_FORGET) = (
    26, 27, 28, 29, 35, 36, 38, 40, 42,
)  # fmt: skip


class Attributes(Struct, frozen=True):
    """What stat(2) shows. ``inode`` names the file to the kernel; ``mode`` has the type in it."""

    inode: int
    mode: int
    uid: int = 0
    gid: int = 0
    time: int = 0


class Caller(Struct, frozen=True):
    """Who asks."""

    uid: int
    gid: int
    pid: int


class FileSystem(Protocol):
    """What is behind a mount. All calls raise OSError with the number that the caller is to see."""

    def look_up(self, parent: int, name: str) -> Attributes: ...
    def attributes(self, inode: int) -> Attributes: ...
    def make_directory(self, parent: int, name: str, mode: int, caller: Caller) -> Attributes: ...
    def create(self, parent: int, name: str, mode: int, caller: Caller) -> Attributes: ...
    def remove(self, parent: int, name: str, directory: bool) -> None: ...
    def entries(self, inode: int) -> list[tuple[str, Attributes]]: ...
    def open(self, inode: int, caller: Caller, flags: int) -> int:
        """A handle. ``flags`` are those of open(2)."""

    def release(self, handle: int) -> None: ...
    def write(self, handle: int, data: bytes) -> None: ...

    def read(self, handle: int, offset: int, size: int) -> bytes | None:
        """None: there is nothing yet; ``MountedFileSystem.changed`` says when to ask again."""

    def readable(self, handle: int) -> bool: ...
    def count(self) -> tuple[int, int]:
        """How many files there are, and how many there may be."""


class _Waiting(Struct, frozen=True):
    handle: int
    offset: int
    size: int


class MountedFileSystem:
    """A file system, mounted.

    Args:
        device: the real path of /dev/fuse.
        mount_point: a real path.
        kind: its type, as mount(8) shows it.
        files: what is behind it.

    Raises:
        OSError: there is no such device, or mounting is not permitted.
    """

    def __init__(self, device: str, mount_point: str, kind: str, files: FileSystem) -> None:
        self._files = files
        self._waiting: dict[int, _Waiting] = {}
        self._polls: dict[int, int] = {}
        self._mount_point = mount_point
        self._device = os.open(device, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
            syscalls.mount(kind, mount_point, "fuse", syscalls.MS_NOSUID, options)
        except OSError:
            os.close(self._device)
            raise
        asyncio.get_running_loop().add_reader(self._device, self._readable)

    def close(self) -> None:
        """Unmount; who waits is told that the file system is no more."""
        if self._device < 0:
            return
        asyncio.get_running_loop().remove_reader(self._device)
        os.close(self._device)
        self._device = -1
        try:
            syscalls.unmount(self._mount_point, syscalls.MNT_DETACH)
        except OSError:
            pass

    def changed(self, handle: int) -> None:
        """An open file may have something to read, or never will have."""
        for unique, waiting in [item for item in self._waiting.items() if item[1].handle == handle]:
            self._serve_read(unique, waiting)
        poll = self._polls.get(handle)
        if poll is not None and self._files.readable(handle):
            del self._polls[handle]
            self._send(0, _NOTIFY_POLL, poll.to_bytes(8, sys.byteorder))

    # Requests.

    def _readable(self) -> None:
        while self._device >= 0:
            try:
                request = os.read(self._device, BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue  # a request that was taken back
                self.close()  # it was unmounted
                return
            _, operation, unique, inode, uid, gid, pid, _ = _HEADER.unpack_from(request)
            try:
                reply = self._serve(operation, unique, inode, Caller(uid, gid, pid), request[_HEADER.size :])
            except OSError as error:
                self._send(unique, -(error.errno or errno.EIO))
                continue
            if reply is not None:
                self._send(unique, 0, reply)

    def _serve(self, operation: int, unique: int, inode: int, caller: Caller, data: bytes) -> bytes | None:
        """The answer to a request; None: there is none, or it comes later."""
        files = self._files
        match operation:
            case 26:
                return self._begin(data)
            case 1:
                return self._entry(files.look_up(inode, _name(data)))
            case 2 | 42:
                return None
            case 3:
                return self._attributes(files.attributes(inode))
            case 4:
                if _SET.unpack_from(data)[0] & _SET_MODE_OR_OWNER:
                    raise OSError(errno.EPERM, "modes and owners are fixed")
                return self._attributes(files.attributes(inode))
            case 9:
                mode, umask = struct.unpack_from("=II", data)
                return self._entry(files.make_directory(inode, _name(data[8:]), mode & ~umask, caller))
            case 35:
                flags, mode, umask, _ = struct.unpack_from("=IIII", data)
                made = files.create(inode, _name(data[16:]), mode & ~umask, caller)
                return self._entry(made) + _OPENED.pack(files.open(made.inode, caller, flags), _DIRECT_IO, 0)
            case 10 | 11:
                files.remove(inode, _name(data), operation == RMDIR)
                return b""
            case 14:
                flags = int.from_bytes(data[:4], sys.byteorder)
                return _OPENED.pack(files.open(inode, caller, flags), _DIRECT_IO, 0)
            case 27:
                return _OPENED.pack(0, 0, 0)
            case 29:
                return b""
            case 28:
                return self._directory(inode, *_TRANSFER.unpack_from(data)[1:3])
            case 15:
                handle, offset, size, _, _, flags, _ = _TRANSFER.unpack_from(data)
                return self._read(unique, _Waiting(handle, offset, size), bool(flags & os.O_NONBLOCK))
            case 16:
                handle, _, size, _, _, _, _ = _TRANSFER.unpack_from(data)
                files.write(handle, data[_TRANSFER.size : _TRANSFER.size + size])
                return struct.pack("=II", size, 0)
            case 18:
                return self._release(int.from_bytes(data[:8], sys.byteorder))
            case 17:
                used, most = files.count()
                return _STATISTICS.pack(0, 0, 0, most, most - used, 512, 255, 512, 0)
            case 40:
                return self._poll(*_POLL.unpack_from(data)[:3])
            case 36:
                interrupted = int.from_bytes(data[:8], sys.byteorder)
                if self._waiting.pop(interrupted, None) is not None:
                    self._send(interrupted, -errno.EINTR)
                return None
            case 38:
                return b""
            case _:
                raise OSError(errno.ENOSYS, "not needed")

    def _begin(self, data: bytes) -> bytes:
        _, minor, ahead, _ = struct.unpack_from("=IIII", data)
        return _INITIAL.pack(MAJOR, min(minor, MINOR), ahead, 0, 0, 0, WRITE_MAX, 1, 0, 0, 0)

    def _read(self, unique: int, wanted: _Waiting, at_once: bool) -> bytes | None:
        found = self._files.read(wanted.handle, wanted.offset, wanted.size)
        if found is None and at_once:
            raise OSError(errno.EAGAIN, "nothing yet")
        if found is None:
            self._waiting[unique] = wanted
        return found

    def _serve_read(self, unique: int, waiting: _Waiting) -> None:
        try:
            found = self._files.read(waiting.handle, waiting.offset, waiting.size)
        except OSError as error:
            del self._waiting[unique]
            self._send(unique, -(error.errno or errno.EIO))
            return
        if found is not None:
            del self._waiting[unique]
            self._send(unique, 0, found)

    def _poll(self, handle: int, poll: int, flags: int) -> bytes:
        readable = self._files.readable(handle)
        if flags & 1 and not readable:
            self._polls[handle] = poll
        return struct.pack("=II", POLL_OUT | (POLL_IN if readable else 0), 0)

    def _release(self, handle: int) -> bytes:
        self._polls.pop(handle, None)
        self._files.release(handle)
        return b""

    # Answers.

    def _send(self, unique: int, error: int, data: bytes = b"") -> None:
        if self._device < 0:
            return
        try:
            os.write(self._device, _REPLY.pack(_REPLY.size + len(data), error, unique) + data)
        except OSError:
            pass  # the caller is gone

    @staticmethod
    def _packed(found: Attributes) -> bytes:
        links = 2 if stat.S_ISDIR(found.mode) else 1
        return _ATTRIBUTES.pack(
            found.inode, 0, 0, *(found.time,) * 3, 0, 0, 0, found.mode, links, found.uid, found.gid, 0, 512, 0
        )

    def _entry(self, found: Attributes) -> bytes:
        return _ENTRY.pack(found.inode, 0, 0, 0, 0, 0) + self._packed(found)

    def _attributes(self, found: Attributes) -> bytes:
        return _VALID.pack(0, 0, 0) + self._packed(found)

    def _directory(self, inode: int, offset: int, size: int) -> bytes:
        result = b""
        for number, (name, found) in enumerate(self._files.entries(inode), 1):
            if number <= offset:
                continue
            encoded = os.fsencode(name)
            entry = _DIRECTORY.pack(found.inode, number, len(encoded), stat.S_IFMT(found.mode) >> 12) + encoded
            entry += bytes(-len(entry) % 8)
            if len(result) + len(entry) > size:
                break
            result += entry
        return result


def _name(data: bytes) -> str:
    return os.fsdecode(data.partition(b"\0")[0])
