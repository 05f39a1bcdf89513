"""README's table of what a split means, held row by row: who takes over while apart, who gives way on meeting again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemons.sim.run import play
from daemons.sim.scenario import Scenario
from tests.cthags.test_membership import two_parts

README = Path(__file__).parents[2] / "README.md"
CUT, HEALED, REPAIRED = 60.0, 180.0, 200.0


class Split:
    """A cluster that is cut in two, whole again two minutes later.

    Args:
        policies: lines of the scenario.
        sides: the nodes of both sides.
    """

    def __init__(self, policies: str, sides: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
        nodes = sum(map(len, sides))
        halves = "/".join(",".join(map(str, side)) for side in sides)
        text = f"nodes {nodes}\n{policies}at {CUT:.3f} partition halves={halves} for={HEALED - CUT:.3f}\n"
        result = play(Scenario.parse(text), keep_trace=True)
        assert not result.broken, result.text
        self.sides = sides
        self.lines = [(float(line[:11]), *line[11:].split(maxsplit=1)) for line in result.lines]

    def found(self, pattern: str, since: float = CUT, until: float = REPAIRED) -> set[int]:
        """The nodes whose trace has a text in that time."""
        return {
            int(who.removeprefix("node"))
            for at, who, text in self.lines
            if since <= at < until and who.startswith("node") and re.match(pattern, text)
        }

    @property
    def takers(self) -> list[bool]:
        """Whether each side acquires a group while the other is out of sight."""
        found = self.found("acquires", until=HEALED)
        return [bool(found & set(side)) for side in self.sides]

    @property
    def givers(self) -> set[int]:
        """The nodes that give way when both meet."""
        return self.found("view given up: dissolved", HEALED)

    @property
    def halted(self) -> set[int]:
        """The nodes that give way while apart."""
        return self.found("power off", until=HEALED)


FEW, EVEN = ((1,), (2, 3)), ((1, 2), (3, 4))
BOTH_HAVE = [False, True]
"""Who takes over where the groups of node1 and node2 are on one side: the other one."""


def majority() -> None:
    few, even = Split("merge majority\n", FEW), Split("merge majority\n", EVEN)
    assert (few.takers, even.takers) == ([True, True], BOTH_HAVE)
    assert (few.givers, even.givers) == ({1}, {3, 4}), "fewer nodes; at a tie those without the lowest number"
    assert not few.halted | even.halted


def priority() -> None:
    plain, at_sites = Split("merge priority\n", FEW), Split("sites\nmerge priority\n", EVEN)
    assert (plain.takers, at_sites.takers) == ([True, True], BOTH_HAVE)
    assert plain.givers == {2, 3}, "without sites those without the lowest number"
    assert at_sites.givers == {1, 2}, "the second site has the higher priority"
    assert not plain.halted | at_sites.halted


def nobody() -> None:
    apart = two_parts("none", 1, 2, 3, 4, 5)
    apart.run(60)
    assert not any(apart.dissolved.values())
    assert apart.agreed(1, 2)
    assert apart.agreed(3, 4, 5)
    idle = two_parts("none", 1, 2)
    assert idle.run_until(lambda: idle.agreed(1, 2, 3, 4, 5), 120), "a side without cluster services joins the other"
    assert {node for node, count in idle.dissolved.items() if count} == {3, 4, 5}


def tie_breaker(policy: str) -> None:
    for sides in (FEW, EVEN):
        split = Split(f"split {policy}\n", sides)
        assert split.halted in [set(side) for side in sides], "the side that does not get it, as a whole"
        winners = next(set(side) for side in sides if set(side) != split.halted)
        first = min(at for at, _, text in split.lines if at > CUT and text.startswith("power off"))
        assert not split.found("acquires", until=first), "nothing is taken over before the others have found out"
        assert not split.found("alive", CUT + 1, first) & split.halted, "who gives way never believed anybody dead"
        assert split.found("acquires", first, HEALED) <= winners
        assert not split.givers, "who boots beside another side that holds it waits"


def manual() -> None:
    split = Split("split manual\n", FEW)
    assert split.found(r"an operator has .* give way", until=HEALED)
    first = min(at for at, _, text in split.lines if at > CUT and "an operator has" in text)
    assert not split.found("acquires", until=first), "nothing is taken over before somebody has decided"
    assert split.halted in [set(side) for side in FEW]
    assert not split.found("acquires", until=HEALED) & split.halted


ROWS = {
    "none / majority": majority,
    "none / priority": priority,
    "none / none": nobody,
    "tiebreaker / tiebreaker": lambda: tie_breaker("tiebreaker"),
    "nfs / nfs": lambda: tie_breaker("nfs"),
    "manual / manual": manual,
}


def test_every_row_is_held() -> None:
    table = README.read_text().split("## What a split means", 1)[1].split("\n\n", 2)[1]
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert rows == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row(row: str) -> None:
    ROWS[row]()
