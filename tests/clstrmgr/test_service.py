"""The daemon's shell in one process: real sockets, real ODM, real event scripts; Group Services by the test's fake."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from daemons.caa import messages as caa
from daemons.caa.messages import answer_codec, request_codec
from daemons.clstrmgr import client, messages
from daemons.clstrmgr.service import ClusterManagerDaemon
from daemons.cluster import configuration as model
from daemons.cthags import messages as cthags
from daemons.runtime.daemon import CannotStart
from daemons.runtime.local import LocalConnection, LocalServer
from srcctl.node.root import Identity, LabNode, NodeRoot
from srcctl.odm import Repository, seed
from tests.clstrmgr.group_services import FakeGroupServices
from tests.clstrmgr.ring import ETC, configuration, group

Link = LocalConnection[cthags.Notification, cthags.Request]


class Lab:
    """Two nodes' roots, a fake Group Services that both reach, and fake commands."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.services = FakeGroupServices(self._notify)
        self.servers: list[LocalServer[cthags.Notification, cthags.Request]] = []
        self.daemons: dict[int, ClusterManagerDaemon] = {}
        self.roots = {number: self._root(number) for number in (1, 2)}
        self.calls = directory / "calls"
        commands = directory / "bin"
        commands.mkdir()
        for name in ("ifconfig", "varyonvg", "varyoffvg", "mount", "umount", "start", "stop"):
            path = commands / name
            path.write_text(f'#!/bin/bash\necho "$LOCALNODENAME {name} $*" >>{self.calls}\n')
            path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
        configured = configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB"))
        controllers = tuple(
            model.ApplicationController(name=entry.name, start=f"{commands}/start", stop=f"{commands}/stop")
            for entry in configured.controllers
        )
        fields = {name: getattr(configured, name) for name in configured.__struct_fields__}
        self.configured = model.Configuration(**fields | {"controllers": controllers})

    def _root(self, number: int) -> NodeRoot:
        root = NodeRoot(str(self.directory / f"node{number}"))
        os.makedirs(root.path("/etc"))
        os.makedirs(root.path("/usr/es/sbin/cluster"))
        for folder in ("events", "utilities"):
            os.symlink(ETC / "usr/es/sbin/cluster" / folder, root.path(f"/usr/es/sbin/cluster/{folder}"))
        nodes = tuple(LabNode(f"node{other}", other, (f"127.0.0.{other}",)) for other in (1, 2))
        # Without ctrmc, as here, a node fails after 60 product seconds: in a fast lab before a slow test ends.
        identity = Identity(
            "lab", "/nowhere", "/nowhere", "", "", "", f"node{number}", number, 1.0, "folder", "b", (), nodes
        )
        Path(root.path("/etc/lpar.json")).write_text(identity.text())
        seed.load(root, str(ETC / "objrepos"))
        return root

    def configure(self) -> None:
        for number, root in self.roots.items():
            model.store(Repository(root, model.DCD), self.configured, f"node{number}")

    async def group_services(self, number: int) -> None:
        root = self.roots[number]

        async def serve(link: Link) -> None:
            self.services.connect(number, link)
            while True:
                request = await link.receive()
                if isinstance(request, cthags.Init):
                    link.send(cthags.Initialized(number))
                else:
                    self.services.request(number, link, request)

        path = root.path(cthags.SOCKET_PATH)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        server = LocalServer(path, cthags.notification_codec, cthags.request_codec, serve)
        await server.start()
        self.servers.append(server)
        self.services.host(number, True)

    def _notify(self, link: object, notification: cthags.Notification) -> None:
        assert isinstance(link, LocalConnection)
        link.send(notification)

    async def daemon(self, number: int) -> ClusterManagerDaemon:
        daemon = ClusterManagerDaemon([], self.roots[number])
        daemon._ended = asyncio.get_running_loop().create_future()
        await daemon.start()
        self.daemons[number] = daemon
        return daemon

    def read(self, number: int, path: str) -> str:
        return Path(self.roots[number].path(path)).read_text()

    async def state(self, number: int) -> messages.ClusterSnapshot:
        return await asyncio.to_thread(client.query_state, self.roots[number])

    async def close(self) -> None:
        for daemon in self.daemons.values():
            await daemon._server.close()
            daemon.runner.forget()
            daemon.pump.close()
            tasks = list(daemon._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await daemon.group_services.quit()
        for server in self.servers:
            await server.close()


@asynccontextmanager
async def running(lab: Lab) -> AsyncIterator[None]:
    lab.configure()
    try:
        for number in (1, 2):
            await lab.group_services(number)
            await lab.daemon(number)
        for number in (1, 2):
            await asyncio.to_thread(client.start_services, root=lab.roots[number], time_limit=30.0)
        yield
    finally:
        await lab.close()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


async def test_a_cluster_starts_moves_its_group_and_stops(lab: Lab) -> None:
    async with running(lab):
        picture = await lab.state(2)
        assert picture.state == "ST_STABLE"
        (rg1,) = picture.groups
        assert [entry.state for entry in rg1.nodes] == ["ONLINE", "OFFLINE"]
        stages: list[str] = []
        began = time.monotonic()
        done = await asyncio.to_thread(
            client.move_group, "rg1", 2, 30.0, lambda stage: stages.append(stage.stage), lab.roots[1]
        )
        print(f"planned move: {time.monotonic() - began:.3f} s")
        assert stages == ["queued", "running", "stabilizing"]
        assert done.snapshot is not None
        assert [entry.state for entry in done.snapshot.groups[0].nodes] == ["OFFLINE", "ONLINE"]
        calls = [line for line in lab.calls.read_text().splitlines() if " start" not in line]
        assert sorted(calls[-7:-3]) == [
            "node1 ifconfig en0 delete 127.0.0.33",
            "node1 stop ",
            "node1 umount /rg1",
            "node1 varyonvg -n -c -P rg1vg",
        ]
        assert sorted(calls[-3:]) == [
            "node2 ifconfig en0 alias 127.0.0.33 netmask 255.255.255.0 up",
            "node2 mount /rg1",
            "node2 varyonvg -n -c -A rg1vg",
        ]
        assert lab.daemons[1].long_status().splitlines()[0] == "Current state: ST_STABLE"
        assert sum("state" in line for line in lab.daemons[1].long_status().splitlines()) == 1
        await asyncio.to_thread(client.stop_services, "offline", time_limit=30.0, root=lab.roots[2])
        assert (await lab.state(2)).state == "ST_INIT"
        text = lab.read(1, "/var/hacmp/log/hacmp.out")
        assert "PowerHA SystemMirror Event Summary" in text
        assert "HACMP Event Preamble" in text
        assert "Event: TE_RG_MOVE" in text
        assert "Resource group offline:\trg1\tprocess_resources\nSearch on: " in text
        cluster_log = lab.read(2, "/var/hacmp/adm/cluster.log")
        notice = rf"^\w{{3}} [ \d]\d \d\d:\d\d:\d\d node2 daemon:notice clstrmgrES\[{os.getpid()}\]: (.*)$"
        said = re.findall(notice, cluster_log, re.MULTILINE)
        assert "node 2 joined the group, members [1, 2]" in said
        assert any(
            line.startswith("node 2 left the group")
            for line in re.findall(
                notice.replace("node2", "node1"), lab.read(1, "/var/hacmp/adm/cluster.log"), re.MULTILINE
            )
        )
        # Each file has its own times: a second may begin between the two.
        short, long = (
            [line.partition("|")[2] for line in lab.read(1, f"/var/hacmp/log/clstrmgr.debug{end}").splitlines()]
            for end in ("", ".long")
        )
        assert set(short) < set(long)
        details = "\n".join(long)
        assert re.search(r"^script \d+ starts: \S*rg_move_release node1 1$", details, re.MULTILINE)
        assert re.search(r'^script \d+ gets the job: JOB_TYPE=RELEASE RESOURCE_GROUPS="rg1"', details, re.MULTILINE)
        assert re.search(r"^vote in CLSTRMGR_\S+: approve$", details, re.MULTILINE)
        references = set(re.findall(r"^cl_RMupdate: Reference string: (\S+)$", text, re.MULTILINE))
        assert set(re.findall(r"^Search on: (\S+)$", text, re.MULTILINE)) == references


async def test_takeover(lab: Lab) -> None:
    async with running(lab):
        link = lab.daemons[1].group_services.session
        assert link is not None
        began = time.monotonic()
        lab.services.host(1, False)
        lab.services.fail(1, "host_failure")
        while (await lab.state(2)).groups[0].nodes[1].state != "ONLINE":
            assert time.monotonic() < began + 20
        print(f"takeover: {time.monotonic() - began:.3f} s")


async def test_not_configured_without_a_cluster(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemons.clstrmgr.service.WAIT_AT_START", 0.2)
    try:
        daemon = await lab.daemon(1)
        assert daemon.long_status().startswith("Current state: NOT_CONFIGURED\n")
        assert (await lab.state(1)).state == "NOT_CONFIGURED"
        with pytest.raises(client.Refused) as refused:
            await asyncio.to_thread(client.start_services, time_limit=30.0, root=lab.roots[1])
        assert refused.value.done.error == "not_configured"
        lab.configure()
        await asyncio.to_thread(client.reload_configuration, lab.roots[1])
        assert (await lab.state(1)).state == "ST_INIT"
        with pytest.raises(client.Refused) as refused:
            await asyncio.to_thread(client.start_services, time_limit=30.0, root=lab.roots[1])
        assert refused.value.done.error == "cthags"
    finally:
        await lab.close()


@pytest.mark.parametrize("removed", [False, True])
async def test_a_start_follows_what_is_synchronized_meanwhile(lab: Lab, tmp_path: Path, removed: bool) -> None:
    """Its script takes long; a node that is taken out of the cluster does not join it any more."""
    root, gate = lab.roots[1], tmp_path / "gate"
    events = Path(root.path("/usr/es/sbin/cluster/events"))
    events.unlink()
    shutil.copytree(ETC / "usr/es/sbin/cluster/events", events)
    (events / "admin_op").write_text(f"#!/bin/bash\nuntil [ -e {gate} ]; do sleep 0.02; done\n")
    lab.configure()
    try:
        await lab.group_services(1)
        daemon = await lab.daemon(1)
        start = asyncio.create_task(asyncio.to_thread(client.start_services, root=root, time_limit=30.0))
        while (await lab.state(1)).state != "ST_JOINING":
            pass
        repository = Repository(root, model.DCD)
        if removed:
            for name in set(model.CLASSES) - set(model.SEEDED_CLASSES):
                repository.delete(name)
        else:
            model.store(repository, msgspec.structs.replace(lab.configured, groups=()), "node1")
        await asyncio.to_thread(client.reload_configuration, root)
        if removed:
            with pytest.raises(client.Refused) as refused:
                await start
            assert refused.value.done.error == "not_configured"
            assert (await lab.state(1)).state == "NOT_CONFIGURED"
        gate.touch()
        if removed:
            while (await lab.state(1)) and daemon.core.scripts:
                pass
            assert not daemon.core.in_group
        else:
            await start
            assert not (await lab.state(1)).groups
    finally:
        gate.touch()
        await lab.close()


async def test_configured_and_no_group_services(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemons.clstrmgr.service.WAIT_FOR_GROUP_SERVICES", 0.2)
    lab.configure()
    daemon = ClusterManagerDaemon([], lab.roots[1])
    with pytest.raises(CannotStart):
        await daemon.start()


async def test_loss_of_group_services_ends_the_process(lab: Lab) -> None:
    async with running(lab):
        daemon = lab.daemons[1]
        await lab.servers[0].close()
        assert daemon._ended is not None
        assert await asyncio.wait_for(daemon._ended, 30) == 4
        log = lab.read(1, "/var/hacmp/log/clstrmgr.debug")
        assert "die: clstrmgr on node 1 is exiting with code 4" in log


async def test_src_stop_stops_services_first(lab: Lab) -> None:
    async with running(lab):
        stopsrc = lab.directory / "bin/stopsrc"
        stopsrc.write_text(f'#!/bin/bash\nsleep 0.2\necho "stopsrc $*" >>{lab.calls}\n')
        stopsrc.chmod(0o755)
        assert await lab.daemons[1].stop(forced=False) == 0
        calls = lab.calls.read_text().splitlines()
        assert sorted(calls[-2:]) == ["stopsrc -s clevmgrdES", "stopsrc -s clinfoES"], "they ran on without them"
        states = {node.name: node.state for node in (await lab.state(2)).nodes}
        assert states == {"node1": "down", "node2": "up"}
        assert "node1 ifconfig en0 delete 127.0.0.33" in calls[-4:]


async def test_rubbish_on_the_socket(lab: Lab) -> None:
    try:
        await lab.daemon(1)
        for data in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x03abc", b"\x00\x00\x00\x02\x01\xc1", os.urandom(4096)):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(5)
            sock.connect(lab.roots[1].path(messages.SOCKET_PATH))
            await asyncio.to_thread(sock.sendall, data)
            sock.shutdown(socket.SHUT_WR)
            assert await asyncio.to_thread(sock.recv, 10) == b""
            sock.close()
        assert (await lab.state(1)).state == "NOT_CONFIGURED"
    finally:
        await lab.close()


async def test_a_start_knows_how_the_interfaces_are(lab: Lab) -> None:
    """One that was mended while services were stopped was down at the start, and its group stayed offline."""
    up = {1: True}
    root = lab.roots[1]

    async def serve(link: LocalConnection[caa.Answer, caa.Request]) -> None:
        while True:
            await link.receive()
            interface = caa.InterfaceState("en0", "net_ether_01", "127.0.0.1", "255.255.255.0", up[1])
            nodes = (caa.Node(1, "node1", "uuid", (("net_ether_01", "127.0.0.1"),)),)
            members = caa.Membership(1, 1, (1,), nodes, (), True, "sample", "id")
            link.send(caa.Status(members, interfaces=(interface,)))

    async def told() -> tuple[str, list[str]]:
        picture = await lab.state(1)
        network = next(entry.state for entry in picture.networks if entry.node == 1)
        return network, [entry.state for entry in picture.groups[0].nodes]

    async def start() -> None:
        await asyncio.to_thread(client.start_services, root=root, time_limit=30.0)

    lab.configure()
    path = root.path(caa.SOCKET_PATH)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    server = LocalServer(path, answer_codec, request_codec, serve)
    await server.start()
    try:
        await lab.group_services(1)
        await lab.daemon(1)
        up[1] = False
        await start()
        assert await told() == ("down", ["OFFLINE", "OFFLINE"])
        await asyncio.to_thread(client.stop_services, "offline", time_limit=30.0, root=root)
        up[1] = True
        await start()
        assert await told() == ("up", ["ONLINE", "OFFLINE"])
    finally:
        await server.close()
        await lab.close()
