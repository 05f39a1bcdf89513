"""CAA's sockets on loopback: networks and labs that share a multicast group do not hear each other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.caa.messages import Node, Site
from daemons.caa.networks import Networks
from daemons.caa.repository import Definition
from srcctl.network.faults import Faults

GROUP = "228.100.9.7"
NODES = (
    Node(1, "left", "", (("net_ether_01", "127.213.9.1"), ("net_ether_02", "127.213.9.65"))),
    Node(2, "right", "", (("net_ether_01", "127.213.9.2"), ("net_ether_02", "127.213.9.66"))),
)
CLUSTER = Definition("c", "", "11" * 32, NODES, multicast=GROUP)
OTHER = Definition("other", "", "22" * 32, (Node(1, "left", "", (("net_ether_01", "127.213.10.1"),)),), multicast=GROUP)
DEADLINE = 30.0


class Listener:
    """A node's sockets and what they heard."""

    def __init__(self, folder: Path, node: str) -> None:
        self.heard: asyncio.Queue[tuple[str, int, bytes]] = asyncio.Queue()
        self.networks = Networks(
            node, Faults(str(folder)), lambda *packet: self.heard.put_nowait(packet), self.complaints
        )
        self.complained: list[str] = []

    def complaints(self, text: str) -> None:
        self.complained.append(text)

    async def next(self) -> tuple[str, int, bytes]:
        async with asyncio.timeout(DEADLINE):
            return await self.heard.get()


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[Listener]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.213.9.1", 0))
        port = probe.getsockname()[1]
    made = [Listener(tmp_path, "left"), Listener(tmp_path, "right"), Listener(tmp_path, "left")]
    for listener, definition, own in zip(made, (CLUSTER, CLUSTER, OTHER), (*NODES, OTHER.nodes[0]), strict=True):
        await listener.networks.open(definition, own, port)
        listener.networks.use(definition, 32)
        await listener.networks.join_groups()
    yield made
    for listener in made:
        listener.networks.close()


async def test_a_group_of_the_administrators_is_one_for_all_networks(nodes: list[Listener]) -> None:
    left, right, other = nodes
    assert not left.complained + right.complained + other.complained
    assert left.networks.grouped
    # What comes first on a socket was sent first: the last packet tells that all others have been there.
    assert other.networks.send_to_group("net_ether_01", b"of another lab")
    assert left.networks.send_to_group("net_ether_02", b"second")
    assert await right.next() == ("net_ether_02", 1, b"second")
    assert left.networks.send_to_group("net_ether_01", b"first")
    assert await right.next() == ("net_ether_01", 1, b"first")
    assert left.networks.send("net_ether_01", 2, b"to the node")
    assert await right.next() == ("net_ether_01", 1, b"to the node")
    assert right.heard.empty()
    assert left.heard.empty()
    assert right.networks.drops["packet sealed with another key"] == 0, "of the other lab nothing is looked at"
    assert right.networks.drops["from elsewhere"] >= 1


async def test_the_groups_of_two_sites_are_their_own(nodes: list[Listener]) -> None:
    left, right, _ = nodes
    apart = replace(CLUSTER, sites=(Site("a", 1, "", ("left",)), Site("b", 2, "", ("right",))))
    for listener in (left, right):
        listener.networks.use(apart, 32)
        await listener.networks.join_groups()
    assert apart.group_of("left", "net_ether_01") == apart.group_of("right", "net_ether_01") == GROUP
    assert left.networks.send_to_group("net_ether_01", b"to the site")
    assert left.networks.send("net_ether_01", 2, b"to the other site")
    assert await right.next() == ("net_ether_01", 1, b"to the other site"), "what went to the group is not for it"
    moved = replace(apart, sites=(apart.sites[0], replace(apart.sites[1], multicast="228.100.9.8")))
    assert moved.group_of("right", "net_ether_02") == "228.100.9.8"
    assert moved.group_of("right", "net_ether_03") == "", "it is not on that network"
