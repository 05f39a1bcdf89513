"""The GSAPI client: calls and their errors, callbacks from dispatch, over real sockets and a real hagsd."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from test_service import Pair

from daemons.cthags.client import GroupServices
from daemons.cthags.gsapi import Callbacks, GroupServicesError, GroupServicesInterface
from daemons.cthags.messages import (
    ENET_MEMBERSHIP,
    HOST_MEMBERSHIP,
    Announcement,
    Approved,
    DelayedError,
    GroupAttributes,
    Init,
    NPhase,
    Provider,
    Subscription,
)
from daemons.cthags.query import Unreachable
from srcctl.node.root import NodeRoot

VOTED = GroupAttributes(phases="n", default_vote="approve")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    nodes = Pair(tmp_path)
    await nodes.start()
    yield nodes
    await nodes.stop()


class Program:
    """A program that dispatches beside and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.voting = True
        self.callbacks = Callbacks(self.n_phase, self.note, self.note, self.note)

    async def init(self, pair: Pair, node: int, **options: object) -> Program:
        self.gs = await GroupServicesInterface.init(
            pair.roots[node - 1],
            "program",
            delayed_error=self.told.append,
            **options,  # type: ignore[arg-type]
        )
        self.task = asyncio.ensure_future(self.run())
        return self

    async def run(self) -> None:
        while not self.gs.died:
            await self.gs.dispatch()

    def n_phase(self, token: int, phase: NPhase) -> None:
        self.told.append(phase)
        if self.voting:
            self.gs.vote(token, "approve")

    def note(self, token: int, notification: object) -> None:
        self.told.append(notification)

    async def until(self, condition: Callable[[object], bool]) -> object:
        async with asyncio.timeout(20):
            while True:
                for entry in self.told:
                    if condition(entry):
                        return entry
                await asyncio.sleep(0.005)

    async def approved(self, protocol: str) -> Approved:
        found = await self.until(lambda entry: isinstance(entry, Approved) and entry.protocol == protocol)
        assert isinstance(found, Approved)
        self.told.remove(found)
        return found

    async def error(self) -> DelayedError:
        found = await self.until(lambda entry: isinstance(entry, DelayedError))
        assert isinstance(found, DelayedError)
        self.told.remove(found)
        return found


async def test_the_life_of_a_provider(pair: Pair) -> None:
    one, two = await Program().init(pair, 1), await Program().init(pair, 2)
    assert (one.gs.get_node_number(), two.gs.get_node_number()) == (1, 2)
    first = one.gs.join("G", VOTED, one.callbacks, instance=101)
    assert (await one.approved("join")).self_provider == Provider(1, 101)
    second = two.gs.join("G", VOTED, two.callbacks, instance=102)
    await two.approved("join")
    await one.approved("join")
    one.gs.change_state_value(first, b"up", "n")
    assert (await two.approved("state_change")).state == b"up"
    one.gs.send_message(first, b"hello")
    assert (await two.approved("message")).message == b"hello"
    two.gs.change_attributes(second, GroupAttributes("n", 5_000_000, "approve"), "n")
    assert (await one.approved("attribute_change")).attributes == GroupAttributes("n", 5_000_000, "approve")
    two.gs.leave(second, code=42)
    assert (await one.approved("leave")).leave_code == 42
    with pytest.raises(GroupServicesError) as refused:
        two.gs.leave(second)
    assert refused.value.code == "HA_GS_BAD_MEMBER_TOKEN"
    two.gs.join("G", GroupAttributes("n", 5_000_000, "approve"), two.callbacks)
    await two.approved("join")
    two.gs.quit()
    assert (await one.approved("failure_leave")).reasons == ("provider_failure",)
    one.gs.goodbye(first)
    one.gs.quit()


async def test_what_is_refused_at_once(pair: Pair) -> None:
    program = await Program().init(pair, 1)
    gs, none = program.gs, Callbacks()
    token = gs.join("G", VOTED, program.callbacks)
    await program.approved("join")
    for call, code in (
        (lambda: gs.join("", VOTED, none), "HA_GS_BAD_PARAMETER"),
        (lambda: gs.join("x" * 33, VOTED, none), "HA_GS_NAME_TOO_LONG"),
        (lambda: gs.join("G", VOTED, none), "HA_GS_EXISTS"),
        (lambda: gs.vote(token, "approve"), "HA_GS_VOTE_NOT_EXPECTED"),
        (lambda: gs.vote(99, "approve"), "HA_GS_BAD_MEMBER_TOKEN"),
        (lambda: gs.change_state_value(token, b""), "HA_GS_BAD_PARAMETER"),
        (lambda: gs.change_state_value(token, b"x" * 257), "HA_GS_BAD_PARAMETER"),
        (lambda: gs.send_message(token, b"x", time_limit_us=-1), "HA_GS_BAD_PARAMETER"),
        (lambda: gs.expel(token, ()), "HA_GS_BAD_PARAMETER"),
        (lambda: gs.expel(token, (Provider(1, 1), Provider(1, 1))), "HA_GS_PROVIDER_APPEARS_TWICE"),
        (lambda: gs.unsubscribe(token), "HA_GS_BAD_MEMBER_TOKEN"),
    ):
        with pytest.raises(GroupServicesError) as refused:
            call()
        assert refused.value.code == code
    gs.change_state_value(token, b"x", old=b"never")
    assert (await program.error()).code == "HA_GS_WRONG_OLD_STATE"
    gs.quit()
    with pytest.raises(GroupServicesError) as refused:
        gs.join("H", VOTED, none)
    assert refused.value.code == "HA_GS_NO_INIT"
    with pytest.raises(GroupServicesError) as refused:
        await gs.dispatch()
    assert refused.value.code == "HA_GS_NO_INIT"


async def test_why_a_program_is_no_client(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def code(root: NodeRoot) -> str:
        with pytest.raises(GroupServicesError) as refused:
            await GroupServicesInterface.init(root, "program")
        return refused.value.code

    assert await code(NodeRoot(str(tmp_path / "nothing"))) == "HA_GS_CONNECT_FAILED"
    monkeypatch.setattr("daemons.cthags.requests.CLIENTS_MAX", 0)
    assert await code(pair.roots[0]) == "HA_GS_NO_MEMORY"
    monkeypatch.setattr("daemons.cthags.client.INIT_PATIENCE", 0.0)
    assert await code(pair.roots[0]) == "HA_GS_SOCK_INIT_FAILED"
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        assert await code(pair.roots[0]) == "HA_GS_SOCK_CREATE_FAILED"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_a_program_registers_once(pair: Pair) -> None:
    program = await Program().init(pair, 1)
    program.gs._send(Init("program", 1))
    assert await program.error() == DelayedError("", "HA_GS_EXISTS", "init")
    program.gs.quit()


async def test_subscribers_and_system_groups(pair: Pair) -> None:
    one, two = await Program().init(pair, 1), await Program().init(pair, 2)
    two.gs.subscribe("G", two.note)
    assert (await two.error()).code == "HA_GS_UNKNOWN_GROUP"
    two.gs.subscribe(HOST_MEMBERSHIP, two.note)
    await two.until(
        lambda entry: isinstance(entry, Subscription) and [p.node for p in entry.providers] in ([1, 2], [2, 1])
    )
    two.gs.get_adapter_info(two.note)
    await two.until(
        lambda entry: (
            isinstance(entry, Subscription)
            and entry.group == ENET_MEMBERSHIP
            and entry.providers == (Provider(1, 0), Provider(2, 0))
        )
    )
    one.gs.join("G", VOTED, one.callbacks)
    await one.approved("join")
    token = two.gs.subscribe("G", two.note)
    await two.until(lambda entry: isinstance(entry, Subscription) and entry.group == "G")
    two.gs.unsubscribe(token)
    one.gs.quit()
    two.gs.quit()


async def test_a_deactivate_script_really_runs(pair: Pair, tmp_path: Path) -> None:
    script = Path(pair.roots[1].path("/usr/local/bin/deactivate"))
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    script.chmod(0o755)
    one = await Program().init(pair, 1)
    with pytest.raises(Unreachable):
        await GroupServices.init(pair.roots[1], "program", deactivate_script="no/such/path")
    two = await Program().init(pair, 2, deactivate_script="/usr/local/bin/deactivate")
    first = one.gs.join("G", VOTED, one.callbacks)
    await one.approved("join")
    two.gs.join("G", VOTED, two.callbacks, local_name="victim")
    victim = (await two.approved("join")).self_provider
    await one.approved("join")
    one.gs.expel(first, (victim,), "n", 10_000_000, 1, "gently")
    approved = await one.approved("expel")
    assert approved.deactivated == ((victim, True),)
    words = (tmp_path / "called").read_text().split()
    assert words[1:] == ["10", "victim", "G", "gently"]
    assert (await two.approved("expel")).changing == (victim,)
    two.gs.join("G", VOTED, two.callbacks, local_name="a name\0with more")
    victim = (await two.approved("join")).self_provider
    await one.approved("join")
    one.gs.expel(first, (victim,), "n", 10_000_000, 1, "gently")
    assert (await one.approved("expel")).deactivated == ((victim, False),)
    one.gs.quit()
    two.gs.quit()


async def test_the_death_of_group_services_is_told_to_every_provider(pair: Pair) -> None:
    program = await Program().init(pair, 1)
    program.gs.join("G", VOTED, program.callbacks)
    mine = (await program.approved("join")).self_provider
    await pair.daemons[0].stop(False)
    announced = await program.until(lambda entry: isinstance(entry, Announcement))
    assert announced == Announcement("G", ("group_services_has_died_horribly",), (mine,))
    assert program.gs.died
    program.gs.quit()
