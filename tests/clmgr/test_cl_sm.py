"""cl_sm: the policies as SMIT's panels set and show them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sample import GOLDEN, done, sample

from daemons.clmgr.operations import split_merge
from srcctl.commands.options import parse

FLAGS = "s:m:a:t:k:g:p:h"


def changes(*words: str) -> dict[str, str]:
    return split_merge._changes(parse(["cl_sm", *words], FLAGS))


def test_the_call_that_was_seen() -> None:
    given = changes("-s", "NFS", "-knfsserver_nfs", "-g/nfs_tie_breaker", "-p/nfs_tie_breaker")
    c = done(sample(), "modify", "cluster", *(f"{name}={value}" for name, value in given.items()))
    golden = (GOLDEN / "cl_sm" / "nfs.txt").read_text(encoding="utf-8").split("\n", 1)[1]
    assert "\n".join(split_merge.report(c)) + "\n" == golden


@pytest.mark.parametrize(
    ("words", "split", "merge"),
    [
        (("-s", "None"), "none", "majority"),
        (("-m", "Majority"), "none", "majority"),
        (("-m", "Manual"), "manual", "manual"),
        (("-s", "Tie Breaker", "-t", "hdisk3"), "tiebreaker", "tiebreaker"),
        (("-s", "None", "-m", "None"), "none", "none"),
    ],
)
def test_one_policy_brings_the_other(words: tuple[str, ...], split: str, merge: str) -> None:
    given = changes(*words)
    assert (given["SPLIT_POLICY"], given["MERGE_POLICY"]) == (split, merge)
    c = done(sample(), "modify", "cluster", *(f"{name}={value}" for name, value in given.items()))
    assert split_merge.report(c)[1].split()[-1].lower() == split


def test_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert split_merge.cl_sm(["cl_sm", "-Z"]) == 1
    assert split_merge.cl_sm(["cl_sm", "nonsense"]) == 1
    assert capsys.readouterr().err.count("Usage: cl_sm") == 2
