import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.runtime.seal import OVERHEAD_BYTES, WINDOW, Seal
from srcctl.machine import RemoteFault

KEY = b"k" * 32


def pair(key_of_receiver: bytes = KEY) -> tuple[Seal, Seal]:
    return Seal(KEY, 1, clock=lambda: 1000), Seal(key_of_receiver, 2, clock=lambda: 0)


@given(st.binary(max_size=2000))
def test_what_was_sealed_opens_once(payload: bytes) -> None:
    sender, receiver = pair()
    packet = sender.seal(payload)
    assert receiver.open(packet) == (1, payload)
    with pytest.raises(RemoteFault, match="before"):
        receiver.open(packet)


@given(st.data())
def test_any_flipped_bit_is_refused(data: st.DataObject) -> None:
    sender, receiver = pair()
    packet = bytearray(sender.seal(b"heartbeat"))
    packet[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(RemoteFault):
        receiver.open(bytes(packet))


@given(st.binary(max_size=OVERHEAD_BYTES * 2))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(RemoteFault):
        pair()[1].open(garbage)


def test_another_key_is_refused() -> None:
    sender, receiver = pair(b"x" * 32)
    with pytest.raises(RemoteFault, match="another key"):
        receiver.open(sender.seal(b"forged"))


@given(st.permutations(range(20)))
def test_reordered_packets_are_all_accepted_once(order: list[int]) -> None:
    sender, receiver = pair()
    packets = [sender.seal(bytes((n,))) for n in range(20)]
    assert [receiver.open(packets[n])[1][0] for n in order] == list(order)
    for packet in packets:
        with pytest.raises(RemoteFault):
            receiver.open(packet)


def test_packets_behind_the_window_are_refused() -> None:
    sender, receiver = pair()
    old = sender.seal(b"old")
    for _ in range(WINDOW):
        newest = sender.seal(b"new")
    receiver.open(newest)
    with pytest.raises(RemoteFault, match="before"):
        receiver.open(old)


def test_a_restarted_sender_is_ahead_of_itself() -> None:
    receiver = Seal(KEY, 2, clock=lambda: 0)
    receiver.open(Seal(KEY, 1, clock=lambda: 1000).seal(b"first life"))
    assert receiver.open(Seal(KEY, 1, clock=lambda: 5000).seal(b"second life")) == (1, b"second life")


def test_a_packet_for_another_node_network_or_daemon_is_refused() -> None:
    sender, receiver = pair()
    for elsewhere in (("127.0.0.3", 12348), ("127.0.0.2", 4098), ("", 0)):
        with pytest.raises(RemoteFault, match="another key"):
            receiver.open(sender.seal(b"heartbeat", elsewhere), ("127.0.0.2", 12348))
    assert receiver.open(sender.seal(b"heartbeat", ("127.0.0.2", 12348)), ("127.0.0.2", 12348)) == (1, b"heartbeat")
