"""Options of online and offline: the product's words and defaults, and what of them reaches rc.cluster."""

from __future__ import annotations

import pytest

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError
from daemons.clmgr.operations import cluster_services
from daemons.clmgr.operations.cluster_services import Options
from daemons.clmgr.syntax import grammar
from daemons.clstrmgr import client, startup
from daemons.clstrmgr.commands import cspoc_services, services
from daemons.clstrmgr.commands.services import stop_flags_agree
from daemons.clstrmgr.messages import ClusterSnapshot, Done
from srcctl.node.root import NodeRoot
from tests.clstrmgr.ring import configuration, group


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


@pytest.mark.parametrize("words", ["-C maybe", "-C no", "-i -I", "-N -R", "-M -A", "-Z", "-N word"])
def test_flags_of_a_start_that_are_none(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A -C that is neither interactive nor yes counted as no -C at all."""
    assert services.rc_cluster(["rc.cluster", *words.split()]) == 1
    assert capsys.readouterr().err.endswith(services.RC_USAGE)


@pytest.mark.parametrize("words", ["-C maybe", "-i -I"])
def test_cl_rc_cluster_takes_the_same_flags(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        cspoc_services, "_targets", lambda words: (cspoc_services.Targets(("node1",), False, False), words)
    )
    assert cspoc_services.cl_rc_cluster(["cl_rc.cluster", *words.split()]) == 1
    assert capsys.readouterr().err == cspoc_services.RC_USAGE


@pytest.mark.parametrize(
    ("words", "did"),
    [
        ("-m -G -A", ["start auto"]),
        ("-m -M -i -P rc.cluster", ["start manual with clinfo"]),
        ("-m -R -b -A", ["at restart -A -R -b -m"]),
        ("-m -B -A -b", ["at restart -A -B -b -m", "broadcast", "start auto"]),
        ("-m -i -I", []),
        ("-m -N -R", []),
    ],
)
def test_clstart(words: str, did: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With -R it started services at once, and -b told nobody."""
    done: list[str] = []

    def start(manage: str, clinfo: bool, caller: str, root: NodeRoot) -> None:
        done.append(f"start {manage}{' with clinfo' if clinfo else ''}")

    def at_restart(root: NodeRoot, flags: dict[str, str]) -> bool:
        done.append(f"at restart {' '.join(sorted(flags))}")
        return True

    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: NodeRoot("/nowhere")))
    monkeypatch.setattr(startup, "start_at_restart", at_restart)
    monkeypatch.setattr(startup, "broadcast_start", lambda root: done.append("broadcast"))
    monkeypatch.setattr(client, "start_services", start)
    assert services.clstart(["clstart", *words.split()]) == (0 if did else 1)
    assert done == did


def stop(words: str, picture: ClusterSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """``clmgr offline`` on node1, whose cluster manager has stopped services already."""

    def stop_services(*arguments: object) -> None:
        raise client.Refused(Done("not_active", "Cluster services are not active on this node.", picture))

    monkeypatch.setattr(client, "stop_services", stop_services)
    monkeypatch.setattr(NodeRoot, "identity", type("Named", (), {"node": "node1", "lab": ""})())
    request = grammar.parse(["offline", *words.split()])
    cluster_services.services(NodeRoot("/nowhere"), configuration(2, group("rg1", "node1 node2")), request)


UNMANAGED = ClusterSnapshot(1, "c", "ST_STABLE", False, "up", "stable", 1, "node1", members=(1, 2))
STOPPED = ClusterSnapshot(1, "c", "ST_INIT", False, "down", "unknown", 1, "node1")


def test_a_node_with_unmanaged_groups_is_not_called_offline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ClmgrError, match="its resource groups are unmanaged"):
        stop("node node1 MANAGE=offline", UNMANAGED, monkeypatch)
    assert "offline" not in capsys.readouterr().out
    stop("node node1 MANAGE=unmanage", UNMANAGED, monkeypatch)
    assert capsys.readouterr().out.endswith('"node1" is now unmanaged.\n')
    stop("node node1 MANAGE=offline", STOPPED, monkeypatch)
    assert capsys.readouterr().out.endswith('"node1" is now offline.\n')


@pytest.mark.parametrize("what", ["cluster", "node node1"])
def test_caa_is_not_stopped_under_unmanaged_groups(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was, and the node halted, with everything that was to run on."""
    with pytest.raises(ClmgrError, match="unmanaged on this node") as caught:
        stop(f"{what} MANAGE=unmanage STOP_CAA=yes", STOPPED, monkeypatch)
    assert caught.value.code == INCORRECT_INPUT
