import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcctl.src import packets
from srcctl.src.catalogue import MESSAGES, message
from srcctl.src.packets import PacketError, Reply, Request

names = st.text(st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="/"), max_size=29)


@given(names, names, st.integers(-(2**15), 2**15 - 1), st.binary(max_size=500), st.integers(0, 2**64 - 1))
def test_requests_round_trip(subsystem: str, objname: str, action: int, body: bytes, serial: int) -> None:
    request = Request(action, subsystem, 77, 3, 1, 2, objname, body, "SRC1.a", serial)
    assert packets.decode_request(packets.encode_request(request)) == request


@given(names, st.text(st.characters(codec="utf-8", blacklist_characters="\0"), max_size=500), st.integers(0, 65535))
def test_replies_round_trip(name: str, text: str, flags: int) -> None:
    reply = Reply(packets.OK, name, 5, text, flags, cont=packets.CONTINUED, retaddr="x", serial=9)
    assert packets.decode_reply(packets.encode_reply(reply)) == reply


@given(st.binary(max_size=400))
def test_garbage_is_refused(garbage: bytes) -> None:
    for decode in (packets.decode_request, packets.decode_reply):
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
