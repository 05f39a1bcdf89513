"""CAA stops by hand: cluster services stop before it, or it does not stop."""

from __future__ import annotations

import pytest

from daemons.caa import client, stopping
from daemons.caa.client import CaaError
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import ClusterSnapshot, Done, ManagerState
from srcctl.node.root import NodeRoot

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
