"""CAA stops by hand: cluster services stop before it, or it does not stop."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemons.caa import clctrl, client, commands, message_security, stopping
from daemons.caa.client import CaaError
from daemons.caa.messages import Membership, Status
from daemons.clcomd import client as clcomd
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import ClusterSnapshot, Done, ManagerState
from srcctl.node.root import NodeRoot
from tests.caa.test_formation import Here
from tests.caa.test_repository import DEFINITION

ROOT = NodeRoot("/nowhere")


def picture(state: ManagerState, services: bool, members: tuple[int, ...]) -> ClusterSnapshot:
    return ClusterSnapshot(1, "c", state, services, "up", "stable", 1, "node1", members=members)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    monkeypatch.setattr(client, "leave", lambda root: done.append("CAA leaves"))
    monkeypatch.setattr(manager, "stop_services", lambda mode, caller, root: done.append(f"{caller} stops: {mode}"))
    return done


def show(monkeypatch: pytest.MonkeyPatch, shown: ClusterSnapshot | None) -> None:
    def query_state(root: NodeRoot) -> ClusterSnapshot:
        if shown is None:
            raise manager.ManagerUnreachable("clstrmgrES is not running on this node")
        return shown

    monkeypatch.setattr(manager, "query_state", query_state)


def test_cluster_services_stop_first(monkeypatch: pytest.MonkeyPatch, done: list[str]) -> None:
    """The node halted: its cluster manager lost Group Services while services were active."""
    show(monkeypatch, picture("ST_STABLE", True, (1, 2)))
    stopping.stop(ROOT)
    assert done == ["clctrl stops: offline", "CAA leaves"]


@pytest.mark.parametrize("shown", [None, picture("ST_INIT", False, ()), picture("NOT_CONFIGURED", False, ())])
def test_where_none_are_active_caa_just_stops(
    monkeypatch: pytest.MonkeyPatch, done: list[str], shown: ClusterSnapshot | None
) -> None:
    show(monkeypatch, shown)
    stopping.stop(ROOT)
    assert done == ["CAA leaves"]


@pytest.mark.parametrize(
    ("shown", "complaint"),
    [
        (picture("ST_STABLE", False, (1, 2)), "resource groups are unmanaged"),
        (picture("ST_JOINING", False, ()), "cluster services are being started"),
    ],
)
def test_what_would_halt_the_node_is_refused(
    monkeypatch: pytest.MonkeyPatch, done: list[str], shown: ClusterSnapshot, complaint: str
) -> None:
    show(monkeypatch, shown)
    with pytest.raises(CaaError, match=complaint):
        stopping.stop(ROOT)
    assert done == []


def test_services_that_do_not_stop_keep_caa(monkeypatch: pytest.MonkeyPatch, done: list[str]) -> None:
    def refuse(mode: str, caller: str, root: NodeRoot) -> None:
        raise manager.Refused(Done("failed", "Resource group rg1 could not be released on node node1."))

    show(monkeypatch, picture("ST_STABLE", True, (1, 2)))
    monkeypatch.setattr(manager, "stop_services", refuse)
    with pytest.raises(CaaError, match="rg1 could not be released"):
        stopping.stop(ROOT)
    assert done == []


def test_an_order_waits_for_who_is_not_reached_and_for_none_who_refuses(
    monkeypatch: pytest.MonkeyPatch, done: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node with unmanaged groups refused, the exit code was 0, and its next boot would have stopped its CAA."""
    here = Here(tmp_path)
    here.disk.create(DEFINITION)
    monkeypatch.setattr(NodeRoot, "current", lambda: here.root)
    monkeypatch.setattr(client, "own_repository", lambda root: (here.disk, DEFINITION))
    show(monkeypatch, picture("ST_STABLE", False, (1, 2)))
    assert commands.clusterconf(["clusterconf", "-s"]) == stopping.REFUSED
    refusal = capsys.readouterr().err
    assert refusal.startswith("clusterconf: resource groups are unmanaged")
    status = stopping.REFUSED

    def run(root: NodeRoot, node: str, command: list[str], **_: object) -> clcomd.Result:
        if status < 0:
            raise clcomd.ClcomdError("no answer")
        return clcomd.Result(status, b"", refusal.encode())

    def orders() -> tuple[tuple[str, bool], ...]:
        definition = here.disk.read_definition()
        assert definition is not None
        return definition.orders

    monkeypatch.setattr(clcomd, "run", run)
    show(monkeypatch, picture("ST_INIT", False, ()))
    assert clctrl.clctrl(["clctrl", "-stop", "-a"]) == 1
    assert capsys.readouterr().err == f"clctrl: nodeA: {refusal}"
    assert orders() == ()
    assert done == ["CAA leaves"], "this node, the last one, is stopped all the same"
    status = -1
    assert clctrl.clctrl(["clctrl", "-stop", "-m", "nodeA"]) == 0
    assert capsys.readouterr().err == "clctrl: nodeA: no answer: the order waits until nodeA boots.\n"
    assert orders() == (("nodeA", False),)


@pytest.mark.parametrize(
    ("shown", "complaint"),
    [
        (picture("ST_STABLE", True, (1, 2)), "cluster services are active on nodeA: stop them first."),
        (picture("ST_JOINING", False, ()), "cluster services are active on nodeA: stop them first."),
        (picture("ST_STABLE", False, (1, 2)), "resource groups are unmanaged on nodeA: start cluster services there"),
        (picture("ST_INIT", False, ()), ""),
        (None, ""),
    ],
)
def test_a_node_with_active_services_does_not_leave_the_caa_cluster(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    shown: ClusterSnapshot | None,
    complaint: str,
) -> None:
    """It halted: its cluster manager lost Group Services with the membership."""
    here = Here(tmp_path)
    here.disk.create(DEFINITION)
    own = next(node for node in DEFINITION.nodes if node.name == "nodeB")
    membership = Membership(own.number, 2, (1, 2), DEFINITION.nodes, (), True, DEFINITION.name, "")
    left: list[str] = []
    monkeypatch.setattr(NodeRoot, "current", lambda: here.root)
    monkeypatch.setattr(client, "status", lambda root: Status(membership, "hdisk1"))
    monkeypatch.setattr(client, "own_repository", lambda root: (here.disk, here.disk.read_definition()))
    monkeypatch.setattr(client, "reread", lambda root: None)
    monkeypatch.setattr(message_security, "leave", lambda root: left.append("nodeB"))
    show(monkeypatch, picture("ST_INIT", False, ()))

    def run(root: NodeRoot, node: str, command: list[str], **_: object) -> clcomd.Result:
        if command == [stopping.CL_STATE]:
            if shown is None:
                raise clcomd.ClcomdError("no answer")
            return clcomd.Result(0, msgspec.json.encode(shown), b"")
        if command[1:] == ["-u"]:
            left.append(node)
        return clcomd.Result(0, b"", b"")

    monkeypatch.setattr(clcomd, "run", run)
    assert commands.chcluster(["chcluster", "-m", "-nodeA"]) == int(bool(complaint))
    assert capsys.readouterr().err.startswith(f"chcluster: {complaint}" if complaint else "")
    assert left == ([] if complaint else ["nodeA"])
    assert (here.disk.read_definition() == DEFINITION) == bool(complaint)
    here.disk.erase()
    here.disk.create(DEFINITION)
    left.clear()
    assert commands.rmcluster(["rmcluster", "-n", DEFINITION.name]) == int(bool(complaint))
    assert capsys.readouterr().err.startswith(f"rmcluster: {complaint}" if complaint else "")
    assert left == ([] if complaint else ["nodeA", "nodeB"])
    assert commands.rmcluster(["rmcluster", "-f", "-r", "hdisk1"]) == int(not complaint), "the force is with it"
    assert here.disk.read_definition() is None
