"""SNMP version 1 and 2c packets (RFC 1157, RFC 3416), on the packet-level interface of pysnmp.

``answer`` is the whole agent as a pure function from a request packet to a reply packet; ``request`` and
``parse_reply`` are the manager's half, which clinfoES uses.

Who polls asks the same and is mostly answered the same, but for the request-id. Both halves remember packets without it
and what they mean: to encode and decode a walk takes tens of milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pysnmp.proto import api
from pysnmp.proto.error import ProtocolError

from daemons.snmpd.values import ABSENT, END, MibTree, Oid, Value
from srcctl.machine import RemoteFault

V1: int = api.SNMP_VERSION_1
V2C: int = api.SNMP_VERSION_2C
PACKET_MAX = 16_384
"""Bytes of a request; nothing larger is parsed."""
REPLY_MAX = 1_400
"""Bytes of a bulk reply: one Ethernet frame."""
BULK_MAX = 128
"""Repetitions of a GETBULK that are served at most."""
IDENTIFIER_BYTES = 4
"""Of the request-ids that this side chooses."""
REMEMBERED_MAX = 64
"""Bulk requests whose answers an agent remembers."""

_KINDS = (
    ("GetRequestPDU", "get"),
    ("GetNextRequestPDU", "next"),
    ("GetBulkRequestPDU", "next"),
    ("SetRequestPDU", "set"),
)
INTEGER_TAG = 2
_NO_SUCH_NAME, _READ_ONLY, _NOT_WRITABLE = 2, 4, 17


class Remembered(NamedTuple):
    """A GETBULK request that was answered: what it asks, what was found, and the reply around its request-id."""

    names: list[Oid]
    single: int
    repetitions: int
    found: list[tuple[Oid, Value]]
    before: bytes
    after: bytes


Memory: TypeAlias = dict[bytes, Remembered]
"""By the request without its request-id. Whoever keeps it forgets it when the communities change."""


def around_identifier(packet: bytes) -> tuple[bytes, bytes, bytes] | None:
    """What stands before the content of the request-id of a packet, that content, and what follows; None if there is
    no such place (it says nothing about the rest)."""
    try:
        place = _content(packet, 0)  # the message
        for _ in range(2):  # version, community
            begin = _content(packet, place)
            place = begin + _length(packet, place)
        place = _content(packet, place)  # the PDU
        begin = _content(packet, place)
        end = begin + _length(packet, place)
    except IndexError:
        return None
    if packet[place] != INTEGER_TAG or end > len(packet):
        return None
    return packet[:begin], packet[begin:end], packet[end:]


def _content(packet: bytes, place: int) -> int:
    """Where the content of the element at a place begins."""
    first = packet[place + 1]
    return place + 2 + (first & 0x7F if first & 0x80 else 0)


def _length(packet: bytes, place: int) -> int:
    first = packet[place + 1]
    return int.from_bytes(packet[place + 2 : place + 2 + (first & 0x7F)]) if first & 0x80 else first


def _modules(version: int) -> Any:
    return api.PROTOCOL_MODULES[version]


def decode(packet: bytes) -> tuple[int, Any]:
    """Version and message of a packet.

    Raises:
        RemoteFault: no SNMP message of version 1 or 2c.
    """
    if len(packet) > PACKET_MAX:
        raise RemoteFault(f"SNMP packet of {len(packet)} bytes")
    try:
        version = int(api.decodeMessageVersion(packet))
        if version not in api.PROTOCOL_MODULES:
            raise RemoteFault(f"SNMP version {version} is not served")
        message, _ = decoder.decode(packet, asn1Spec=_modules(version).Message())
    except (PyAsn1Error, ProtocolError, ValueError, IndexError, TypeError, RecursionError) as error:
        raise RemoteFault(f"malformed SNMP packet: {error}") from None
    return version, message


def community_of(packet: bytes) -> str:
    """The community name in a packet.

    Raises:
        RemoteFault: see ``decode``.
    """
    version, message = decode(packet)
    return bytes(_modules(version).apiMessage.get_community(message)).decode("latin-1")


def answer(
    packet: bytes,
    communities: Iterable[str],
    tree: MibTree,
    asked: Callable[[str, Iterable[Oid]], None] = lambda kind, names: None,
    memory: Memory | None = None,
) -> bytes | None:
    """The reply to a request, or None where the standard wants silence (a trap, a response).

    ``asked`` hears what is asked for, before it is answered: get, next (GETBULK too) or set, and the names. ``memory``
    is what was answered before to these communities.

    Raises:
        RemoteFault: malformed, or of a community that is not ours (the caller counts it; nobody is told).
    """
    parts = around_identifier(packet) if memory is not None else None
    known = memory.get(parts[0] + parts[2]) if memory is not None and parts is not None else None
    if known is not None and parts is not None and len(parts[1]) == IDENTIFIER_BYTES:
        asked("next", known.names)
        if _bulk(tree, known.names, known.single, known.repetitions) == known.found:
            return known.before + parts[1] + known.after
        asked = lambda kind, names: None  # noqa: E731  it was told already
    version, message = decode(packet)
    p = _modules(version)
    community = bytes(p.apiMessage.get_community(message)).decode("latin-1")
    if community not in communities:
        raise RemoteFault(f"unknown community from a manager ({len(community)} bytes)")
    try:
        reply = p.apiMessage.get_response(message)
        reply_pdu, pdu = p.apiMessage.get_pdu(reply), p.apiMessage.get_pdu(message)
        kind = next(
            (kind for name, kind in _KINDS if hasattr(p, name) and pdu.isSameTypeWith(getattr(p, name)())), None
        )
        if kind is None:
            return None
        asked(kind, [tuple(name) for name, _ in p.apiPDU.get_varbinds(pdu)])
        if pdu.isSameTypeWith(p.GetRequestPDU()):
            _get(p, version, pdu, reply_pdu, tree)
        elif pdu.isSameTypeWith(p.GetNextRequestPDU()):
            _get_next(p, version, pdu, reply_pdu, tree)
        elif version == V2C and pdu.isSameTypeWith(p.GetBulkRequestPDU()):
            bulk = _get_bulk(p, pdu, reply_pdu, tree)
            encoded = bytes(encoder.encode(reply))
            _remember(memory, parts, bulk, encoded)
            return encoded
        elif pdu.isSameTypeWith(p.SetRequestPDU()):
            # Every object of the subtree is read-only; version 1 says noSuchName (RFC 1157, 4.1.5).
            _error(p, pdu, reply_pdu, _NO_SUCH_NAME if version == V1 else _NOT_WRITABLE, 1)
        return bytes(encoder.encode(reply))
    except (PyAsn1Error, ProtocolError, ValueError, KeyError, TypeError) as error:
        raise RemoteFault(f"malformed SNMP request: {error}") from None


def _get(p: Any, version: int, pdu: Any, reply: Any, tree: MibTree) -> None:
    found = []
    for place, (name, _) in enumerate(p.apiPDU.get_varbinds(pdu), 1):
        value = tree.get(tuple(name))
        if value is None and version == V1:
            _error(p, pdu, reply, _NO_SUCH_NAME, place)
            return
        found.append((tuple(name), value or ABSENT))
    p.apiPDU.set_varbinds(reply, [(name, _encoded(p, value)) for name, value in found])


def _get_next(p: Any, version: int, pdu: Any, reply: Any, tree: MibTree) -> None:
    found = []
    for place, (name, _) in enumerate(p.apiPDU.get_varbinds(pdu), 1):
        following = tree.next(tuple(name))
        if following is None and version == V1:
            _error(p, pdu, reply, _NO_SUCH_NAME, place)
            return
        found.append(following or (tuple(name), END))
    p.apiPDU.set_varbinds(reply, [(name, _encoded(p, value)) for name, value in found])


def _get_bulk(p: Any, pdu: Any, reply: Any, tree: MibTree) -> tuple[list[Oid], int, int, list[tuple[Oid, Value]]]:
    names = [tuple(name) for name, _ in p.apiBulkPDU.get_varbinds(pdu)]
    single = max(0, int(p.apiBulkPDU.get_non_repeaters(pdu)))
    repetitions = min(BULK_MAX, max(0, int(p.apiBulkPDU.get_max_repetitions(pdu))))
    found = _bulk(tree, names, single, repetitions)
    p.apiPDU.set_varbinds(reply, [(name, _encoded(p, value)) for name, value in found])
    return names, single, repetitions, found


def _remember(
    memory: Memory | None,
    parts: tuple[bytes, bytes, bytes] | None,
    bulk: tuple[list[Oid], int, int, list[tuple[Oid, Value]]],
    encoded: bytes,
) -> None:
    reply = around_identifier(encoded)
    if memory is None or parts is None or reply is None or reply[1] != parts[1] or len(parts[1]) != IDENTIFIER_BYTES:
        return
    if len(memory) >= REMEMBERED_MAX:
        memory.clear()
    memory[parts[0] + parts[2]] = Remembered(*bulk, reply[0], reply[2])


def _bulk(tree: MibTree, names: list[Oid], single: int, repetitions: int) -> list[tuple[Oid, Value]]:
    found: list[tuple[Oid, Value]] = [tree.next(name) or (name, END) for name in names[:single]]
    size, repeated = 0, names[single:]
    for _ in range(repetitions):
        row = [tree.next(name) or (name, END) for name in repeated]
        size += sum(2 * len(name) + (len(value.data) if isinstance(value.data, str) else 8) for name, value in row)
        if found and size > REPLY_MAX:
            break
        found += row
        repeated = [name for name, _ in row]
        if all(value == END for _, value in row):
            break
    return found


def _error(p: Any, pdu: Any, reply: Any, status: int, place: int) -> None:
    p.apiPDU.set_varbinds(reply, p.apiPDU.get_varbinds(pdu))
    p.apiPDU.set_error_status(reply, status)
    p.apiPDU.set_error_index(reply, place)


def _encoded(p: Any, value: Value) -> Any:
    match value.syntax:
        case "integer":
            return p.Integer(value.data)
        case "string":
            return p.OctetString(str(value.data).encode())
        case "address":
            return p.IpAddress(value.data)
        case "oid":
            return p.ObjectIdentifier(value.data)
        case "ticks":
            return p.TimeTicks(value.data)
        case "counter":
            return p.Counter(value.data) if hasattr(p, "Counter") else p.Counter32(value.data)
        case "end":
            return p.EndOfMibView()
        case "absent":
            return p.NoSuchObject()


class Reply(NamedTuple):
    """A manager's view of a reply. ``error`` is the error-status, 0 for none."""

    request_id: int
    error: int
    values: list[tuple[Oid, Value]]


def request(
    kind: str, request_id: int, community: str, names: Sequence[Oid], version: int = V1, repetitions: int = 40
) -> bytes:
    """A ``get``, ``next`` or ``bulk`` request; ``bulk`` needs version 2c."""
    identifier = request_id.to_bytes(IDENTIFIER_BYTES)
    if identifier[0] == 0 or identifier[0] >> 7:
        return _request(kind, request_id, community, tuple(names), version, repetitions)  # its length is another one
    parts = around_identifier(_sample_request(kind, community, tuple(names), version, repetitions))
    assert parts is not None
    return parts[0] + identifier + parts[2]


@lru_cache(REMEMBERED_MAX)
def _sample_request(kind: str, community: str, names: tuple[Oid, ...], version: int, repetitions: int) -> bytes:
    return _request(kind, 1 << 30, community, names, version, repetitions)


def _request(
    kind: str, request_id: int, community: str, names: tuple[Oid, ...], version: int, repetitions: int
) -> bytes:
    p = _modules(version)
    pdu = {"get": "GetRequestPDU", "next": "GetNextRequestPDU", "bulk": "GetBulkRequestPDU"}[kind]
    body = getattr(p, pdu)()
    accessor = p.apiBulkPDU if kind == "bulk" else p.apiPDU
    accessor.set_defaults(body)
    accessor.set_request_id(body, request_id)
    accessor.set_varbinds(body, [(name, p.Null("")) for name in names])
    if kind == "bulk":
        accessor.set_non_repeaters(body, 0)
        accessor.set_max_repetitions(body, repetitions)
    return _message(p, community, body)


def parse_reply(packet: bytes) -> Reply:
    """The reply in a packet.

    Raises:
        RemoteFault: it is none.
    """
    version, message = decode(packet)
    p = _modules(version)
    try:
        pdu = p.apiMessage.get_pdu(message)
        if not pdu.isSameTypeWith(p.GetResponsePDU()):
            raise RemoteFault("not an SNMP response")
        return Reply(
            int(p.apiPDU.get_request_id(pdu)),
            int(p.apiPDU.get_error_status(pdu)),
            [(tuple(name), _decoded(p, value)) for name, value in p.apiPDU.get_varbinds(pdu)],
        )
    except (PyAsn1Error, ProtocolError, ValueError, TypeError) as error:
        raise RemoteFault(f"malformed SNMP response: {error}") from None


def _decoded(p: Any, value: Any) -> Value:
    if hasattr(p, "EndOfMibView") and isinstance(value, p.EndOfMibView):
        return END
    if hasattr(p, "NoSuchObject") and isinstance(value, p.NoSuchObject | p.NoSuchInstance):
        return ABSENT
    if isinstance(value, p.IpAddress):
        return Value("address", ".".join(str(byte) for byte in bytes(value)))
    if isinstance(value, p.TimeTicks):
        return Value("ticks", int(value))
    if isinstance(value, p.OctetString):
        return Value("string", bytes(value).decode(errors="replace"))
    if isinstance(value, p.ObjectIdentifier):
        return Value("oid", tuple(value))
    return Value("integer", int(value))


def trap(
    enterprise: Oid, agent: str, specific: int, uptime: int, community: str, values: Sequence[tuple[Oid, Value]]
) -> bytes:
    """A version 1 enterprise-specific trap (RFC 1157, 4.1.6). ``uptime`` in hundredths of a second."""
    p = _modules(V1)
    pdu = p.TrapPDU()
    p.apiTrapPDU.set_defaults(pdu)
    p.apiTrapPDU.set_enterprise(pdu, enterprise)
    p.apiTrapPDU.set_agent_address(pdu, agent)
    p.apiTrapPDU.set_generic_trap(pdu, "enterpriseSpecific")
    p.apiTrapPDU.set_specific_trap(pdu, specific)
    p.apiTrapPDU.set_timestamp(pdu, uptime % (1 << 32))
    p.apiTrapPDU.set_varbinds(pdu, [(name, _encoded(p, value)) for name, value in values])
    return _message(p, community, pdu)


def parse_trap(packet: bytes) -> tuple[Oid, int]:
    """Enterprise and specific number of a version 1 trap.

    Raises:
        RemoteFault: it is none.
    """
    version, message = decode(packet)
    p = _modules(version)
    pdu = p.apiMessage.get_pdu(message)
    if version != V1 or not pdu.isSameTypeWith(p.TrapPDU()):
        raise RemoteFault("not a version 1 trap")
    return tuple(p.apiTrapPDU.get_enterprise(pdu)), int(p.apiTrapPDU.get_specific_trap(pdu))


def _message(p: Any, community: str, pdu: Any) -> bytes:
    message = p.Message()
    p.apiMessage.set_defaults(message)
    p.apiMessage.set_community(message, community)
    p.apiMessage.set_pdu(message, pdu)
    return bytes(encoder.encode(message))
