"""SRC packets: what commands, srcmstr and subsystems send each other in datagrams.

The structures are those that ``spc.h`` documents for subsystem authors, with their fields in the documented order;
numbers are in network byte order, strings are padded with null bytes. How AIX lays out a return address and what its
commands send to srcmstr in front of srchdr's successors is not documented (inferred).

    srchdr   = retaddr (family:u16, name[62], tag:u32), dversion:i16, cont:i16
    subreq   = object:i16, action:i16, parm1:i16, parm2:i16, objname[30]
    svrreply = rtncode:i16, objtype:i16, objtext[65], objname[30], rtnmsg[256]
    statcode = objtype:i16, status:i16, objtext[65], objname[30]

    srcreq   = srchdr, subreq                       what a subsystem gets; cont is END
    scrreq   = srcreq, kind:i16, subsysname[30], pid:i32, text   what srcmstr gets; cont is NEWREQUEST
    srcrep   = srchdr, svrreply                     the answer to START, STOP, TRACE and REFRESH
    statrep  = srchdr, statcode ...                 the answer to STATUS, short; the first statcode is the title line
    longrep  = srchdr, statcode, text               the answer to STATUS, long

An answer repeats the srchdr of its request but for ``cont``. The return address names the asker's socket, a new one
for each request, so that a request which is sent again (to a srcmstr that was restarted) is recognized by it. ``tag``
is 0 in what srcmstr says itself; where it passes a request on it puts the number of the subsystem's instance there.
"""

from __future__ import annotations

import struct

from srcctl.commands.record import Record

SRC_SOCKET = "/dev/SRC"
SRC_DIRECTORY = "/dev/.SRC-unix"
SRC_INCARNATION = "/dev/.SRC-unix/.srcmstr"
"""A symbolic link to ``PID.NUMBER`` of the srcmstr that serves now: who waits for an answer sees that it is another."""
SRC_SERVICE = "src"
"""The service of remote requests in /etc/services."""

NAME_BYTES = 30
"""SRCNAMESZ: bytes of a name with the closing null."""
PACKET_MAX = 8192
"""SRCPKTMAX."""
OBJECT_TEXT_BYTES = 65
MESSAGE_BYTES = 256
VERSION = 1
"""srchdr.dversion."""
BODY_MAX = 2402
"""Bytes of the argument and environment strings of startsrc, each closed by a null."""
TEXT_MAX = 7900
"""Bytes of the text in one packet of a long status."""
CODES_MAX = 80
"""statcodes in one packet."""

# Actions (subreq.action); 0 to 255 are SRC's own.
START, STOP, STATUS, TRACE, REFRESH = 0, 1, 2, 3, 4
OWN_ACTIONS = 256
"""The first action that a subsystem may define for itself."""
# parm1 of STOP, STATUS and TRACE; parm2 of TRACE.
NORMAL, FORCED, CANCEL = 0, 1, 2
SHORTSTAT, LONGSTAT = 0, 1
SHORTTRACE, LONGTRACE = 0, 1
TRACEOFF, TRACEON = 0, 1
CANONICAL = 1
"""parm2 of STATUS with LONGSTAT: the form of nlssrc -c (inferred)."""
# object and objtype: the subsystem itself, or a subserver type's code point; objtype also says that a statcode is none.
SUBSYSTEM = -1
ERROR = -2
"""objtype of a statcode that stands for a complaint: ``status`` is the rtncode."""
# Whom a request to srcmstr means: what its name field holds (a field of its own: a name may have any character).
BY_NAME, BY_GROUP, BY_TYPE, ALL_SUBSYSTEMS = 0, 1, 2, 3
# cont.
NEWREQUEST, CONTINUED, STATCONTINUED, END = 1, 2, 3, 0

# rtncode: 0 success; positive numbers are message numbers of the 0513 catalogue; negative ones follow.
OK = 0
MESSAGE = -1
"""SRC_SUBMSG: rtnmsg is the subsystem's own and is shown to the user."""
NOT_SUPPORTED = -2
"""SRC_SUBICMD: the subsystem does not do that."""
FORWARDED = -3
"""srcmstr passed the request on; the instance ``objtext`` (a number, the tag of its answers) answers itself."""

# Status codes (statcode.status) and their texts (srcstattxt); the numbers are inferred.
INOPERATIVE, ACTIVE, WARNED, STOPPING, STARTING, INACTIVE = 1, 2, 3, 4, 5, 6
CLOSED, CLOSING, OPEN, OPENING, OPEN_INACTIVE, IDLE, TEST_ACTIVE, TEST_PENDING = 7, 8, 9, 10, 11, 12, 13, 14
STATUS_TEXTS = {
    INOPERATIVE: "inoperative", ACTIVE: "active", WARNED: "warned to stop", STOPPING: "stopping",
    STARTING: "starting", INACTIVE: "not active", CLOSED: "closed", CLOSING: "closing", OPEN: "open",
    OPENING: "opening", OPEN_INACTIVE: "open inactive", IDLE: "idle", TEST_ACTIVE: "test active",
    TEST_PENDING: "test pending",
}  # fmt: skip

UNIX, INTERNET = 1, 2
"""Families of a return address: a socket in /dev/.SRC-unix, or ``address:port`` on another host."""

_HEADER = struct.Struct("!H62sIhh")
_SUBREQ = struct.Struct("!hhhh30s")
_TO_SRCMSTR = struct.Struct("!h30si")
_SVRREPLY = struct.Struct(f"!hh{OBJECT_TEXT_BYTES}s30s{MESSAGE_BYTES}s")
_STATCODE = struct.Struct(f"!hh{OBJECT_TEXT_BYTES}s30s")


class PacketError(Exception):
    """Bytes that are no SRC packet."""


class Request(Record):
    """A request (srcreq, scrreq). ``pid`` 0 means any instance; ``body`` holds the strings of startsrc; ``kind`` says
    what ``subsystem`` names: a subsystem, a group, a subserver type or, with every subsystem meant, nothing."""

    action: int
    subsystem: str = ""
    pid: int = 0
    object: int = SUBSYSTEM
    parm1: int = 0
    parm2: int = 0
    objname: str = ""
    body: bytes = b""
    retaddr: str = ""
    tag: int = 0
    cont: int = NEWREQUEST
    kind: int = BY_NAME


class Reply(Record):
    """An answer to START, STOP, TRACE or REFRESH (srcrep)."""

    rtncode: int
    objname: str = ""
    objtext: str = ""
    rtnmsg: str = ""
    objtype: int = SUBSYSTEM
    cont: int = END
    retaddr: str = ""
    tag: int = 0


class StatusCode(Record):
    """One line of a status (statcode)."""

    status: int = 0
    objname: str = ""
    objtext: str = ""
    objtype: int = SUBSYSTEM


class StatusReply(Record):
    """An answer to STATUS (statrep). ``text`` is a part of a long status; it has one statcode in front."""

    codes: tuple[StatusCode, ...] = ()
    text: str = ""
    cont: int = END
    retaddr: str = ""
    tag: int = 0


def encode_request(request: Request) -> bytes:
    """The packet of a request: for srcmstr where ``cont`` is NEWREQUEST, else for a subsystem.

    Raises:
        ValueError: a name or the body is too long.
    """
    if len(request.body) > BODY_MAX:
        raise ValueError("the request is too long")
    packet = _header(request.retaddr, request.tag, request.cont) + _SUBREQ.pack(
        request.object, request.action, request.parm1, request.parm2, _name(request.objname, NAME_BYTES)
    )
    if request.cont != NEWREQUEST:
        return packet
    name = _name(request.subsystem, NAME_BYTES)
    return packet + _TO_SRCMSTR.pack(request.kind, name, request.pid) + request.body


def decode_request(packet: bytes) -> Request:
    """The request in a packet.

    Raises:
        PacketError: it is none.
    """
    retaddr, tag, cont = _read_header(packet, _HEADER.size + _SUBREQ.size)
    code, action, parm1, parm2, objname = _SUBREQ.unpack_from(packet, _HEADER.size)
    rest = packet[_HEADER.size + _SUBREQ.size :]
    if cont != NEWREQUEST:
        # What a subsystem gets: the name that the request is about is its own.
        return Request(action, "", 0, code, parm1, parm2, _text(objname), b"", retaddr, tag, cont)
    if not _TO_SRCMSTR.size <= len(rest) <= _TO_SRCMSTR.size + BODY_MAX:
        raise PacketError("a request to srcmstr of the wrong size")
    kind, subsystem, pid = _TO_SRCMSTR.unpack_from(rest)
    if not BY_NAME <= kind <= ALL_SUBSYSTEMS:
        raise PacketError("a request that means nobody")
    body = rest[_TO_SRCMSTR.size :]
    return Request(action, _text(subsystem), pid, code, parm1, parm2, _text(objname), body, retaddr, tag, cont, kind)


def encode_reply(reply: Reply | StatusReply) -> bytes:
    """The packet of an answer; texts beyond their fields are cut."""
    header = _header(reply.retaddr, reply.tag, reply.cont)
    if isinstance(reply, Reply):
        return header + _SVRREPLY.pack(
            reply.rtncode,
            reply.objtype,
            _cut(reply.objtext, OBJECT_TEXT_BYTES),
            _cut(reply.objname, NAME_BYTES),
            _cut(reply.rtnmsg, MESSAGE_BYTES),
        )
    return (
        header
        + b"".join(
            _STATCODE.pack(c.objtype, c.status, _cut(c.objtext, OBJECT_TEXT_BYTES), _cut(c.objname, NAME_BYTES))
            for c in reply.codes
        )
        + reply.text.encode()[:TEXT_MAX]
    )


def decode_reply(packet: bytes) -> Reply:
    """The srcrep in a packet.

    Raises:
        PacketError: it is none.
    """
    retaddr, tag, cont = _read_header(packet, _HEADER.size + _SVRREPLY.size)
    rtncode, objtype, objtext, objname, rtnmsg = _SVRREPLY.unpack_from(packet, _HEADER.size)
    return Reply(rtncode, _text(objname), _text(objtext), _text(rtnmsg), objtype, cont, retaddr, tag)


def decode_status(packet: bytes, *, long: bool = False) -> StatusReply:
    """The statrep in a packet; ``long`` says that the request was for LONGSTAT.

    Raises:
        PacketError: it is none.
    """
    retaddr, tag, cont = _read_header(packet, _HEADER.size)
    end = min(len(packet), _HEADER.size + _STATCODE.size) if long else len(packet)
    if (end - _HEADER.size) % _STATCODE.size:
        raise PacketError("a status that ends inside of a statcode")
    codes = tuple(
        StatusCode(status, _text(objname), _text(objtext), objtype)
        for objtype, status, objtext, objname in _STATCODE.iter_unpack(packet[_HEADER.size : end])
    )
    return StatusReply(codes, packet[end:].decode(errors="replace"), cont, retaddr, tag)


def with_return_address(packet: bytes, retaddr: str) -> bytes:
    """The same packet for another return address.

    Raises:
        PacketError: it is no packet.
    """
    _, tag, cont = _read_header(packet, _HEADER.size)
    return _header(retaddr, tag, cont) + packet[_HEADER.size :]


def internet_address(retaddr: str) -> tuple[str, int] | None:
    """The host's address and port where a return address is one of another host, else None."""
    host, colon, port = retaddr.rpartition(":")
    return (host, int(port)) if colon else None


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


def _header(retaddr: str, tag: int, cont: int) -> bytes:
    family, name = UNIX, _name(retaddr, 62)
    address = internet_address(retaddr)
    if address is not None:
        from _socket import inet_aton

        family, name = INTERNET, inet_aton(address[0]) + address[1].to_bytes(2, "big")
    return _HEADER.pack(family, name, tag, VERSION, cont)


def _read_header(packet: bytes, least: int) -> tuple[str, int, int]:
    if not least <= len(packet) <= PACKET_MAX:
        raise PacketError(f"{len(packet)} bytes are no SRC packet")
    family, name, tag, version, cont = _HEADER.unpack_from(packet)
    if family not in (UNIX, INTERNET) or version != VERSION or not 0 <= cont <= STATCONTINUED:
        raise PacketError("not an SRC packet")
    if family == INTERNET:
        from _socket import inet_ntoa

        return f"{inet_ntoa(name[:4])}:{int.from_bytes(name[4:6], 'big')}", tag, cont
    address = _text(name)
    if "/" in address or ":" in address or address in (".", ".."):
        raise PacketError("the return address lies outside of its directory")
    return address, tag, cont


def _name(text: str, size: int) -> bytes:
    encoded = text.encode()
    if len(encoded) >= size or b"\0" in encoded:
        raise ValueError(f"{text!r} is longer than {size - 1} bytes")
    return encoded


def _cut(text: str, size: int) -> bytes:
    """As many whole characters as fit in front of the closing null."""
    return text.replace("\0", " ").encode()[: size - 1].decode(errors="ignore").encode()


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")
