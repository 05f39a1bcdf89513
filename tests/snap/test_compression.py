"""The format of compress(1): what is written gzip reads, and what was written is read."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srcctl.snap.compression import NotCompressed, compress, decompress


def texts() -> dict[str, bytes]:
    chance = random.Random(7)
    words = [b"node1 ", b"node2 ", b"EVENT START: ", b"node_up ", b"\n", b"0 "]
    return {
        "nothing": b"",
        "one": b"a",
        "repeated": b"a" * 200000,
        "a log": b"".join(chance.choice(words) + str(chance.randrange(10**4)).encode() for _ in range(60000)),
        "noise": chance.randbytes(300000),
    }


@pytest.mark.parametrize("name", list(texts()))
def test_what_is_written_is_read(name: str) -> None:
    text = texts()[name]
    made = b"".join(compress([text[:1000], text[1000:]]))
    assert b"".join(decompress(made)) == text
    if name in ("repeated", "a log"):
        assert len(made) < len(text) / 2


@pytest.mark.parametrize("name", list(texts()))
@pytest.mark.skipif(shutil.which("gzip") is None, reason="no gzip")
def test_gzip_reads_it(name: str) -> None:
    text = texts()[name]
    made = b"".join(compress([text]))
    done = subprocess.run(["gzip", "-dc"], input=made, capture_output=True, check=False)
    assert done.stdout == text


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_bytes(pieces: list[bytes]) -> None:
    assert b"".join(decompress(b"".join(compress(pieces)))) == b"".join(pieces)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    for text in (data, b"\x1f\x9d\x90" + data, b"\x1f\x9d\x0c" + data):
        try:
            b"".join(decompress(text))
        except NotCompressed:
            pass


def test_a_table_that_was_cleared() -> None:
    """97 ("a"), 98 ("b"), the clear code, whose group is filled up, and 97 again: nine bits each."""
    codes = [97, 98, 256, 0, 0, 0, 0, 0, 97]
    number = sum(code << 9 * place for place, code in enumerate(codes))
    assert b"".join(decompress(b"\x1f\x9d\x90" + number.to_bytes(11, "little"))) == b"aba"
