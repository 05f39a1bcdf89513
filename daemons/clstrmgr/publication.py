"""What the cluster manager lets others know: pictures of the cluster, records of events, summaries and availability.

Whoever watches (the SNMP agent, the lab's tools) gets a picture whenever it has changed, and a record at the start and
at the end of every event. hacmp.out gets a summary of each event, clavan.log when groups came and went.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from daemons.clstrmgr import availability, messages
from daemons.clstrmgr.core import ClusterManager
from daemons.clstrmgr.eventlog import LogFiles, Summary
from daemons.clstrmgr.events import FAIL_NODE, TOO_LONG
from daemons.clstrmgr.inputs import EventMark, MonitorRecord, ResourceUpdated
from daemons.clstrmgr.view import delayed_timers, snapshot
from daemons.runtime.local import LocalConnection
from daemons.runtime.pump import monotonic_microseconds

Connection = LocalConnection[messages.Answer, messages.Request]


class Publication:
    """The pictures and records of one cluster manager.

    Args:
        core: whose state is shown.
        files: the log files of the configuration that counts now.
    """

    def __init__(self, core: ClusterManager, files: Callable[[], LogFiles]) -> None:
        self._core = core
        self._files = files
        self._started_at = self._last_change = int(time.time())
        self._watchers: set[Connection] = set()
        self._published: messages.ClusterSnapshot | None = None
        self._overrides: dict[str, int] = {}
        self._override_times: dict[str, int] = {}
        self._summary: Summary | None = None
        self._was_active = False
        """Were services active when the event began? The event that ends them has its summary, too."""
        self._noted: messages.ClusterSnapshot | None = None

    def picture(self) -> messages.ClusterSnapshot:
        """The cluster as it is now."""
        timers = delayed_timers(self._core, datetime.now(), monotonic_microseconds())
        return snapshot(self._core, self._last_change, self._started_at, self._override_times, timers)

    def watch(self, connection: Connection) -> None:
        """Send this connection a picture now and whenever it changes, and the records of events."""
        self._published = self.picture()
        self._watchers.add(connection)
        connection.send(self._published)

    def unwatch(self, connection: Connection) -> None:
        """The connection has ended."""
        self._watchers.discard(connection)

    def publish(self) -> None:
        """Something may have changed."""
        cluster = self._core.cluster
        overrides = {name: group.override for name, group in cluster.groups.items()} if cluster is not None else {}
        for name, node in overrides.items():
            if node != self._overrides.get(name, 0):
                self._override_times[name] = int(time.time())
        self._overrides = overrides
        if not self._watchers:
            return
        picture = self.picture()
        if picture == self._published:
            return
        self._last_change = int(time.time())
        self._published = picture = msgspec.structs.replace(picture, last_change=self._last_change)
        for watcher in self._watchers:
            watcher.send(picture)

    def note(self, update: ResourceUpdated) -> None:
        """What a script said about a resource, for the summary of its event."""
        if self._summary is not None:
            self._summary.add(update.state, update.resource, update.script, update.group, update.at or time.time())

    def record(self, record: MonitorRecord) -> None:
        """A line of clavan.log about a monitor."""
        files = self._files()
        line = availability.monitor(record.word, record.monitor, self._core.node_name, time.time())
        files.append_to(files.availability, line + "\n")

    def mark(self, mark: EventMark) -> None:
        """An event begins, has failed or is over."""
        now = time.time()
        self._last_change = int(now)
        files = self._files()
        if mark.phase == "start" and mark.name not in TOO_LONG:
            self._summary, self._was_active = Summary(mark.serial, mark.name, now), self._core.services
            if mark.name == FAIL_NODE and mark.node not in self._core.members:
                files.append_to(files.availability, availability.failure(self._node_name(mark.node), now) + "\n")
        elif mark.phase == "complete" and self._summary is not None:
            self._note_availability(files, now)
            active = self._was_active or self._core.services
            if (active and not mark.void) or self._summary.lines:
                files.append(self._summary.text(now))
            self._summary = None
        record = messages.EventRecord(
            mark.serial, mark.name, mark.node, self._node_name(mark.node), mark.network, mark.phase, int(now)
        )
        for watcher in self._watchers:
            watcher.send(record)

    def _node_name(self, number: int) -> str:
        return self._core.cluster.node_names.get(number, "") if self._core.cluster is not None else ""

    def _note_availability(self, files: LogFiles, now: float) -> None:
        picture = self.picture()
        if lines := availability.lines(self._noted, picture, now):
            files.append_to(files.availability, "".join(f"{line}\n" for line in lines))
        self._noted = picture
