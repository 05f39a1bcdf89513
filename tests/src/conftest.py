"""Commands of SRC against a real srcmstr, in this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from srcctl.node import programs
from srcctl.src.client import Exchange
from tests.src.node import ETC, Run, SrcNode


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SrcNode]:
    with SrcNode(tmp_path) as node:
        monkeypatch.setenv("HAES_ROOT", node.root.directory)
        monkeypatch.setenv("SRC_TIME_LIMIT", "20")
        yield node


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    known = {p.path.rpartition("/")[2]: p for p in programs.parse((ETC / "programs/src").read_text(), "src")}

    def command(words: list[str]) -> tuple[int, str, str]:
        program = known[words[0]]
        status = getattr(import_module(program.module), program.function)([program.path, *words[1:]])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


@pytest.fixture
def slow_asker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks is away between two packets of the answer."""
    take = Exchange.take

    def slow(self: Exchange, packet: bytes, address: str) -> None:
        time.sleep(0.005)
        take(self, packet, address)

    monkeypatch.setattr(Exchange, "take", slow)
