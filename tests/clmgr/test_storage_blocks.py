"""Queries of shared storage: which nodes know a volume group."""

from __future__ import annotations

import pytest

from daemons.clcomd import client as clcomd
from daemons.clmgr.storage import blocks
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import IDENTITY, asked, sample


def test_other_nodes_are_asked_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    node = NodeRoot("/nowhere")
    node._identity = IDENTITY
    answers: list[clcomd.Result | clcomd.ClcomdError] = []
    limits: list[float | None] = []

    def run(root: NodeRoot, node: str, words: list[str], limit: float | None = None) -> clcomd.Result:
        limits.append(limit)
        answer = answers.pop()
        if isinstance(answer, clcomd.ClcomdError):
            raise answer
        return answer

    monkeypatch.setattr(clcomd, "run", run)
    for words in (["query", "vg"], ["-a", "NAME,PPART_SIZE", "query", "vg"], ["query", "vg", "QUORUM=true"]):
        assert blocks._groups_elsewhere(node, asked(*words), sample()) == {}
    assert limits == [], "a list of names asks nobody"
    for words, answer, expected in (
        (["query", "vg", "datavg"], clcomd.Result(0, b"rootvg\ndatavg\n", b""), {"node2": ["rootvg", "datavg"]}),
        (["-v", "query", "vg"], clcomd.Result(1, b"", b"no"), {}),
        (["-a", "nod", "query", "vg"], clcomd.ClcomdError("no answer within 5 seconds"), {}),
    ):
        answers.append(answer)
        assert blocks._groups_elsewhere(node, asked(*words), sample()) == expected
    assert limits == [blocks.ANSWER_LIMIT] * 3
