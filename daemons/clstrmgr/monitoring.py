"""Watching the applications that are online on this node, and what follows from their failure.

Which applications are watched follows from the replicated states alone: whenever a group is ONLINE here, the
long-running monitors of its applications run; whenever it is not, they do not. A failure becomes an event for all
members: server_restart while restarts are left, then server_down (action notify) or a move of the group (fallover).
"""

from __future__ import annotations

from typing import Literal

from daemons.clstrmgr import events, messages
from daemons.clstrmgr.engine import EventEngine
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.inputs import (
    MonitorEnded,
    MonitorRecord,
    MonitorWord,
    ProcessesCounted,
    RunMethod,
    RunMonitor,
    SignalMonitor,
    UnwatchProcesses,
    WatchProcesses,
)
from daemons.clstrmgr.monitors import (
    Ask,
    Definition,
    Failed,
    Monitor,
    MonitorFailed,
    Signal,
    Unwatch,
    Watch,
    Watched,
    Wish,
    definition_of_resource,
    definitions,
)
from daemons.clstrmgr.wire import ApplicationMark

Key = tuple[str, str]


class MonitorDesk(EventEngine):
    """The part that watches applications."""

    def _follow_applications(self) -> None:
        """Begin to watch what has come online here, stop watching what no longer is."""
        online = self._online_applications() if self.watched or self._may_watch() else {}
        for key in [key for key in self.watched if key not in online]:
            self._record(self.watched[key], "umtmonstop")
            self._carry_out_all(key, self.watched.pop(key))
        for key, monitors in online.items():
            watched = self.watched.get(key)
            if watched is not None and [entry.definition for entry in watched.monitors] != monitors:
                # A reconfiguration has changed its monitors.
                self._record(watched, "umtmonstop")
                self._carry_out_all(key, watched)
                watched = None
            if watched is None:
                watched = Watched(*key, [Monitor(entry, self.settings.monitor_scale) for entry in monitors])
                self.watched[key] = watched
                watched.start(self._now)
                self._record(watched, "umtmonstart")
            suspended = self._mark_of(key[1]) == "suspended"
            if suspended and not watched.suspended:
                self._record(watched, "umtmonsus")
                self._carry_out_all(key, watched)
            elif watched.suspended and not suspended:
                watched.start(self._now)
                self._record(watched, "umtmonres")
            watched.suspended = suspended

    def _record(self, watched: Watched, word: MonitorWord, failed: Monitor | None = None) -> None:
        """The application availability log hears of monitors; where one has seen a failure the others stop."""
        if word in ("umtmonstop", "umtmonfail") and not watched.recorded:
            return
        watched.recorded = word not in ("umtmonstop", "umtmonfail")
        for monitor in watched.monitors:
            said: MonitorWord = "umtmonstop" if failed is not None and monitor is not failed else word
            self._effects.append(MonitorRecord(said, monitor.definition.name))

    def _may_watch(self) -> bool:
        configured = self.configuration
        return self.services and configured is not None and bool(configured.monitors or configured.user_resources)

    def _online_applications(self) -> dict[Key, list[Definition]]:
        cluster, configuration = self.cluster, self.configuration
        if cluster is None or configuration is None or not self._may_watch():
            return {}
        found: dict[Key, list[Definition]] = {}
        for group in configuration.groups:
            if group.name not in cluster.groups or cluster.groups[group.name].state(self.node_id) != "ONLINE":
                continue
            for application in group.resource("APPLICATIONS"):
                monitors = [entry for entry in self._definitions(application) if entry.long_running]
                if monitors:
                    found[group.name, application] = monitors
            for resource in group.resource("USERDEFINED_RESOURCES"):
                monitors = list(self._definitions(resource))
                if monitors:
                    found[group.name, resource] = monitors
        return found

    def _definitions(self, application: str) -> tuple[Definition, ...]:
        assert self.configuration is not None
        if self._monitors_of is not self.configuration:
            self._monitors_of, self._monitor_definitions = self.configuration, {}
        known = self._monitor_definitions.get(application)
        if known is None:
            own = definition_of_resource(self.configuration, application)
            known = (own,) if own is not None else definitions(self.configuration, application)
            self._monitor_definitions[application] = known
        return known

    def _mark_of(self, application: str) -> str:
        return "" if self.cluster is None else self.cluster.applications.get((self.node_id, application), "")

    def _monitor_deadlines(self) -> list[int]:
        return [time for watched in self.watched.values() if (time := watched.deadline()) is not None]

    def restart_timers(self) -> list[str]:
        """Monitors whose restart interval runs: after it their count of restarts begins anew."""
        return [
            monitor.definition.name
            for watched in self.watched.values()
            for monitor in watched.monitors
            if monitor.restart_timer(self._now)
        ]

    def _monitor_tick(self) -> None:
        for watched in list(self.watched.values()):
            for monitor in watched.monitors:
                self._carry_out(watched, monitor, monitor.tick(self._now))

    def _monitor_said(self, value: MonitorEnded | ProcessesCounted) -> None:
        found = self._monitor_runs.get(value.run)
        if found is None:
            return
        watched, monitor = found
        if isinstance(value, MonitorEnded):
            del self._monitor_runs[value.run]
            self._carry_out(watched, monitor, monitor.ended(self._now, value.status))
        else:
            self._carry_out(watched, monitor, monitor.counted(self._now, value.instances))

    def _carry_out_all(self, key: Key, watched: Watched) -> None:
        for monitor, wish in list(watched.stop(self._now)):
            self._carry_out(watched, monitor, [wish])

    def _carry_out(self, watched: Watched, monitor: Monitor, wishes: list[Wish]) -> None:
        definition = monitor.definition
        for wish in wishes:
            match wish:
                case Ask():
                    run = self._monitor_run(watched, monitor)
                    self._effects.append(RunMonitor(run, definition.name, watched.group, definition.method))
                case Watch():
                    run = self._monitor_run(watched, monitor)
                    self._effects.append(WatchProcesses(run, definition.processes, definition.owner))
                case Signal(number):
                    for run in self._runs_of(monitor):
                        self._log(f"monitor {definition.name} of {watched.application} hangs: signal {number}")
                        self._effects.append(SignalMonitor(run, number))
                case Unwatch():
                    for run in self._runs_of(monitor):
                        del self._monitor_runs[run]
                        self._effects.append(UnwatchProcesses(run))
                case MonitorFailed(reason):
                    self._log(f"monitor {definition.name} of {watched.application}: {reason}")
                    watched.handled = "monitor"
                    mark = ApplicationMark(self.node_id, watched.group, watched.application, "monitor failed")
                    self._say(mark)
                case Failed(reason, restart):
                    self._application_failed(watched, monitor, reason, restart)

    def _monitor_run(self, watched: Watched, monitor: Monitor) -> int:
        self._run_number += 1
        self._monitor_runs[self._run_number] = (watched, monitor)
        return self._run_number

    def _runs_of(self, monitor: Monitor) -> list[int]:
        return [run for run, (_, other) in self._monitor_runs.items() if other is monitor]

    def _application_failed(self, watched: Watched, monitor: Monitor, reason: str, restart: bool) -> None:
        definition = monitor.definition
        self._log(f"application {watched.application} has failed: monitor {definition.name} {reason}")
        what = "restart" if restart else definition.action
        watched.handled = what
        self._record(watched, "umtmonfail", monitor)
        for other, wish in list(watched.stop(self._now)):
            self._carry_out(watched, other, [wish])
        if definition.notify:
            # It runs whenever the application is restarted, given up, or falls over; its arguments are inferred.
            arguments = (definition.name, watched.application, watched.group, what)
            self._effects.append(RunMethod(definition.notify, arguments, definition.name, watched.group))
        name = {"restart": events.SERVER_RESTART, "notify": events.SERVER_DOWN, "fallover": events.RG_MOVE}[what]
        mode = events.FAILED if what == "fallover" else ""
        self._want(
            Event(
                name,
                self.node_id,
                mode=mode,
                group=watched.group,
                application=watched.application,
                monitor=definition.name,
            )
        )

    def _server_event_over(self, event: Event) -> None:
        """An event about an application is complete: after a restart its monitors begin anew."""
        watched = self.watched.get((event.group, event.application))
        if watched is not None and event.name == events.SERVER_RESTART and event.node == self.node_id:
            watched.start(self._now)
            self._record(watched, "umtmonstart")

    # Suspend and resume.

    def _change_monitoring(self, request: int, what: messages.SuspendMonitoring | messages.ResumeMonitoring) -> None:
        """An operator suspends or resumes the monitors of an application, wherever its group is online."""
        cluster = self.cluster
        assert cluster is not None
        suspend = isinstance(what, messages.SuspendMonitoring)
        state: Literal["", "suspended"] = "suspended" if suspend else ""
        places = [
            node
            for node, word in sorted(cluster.groups[what.group].states.items())
            if word == "ONLINE" and (cluster.applications.get((node, what.application)) == "suspended") != suspend
        ]
        for node in places:
            self._say(ApplicationMark(node, what.group, what.application, state))
        self._answer(request, messages.Done())

    def _say(self, mark: ApplicationMark) -> None:
        if mark not in self.outbox:
            self.outbox.append(mark)

    def _application_marked(self, mark: ApplicationMark) -> None:
        cluster = self.cluster
        assert cluster is not None
        name = cluster.node_names.get(mark.node, str(mark.node))
        self._log(f"application {mark.application} on node {name}: {mark.state or 'monitored'}")
        cluster.mark_application(mark.node, mark.application, mark.state)
