"""clavan.log, and the cycling of hacmp.out and cluster.log."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from daemons.clstrmgr import availability, messages, view
from daemons.clstrmgr.debug_log import LINE_MAX, DebugLog
from daemons.clstrmgr.eventlog import SYSLOG_LIMIT, LogFiles
from tests.clstrmgr.ring import Ring, configuration, group


def test_availability_of_groups_and_applications() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB")))
    ring.start(1, 2)
    first = view.snapshot(ring.nodes[1])
    started = availability.lines(None, first, 0)
    assert [line.split(": ", 2)[2] for line in started] == ["umtrgonln:rg1:node1:", "umtappstart:rg1_app:node1:"]
    assert all(re.match(r"AAA: \w{3} \w{3} \d\d \d\d:\d\d:\d\d:\d{4}: ", line) for line in started)
    assert availability.lines(first, first, 0) == []
    ring.request(1, messages.MoveGroup("rg1", 2))
    moved = view.snapshot(ring.nodes[1])
    stopped = availability.lines(first, moved, 0)
    assert [line.split(": ", 2)[2] for line in stopped] == ["umtappstop:rg1_app:node1:", "umtrgoffln:rg1:node1:"]
    assert availability.failure("node2", 0).endswith(": umtnodefail:node2:")
    assert availability.monitor("umtmonsus", "mon1", "node1", 0).endswith(": umtmonsus:mon1:node1:")


def test_unmanaged_application_runs_on() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB")))
    ring.start(1, 2)
    before = view.snapshot(ring.nodes[1])
    ring.request(1, messages.StopServices("unmanage"))
    assert availability.lines(before, view.snapshot(ring.nodes[1]), 0) == []


def test_cluster_log_is_rotated_by_size(tmp_path: Path) -> None:
    log = tmp_path / "cluster.log"
    files = LogFiles(str(tmp_path / "hacmp.out"), str(log), str(tmp_path))
    for number in range(10):
        log.write_text(f"{number}\n" + "x" * SYSLOG_LIMIT)
        files.cycle()
    assert not log.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"cluster.log.{number}" for number in range(8)]
    assert (tmp_path / "cluster.log.0").read_text().startswith("9\n")


def test_the_long_debug_log_is_bounded_and_rotated_by_itself(tmp_path: Path) -> None:
    log = DebugLog(str(tmp_path / "clstrmgr.debug"))
    log.write("first")
    for number in range((1 << 20) // LINE_MAX + 10):
        log.detail(f"{number}\n" + "x" * 2 * LINE_MAX)
    log.write("last")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clstrmgr.debug",
        "clstrmgr.debug.long",
        "clstrmgr.debug.long.1",
    ]
    assert [line.partition("|")[2] for line in (tmp_path / "clstrmgr.debug").read_text().splitlines()] == [
        "first",
        "last",
    ]
    assert (tmp_path / "clstrmgr.debug.long").read_text().endswith("|last\n")
    assert all(path.stat().st_size <= 1 << 20 for path in tmp_path.iterdir())


def test_a_notice_is_one_line_of_syslog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """syslog writes a blank where a day of the month has one digit."""
    files = LogFiles(str(tmp_path / "hacmp.out"), str(tmp_path / "cluster.log"), str(tmp_path))
    strftime, third = time.strftime, time.struct_time((2026, 1, 3, 7, 5, 9, 5, 3, 0))
    monkeypatch.setattr(time, "strftime", lambda form: strftime(form, third))
    files.notice("node1", "two\nlines")
    assert re.fullmatch(
        r"Jan  3 07:05:09 node1 daemon:notice clstrmgrES\[\d+\]: two lines\n", (tmp_path / "cluster.log").read_text()
    )
