"""The asker's side of SRC: one request, all its answers, within a time limit.

Requests go to srcmstr. What only the subsystem can answer (long status, refresh, trace, stop of a socket subsystem,
all that concerns a subserver) is passed on by srcmstr and answered by the subsystem directly to the asker. While
srcmstr is restarted requests wait in /dev/SRC, which the machine holds. One is sent again when srcmstr was restarted
before it answered: the one that was killed may have read it. srcmstr recognizes it by its return address.
"""

from __future__ import annotations

import errno
import os
import select
import time
from _socket import AF_UNIX, SO_RCVBUF, SO_SNDTIMEO, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET
from _socket import socket as Socket  # noqa: N812 - see srcctl
from _thread import get_native_id
from struct import Struct

from srcctl.commands.options import is_number
from srcctl.node.root import NodeRoot
from srcctl.node.sockets import bind_private, short_path
from srcctl.src.packets import (
    END,
    ERROR,
    FORWARDED,
    LONGSTAT,
    PACKET_MAX,
    SRC_DIRECTORY,
    SRC_INCARNATION,
    SRC_SOCKET,
    STATUS,
    PacketError,
    Reply,
    Request,
    StatusReply,
    decode_reply,
    decode_status,
    encode_request,
)

_TIMEVAL = Struct("ll")
TIME_LIMIT = 20.0
"""Seconds to wait for all answers (not documented for the product; ``SRC_TIME_LIMIT`` overrides it)."""
ANSWERS_MAX = 64 << 20
"""Bytes of all answers to one request."""
RESEND_CHECK = 0.05
"""Seconds between looks at whether srcmstr was restarted."""

Answer = Reply | StatusReply


class NotActive(Exception):
    """srcmstr does not run, or may not be asked."""


class NoReplyAddress(NotActive):
    """No socket for the answer can be made: the disk is full or read-only. srcmstr may well run."""


class NoAnswer(Exception):
    """Not everything was answered in time. ``replies`` are the answers that came."""

    def __init__(self, replies: list[Answer]) -> None:
        super().__init__("no answer")
        self.replies = replies


def time_limit() -> float:
    """Seconds that a request may take."""
    try:
        return float(os.environ["SRC_TIME_LIMIT"])
    except (KeyError, ValueError):
        return TIME_LIMIT


class Exchange:
    """What is still to come of the answers to one request.

    srcmstr's own answers carry no tag and end with END. Where it says that a request was passed on, answers with that
    tag follow (or came already: they take another way). After a restart of srcmstr everything it said is said again;
    what has been answered under a tag stays answered.
    """

    def __init__(self, request: Request) -> None:
        self._status = request.action == STATUS
        self._long = request.parm1 == LONGSTAT and request.action == STATUS
        self._own: list[Answer] = []
        self._finished = False
        self._expected: list[int] = []
        self._parts: dict[int, list[Answer]] = {}
        self._whole: dict[int, list[Answer]] = {}
        self.size = 0
        """Bytes that came."""

    def again(self) -> None:
        """The request was sent to another srcmstr."""
        self._own, self._expected, self._finished = [], [], False

    def take(self, packet: bytes, address: str) -> None:
        """A packet that came; what is no answer to the request is dropped."""
        self.size += len(packet)
        try:
            answer = decode_status(packet, long=self._long) if self._status else decode_reply(packet)
        except PacketError:
            return
        if answer.retaddr != address:
            return
        if answer.tag:
            if answer.tag not in self._whole:
                parts = self._parts.setdefault(answer.tag, [])
                parts.append(answer)
                if answer.cont == END:
                    self._whole[answer.tag] = self._parts.pop(answer.tag)
            return
        if self._finished:
            return
        tag = _passed_on(answer)
        if tag is None:
            self._own.append(answer)
        else:
            self._expected.append(tag)
        self._finished = answer.cont == END

    @property
    def complete(self) -> bool:
        """Whether every answer has come."""
        return self._finished and all(tag in self._whole for tag in self._expected)

    def answers(self) -> list[Answer]:
        """The answers so far: srcmstr's own, then the instances' in the order in which they were asked."""
        return [*self._own, *(answer for tag in self._expected for answer in self._whole.get(tag, ()))]


def _passed_on(answer: Answer) -> int | None:
    """The tag under which answers follow, None if this is the answer itself."""
    if isinstance(answer, StatusReply):
        code = answer.codes[0] if len(answer.codes) == 1 and answer.codes[0].objtype == ERROR else None
        text = code.objtext if code is not None and code.status == FORWARDED else ""
    else:
        text = answer.objtext if answer.rtncode == FORWARDED else ""
    return int(text) if is_number(text) else None


class Asker:
    """Asks one srcmstr, one request at a time.

    Raises:
        NotActive: the node has no /dev/.SRC-unix (it was never booted).
        NoReplyAddress: nothing can be written there.
    """

    def __init__(self, root: NodeRoot) -> None:
        self._root = root

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def ask(self, request: Request, limit: float | None = None) -> list[Answer]:
        """All answers to a request; srcmstr's own first.

        Raises:
            NotActive: srcmstr does not run.
            NoAnswer: the time limit passed first.
        """
        # From the clock, so that a recycled id never repeats an earlier return address; threads ask beside each other.
        address = f"SRC{get_native_id()}.{time.monotonic_ns() & 0xFFFFFFFFFFFF:x}"
        path = self._root.path(f"{SRC_DIRECTORY}/{address}")
        own = Socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        try:
            with short_path(path) as short:
                # The directory keeps strangers out; a subsystem that runs as another user has to answer.
                bind_private(own, short, 0o666)
        except OSError as error:
            own.close()
            if error.errno in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
                raise NoReplyAddress(f"no reply socket can be made in {SRC_DIRECTORY}: {error.strerror}") from None
            raise NotActive(str(error)) from None
        try:
            own.setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 20)
            return self._exchange(own, address, request, time_limit() if limit is None else limit)
        finally:
            own.close()
            try:
                os.unlink(path)
            except OSError:
                pass

    def _exchange(self, own: Socket, address: str, request: Request, limit: float) -> list[Answer]:
        packet = encode_request(request._replace(retaddr=address))
        deadline = time.monotonic() + limit
        exchange = Exchange(request)
        sent_to = self._send(own, packet, deadline)
        while not exchange.complete:
            left = min(deadline, time.monotonic() + RESEND_CHECK) - time.monotonic()
            # A subsystem that never comes to an end is one that does not answer.
            if time.monotonic() >= deadline or exchange.size > ANSWERS_MAX:
                raise self._unanswered(self._identity(), exchange.answers())
            if select.select([own], [], [], max(0.0, left))[0]:
                exchange.take(own.recv(PACKET_MAX + 1), address)
                continue
            identity = self._identity()
            if not identity:
                raise NotActive("srcmstr has ended, and is not started again")
            if identity != sent_to:
                exchange.again()
                sent_to = self._send(own, packet, deadline)
        return exchange.answers()

    def _identity(self) -> str:
        """Which srcmstr serves, or served last; "" if there was none since the node was powered on."""
        try:
            return os.readlink(self._root.path(SRC_INCARNATION))
        except OSError:
            return ""

    def _send(self, own: Socket, packet: bytes, deadline: float) -> str:
        """Leave the request with srcmstr, or with the one that is being started."""
        known = self._identity()
        if not known:
            raise NotActive("srcmstr never served")
        left = max(0.001, deadline - time.monotonic())
        # The queue is full while srcmstr hangs.
        own.setsockopt(SOL_SOCKET, SO_SNDTIMEO, _TIMEVAL.pack(int(left), int(left % 1 * 1_000_000)))
        try:
            with short_path(self._root.path(SRC_SOCKET)) as short:
                own.sendto(packet, short)
        except BlockingIOError:
            raise self._unanswered(known, []) from None
        except OSError as error:
            raise NotActive(str(error)) from None
        return known

    def _unanswered(self, incarnation: str, replies: list[Answer]) -> Exception:
        """What a time-out means: srcmstr, or a subsystem, does not answer, or there is no srcmstr."""
        try:
            os.kill(int(incarnation.partition(".")[0]), 0)
        except ProcessLookupError:
            return NotActive("srcmstr has ended")
        except (OSError, ValueError):
            pass
        return NoAnswer(replies)


def ask(root: NodeRoot, request: Request, limit: float | None = None) -> list[Answer]:
    """One request; see ``Asker.ask``."""
    with Asker(root) as asker:
        return asker.ask(request, limit)
