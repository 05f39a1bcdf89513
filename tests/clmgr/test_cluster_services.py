"""Options of online and offline: the product's words and defaults, and what of them reaches rc.cluster."""

from __future__ import annotations

import pytest

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError
from daemons.clmgr.operations.cluster_services import Options
from daemons.clmgr.syntax import grammar
from daemons.clstrmgr.commands.services import stop_flags_agree


def options(*words: str) -> Options:
    return Options.of(grammar.parse(list(words)))


def test_defaults() -> None:
    start, stop = options("online", "cluster"), options("offline", "node", "node1")
    assert (start.when, start.manage, start.broadcast, start.clinfo, start.force) == (
        "now",
        "auto",
        False,
        "false",
        False,
    )
    assert (stop.when, stop.manage, stop.broadcast, stop.stop_caa) == ("now", "offline", True, False)
    assert start.seconds is None


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ((), "-boot -N -A"),
        (("MANAGE=delayed",), "-boot -N -M"),
        (("MANAGE=delayed", "WHEN=restart"), "-boot -R -A"),
        (("WHEN=restart", "MANAGE=manual"), "-boot -R -M"),
        (("WHEN=both", "BROADCAST=true", "FIX=interactively"), "-boot -B -A -b -C interactive"),
        (("FIX=yes", "FORCE=true"), "-boot -N -A -C yes"),
    ],
)
def test_flags_of_rc_cluster(words: tuple[str, ...], flags: str) -> None:
    assert [" ".join(run) for run in options("online", "cluster", *words).runs(False)] == [f"{flags} -P cl_rc_cluster"]


def test_delayed_start_is_an_automatic_one_at_restart() -> None:
    runs = options("online", "cluster", "MANAGE=delayed", "WHEN=both").runs(False)
    assert [run[:3] for run in runs] == [["-boot", "-R", "-A"], ["-boot", "-N", "-M"]]


def test_clinfo_is_a_flag() -> None:
    assert "-i" in options("online", "cluster").runs(with_clinfo=True)[0]


@pytest.mark.parametrize(
    "word",
    ["WHEN=later", "MANAGE=move", "CLINFO=perhaps", "FIX=2", "START_CAA=maybe", "TIMEOUT=soon", "BROADCAST=loud"],
)
def test_values_that_are_none(word: str) -> None:
    with pytest.raises(ClmgrError) as caught:
        options("online", "cluster", word)
    assert caught.value.code == INCORRECT_INPUT


@pytest.mark.parametrize(
    ("flags", "agree"),
    [("f", True), ("g", True), ("gr", True), ("", False), ("r", False), ("fg", False), ("gN", True), ("gNR", False)],
)
def test_flags_of_clstop(flags: str, agree: bool) -> None:
    assert stop_flags_agree({f"-{flag}": "" for flag in flags}) is agree
