"""Unix sockets whose paths may be longer than the 107 bytes that ``sun_path`` holds.

A lab may lie deep in a home directory. Such a socket is bound and reached through a descriptor of its directory:
``/proc/self/fd/N/name`` is short whatever the directory's path is.
"""

from __future__ import annotations

import _socket
import os
from _thread import allocate_lock
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

_umask = allocate_lock()
"""The umask belongs to the whole process: two threads that bind must not restore each other's."""
SUN_PATH_MAX = 107
"""Bytes of a socket path, without the closing null (unix(7))."""


class short_path:  # noqa: N801 - used like a function
    """A path of the same file that fits into ``sun_path`` while the context lasts.

    Raises:
        OSError: the directory of ``path`` cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= SUN_PATH_MAX:
            return self._path
        directory, name = os.path.split(self._path)
        self._descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._descriptor}/{name}"

    def __exit__(self, *raised: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def bind_private(sock: socket.socket | _socket.socket, path: str, mode: int = 0o600) -> None:
    """Bind a Unix socket that only its owner may use, or whom ``mode`` allows to, from its first moment on.

    Raises:
        OSError: as of bind(2).
    """
    with _umask:
        previous = os.umask(~mode & 0o777)
        try:
            sock.bind(path)
        finally:
            os.umask(previous)


def bind(path: str, kind: socket.SocketKind, mode: int = 0o600) -> socket.socket:
    """A Unix socket bound to ``path``; a socket left there by a dead process is replaced.

    Raises:
        OSError: the directory cannot be written.
    """
    import socket  # takes longer than most commands work

    return socket.socket(fileno=bind_plain(path, kind, mode).detach())


def bind_plain(path: str, kind: int, mode: int = 0o600) -> _socket.socket:
    """``bind`` for init and SRC, which do without the module socket: half a megabyte in each.

    Raises:
        OSError: the directory cannot be written.
    """
    sock = _socket.socket(_socket.AF_UNIX, kind | _socket.SOCK_CLOEXEC)
    directory, name = os.path.split(path)
    # Bound beside and renamed: whoever looks for the socket finds the old one or the new one.
    beside = os.path.join(directory, f".{os.getpid()}{name[:40]}")
    try:
        with short_path(beside) as short:
            try:
                os.unlink(beside)
            except FileNotFoundError:
                pass
            bind_private(sock, short)
        if mode != 0o600:
            os.chmod(beside, mode)
        os.rename(beside, path)
    except BaseException:
        sock.close()
        raise
    return sock


def connect(path: str, kind: socket.SocketKind, timeout: float | None = None) -> socket.socket:
    """A Unix socket connected to ``path``; ``timeout`` in seconds bounds every later operation on it.

    Raises:
        OSError: nobody listens there.
    """
    import socket  # takes longer than most commands work

    sock = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
    try:
        sock.settimeout(timeout)
        with short_path(path) as short:
            sock.connect(short)
    except BaseException:
        sock.close()
        raise
    return sock


_DESCRIPTOR = Struct("i")


def send_with_descriptor(sock: _socket.socket, packet: bytes, descriptor: int = -1) -> None:
    """Send a packet, and along with it a descriptor if there is one (unix(7), SCM_RIGHTS).

    Raises:
        OSError: as of sendmsg(2).
    """
    rights = [] if descriptor < 0 else [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))]
    sock.sendmsg([packet], rights)


def receive_with_descriptors(sock: _socket.socket, size: int, descriptors_max: int) -> tuple[bytes, list[int]]:
    """A packet of at most ``size`` bytes, and the descriptors that came along, which are the caller's to close.

    Raises:
        OSError: as of recvmsg(2).
    """
    space = _socket.CMSG_SPACE(descriptors_max * _DESCRIPTOR.size)
    packet, ancillary, _, _ = sock.recvmsg(size, space)
    descriptors = []
    for level, kind, data in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            whole = len(data) - len(data) % _DESCRIPTOR.size
            descriptors += [descriptor for (descriptor,) in _DESCRIPTOR.iter_unpack(data[:whole])]
    return packet, descriptors
