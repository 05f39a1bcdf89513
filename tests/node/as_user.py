"""Run by an ordinary user (``python as_user.py MODE``): a node from boot to halt. Prints ``fine`` at the end."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from srcctl.node import power, view
from tests.node.machine import Machine, lab_directory, wait_for


def main(mode: str) -> int:
    """The whole life of a node."""
    directory = lab_directory()
    if mode == "view":
        possible, reason = view.probe(directory)
        if possible != "view":
            print(f"skip: {reason}")
            return 0
    machine = Machine(directory, mode)
    try:
        machine.boot()
        done = machine.run("sh", "-c", "uname -n; lsitab srcmstr; echo more >>$ODMDIR/more && cat $ODMDIR/more")
        assert done.stdout.splitlines() == [
            "node1", "srcmstr:2:respawn:/usr/sbin/srcmstr # System Resource Controller", "more",
        ], done  # fmt: skip
        assert "snmp\t\t10161/udp" in Path(machine.root.path("/etc/services")).read_text()
        daemon = machine.start(1, "/usr/sbin/standd")
        assert power.status(machine.lab, machine.name)["sub1"] == daemon
        assert machine.run("halt", "-q").returncode == -signal.SIGKILL
        wait_for(machine.is_off, "the node is off")
        assert machine.left() == []
        machine.boot()
        os.kill(power.status(machine.lab, machine.name)["lpar"], signal.SIGKILL)
        wait_for(machine.is_off, "the node is off")
        wait_for(lambda: not machine.left(), "nothing is left")
    finally:
        machine.halt()
    shutil.rmtree(directory)
    print("fine")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
