"""Copies against a model that keeps every version of the data, and allocation against what it promises."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcctl.storage import mirrors, partitions
from srcctl.storage.characteristics import VOLUME
from srcctl.storage.descriptor_area import LogicalVolume, MirrorPool, VolumeGroup
from srcctl.storage.partitions import Place, logical_partitions
from srcctl.storage.status_area import StatusArea

DISKS = ("hdisk2", "hdisk3", "hdisk4")


class Versions:
    """What each physical partition really holds: a version number a write.

    The module under test knows no contents. Whatever it lets be read must be what was acknowledged last.
    """

    def __init__(self, copies: int, strictness: str) -> None:
        volume = LogicalVolume(
            "lv", "jfs2", 2, number=1, mirrors=((),) * (copies - 1), characteristics={"strictness": strictness}
        )
        group = VolumeGroup("vg", "id", DISKS)
        placed = partitions.completed(group, volume, lambda disk: 6)
        assert placed is not None
        self.group = group._replace(volumes=(placed,))
        self.failed: set[str] = set()
        self.opened = self.varied_on = False
        self.acknowledged = [0, 0]
        self.held: dict[Place, int] = {p: 0 for copies_of in logical_partitions(placed) for p in copies_of}

    @property
    def volume(self) -> LogicalVolume:
        return self.group.volumes[0]

    @property
    def numbers(self) -> set[int]:
        return {1} if self.opened else set()

    def status(self, area: StatusArea) -> None:
        self.group = self.group._replace(status=area)

    def good(self, logical: int) -> list[Place]:
        """Copies that may be read: neither stale nor on a disk that is missing or has failed."""
        status = self.group.status
        return [
            place
            for place in logical_partitions(self.volume)[logical]
            if place[0] not in self.failed | status.missing and not status.is_stale(*place)
        ]

    def vary_on(self) -> None:
        """Also where it is varied on already: what answers again is brought back."""
        self.varied_on = True
        self.bring_back()

    def bring_back(self) -> None:
        area = mirrors.after_loss(self.group, self.failed, self.numbers)
        self.status(area._replace(missing=frozenset(self.failed)))

    def vary_off(self) -> None:
        self.varied_on = self.opened

    def open(self) -> None:
        if self.varied_on and mirrors.is_readable(self.group, self.volume, self.failed):
            self.opened = True
            gone = self.failed | self.group.status.missing
            if gone:
                self.status(mirrors.after_loss(self.group, gone, {1}))

    def crash_or_close(self) -> None:
        self.opened = False

    def fail(self, disk: str) -> None:
        if self.varied_on:
            self.status(mirrors.after_loss(self.group, {disk, *self.failed}, self.numbers))
        self.failed.add(disk)

    def repair(self, disk: str) -> None:
        self.failed.discard(disk)

    def write(self, logical: int) -> None:
        """To every copy that may be written; acknowledged if there is one, else an error."""
        if self.opened and (targets := self.good(logical)):
            self.acknowledged[logical] += 1
            for place in targets:
                self.held[place] = self.acknowledged[logical]

    def synchronize(self) -> None:
        if not self.varied_on:
            return
        area = mirrors.after_synchronization(self.group, {"lv"}, self.failed)
        for logical, copies in enumerate(logical_partitions(self.volume)):
            fresh = [p for p in copies if self.group.status.is_stale(*p) and not area.is_stale(*p)]
            if fresh:
                source = self.good(logical)[0]
                for place in fresh:
                    assert place[0] not in self.failed | self.group.status.missing, (
                        "what cannot be written is not fresh"
                    )
                    self.held[place] = self.held[source]
        self.status(area)

    def nothing_old_is_read(self) -> None:
        for logical in (0, 1):
            for place in self.good(logical):
                assert self.held[place] == self.acknowledged[logical]

    def the_last_good_copy_is_not_stale(self) -> None:
        for copies in logical_partitions(self.volume):
            assert not all(self.group.status.is_stale(*place) for place in copies)


def walk(seed: int, steps: int = 60) -> None:
    """Things happen at random; after each one the model is asked."""
    chance = random.Random(seed)
    machine = Versions(chance.randint(1, 3), chance.choice(["yes", "no"]))
    machine.vary_on()
    machine.open()
    for _ in range(steps):
        match chance.randrange(11):
            case 0 | 1 | 2:
                machine.fail(chance.choice(DISKS))
            case 3 | 4:
                machine.repair(chance.choice(DISKS))
            case 5 | 6:
                machine.write(chance.randrange(2))
            case 7:
                machine.vary_on()
            case 8:
                machine.synchronize()
            case 9:
                machine.open()
            case 10:
                chance.choice([machine.crash_or_close, machine.vary_off])()
        machine.nothing_old_is_read()
        machine.the_last_good_copy_is_not_stale()


SEEDS = range(400)


def test_copies_keep_what_was_acknowledged() -> None:
    for seed in SEEDS:
        walk(seed)


def _marks_nothing(group: VolumeGroup, lost: Collection[str], opened: Collection[int]) -> StatusArea:
    return group.status._replace(missing=group.status.missing | set(lost))


def _marks_all(group: VolumeGroup, lost: Collection[str], opened: Collection[int]) -> StatusArea:
    gone = group.status.missing | set(lost)
    places = {p for p in partitions.all_used(group) if p[0] in gone}
    return group.status._replace(missing=frozenset(gone)).marked(places)


def _synchronizes_blindly(group: VolumeGroup, volumes: Collection[str], failed: Collection[str]) -> StatusArea:
    gone = group.status.missing | set(failed)
    return group.status.marked({p for p in partitions.all_used(group) if p[0] not in gone}, stale=False)


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("after_loss", _marks_nothing),
        ("after_loss", _marks_all),
        ("after_synchronization", _synchronizes_blindly),
    ],
)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, name: str, planted: Callable[..., StatusArea]) -> None:
    monkeypatch.setattr(mirrors, name, planted)
    with pytest.raises((AssertionError, IndexError)):
        test_copies_keep_what_was_acknowledged()


@given(
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=5),
    copies=st.integers(1, 3),
    count=st.integers(1, 10),
    more=st.integers(0, 6),
    width=st.sampled_from([0, 0, 2, 3]),
    intra=st.sampled_from(list(VOLUME["intra_policy"].values.values())),
    inter=st.sampled_from(["minimum", "maximum"]),
    strictness=st.sampled_from(["yes", "no", partitions.SUPERSTRICT]),
    bound=st.sampled_from(["", "1", "2"]),
    pool=st.booleans(),
)
def test_allocation_keeps_what_it_promises(
    sizes: list[int], copies: int, count: int, more: int, width: int, intra: str, inter: str, strictness: str,
    bound: str, pool: bool,
) -> None:  # fmt: skip
    room = {f"hdisk{n}": size for n, size in enumerate(sizes, 2)}
    names = tuple(room)
    policies = {"intra_policy": intra, "inter_policy": inter, "strictness": strictness}
    if bound and not width:
        policies["upper_bound"] = bound
    if width:
        policies["strictness"], count, more = partitions.SUPERSTRICT, count * width, more * width
    group = VolumeGroup("vg", "id", names, pools=(MirrorPool("one", names[:1]), MirrorPool("rest", names[1:])))
    volume = LogicalVolume(
        "lv", "raw", count, number=1, mirrors=((),) * (copies - 1), characteristics=policies, width=width,
        pools=("one", "rest", "") if pool and not width else (),
    )  # fmt: skip
    first = partitions.completed(group, volume, room.__getitem__)
    if first is None:
        total = sum(room.values())
        simple = strictness == "no" and not bound and not pool and not width
        assert not (simple and total >= count * copies), "what has room enough is allocated"
        return
    grown = partitions.completed(group, first._replace(partitions=count + more), room.__getitem__)
    for found in (first, *([grown] if grown else [])):
        rows = logical_partitions(found)
        places = [place for row in rows for place in row]
        assert len(rows) == found.partitions
        assert len(set(places)) == len(places)
        assert all(1 <= number <= room[disk] for disk, number in places)
        used = [{disk for disk, _ in partitions.placed(copy)} for copy in found.copies]
        if policies["strictness"] != "no":
            assert all(len({disk for disk, _ in row}) == copies for row in rows)
        if policies["strictness"] == partitions.SUPERSTRICT:
            assert sum(map(len, used)) == len(set().union(*used))
        if pool and not width:
            assert used[0] <= set(names[:1])
            assert copies < 2 or used[1] <= set(names[1:])
        if "upper_bound" in policies:
            assert all(len(on) <= int(bound) for on in used)
        for copy in found.copies if width else ():
            columns = [disk for disk, _ in partitions.placed(copy)]
            assert all(len(set(columns[row : row + width])) == width for row in range(0, len(columns), width))
    if grown:
        for before, after in zip(first.copies, grown.copies, strict=True):
            assert list(partitions.placed(after))[:count] == list(partitions.placed(before)), "nothing is moved"
