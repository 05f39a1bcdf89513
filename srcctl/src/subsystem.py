"""The subsystem's side of SRC: what a program of contact type 3 does with the socket on its descriptor 0.

    sock = socket.socket(fileno=0)
    while True:
        request = subsystem.receive(sock)
        if request.action == subsystem.STATUS:
            subsystem.reply_status(request, ["all is well"])
        elif request.action == subsystem.STOP:
            subsystem.reply(request, subsystem.OK)
            break

Works with blocking sockets as well as inside an event loop. (AIX manual: "Programming subsystem communication with the
SRC"; srcrrqs and srcsrpy.)
"""

from __future__ import annotations

import socket

from srcctl.node.root import NodeRoot
from srcctl.node.sockets import short_path
from srcctl.src.packets import (
    CONTINUED,
    END,
    FORCED,
    LONGSTAT,
    LONGTRACE,
    MESSAGE,
    NORMAL,
    NOT_SUPPORTED,
    OK,
    OWN_HEADER,
    PACKET_MAX,
    REFRESH,
    SHORTSTAT,
    SHORTTRACE,
    SRC_DIRECTORY,
    START,
    STATCONTINUED,
    STATUS,
    STOP,
    TRACE,
    TRACEOFF,
    TRACEON,
    PacketError,
    Reply,
    Request,
    chunks,
    decode_request,
    encode_reply,
)

__all__ = [
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
    "STOP",
    "TRACE",
    "TRACEOFF",
    "TRACEON",
    "Request",
    "receive",
    "reply",
    "reply_status",
]


def receive(sock: socket.socket) -> Request | None:
    """The next request; garbage is dropped.

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


def reply(request: Request, code: int, text: str = "") -> bool:
    """Answer a START, STOP, TRACE or REFRESH request; False if the asker has gone (srcsrpy)."""
    return _send(request, Reply(code, request.subsystem, request.pid, text))


def reply_status(request: Request, lines: list[str], *, own_header: bool = False) -> bool:
    """Answer a STATUS request with lines of text, in as many packets as they need.

    Args:
        request: the request.
        lines: without line ends.
        own_header: the text stands alone; lssrc prints no table in front.
    """
    parts = chunks(lines)
    flags = OWN_HEADER if own_header else 0
    sent = True
    for number, text in enumerate(parts, 1):
        cont = END if number == len(parts) else STATCONTINUED
        sent = _send(request, Reply(OK, request.subsystem, request.pid, text, flags, cont=cont)) and sent
    return sent


def _send(request: Request, answer: Reply) -> bool:
    if not request.retaddr:
        return False
    path = NodeRoot.current().path(f"{SRC_DIRECTORY}/{request.retaddr}")
    packet = encode_reply(answer._replace(retaddr=request.retaddr, serial=request.serial))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
        try:
            with short_path(path) as short:
                sock.sendto(packet, short)
        except OSError:
            return False
    return True
