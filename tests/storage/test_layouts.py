"""Every listing of the disk, volume group, file system and device commands, byte for byte against its golden file."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from srcctl.commands.launch import call
from srcctl.devices import configuration
from srcctl.network.faults import Faults, root_disk
from tests.storage.conftest import ENTRIES
from tests.storage.machine import Node, Run, golden

LISTINGS = {
    "lspv/plain": "lspv",
    "lspv/uuid": "lspv -u",
    "lspv/disk": "lspv hdisk2",
    "lspv/volumes": "lspv -l hdisk2",
    "lspv/ranges": "lspv -p hdisk2",
    "lspv/map": "lspv -M hdisk2",
    "lsvg/group": "lsvg datavg",
    "lsvg/rootvg": "lsvg rootvg",
    "lsvg/concurrent": "lsvg -n hdisk3 concvg",
    "lsvg/volumes": "lsvg -l datavg",
    "lsvg/disks": "lsvg -p datavg",
    "lsvg/map": "lsvg -M datavg",
    "lslv/volume": "lslv fslv00",
    "lslv/disks": "lslv -l fslv00",
    "lslv/map": "lslv -m fslv00",
    "lslv/allocation": "lslv -p hdisk2 fslv00",
    "readvgda/disk": "readvgda hdisk2",
    "lsfs/plain": "lsfs",
    "lsfs/colon": "lsfs -c /sharedfs",
    "lsfs/sizes": "lsfs -q /sharedfs",
    "lsdev/plain": "lsdev",
    "lsdev/disks": "lsdev -Cc disk",
    "lsdev/heading": "lsdev -Cc disk -H",
    "lsdev/format": "lsdev -C -l hdisk2 -F name:status:physloc",
    "lsattr/disk": "lsattr -El hdisk2",
    "lsattr/interface": "lsattr -El en0",
    "lsattr/colon": "lsattr -El hdisk2 -O -a pvid,queue_depth",
    "lsattr/range": "lsattr -Rl hdisk2 -a queue_depth",
    "lspath/all": "lspath",
    "lspath/heading": "lspath -H -l hdisk2",
    "lspath/format": "lspath -l hdisk2 -F path_id:status:connection",
    "lspath/chosen": "lspath -p vscsi0 -s enabled -i 0 -w 830000000000",
    "ifconfig/all": "ifconfig -a",
    "netstat/interfaces": "netstat -i",
    "netstat/numeric": "netstat -in",
    "netstat/routes": "netstat -rn",
    "netstat/named_routes": "netstat -rf inet",
}
MESSAGES = {
    "lspv hdisk9": 1,
    "lspv hdisk1": 1,
    "lsvg nosuch": 1,
    "lsvg concvg": 1,
    "lslv nosuch": 1,
    "varyonvg nosuch": 1,
    "varyonvg -c datavg": 1,
    "varyoffvg datavg": 1,
    "varyoffvg rootvg": 1,
    "mkvg -y datavg hdisk1": 1,
    "mkvg -y other hdisk2": 1,
    "mkvg -s 3 -y other hdisk1": 1,
    "exportvg datavg": 1,
    "importvg -y other hdisk1": 1,
    "reducevg datavg hdisk2": 1,
    "mklv datavg 9999": 1,
    "crfs -v jfs2 -g datavg -m /sharedfs -a size=16M": 1,
    "rmfs /sharedfs": 1,
    "chfs -a size=16M /sharedfs": 1,
    "umount /": 1,
    "mount /var": 1,
    "mount /nosuch": 1,
    "lsfs /nosuch": 1,
    "df /nosuch": 1,
    "lsattr -El hdisk9": 1,
    "lsattr -El hdisk2 -a nosuch": 1,
    "lsdev -l nosuch": 1,
    "chdev -l hdisk2 -a queue_depth=20": 1,
    "chdev -l hdisk1 -a queue_depth=2000": 1,
    "chdev -l hdisk1 -a nosuch=1": 1,
    "rmdev -dl hdisk2": 1,
    "chpv -v r hdisk2": 1,
    "readvgda hdisk1": 1,
    "netstat -I en9": 1,
    "netstat -i en0": 1,
    "ifconfig en9": 1,
    "ifconfig lo0 down": 1,
    "ifconfig en0 127.9.9.999 alias": 1,
    "ifconfig en0 127.9.9.9 netmask 0xzz alias": 1,
    "entstat en9": 1,
    "lscfg -l nosuch": 1,
    "lsattr -Rl hdisk2": 1,
    "lsps -s hd6": 1,
    "lspath -l nosuch": 1,
    "lspath -s wet": 1,
    "lspath -F colour": 1,
}


def prepare(node: Node, run: Run, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A volume group on hdisk2, whose file system is mounted, and a concurrent capable one on hdisk3."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time_ns", lambda: 1_784_000_000_123_456_789)
    monkeypatch.setattr(time, "time", lambda: 1_784_000_000.0)
    for line in (
        "mkvg -y datavg hdisk2",
        "crfs -v jfs2 -g datavg -m /sharedfs -a size=32M",
        "mklv -y rawlv -t raw datavg 1",
        "mkvg -C -S -y concvg hdisk3",
        "mount /sharedfs",
    ):
        status, _, said = run(node, *line.split())
        assert status == 0, said
    return node


@pytest.fixture
def machine(nodes: tuple[Node, Node], run: Run, monkeypatch: pytest.MonkeyPatch) -> Node:
    """node1 in that state, to be changed."""
    return prepare(nodes[0], run, monkeypatch)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Node]:
    """node1 in that state for all that only look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 2)

        def run(node: Node, *words: str) -> tuple[int, str, str]:
            patch.setenv("HAES_ROOT", node.root.directory)
            with redirect_stdout(io.StringIO()):
                return call(*ENTRIES[words[0]], list(words)), "", ""

        yield prepare(Node(tmp_path_factory.mktemp("shown"), "node1", template), run, patch)


@pytest.mark.parametrize("name", LISTINGS)
def test_listing(shown: Node, run: Run, name: str) -> None:
    status, text, said = run(shown, *LISTINGS[name].split())
    assert (status, said) == (0, "")
    assert text == golden(name)


@pytest.mark.parametrize("line", MESSAGES)
def test_message(shown: Node, run: Run, line: str) -> None:
    """Every complaint stands in one file, under its command; the exit code is 1 and stdout empty."""
    expected = dict(block.partition("\n")[::2] for block in golden("storage_messages").removeprefix("# ").split("\n# "))
    status, text, said = run(shown, *line.split())
    assert (status, text) == (MESSAGES[line], "")
    assert said.rstrip("\n") == expected[line].rstrip("\n")


def test_lsvg_reads_names_from_a_pipe(shown: Node, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """``lsvg -o | lsvg -il``, as scripts write it."""
    names = run(shown, "lsvg", "-o")[1]
    assert names == "datavg\nrootvg\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(names))
    assert run(shown, "lsvg", "-il")[1] == golden("lsvg/volumes") + run(shown, "lsvg", "-l", "rootvg")[1]


def test_a_disk_is_deleted_and_found_again(machine: Node, run: Run) -> None:
    assert run(machine, "rmdev", "-dl", "hdisk1") == (0, "hdisk1 deleted\n", "")
    assert "hdisk1" not in run(machine, "lspv")[1] + run(machine, "lsdev")[1]
    faults = Faults(machine.root.identity.lab)
    faults.set_disk("hdisk1", failed=True)
    assert run(machine, "cfgmgr") == (0, "", "")
    assert "hdisk1" not in run(machine, "lspv")[1], "a disk that does not answer is not found"
    faults.set_disk("hdisk1", failed=False)
    assert run(machine, "cfgmgr") == (0, "", "")
    assert "hdisk1 Available" in run(machine, "lsdev", "-Cc", "disk")[1]
    assert "hdisk1" in run(machine, "lspv")[1]
    assert configuration.configure(machine.root) == [], "there is nothing left to find"


def test_the_path_to_a_disk_fails_with_it(machine: Node, run: Run) -> None:
    faults = Faults(machine.root.identity.lab)
    faults.set_disk("hdisk1", failed=True)
    assert run(machine, "lspath", "-s", "failed")[1] == "Failed hdisk1 vscsi0\n"
    faults.set_disk("hdisk1", failed=False)
    faults.set_disk(root_disk("node1"), failed=True)
    assert run(machine, "lspath", "-F", "status", "-l", "hdisk0")[1] == "Failed\n"
    assert run(machine, "lspath", "-s", "available")[1].count("vscsi0") == 4
    assert run(machine, "rmdev", "-l", "hdisk1")[0] == 0
    assert run(machine, "lspath", "-s", "defined")[1] == "Defined hdisk1 vscsi0\n"


def test_customized_attributes(machine: Node, run: Run) -> None:
    assert run(machine, "chdev", "-l", "hdisk1", "-a", "queue_depth=20") == (0, "hdisk1 changed\n", "")
    assert run(machine, "chdev", "-P", "-l", "hdisk2", "-a", "queue_depth=7") == (0, "hdisk2 changed\n", "")
    assert run(machine, "chdev", "-U", "-l", "hdisk2", "-a", "hcheck_interval=60")[0] == 0
    assert run(machine, "lsattr", "-El", "hdisk1", "-a", "queue_depth", "-F", "value") == (0, "20\n", "")
    assert run(machine, "lsattr", "-Dl", "hdisk1", "-a", "queue_depth", "-F", "value") == (0, "3\n", "")
    assert run(machine, "chdev", "-l", "en1", "-a", "state=down") == (0, "en1 changed\n", "")
    assert not Faults(machine.root.identity.lab).link_up("node1", "net_ether_02")
    assert run(machine, "lsattr", "-El", "en1", "-a", "state", "-F", "value") == (0, "down\n", "")


def test_partitions_are_closed_for_allocation(machine: Node, run: Run) -> None:
    assert run(machine, "rmlv", "-f", "rawlv")[0] == 0
    assert run(machine, "chpv", "-a", "n", "hdisk2") == (0, "", "")
    assert "ALLOCATABLE:      no" in run(machine, "lspv", "hdisk2")[1]
    assert run(machine, "mklv", "datavg", "1")[2].startswith("0516-404 allocp:")
    assert run(machine, "chpv", "-a", "y", "hdisk2") == (0, "", "")
    assert run(machine, "mklv", "datavg", "1")[:2] == (0, "lv00\n")


def test_a_volume_group_grows_and_shrinks(machine: Node, run: Run) -> None:
    assert run(machine, "extendvg", "datavg", "hdisk1") == (0, "", "")
    assert run(machine, "lsvg", "-p", "datavg")[1].count("active") == 2
    assert run(machine, "chfs", "-a", "size=+16M", "/sharedfs")[1] == "Filesystem size changed to 98304\n"
    assert "fslv00" in run(machine, "lspv", "-l", "hdisk1")[1], "hdisk2 is full"
    assert run(machine, "umount", "/sharedfs")[0] == 0
    assert run(machine, "rmfs", "/sharedfs")[1] == "rmlv: Logical volume fslv00 is removed.\n"
    assert run(machine, "reducevg", "datavg", "hdisk1") == (0, "", "")
    assert run(machine, "rmlv", "-f", "rawlv")[0] == 0
    gone = "ldeletepv: Volume Group deleted since it contains no physical volumes.\n"
    assert run(machine, "reducevg", "datavg", "hdisk2") == (0, gone, "")
    assert "datavg" not in run(machine, "lsvg")[1]
    assert not [name for name in os.listdir(Path(machine.root.identity.lab) / "disks") if name.endswith(".d")]


def test_a_concurrent_volume_group_is_shared(machine: Node, nodes: tuple[Node, Node], run: Run) -> None:
    other = nodes[1]
    assert run(other, "importvg", "-n", "-y", "concvg", "hdisk3")[0] == 0
    assert run(machine, "varyonvg", "-c", "concvg") == (0, "", "")
    assert run(other, "varyonvg", "concvg")[0] == 1, "not exclusively while another has it"
    assert run(other, "varyonvg", "-c", "concvg") == (0, "", "")
    for node in (machine, other):
        row = next(line for line in run(node, "lspv")[1].splitlines() if line.startswith("hdisk3"))
        assert row.split()[2:] == ["concvg", "concurrent"]
