"""What scripts ask a node about itself: level, filesets, machine, run level."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from srcctl.node import control
from tests.storage.machine import Node, Run, golden

FACTS = {
    "lslpp/long": ("lslpp", "-l", "cluster.*", "bos.rte"),
    "lslpp/short": ("lslpp", "-L", "cluster.es.server.rte", "cluster.adt.*"),
    "lslpp/colon": ("lslpp", "-lc", "bos.rte"),
    "lslpp/colon_short": ("lslpp", "-Lc", "bos.rte", "cluster.es.server.rte"),
    "uname/all": ("uname", "-a"),
}


@pytest.mark.parametrize("name", FACTS)
def test_listing(nodes: tuple[Node, Node], run: Run, name: str) -> None:
    assert run(nodes[0], *FACTS[name]) == (0, golden(name), "")


def test_levels(nodes: tuple[Node, Node], run: Run) -> None:
    """The idioms that consumers are known to use."""
    node = nodes[0]
    assert run(node, "oslevel") == (0, "7.2.0.0\n", "")
    assert run(node, "oslevel", "-r") == (0, "7200-05\n", "")
    assert run(node, "oslevel", "-s") == (0, "7200-05-06-2320\n", "")
    assert run(node, "oslevel", "-x")[0] == 1
    assert run(node, "halevel") == (0, "7.2.7\n", "")
    assert run(node, "halevel", "-s") == (0, "7.2.7 GA\n", "")
    assert run(node, "halevel", "-?")[0] == 0
    assert run(node, "halevel", "-y")[:2] == (1, "")
    assert run(node, "lslpp", "-Lqc", "cluster.es.server.rte")[1].split(":")[2] == "7.2.7.0"
    status, _, said = run(node, "lslpp", "-l", "no.such.fileset")
    assert (status, said) == (1, "lslpp: 0504-132  Fileset no.such.fileset not installed.\n\n")
    assert run(node, "lslpp", "-z")[0] == 1
    assert run(node, "lslpp", "-l", "-L")[0] == 1


def test_an_updated_fileset_shows_its_service_pack(nodes: tuple[Node, Node], run: Run, tmp_path: Path) -> None:
    """The installed level is data."""
    change = tmp_path / "change"
    change.write_text("lpp:\n\tfix = 3\n")
    assert run(nodes[0], "odmchange", "-o", "lpp", "-q", "name=cluster.es.server.rte", str(change))[0] == 0
    assert run(nodes[0], "halevel", "-s") == (0, "7.2.7 SP3\n", "")
    assert run(nodes[0], "odmdelete", "-o", "lpp", "-q", "name=cluster.es.server.rte")[0] == 0
    status, _, said = run(nodes[0], "halevel", "-s")
    assert status == 1
    assert said.startswith("halevel: ")


def test_uname(nodes: tuple[Node, Node], run: Run) -> None:
    node = nodes[0]
    assert run(node, "uname") == (0, "AIX\n", "")
    assert run(node, "uname", "-n") == (0, "node1\n", "")
    assert run(node, "uname", "-vr") == (0, "2 7\n", "")
    assert run(node, "uname", "-L") == (0, "1 node1\n", "")
    assert run(node, "uname", "-M") == (0, "IBM,9009-42A\n", "")
    assert run(node, "uname", "-u") == run(nodes[1], "uname", "-u"), "partitions of one machine"
    assert run(node, "uname", "-m") != run(nodes[1], "uname", "-m")
    assert run(node, "uname", "-z")[0] == 1
    assert run(node, "uname", "name")[0] == 1


def test_who(nodes: tuple[Node, Node], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    node = nodes[0]
    monkeypatch.setenv("TZ", "UTC")
    pid_file = Path(node.root.path("/var/run/lpar.pid"))
    pid_file.write_text("1")
    os.utime(pid_file, (1_721_388_684, 1_721_388_684))
    reply = {"run_level": "2", "previous_level": "", "level_since": 1_721_388_684.0}
    monkeypatch.setattr(control, "exchange", lambda *words: reply)
    assert run(node, "who", "-r") == (0, "   .        run-level 2 Jul 19 11:31       2    0    S\n", "")
    assert run(node, "who", "-b") == (0, "   .        system boot Jul 19 11:31\n", "")
    assert run(node, "who") == (0, "", ""), "nobody is logged in"
    assert run(node, "who", "-Z")[0] == 1

    def silent(*words: object) -> None:
        raise control.LparSilent

    monkeypatch.setattr(control, "exchange", silent)
    assert run(node, "who", "-r") == (1, "", "who: init does not answer.\n")
