"""A node's own name of a disk: rendev, and every command that takes or prints a name after it."""

from __future__ import annotations

from daemons.caa.device import ClusterDevice
from srcctl.network.faults import Faults
from srcctl.storage.device_names import by_pvid, lab_disk, own_name
from tests.storage.machine import Node, Run


def test_a_disk_has_a_name_of_its_own_on_each_node(nodes: tuple[Node, Node], run: Run) -> None:
    one, other = nodes
    assert run(one, "rendev", "-l", "hdisk2", "-n", "datadisk1") == (0, "datadisk1\n", "")
    names = [line.split()[0] for line in run(one, "lspv")[1].splitlines()]
    assert names == ["hdisk0", "hdisk1", "datadisk1", "hdisk3"]
    assert "datadisk1" in run(one, "lsdev", "-Cc", "disk")[1]
    assert "datadisk1" not in run(other, "lspv")[1]
    identifier = run(one, "lspv")[1].splitlines()[2].split()[1]
    assert run(other, "lspv")[1].splitlines()[2].split()[:2] == ["hdisk2", identifier], "the PVID tells"
    assert run(one, "lsattr", "-El", "datadisk1", "-a", "pvid", "-F", "value")[1].startswith(identifier)
    assert run(one, "bootinfo", "-s", "datadisk1")[:2] == (0, "64\n")
    assert run(one, "lspv", "hdisk2")[0] == 1, "nothing is called so any more"
    assert (lab_disk(one.root, "datadisk1"), lab_disk(one.root, identifier)) == ("hdisk2", "hdisk2")
    assert by_pvid(one.root)[identifier] == "datadisk1"


def test_lvm_takes_and_prints_the_node_s_name(nodes: tuple[Node, Node], run: Run) -> None:
    one, other = nodes
    run(one, "rendev", "-l", "hdisk2", "-n", "left")
    assert run(one, "mkvg", "-s", "4", "-y", "datavg", "left", "hdisk3")[0] == 0
    run(one, "mklv", "-c", "2", "-y", "lv1", "datavg", "1")
    for line in (
        "lsvg -p datavg", "lsvg -M datavg", "lslv -m lv1", "lslv -l lv1", "lslv -p left", "lspv left", "lspv -l left",
        "lspv -p left", "lspv -M left", "readvgda left",
    ):  # fmt: skip
        status, text, said = run(one, *line.split())
        assert (status, said) == (0, ""), line
        assert "left" in text, line
        assert "hdisk2" not in text, line
    run(one, "varyoffvg", "datavg")
    assert run(other, "importvg", "hdisk2")[:2] == (0, "datavg\n")
    assert "hdisk2 " in run(other, "lsvg", "-p", "datavg")[1]
    Faults(one.root.identity.lab).set_disk("hdisk2", failed=True)
    run(other, "varyoffvg", "datavg")
    assert "PV Status:\tleft\t" in run(one, "varyonvg", "datavg")[2]


def test_cfgmgr_does_not_find_a_renamed_disk_anew(nodes: tuple[Node, Node], run: Run) -> None:
    node, _ = nodes
    run(node, "rendev", "-l", "hdisk2", "-n", "mine")
    before = run(node, "lsdev", "-Cc", "disk")[1]
    assert run(node, "cfgmgr")[0] == 0
    assert run(node, "lsdev", "-Cc", "disk")[1] == before
    assert run(node, "rmdev", "-l", "mine")[1] == "mine Defined\n"
    assert "mine" not in run(node, "lspv")[1]
    run(node, "cfgmgr")
    assert "mine" in run(node, "lspv")[1]
    assert run(node, "rmdev", "-dl", "mine")[1] == "mine deleted\n"
    run(node, "cfgmgr")
    assert own_name(node.root, "hdisk2") == "hdisk2", "what was forgotten has its first name again"


def test_what_cannot_be_renamed(nodes: tuple[Node, Node], run: Run) -> None:
    node, _ = nodes
    run(node, "mkvg", "-y", "datavg", "hdisk2")
    for words, complaint in (
        ("-l hdisk2 -n mine", "0514-062"),
        ("-l hdisk0 -n mine", "0514-062"),
        ("-l en0 -n en7", "0514-062"),
        ("-l nosuch -n mine", "0514-519"),
        ("-l hdisk3 -n hdisk1", "0514-520"),
        ("-l hdisk3 -n 3disk", "0514-013"),
        ("-l hdisk3 -n averyveryverylongname", "0514-013"),
        ("-n mine", "Usage: rendev"),
    ):
        status, text, said = run(node, "rendev", *words.split())
        assert (status, text, complaint in said) == (1, "", True), words
    assert run(node, "rendev", "-l", "hdisk3") == (0, "hdisk4\n", ""), "the next free name"
    run(node, "varyoffvg", "datavg")
    run(node, "mkvg", "-C", "-y", "concvg", "hdisk4")
    run(node, "varyonvg", "-c", "-P", "concvg")
    assert run(node, "rendev", "-l", "hdisk4", "-n", "other")[0] == 1, "it is open in passive mode, too"
    run(node, "varyoffvg", "concvg")
    assert run(node, "rendev", "-u", "-l", "hdisk2", "-n", "mine") == (0, "mine\n", "")
    assert run(node, "lsdev", "-l", "mine", "-F", "status")[1] == "Defined\n"
    assert run(node, "rendev", "-l", "hdisk4", "-n", "hdisk2")[0] == 1, "a lab's name stays that of its disk"
    assert run(node, "rendev", "-l", "mine", "-n", "hdisk2")[0] == 0


def test_shared_disks_of_a_cluster_have_its_names_on_every_node(nodes: tuple[Node, Node], run: Run) -> None:
    one, other = nodes
    run(one, "rendev", "-l", "hdisk2", "-n", "mine")
    for node in nodes:
        ClusterDevice(node.root).name_disks({"hdisk2": 2, "hdisk3": 1})
        names = [line.split()[0] for line in run(node, "lspv")[1].splitlines()]
        assert names == ["hdisk0", "hdisk1", "cldisk2", "cldisk1"]
        assert "cldisk1" in run(node, "lsdev", "-Cc", "disk")[1]
        assert (lab_disk(node.root, "cldisk2"), lab_disk(node.root, "hdisk2")) == ("hdisk2", None)
    for words in (("rendev", "-l", "cldisk1", "-n", "mine"), ("rmdev", "-dl", "cldisk1")):
        assert "0514-062" in run(one, *words)[2], "the cluster has it"
    assert "0514-013" in run(one, "rendev", "-l", "hdisk1", "-n", "cldisk7")[2]
    ClusterDevice(one.root).name_disks({"hdisk3": 1})
    assert (own_name(one.root, "hdisk2"), own_name(one.root, "hdisk3")) == ("hdisk2", "cldisk1")
    ClusterDevice(one.root).forget()
    assert own_name(one.root, "hdisk3") == "hdisk3"
    assert own_name(other.root, "hdisk3") == "cldisk1"
