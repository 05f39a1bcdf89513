"""A lost repository disk is replaced by a backup, and everything names the new one: CAA, the object classes, clmgr."""

from __future__ import annotations

import re

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True
REPOSITORIES = re.compile(r"^\t(\w+):\n(?:.*\n){4}.*REPDISK$", re.MULTILINE)


def repository(lab: LabUnderTest, node: str, directory: str = "/etc/es/objrepos") -> str:
    text = lab.run(node, f"ODMDIR=$HAES_ROOT{directory} odmget HACMPsircol").stdout
    return next((line.split('"')[1] for line in text.splitlines() if "\trepository" in line), "")


def test_the_configuration_follows_an_automatic_update(lab: LabUnderTest) -> None:
    lab.output("node1", "clmgr add repository hdisk3")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    new = next(line.split()[1] for line in lab.output("node1", "lspv").splitlines() if line.startswith("hdisk3 "))
    backup = r"^\thdisk3:\n(?:.*\n){4}.*BACKUP_DISK$"
    eventually(
        lambda: len(re.findall(backup, lab.output("node1", "lscluster -d"), re.MULTILINE)) == 2, "both have the backup"
    )
    lab.srcctl("disk", "hdisk1", "fail")
    active = "/usr/es/sbin/cluster/etc/objrepos/active"
    for node in lab.nodes():
        for directory in ("/etc/es/objrepos", active):
            eventually(
                lambda d=directory, n=node: repository(lab, n, d) == new, f"{node} names hdisk3 in {directory}", 30
            )
        # Each node tells the others which disks it has.
        eventually(
            lambda n=node: REPOSITORIES.findall(lab.output(n, "lscluster -d")) == ["hdisk3"] * 2,
            f"{node} shows hdisk3 as everybody's repository", show=lambda n=node: lab.output(n, "lscluster -d"),
        )  # fmt: skip
        eventually(lambda n=node: "BACKUP_DISK" not in lab.output(n, "lscluster -d"), f"{node} has no backup")
    assert "hdisk3" in lab.output("node1", "clmgr query repository")
    log = lab.file("node1", "/var/adm/ras/syslog.caa")
    assert "caa:info cluster[" in log
    assert "is replaced by hdisk3" in log + lab.file("node2", "/var/adm/ras/syslog.caa")

    # A node that was off meanwhile finds the new one, and may join those that stayed.
    lab.srcctl("disk", "hdisk1", "repair")
    lab.srcctl("halt", "node2")
    lab.wait_for_power("node2", "off")
    lab.rejoin("node2")
    lab.wait_for_state("node2", "ST_STABLE")
    eventually(lambda: repository(lab, "node2") == new, "node2 names hdisk3")
    lab.output("node1", "clmgr verify cluster", timeout=120)

    # One that was off during a synchronization, too, is brought forward to it: that names the disk of before.
    lab.output("node1", "clmgr add repository hdisk4")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    newest = next(line.split()[1] for line in lab.output("node1", "lspv").splitlines() if line.startswith("hdisk4 "))
    lab.srcctl("halt", "node2")
    lab.wait_for_power("node2", "off")
    lab.output("node1", "clmgr modify resource_group app_rg FALLBACK=FBHPN")
    lab.output("node1", "clmgr sync cluster VERIFY=no", timeout=120)
    lab.srcctl("disk", "hdisk3", "fail")
    eventually(lambda: repository(lab, "node1") == newest, "node1 names hdisk4", 30)
    lab.rejoin("node2")
    lab.wait_for_state("node2", "ST_STABLE")
    assert "FBHPN" in lab.output("node2", "odmget HACMPgroup"), "it has the configuration that it missed"
    eventually(lambda: repository(lab, "node2") == newest, "node2 names hdisk4")
