"""Running an event: the vote on it, the steps of its recovery program with their barriers, its scripts on this node."""

from __future__ import annotations

from typing import Literal

import msgspec

from daemons.clstrmgr import dependent, events, messages, plan, reconfiguration
from daemons.clstrmgr.activity import Run, Script
from daemons.clstrmgr.events import Event, Stage
from daemons.clstrmgr.foundation import Foundation
from daemons.clstrmgr.inputs import (
    AnswerJob,
    EventMark,
    Preamble,
    ReconfigurationEnded,
    Reconfigured,
    ResourceUpdated,
    RunMethod,
    RunScript,
    Subsystems,
)
from daemons.clstrmgr.jobs import NONE as NO_JOB
from daemons.clstrmgr.jobs import JobList
from daemons.clstrmgr.monitors import definition_of_resource
from daemons.clstrmgr.recovery_program import Program, Statement
from daemons.clstrmgr.wire import GroupOutcome, Report, RunEvent, codec
from daemons.cluster.configuration import ResourceGroup, whole_number
from daemons.cthags import messages as cthags
from srcctl.machine import SECOND, LocalFault, RemoteFault


class EventEngine(Foundation):
    """The part that runs events."""

    def _vote_phase(self, phase: cthags.NPhase) -> None:
        cluster = self.cluster
        assert cluster is not None
        try:
            message = codec.decode(phase.message)
        except RemoteFault as fault:
            self._log(f"proposal of {phase.proposer} rejected: {fault}")
            self._vote(phase.group, phase.token, "reject")
            return
        event = cluster.head()
        due = event is not None and isinstance(message, RunEvent) and event.serial == message.serial
        if not isinstance(message, RunEvent) or event is None or not due or self._held_back(event):
            self._log(f"proposal of {phase.proposer} rejected: it is not the event that is due")
            self._vote(phase.group, phase.token, "reject")
            return
        if message.version != cluster.version:
            self._log(f"proposal of {phase.proposer} rejected: the group has changed since")
            self._vote(phase.group, phase.token, "reject")
            return
        if message.digest != cluster.digest():
            raise LocalFault(f"the state differs from that of {phase.proposer} before event {event.serial}")
        rule = dependent.rule(cluster, event)
        program = self.programs.get(rule)
        if program is None:
            self._log(f"no recovery program for {rule}")
            program = Program("", ())
        limit = self._limit("MAX_EVENT_TIME", self.settings.event_limit)
        if event.name in (
            events.JOIN_NODE,
            events.FAIL_NODE,
            events.RG_MOVE,
            events.RG_ONLINE,
            events.RG_OFFLINE,
            *events.RECONFIGURATIONS,
        ):
            limit += self._limit("MAX_RG_PROCESSING_TIME", self.settings.group_limit)
        run = Run(event, program, phase.token, self._now, next_warning=self._now + limit)
        self.run = run
        if event.name in events.RECONFIGURATIONS:
            self._cancelled = ""
            if not cluster.prepare(event.digest):
                run.report = Report(event.serial, phase.phase, self.node_id, unprepared=True)
        self._mark(event, "start")
        for entry in self._requests_of(event):
            entry.stage = "running"
            self._answer(entry.request, messages.Progress("running"))
        if event.name == events.FAIL_NODE and event.origin == event.node == self.node_id:
            self._start_script("vote", "admin_op", ("clrm_stop_request", str(event.serial), "0"))
        self._phase_done(run)

    def _next_phase(self, phase: cthags.NPhase) -> None:
        run = self.run
        if run is None:
            # The vote of phase 1 was ours to reject; somebody else's default outvoted nothing.
            self._vote(phase.group, phase.token, "approve")
            return
        run.phase, run.token, run.voted, run.approving = phase.phase, phase.token, False, False
        report: Report | None = None
        if phase.message:
            try:
                decoded = codec.decode(phase.message)
            except RemoteFault as fault:
                self._log(f"report dropped: {fault}")
            else:
                report = decoded if isinstance(decoded, Report) and decoded.serial == run.event.serial else None
        if report is not None:
            self._report_phase(run, report)
        else:
            self._begin_step(run)
        self._phase_done(run)

    def _report_phase(self, run: Run, report: Report) -> None:
        cluster = self.cluster
        assert cluster is not None
        run.kind = "report"
        if report.node == self.node_id:
            run.report = None
        if report.unprepared:
            name = cluster.node_names.get(report.node, str(report.node))
            run.cancelled = self._cancelled = f"Node {name} does not have the configuration that was synchronized."
            self._log(run.cancelled)
            return
        plan.apply_report(cluster, report)
        for outcome in report.groups:
            name = cluster.node_names.get(report.node, str(report.node))
            word = f"{outcome.state} SECONDARY" if outcome.secondary else outcome.state
            self._log(f"resource group {outcome.group} is {word} on node {name}")
        if report.failed_script:
            self.error_seen = True
            name = cluster.node_names.get(report.node, str(report.node))
            self._log(f"{report.failed_script} failed on node {name} with status {report.status}", notice=True)
            self._mark(run.event, "error")
            if self._participates(run.event):
                self._start_script("error", "event_error", (name, run.event.name, report.failed_script))
            self._fail_requests()

    def _begin_step(self, run: Run) -> None:
        cluster = self.cluster
        assert cluster is not None
        event = run.event
        if run.cancelled:
            run.kind = "step"
            return
        if run.kind == "vote":
            run.first_step = max(0, cluster.plan_step) if cluster.plan_serial == event.serial else 0
            run.step = run.first_step - 1
            if cluster.plan_serial not in (0, event.serial):
                for later in plan.abandon(cluster):
                    self._enqueue(later)
            plan.begin(cluster, event, self.members)
            self._preamble(event)
        run.kind = "step"
        run.results, run.secondary_results = {}, {}
        if run.last:
            return
        run.step += 1
        cluster.plan_step = run.step
        step = run.program.steps[run.step]
        if reconfiguration.is_due(event, tuple(statement.name for statement in step)):
            self._reconfigure(event)
        running = frozenset(
            node
            for node in self.members
            if any(statement.applies(node, event.node) for statement in step) and self._node_participates(node, event)
        )
        plan.begin_stage(cluster, events.stage_of_step(step), running, events.instances_of_step(step))
        if not self._participates(event) or plan.void(cluster, event):
            return
        name = cluster.node_names.get(event.node, "")
        service = cluster.configuration.label(event.service) if event.service else None
        if service is not None:
            event = msgspec.structs.replace(event, service=service.address)
        shown = dependent.shown(cluster, event)
        # An event about all groups (after a settling time, after a delayed start) names the first one that moves.
        group = event.group or next((item.group for item in cluster.plan_items()), "")
        arguments = events.script_arguments(shown, name, cluster.group_ids.get(group, 0))
        for statement in step:
            if statement.applies(self.node_id, event.node):
                self._start_script("step", statement.command, arguments, statement)

    def _reconfigure(self, event: Event) -> None:
        cluster = self.cluster
        assert cluster is not None
        if cluster.digest_of_configuration == event.digest:
            return  # a run that was broken off has done it
        assert cluster.pending is not None
        cluster.reconfigure(cluster.pending)
        self.configuration = cluster.configuration
        self._monitor_definitions = {}
        self._log("dynamic reconfiguration: the new configuration is active")
        self._effects.append(Reconfigured(cluster.configuration))

    def _mark(self, event: Event, phase: Literal["start", "complete", "error"], void: bool = False) -> None:
        assert self.cluster is not None
        event = dependent.shown(self.cluster, event)
        self._effects.append(EventMark(event.serial, event.name, event.node, event.network, phase, void))

    def _participates(self, event: Event) -> bool:
        return self._node_participates(self.node_id, event)

    def _node_participates(self, node: int, event: Event) -> bool:
        assert self.cluster is not None
        if event.name in (events.JOIN_NODE, events.FAIL_NODE, events.JOIN_SITE) and event.node == node:
            return True
        if self.cluster.nodes.get(node) == "unmanaged" and event.name in (
            events.RG_MOVE,
            events.RG_ONLINE,
            events.RG_OFFLINE,
        ):
            # Its services are stopped, but a group that it has kept is wanted back.
            return any(node in item.release for item in self.cluster.plan_items())
        return self.cluster.nodes.get(node) in ("up", "leaving")

    def _phase_done(self, run: Run) -> None:
        """Vote, if this phase's work on this node is done."""
        if run.voted or self.scripts or run is not self.run:
            return
        if run.kind == "report" and self.rp_failed:
            return
        if run.kind == "step":
            self._compose_report(run)
        goes_on = run.kind == "vote" or run.report is not None or not run.last
        value: cthags.VoteValue = "continue" if goes_on else "approve"
        run.voted = True
        run.approving = value == "approve"
        report = None if run.report is None else msgspec.structs.replace(run.report, phase=run.phase)
        self._vote(self._group(), run.token, value, None if report is None else codec.encode(report))

    def _compose_report(self, run: Run) -> None:
        outcomes = tuple(
            GroupOutcome(group, "ERROR" if state == "ERROR" else "OFFLINE")
            for group, state in sorted(run.results.items())
            if state != "ONLINE"
        ) + tuple(
            GroupOutcome(group, "ERROR" if state == "ERROR" else "OFFLINE", secondary=True)
            for group, state in sorted(run.secondary_results.items())
        )
        if outcomes or run.failed_script:
            run.report = Report(
                run.event.serial, run.phase, self.node_id, outcomes, run.failed_script, run.failed_status
            )
        run.failed_script, run.failed_status = "", 0

    def _finish(self) -> None:
        run, cluster = self.run, self.cluster
        assert run is not None
        assert cluster is not None
        event = run.event
        if cluster.plan_serial != event.serial and not run.cancelled:
            plan.begin(cluster, event, self.members)
        void = not run.cancelled and plan.void(cluster, event)
        if event.name == events.JOIN_NODE and event.node == self.node_id:
            self._was_unmanaged = cluster.nodes.get(self.node_id) == "unmanaged"
        follow = plan.finish(cluster, event, self.members)
        self._unstable_since = None
        if event.name in events.RECONFIGURATIONS and not run.cancelled:
            cluster.reconfigured(event.digest)
            self._effects.append(ReconfigurationEnded())
            self._interfaces_changed()
        self._end_run()
        self._mark(event, "complete", void)
        self._server_event_over(event)
        if event.name == events.INTERSITE_FALLOVER_PREVENTED:
            self._notify_site_policy(event)
        if event.name == events.FAIL_NETWORK and event.node == self.node_id:
            for group in cluster.configuration.groups:
                if cluster.groups[group.name].state(self.node_id) == "ONLINE":
                    for label in cluster.configuration.labels:
                        if (
                            label.network == event.network
                            and label.label in group.resource("SERVICE_LABEL")
                            and cluster.configuration.may_hold(self.node_name, label.label)
                        ):
                            self._notify_loss(group, "SERVICE_LABEL", label.label)
        self._log(f"event {event.serial} {event.name} is complete")
        for later in follow:
            self._enqueue(later)
        last = events.JOIN_NODE_DEP_COMPLETE if cluster.dependencies else events.JOIN_NODE
        if self._was_unmanaged and event.name == last and event.node == self.node_id:
            self._was_unmanaged = False
            self._managed_again()
        for entry in self._requests_of(event):
            entry.stage = "stabilizing"
            self._answer(entry.request, messages.Progress("stabilizing"))
        if event.node == self.node_id and dependent.ends_services(cluster, event):
            if event.mode == "unmanage":
                self._effects.append(Subsystems(start=False, clinfo=True))
            elif event.mode in ("offline", "move"):
                # A node that could not release a group stays a member, with the group in ERROR.
                self._leaving = cluster.nodes[self.node_id] == "down"

    def _notify_loss(self, group: ResourceGroup, kind: str, value: str) -> bool:
        """A resource that is online here is lost: is that only to be told? Then run the method (arguments inferred)."""
        method = group.notify_method(kind, value)
        if method is None:
            return False
        self._log(f"{kind} {value} of resource group {group.name} is lost: notify instead of fallover")
        if method:
            self._effects.append(RunMethod(method, (kind, value, group.name, self.node_name), value, group.name))
        return True

    def _notify_site_policy(self, event: Event) -> None:
        """The oldest member runs the method of the cluster's policy for site failures (its arguments are inferred)."""
        assert self.cluster is not None
        method = self.cluster.configuration.setting("SITE_POLICY_NOTIFY_METHOD")
        if method and self.members[:1] == (self.node_id,):
            name = self.cluster.node_names.get(event.node, "")
            self._effects.append(RunMethod(method, (event.group, name), event.group, event.group))

    def _interfaces_changed(self) -> None:
        """Another configuration counts: whoever keeps the states of interfaces looks which ones are in it."""

    def _managed_again(self) -> None:
        """Services have started on this node, which was unmanaged: whoever saw something fail meanwhile says so."""

    def _server_event_over(self, event: Event) -> None:
        """An event is complete: whoever watches the application that it was about goes on."""

    def _end_run(self) -> None:
        self.run = None
        self.rp_failed = False
        self.error_seen = False

    def _preamble(self, event: Event) -> None:
        assert self.cluster is not None
        sentences: list[str] = []
        for item in dependent.announced(self.cluster, event):
            if item.release:
                sentences.append(f"Enqueued rg_move release event for resource group '{item.group}'.")
            if item.acquire:
                sentences.append(f"Enqueued rg_move acquire event for resource group '{item.group}'.")
        if event.name == events.JOIN_NODE:
            sentences.append("Node Up Completion Event has been enqueued.")
        elif event.name == events.FAIL_NODE:
            sentences.append("Node Down Completion Event has been enqueued.")
        elif self.cluster.dependencies and dependent.is_change(event):
            sentences.append("Cluster Resource State Change Complete Event has been enqueued.")
        if sentences and self._participates(event):
            self._effects.append(Preamble(tuple(sentences)))

    def _start_script(
        self, purpose: str, command: str, arguments: tuple[str, ...], statement: Statement | None = None
    ) -> None:
        self._run_number += 1
        script = Script(self._run_number, purpose, command, arguments, statement)
        self.scripts.append(script)
        if len(self.scripts) == 1:
            self._launch(script)

    def _launch(self, script: Script) -> None:
        script.started = True
        if script.statement is not None and self.cluster is not None and self.configuration is not None:
            stage = events.stage_of(script.statement)
            instances = events.instances_of_step((script.statement,)) if stage is not Stage.NONE else ()
            script.groups = plan.groups_of(self.cluster, stage, self.node_id) if "primary" in instances else ()
            script.secondaries = (
                plan.secondaries_of(self.cluster, stage, self.node_id) if "secondary" in instances else ()
            )
            configuration, partial = self.configuration, frozenset[str]()
            if self.run is not None and self.run.event.name in events.RECONFIGURATIONS:
                configuration = reconfiguration.job_configuration(self.cluster, stage)
                partial = plan.changed_on(self.cluster, self.node_id)
                script.groups = reconfiguration.with_work(configuration, script.groups, partial)
            script.jobs = JobList(
                configuration,
                self.node_name,
                stage,
                script.groups,
                script.failed,
                self.addresses,
                partial,
                self.settings.sub_events,
                plan.stranded_groups(self.cluster),
            )
        self._effects.append(RunScript(script.run, script.command, script.arguments, self._environment(), serial=True))

    def _environment(self) -> tuple[tuple[str, str], ...]:
        names = self.cluster.node_names if self.cluster is not None else {}
        event = self.run.event if self.run is not None else None
        before = [names[node] for node in self.members if node in names]
        after = [
            name for name in before if event is None or event.name != events.FAIL_NODE or name != names[event.node]
        ]
        return (
            ("TE_NAME", dependent.rule(self.cluster, event) if event is not None and self.cluster is not None else ""),
            ("EVENT_NODE", names.get(event.node, "") if event is not None else ""),
            ("EVENT_SERIAL", str(event.serial if event is not None else 0)),
            ("LOCALSITE", self.configuration.site_of(self.node_name) if self.configuration is not None else ""),
            ("RG_DEPENDENCIES", "TRUE" if self.cluster is not None and self.cluster.dependencies else "FALSE"),
            ("PRE_EVENT_MEMBERSHIP", " ".join(before)),
            ("POST_EVENT_MEMBERSHIP", " ".join(after)),
            *self._methods(event),
            *self._swap(event),
        )

    def _methods(self, event: Event | None) -> tuple[tuple[str, str], ...]:
        """What server_restart runs: the failed monitor's methods, else the application's own scripts."""
        if event is None or event.name != events.SERVER_RESTART or self.configuration is None:
            return ()
        own = definition_of_resource(self.configuration, event.application)
        if own is not None:
            resource = self.configuration.user_resource(event.application)
            assert resource is not None
            methods = (("CLEANUP_METHOD", own.cleanup), ("RESTART_METHOD", own.restart), ("STARTUP_MODE", "foreground"))
            return (*methods, *resource.environment)
        controller = self.configuration.controller(event.application)
        if controller is None:
            return ()
        monitor = next((entry for entry in self.configuration.monitors if entry.name == event.monitor), None)
        cleanup = monitor.attribute("CLEANUP_METHOD") if monitor is not None else ""
        restart = monitor.attribute("RESTART_METHOD") if monitor is not None else ""
        return (
            ("CLEANUP_METHOD", cleanup or controller.stop),
            ("RESTART_METHOD", restart or controller.start),
            ("STARTUP_MODE", controller.startup_mode),
        )

    def _swap(self, event: Event | None) -> tuple[tuple[str, str], ...]:
        """What swap_adapter does on the node of the failed interface; elsewhere, and where it is too late, nothing."""
        if event is None or event.name != events.SWAP_ADAPTER or event.node != self.node_id:
            return ()
        assert self.configuration is not None
        swapped = self.addresses.swap(self.configuration, event.service, event.address)
        if swapped is None:
            return ()
        old, new = swapped
        persistent = self.addresses.persistent(self.configuration, event.network)
        return (
            ("SWAP_FROM", old),
            ("SWAP_TO", new.interface),
            ("SWAP_ADDRESS", f"{new.address}:{new.netmask}"),
            ("PERSISTENT_ADDRESSES", " ".join(f"{label.address}:{label.netmask}" for label in persistent)),
        )

    def _script_ended(self, number: int, status: int) -> str:
        """A script is over; returns what it was for."""
        if not self.scripts or self.scripts[0].run != number:
            return ""
        script = self.scripts.popleft()
        run = self.run
        if script.purpose == "step" and run is not None and script.statement is not None:
            self._step_ended(run, script, script.statement, status)
        if self.scripts:
            self._launch(self.scripts[0])
        elif run is not None:
            self._phase_done(run)
        return script.purpose

    def _step_ended(self, run: Run, script: Script, statement: Statement, status: int) -> None:
        stage = events.stage_of(statement)
        changed = plan.changed_on(self.cluster, self.node_id) if self.cluster is not None else frozenset()
        for group in script.groups:
            if group in script.failed:
                run.results[group] = "ERROR"
            elif group in changed:
                continue
            elif stage is Stage.RELEASE:
                run.results[group] = "OFFLINE"
            else:
                run.results.setdefault(group, "ONLINE")
        failed = statement.expected is not None and status != statement.expected
        if failed or stage is Stage.RELEASE:
            run.secondary_results.update(dict.fromkeys(script.secondaries, "ERROR" if failed else "OFFLINE"))
        if failed:
            self._log(f"{script.command} ended with status {status}, expected {statement.expected}")
            run.failed_script, run.failed_status = statement.name, status
            self.rp_failed = True
            if stage is Stage.RELEASE:
                # Until the operator has repaired it by hand nothing is known to be free.
                run.results.update(dict.fromkeys(script.groups, "ERROR"))
            while self.scripts:
                self.scripts.popleft()

    def _job_wanted(self, number: int) -> None:
        script = self._script(number)
        assignments = NO_JOB if script is None or script.jobs is None else script.jobs.next()
        self._effects.append(AnswerJob(number, assignments))

    def _resource_updated(self, update: ResourceUpdated) -> None:
        script = self._script(update.run)
        if script is None:
            return
        if update.state in ("rg_error", "resource_error", "rg_temp_error"):
            named = set(update.group.split()) & set(script.groups) or set(script.groups)
            if update.state == "rg_error" and script.jobs is not None:
                # What the job ERROR says is known; a group without a place has not failed on this node.
                named -= script.jobs.in_error
            script.failed.update(named)
            self._log(f"{script.command}: {update.state} {update.resource} {update.group}")

    def _script(self, number: int) -> Script | None:
        return next((script for script in self.scripts if script.run == number and script.started), None)

    def _limit(self, name: str, default: int) -> int:
        """A time that the administrator may have set, in microseconds; what is no number counts as not set."""
        value = self.configuration.setting(name) if self.configuration is not None else ""
        return seconds * SECOND if (seconds := whole_number(value, -1)) >= 0 else default

    def _warn_if_too_long(self) -> None:
        run = self.run
        if run is not None and self._now >= run.next_warning:
            run.warned += 1
            hour = 3600 * SECOND
            run.next_warning = self._now + min(self.settings.warning_interval << (run.warned - 1), hour)
            seconds = (self._now - run.began) // SECOND
            self._run_number += 1
            self._mark(msgspec.structs.replace(run.event, name=events.CONFIG_TOO_LONG), "start")
            self._effects.append(
                RunScript(
                    self._run_number,
                    "config_too_long",
                    (str(seconds), run.program.path),
                    self._environment(),
                    serial=False,
                )
            )
