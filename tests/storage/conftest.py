"""Two nodes on one set of shared disks, and their commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from srcctl.commands.launch import call
from srcctl.devices import configuration
from tests.storage.machine import Node, Run, entries, make_template

ENTRIES = entries("src", "storage", "devices", "network", "odm", "node", "errlog", "audit", "snap")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("objrepos"))


@pytest.fixture
def nodes(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Node, Node]:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(configuration, "memory_bytes", lambda: 8 << 30)
    return Node(tmp_path, "node1", template), Node(tmp_path, "node2", template)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(node: Node, name: str, *words: str) -> tuple[int, str, str]:
        monkeypatch.setenv("HAES_ROOT", node.root.directory)
        status = call(*ENTRIES[name], [name, *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command
