"""lpar's end of the channel to srcmstr: one SOCK_SEQPACKET pair for every srcmstr that is started."""

from __future__ import annotations

import _socket
import errno
import os
import select

from srcctl.node import messages, sockets
from srcctl.node.console import Console

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

BUFFER: Final = 1 << 20
"""Bytes of the socket's queue: the table of some thousand instances."""
DESCRIPTORS_MAX: Final = 4


class SrcmstrChannel:
    """The channel to the srcmstr that runs now.

    Args:
        poll: where the channel is registered while it is open.
        console: where complaints go.
    """

    def __init__(self, poll: select.poll, console: Console) -> None:
        self._poll = poll
        self._console = console
        self._socket: _socket.socket | None = None

    @property
    def descriptor(self) -> int:
        """The open channel's descriptor, -1 when there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def open(self) -> _socket.socket:
        """Close the old channel and open a new one; returns the end for the new srcmstr, which the caller closes."""
        self.close()
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, BUFFER)
        ours.setblocking(False)
        self._socket = ours
        self._poll.register(ours, select.POLLIN)
        return theirs

    def close(self) -> None:
        """Close the channel, if it is open."""
        if self._socket is not None:
            self._poll.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def send(self, message: messages.FromLpar) -> bool:
        """Tell srcmstr. Returns False if it does not listen any more: what it misses is in its successor's table."""
        if self._socket is None:
            return True
        try:
            self._socket.send(messages.encode(message))
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                self._console.write(f"lpar: srcmstr does not listen: {error.strerror}")
                return False
        return True

    def receive(self) -> Iterator[tuple[messages.ToLpar, int]]:
        """What srcmstr has sent, each with the descriptor that came along (-1 for none; closed by this method)."""
        channel = self._socket
        while channel is not None and channel is self._socket:
            try:
                data, descriptors = sockets.receive_with_descriptors(channel, messages.PACKET_MAX, DESCRIPTORS_MAX)
            except BlockingIOError:
                return
            except ConnectionResetError:
                # Said once, ahead of what is still queued, if srcmstr died with unread messages of ours (af_unix).
                continue
            except OSError:
                data, descriptors = b"", []
            if not data:
                self.close()
                return
            try:
                yield messages.decode_to_lpar(data), descriptors[0] if descriptors else -1
            except messages.DecodeError as error:
                self._console.write(f"lpar: srcmstr sent something else: {error}")
            finally:
                for descriptor in descriptors:
                    try:
                        os.close(descriptor)
                    except OSError:
                        pass
