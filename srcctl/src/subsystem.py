"""The subsystem's side of SRC: for the author of a program of contact type 3 (sockets).

Such a program has a socket on its descriptor 0, on which requests arrive. The whole of one that obeys every command:

    from srcctl.src.subsystem import Subsystem

    class Ticker(Subsystem):
        def long_status(self):
            return ["all is well"]

    Ticker().serve()

What is not filled in is refused as the product does. A program with an event loop of its own watches ``fileno()`` and
calls ``serve_pending()``; one that wants the packets uses ``receive``, ``reply`` and ``reply_status``, and an
``Outbox`` for answers that are longer than the asker's socket holds.
(AIX manual: "Programming subsystem communication with the SRC"; srcrrqs, srcsrpy and ``spc.h``.)
"""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import time
from collections.abc import Iterable

from srcctl.node.root import NodeRoot
from srcctl.src.outbox import WAITING_MAX, Outbox
from srcctl.src.packets import (
    ACTIVE,
    CANONICAL,
    CODES_MAX,
    CONTINUED,
    END,
    ERROR,
    FORCED,
    LONGSTAT,
    LONGTRACE,
    MESSAGE,
    NORMAL,
    NOT_SUPPORTED,
    OK,
    PACKET_MAX,
    REFRESH,
    SHORTSTAT,
    SHORTTRACE,
    SRC_DIRECTORY,
    START,
    STATCONTINUED,
    STATUS,
    STATUS_TEXTS,
    STOP,
    STOPPING,
    SUBSYSTEM,
    TRACE,
    TRACEOFF,
    TRACEON,
    PacketError,
    Reply,
    Request,
    StatusCode,
    StatusReply,
    chunks,
    decode_request,
    encode_reply,
)

__all__ = [
    "ACTIVE",
    "CANONICAL",
    "CONTINUED",
    "END",
    "FORCED",
    "LONGSTAT",
    "LONGTRACE",
    "MESSAGE",
    "NORMAL",
    "NOT_SUPPORTED",
    "OK",
    "REFRESH",
    "SHORTSTAT",
    "SHORTTRACE",
    "START",
    "STATUS",
    "STATUS_TEXTS",
    "STOP",
    "STOPPING",
    "SUBSYSTEM",
    "TRACE",
    "TRACEOFF",
    "TRACEON",
    "Outbox",
    "Refused",
    "Request",
    "StatusCode",
    "Subsystem",
    "receive",
    "reply",
    "reply_codes",
    "reply_status",
    "src_socket",
]


STATUS_MAX = WAITING_MAX // 2
"""Characters of a long status."""
LAST_ANSWERS = 2.0
"""Seconds that a subsystem which ends has left for askers that have not taken the whole of their answers."""


class Refused(Exception):
    """A subsystem does not do what was asked; the text is shown to whoever asked (SRC_SUBMSG)."""


class Subsystem:
    """A subsystem as its author writes it: fill in what it can do.

    Args:
        source: SRC's socket if it is not on descriptor 0 any more.

    Raises:
        OSError: the program was not started by SRC: descriptor 0 is not SRC's socket.
    """

    def __init__(self, source: socket.socket | None = None) -> None:
        source = source or src_socket()
        if source is None:
            raise OSError("standard input is no SRC socket: start this program with startsrc")
        self._socket = source
        self._outbox = Outbox()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll = select.epoll()
        for descriptor in (source.fileno(), self._outbox.fileno(), self._wake_read):
            self._epoll.register(descriptor, select.EPOLLIN)
        self.stopped = False
        """Set when the subsystem shall end; ``serve`` returns then."""

    # What an author fills in. Each may raise Refused, or an OSError, whose text is shown to whoever asked.

    def stop(self, forced: bool) -> None:
        """Before the end: ``stopsrc`` (``forced`` with -f), or SIGTERM (a cancel stop, forced too)."""

    def long_status(self) -> Iterable[str]:
        """The lines of ``lssrc -l``."""
        return ()

    def canonical_status(self) -> Iterable[str]:
        """The lines of ``nlssrc -c -l``: ``key=value``, in English; by default those of ``lssrc -l``."""
        return self.long_status()

    def refresh(self) -> None:
        """``refresh``: read the configuration again."""
        raise NotImplementedError

    def trace(self, on: bool, long: bool) -> None:
        """``traceson`` (``long`` with -l) and ``tracesoff``."""
        raise NotImplementedError

    def start_subserver(self, code: int, name: str) -> None:
        """``startsrc -t``: the type's code point, and the object of -o."""
        raise NotImplementedError

    def stop_subserver(self, code: int, name: str, forced: bool) -> None:
        """``stopsrc -t``: ``name`` is the object of -o or the pid of -P, "" for all of the type."""
        raise NotImplementedError

    def trace_subserver(self, code: int, name: str, on: bool, long: bool) -> None:
        """``traceson -t`` and ``tracesoff -t``."""
        raise NotImplementedError

    def subserver_status(self, code: int, name: str) -> Iterable[StatusCode]:
        """``lssrc -t``: first a title, ``StatusCode(objname=..., objtext=...)``, then one for each subserver."""
        raise NotImplementedError

    def subserver_long_status(self, code: int, name: str) -> Iterable[str]:
        """The lines of ``lssrc -l -t``."""
        raise NotImplementedError

    # What a program calls.

    def fileno(self) -> int:
        """The descriptor that is readable when a request has arrived, or an asker can take more of its answer."""
        return self._epoll.fileno()

    def close(self) -> None:
        """Give the descriptors back."""
        self._epoll.close()
        self._outbox.close()
        self._socket.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def serve(self) -> int:
        """Obey requests and SIGTERM until the end; returns the exit status."""
        signal.signal(signal.SIGTERM, self._terminated)
        signal.set_wakeup_fd(self._wake_write)
        while not self.stopped:
            self._epoll.poll()
            try:
                os.read(self._wake_read, 512)  # a signal whose handler has run
            except BlockingIOError:
                pass
            self.serve_pending()
        deadline = time.monotonic() + LAST_ANSWERS
        while self._outbox.waiting and time.monotonic() < deadline:
            self._outbox.flush()
            select.select([self._outbox], [], [], 0.1)
        return 0

    def serve_pending(self) -> None:
        """Obey what has arrived, and send what waits; never waits itself."""
        self._outbox.flush()
        while (request := receive(self._socket)) is not None:
            self.obey(request)

    def obey(self, request: Request) -> None:
        """Carry out one request and answer it."""
        try:
            if request.action == STATUS:
                self._tell_status(request)
                return
            self._act(request)
        except NotImplementedError:
            reply(request, NOT_SUPPORTED, outbox=self._outbox)
        except Refused as reason:
            reply(request, MESSAGE, str(reason), outbox=self._outbox)
        except OSError as error:
            # A file that is missing is no reason to die of a refresh. Any other exception is the author's to see.
            what = f"{error.filename}: " if error.filename else ""
            reply(request, MESSAGE, f"{what}{error.strerror or error}", outbox=self._outbox)
        else:
            reply(request, OK, outbox=self._outbox)
        if request.action == STOP and request.object == SUBSYSTEM:
            self.stopped = True

    def _tell_status(self, request: Request) -> None:
        if request.object == SUBSYSTEM:
            lines = self.canonical_status() if request.parm2 == CANONICAL else self.long_status()
            reply_status(request, list(lines), outbox=self._outbox)
        elif request.parm1 == LONGSTAT:
            lines = self.subserver_long_status(request.object, request.objname)
            reply_status(request, list(lines), outbox=self._outbox)
        else:
            codes = list(self.subserver_status(request.object, request.objname))
            reply_codes(request, codes, outbox=self._outbox)

    def _act(self, request: Request) -> None:
        own = request.object == SUBSYSTEM
        match request.action:
            case value if value == STOP and own:
                self.stop(request.parm1 == FORCED)
            case value if value == STOP:
                self.stop_subserver(request.object, request.objname, request.parm1 == FORCED)
            case value if value == START and not own:
                self.start_subserver(request.object, request.objname)
            case value if value == REFRESH:
                self.refresh()
            case value if value == TRACE and own:
                self.trace(request.parm2 == TRACEON, request.parm1 == LONGTRACE)
            case value if value == TRACE:
                on, long = request.parm2 == TRACEON, request.parm1 == LONGTRACE
                self.trace_subserver(request.object, request.objname, on, long)
            case _:
                raise NotImplementedError

    def _terminated(self, number: int, frame: object) -> None:
        self.stop(True)
        self.stopped = True


def src_socket() -> socket.socket | None:
    """The SRC socket on descriptor 0, not blocking; None if the program was not started by SRC."""
    try:
        if not stat.S_ISSOCK(os.fstat(0).st_mode):
            return None
        sock = socket.socket(fileno=os.dup(0))
    except OSError:
        return None
    if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_DGRAM:
        sock.close()
        return None
    sock.setblocking(False)
    return sock


def receive(sock: socket.socket) -> Request | None:
    """The next request (recvfrom and srcrrqs); garbage is dropped.

    Returns None if the socket does not block and nothing is waiting.
    """
    while True:
        try:
            packet = sock.recv(PACKET_MAX + 1)
        except (BlockingIOError, InterruptedError):
            return None
        try:
            return decode_request(packet)
        except PacketError:
            continue


def reply(request: Request, code: int, text: str = "", *, outbox: Outbox) -> bool:
    """Answer a request (srcsrpy); False if the asker has gone.

    A STATUS request is answered by ``reply_status`` unless it is refused. What the asker has no room for yet waits in
    ``outbox``.
    """
    answer: Reply | StatusReply = Reply(code, request.objname, "", text, request.object)
    if request.action == STATUS:
        answer = StatusReply((StatusCode(code, request.objname, text, ERROR),))
    return _send(request, answer, outbox)


def reply_status(request: Request, lines: list[str], *, own_header: bool = False, outbox: Outbox) -> bool:
    """Answer a STATUS request with lines of text, in as many packets as they need.

    Args:
        request: the request.
        lines: without line ends.
        own_header: the text stands alone; lssrc prints no table in front.
        outbox: where packets wait that the asker has no room for yet.

    A status of more than ``STATUS_MAX`` bytes is refused: a part of it would pass for the whole.
    """
    parts = chunks(lines)
    if sum(map(len, parts)) > STATUS_MAX:
        return reply(request, MESSAGE, f"The status is longer than {STATUS_MAX} bytes.", outbox=outbox)
    code = StatusCode(0 if own_header else ACTIVE, request.objname, objtype=request.object)
    sent = True
    for number, text in enumerate(parts, 1):
        cont = END if number == len(parts) else STATCONTINUED
        sent = _send(request, StatusReply((code,), text, cont), outbox) and sent
    return sent


def reply_codes(request: Request, codes: list[StatusCode], *, outbox: Outbox) -> bool:
    """Answer a STATUS request for the short form with a title and a statcode for each object."""
    sent = True
    for start in range(0, max(1, len(codes)), CODES_MAX):
        part = tuple(code._replace(objtype=request.object) for code in codes[start : start + CODES_MAX])
        cont = END if start + CODES_MAX >= len(codes) else STATCONTINUED
        sent = _send(request, StatusReply(part, cont=cont), outbox) and sent
    return sent


def _send(request: Request, answer: Reply | StatusReply, outbox: Outbox) -> bool:
    if not request.retaddr:
        return False
    path = NodeRoot.current().path(f"{SRC_DIRECTORY}/{request.retaddr}")
    return outbox.send(path, encode_reply(answer._replace(retaddr=request.retaddr, tag=request.tag)))
