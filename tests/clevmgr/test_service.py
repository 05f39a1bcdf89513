"""The daemon's shell against a CAA and a cluster manager that the test plays on their sockets."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from daemons.caa import messages as caa
from daemons.clevmgr import service
from daemons.clevmgr.core import Disks, GroupDisks
from daemons.clstrmgr import client as manager_codecs
from daemons.clstrmgr import messages as manager
from daemons.runtime.daemon import CannotStart
from daemons.runtime.local import LocalConnection, LocalServer
from srcctl.devices.configuration import attribute
from srcctl.errlog import read
from srcctl.node.root import Identity, LabNode, NodeRoot
from srcctl.odm import Repository, seed
from srcctl.storage.descriptor_area import VolumeGroup
from srcctl.storage.disk import unique_identifier
from srcctl.storage.volume_groups import VolumeGroups
from tests.clstrmgr.ring import ETC

Subscriber = LocalConnection[caa.Answer, caa.Request]
DEADLINE = 30.0


class Surroundings:
    """CAA with one repository disk, and a cluster manager that takes every report."""

    def __init__(self, directory: Path) -> None:
        self.root = NodeRoot(str(directory / "node1"))
        for folder in ("/etc/objrepos", "/dev", "/var/hacmp/log", "/var/adm/ras"):
            os.makedirs(self.root.path(folder))
        nodes = (LabNode("node1", 1, ("127.0.0.1",)),)
        lab = str(directory)
        identity = Identity("lab", lab, lab, "", "", "", "node1", 1, 10.0, "folder", "b", (), nodes)
        Path(self.root.path("/etc/lpar.json")).write_text(identity.text())
        seed.load(self.root, str(ETC / "objrepos"))
        self.repository_up = True
        self.subscribers: list[Subscriber] = []
        self.subscribed = asyncio.Event()
        self.reports: asyncio.Queue[manager.SystemEvent] = asyncio.Queue()

    async def start(self) -> None:
        self.manager = LocalServer(
            self.root.path(manager.SOCKET_PATH), manager_codecs.answer_codec, manager_codecs.request_codec, self._take
        )
        await self.manager.start()
        await self.start_caa()

    async def start_caa(self) -> None:
        self.caa = LocalServer(self.root.path(caa.SOCKET_PATH), caa.answer_codec, caa.request_codec, self._serve)
        await self.caa.start()

    async def stop_caa(self) -> None:
        self.subscribed.clear()
        for subscriber in self.subscribers:
            subscriber.close()
        self.subscribers.clear()
        await self.caa.close()
        os.unlink(self.root.path(caa.SOCKET_PATH))

    async def _serve(self, connection: Subscriber) -> None:
        node = caa.Node(1, "node1", "cd32c028-3d99-42c2-ab2c-a0da2b92e9ec", (("net_ether_01", "127.0.0.1"),))
        membership = caa.Membership(1, 1, (1,), (node,), (), self.repository_up, "haes", "5258fc44")
        while True:
            if isinstance(await connection.receive(), caa.Query):
                connection.send(caa.Status(membership, "hdisk1"))
            else:
                connection.send(membership)
                self.subscribers.append(connection)
                self.subscribed.set()

    async def _take(self, connection: LocalConnection[manager.Answer, manager.Request]) -> None:
        report = await connection.receive()
        assert isinstance(report, manager.SystemEvent)
        connection.send(manager.Done())
        await connection.drain()
        self.reports.put_nowait(report)

    async def daemon(self) -> service.EventManagement:
        daemon = service.EventManagement([], self.root)
        daemon._ended = asyncio.get_running_loop().create_future()
        await daemon.start()
        return daemon

    async def stop(self, daemon: service.EventManagement) -> None:
        await daemon.stop(forced=True)
        tasks = list(daemon._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.stop_caa()
        await self.manager.close()

    async def report(self) -> str:
        async with asyncio.timeout(DEADLINE):
            report = await self.reports.get()
        return f"{report.kind} {report.subject}"


async def test_it_listens_again_when_caa_was_stopped_and_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "RECONNECT", 0.01)
    around = Surroundings(tmp_path)
    await around.start()
    daemon = await around.daemon()
    assert await around.report() == "repository_back hdisk1"
    await around.stop_caa()
    around.repository_up = False
    await around.start_caa()
    assert await around.report() == "repository_lost hdisk1", "it was lost while nobody listened"
    async with asyncio.timeout(DEADLINE):
        await around.subscribed.wait()
    around.subscribers[0].send(caa.Event(0, "REP_UP", 1, "hdisk1", 0))
    assert await around.report() == "repository_back hdisk1"
    await around.stop(daemon)


async def test_disks_are_called_as_the_node_calls_them(tmp_path: Path) -> None:
    around = Surroundings(tmp_path)
    (tmp_path / "disks").mkdir()
    for disk, name in (("hdisk1", "repos"), ("hdisk2", "data")):
        (tmp_path / "disks" / disk).write_bytes(bytes(1 << 20))
        known = attribute(name, "unique_id", unique_identifier("lab", disk))
        Repository(around.root, "/etc/objrepos").rewrite("CuAt", lambda old, known=known: [*old, known])
    group = VolumeGroup("datavg", "00f9", ("hdisk2",), serial=1)
    VolumeGroups(around.root).make_known(group)
    await around.start()
    daemon = await around.daemon()
    assert await around.report() == "repository_back repos"
    assert daemon._known_groups() == (GroupDisks("datavg", ("data",)),)
    await around.stop(daemon)


async def test_a_disk_that_was_pulled_has_all_its_entries(tmp_path: Path) -> None:
    """What errpt showed of a node whose data disk was pulled, the oldest entry first."""
    around = Surroundings(tmp_path)
    await around.start()
    daemon = await around.daemon()
    assert await around.report() == "repository_back hdisk1"
    daemon.pump.feed(Disks((GroupDisks("datavg", ("hdisk3",), frozenset({"hdisk3"})),)))
    assert await around.report() == "disk_lost hdisk3"
    assert [(entry.label, entry.resource) for entry in read(around.root)] == [
        ("DISK_ERR1", "hdisk3"),
        ("LVM_IO_FAIL", "LVDD"),
        ("LVM_SA_WRTERR", "LVDD"),
        ("LVM_SA_PVMISS", "LVDD"),
        ("LVM_SA_QUORCLOSE", "LVDD"),
    ]
    await around.stop(daemon)


async def test_it_does_not_start_without_caa(tmp_path: Path) -> None:
    around = Surroundings(tmp_path)
    with pytest.raises(CannotStart, match="CAA is not active"):
        await around.daemon()
