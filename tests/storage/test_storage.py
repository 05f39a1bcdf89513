"""Volume groups belong to one live node; file systems and addresses follow the same rule; disks fail on cue."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from srcctl.network.addresses import AddressRegistry
from srcctl.network.faults import Faults, FaultSet
from srcctl.network.liveness import is_alive
from srcctl.node import powerlock
from srcctl.node.root import NodeRoot
from srcctl.storage import descriptor_area, filesystems, partitions
from srcctl.storage.descriptor_area import LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.disk import Disk
from srcctl.storage.fences import FenceRegistry, ShutOut
from srcctl.storage.reservations import ReservationRegistry
from srcctl.storage.volume_groups import VolumeGroups
from tests.storage.machine import ETC, Node, Run


def test_a_volume_group_belongs_to_one_live_node(nodes: tuple[Node, Node], run: Run) -> None:
    first, second = nodes
    assert run(first, "mkvg", "-y", "datavg", "hdisk2")[:2] == (0, "datavg\n")
    assert run(first, "crfs", "-v", "jfs2", "-g", "datavg", "-m", "/sharedfs", "-a", "size=32M")[0] == 0
    assert run(second, "importvg", "-n", "-y", "datavg", "hdisk2")[0] == 0
    assert run(second, "lsvgfs", "datavg") == (0, "/sharedfs\n", "")
    status, _, error = run(second, "varyonvg", "datavg")
    assert status == 1
    assert "reserved by node1" in error
    assert run(second, "mount", "/sharedfs")[0] == 1
    first.die()
    assert run(second, "varyonvg", "datavg") == (0, "", ""), "the reservation dies with the node"
    assert run(second, "mount", "/sharedfs")[0] == 0
    assert run(second, "varyoffvg", "datavg")[0] == 1, "a mounted file system keeps it"
    Path(second.root.path("/sharedfs/file")).write_text("kept")
    assert run(second, "umount", "/sharedfs")[0] == 0
    assert run(second, "umount", "/sharedfs")[2].startswith("umount: 0506-347")
    assert run(second, "varyoffvg", "datavg")[0] == 0
    first.boot = "node1-second-life"
    first.boot_up()
    identity = first.root.identity._replace(boot_id=first.boot)
    Path(first.root.path("/etc/lpar.json")).write_text(identity.text())
    first.root = NodeRoot(first.root.directory)
    assert run(first, "varyonvg", "datavg")[0] == 0
    assert run(first, "mount", "/sharedfs")[0] == 0
    assert Path(first.root.path("/sharedfs/file")).read_text() == "kept"
    first.die()
    second.die()


def test_a_mount_does_not_outlive_the_machine(nodes: tuple[Node, Node], run: Run) -> None:
    first, second = nodes
    run(first, "mkvg", "-y", "datavg", "hdisk2")
    run(first, "crfs", "-v", "jfs2", "-g", "datavg", "-m", "/sharedfs", "-a", "size=32M")
    assert run(first, "mount", "/sharedfs")[0] == 0
    first.die()
    filesystems.forget(first.root)
    assert filesystems.mounted(first.root) == {}
    first.boot_up()
    assert run(first, "mount", "/sharedfs") == (0, "", "")
    first.die()
    second.die()


def mounted_here_known_there(first: Node, second: Node, run: Run) -> None:
    """datavg on hdisk2 is varied on at the first node, with a file system that is mounted; the second one knows it."""
    run(first, "mkvg", "-y", "datavg", "hdisk2")
    run(first, "crfs", "-v", "jfs2", "-g", "datavg", "-m", "/sharedfs", "-a", "size=32M")
    run(first, "mount", "/sharedfs")
    run(second, "importvg", "-n", "-y", "datavg", "hdisk2")


def test_a_partition_that_cuts_the_disk_path_makes_contenders(nodes: tuple[Node, Node], run: Run) -> None:
    first, second = nodes
    faults = Faults(first.root.identity.lab)
    mounted_here_known_there(first, second, run)
    faults.partition(["node1"], ["node2"], keep_disk=True)
    assert run(second, "varyonvg", "datavg")[0] == 1, "with the disk path the reservation holds"
    faults.partition(["node1"], ["node2"], keep_disk=False)
    assert run(second, "varyonvg", "datavg") == (0, "", "")
    assert run(second, "mount", "/sharedfs") == (0, "", "")
    registry = ReservationRegistry(first.root.identity.lab)
    assert registry.all() == {"hdisk2": ["node1", "node2"]}, "a split brain is not hidden"
    groups = VolumeGroups(first.root), VolumeGroups(second.root)
    group = groups[0].find("datavg")
    assert group is not None
    assert [g.contenders(group) for g in groups] == [["node2"], ["node1"]]
    for node in nodes:
        assert run(node, "lsvg", "-o")[1] == "datavg\nrootvg\n"
    Path(first.root.path("/sharedfs/file")).write_text("one medium")
    assert Path(second.root.path("/sharedfs/file")).read_text() == "one medium"
    # After the heal both keep it until one gives way, and -O breaks what is seen again.
    faults.heal()
    assert [g.is_varied_on(group) for g in groups] == [True, True]
    run(second, "umount", "/sharedfs")
    assert run(second, "varyoffvg", "datavg")[0] == 0
    assert registry.all() == {"hdisk2": ["node1"]}
    assert run(second, "varyonvg", "datavg")[0] == 1
    assert run(second, "varyonvg", "-O", "datavg")[0] == 0
    assert registry.all() == {"hdisk2": ["node2"]}
    second.die()
    assert registry.all() == {}


def test_messages_for_what_is_not_there(nodes: tuple[Node, Node], run: Run) -> None:
    first, _ = nodes
    assert run(first, "varyonvg", "nosuch")[2].startswith("0516-306 varyonvg: Unable to find volume group nosuch")
    assert run(first, "mkvg", "-y", "x", "hdisk9")[2].startswith("0516-306")
    assert run(first, "mkvg", "-y", "x")[0] == 1
    assert run(first, "importvg", "-y", "x", "hdisk3")[2].startswith("0516-304")
    assert run(first, "crfs", "-g", "nosuch", "-m", "/x", "-a", "size=1M")[2].startswith("0516-306")
    assert run(first, "lsfs", "/nosuch")[0] == 1
    assert run(first, "mount", "/nosuch")[2].startswith("mount: 0506-334")
    run(first, "mkvg", "-y", "datavg", "hdisk2")
    assert run(first, "mkvg", "-y", "othervg", "hdisk2")[2].startswith("0516-1398")
    assert run(first, "exportvg", "datavg")[2].startswith("0516-764")


def test_a_failed_disk_is_an_input_output_error(nodes: tuple[Node, Node], run: Run) -> None:
    first, _ = nodes
    run(first, "mkvg", "-y", "datavg", "hdisk2")
    run(first, "varyoffvg", "datavg")
    faults = Faults(first.root.identity.lab)
    faults.set_disk("hdisk2", failed=True)
    with Disk(first.root.identity.lab, "hdisk2") as disk, pytest.raises(OSError) as caught:
        disk.read(0, 512)
    assert caught.value.errno == errno.EIO
    assert run(first, "varyonvg", "datavg")[2].startswith("0516-052")
    faults.set_disk("hdisk2", failed=False)
    assert run(first, "varyonvg", "datavg")[0] == 0


def test_a_torn_descriptor_area_leaves_the_older_one(nodes: tuple[Node, Node]) -> None:
    first, _ = nodes
    groups = VolumeGroups(first.root)
    group = groups.store(VolumeGroup("datavg", "id", ("hdisk2",)))
    newer = groups.store(group._replace(volumes=(LogicalVolume("fslv00", "jfs2", 1, "/x"),)))
    assert groups.on_disk("hdisk2") == newer
    with Disk(first.root.identity.lab, "hdisk2") as disk:
        disk.write(descriptor_area.SLOT_OFFSETS[newer.serial % 2] + 20, b"torn")
    assert groups.on_disk("hdisk2") == group


def test_what_is_stored_gets_its_partitions(nodes: tuple[Node, Node]) -> None:
    """Who changes a volume group says how many partitions a volume has, not which."""
    groups = VolumeGroups(nodes[0].root)
    one, two = LogicalVolume("one", "jfs2", 2, "/x"), LogicalVolume("two", "raw", 2)
    group = groups.store(VolumeGroup("datavg", "id", ("hdisk2", "hdisk3"), (one, two)))
    assert [(v.number, sum(e.length for e in v.extents)) for v in group.volumes] == [(1, 2), (2, 2)]
    assert len({place for volume in group.volumes for place in partitions.placed(volume.extents)}) == 4
    first = group.volumes[0]
    grown = groups.store(group._replace(volumes=(first._replace(partitions=4), group.volumes[1])))
    assert grown.volumes[0].extents[: len(first.extents)] == first.extents, "what is there stays where it is"
    shorter = groups.store(grown._replace(volumes=(grown.volumes[0]._replace(partitions=1), grown.volumes[1])))
    assert list(partitions.placed(shorter.volumes[0].extents)) == list(partitions.placed(first.extents))[:1]
    with pytest.raises(StorageError, match="0516-404"):
        groups.store(shorter._replace(volumes=(shorter.volumes[0]._replace(partitions=99),)))
    assert groups.on_disk("hdisk2") == shorter


def test_lspv_columns(nodes: tuple[Node, Node], run: Run) -> None:
    first, _ = nodes
    run(first, "mkvg", "-y", "datavg", "hdisk2")
    lines = run(first, "lspv")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["hdisk0", "hdisk1", "hdisk2", "hdisk3"]
    row = lines[2]
    assert (row[16:32].strip(), row[52:60].strip(), row[68:].strip()) == (row.split()[1], "datavg", "active")


def test_the_nodes_own_file_systems_are_measured(nodes: tuple[Node, Node]) -> None:
    first, _ = nodes
    os.makedirs(first.root.path("/var/adm"))
    size, before = filesystems.usage(first.root, "/var")
    assert size == 64 << 20
    Path(first.root.path("/var/adm/big")).write_bytes(b"x" * (1 << 20))
    assert filesystems.usage(first.root, "/var")[1] >= before + (1 << 20)
    with pytest.raises(OSError):
        filesystems.usage(first.root, "/nosuch")


def test_addresses_record_contenders_and_forget_the_dead(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    registry = AddressRegistry(first.root.identity.lab)
    assert registry.configure(first.root.identity, "en0", "127.8.8.33", "255.255.255.0") == []
    others = registry.configure(second.root.identity, "en0", "127.8.8.33", "255.255.255.0")
    assert [alias.node for alias in others] == ["node1"], "a split brain is not hidden"
    assert [alias.node for alias in registry.holders("127.8.8.33")] == ["node1", "node2"]
    first.die()
    assert [alias.node for alias in registry.holders("127.8.8.33")] == ["node2"]
    assert not is_alive(first.root.identity.lab, "node1")
    assert is_alive(first.root.identity.lab, "node2", second.boot)
    assert not is_alive(first.root.identity.lab, "node2", "another life")
    assert registry.remove(second.root.identity, "127.8.8.33")
    assert not registry.remove(second.root.identity, "127.8.8.33")
    second.die()


def test_faults_are_seen_by_everybody_at_once(tmp_path: Path) -> None:
    writer, reader = Faults(str(tmp_path)), Faults(str(tmp_path))
    assert reader.reachable("a", "b", "n1")
    writer.partition(["a"], ["b", "c"], keep_disk=True)
    assert not reader.reachable("a", "b", "n1")
    assert reader.reachable("b", "c", "n1")
    assert not reader.disk_cut("a", "b")
    writer.partition(["a"], ["b", "c"], keep_disk=False)
    assert reader.disk_cut("c", "a")
    writer.set_link("b", "n1", up=False)
    assert not reader.reachable("b", "c", "n1")
    assert reader.any_path("b", "c", ["n1", "n2"])
    writer.set_disk("hdisk1", failed=True)
    assert len(reader.current.describe()) == 3
    writer.heal()
    assert reader.current == FaultSet(disks=frozenset({"hdisk1"}))
    (tmp_path / "faults.json").write_text("rubbish")
    assert Faults(str(tmp_path)).current == FaultSet()


def test_volume_groups_with_auto_on_are_varied_on_at_boot(nodes: tuple[Node, Node], run: Run, tmp_path: Path) -> None:
    """/etc/rc, with commands that write down how they are called."""
    node, calls = nodes[0], tmp_path / "calls"
    for name in ("varyonvg", "mount"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {name} $* >>{calls}\n")
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HAES_ROOT": node.root.directory}
    run(node, "mkvg", "-n", "-y", "clustervg", "hdisk3")
    done = subprocess.run(["sh", str(ETC / "rc")], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "Multi-user initialization completed\n"
    assert not calls.exists(), "neither rootvg nor a volume group that was made with -n"
    run(node, "mkvg", "-y", "datavg", "hdisk2")
    subprocess.run(["sh", str(ETC / "rc")], env=environment, capture_output=True, check=True)
    assert calls.read_text() == "varyonvg datavg\nmount all\n"


def test_mount_all_mounts_what_is_to_be_mounted(nodes: tuple[Node, Node], run: Run) -> None:
    node = nodes[0]
    run(node, "mkvg", "-y", "datavg", "hdisk2")
    run(node, "crfs", "-v", "jfs2", "-g", "datavg", "-m", "/always", "-a", "size=16M", "-A", "yes")
    run(node, "crfs", "-v", "jfs2", "-g", "datavg", "-m", "/sometimes", "-a", "size=16M", "-A", "no")
    assert run(node, "mount", "all") == (0, "", "")
    assert list(filesystems.mounted(node.root)) == ["/always"]
    assert run(node, "mount", "all") == (0, "", ""), "once more is no error"
    run(node, "chfs", "-A", "yes", "/sometimes")
    assert run(node, "mount", "-a")[0] == 0
    assert sorted(filesystems.mounted(node.root)) == ["/always", "/sometimes"]
    assert run(node, "umount", "all")[0] == 0
    assert not filesystems.mounted(node.root)


def test_a_node_that_is_shut_out_of_a_disk_has_it_no_more(nodes: tuple[Node, Node], run: Run) -> None:
    """No partition hides a fence, and a restart of the node does not lift it."""
    first, second = nodes
    lab = first.root.identity.lab
    assert run(first, "mkvg", "-y", "datavg", "hdisk2")[0] == 0
    assert run(second, "importvg", "-n", "-y", "datavg", "hdisk2")[0] == 0
    fences = FenceRegistry(lab)
    assert fences.of("node1") is None
    assert fences.fence("node1", ["hdisk2"], "node2") == first.boot
    with pytest.raises(ShutOut):
        fences.fence("node2", ["hdisk2", "hdisk3"], "node1")
    Faults(lab).partition(["node1"], ["node2"], keep_disk=False)
    assert ReservationRegistry(lab).holders("hdisk2") == []
    assert run(second, "varyonvg", "datavg")[0] == 0
    assert ReservationRegistry(lab).holders("hdisk2") == ["node2"]
    Faults(lab).heal()
    first.die()
    second.die()
    first.boot = "node1-second-life"
    first.boot_up()
    identity = first.root.identity._replace(boot_id=first.boot)
    Path(first.root.path("/etc/lpar.json")).write_text(identity.text())
    first.root = NodeRoot(first.root.directory)
    assert "reserved by node2" in run(first, "varyonvg", "-O", "datavg")[2], "though node2 is off"
    assert fences.lift("node1")
    assert not fences.lift("node1")
    assert run(first, "varyonvg", "datavg")[0] == 0
    assert fences.fence("node2", ["hdisk2"], "node1") == "", "it is off"
    first.die()


def test_a_fence_ends_when_all_that_kept_it_have_been_off(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    fences = FenceRegistry(first.root.identity.lab)

    def again(node: Node, life: str) -> list[str]:
        node.boot = life
        node.boot_up()
        return fences.switched_on(node.name, life)

    fences.fence("node1", ["hdisk2"], "node2")
    second.die()
    assert again(second, "node2-second-life") == [], "the fenced life still goes on"
    first.die()
    assert again(first, "node1-second-life") == [], "node2 has been on since before"
    second.die()
    assert fences.of("node1"), "nobody looks while nobody is switched on"
    assert again(second, "node2-third-life") == ["node1"], "nobody has anything that node1 could spoil"
    assert fences.of("node1") is None
    fences.fence("node2", ["hdisk2"], "node1")
    first.die()
    second.die()
    assert again(second, "node2-fourth-life") == ["node2"], "the fenced node alone, after all have been off"
    second.die()


def test_who_is_switched_on_beside_a_keeper_keeps_the_fence_too(nodes: tuple[Node, Node], tmp_path: Path) -> None:
    first, second = nodes
    fences = FenceRegistry(first.root.identity.lab)
    fences.fence("node1", ["hdisk2"], "node2")
    first.die()
    power = Path(first.power).with_name("node3")
    lock = os.open(power, os.O_RDWR | os.O_CREAT)
    os.write(lock, b"node3-life 1\n")
    assert powerlock.take(lock)
    assert fences.switched_on("node3", "node3-life") == []
    second.die()
    first.boot = "node1-second-life"
    first.boot_up()
    assert fences.switched_on("node1", first.boot) == [], "node3 may have what node2 had"
    first.die()
    os.close(lock)
    first.boot_up()
    assert fences.switched_on("node1", first.boot) == ["node1"]
    first.die()


def test_passive_mode_keeps_nobody_out_and_lets_nothing_in(nodes: tuple[Node, Node], run: Run) -> None:
    one, two = nodes
    assert run(one, "mkvg", "-C", "-y", "datavg", "hdisk2")[0] == 0
    assert run(two, "importvg", "-n", "-y", "datavg", "hdisk2")[0] == 0
    assert run(two, "varyonvg", "-n", "-c", "-P", "datavg") == (0, "", "")
    assert run(one, "varyonvg", "-n", "-c", "-A", "datavg") == (0, "", "")
    assert run(one, "crfs", "-v", "jfs2", "-g", "datavg", "-m", "/data", "-a", "size=16M")[0] == 0
    for node, permission in ((one, "read/write"), (two, "passive-only")):
        assert f"VG PERMISSION:      {permission}" in run(node, "lsvg", "datavg")[1]
        assert [line.split()[2:] for line in run(node, "lspv")[1].splitlines() if line.startswith("hdisk2")] == [
            ["datavg", "concurrent"]
        ]
    groups = [VolumeGroups(node.root) for node in nodes]
    group = groups[0].find("datavg")
    assert group is not None
    assert [g.is_varied_on(group) for g in groups] == [True, False]
    assert groups[0].holders(group) == ["node1"]
    assert run(two, "importvg", "-n", "-L", "datavg", "hdisk2")[0] == 0
    assert run(two, "mount", "/data")[0] == 1
    assert run(two, "mklv", "datavg", "1")[2].startswith("mklv: datavg is varied on in passive mode.")
    assert run(two, "varyonvg", "-n", "-c", "-A", "datavg")[0] == 1, "active on one node"
    assert run(two, "varyonvg", "datavg")[0] == 1
    assert run(one, "mount", "/data")[0] == 0
    assert run(one, "varyonvg", "-n", "-c", "-P", "datavg")[2].startswith("0516-012 lvaryonvg:"), "what is open stays"
    assert groups[0].is_varied_on(group)
    assert run(one, "umount", "/data")[0] == 0
    assert run(one, "varyonvg", "-n", "-c", "-P", "datavg") == (0, "", "")
    assert run(two, "varyonvg", "-n", "-c", "-A", "datavg") == (0, "", "")
    assert [g.is_varied_on(group) for g in groups] == [False, True]
    two.die()
    assert run(one, "varyonvg", "-n", "-c", "-A", "datavg") == (0, "", "")
    assert groups[0].holders(group) == ["node1"]


def test_the_active_mode_is_taken_by_force_and_passive_nodes_stay(nodes: tuple[Node, Node], run: Run) -> None:
    one, two = nodes
    assert run(one, "mkvg", "-C", "-y", "datavg", "hdisk2")[0] == 0
    assert run(two, "importvg", "-n", "-y", "datavg", "hdisk2")[0] == 0
    assert run(one, "varyonvg", "-n", "-c", "-A", "datavg")[0] == 0
    assert run(two, "varyonvg", "-n", "-c", "-P", "datavg")[0] == 0
    assert run(two, "varyonvg", "-O", "-n", "-c", "-A", "datavg") == (0, "", "")
    group = VolumeGroups(two.root).find("datavg")
    assert group is not None
    assert VolumeGroups(one.root).holders(group) == ["node2"]


def test_policies_choose_the_partitions(nodes: tuple[Node, Node], run: Run) -> None:
    node, groups = nodes[0], VolumeGroups(nodes[0].root)
    assert run(node, "mkvg", "-n", "-s", "1", "-p", "east", "-y", "datavg", "hdisk1", "hdisk2")[0] == 0
    assert run(node, "chpv", "-p", "west", "hdisk2")[0] == 0

    def placed(*words: str) -> list[tuple[str, int]]:
        assert run(node, "mklv", "-y", "lv1", *words, "datavg", "4") == (0, "lv1\n", "")
        group = groups.find("datavg")
        assert group is not None
        found = list(partitions.placed(group.volumes[0].extents))
        assert run(node, "rmlv", "-f", "lv1")[0] == 0
        return found

    assert {disk for disk, _ in placed("-e", "x")} == {"hdisk1", "hdisk2"}
    assert {disk for disk, _ in placed("-e", "x", "-u", "1")} == {"hdisk1"}
    assert {disk for disk, _ in placed("-p", "copy1=west")} == {"hdisk2"}
    total = groups.partitions_of(groups.find("datavg"), "hdisk1")  # type: ignore[arg-type]
    for letter, region in (("e", "outer edge"), ("c", "center"), ("im", "inner middle"), ("ie", "inner edge")):
        assert {partitions.region_of(number, total) for _, number in placed("-a", letter)} == {region}


def test_a_disk_is_replaced_with_what_lies_on_it(nodes: tuple[Node, Node], run: Run) -> None:
    node = nodes[0]
    assert run(node, "mkvg", "-n", "-y", "datavg", "hdisk1")[0] == 0
    assert run(node, "crfs", "-v", "jfs2", "-g", "datavg", "-m", "/data", "-a", "size=16M")[0] == 0
    assert run(node, "mount", "/data")[0] == 0
    Path(node.root.path("/data/kept")).write_text("kept")
    assert run(node, "replacepv", "hdisk1", "hdisk3") == (0, "", "")
    assert Path(node.root.path("/data/kept")).read_text() == "kept", "also while it is mounted"
    assert run(node, "umount", "/data")[0] == 0
    assert run(node, "mount", "/data")[0] == 0
    assert Path(node.root.path("/data/kept")).read_text() == "kept"
    assert [run(node, "lspv")[1].splitlines()[3].split()[n] for n in (0, 2)] == ["hdisk3", "datavg"]
    assert VolumeGroups(node.root).on_disk("hdisk1") is None


def test_a_volume_group_that_lost_its_disk_is_varied_off(nodes: tuple[Node, Node], run: Run) -> None:
    """It was refused, and the group was varied on here again when its disk was back."""
    first, second = nodes
    faults = Faults(first.root.identity.lab)
    mounted_here_known_there(first, second, run)
    faults.set_disk("hdisk2", failed=True)
    assert run(first, "lspv")[1].splitlines()[-2].split()[2:] == ["datavg", "active"]
    status, _, error = run(first, "varyoffvg", "datavg")
    assert status == 1
    assert error.startswith("0516-012 lvaryoffvg: Logical volume must be closed.")
    run(first, "umount", "-f", "/sharedfs")
    assert run(first, "varyoffvg", "datavg") == (0, "", "")
    assert run(first, "varyoffvg", "datavg")[2].startswith("0516-052 varyoffvg: "), "it is not varied on any more"
    faults.set_disk("hdisk2", failed=False)
    assert "datavg" not in run(first, "lsvg", "-o")[1].split()
    assert run(second, "varyonvg", "datavg") == (0, "", "")
    run(first, "mkvg", "-C", "-y", "concvg", "hdisk3")
    assert run(first, "varyonvg", "-c", "-A", "concvg") == (0, "", "")
    for failed in (False, True):
        faults.set_disk("hdisk3", failed=failed)
        assert run(first, "lspv")[1].splitlines()[-1].split()[2:] == ["concvg", "concurrent"]
    first.die()
    second.die()
