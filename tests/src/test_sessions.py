"""Every output form of the SRC commands, and that every flag of every command is covered by one."""

from __future__ import annotations

import os

import pytest

from tests.src.node import Run, SrcNode
from tests.src.sessions import SESSIONS, Session, read_sessions, replay


@pytest.mark.parametrize("session", read_sessions(), ids=lambda session: session.name)
def test_session(session: Session, node: SrcNode, run: Run) -> None:
    path = SESSIONS / f"{session.name}.txt"

    def settled(words: list[str]) -> tuple[int, str, str]:
        node.settle()
        return run(words)

    text = replay(session, settled)
    if "HAES_WRITE_GOLDEN" in os.environ:
        path.write_text(text)
    assert text == path.read_text()
