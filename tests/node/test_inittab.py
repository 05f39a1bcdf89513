"""The grammar of /etc/inittab and the operations of mkitab, chitab, rmitab."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcctl.node.inittab import ACTIONS, Inittab, InittabError, Record, parse_record, strip_comment

TABLE = """: a comment
init:2:initdefault:
brc::sysinit:/sbin/rc.boot 3 >/dev/console 2>&1 # Phase 3 of system boot
srcmstr:23456789:respawn:/usr/sbin/srcmstr # System Resource Controller

long:2:once:/usr/bin/one \\
two
"""


def test_repository_table_is_sound() -> None:
    text = (Path(__file__).parents[2] / "etc" / "inittab").read_text()
    table = Inittab.parse(text)
    assert not table.complaints
    assert table.default_level == "2"
    srcmstr = table.find("srcmstr")
    assert srcmstr is not None
    assert (srcmstr.action, srcmstr.program) == ("respawn", "/usr/sbin/srcmstr")
    assert table.text() == text


def test_records_comments_continuations() -> None:
    table = Inittab.parse(TABLE)
    assert [record.identifier for record in table.records] == ["init", "brc", "srcmstr", "long"]
    assert table.records[1].program == "/sbin/rc.boot 3 >/dev/console 2>&1"
    assert table.records[3].command == "/usr/bin/one two"
    assert table.records[1].applies("7")
    assert not table.records[0].applies("3")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a:b",
        "a:2:once",
        ":2:once:x",
        "a:2:never:x",
        "a:2 x:once:x",
        "waytoolongidentifier:2:once:x",
        "a b:2:once:x",
    ],
)
def test_damaged_records_are_refused(line: str) -> None:
    with pytest.raises(InittabError):
        parse_record(line)


def test_damaged_line_is_kept_and_complained_about() -> None:
    table = Inittab.parse("good:2:once:x\nbad line\n")
    assert len(table.records) == 1
    assert len(table.complaints) == 1
    assert table.text() == "good:2:once:x\nbad line\n"


def test_editing() -> None:
    table = Inittab.parse(TABLE)
    new = parse_record("clcomd:2:once:/usr/bin/startsrc -s clcomd")
    names = [record.identifier for record in table.added(new, after="brc").records]
    assert names == ["init", "brc", "clcomd", "srcmstr", "long"]
    with pytest.raises(InittabError):
        table.added(new).added(new)
    with pytest.raises(InittabError):
        table.added(new, after="nobody")
    changed = table.changed(parse_record("srcmstr:2:off:/usr/sbin/srcmstr"))
    assert changed.find("srcmstr") == Record("srcmstr", "2", "off", "/usr/sbin/srcmstr")
    assert table.removed("brc").find("brc") is None
    with pytest.raises(InittabError):
        table.removed("nobody")


def test_comment_inside_quotes_stays() -> None:
    assert strip_comment("echo 'a # b' # c") == "echo 'a # b'"
    assert strip_comment("echo a#b") == "echo a#b"


@given(
    st.from_regex(r"[a-z][a-z0-9_]{0,13}", fullmatch=True),
    st.text("0123456789", max_size=10),
    st.sampled_from(ACTIONS),
    st.from_regex(r"(/[a-z0-9 ./:-]{0,40}[a-z])?", fullmatch=True),
)
def test_a_record_survives_its_own_text(identifier: str, levels: str, action: str, command: str) -> None:
    record = Record(identifier, levels, action, command)
    assert parse_record(record.text()) == record


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=300))
def test_any_text_is_parsed(text: str) -> None:
    Inittab.parse(text)
