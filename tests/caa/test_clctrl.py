"""The command line of clctrl -tune, and what a lost repository leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemons.caa import formation, tunables
from daemons.caa.clctrl import Tune, parse_tune
from daemons.caa.client import CaaError
from daemons.caa.messages import Node
from daemons.caa.replacement import RepositoryCopy
from daemons.caa.repository import Commit, Definition, RepositoryDisk, RepositoryError
from daemons.clcomd import client as clcomd
from srcctl.commands.options import UsageError
from srcctl.node.root import NodeRoot


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-a", Tune("a")),
        ("-L", Tune("L")),
        ("-L node_timeout network_fdt", Tune("L", ["node_timeout", "network_fdt"])),
        ("-n c -x repos_mode", Tune("x", ["repos_mode"], cluster="c")),
        ("-o node_timeout", Tune("o", ["node_timeout"])),
        ("-u 15f9 -o node_timeout=20000 -o repos_mode=a",
         Tune(changes={"node_timeout": "20000", "repos_mode": "a"}, uuid="15f9")),
        ("-d node_timeout", Tune(changes={"node_timeout": None})),
        ("-D", Tune(all_defaults=True)),
        ("-h", Tune("h")),
    ],
)  # fmt: skip
def test_a_command_line(words: str, expected: Tune) -> None:
    assert parse_tune(words.split()) == expected


@pytest.mark.parametrize("words", ["", "-o", "-d", "-a -D", "-L -o x=1", "-z", "x", "-n a -u b -a", "-D -d x"])
def test_what_is_none(words: str) -> None:
    with pytest.raises(UsageError):
        parse_tune(words.split())


def test_every_tunable_says_what_it_is_for_and_takes_its_default() -> None:
    assert set(tunables.PURPOSES) == set(tunables.TUNABLES)
    for tunable in tunables.TUNABLES.values():
        assert tunable.fault(tunable.default) is None


def blank(lab: Path, name: str) -> RepositoryDisk:
    (lab / "disks").mkdir(exist_ok=True)
    with open(lab / "disks" / name, "wb") as file:
        file.truncate(64 << 20)
    return RepositoryDisk(str(lab), name)


def test_a_repository_that_is_lost_is_written_anew_with_its_committed_configuration(tmp_path: Path) -> None:
    old, new = blank(tmp_path, "hdisk1"), blank(tmp_path, "hdisk3")
    definition = Definition("c", "u", "00", ())
    old.create(definition)
    commit = Commit(7, old.store_archive(7, b"configuration"), "nodeA", 1)
    old.commit(commit)
    copy = RepositoryCopy()
    with pytest.raises(RepositoryError, match="nothing is known"):
        copy.write(new)
    copy.definition = definition
    copy.refresh(old)
    (tmp_path / "disks/hdisk1").unlink()
    written = copy.write(new)
    assert written.epoch == definition.epoch + 1, "it is told from the old one, should that come back"
    assert new.read_definition() == written
    assert new.read_commit() == commit, "the generation goes on where it was"
    assert new.read_archive(commit) == b"configuration"
    with pytest.raises(RepositoryError, match="already"):
        copy.write(new)


def test_a_change_must_end_within_config_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    now, limits = [0.0], []

    def run(root: object, node: str, command: list[str], patience: float, limit: float | None) -> clcomd.Result:
        limits.append(limit)
        now[0] += 20
        return clcomd.Result(0, b"", b"")

    monkeypatch.setattr(formation.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(formation.clcomd, "run", run)
    monkeypatch.setattr(formation, "is_alive", lambda lab, node: True)
    monkeypatch.setattr(NodeRoot, "identity", type("Named", (), {"lab": "", "node": "node9"})())
    nodes = tuple(Node(number, f"node{number}", "u", ()) for number in (1, 2, 3))
    definition = Definition("c", "u", "00", nodes, (("config_timeout", "30"),))
    with pytest.raises(CaaError, match="within config_timeout"):
        formation.tell_all(NodeRoot("/nowhere"), definition)
    assert limits == [30, 10], "the third node was not even asked"
    limits.clear()
    formation.tell_all(NodeRoot("/nowhere"), Definition("c", "u", "00", nodes, (("config_timeout", "0"),)))
    assert limits == [None] * 3
