"""hagsd on real sockets: two daemons, a stand-in for caa, clients on both."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemons.caa import messages as caa
from daemons.cthags.client import GroupServices
from daemons.cthags.messages import (
    Alive,
    Approved,
    Died,
    Join,
    Notification,
    NPhase,
    ProviderMessage,
    ResponsivenessProbe,
    Vote,
)
from daemons.cthags.query import Unreachable
from daemons.cthags.service import GroupServicesDaemon
from daemons.runtime.daemon import CannotStart
from daemons.runtime.local import LocalConnection, LocalServer
from daemons.runtime.ports import port
from srcctl.node.root import Identity, Interface, LabNode, NodeRoot

PATIENCE = 20.0


class FakeCaa:
    """Says what the test wants."""

    def __init__(self, root: NodeRoot, identity: Identity) -> None:
        self.identity = identity
        self.connections: list[LocalConnection[caa.Answer, caa.Request]] = []
        self.alive = tuple(node.number for node in identity.nodes)
        self.relay_only = False
        self.peers: dict[int, FakeCaa] = {}
        os.makedirs(root.path("/dev"), exist_ok=True)
        self.server = LocalServer(root.path(caa.SOCKET_PATH), caa.answer_codec, caa.request_codec, self.serve)

    async def serve(self, connection: LocalConnection[caa.Answer, caa.Request]) -> None:
        self.connections.append(connection)
        while True:
            request = await connection.receive()
            if isinstance(request, caa.Subscribe):
                connection.send(self.membership())
            elif isinstance(request, caa.Relay):
                for other in self.peers[request.node].connections:
                    other.send(caa.Relay(self.identity.number, request.payload))

    def membership(self) -> caa.Membership:
        own = self.identity
        mine = own.interfaces[0]
        nodes = tuple(
            caa.Node(node.number, node.name, f"uuid-{node.number}", ((mine.network, node.addresses[0]),))
            for node in own.nodes
        )
        paths = tuple(
            caa.PathState(node.number, mine.network, mine.address, node.addresses[0], not self.relay_only)
            for node in own.nodes
            if node.number != own.number
        )
        return caa.Membership(1, own.number, self.alive, nodes, paths, True, "lab", "id")

    def tell(self) -> None:
        for connection in self.connections:
            connection.send(self.membership())


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def make_roots(folder: Path, count: int) -> list[NodeRoot]:
    block = f"127.{random.randrange(80, 250)}.{random.randrange(1, 250)}"
    number = free_port()
    nodes = tuple(LabNode(f"node{n}", n, (f"{block}.{n}",)) for n in range(1, count + 1))
    shared = folder / "shared"
    shared.mkdir()
    (folder / "key").write_bytes(b"k" * 32)
    roots = []
    for node in nodes:
        directory = folder / node.name
        (directory / "etc").mkdir(parents=True)
        identity = Identity(
            "lab", str(shared), str(folder / "key"), "", "", "", node.name, node.number, 10.0, "folder", "boot",
            (Interface("en0", "net_ether_01", node.addresses[0], "255.255.255.192"),), nodes,
        )  # fmt: skip
        (directory / "etc/lpar.json").write_text(identity.text())
        (directory / "etc/services").write_text(f"cthags {number}/udp\n")
        roots.append(NodeRoot(str(directory)))
    return roots


class Pair:
    """Two nodes."""

    def __init__(self, folder: Path) -> None:
        self.roots = make_roots(folder, 2)
        self.caas = [FakeCaa(root, root.identity) for root in self.roots]
        for one in self.caas:
            one.peers = {other.identity.number: other for other in self.caas}
        self.daemons = [GroupServicesDaemon([], root) for root in self.roots]

    async def start(self) -> None:
        for one in self.caas:
            await one.server.start()
        for daemon in self.daemons:
            daemon._ended = asyncio.get_running_loop().create_future()
            await daemon.start()

    async def stop(self) -> None:
        for daemon in self.daemons:
            await daemon.stop(False)
        for one in self.caas:
            await one.server.close()
        for daemon in self.daemons:
            for task in list(daemon._tasks):
                task.cancel()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    nodes = Pair(tmp_path)
    await nodes.start()
    yield nodes
    await nodes.stop()


async def until(client: GroupServices, kind: type[Notification]) -> Notification:
    async with asyncio.timeout(PATIENCE):
        while True:
            notification = await client.receive()
            if isinstance(notification, kind):
                return notification
            assert not isinstance(notification, Died)


async def joined(pair: Pair) -> list[GroupServices]:
    clients = []
    for root in pair.roots:
        client = await GroupServices.init(root, "test")
        client.send(Join("G"))
        await until(client, Approved)
        clients.append(client)
    await until(clients[0], Approved)
    return clients


async def test_a_message_to_all_members_within_the_budget(pair: Pair) -> None:
    """Design section 10: 2 ms; the bench decides, here it is only that no delay lies in the path."""
    clients = await joined(pair)
    times = []
    for number in range(100):
        began = time.perf_counter()
        clients[1].send(ProviderMessage("G", b"%d" % number))
        for client in clients:
            message = await until(client, Approved)
            assert message.message == b"%d" % number  # type: ignore[union-attr]
        times.append(time.perf_counter() - began)
    print(f"median {statistics.median(times) * 1000:.3f} ms")
    # Where other work takes the processor most of them wait for it; a delay in the path would be in all of them.
    assert sorted(times)[10] < 0.02
    for client in clients:
        client.quit()


async def test_votes_status_and_the_end_of_a_client(pair: Pair) -> None:
    clients = await joined(pair)
    clients[0].send(ProviderMessage("G", b"event", "n"))
    for client in clients:
        phase = await until(client, NPhase)
        client.send(Vote("G", phase.token, "approve"))  # type: ignore[union-attr]
    for client in clients:
        await until(client, Approved)
    lines = pair.daemons[0].long_status().splitlines()
    assert lines[0] == "1 locally-connected client.  Its PID:"
    assert lines[1] == f"{os.getpid()}(test)"
    assert lines[3] == "Domain established by node 1"
    assert lines[7] == "G                                 2           1           0"
    clients[1].quit()
    left = await until(clients[0], Approved)
    assert left.reasons == ("provider_failure",)  # type: ignore[union-attr]
    clients[0].quit()


async def test_without_a_path_packets_go_over_the_disk(pair: Pair) -> None:
    clients = await joined(pair)
    for one in pair.caas:
        one.relay_only = True
        one.tell()
    await asyncio.sleep(0)
    big = bytes(100_000)
    clients[0].send(ProviderMessage("G", big))
    for client in clients:
        assert (await until(client, Approved)).message == big  # type: ignore[union-attr]
        client.quit()
    assert all(daemon._paths.relayed > 0 for daemon in pair.daemons)


async def test_a_node_that_caa_calls_dead_is_out(pair: Pair) -> None:
    clients = await joined(pair)
    await pair.daemons[1].stop(True)
    pair.caas[0].alive = (1,)
    pair.caas[0].tell()
    left = await until(clients[0], Approved)
    assert left.reasons == ("host_failure",)  # type: ignore[union-attr]
    async with asyncio.timeout(PATIENCE):
        while not isinstance(await clients[1].receive(), Died):
            pass
    for client in clients:
        client.quit()


async def test_a_client_answers_probes(pair: Pair) -> None:
    client = await GroupServices.init(pair.roots[0], "probed", interval_us=50_000, limit_us=5_000_000)
    for _ in range(3):
        probe = await until(client, ResponsivenessProbe)
        client.send(Alive(probe.serial))  # type: ignore[union-attr]
    client.quit()


async def test_garbage_from_a_client_ends_its_connection_only(pair: Pair) -> None:
    path = pair.roots[0].path("/var/ct/cthags.sock")
    for rubbish in (b"\xff" * 100, b"\x00\x00\x00\x05\x01hello", b"\x00\x00\x00"):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(rubbish)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()
    client = await GroupServices.init(pair.roots[0], "test")
    client.quit()


async def test_garbage_datagrams_are_dropped(pair: Pair) -> None:
    address = pair.roots[0].identity.interfaces[0].address
    number = port(pair.roots[0], "cthags", "udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for size in (0, 1, 28, 29, 1500, 60_000):
            sock.sendto(os.urandom(size), (address, number))
    clients = await joined(pair)
    assert sum(pair.daemons[0]._paths.dropped().values()) >= 5
    for client in clients:
        client.quit()


async def test_without_a_cluster_it_ends_with_status_0(tmp_path: Path) -> None:
    root = make_roots(tmp_path, 1)[0]
    daemon = GroupServicesDaemon([], root)
    with pytest.raises(CannotStart) as reason:
        await daemon.start()
    assert reason.value.status == 0
    with pytest.raises(Unreachable):
        await GroupServices.init(root, "test")
