"""ctrmc is in rmc_peers while Group Services run, again after they ended, and out when it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cthags"))

from test_service import Pair

from daemons.cthags.messages import RMC_PEERS
from daemons.cthags.service import GroupServicesDaemon
from daemons.ctrmc import peers

DEADLINE = 30.0


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    nodes = Pair(tmp_path)
    yield nodes
    await nodes.stop()


async def providers(pair: Pair, node: int, wanted: list[int]) -> None:
    """Wait until a node's Group Services have those nodes in rmc_peers."""
    async with asyncio.timeout(DEADLINE):
        while True:
            groups = {group.name: group.providers for group in pair.daemons[node - 1]._status().groups}
            if sorted(provider.node for provider in groups.get(RMC_PEERS, ())) == wanted:
                return
            await asyncio.sleep(0.01)


async def test_it_is_a_provider_as_long_as_it_runs(pair: Pair) -> None:
    said: list[str] = []
    members = [asyncio.ensure_future(peers.take_part(root, said.append)) for root in pair.roots]
    await asyncio.sleep(0)
    await pair.start()
    await providers(pair, 1, [1, 2])
    (client,) = pair.daemons[0]._status().clients
    assert (client.name, client.responsiveness) == ("rmcd", "HA_GS_NO_RESPONSIVENESS")
    members[1].cancel()
    await providers(pair, 1, [1])
    await pair.daemons[1].stop(False)
    again = pair.daemons[1] = GroupServicesDaemon([], pair.roots[1])
    again._ended = asyncio.get_running_loop().create_future()
    await again.start()
    members[1] = asyncio.ensure_future(peers.take_part(pair.roots[1], said.append))
    await providers(pair, 1, [1, 2])
    await pair.daemons[1].stop(False)
    again = pair.daemons[1] = GroupServicesDaemon([], pair.roots[1])
    again._ended = asyncio.get_running_loop().create_future()
    await again.start()
    await providers(pair, 2, [1, 2])
    assert not members[1].done(), "the end of Group Services is not its own"
    assert said == []
    for member in members:
        member.cancel()
    await asyncio.gather(*members, return_exceptions=True)
