"""A command of another node that answers line by line, and cl_config for the steps of a synchronization."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from daemons.clcomd.client import ClcomdError
from daemons.clcomd.conversation import Conversation
from daemons.clconfd import agents
from tests.clcomd.test_work import eventually

LIMIT = 20.0
T = TypeVar("T")
CODE = Path(__file__).parents[2]


async def away(pair, work: Callable[[], T]) -> T:  # type: ignore[no-untyped-def]
    """What blocks runs beside clcomd's loop; its sessions and their commands have ended afterwards."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(work), 60)
    finally:
        await eventually(lambda: not pair[2].sessions, "the sessions have ended")


async def test_every_line_is_answered_by_the_same_process(pair) -> None:  # type: ignore[no-untyped-def]
    def talk() -> list[bytes]:
        conversation = Conversation(
            pair[0].root, "node2", ["/bin/sh", "-c", 'while read line; do echo "$$ $line"; done']
        )
        try:
            return [conversation.ask(word, LIMIT) for word in (b"one", b"two", b"", b"three")]
        finally:
            conversation.close()

    answers = [answer.split(b" ", 1) for answer in await away(pair, talk)]
    assert [answer[1] for answer in answers] == [b"one", b"two", b"", b"three"]
    assert len({answer[0] for answer in answers}) == 1


async def test_a_question_may_be_longer_than_what_is_under_way_at_a_time(pair) -> None:  # type: ignore[no-untyped-def]
    question = b"x" * (3 << 20)

    def talk() -> tuple[bytes, bytes]:
        conversation = Conversation(pair[0].root, "node2", ["/bin/cat"])
        try:
            return conversation.ask(question, LIMIT), conversation.ask(b"short", LIMIT)
        finally:
            conversation.close()

    assert await away(pair, talk) == (question, b"short")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [("read line; echo gone >&2; exit 3", "gone"), ("read line; exit 3", "exit code 3"), ("sleep 600", r"within 0\.5")],
)
async def test_a_command_that_does_not_answer_is_an_error(pair, script: str, complaint: str) -> None:  # type: ignore[no-untyped-def]
    def talk() -> None:
        conversation = Conversation(pair[0].root, "node2", ["/bin/sh", "-c", script])
        try:
            conversation.ask(b"well?", 0.5 if "sleep" in script else LIMIT)
        finally:
            conversation.close()

    with pytest.raises(ClcomdError, match=complaint):
        await away(pair, talk)


async def test_one_that_was_lost_is_replaced_but_nothing_is_done_twice(pair, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """``cl_config`` is played by a program that ends after two answers and counts what it was asked."""
    script = pair[1].directory / "tmp/config"
    counted = pair[1].directory / "tmp/counted"
    script.write_text(
        f"#!{sys.executable}\nimport sys, json, os\n"
        "for number, line in enumerate(sys.stdin):\n"
        f"    open({str(counted)!r}, 'a').write(line)\n"
        "    if number == 2: sys.exit(1)\n"
        "    print(json.dumps([0, str(os.getpid()), '']), flush=True)\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(agents, "CL_CONFIG", str(script))

    def steps(*words: str) -> list[bytes]:
        with agents.Agents(pair[0].root) as nodes:
            return [nodes.ask("node2", [word]).out for word in words]

    first, second, third = await away(pair, lambda: steps("lock", "stage", "install"))
    assert first == second != third
    assert counted.read_text().split("\n")[:-1] == ['["lock"]', '["stage"]', '["install"]', '["install"]']
    counted.unlink()
    with pytest.raises(ClcomdError):
        await away(pair, lambda: steps("lock", "stage", "correct"))
    assert counted.read_text().count("correct") == 1


async def test_nodes_are_started_beforehand_and_one_that_cannot_be_is_asked_nevertheless(pair, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    script = pair[1].directory / "tmp/config"
    started = pair[1].directory / "tmp/started"
    script.write_text(f'#!/bin/sh\necho x >>{started}\nwhile read line; do echo \'[0, "well", ""]\'; done\n')
    script.chmod(0o755)
    monkeypatch.setattr(agents, "CL_CONFIG", str(script))

    def steps() -> bytes:
        with agents.Agents(pair[0].root) as nodes:
            nodes.prepare(["node1", "node2", "node9"])
            deadline = time.monotonic() + LIMIT
            while not started.exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            with pytest.raises(ClcomdError):
                nodes.ask("node9", ["lock"])
            return nodes.ask("node2", ["lock"]).out

    assert await away(pair, steps) == b"well"
    assert started.read_text() == "x\n"

    served = pair[2].served

    def nobody_asks() -> None:
        with agents.Agents(pair[0].root) as nodes:
            nodes.prepare(["node2"])
            thread = nodes._starting["node2"]
        thread.join()

    await away(pair, nobody_asks)
    await eventually(lambda: pair[2].served == served + 1 and not pair[2].sessions, "what nobody asked has ended")


async def test_cl_config_serves_and_refuses(pair, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    script = pair[1].directory / "tmp/config"
    script.write_text(
        f"#!/bin/sh\nHAES_ROOT={pair[1].directory} PYTHONPATH={CODE} exec {sys.executable} -c "
        "'import sys; from daemons.clconfd.agent import cl_config; sys.exit(cl_config(sys.argv))' \"$@\"\n"
    )
    script.chmod(0o755)
    os.makedirs(pair[1].directory / "usr/es/sbin/cluster/etc/objrepos")
    monkeypatch.setattr(agents, "CL_CONFIG", str(script))

    def steps() -> list[tuple[int, bytes]]:
        with agents.Agents(pair[0].root) as nodes:
            asked = (["running"], ["lock", "node1", "7"], ["lock", "node2", "7"], ["nothing"], ["unlock"],
                     ["lock", "node2", "8"])  # fmt: skip
            return [nodes.ask("node2", words)[::2] for words in asked]

    results = await away(pair, steps)
    assert [status for status, _ in results] == [4, 0, 3, 2, 0, 0]
    assert results[2][1] == b"node1 has the lock"
    assert results[3][1].startswith(b"Usage: cl_config")
