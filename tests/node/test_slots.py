"""A record in two slots: whole after a kill at any instant, and written without new room."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srcctl.node.slots import CAPACITY, HEADER_BYTES, SlotFile


def test_the_newest_record_is_read(tmp_path: Path) -> None:
    file = SlotFile(str(tmp_path / "record"))
    assert file.read() == b""
    for record in (b"one", b"", b"three", b"x" * CAPACITY, b"y" * (CAPACITY * 3), b"end"):
        file.write(record)
        assert file.read() == record
    assert os.stat(file.path).st_mode & 0o777 == 0o600


@given(old=st.binary(max_size=200), new=st.binary(max_size=200), data=st.data())
@settings(max_examples=200)
def test_a_write_that_breaks_off_leaves_the_record_before(
    tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("slots") / "record"
    file = SlotFile(str(path))
    for record in (b"first", old):
        file.write(record)
    before = path.read_bytes()
    file.write(new)
    after = path.read_bytes()
    assert len(after) == len(before)
    changed = [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    broken = data.draw(st.integers(0, len(changed)))
    torn = bytearray(before)
    for place in changed[:broken]:
        torn[place] = after[place]
    path.write_bytes(torn)
    assert file.read() == (new if broken == len(changed) else old)
    file.write(b"next")
    assert file.read() == b"next"


def test_no_new_room_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = SlotFile(str(tmp_path / "record"))
    file.write(b"one")
    size, number = os.stat(file.path).st_size, os.stat(file.path).st_ino
    assert os.stat(file.path).st_blocks * 512 >= size
    for record in range(10):
        file.write(str(record).encode())
    assert (os.stat(file.path).st_size, os.stat(file.path).st_ino) == (size, number)


def test_what_cannot_be_written_leaves_the_record_before(tmp_path: Path) -> None:
    file = SlotFile(str(tmp_path / "record"))
    file.write(b"one")
    limit = file.read()
    with pytest.raises(OSError) as refused:
        SlotFile(str(tmp_path / "no such folder" / "record")).write(b"two")
    assert refused.value.errno == errno.ENOENT
    assert file.read() == limit


@pytest.mark.parametrize("contents", [b"", b"\n", b"{}", b"slot", b"slot 1 2 3\n" * 400, bytes(range(256)) * 40])
def test_a_foreign_file_is_no_record_and_is_written_over(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "record"
    path.write_bytes(contents)
    file = SlotFile(str(path))
    assert file.read() == b""
    file.write(b"mine")
    assert file.read() == b"mine"
    assert HEADER_BYTES < 64
