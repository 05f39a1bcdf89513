"""Who may act: at a split, after a boot, when nodes return, and while the tie breaker cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from daemons.caa.arbiter import Arbiter
from daemons.caa.tiebreaker import TieBreaker

EVERYBODY = frozenset({"node1", "node2", "node3"})


class Disk:
    """What all nodes see of one tie breaker."""

    def __init__(self) -> None:
        self.holders: frozenset[str] = frozenset()
        self.lost = False


class Breaker(TieBreaker):
    def __init__(self, disk: Disk, own: str) -> None:
        super().__init__("", "hdisk4", own)
        self._shared = disk

    def _holders(self) -> frozenset[str]:
        return self._shared.holders

    def _write(self, side: frozenset[str]) -> None:
        self._shared.holders = side

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._shared.lost:
            raise OSError(5, "Input/output error", "hdisk4")
        yield


def arbiter(disk: Disk, own: str, lines: list[str] | None = None) -> Arbiter:
    told = lines if lines is not None else []
    return Arbiter(lambda: Breaker(disk, own), told.append, told.append)


def test_who_joins_acts_at_once_among_all_and_only_once() -> None:
    disk = Disk()
    one = arbiter(disk, "node1")
    assert one.begins_to_act(EVERYBODY, EVERYBODY)
    assert one.acting
    assert not one.begins_to_act(EVERYBODY, EVERYBODY), "it has begun already"
    assert not disk.holders


def test_who_joins_with_a_part_reserves_and_the_other_part_waits() -> None:
    disk = Disk()
    one, three = arbiter(disk, "node1"), arbiter(disk, "node3")
    assert one.begins_to_act(frozenset({"node1", "node2"}), EVERYBODY)
    assert not three.begins_to_act(frozenset({"node3"}), EVERYBODY)
    assert not three.acting
    one.welcome(EVERYBODY, EVERYBODY)
    assert three.begins_to_act(EVERYBODY, EVERYBODY)


def test_only_who_acts_takes_others_in() -> None:
    disk = Disk()
    disk.holders = frozenset({"node1"})
    one = arbiter(disk, "node1")
    one.welcome(EVERYBODY, EVERYBODY)
    assert disk.holders == frozenset({"node1"})


def test_a_welcome_that_failed_is_owed_and_complained_of_once() -> None:
    disk, lines = Disk(), list[str]()
    one = arbiter(disk, "node1", lines)
    assert one.begins_to_act(frozenset({"node1"}), EVERYBODY)
    disk.lost = True
    one.welcome(EVERYBODY, EVERYBODY)
    one.welcome(EVERYBODY, EVERYBODY)
    assert one.welcome_owed
    assert lines == ["tie breaker: Input/output error"]
    disk.lost = False
    one.welcome(EVERYBODY, EVERYBODY)
    assert not one.welcome_owed
    assert not disk.holders


def test_a_tie_breaker_that_cannot_be_reached_is_not_won() -> None:
    disk, lines = Disk(), list[str]()
    one = arbiter(disk, "node1", lines)
    disk.lost = True
    assert not one.begins_to_act(frozenset({"node1"}), EVERYBODY)
    assert not one.arbitrate(frozenset({"node1"}))
    assert lines[-1] == "split: node1 do not get the tie breaker"


def test_without_a_tie_breaker_everybody_acts() -> None:
    one = Arbiter(lambda: None, lambda _: None, lambda _: None)
    assert one.begins_to_act(frozenset({"node1"}), EVERYBODY)
    assert one.arbitrate(frozenset({"node1"}))
    one.welcome(EVERYBODY, EVERYBODY)
    assert not one.welcome_owed


def test_who_comes_to_act_late_takes_in_whom_it_met_before() -> None:
    """The tie breaker was out of reach while the others came back: nothing tells of them again."""
    disk = Disk()
    disk.holders, disk.lost = frozenset({"node2"}), True
    two, one = arbiter(disk, "node2"), arbiter(disk, "node1")
    assert not two.begins_to_act(EVERYBODY, EVERYBODY)
    two.welcome(EVERYBODY, EVERYBODY)
    assert two.welcome_owed
    disk.lost = False
    assert two.begins_to_act(EVERYBODY, EVERYBODY)
    assert not one.begins_to_act(EVERYBODY, EVERYBODY)
    two.welcome(EVERYBODY, EVERYBODY)
    assert not two.welcome_owed
    assert one.begins_to_act(EVERYBODY, EVERYBODY)


def test_who_leaves_the_cluster_gives_its_part_up_also_without_a_configuration() -> None:
    disk = Disk()
    configured = [True]
    one = Arbiter(lambda: Breaker(disk, "node1") if configured else None, lambda _: None, lambda _: None)
    three = arbiter(disk, "node3")
    assert one.begins_to_act(frozenset({"node1"}), EVERYBODY)
    assert not three.begins_to_act(frozenset({"node3"}), EVERYBODY)
    configured.clear()
    disk.lost = True
    assert not one.resign(), "it is owed"
    disk.lost = False
    assert one.resign()
    assert not one.acting
    assert three.begins_to_act(frozenset({"node3"}), EVERYBODY - {"node1"})
    assert disk.holders == {"node3"}
    assert one.resign(), "nothing is owed"
    assert disk.holders == {"node3"}


def test_the_others_of_its_side_go_on_when_one_leaves() -> None:
    disk = Disk()
    disk.holders = frozenset({"node1", "node2"})
    one, two, three = (arbiter(disk, f"node{number}") for number in (1, 2, 3))
    assert one.arbitrate(frozenset({"node1", "node2"}))
    assert one.resign()
    assert disk.holders == {"node2"}
    assert two.arbitrate(frozenset({"node2"}))
    assert not three.arbitrate(frozenset({"node3"}))
    assert three.resign()
    assert disk.holders == {"node2"}, "who is of no side takes nothing from one"


def test_who_boots_and_is_no_member_gives_up_what_it_held_in_its_life_before() -> None:
    disk = Disk()
    disk.holders = frozenset({"node1"})
    assert arbiter(disk, "node1").resign()
    assert arbiter(disk, "node3").begins_to_act(frozenset({"node3"}), frozenset({"node2", "node3"}))
