"""Tunables: the table of the reference, its edges, and what clctrl says of all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from daemons.caa import clctrl, client, formation, tunables
from daemons.caa.messages import Membership, Status
from daemons.caa.repository import Definition, RepositoryDisk
from srcctl.node.root import NodeRoot
from tests.caa.test_repository import DEFINITION

REFERENCE = {
    "communication_mode": ("u", ("u", "m"), ""),
    "config_timeout": ("240", (0, 2147483647), "seconds"),
    "deadman_mode": ("a", ("a", "e"), ""),
    "hb_src_disk": ("1", (0, 3), ""),
    "hb_src_lan": ("1", (0, 3), ""),
    "hb_src_san": ("2", (0, 3), ""),
    "link_timeout": ("30000", (0, 1171000), "milliseconds"),
    "local_merge_policy": ("m", ("n", "m", "h"), ""),
    "network_fdt": ("20000", (5000, 590000), "milliseconds"),
    "no_if_traffic_monitor": ("0", (0, 1), ""),
    "node_down_delay": ("10000", (5000, 600000), "milliseconds"),
    "node_timeout": ("30000", (10000, 600000), "milliseconds"),
    "packet_ttl": ("32", (1, 64), ""),
    "pvm_watchdog_timer": ("disable", ("disable", "dump_restart", "hard_reset", "hard_power_off"), ""),
    "remote_hb_factor": ("1", (1, 100), ""),
    "repos_mode": ("e", ("a", "e"), ""),
    "site_merge_policy": ("p", ("p", "m", "h"), ""),
}
"""Default, words or range, unit."""
NONSENSE = ("", "x", "1x", "-1", "1.5", "0x10", "²", "٣", "9" * 30, "a,e", "A")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RepositoryDisk:
    """The repository of a cluster whose node asks for its tunables."""
    (tmp_path / "disks").mkdir()
    with open(tmp_path / "disks/hdisk1", "wb") as file:
        file.truncate(512 << 20)
    disk = RepositoryDisk(str(tmp_path), "hdisk1")
    disk.create(DEFINITION)
    monkeypatch.setattr(NodeRoot, "current", lambda: NodeRoot(str(tmp_path)))
    monkeypatch.setattr(client, "status", lambda root: _status(disk))
    monkeypatch.setattr(client, "own_repository", lambda root: (disk, _definition(disk)))
    monkeypatch.setattr(formation, "tell", lambda root, node, what, disk="", change=None: None)
    monkeypatch.setattr(NodeRoot, "identity", type("Named", (), {"lab": "", "node": "nodeA"})())
    return disk


def _definition(disk: RepositoryDisk) -> Definition:
    found = disk.read_definition()
    assert found is not None
    return found


def _status(disk: RepositoryDisk) -> Status:
    definition = _definition(disk)
    values = tuple((name, tunables.value_of(definition.tunables, name)) for name in sorted(tunables.TUNABLES))
    membership = Membership(1, 1, (1, 2), definition.nodes, (), True, definition.name, definition.uuid)
    return Status(membership, "hdisk1", tunables=values)


def run(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = clctrl.clctrl(["clctrl", "-tune", *words.split(" ")])
    sys.stdout.flush()
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize("name", REFERENCE)
def test_a_tunable_takes_its_range_and_nothing_else(
    name: str, disk: RepositoryDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    default, domain, _ = REFERENCE[name]
    low, high = domain[0], domain[-1]
    words = isinstance(low, str)
    good = domain if isinstance(low, str) or isinstance(high, str) else (low, high, (low + high) // 2)
    for value in good:
        assert run(f"-o {name}={value}", capsys) == (0, "1 tunable updated on cluster mycluster.\n", "")
        assert dict(_definition(disk).tunables)[name] == str(value)
        assert run(f"-o {name}", capsys)[1] == f"mycluster({DEFINITION.uuid}).{name} = {value}\n"
    last = _definition(disk)
    outside = () if isinstance(low, str) or isinstance(high, str) else (str(low - 1), str(high + 1))
    for wrong in (*NONSENSE, *outside):
        status, out, err = run(f"-o {name}={wrong}", capsys)
        assert (status, out) == (1, ""), wrong
        assert err.startswith(f"clctrl: {wrong} is not valid for {name}: it must be {'one of' if words else 'from'} ")
        assert _definition(disk) == last, "nothing is written"
    assert run(f"-d {name}", capsys)[0] == 0
    assert dict(_definition(disk).tunables)[name] == default


def test_what_is_said_of_all(disk: RepositoryDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert tuple(tunables.TUNABLES) == tuple(REFERENCE)
    entity = f"mycluster({DEFINITION.uuid})"
    assert run("-a", capsys)[1] == "".join(f"     {entity}.{name} = {REFERENCE[name][0]}\n" for name in REFERENCE)
    long = run("-L", capsys)[1].splitlines()
    assert long[:3] == [
        "NAME                          DEF    MIN    MAX    UNIT            SCOPE",
        "     ENTITY_NAME(UUID)                                                CUR",
        "-" * 80,
    ]
    spread = run("-x", capsys)[1].splitlines()[1:]
    for place, (name, (default, domain, unit)) in enumerate(REFERENCE.items()):
        limits = [] if isinstance(domain[0], str) else [str(limit) for limit in domain]
        first, second, rule = long[3 + 3 * place : 6 + 3 * place]
        assert first.split() == [name, default, *limits, *([unit] if unit else []), "c"]
        assert second.split() == [entity, default]
        assert rule == "-" * 80
        assert spread[place].split(",") == [name, default, *(limits or ["", ""]), unit, "c", entity, default]
    assert run("-L network_fdt", capsys)[1].splitlines()[3:] == [
        "network_fdt                   20000  5000   590000 milliseconds    c",
        f"     {entity:<65}20000",
        "-" * 80,
    ]
    assert run("-h", capsys)[1].count("Help for tunable ") == len(REFERENCE)


def test_what_is_refused(disk: RepositoryDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-o nothing=1", capsys) == (1, "", "clctrl: nothing is not a tunable.\n")
    assert run("-L nothing", capsys) == (1, "", "clctrl: nothing is not a tunable.\n")
    assert run("-n other -a", capsys) == (1, "", "clctrl: other is not this node's cluster.\n")
    assert run("-u 15f9 -a", capsys) == (1, "", "clctrl: 15f9 is not this node's cluster.\n")
    assert run("-o node_timeout=20000 -o packet_ttl=0", capsys)[0] == 1
    assert _definition(disk) == DEFINITION, "one wrong value, and none is set"
    assert run("-D", capsys)[1] == "17 tunables updated on cluster mycluster.\n"


def test_a_value_in_force() -> None:
    assert tunables.seconds((("network_fdt", "5000"),), "network_fdt") == 5.0
    assert tunables.seconds((), "node_timeout") == 30.0
