"""The command line of clctrl -tune, and how long a change may take."""

from __future__ import annotations

import pytest

from daemons.caa import changes, formation, tunables
from daemons.caa.clctrl import Tune, parse_tune
from daemons.caa.client import CaaError
from daemons.caa.messages import Node
from daemons.caa.repository import Definition
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

    def tell(definition: Definition) -> None:
        time = formation.ChangeTime(definition)
        for node in definition.nodes:
            formation.tell(NodeRoot("/nowhere"), node.name, changes.REREAD, change=time)

    with pytest.raises(CaaError, match="within config_timeout"):
        tell(definition)
    assert limits == [30, 10], "the third node was not even asked"
    limits.clear()
    tell(Definition("c", "u", "00", nodes, (("config_timeout", "0"),)))
    assert limits == [None] * 3
