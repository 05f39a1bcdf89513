"""clevmgrdES: listens to CAA and to the shared disks, and reports to the cluster manager."""

from __future__ import annotations

import asyncio

from daemons.caa import client as caa
from daemons.caa.messages import Event, Membership, Subscribe
from daemons.clevmgr import core
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import SOCKET_PATH, Done, SystemEvent
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.local import Closed, LocalConnection
from daemons.runtime.pump import Pump
from srcctl.errlog import log_entry
from srcctl.machine import RemoteFault
from srcctl.network.faults import Faults
from srcctl.odm import OdmError
from srcctl.storage.volume_groups import VolumeGroups

DISK_WATCH = 5.0
"""Product seconds between looks at the disks of volume groups that are varied on here."""
TITLES = {
    "OPMSG": "MESSAGE FROM ERRLOGGER COMMAND",
    "LVM_SA_PVMISS": "PHYSICAL VOLUME",
    "LVM_SA_QUORCLOSE": "VOLUME GROUP",
}
REPORT_PATIENCE = 30.0
"""Seconds that the cluster manager may take to accept a report."""


class EventManagement(Daemon):
    """clevmgrdES's shell."""

    name = "clevmgrdES"
    log_file = "/var/hacmp/log/clevmgrdevents"

    async def start(self) -> None:
        self.faults = Faults(self.identity.lab)
        try:
            self.connection = await caa.connect(self.root)
            self.connection.send(Subscribe(events=True))
            first = await self.connection.receive()
        except (OSError, Closed, RemoteFault):
            raise CannotStart("clevmgrdES: CAA is not active on this node.") from None
        if not isinstance(first, Membership):
            raise CannotStart("clevmgrdES: CAA gave an unexpected answer.")
        uuid = next((node.uuid for node in first.nodes if node.number == first.own), "")
        addresses = {interface.name: interface.address for interface in self.identity.interfaces}
        self.machine = core.EventManager(first.own, uuid, addresses)
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        self.log.write("started")
        if not first.repository_up:
            # It was lost before this daemon began to listen; told before any event, or a REP_UP would be overtaken.
            await self._lost_already(first)
        self.spawn(self._listen())
        self.spawn(self._watch_disks())

    async def stop(self, forced: bool) -> int:
        self.pump.close()
        self.connection.close()
        self.log.write("stopped")
        return 0

    def long_status(self) -> str:
        waiting = ", ".join(f"{report.kind} {report.subject}" for report in self.machine.waiting)
        return f"Reports to the cluster manager: {self.machine.told}\nWaiting: {waiting or 'none'}"

    async def _lost_already(self, membership: Membership) -> None:
        try:
            disk = (await asyncio.to_thread(caa.status, self.root)).disk
        except caa.CaaError:
            return
        self.pump.feed(core.Happened(Event(0, "REP_DOWN", membership.own, disk, 0)))

    async def _listen(self) -> None:
        try:
            while True:
                message = await self.connection.receive()
                if isinstance(message, Event):
                    self.pump.feed(core.Happened(message))
        except (Closed, RemoteFault):
            self.log.write("CAA has ended")
            self.request_stop(True)

    async def _watch_disks(self) -> None:
        """Faults of shared disks make no event of their own here; a look is one stat while nothing has failed."""
        pause = self.scale.schedule(DISK_WATCH) / 1_000_000
        while True:
            if self.faults.current.disks or self.machine.lost_disks:
                try:
                    failed = await asyncio.to_thread(self._failed_disks)
                except (OdmError, OSError) as error:
                    self.log.write(f"the volume groups cannot be read: {error}")
                else:
                    self.pump.feed(core.Disks(failed))
            await asyncio.sleep(pause)

    def _failed_disks(self) -> tuple[tuple[str, str], ...]:
        """Failed disks of volume groups that this node has varied on, by the reservations that it holds."""
        groups = VolumeGroups(self.root)
        failed = []
        for disk in sorted(self.faults.current.disks):
            known = dict(self.machine.lost_disks).get(disk)
            group = known or groups.known_on(disk)
            if group and groups.holder(disk) == self.identity.node:
                failed.append((disk, group))
        return tuple(failed)

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.Tell(report):
                self.spawn(self._tell(report))
            case core.LogEntry(label, resource, detail):
                log_entry(self.root, label, resource, ((TITLES[label], detail),))
            case core.Log(text):
                self.log.write(text)

    async def _tell(self, report: SystemEvent) -> None:
        try:
            async with asyncio.timeout(REPORT_PATIENCE):
                path = self.root.path(SOCKET_PATH)
                connection = await LocalConnection.open(path, manager.request_codec, manager.answer_codec)
                try:
                    connection.send(report)
                    while not isinstance(answer := await connection.receive(), Done):
                        pass
                finally:
                    connection.close()
        except (OSError, Closed, RemoteFault, TimeoutError):
            self.pump.feed(core.NotTaken(report.serial))
            return
        if answer.error:
            self.log.write(f"{report.kind} {report.subject}: {answer.message or answer.error}")
        self.pump.feed(core.Taken(report.serial))


def main(argv: list[str]) -> int:
    """The process entry of clevmgrdES."""
    return run(EventManagement, argv)
