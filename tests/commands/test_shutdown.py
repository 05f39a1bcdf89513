"""``shutdown -l`` keeps what it says in /etc/shutdown.log; who is not root does nothing by it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from srcctl.errlog import settings
from tests.commands.sessions import Run
from tests.storage.machine import Node


def test_the_log_has_what_was_said_the_last_time(machine: Node, shell: Run) -> None:
    path = Path(machine.root.path("/etc/shutdown.log"))
    shell(["shutdown", "-F"])
    assert not path.exists()
    path.write_text("of an earlier time\n")
    status, out, _ = shell(["shutdown", "-Flr"])
    assert (status, out.splitlines()[-1]) == (137, "(reboot normal shutdown -Flr)")
    assert path.read_text().splitlines() == out.splitlines()[:-1]
    assert path.read_text().endswith("Rebooting . . .\n")


def test_who_may_not_shut_down_changes_nothing(machine: Node, shell: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for line in ("shutdown -F", "shutdown -Fr", "shutdown -k now"):
        assert shell(line.split()) == (1, "", "shutdown: only root may shut the node down.\n")
    assert not settings.is_stopped(machine.root)
