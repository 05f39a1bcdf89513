"""SRC packets: what commands, srcmstr and subsystems send each other in datagrams.

The parts are those of ``spc.h`` (srchdr, subreq, svrreply); the byte layout is our own, because the product's is
only documented as C structures. All numbers are in network byte order, strings are padded with null bytes.

    request = header, subsystem[30], pid:i32, object:i16, action:i16, parm1:i16, parm2:i16, objname[30], body
    reply   = header, rtncode:i16, objtype:i16, flags:u16, pid:i32, objname[30], text
    header  = magic[4], retaddr[64], serial:u64, cont:i16

``retaddr`` is the name of the asker's socket in /dev/.SRC-unix; ``serial`` tells the requests of one asker apart, so
that a request which is sent again (to a srcmstr that was restarted) is recognized.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

SRC_SOCKET = "/dev/SRC"
SRC_DIRECTORY = "/dev/.SRC-unix"

NAME_BYTES = 30
"""SRCNAMESZ: bytes of a name with the closing null."""
PACKET_MAX = 8192
"""SRCPKTMAX."""
BODY_MAX = 2400
"""Bytes of a request's body: the argument and environment strings of startsrc."""
TEXT_MAX = 7900
"""Bytes of a reply's text."""

# Actions (subreq.action).
START, STOP, STATUS, TRACE, REFRESH = 0, 1, 2, 3, 4
# parm1 of STOP, STATUS and TRACE; parm2 of TRACE.
NORMAL, FORCED, CANCEL = 0, 1, 2
SHORTSTAT, LONGSTAT = 0, 1
SHORTTRACE, LONGTRACE = 0, 1
TRACEOFF, TRACEON = 0, 1
# object and objtype.
SUBSYSTEM = -1
# How a request addresses subsystems: by name, or by these prefixes in the name field.
GROUP_PREFIX = "#"
ALL_SUBSYSTEMS = "*"
# cont.
NEWREQUEST, CONTINUED, STATCONTINUED, END = 1, 2, 3, 0

# rtncode: 0 success; positive numbers are message numbers of the 0513 catalogue; negative ones follow.
OK = 0
MESSAGE = -1
"""SRC_SUBMSG: the text is the subsystem's own and is shown to the user."""
NOT_SUPPORTED = -2
"""SRC_SUBICMD: the subsystem does not do that."""
FORWARDED = -3
"""srcmstr passed the request on; the subsystem ``objname`` answers itself."""
DENIED = -4

OWN_HEADER = 1
"""Flag of a status reply: the text stands alone, no table of the short status in front."""

_HEADER = struct.Struct("!4s64sQh")
_REQUEST = struct.Struct("!30sihhhh30s")
_REPLY = struct.Struct("!hhHi30s")
_MAGIC = b"SRC1"


class PacketError(Exception):
    """Bytes that are no SRC packet."""


class Request(NamedTuple):
    """A request. ``pid`` 0 means any instance; ``body`` holds argument and environment strings of startsrc."""

    action: int
    subsystem: str = ""
    pid: int = 0
    object: int = SUBSYSTEM
    parm1: int = 0
    parm2: int = 0
    objname: str = ""
    body: bytes = b""
    retaddr: str = ""
    serial: int = 0
    cont: int = NEWREQUEST


class Reply(NamedTuple):
    """A reply: ``rtncode``, the subsystem it is about, and text."""

    rtncode: int
    objname: str = ""
    pid: int = 0
    text: str = ""
    flags: int = 0
    objtype: int = SUBSYSTEM
    cont: int = END
    retaddr: str = ""
    serial: int = 0


def encode_request(request: Request) -> bytes:
    """The packet of a request.

    Raises:
        ValueError: a name or the body is too long.
    """
    if len(request.body) > BODY_MAX:
        raise ValueError("the request is too long")
    return (
        _HEADER.pack(_MAGIC, _name(request.retaddr, 64), request.serial, request.cont)
        + _REQUEST.pack(
            _name(request.subsystem, NAME_BYTES),
            request.pid,
            request.object,
            request.action,
            request.parm1,
            request.parm2,
            _name(request.objname, NAME_BYTES),
        )
        + request.body
    )


def decode_request(packet: bytes) -> Request:
    """The request in a packet.

    Raises:
        PacketError: it is none.
    """
    retaddr, serial, cont = _header(packet, _HEADER.size + _REQUEST.size)
    subsystem, pid, kind, action, parm1, parm2, objname = _REQUEST.unpack_from(packet, _HEADER.size)
    body = packet[_HEADER.size + _REQUEST.size :]
    if len(body) > BODY_MAX:
        raise PacketError("body too long")
    return Request(action, _text(subsystem), pid, kind, parm1, parm2, _text(objname), body, retaddr, serial, cont)


def encode_reply(reply: Reply) -> bytes:
    """The packet of a reply; text beyond TEXT_MAX is cut."""
    return (
        _HEADER.pack(_MAGIC, _name(reply.retaddr, 64), reply.serial, reply.cont)
        + _REPLY.pack(reply.rtncode, reply.objtype, reply.flags, reply.pid, _name(reply.objname, NAME_BYTES))
        + reply.text.encode()[:TEXT_MAX]
    )


def decode_reply(packet: bytes) -> Reply:
    """The reply in a packet.

    Raises:
        PacketError: it is none.
    """
    retaddr, serial, cont = _header(packet, _HEADER.size + _REPLY.size)
    rtncode, objtype, flags, pid, objname = _REPLY.unpack_from(packet, _HEADER.size)
    text = packet[_HEADER.size + _REPLY.size :].decode(errors="replace")
    return Reply(rtncode, _text(objname), pid, text, flags, objtype, cont, retaddr, serial)


def encode_start_body(arguments: str, environment: str) -> bytes:
    """The body of a START request."""
    return arguments.encode() + b"\0" + environment.encode()


def decode_start_body(body: bytes) -> tuple[str, str]:
    """Argument and environment strings of a START request."""
    arguments, _, environment = body.partition(b"\0")
    return arguments.decode(errors="replace"), environment.decode(errors="replace")


def chunks(lines: list[str]) -> list[str]:
    """Texts that fit into one packet each; always at least one."""
    result, size, chunk = [], 0, list[str]()
    for line in lines:
        length = len(line.encode()) + 1
        if chunk and size + length > TEXT_MAX:
            result.append("\n".join(chunk))
            chunk, size = [], 0
        chunk.append(line)
        size += length
    result.append("\n".join(chunk))
    return result


def _header(packet: bytes, least: int) -> tuple[str, int, int]:
    if not least <= len(packet) <= PACKET_MAX:
        raise PacketError(f"{len(packet)} bytes are no SRC packet")
    magic, retaddr, serial, cont = _HEADER.unpack_from(packet)
    if magic != _MAGIC:
        raise PacketError("not an SRC packet")
    address = _text(retaddr)
    if "/" in address or address in (".", ".."):
        raise PacketError("the reply address lies outside of its directory")
    return address, serial, cont


def _name(text: str, size: int) -> bytes:
    encoded = text.encode()
    if len(encoded) >= size or b"\0" in encoded:
        raise ValueError(f"{text!r} is longer than {size - 1} bytes")
    return encoded


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")
