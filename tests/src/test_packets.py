import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcctl.src import packets
from srcctl.src.catalogue import MESSAGES, message
from srcctl.src.packets import PacketError, Reply, Request, StatusCode, StatusReply

names = st.text(st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="/"), max_size=29)


addresses = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="/:"), max_size=50).filter(
        lambda text: text not in (".", "..")
    ),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"),
)
numbers = st.integers(-(2**15), 2**15 - 1)
texts = st.text(st.characters(codec="utf-8", blacklist_characters="\0"), max_size=60)


@given(names, names, numbers, st.binary(max_size=500), addresses)
def test_requests_round_trip(subsystem: str, objname: str, action: int, body: bytes, retaddr: str) -> None:
    request = Request(action, subsystem, 77, 3, 1, 2, objname, body, retaddr)
    assert packets.decode_request(packets.encode_request(request)) == request


def test_a_subsystem_gets_srcreq_as_documented() -> None:
    request = Request(packets.STOP, "clcomd", 77, 3, 1, 2, "clcomd", b"x", "SRC1", 9, packets.END)
    packet = packets.encode_request(request)
    assert len(packet) == 72 + 38
    assert packet[68:72] == bytes([0, packets.VERSION, 0, packets.END]), "dversion and cont end srchdr"
    assert packet[72:80] == bytes([0, 3, 0, packets.STOP, 0, 1, 0, 2]), "object, action, parm1, parm2"
    assert packet[80:] == b"clcomd".ljust(30, b"\0"), "objname"
    assert packets.decode_request(packet) == request._replace(subsystem="", pid=0, body=b"")


@given(names, texts, texts, numbers, addresses)
def test_replies_round_trip(name: str, text: str, message: str, code: int, retaddr: str) -> None:
    reply = Reply(code, name, "x" * 64, "m" * 255, 3, packets.CONTINUED, retaddr, 9)
    assert packets.decode_reply(packets.encode_reply(reply)) == reply
    cut = packets.decode_reply(packets.encode_reply(Reply(code, name, text, message * 9)))
    assert text.startswith(cut.objtext)
    assert (message * 9).startswith(cut.rtnmsg)


@given(st.lists(st.builds(StatusCode, numbers, names, names, numbers), max_size=80), addresses)
def test_statuses_round_trip(codes: list[StatusCode], retaddr: str) -> None:
    reply = StatusReply(tuple(codes), "", packets.STATCONTINUED, retaddr, 3)
    packet = packets.encode_reply(reply)
    assert len(packet) <= packets.PACKET_MAX
    assert packets.decode_status(packet) == reply


@given(names, st.text(st.characters(codec="utf-8"), max_size=500))
def test_long_statuses_round_trip(name: str, text: str) -> None:
    reply = StatusReply((StatusCode(packets.ACTIVE, name),), text, retaddr="SRC1", tag=7)
    assert packets.decode_status(packets.encode_reply(reply), long=True) == reply


@given(st.binary(max_size=400))
def test_garbage_is_refused(garbage: bytes) -> None:
    for decode in (packets.decode_request, packets.decode_reply, packets.decode_status):
        with pytest.raises(PacketError):
            decode(garbage)


@given(st.data())
def test_damaged_packets_are_packets_or_refused(data: st.DataObject) -> None:
    packet = bytearray(packets.encode_request(Request(packets.STATUS, "clcomd", retaddr="SRC1")))
    for _ in range(3):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    try:
        packets.decode_request(bytes(packet))
    except PacketError:
        pass


@pytest.mark.parametrize("address", ["../evil", "a/b", ".", ".."])
def test_a_reply_address_cannot_leave_its_folder(address: str) -> None:
    with pytest.raises(PacketError):
        packets.decode_request(packets.encode_request(Request(0, "x", retaddr=address)))


def test_long_names_are_refused_and_long_texts_are_cut_into_packets() -> None:
    with pytest.raises(ValueError, match="longer"):
        packets.encode_request(Request(0, "x" * 30))
    lines = [f"line {n} " + "x" * 90 for n in range(500)]
    parts = packets.chunks(lines)
    assert "\n".join(parts).split("\n") == lines
    assert all(len(part.encode()) <= packets.TEXT_MAX for part in parts)
    assert packets.chunks([]) == [""]


def test_messages_have_their_ids() -> None:
    assert message(59, "sendmail", 4456846) == (
        "0513-059 The sendmail Subsystem has been started. Subsystem PID is 4456846."
    )
    assert message(83) == "0513-083 Subsystem has been Deleted."
    assert all(message(number, *("x",) * text.count("%s")).startswith("0513-") for number, text in MESSAGES.items())
