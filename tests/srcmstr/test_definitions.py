"""How the arguments of a subsystem are split."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from srcctl.srcmstr.definitions import split_arguments


@given(st.text("ab \t\n'\"\\#$", max_size=12))
@example('-c "echo \'a b\' \\"c\\" \\$d" \'\' ""')
def test_the_words_are_those_of_a_shell(text: str) -> None:
    try:
        wanted = shlex.split(text)
    except ValueError:
        wanted = text.split()
    assert split_arguments(text) == wanted


@pytest.mark.parametrize("text", ["it's", 'a "b', "end\\"])
def test_what_is_unbalanced_stands_for_itself(text: str) -> None:
    assert split_arguments(text) == text.split()
