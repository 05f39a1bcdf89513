"""``shutdown -l`` keeps what it says in /etc/shutdown.log."""

from __future__ import annotations

from pathlib import Path

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
