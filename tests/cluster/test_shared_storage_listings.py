"""cllsvg, cllsfs, cllslv, cllsdisk and cllsres -q on a node with disks, in sessions."""

from __future__ import annotations

import os

import msgspec
import pytest

from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import DCD
from srcctl.commands.launch import call
from srcctl.odm import Repository
from tests.clmgr.sample import rich
from tests.commands.sessions import GOLDEN, Session, read_sessions, replay
from tests.storage.conftest import nodes, run, template
from tests.storage.machine import Node, Run, entries
from tests.storage.test_layouts import prepare

__all__ = ["nodes", "run", "template"]
ENTRIES = entries("listing")


@pytest.mark.parametrize("session", read_sessions(GOLDEN / "shared_storage"), ids=lambda session: session.name)
def test_session(
    session: Session,
    nodes: tuple[Node, Node],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """datavg (varied on) is app_rg's, concvg (not varied on) web_rg's."""
    node = prepare(nodes[0], run, monkeypatch)
    c = rich()
    held = {
        "app_rg": (("VOLUME_GROUP", "datavg"), ("FILESYSTEM", "ALL")),
        "web_rg": (("CONCURRENT_VOLUME_GROUP", "concvg"),),
    }
    groups = tuple(msgspec.structs.replace(g, resources=g.resources + held.get(g.name, ())) for g in c.groups)
    configurations.store(Repository(node.root, DCD), msgspec.structs.replace(c, groups=groups), "node1")

    def command(words: list[str]) -> tuple[int, str, str]:
        status = call(*ENTRIES[words[0]], words)
        return status, *capsys.readouterr()

    text = replay(session, command)
    if "HAES_WRITE_GOLDEN" in os.environ:
        session.path.write_text(text)
    assert text == session.path.read_text()
