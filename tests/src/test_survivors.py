"""What a srcmstr makes of the subsystems of the one before it: it goes on with them, with ``-B`` they are strangers."""

from __future__ import annotations

from pathlib import Path

import pytest

from srcctl.node import messages
from srcctl.srcmstr import memory
from srcctl.srcmstr.definitions import SIGNALS, Definition
from srcctl.srcmstr.exchange import Instance
from srcctl.srcmstr.service import main
from tests.src.node import Run, SrcNode

DEFINITION = Definition("sleeper", "/bin/sleeper", contact=SIGNALS, signorm=15, sigforce=9)
SURVIVOR = messages.Entry(7, 4711, memory.kept(Instance(7, DEFINITION, (), ())))


@pytest.mark.parametrize("track", [True, False], ids=["as a rule", "-B"])
def test_a_subsystem_that_outlived_srcmstr(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, track: bool
) -> None:
    with SrcNode(tmp_path, track=track, survivors=(SURVIVOR,)) as node:
        monkeypatch.setenv("HAES_ROOT", node.root.directory)
        assert run(["mkssys", "-s", "sleeper", "-p", "/bin/sleeper", "-u", "0", "-S", "-n", "15", "-f", "9"])[0] == 0
        row = run(["lssrc", "-s", "sleeper"])[1].splitlines()[1].split()
        assert row == (["sleeper", "4711", "active"] if track else ["sleeper", "inoperative"])
        status, out, err = run(["startsrc", "-s", "sleeper"])
        assert (status, (out + err)[:8]) == ((1, "0513-029") if track else (0, "0513-059"))
        assert [start.instance for start in node.lpar.started.values()] == ([] if track else [8]), "a number of its own"


def test_srcmstr_by_hand(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["-x"], ["-r", "operand"]):
        assert main(["srcmstr", *words]) == 1
        assert capsys.readouterr() == ("", "usage: srcmstr [-r] [-B]\n")
    monkeypatch.delenv(messages.LPAR_DESCRIPTOR, raising=False)
    assert main(["srcmstr", "-r"]) == 1
    assert capsys.readouterr() == ("", "srcmstr: it runs under the node's machine only: see /etc/inittab.\n")
