"""The asker's side of SRC: one request, all its answers, within a time limit.

Requests go to srcmstr. What only the subsystem can answer (long status, refresh, trace, stop of a socket subsystem) is
passed on by srcmstr and answered by the subsystem directly to the asker. A request is sent again when srcmstr was
restarted before it answered: srcmstr recognizes it by its serial number.
"""

from __future__ import annotations

import os
import select
import socket
import time

from srcctl.node.root import NodeRoot
from srcctl.node.sockets import bind, short_path
from srcctl.src.packets import (
    END,
    FORWARDED,
    PACKET_MAX,
    SRC_DIRECTORY,
    SRC_SOCKET,
    PacketError,
    Reply,
    Request,
    decode_reply,
    encode_request,
)

TIME_LIMIT = 20.0
"""Seconds to wait for all answers (not documented for the product; ``SRC_TIME_LIMIT`` overrides it)."""
RESEND_CHECK = 0.05
"""Seconds between looks at whether srcmstr was restarted."""


class NotActive(Exception):
    """srcmstr does not run, or may not be asked."""


class NoAnswer(Exception):
    """Not everything was answered in time. ``replies`` are the answers that came."""

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__("no answer")
        self.replies = replies


def time_limit() -> float:
    """Seconds that a request may take."""
    try:
        return float(os.environ["SRC_TIME_LIMIT"])
    except (KeyError, ValueError):
        return TIME_LIMIT


class Asker:
    """A reply socket, for one or more requests in turn.

    Raises:
        NotActive: the node has no /dev/.SRC-unix (it was never booted).
    """

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        # The serial number carries on from the clock, so that a recycled pid never repeats an earlier request.
        self._serial = time.monotonic_ns()
        self.address = f"SRC{os.getpid()}.{self._serial & 0xFFFFFFFF:x}"
        self._path = root.path(f"{SRC_DIRECTORY}/{self.address}")
        try:
            self._socket = bind(self._path, socket.SOCK_DGRAM)
        except OSError as error:
            raise NotActive(str(error)) from None
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def close(self) -> None:
        """Remove the reply socket."""
        self._socket.close()
        try:
            os.unlink(self._path)
        except OSError:
            pass

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def ask(self, request: Request, limit: float | None = None) -> list[Reply]:
        """All answers to a request, in the order in which they came; parts of one text are joined.

        Raises:
            NotActive: srcmstr does not run.
            NoAnswer: the time limit passed first.
        """
        self._serial += 1
        packet = encode_request(request._replace(retaddr=self.address, serial=self._serial))
        deadline = time.monotonic() + (time_limit() if limit is None else limit)
        sent_to = self._send(packet, deadline)
        replies: list[Reply] = []
        expected: set[str] = set()
        texts: dict[str, Reply] = {}
        finished = False
        while not finished or expected:
            reply = self._receive(min(deadline, time.monotonic() + RESEND_CHECK))
            if reply is None:
                if time.monotonic() >= deadline:
                    raise NoAnswer(replies)
                if not finished and self._identity() not in (sent_to, None):
                    sent_to = self._send(packet, deadline)
                    replies, expected, texts = [], set(), {}
                continue
            if reply.rtncode == FORWARDED:
                expected.add(reply.objname)
                finished = finished or reply.cont == END
                continue
            if reply.objname in expected:
                earlier = texts.pop(reply.objname, None)
                if earlier is not None:
                    reply = reply._replace(text=f"{earlier.text}\n{reply.text}")
                if reply.cont != END:
                    texts[reply.objname] = reply
                    continue
                expected.discard(reply.objname)
                replies.append(reply)
                continue
            replies.append(reply)
            finished = finished or reply.cont == END
        return replies

    def _identity(self) -> tuple[int, int] | None:
        """Which srcmstr listens: its socket file, or None while there is none."""
        try:
            status = os.stat(self._root.path(SRC_SOCKET))
        except OSError:
            return None
        return status.st_ino, status.st_ctime_ns

    def _send(self, packet: bytes, deadline: float) -> tuple[int, int] | None:
        """Send to srcmstr; one that is being restarted is waited for."""
        path = self._root.path(SRC_SOCKET)
        known = self._identity()
        if known is None:
            raise NotActive("srcmstr has no socket")
        while True:
            try:
                with short_path(path) as short:
                    self._socket.sendto(packet, short)
                return known
            except PermissionError as error:
                raise NotActive(str(error)) from None
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise NotActive(str(error)) from None
                time.sleep(0.005)
            known = self._identity() or known

    def _receive(self, until: float) -> Reply | None:
        while True:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                return None
            try:
                reply = decode_reply(self._socket.recv(PACKET_MAX + 1))
            except PacketError:
                continue
            if reply.serial == self._serial:
                return reply


def ask(root: NodeRoot, request: Request, limit: float | None = None) -> list[Reply]:
    """One request with a reply socket of its own; see ``Asker.ask``."""
    with Asker(root) as asker:
        return asker.ask(request, limit)
