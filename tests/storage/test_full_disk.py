"""A file system without room: every command that writes says so in one sentence, ends with 1, and loses nothing.

The kernel refuses the writes of a child process (RLIMIT_FSIZE of no bytes), as a full disk does.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

import pytest

from srcctl.commands.launch import call
from tests.storage.conftest import ENTRIES
from tests.storage.machine import Node, Run

COMMANDS = (
    "odmadd stanza", "odmchange -o SRCnotify stanza", "odmdelete -o SRCnotify", "odmcreate -c class.cre",
    "errlogger full", "errclear -l 1 0", "errdemon -s 8192",
    "mkitab new:2:once:x", "chitab hacmp:2:once:x", "rmitab hacmp",
    "mkvg -y othervg hdisk1", "chvg -a n datavg", "extendvg datavg hdisk1", "importvg -n -y thirdvg hdisk3",
    "exportvg offvg", "crfs -v jfs2 -g datavg -m /new -a size=16M", "mklv datavg 1", "rmlv -f rawlv",
    "chpv -a n hdisk2", "varyonvg offvg", "chdev -l hdisk1 -a queue_depth=9", "rmdev -dl hdisk1", "rmdev -l hdisk1",
    "ifconfig en0 alias 127.8.8.40 netmask 255.255.255.0",
)  # fmt: skip


def in_a_full_file_system(node: Node, words: list[str]) -> tuple[int, str]:
    """Exit code and stderr of a command whose process cannot write a byte to a file."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 99
        try:
            os.close(reading)
            os.environ["HAES_ROOT"] = node.root.directory
            sys.stdout, sys.stderr = open(os.devnull, "w"), os.fdopen(writing, "w")  # noqa: SIM115
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            status = call(*ENTRIES[words[0]], [f"/usr/sbin/{words[0]}", *words[1:]])
            sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def digest(directory: Path) -> dict[str, str]:
    """Every file's contents (of disks where the descriptor areas are); locks and unfinished writes aside."""

    def beginning(path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(1 << 20)

    return {
        str(path.relative_to(directory)): hashlib.sha256(beginning(path)).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", ".new"))
    }


@pytest.fixture
def machine(nodes: tuple[Node, Node], run: Run, tmp_path: Path) -> Node:
    node = nodes[0]
    for line in (
        "mkvg -y datavg hdisk2", "mklv -y rawlv -t raw datavg 1", "mkvg -y offvg hdisk3", "varyoffvg offvg",
        "errlogger one", "errlogger two", "odmadd stanza",
    ):  # fmt: skip
        (tmp_path / "stanza").write_text('SRCnotify:\n\tnotifyname = "x"\n\tnotifymethod = "/y"\n')
        (tmp_path / "class.cre").write_text("class Fresh { long x; };")
        words = line.replace("stanza", str(tmp_path / "stanza")).split()
        assert run(node, *words)[0] == 0
    (tmp_path / "node1/etc/inittab").write_text("init:2:initdefault:\nhacmp:2:once:/x\n")
    return node


def test_every_command_that_writes(machine: Node, tmp_path: Path) -> None:
    before = digest(tmp_path / "node1"), digest(tmp_path / "shared")
    wrong = []
    for line in COMMANDS:
        words = [str(tmp_path / word) if word in ("stanza", "class.cre") else word for word in line.split()]
        status, said = in_a_full_file_system(machine, words)
        changed = (digest(tmp_path / "node1"), digest(tmp_path / "shared")) != before
        told = 1 <= len(said.splitlines()) <= 3 and "Traceback" not in said
        if status != 1 or not told or changed:
            wrong.append((line, status, said, changed))
            before = digest(tmp_path / "node1"), digest(tmp_path / "shared")
    assert not wrong, "\n".join(map(repr, wrong))


def test_the_same_commands_work_when_there_is_room_again(machine: Node, run: Run) -> None:
    for line in ("errlogger two", "mklv datavg 1", "varyonvg offvg", "rmitab hacmp", "rmdev -l hdisk1", "cfgmgr"):
        assert run(machine, *line.split())[0] == 0, line
