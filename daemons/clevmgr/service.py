"""clevmgrdES: listens to CAA and to the shared disks, and reports to the cluster manager."""

from __future__ import annotations

import asyncio
import subprocess

from daemons.caa import client as caa
from daemons.caa.messages import Answer, Event, Membership, Request, Subscribe
from daemons.clevmgr import core
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import SOCKET_PATH, Done, SystemEvent
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.local import Closed, LocalConnection
from daemons.runtime.pump import Pump
from daemons.runtime.seal import boot_microseconds
from srcctl.errlog import log_entry
from srcctl.machine import RemoteFault
from srcctl.network.faults import Faults, root_disk
from srcctl.odm import OdmError, Repository
from srcctl.storage.device_names import own_name
from srcctl.storage.volume_groups import VolumeGroups

DISK_WATCH = 5.0
"""Product seconds between looks at the disks of volume groups that are varied on here."""
TITLES = {
    "OPMSG": "MESSAGE FROM ERRLOGGER COMMAND",
    "LVM_SA_PVMISS": "PHYSICAL VOLUME",
    "LVM_SA_STALEPP": "PHYSICAL VOLUME",
    "LVM_SA_QUORCLOSE": "VOLUME GROUP",
}
ROOTVG_ACTION = "ROOTVG_FAILURE_ACTION"
"""Key of HACMPdynresop (inferred); "log" keeps a node that lost its rootvg from being halted."""
RECONNECT = 0.5
"""Seconds between attempts to reach a CAA that was stopped (patience: there is no event for its return)."""
REPORT_PATIENCE = 30.0
"""Seconds that the cluster manager may take to accept a report."""


class EventManagement(Daemon):
    """clevmgrdES's shell."""

    name = "clevmgrdES"
    log_file = "/var/hacmp/log/clevmgrdevents"

    async def start(self) -> None:
        self.faults = Faults(self.identity.lab)
        found = await self._subscribe()
        if found is None:
            raise CannotStart("clevmgrdES: CAA is not active on this node.")
        self.connection, first = found
        uuid = next((node.uuid for node in first.nodes if node.number == first.own), "")
        addresses = {interface.name: interface.address for interface in self.identity.interfaces}
        reminder = self.scale.schedule(core.REMINDER)
        self.machine = core.EventManager(first.own, uuid, addresses, boot_microseconds(), reminder)
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        self.log.write("started")
        # Told before any event, or a return would be overtaken by the loss before it.
        await self._survey()
        self.spawn(self._listen())
        self.spawn(self._watch_disks())

    async def stop(self, forced: bool) -> int:
        self.pump.close()
        self.connection.close()
        self.log.write("stopped")
        return 0

    def long_status(self) -> str:
        if not hasattr(self, "machine"):
            return ""  # asked while it starts
        waiting = ", ".join(f"{report.kind} {report.subject}" for report in self.machine.waiting)
        return f"Reports to the cluster manager: {self.machine.told}\nWaiting: {waiting or 'none'}"

    async def _subscribe(self) -> tuple[LocalConnection[Request, Answer], Membership] | None:
        """A connection with CAA that delivers events; None while CAA is not active."""
        try:
            connection = await caa.connect(self.root)
        except OSError:
            return None
        try:
            first = await connection.request(Subscribe(events=True))
        except (Closed, RemoteFault):
            connection.close()
            return None
        if not isinstance(first, Membership):
            raise CannotStart("clevmgrdES: CAA gave an unexpected answer.")
        return connection, first

    async def _survey(self) -> None:
        """How things stand: what happened while this daemon did not listen made no event for it."""
        try:
            status = await asyncio.to_thread(caa.status, self.root)
        except caa.CaaError:
            return  # it is gone again: another look follows its return
        if status.membership is None:
            return
        groups: tuple[core.GroupDisks, ...] = ()
        try:
            groups = await asyncio.to_thread(self._known_groups)
        except (OdmError, OSError) as error:
            self.log.write(f"the volume groups cannot be read: {error}")
        repository = await asyncio.to_thread(own_name, self.root, status.disk)
        links = tuple((interface.name, interface.up) for interface in status.interfaces)
        self.pump.feed(core.Surveyed(links, repository, status.membership.repository_up, groups))

    async def _listen(self) -> None:
        while True:
            try:
                while True:
                    message = await self.connection.receive()
                    if isinstance(message, Event):
                        self.pump.feed(core.Happened(message))
            except (Closed, RemoteFault):
                self.log.write("CAA has ended")
            self.connection.close()
            self.connection = await self._reconnect()
            self.log.write("CAA is back")
            await self._survey()

    async def _reconnect(self) -> LocalConnection[Request, Answer]:
        while True:
            found = await self._subscribe()
            if found is not None:
                return found[0]
            await asyncio.sleep(RECONNECT)

    async def _watch_disks(self) -> None:
        """Faults of shared disks make no event of their own here; a look is one stat while nothing has failed."""
        pause = self.scale.schedule(DISK_WATCH) / 1_000_000
        own = root_disk(self.identity.node)
        while True:
            lost = own in self.faults.current.disks
            self.pump.feed(core.RootVolumeGroup(lost, lost and self._halts_without_rootvg()))
            if self.faults.current.disks or self.machine.lost:
                try:
                    groups = await asyncio.to_thread(self._known_groups)
                except (OdmError, OSError) as error:
                    self.log.write(f"the volume groups cannot be read: {error}")
                else:
                    self.pump.feed(core.Disks(groups))
            await asyncio.sleep(pause)

    def _halts_without_rootvg(self) -> bool:
        from daemons.cluster.configuration.objects import ACD

        try:
            found = Repository(self.root, ACD).get("HACMPdynresop", f'key = "{ROOTVG_ACTION}"')
        except (OdmError, OSError):
            return True
        return not any(str(o.get("value", "")).strip().lower() == "log" for o in found)

    def _known_groups(self) -> tuple[core.GroupDisks, ...]:
        """The volume groups in this node's ODM, with failed disks where the node has reserved one of them."""
        groups, failed, found = VolumeGroups(self.root), self.faults.current.disks, []
        for name in groups.known():
            disks = groups.known_disks(name)
            active = any(map(groups.is_reserved_here, disks))
            lost = failed & set(disks) if active else frozenset()
            group = groups.find(name) if lost else None
            stale = (disk for disk in lost if group is not None and group.status.stale.get(disk))
            # Reports and the error log have the node's own names.
            own, own_lost, own_stale = (tuple(map(groups.name_of, some)) for some in (disks, lost, stale))
            quorum = group.quorum if group is not None else True
            found.append(core.GroupDisks(name, own, frozenset(own_lost), quorum, frozenset(own_stale)))
        return tuple(found)

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.Tell(report):
                self.spawn(self._tell(report))
            case core.LogEntry(label, resource, detail):
                if label == "LVM_SA_PVMISS":
                    self._log_failed_disk(detail)
                log_entry(self.root, label, resource, ((TITLES[label], detail),))
            case core.Log(text):
                self.log.write(text)
            case core.Halt():
                self._halt()

    def _log_failed_disk(self, disk: str) -> None:
        """What the driver and LVM log before a disk counts as missing (an errpt of a node whose disk was pulled)."""
        for label, resource in (("DISK_ERR1", disk), ("LVM_IO_FAIL", "LVDD"), ("LVM_SA_WRTERR", "LVDD")):
            log_entry(self.root, label, resource, ((TITLES["LVM_SA_PVMISS"], disk),))

    def _halt(self) -> None:
        try:
            subprocess.Popen(
                [self.root.path("/usr/sbin/halt"), "-q"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self.log.write(f"halt: {error.strerror}")

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
        self.pump.feed(core.Taken(report.serial, news=answer.error != "already"))


def main(argv: list[str]) -> int:
    """The process entry of clevmgrdES."""
    return run(EventManagement, argv)
