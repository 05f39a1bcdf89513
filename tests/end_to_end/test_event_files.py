"""/aha of a real node: what a script of an administrator sees of files, processes, disks and the cluster."""

from __future__ import annotations

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

OPTIONS = ("--nodes", "2")
MONITORED = "CHANGED=YES;CLUSTER=YES;WAIT_TYPE=WAIT_IN_READ"


@pytest.fixture
def mounted(lab: LabUnderTest) -> LabUnderTest:
    if "ahafs /aha fuse" not in lab.output("node1", "cat /proc/mounts"):
        pytest.skip("no view, or no file system in user space, on this host")
    return lab


def test_files_and_processes(mounted: LabUnderTest) -> None:
    lab = mounted
    lab.output("node1", "mkdir -p /aha/fs/modFile.monFactory/etc /aha/cpu/processMon.monFactory/usr/es/sbin/cluster")
    written = lab.event(
        "fs/modFile.monFactory/etc/hosts.mon", MONITORED, "exec", "node1", "--", "sh", "-c", "echo >>/etc/hosts"
    )
    assert "RC_FROM_EVPROD=1000\n" in written
    dead = lab.event("cpu/processMon.monFactory/usr/es/sbin/cluster/clinfo.mon", MONITORED, "kill", "node1", "clinfoES")
    assert "EVENT_TYPE=PROCESS_DOWN\n" in dead
    refused = lab.run("node1", "exec 3<>/aha/fs/modFile.monFactory/etc/nothing.mon")
    assert "No such device" in refused.stderr
    lab.wait_until_down("node1", "clinfoES")
    lab.output("node1", "startsrc -s clinfoES")


def test_a_disk_and_the_volume_group_on_it(mounted: LabUnderTest) -> None:
    lab = mounted
    disk = lab.output("node1", 'lspv | awk \'$3 == "shared_vg" || $3 == "appvg" {print $1}\'').split()
    disk = disk or [line.split()[0] for line in lab.output("node1", "lspv").splitlines() if line.split()[2] not in (
        "rootvg", "caavg_private", "None")]  # fmt: skip
    name = disk[0]
    lost = lab.event("disk/vgState.monFactory/vgStateEvent.mon", MONITORED, "disk", name, "fail")
    assert f"EVENT_TYPE=VG_DOWN\nDISK_NAME={name}\nVG_NAME=" in lost
    back = lab.event(f"disk/diskState.monFactory/{name}.mon", MONITORED, "disk", name, "repair")
    assert f"EVENT_TYPE=DISK_UP\nDISK_NAME={name}\n" in back


def test_it_is_there_again_after_a_reboot(mounted: LabUnderTest) -> None:
    """A mount of the life before lies on the same folder: it must not stay."""
    lab = mounted
    before = lab.status()["nodes"]["node2"]["processes"]["caa"]
    lab.run("node2", "reboot -q")
    eventually(
        lambda: lab.status()["nodes"]["node2"]["processes"].get("caa", before) != before, "node2 is on again", 30
    )
    eventually(lambda: "nodeState" in lab.run("node2", "ls /aha/cluster").stdout, "with its event producers", 30)
    assert lab.output("node2", "cat /proc/mounts").count("ahafs") == 1
