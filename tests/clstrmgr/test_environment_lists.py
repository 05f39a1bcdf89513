"""clsetenvgrp: which groups an event script finds in its lists."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from daemons.clstrmgr.commands import environment_lists
from daemons.clstrmgr.messages import ClusterSnapshot, GroupNodeView, GroupView
from tests.clmgr.sample import picture


def of(**states: tuple[str, str]) -> ClusterSnapshot:
    """A picture whose groups have these states on node 1 and node 2."""
    groups = [
        GroupView(
            number, name, "OHN", "FNPN", "NFB",
            tuple(GroupNodeView(n, state) for n, state in enumerate(pair, 1)),  # type: ignore[arg-type]
            unmanaged_on=2 if pair == ("UNMANAGED", "UNMANAGED") else 0,
        )
        for number, (name, pair) in enumerate(states.items(), 1)
    ]  # fmt: skip
    from msgspec.structs import replace

    return replace(picture(), groups=tuple(groups))


CASE = of(
    held=("ONLINE", "OFFLINE"), coming=("ACQUIRING", "OFFLINE"), going=("RELEASING", "OFFLINE"),
    elsewhere=("OFFLINE", "ONLINE"), homeless=("OFFLINE", "OFFLINE"), broken=("ERROR", "OFFLINE"),
    second=("ACQUIRING SECONDARY", "ONLINE"), left=("UNMANAGED", "UNMANAGED"),
)  # fmt: skip


def test_the_lists_of_a_node() -> None:
    assert environment_lists.lists(CASE, 1) == {
        "FORCEDOWN_GROUPS": "",
        "RESOURCE_GROUPS": "held coming going second",
        "HOMELESS_GROUPS": "homeless",
        "ERRSTATE_GROUPS": "broken",
        "PRINCIPAL_ACTIONS": "NONE ACQUIRE RELEASE NONE",
        "AUXILLIARY_ACTIONS": "NONE NONE NONE ACQUIRE",
    }
    other = environment_lists.lists(CASE, 2)
    assert (other["RESOURCE_GROUPS"], other["FORCEDOWN_GROUPS"]) == ("elsewhere second", "left")
    assert environment_lists.lists(CASE, 3)["RESOURCE_GROUPS"] == "", "a node that no group may be on"


def test_what_is_printed_is_for_eval(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Events:
        def __init__(self, *words: object) -> None: ...

        def get(self, class_name: str, criteria: str) -> list[dict[str, str]]:
            return [{}] if "node_up" in criteria else []

    monkeypatch.setattr(environment_lists, "Repository", Events)
    monkeypatch.setattr(environment_lists.client, "query_state", lambda: CASE)
    assert environment_lists.clsetenvgrp(["clsetenvgrp", "node1", "/usr/es/sbin/cluster/events/node_up"]) == 0
    printed = capsys.readouterr().out
    script = f"eval {shlex.quote(printed)}; echo $RESOURCE_GROUPS / $PRINCIPAL_ACTIONS"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "held coming going second / NONE ACQUIRE RELEASE NONE\n"
    for words, complaint in (
        (["node1"], "Usage: clsetenvgrp node event\n"),
        (["node9", "node_up"], "clsetenvgrp: There is no node node9 in this cluster.\n"),
        (["node1", "party"], "clsetenvgrp: There is no event party.\n"),
    ):
        assert environment_lists.clsetenvgrp(["clsetenvgrp", *words]) == 1
        assert capsys.readouterr() == ("", complaint)
