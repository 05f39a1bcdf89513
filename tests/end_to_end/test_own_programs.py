"""SRC without a cluster: the README's own program, asked, refreshed, killed and ended with all its children."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.end_to_end.lab import LabUnderTest, eventually

OPTIONS = ("--nodes", "1")
README = Path(__file__).parents[2] / "README.md"


def readme_program() -> str:
    """The one Python program of the README."""
    return README.read_text().partition("```python\n")[2].partition("```")[0]


def test_the_readme_program(bare_lab: LabUnderTest) -> None:
    root = bare_lab.directory / "nodes" / "node1" / "root"
    program = root / "usr" / "bin" / "greeter"
    program.write_text(readme_program())
    program.chmod(0o755)
    (root / "etc" / "greeting").write_text("good evening\n")
    run = bare_lab.output
    assert "0513-071" in run("node1", "mkssys -s greeter -p /usr/bin/greeter -u 0 -R -w 5")
    assert "0513-059" in run("node1", "startsrc -s greeter")
    assert run("node1", "lssrc -ls greeter").splitlines()[2:] == ["It says hello."]
    assert "0513-095" in run("node1", "refresh -s greeter")
    assert run("node1", "lssrc -ls greeter").splitlines()[2:] == ["It says good evening."]
    refused = bare_lab.run("node1", "traceson -s greeter")
    assert refused.returncode == 1
    assert refused.stderr == "0513-103 The request is not supported by the greeter Subsystem.\n"
    first = bare_lab.processes("node1")["greeter"]
    os.kill(first, signal.SIGKILL)
    second = eventually(
        lambda: (pid := bare_lab.processes("node1").get("greeter", first)) != first and pid, "it is restarted"
    )
    assert run("node1", "lssrc -ls greeter").splitlines()[2:] == ["It says hello."], f"process {second}"
    assert "0513-044" in run("node1", "stopsrc -s greeter")
    eventually(lambda: "inoperative" in run("node1", "lssrc -s greeter"), "it has stopped")
