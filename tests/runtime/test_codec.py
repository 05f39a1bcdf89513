import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.runtime.codec import Codec
from srcctl.machine import RemoteFault


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    serial: int
    text: bytes = b""


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    serial: int


CODEC: Codec[Ping | Pong] = Codec(Ping | Pong, limit=4096)


@given(st.integers(0, 2**63 - 1), st.binary(max_size=1000))
def test_round_trip(serial: int, text: bytes) -> None:
    assert CODEC.decode(CODEC.encode(Ping(serial, text))) == Ping(serial, text)


@given(st.binary(max_size=5000))
def test_garbage_is_a_remote_fault_or_a_message(garbage: bytes) -> None:
    try:
        assert isinstance(CODEC.decode(garbage), Ping | Pong)
    except RemoteFault:
        pass


@given(st.integers(0, 30))
def test_truncation_is_a_remote_fault(cut: int) -> None:
    data = CODEC.encode(Ping(7, b"x" * 20))
    with pytest.raises(RemoteFault):
        CODEC.decode(data[: min(cut, len(data) - 1)])


def test_other_versions_and_oversize() -> None:
    data = bytearray(CODEC.encode(Pong(1)))
    data[0] = 9
    with pytest.raises(RemoteFault, match="version 9"):
        CODEC.decode(bytes(data))
    with pytest.raises(ValueError, match="exceeds the limit"):
        CODEC.encode(Ping(1, b"x" * 5000))
    with pytest.raises(RemoteFault, match="exceeds the limit"):
        CODEC.decode(b"\x01" * 5000)
