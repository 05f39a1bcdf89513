"""Progress: silent when quick, told when slow, never in the way."""

from __future__ import annotations

import io

import pytest

from srcctl.lab import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.01)


def wait_for(stream: io.StringIO, text: str) -> None:
    import time

    deadline = time.monotonic() + 10
    while text not in stream.getvalue():
        assert time.monotonic() < deadline, stream.getvalue()
        time.sleep(0.001)


def test_quick_work_says_nothing() -> None:
    stream = io.StringIO()
    with progress.Progress("step", stream):
        pass
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("impatient")
def test_slow_work_is_one_line_a_step_elsewhere() -> None:
    stream = io.StringIO()
    with progress.Progress("first", stream) as shown:
        wait_for(stream, "first ... 0 s\n")
        shown.step("second")
        wait_for(stream, "second ... 0 s\n")
    assert stream.getvalue() == "first ... 0 s\nsecond ... 0 s\n"


@pytest.mark.usefixtures("impatient")
def test_a_terminal_is_left_clean() -> None:
    stream = Terminal()
    with progress.Progress("first", stream):
        wait_for(stream, "first")
    assert stream.getvalue().endswith("\r\x1b[K")


@pytest.mark.usefixtures("impatient")
def test_a_reader_that_has_gone_does_no_harm() -> None:
    stream = io.StringIO()
    with progress.Progress("first", stream):
        stream.close()
