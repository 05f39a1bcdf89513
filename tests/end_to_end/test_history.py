"""The judge of a soak finds what it is there for."""

from __future__ import annotations

import pytest

from tests.end_to_end.history import History


def history(*entries: tuple[float, float, str, int]) -> History:
    result = History()
    for entry in entries:
        result.acknowledge(*entry)
    return result


def test_a_history_with_gaps_and_overlaps_is_fine() -> None:
    # Value 2 was increased but its answer lost; 4 and 3 overlap and are answered in the other order.
    assert history((0, 1, "a", 1), (2, 5, "a", 4), (2, 6, "a", 3), (7, 8, "b", 5)).violations() == []


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([(0, 1, "a", 7), (2, 3, "b", 7)], "value 7 was answered twice: by a, then by b"),
        ([(0, 1, "a", 7), (2, 3, "b", 6)], "b answered 6 to a request sent after 7 had been answered"),
    ],
)
def test_a_lost_write_is_found(entries: list[tuple[float, float, str, int]], words: str) -> None:
    assert words in history(*entries).violations()


def test_an_outage_is_a_pause_with_a_refusal_in_it() -> None:
    found = history((0, 1, "a", 1), (2, 3, "a", 2), (8, 9, "b", 3))
    found.refuse(4)
    assert found.outages() == [6]
