"""Copies of logical volumes: what the loss of a disk does to them, what is stale, what a file system survives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from srcctl.network.faults import Faults
from srcctl.storage import descriptor_area, status_area
from srcctl.storage.opened import OpenVolumes, let_fail
from srcctl.storage.partitions import logical_partitions
from srcctl.storage.volume_groups import VolumeGroups
from tests.storage.machine import Node, Run


@pytest.fixture
def mirrored(nodes: tuple[Node, Node], run: Run) -> tuple[Node, Node]:
    """datavg on two disks, a file system of two partitions with a copy on each, known to both nodes."""
    one, other = nodes
    for line in (
        "mkvg -s 4 -y datavg hdisk2 hdisk3",
        "crfs -v jfs2 -g datavg -m /sharedfs -a size=8M",
        "mirrorvg datavg",
        "mount /sharedfs",
    ):
        assert run(one, *line.split())[0] == 0, line
    run(other, "importvg", "-n", "hdisk3")
    return nodes


def lab_of(node: Node) -> str:
    return node.root.identity.lab


def repair(node: Node, disk: str) -> None:
    Faults(lab_of(node)).set_disk(disk, failed=False)


def figures(run: Run, node: Node, command: str, *titles: str) -> list[str]:
    """Values of lsvg, lslv or lspv by their titles."""
    status, text, said = run(node, *command.split())
    assert status == 0, said
    return [text.partition(f"{title}:")[2].split()[0] for title in titles]


def test_mirrorvg_puts_each_copy_on_a_disk_of_its_own(mirrored: tuple[Node, Node], run: Run) -> None:
    node, _ = mirrored
    assert run(node, "lslv", "-m", "fslv00")[1].splitlines()[2:] == [
        "0001  0004 hdisk2            0004 hdisk3            ",
        "0002  0005 hdisk2            0005 hdisk3            ",
    ]
    assert run(node, "lsvg", "-l", "datavg")[1].splitlines()[2] == (
        "fslv00              jfs2       2       4       2    open/syncd    /sharedfs"
    )
    assert figures(run, node, "lslv fslv00", "COPIES", "\nLPs", " PPs", "STALE PPs") == ["2", "2", "4", "0"]
    assert figures(run, node, "lsvg datavg", "USED PPs", "QUORUM", "STALE PVs", "STALE PPs") == ["4", "1", "0", "0"]


def test_application_goes_on_when_a_disk_fails_and_the_copy_is_stale_until_it_is_synchronized(
    mirrored: tuple[Node, Node], run: Run
) -> None:
    node, _ = mirrored
    folder = Path(node.root.path("/sharedfs"))
    (folder / "before").write_text("1")
    let_fail(lab_of(node), "hdisk2")
    (folder / "after").write_text("2")
    assert figures(run, node, "lsvg datavg", "ACTIVE PVs", "STALE PVs", "STALE PPs") == ["1", "1", "2"]
    assert "open/stale" in run(node, "lsvg", "-l", "datavg")[1]
    assert "hdisk2            missing" in run(node, "lsvg", "-p", "datavg")[1]
    assert run(node, "lspv", "-M", "hdisk2")[1].splitlines()[1] == "hdisk2:4\tfslv00:1:1\tstale"
    assert run(node, "syncvg", "-v", "datavg")[::2] == (
        1,
        "0516-934 syncvg: Unable to synchronize logical volume fslv00.\n"
        "0516-932 syncvg: Unable to synchronize volume group datavg.\n",
    )
    repair(node, "hdisk2")
    assert figures(run, node, "lsvg datavg", "ACTIVE PVs", "STALE PPs") == ["1", "2"], "missing until varyonvg"
    assert run(node, "varyonvg", "-n", "datavg")[0] == 0
    assert figures(run, node, "lsvg datavg", "ACTIVE PVs", "STALE PPs") == ["2", "2"]
    assert run(node, "syncvg", "-l", "fslv00") == (0, "", "")
    assert figures(run, node, "lslv fslv00", "STALE PPs", "LV STATE", "VG STATE") == [
        "0",
        "opened/syncd",
        "active/complete",
    ]


def test_takeover_finds_the_data_on_the_disk_that_is_left(mirrored: tuple[Node, Node], run: Run) -> None:
    one, other = mirrored
    Path(one.root.path("/sharedfs/written")).write_text("acknowledged")
    let_fail(lab_of(one), "hdisk2")
    one.die()
    assert run(other, "varyonvg", "datavg")[0] == 1, "without quorum all disks are needed"
    assert run(other, "varyonvg", "-f", "datavg")[0] == 0
    assert run(other, "mount", "/sharedfs") == (0, "", "")
    assert Path(other.root.path("/sharedfs/written")).read_text() == "acknowledged"
    assert figures(run, other, "lsvg datavg", "STALE PPs") == ["2"]


def test_stale_copy_alone_is_not_read(mirrored: tuple[Node, Node], run: Run) -> None:
    """The disk with the old copy is back, the one with the good copy is gone: an error, not old data."""
    one, other = mirrored
    let_fail(lab_of(one), "hdisk2")
    one.die()
    let_fail(lab_of(one), "hdisk3")
    repair(one, "hdisk2")
    assert run(other, "varyonvg", "-f", "datavg")[0] == 0
    status, _, said = run(other, "mount", "/sharedfs")
    assert (status, "There is an input or output error." in said) == (1, True)
    assert figures(run, other, "lsvg datavg", "STALE PPs") == ["2"], "the last good copy does not become stale"
    repair(one, "hdisk3")
    assert run(other, "varyonvg", "datavg")[0] == 0
    assert run(other, "mount", "/sharedfs") == (0, "", "")
    assert figures(run, other, "lsvg datavg", "STALE PPs") == ["0"], "varyonvg synchronizes"


def test_closed_volume_becomes_stale_when_it_is_opened_without_the_disk(mirrored: tuple[Node, Node], run: Run) -> None:
    node, _ = mirrored
    run(node, "umount", "/sharedfs")
    let_fail(lab_of(node), "hdisk3")
    assert figures(run, node, "lsvg datavg", "STALE PPs", "ACTIVE PVs") == ["0", "1"]
    assert run(node, "mount", "-o", "ro", "/sharedfs")[0] == 0
    assert figures(run, node, "lsvg datavg", "STALE PPs") == ["0"], "nothing is written"
    run(node, "umount", "/sharedfs")
    assert run(node, "mount", "/sharedfs")[0] == 0
    assert figures(run, node, "lsvg datavg", "STALE PPs") == ["2"]


def test_disk_that_was_missing_does_not_speak_for_the_group(mirrored: tuple[Node, Node], run: Run) -> None:
    """Changes made without a disk are not undone by its return."""
    one, other = mirrored
    let_fail(lab_of(one), "hdisk2")
    assert run(one, "mklv", "-y", "added", "datavg", "1", "hdisk3")[0] == 0
    repair(one, "hdisk2")
    assert "added" in run(one, "lsvg", "-l", "datavg")[1]
    assert VolumeGroups(other.root).on_disk("hdisk2") == VolumeGroups(other.root).on_disk("hdisk3")
    run(one, "varyonvg", "datavg")
    found = descriptor_area.read(lab_of(one), "hdisk2")
    assert found is not None
    assert found.volume("added")


def test_quorum(nodes: tuple[Node, Node], run: Run) -> None:
    """Of two disks the first has two descriptor areas; without quorum one area of either is enough."""
    node, _ = nodes
    run(node, "mkvg", "-s", "4", "-y", "datavg", "hdisk2", "hdisk3")
    run(node, "varyoffvg", "datavg")
    let_fail(lab_of(node), "hdisk2")
    assert run(node, "varyonvg", "datavg")[0] == 1
    repair(node, "hdisk2")
    let_fail(lab_of(node), "hdisk3")
    assert run(node, "varyonvg", "datavg")[0] == 0
    assert run(node, "chvg", "-Q", "n", "datavg")[0] == 0
    run(node, "varyoffvg", "datavg")
    repair(node, "hdisk3")
    let_fail(lab_of(node), "hdisk2")
    assert run(node, "varyonvg", "datavg")[0] == 1, "all disks are needed"
    assert run(node, "varyonvg", "-f", "datavg")[0] == 0


def test_copies_are_made_stale_and_taken_away(nodes: tuple[Node, Node], run: Run) -> None:
    node, _ = nodes
    run(node, "mkvg", "-s", "4", "-y", "datavg", "hdisk1", "hdisk2", "hdisk3")
    run(node, "mklv", "-y", "lv1", "datavg", "2", "hdisk1")
    assert run(node, "mklvcopy", "lv1", "2", "hdisk2")[0] == 0
    assert figures(run, node, "lslv lv1", "STALE PPs", "COPIES") == ["2", "2"]
    status, _, said = run(node, "rmlvcopy", "lv1", "1", "hdisk1")
    assert (status, "no other copy is up to date" in said) == (1, True)
    assert run(node, "mklvcopy", "-k", "lv1", "3")[0] == 0
    assert figures(run, node, "lslv lv1", "STALE PPs", "COPIES") == ["0", "3"]
    assert run(node, "rmlvcopy", "lv1", "1", "hdisk1", "hdisk3")[0] == 0
    assert "hdisk2" in run(node, "lslv", "-l", "lv1")[1]
    status, _, said = run(node, "mklvcopy", "lv1", "2", "hdisk2")
    assert (status, "0516-404" in said, "0516-842" in said) == (1, True, True), "strict: not on the same disk"
    run(node, "mirrorvg", "-c", "3", "datavg")
    assert run(node, "unmirrorvg", "datavg", "hdisk2")[0] == 0
    assert figures(run, node, "lsvg datavg", "USED PPs", "STALE PPs", "QUORUM") == ["2", "0", "2"]


def test_freed_partition_is_not_stale_for_its_next_volume(mirrored: tuple[Node, Node], run: Run) -> None:
    node, _ = mirrored
    let_fail(lab_of(node), "hdisk2")
    repair(node, "hdisk2")
    run(node, "varyonvg", "-n", "datavg")
    run(node, "umount", "/sharedfs")
    assert run(node, "rmfs", "/sharedfs")[0] == 0
    assert run(node, "crfs", "-v", "jfs2", "-g", "datavg", "-m", "/next", "-a", "size=8M")[0] == 0
    assert run(node, "mount", "/next") == (0, "", "")
    assert figures(run, node, "lsvg datavg", "STALE PPs") == ["0"]


def test_srcctl_that_is_killed_at_any_point_leaves_nothing_stale_unmarked(
    mirrored: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status area says it before the disk is gone."""
    node, _ = mirrored
    lab = lab_of(node)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Faults, "set_disk", killed)
        with pytest.raises(KeyboardInterrupt):
            let_fail(lab, "hdisk2")
    group = VolumeGroups(node.root).find("datavg")
    assert group is not None
    assert group.status.stale == {"hdisk2": frozenset({4, 5})}


def test_torn_status_area_leaves_the_one_before(mirrored: tuple[Node, Node], run: Run) -> None:
    node, _ = mirrored
    let_fail(lab_of(node), "hdisk2")
    group = VolumeGroups(node.root).find("datavg")
    assert group is not None
    run(node, "mount", "/sharedfs")
    slot = status_area.SLOT_OFFSETS[(group.status.serial + 1) % 2]
    with open(Path(lab_of(node)) / "disks" / "hdisk3", "r+b") as file:
        file.seek(slot)
        file.write(b"VGSA\0\0\1\0torn")
    again = VolumeGroups(node.root).find("datavg")
    assert again is not None
    assert again.status == group.status


def test_mirror_pools_and_superstrictness_decide_where_copies_lie(nodes: tuple[Node, Node], run: Run) -> None:
    node, _ = nodes
    run(node, "mkvg", "-s", "4", "-M", "y", "-S", "-y", "datavg", "hdisk1", "hdisk2", "hdisk3")
    for pool, disk in (("A", "hdisk1"), ("A", "hdisk2"), ("B", "hdisk3")):
        assert run(node, "chpv", "-p", pool, disk)[0] == 0
    status, _, said = run(node, "mklv", "-c", "2", "-y", "lv1", "datavg", "2")
    assert (status, "0516-1812" in said) == (1, True)
    status, _, said = run(node, "mklv", "-c", "2", "-p", "copy1=A,copy2=A", "-y", "lv1", "datavg", "2")
    assert status == 1, "each copy has a pool of its own"
    assert run(node, "mklv", "-c", "2", "-p", "copy1=B,copy2=A", "-y", "lv1", "datavg", "12")[0] == 0
    group = VolumeGroups(node.root).find("datavg")
    volume = group.volume("lv1") if group else None
    assert volume is not None
    assert {disk for (disk, _), _ in logical_partitions(volume)} == {"hdisk3"}
    assert {disk for _, (disk, _) in logical_partitions(volume)} <= {"hdisk1", "hdisk2"}


def test_superstrict_copies_share_no_disk(nodes: tuple[Node, Node], run: Run) -> None:
    """Strict: no partition has two copies on a disk; superstrict: no disk has partitions of two copies."""
    node, _ = nodes
    run(node, "mkvg", "-s", "4", "-y", "datavg", "hdisk1", "hdisk2", "hdisk3")
    assert run(node, "mklv", "-c", "2", "-s", "s", "-y", "lv1", "datavg", "20")[0] == 1
    assert run(node, "mklv", "-c", "2", "-s", "s", "-e", "x", "-u", "1", "-y", "lv1", "datavg", "10")[0] == 0
    assert run(node, "lslv", "-l", "lv1")[1].count("hdisk") == 2
    assert "yes (superstrict)" in run(node, "lslv", "lv1")[1]


def test_striped_volume(nodes: tuple[Node, Node], run: Run) -> None:
    node, _ = nodes
    run(node, "mkvg", "-s", "4", "-y", "datavg", "hdisk1", "hdisk2", "hdisk3")
    status, text, said = run(node, "mklv", "-S", "64K", "-y", "striped", "datavg", "4", "hdisk2", "hdisk3", "hdisk1")
    assert (status, text) == (0, "striped\n")
    assert "rounded up to 6" in said
    assert [line.split()[2] for line in run(node, "lslv", "-m", "striped")[1].splitlines()[2:]] == [
        "hdisk2", "hdisk3", "hdisk1", "hdisk2", "hdisk3", "hdisk1",
    ]  # fmt: skip
    shown = run(node, "lslv", "striped")[1]
    assert "STRIPE WIDTH:       3 " in shown
    assert "STRIPE SIZE:        64K " in shown
    assert "UPPER BOUND:    3" in shown
    status, _, said = run(node, "extendlv", "striped", "2")
    assert (status, "stripe width" in said) == (1, True)
    assert run(node, "extendlv", "striped", "3")[0] == 0
    for words in ("-S 3K", "-S 64", "-S 256M", "-S 64K -e x", "-S 64K -s n"):
        assert run(node, "mklv", *words.split(), "datavg", "3")[2].startswith("Usage: mklv"), words
    assert run(node, "mklv", "-S", "64K", "-C", "4", "datavg", "4")[0] == 1
    assert run(node, "migratepv", "hdisk1", "hdisk2")[0] == 1, "another column is there"
    Faults(lab_of(node)).set_disk("hdisk1", failed=True)
    assert run(node, "mklv", "-S", "64K", "datavg", "3")[0] == 1, "a column has no disk"


def test_replacepv_takes_what_is_lost_from_the_mirror(mirrored: tuple[Node, Node], run: Run) -> None:
    node, _ = mirrored
    run(node, "mklv", "-y", "alone", "datavg", "1", "hdisk2")
    let_fail(lab_of(node), "hdisk2")
    status, _, said = run(node, "replacepv", "hdisk2", "hdisk1")
    assert (status, "alone" in said) == (1, True)
    run(node, "rmlv", "-f", "alone")
    assert run(node, "replacepv", "hdisk2", "hdisk1")[0] == 0
    assert run(node, "lsvg", "-l", "datavg")[1].splitlines()[2].split()[5] == "open/syncd"
    assert figures(run, node, "lsvg datavg", "TOTAL PVs", "ACTIVE PVs") == ["2", "2"]


def test_volume_is_open_only_while_its_node_lives(mirrored: tuple[Node, Node]) -> None:
    one, _ = mirrored
    group = VolumeGroups(one.root).find("datavg")
    assert group is not None
    assert OpenVolumes(lab_of(one)).numbers(group) == {1}
    one.die()
    assert OpenVolumes(lab_of(one)).numbers(group) == set()


def test_the_log_of_what_a_node_left_open_is_redone(mirrored: tuple[Node, Node], run: Run) -> None:
    one, other = mirrored
    assert run(other, "fsck", "-p", "/sharedfs")[0] == 8, "its volume group is not varied on here"
    one.die()
    assert run(other, "varyonvg", "datavg")[0] == 0
    clean = "\nThe current volume is: /dev/fslv00\nPrimary superblock is valid.\nFile system is clean.\n"
    redone = "J2_LOGREDO:log redo processing for /dev/fslv00\n"
    dirty = "\nThe current volume is: /dev/fslv00\nFile system is dirty.\n"
    assert run(other, "fsck", "-n", "/sharedfs")[:2] == (8, dirty)
    assert run(other, "fsck", "-p", "/sharedfs")[:2] == (0, clean.replace("Primary", f"{redone}Primary"))
    assert run(other, "fsck", "-p", "/sharedfs")[:2] == (0, clean)
    for disk in ("hdisk2", "hdisk3"):
        let_fail(lab_of(one), disk)
    status, out, said = run(other, "fsck", "-p", "/sharedfs")
    assert (status, out) == (8, "")
    assert said == "fsck: /sharedfs: its volume group cannot be read.\n"


def test_reducevg_of_a_disk_that_is_gone(mirrored: tuple[Node, Node], run: Run) -> None:
    node, _ = mirrored
    let_fail(lab_of(node), "hdisk2")
    assert run(node, "unmirrorvg", "datavg", "hdisk2")[0] == 0
    assert run(node, "reducevg", "datavg", "hdisk2")[0] == 0
    repair(node, "hdisk2")
    assert "hdisk2" not in run(node, "lsvg", "-p", "datavg")[1]
    assert os.path.exists(node.root.path("/sharedfs"))
    assert run(node, "lspv")[1].splitlines()[2].split()[2] == "None"


def test_migratepv_moves_what_is_in_use_and_keeps_copies_apart(mirrored: tuple[Node, Node], run: Run) -> None:
    node, _ = mirrored
    Path(node.root.path("/sharedfs/kept")).write_text("kept")
    status, _, said = run(node, "migratepv", "hdisk2", "hdisk3")
    assert (status, "0516-404" in said) == (1, True), "the other copy is there"
    run(node, "extendvg", "datavg", "hdisk1")
    assert run(node, "migratepv", "-l", "fslv00", "hdisk2", "hdisk3", "hdisk1") == (0, "", "")
    group = VolumeGroups(node.root).find("datavg")
    assert group is not None
    assert group.volumes[0].disks == ("hdisk1", "hdisk3")
    assert not group.status.stale
    assert run(node, "reducevg", "datavg", "hdisk2")[0] == 0
    assert Path(node.root.path("/sharedfs/kept")).read_text() == "kept"
    let_fail(lab_of(node), "hdisk3")
    run(node, "extendvg", "-f", "datavg", "hdisk2")
    assert run(node, "migratepv", "hdisk3", "hdisk2")[0] == 0, "copied from the mirror"
    assert run(node, "lsvg", "-l", "datavg")[1].splitlines()[2].split()[5] == "open/syncd"
