"""The cluster manager as a pure state machine.

All members of one Group Services group hold the same replicated state and apply the same notifications to it. An event
enters every queue by a one-phase message. The oldest member proposes to run the queue's head as one n-phase message:
phase 1 is the vote on the event, every further phase is one step of its recovery program, and the vote after a step is
the barrier. A joiner receives the state inside the join protocol, where nothing else can change it.

A member reports what a step did to its groups on its vote. Group Services hands on one message of a phase, so a member
whose report was not chosen repeats it, and no step begins before a phase came without a report. A release that nobody
reported is not done: nothing is acquired on the strength of it.

A node whose cluster manager is gone may still hold disks and addresses until it has halted: its node_down waits until
Group Services says that the node itself has left the view. The view is agreed on, so one member's word for it is
enough; it is replicated, because a member that joins later may find the node in the view again, booted anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import msgspec

from daemons.clstrmgr import events, messages, plan
from daemons.clstrmgr.events import Event, Stage
from daemons.clstrmgr.inputs import (
    Answer,
    AnswerJob,
    Asked,
    Configured,
    Effect,
    EventMark,
    Exit,
    GroupServicesLost,
    Input,
    JobWanted,
    Log,
    Notified,
    Preamble,
    Publish,
    Reported,
    ResourceUpdated,
    RunScript,
    ScriptEnded,
    Send,
    Store,
    Subsystems,
)
from daemons.clstrmgr.jobs import NONE as NO_JOB
from daemons.clstrmgr.jobs import JobList
from daemons.clstrmgr.messages import ManagerState
from daemons.clstrmgr.recovery_program import Program, Statement
from daemons.clstrmgr.replicated import ClusterState, StateRecord, record_codec
from daemons.clstrmgr.wire import Enqueue, GroupOutcome, NodeGone, Report, RunEvent, codec, group_name
from daemons.cluster.configuration import Configuration
from daemons.cluster.placement import HELD
from daemons.cthags import messages as cthags
from srcctl.machine import SECOND, LocalFault, RemoteFault, Tick

PROVIDER_NAME: Final = "clstrmgr"
EXIT_CODE: Final = 4
"""The exit code of a cluster manager that gives up (seen in the product's clstrmgr.debug)."""

_NOT_ACTIVE: Final = "Cluster services are not active on this node."


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in microseconds. The first two are patience with scripts; the settling time is a schedule.

    Args:
        event_limit: how long an event without resource work may take before config_too_long.
        group_limit: added for events that move resource groups.
        warning_interval: between the first two warnings; the distance doubles, up to an hour.
        retry: before a proposal that collided, or an event whose vote failed, is proposed again.
        resend: before a proposal without any answer is made again.
        gone_patience: before a member that is not the oldest says that a node has left the view.
        settling_scale: microseconds of a product second for the settling time.
    """

    event_limit: int = 180 * SECOND
    group_limit: int = 180 * SECOND
    warning_interval: int = 30 * SECOND
    retry: int = 20_000
    resend: int = 10 * SECOND
    gone_patience: int = SECOND
    settling_scale: int = SECOND


@dataclass(slots=True)
class Script:
    """A command of an event that waits or runs on this node."""

    run: int
    purpose: str
    command: str
    arguments: tuple[str, ...]
    statement: Statement | None = None
    jobs: JobList | None = None
    groups: tuple[str, ...] = ()
    failed: set[str] = field(default_factory=set)
    started: bool = False


@dataclass(slots=True)
class Run:
    """The n-phase protocol of the event that runs now."""

    event: Event
    program: Program
    token: int
    began: int
    phase: int = 1
    kind: str = "vote"
    step: int = -1
    first_step: int = 0
    voted: bool = False
    approving: bool = False
    report: Report | None = None
    results: dict[str, str] = field(default_factory=dict)
    failed_script: str = ""
    failed_status: int = 0
    admin_done: bool = False
    warned: int = 0
    next_warning: int = 0

    @property
    def last(self) -> bool:
        """Has the program's last step been done or begun?"""
        return self.step >= len(self.program.steps) - 1


@dataclass(slots=True)
class Pending:
    """An operator's request that is not answered yet. ``number`` is that of its event."""

    request: int
    what: object
    number: int = 0
    stage: str = "queued"


class ClusterManager:
    """clstrmgrES of one node.

    Args:
        node_id, node_name: this node.
        settings: times.
        serial: the last event serial number that this node knew (it grows across restarts).
    """

    def __init__(self, node_id: int, node_name: str, settings: Settings | None = None, serial: int = 0) -> None:
        self.node_id = node_id
        self.node_name = node_name
        self.settings = settings or Settings()
        self.serial = serial
        self.configuration: Configuration | None = None
        self.programs: dict[str, Program] = {}
        self.cluster: ClusterState | None = None
        self.members: tuple[int, ...] = ()
        self.self_provider: cthags.Provider | None = None
        self.run: Run | None = None
        self.scripts: deque[Script] = deque()
        self.outbox: deque[Enqueue | NodeGone] = deque()
        self.pending: list[Pending] = []
        self.joining: Pending | None = None
        self.rp_failed = False
        self.error_seen = False
        self.exited = False
        self.clinfo = False
        self._offered: StateRecord | None = None
        self._leaving = False
        self._join_sent = False
        self._subscribed = False
        self._protocol = False
        self._in_flight = ""
        self._sent_at = 0
        self._retry_at: int | None = None
        self._settle_at: int | None = None
        self._alive: frozenset[int] = frozenset()
        self._gone: dict[int, int] = {}
        self._down_here: dict[str, str] = {}
        self._request_number = 0
        self._run_number = 0
        self._logged_state: ManagerState | None = None
        self._now = 0
        self._effects: list[Effect] = []

    # The machine's contract.

    def step(self, now: int, value: Input) -> list[Effect]:
        """Take one input."""
        if self.exited:
            return []
        self._now = now
        self._effects = []
        match value:
            case Configured():
                self._configure(value)
            case Notified(notification):
                self._notified(notification)
            case GroupServicesLost(reason):
                self._group_services_lost(reason)
            case ScriptEnded(run, status):
                self._script_ended(run, status)
            case JobWanted(run):
                self._job_wanted(run)
            case ResourceUpdated():
                self._resource_updated(value)
            case Asked(request, what):
                self._asked(request, what)
            case Reported(event):
                self._reported(event)
            case Tick():
                self._tick()
        if not self.exited:
            self._say_who_is_gone()
            self._propose()
            self._answer_when_stable()
            self._log_state()
        self._effects.append(Publish())
        return self._effects

    def next_deadline(self) -> int | None:
        """When a Tick is wanted."""
        deadlines = [time for time in (self._retry_at, self._settle_at) if time is not None]
        if self._in_flight:
            deadlines.append(self._sent_at + self.settings.resend)
        if self.run is not None:
            deadlines.append(self.run.next_warning)
        deadlines.extend(
            time + self.settings.gone_patience
            for node, time in self._gone.items()
            if self.cluster is not None and NodeGone(node) not in self.outbox
        )
        return min(deadlines, default=None)

    def describe(self) -> dict[str, object]:
        """The whole state."""
        return {
            "node": self.node_id,
            "state": self.state,
            "members": self.members,
            "cluster": None if self.cluster is None else msgspec.to_builtins(self.cluster.record(), str_keys=True),
            "run": None if self.run is None else (self.run.event.name, self.run.kind, self.run.step, self.run.phase),
            "scripts": [script.command for script in self.scripts],
            "outbox": [repr(message) for message in self.outbox],
            "in_flight": self._in_flight,
        }

    @property
    def in_group(self) -> bool:
        """Is this node a member of the cluster managers' group?"""
        return self.cluster is not None

    @property
    def settling(self) -> bool:
        """Does the settling time run?"""
        return self._settle_at is not None

    @property
    def services(self) -> bool:
        """Are cluster services active on this node?"""
        return self.cluster is not None and self.cluster.nodes.get(self.node_id) in ("up", "joining", "leaving")

    @property
    def state(self) -> ManagerState:
        """The state as ``lssrc -ls clstrmgrES`` shows it."""
        if self.configuration is None:
            return "NOT_CONFIGURED"
        if self.rp_failed:
            return "ST_RP_FAILED"
        if self.cluster is None:
            return "ST_INIT" if self.joining is None else "ST_JOINING"
        run = self.run
        if run is not None:
            if run.kind == "vote":
                return "ST_VOTING"
            if not run.voted:
                return "ST_RP_RUNNING"
            return "ST_CBARRIER" if run.approving else "ST_BARRIER"
        if self.joining is not None:
            return "ST_JOINING"
        if self.cluster.queue or self.outbox or self._leaving:
            return "ST_UNSTABLE"
        return "ST_STABLE"

    # Configuration.

    def _configure(self, value: Configured) -> None:
        self.programs = dict(value.programs)
        if self.cluster is None:
            self.configuration = value.configuration
            self._log("configuration read" if value.configuration else "no cluster is configured")
        elif value.configuration != self.configuration:
            self._log("the configuration changed while cluster services are active; it counts from the next start on")

    # Group Services.

    def _notified(self, notification: cthags.Notification) -> None:
        match notification:
            case cthags.NPhase():
                self._protocol = True
                self._n_phase(notification)
            case cthags.Approved():
                self._protocol = False
                self._settle_proposal(notification)
                self._approved(notification)
            case cthags.Rejected():
                self._protocol = False
                self._settle_proposal(notification)
                self._rejected(notification)
            case cthags.Subscription(group=cthags.HOST_MEMBERSHIP):
                self._host_membership(frozenset(provider.node for provider in notification.providers))
            case cthags.DelayedError():
                self._delayed_error(notification)
            case cthags.Announcement():
                self._log(f"announcement: {', '.join(notification.summary)}")
                if "group_dissolved" in notification.summary and (self.cluster is not None or self._join_sent):
                    self._die("the cluster manager's group was dissolved")
            case cthags.ResponsivenessProbe(serial):
                self._send(cthags.Alive(serial))
            case cthags.Died():
                self._group_services_lost("Group Services died")
            case _:
                pass

    def _group_services_lost(self, reason: str) -> None:
        if self.cluster is not None or self._join_sent:
            self._die(reason)
        else:
            self._log(reason)

    def _n_phase(self, phase: cthags.NPhase) -> None:
        if phase.protocol == "join":
            self._join_phase(phase)
        elif phase.protocol == "message":
            if phase.phase == 1:
                self._vote_phase(phase)
            else:
                self._next_phase(phase)
        else:
            self._vote(phase.group, phase.token, "approve")

    def _join_phase(self, phase: cthags.NPhase) -> None:
        if phase.self_provider not in phase.changing:
            assert self.cluster is not None, "a provider without the cluster's state"
            if phase.message:
                self._vote(phase.group, phase.token, "approve")
            else:
                record = record_codec.encode(self.cluster.record())
                self._vote(phase.group, phase.token, "continue", record)
            return
        if not set(phase.providers) - set(phase.changing):
            self._vote(phase.group, phase.token, "approve")
        elif not phase.message:
            self._vote(phase.group, phase.token, "continue")
        else:
            self._offered = self._decode_record(phase.message)
            self._vote(phase.group, phase.token, "approve" if self._offered is not None else "reject")

    def _decode_record(self, data: bytes) -> StateRecord | None:
        assert self.configuration is not None
        try:
            record = record_codec.decode(data)
        except RemoteFault as fault:
            self._log(f"the cluster's state cannot be read: {fault}")
            return None
        if record.configuration != ClusterState(self.configuration).digest_of_configuration:
            self._log("the active nodes have another configuration: synchronize the cluster, then start this node")
            return None
        return record

    def _approved(self, approved: cthags.Approved) -> None:
        if self.cluster is not None:
            self.cluster.version += 1
        nodes = tuple(dict.fromkeys(provider.node for provider in approved.providers))
        if approved.protocol == "join":
            if approved.self_provider in approved.changing:
                self._joined(approved)
            self.members = nodes
            assert self.cluster is not None
            for provider in approved.changing:
                if self.cluster.nodes.get(provider.node) == "down":
                    self.cluster.nodes[provider.node] = "joining"
                self._log(f"node {provider.node} joined the group, members {list(nodes)}")
        elif approved.protocol in ("leave", "failure_leave", "expel"):
            if approved.self_provider in approved.changing:
                self._left(approved.protocol)
                return
            self.members = nodes
            for provider, reason in zip(approved.changing, approved.reasons, strict=False):
                self._member_left(provider.node, reason)
        elif approved.protocol == "message":
            if self.run is not None and not approved_one_phase(approved):
                self._finish()
            else:
                self._one_phase(approved)

    def _rejected(self, rejected: cthags.Rejected) -> None:
        if self.cluster is not None:
            self.cluster.version += 1
        if rejected.protocol == "failure_leave":
            self.members = tuple(dict.fromkeys(provider.node for provider in rejected.providers))
            for provider, reason in zip(rejected.changing, rejected.reasons, strict=False):
                self.members = tuple(node for node in self.members if node != provider.node)
                self._member_left(provider.node, reason)
        elif rejected.protocol == "join" and rejected.self_provider in rejected.changing:
            self._join_sent = False
            self._fail_join("failed", "The cluster refused this node. See clstrmgr.debug on the active nodes.")
        elif rejected.protocol == "message" and self.run is not None:
            self._log(f"{self.run.event.name}: the vote failed in phase {rejected.phase}, to be repeated")
            self._end_run()
            self._retry_at = self._now + self.settings.retry

    def _one_phase(self, approved: cthags.Approved) -> None:
        assert self.cluster is not None
        try:
            message = codec.decode(approved.message)
        except RemoteFault as fault:
            self._log(f"message of {approved.proposer} dropped: {fault}")
            return
        if not isinstance(message, Enqueue | NodeGone):
            return
        if self.outbox and self.outbox[0] == message:
            self.outbox.popleft()
        if isinstance(message, NodeGone):
            self._gone.pop(message.node, None)
            self.cluster.node_gone(message.node)
            self._log(f"node {message.node} has left the view")
        else:
            self._enqueue(message.event)

    def _enqueue(self, event: Event) -> None:
        cluster = self.cluster
        assert cluster is not None
        if event.address and event.name in (events.FAIL_INTERFACE, events.JOIN_INTERFACE):
            change = (
                cluster.addresses_down.add if event.name == events.FAIL_INTERFACE else cluster.addresses_down.discard
            )
            change((event.node, event.address))
        queued = cluster.enqueue(event)
        if queued is None:
            return
        self.serial = max(self.serial, queued.serial)
        self._effects.append(Store(self.serial))
        self._log(f"event {queued.serial} {queued.name} node {queued.node} {queued.mode} is queued")

    def _settle_proposal(self, notification: cthags.Approved | cthags.Rejected) -> None:
        if notification.proposer is not None and notification.proposer == notification.self_provider:
            self._in_flight = ""
        if notification.protocol == "leave" and notification.self_provider in notification.changing:
            self._in_flight = ""

    def _delayed_error(self, error: cthags.DelayedError) -> None:
        if error.code == "HA_GS_COLLIDE":
            self._in_flight = ""
            self._retry_at = self._now + self.settings.retry
        elif error.request == "join":
            self._join_sent = False
            self._fail_join("cthags", f"Group Services refused the join: {error.code}")
        else:
            self._log(f"rm_nPhaseCb: {error.request} failed, {error.code}")
            self._in_flight = ""
            if error.request != "vote":
                self._retry_at = self._now + self.settings.retry

    def _host_membership(self, nodes: frozenset[int]) -> None:
        self._alive = nodes
        if self.cluster is not None:
            for node in self._awaited():
                if node not in nodes:
                    self._gone.setdefault(node, self._now)

    def _awaited(self) -> list[int]:
        """The nodes whose end the queue waits for."""
        assert self.cluster is not None
        return [event.node for event in self.cluster.queue if self._held_back(event)]

    def _say_who_is_gone(self) -> None:
        """The oldest member says it at once, another one that knows it a while later."""
        if self.cluster is None:
            return
        awaited = self._awaited()
        self._gone = {node: time for node, time in self._gone.items() if node in awaited}
        for node, time in self._gone.items():
            oldest = bool(self.members) and self.members[0] == self.node_id
            if (oldest or self._now >= time + self.settings.gone_patience) and NodeGone(node) not in self.outbox:
                self.outbox.append(NodeGone(node))

    # Coming and going of members.

    def _joined(self, approved: cthags.Approved) -> None:
        assert self.configuration is not None
        others = set(approved.providers) - set(approved.changing)
        self.cluster = ClusterState(self.configuration, self.serial)
        if others and self._offered is not None:
            self.cluster.install(self._offered)
            self.cluster.version += 1
        self._offered = None
        self.self_provider = approved.self_provider
        self._join_sent = False
        self._gone = {node: self._now for node in self._awaited() if self._alive and node not in self._alive}
        self._request_number = max(self._request_number, self.cluster.requests.get(self.node_id, 0))
        if not self.cluster.settled:
            seconds = self.configuration.cluster.settling_time
            self._settle_at = self._now + seconds * self.settings.settling_scale
        assert self.joining is not None
        what = self.joining.what
        assert isinstance(what, messages.StartServices)
        for address, network in self._down_here.items():
            self._want(Event(events.FAIL_INTERFACE, self.node_id, network=network, address=address))
        self.joining.number = self._want(Event(events.JOIN_NODE, self.node_id, mode=what.manage))
        self.pending.append(self.joining)
        self.joining = None

    def _left(self, protocol: str) -> None:
        if protocol != "leave":
            self._die("this node was expelled from the cluster manager's group")
            return
        self.cluster = None
        self.members = ()
        self.self_provider = None
        self._leaving = False
        self.outbox.clear()
        self._settle_at = None
        self._effects.append(Subsystems(start=False, clinfo=True))
        for entry in self.pending:
            if isinstance(entry.what, messages.StopServices):
                self._answer(entry.request, messages.Done())
            else:
                self._answer(entry.request, messages.Done("lost", _NOT_ACTIVE))
        self.pending.clear()

    def _member_left(self, node: int, reason: str) -> None:
        cluster = self.cluster
        assert cluster is not None
        self._log(f"node {node} left the group ({reason}), members {list(self.members)}")
        if cluster.nodes.get(node) == "unmanaged" or reason == "voluntary_leave":
            # Stopped before it left, or stopped with unmanage: nothing of it is taken over.
            cluster.nodes[node] = "down"
            self._drop_events_of(node)
            return
        holding = any(group.state(node) in HELD for group in cluster.groups.values())
        began = cluster.nodes.get(node) in ("up", "leaving")
        self._drop_events_of(node)
        if began or holding:
            cluster.nodes[node] = "leaving"
            self._enqueue(Event(events.FAIL_NODE, node, mode=events.CRASH, left=reason == "host_failure"))
            if self._alive and node not in self._alive:
                self._gone.setdefault(node, self._now)
        else:
            cluster.nodes[node] = "down"

    def _drop_events_of(self, node: int) -> None:
        cluster = self.cluster
        assert cluster is not None
        cluster.drop_events_of(node)
        if cluster.plan_serial and cluster.find(cluster.plan_serial) is None:
            for event in plan.abandon(cluster):
                self._enqueue(event)

    # Proposals.

    def _want(self, event: Event) -> int:
        """Have an event queued by all members; returns its request number."""
        self._request_number += 1
        event = msgspec.structs.replace(event, origin=self.node_id, request=self._request_number)
        self.outbox.append(Enqueue(event))
        return self._request_number

    def _propose(self) -> None:
        cluster = self.cluster
        if cluster is None or self._protocol or self._in_flight or self._retry_at is not None:
            return
        if self.outbox:
            message = codec.encode(self.outbox[0])
            self._in_flight = "enqueue"
            self._send(cthags.ProviderMessage(self._group(), message, 1))
        elif self._leaving:
            self._in_flight = "leave"
            self._send(cthags.Leave(self._group()))
        elif (event := cluster.head()) is not None and self.members and self.members[0] == self.node_id:
            if self._held_back(event) or self.scripts:
                return
            message = codec.encode(RunEvent(event.serial, cluster.version, cluster.digest()))
            self._in_flight = "run"
            self._send(cthags.ProviderMessage(self._group(), message, "n"))
        else:
            return
        self._sent_at = self._now

    def _held_back(self, event: Event) -> bool:
        """Must the event wait until the node that failed has left the view?"""
        return (
            event.name == events.FAIL_NODE
            and event.mode == events.CRASH
            and not event.left
            and event.node not in self.members
        )

    # Running an event.

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
        program = self.programs.get(event.name)
        if program is None:
            self._log(f"no recovery program for {event.name}")
            program = Program("", ())
        limit = self.settings.event_limit
        if event.name in (events.JOIN_NODE, events.FAIL_NODE, events.RG_MOVE, events.RG_ONLINE, events.RG_OFFLINE):
            limit += self.settings.group_limit
        run = Run(event, program, phase.token, self._now, next_warning=self._now + limit)
        self.run = run
        self._effects.append(EventMark(event.serial, event.name, event.node, event.network, "start"))
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
        plan.apply_report(cluster, report)
        for outcome in report.groups:
            name = cluster.node_names.get(report.node, str(report.node))
            self._log(f"resource group {outcome.group} is {outcome.state} on node {name}")
        if report.failed_script:
            self.error_seen = True
            name = cluster.node_names.get(report.node, str(report.node))
            self._log(f"{report.failed_script} failed on node {name} with status {report.status}")
            self._effects.append(
                EventMark(run.event.serial, run.event.name, run.event.node, run.event.network, "error")
            )
            if self._participates(run.event):
                self._start_script("error", "event_error", (name, run.event.name, report.failed_script))
            self._fail_requests()

    def _begin_step(self, run: Run) -> None:
        cluster = self.cluster
        assert cluster is not None
        event = run.event
        if run.kind == "vote":
            run.first_step = max(0, cluster.plan_step) if cluster.plan_serial == event.serial else 0
            run.step = run.first_step - 1
            if cluster.plan_serial not in (0, event.serial):
                for later in plan.abandon(cluster):
                    self._enqueue(later)
            plan.begin(cluster, event, self.members)
            self._preamble(event)
        run.kind = "step"
        run.results = {}
        if run.last:
            return
        run.step += 1
        cluster.plan_step = run.step
        step = run.program.steps[run.step]
        running = frozenset(
            node
            for node in self.members
            if any(statement.applies(node, event.node) for statement in step) and self._node_participates(node, event)
        )
        plan.begin_stage(cluster, events.stage_of_step(step), running)
        if not self._participates(event):
            return
        name = cluster.node_names.get(event.node, "")
        arguments = events.script_arguments(event, name, cluster.group_ids.get(event.group, 0))
        for statement in step:
            if statement.applies(self.node_id, event.node):
                self._start_script("step", statement.command, arguments, statement)

    def _participates(self, event: Event) -> bool:
        return self._node_participates(self.node_id, event)

    def _node_participates(self, node: int, event: Event) -> bool:
        assert self.cluster is not None
        if event.name in (events.JOIN_NODE, events.FAIL_NODE) and event.node == node:
            return True
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
        if cluster.plan_serial != event.serial:
            plan.begin(cluster, event, self.members)
        follow = plan.finish(cluster, event, self.members)
        self._end_run()
        self._effects.append(EventMark(event.serial, event.name, event.node, event.network, "complete"))
        self._log(f"event {event.serial} {event.name} is complete")
        for later in follow:
            self._enqueue(later)
        for entry in self._requests_of(event):
            entry.stage = "stabilizing"
            self._answer(entry.request, messages.Progress("stabilizing"))
        if event.name == events.FAIL_NODE and event.node == self.node_id:
            if event.mode == "unmanage":
                self._effects.append(Subsystems(start=False, clinfo=True))
            else:
                self._leaving = True

    def _end_run(self) -> None:
        self.run = None
        self.rp_failed = False
        self.error_seen = False

    def _preamble(self, event: Event) -> None:
        assert self.cluster is not None
        sentences: list[str] = []
        for item in self.cluster.plan:
            if item.release:
                sentences.append(f"Enqueued rg_move release event for resource group '{item.group}'.")
            if item.acquire:
                sentences.append(f"Enqueued rg_move acquire event for resource group '{item.group}'.")
        if event.name == events.JOIN_NODE:
            sentences.append("Node Up Completion Event has been enqueued.")
        elif event.name == events.FAIL_NODE:
            sentences.append("Node Down Completion Event has been enqueued.")
        if sentences and self._participates(event):
            self._effects.append(Preamble(tuple(sentences)))

    # Scripts.

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
            script.groups = plan.groups_of(self.cluster, stage, self.node_id) if stage is not Stage.NONE else ()
            script.jobs = JobList(self.configuration, self.node_name, stage, script.groups, script.failed)
        self._effects.append(RunScript(script.run, script.command, script.arguments, self._environment(), serial=True))

    def _environment(self) -> tuple[tuple[str, str], ...]:
        names = self.cluster.node_names if self.cluster is not None else {}
        event = self.run.event if self.run is not None else None
        before = [names[node] for node in self.members if node in names]
        after = [
            name for name in before if event is None or event.name != events.FAIL_NODE or name != names[event.node]
        ]
        return (
            ("TE_NAME", event.name if event is not None else ""),
            ("EVENT_SERIAL", str(event.serial if event is not None else 0)),
            ("RG_DEPENDENCIES", "FALSE"),
            ("PRE_EVENT_MEMBERSHIP", " ".join(before)),
            ("POST_EVENT_MEMBERSHIP", " ".join(after)),
        )

    def _script_ended(self, number: int, status: int) -> None:
        if not self.scripts or self.scripts[0].run != number:
            return
        script = self.scripts.popleft()
        run = self.run
        if script.purpose == "join":
            self._send_join()
        elif script.purpose == "step" and run is not None and script.statement is not None:
            self._step_ended(run, script, script.statement, status)
        if self.scripts:
            self._launch(self.scripts[0])
        elif run is not None:
            self._phase_done(run)

    def _step_ended(self, run: Run, script: Script, statement: Statement, status: int) -> None:
        stage = events.stage_of(statement)
        for group in script.groups:
            if group in script.failed:
                run.results[group] = "ERROR"
            elif stage is Stage.RELEASE:
                run.results[group] = "OFFLINE"
            else:
                run.results.setdefault(group, "ONLINE")
        if statement.expected is not None and status != statement.expected:
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
            named = set(update.group.split()) & set(script.groups)
            script.failed.update(named or script.groups)
            self._log(f"{script.command}: {update.state} {update.resource} {update.group}")

    def _script(self, number: int) -> Script | None:
        return next((script for script in self.scripts if script.run == number and script.started), None)

    # Operators.

    def _asked(self, request: int, what: object) -> None:
        error = self._refusal(what)
        if error is not None:
            self._answer(request, error)
            return
        match what:
            case messages.StartServices():
                self._start_services(Pending(request, what))
            case messages.StopServices(mode):
                self._pend(request, what, Event(events.FAIL_NODE, self.node_id, mode=mode))
            case messages.MoveGroup(group, node):
                self._pend(request, what, self._group_event(events.RG_MOVE, group, node))
            case messages.OnlineGroup(group, node):
                self._pend(request, what, self._group_event(events.RG_ONLINE, group, node))
            case messages.OfflineGroup(group, node):
                self._pend(request, what, self._group_event(events.RG_OFFLINE, group, node))
            case messages.RecoverFromScriptFailure():
                self.rp_failed = False
                self._log("recovery requested by an operator")
                self._answer(request, messages.Done())
                if self.run is not None:
                    self._phase_done(self.run)
            case _:
                raise LocalFault(f"no operator's request: {what!r}")

    def _group_event(self, name: str, group: str, node: int) -> Event:
        assert self.cluster is not None
        about = self.cluster.holder(group) or node or self.node_id
        return Event(name, about, mode=events.OPERATOR, group=group, target=node)

    def _pend(self, request: int, what: object, event: Event) -> None:
        entry = Pending(request, what, self._want(event))
        self.pending.append(entry)
        self._answer(request, messages.Progress("queued"))

    def _refusal(self, what: object) -> messages.Done | None:
        if self.configuration is None:
            return messages.Done("not_configured", "No cluster is configured on this node.")
        if isinstance(what, messages.StartServices):
            if self.services or self.joining is not None:
                return messages.Done("active", f"Cluster services are already active on node {self.node_name}.")
            return None
        if isinstance(what, messages.RecoverFromScriptFailure):
            return None if self.rp_failed else messages.Done("already", "No event script has failed on this node.")
        cluster = self.cluster
        if cluster is None or cluster.nodes.get(self.node_id) != "up":
            return messages.Done("not_active", _NOT_ACTIVE)
        if isinstance(what, messages.MoveGroup | messages.OnlineGroup | messages.OfflineGroup):
            return self._group_refusal(cluster, what)
        return None

    def _group_refusal(
        self, cluster: ClusterState, what: messages.MoveGroup | messages.OnlineGroup | messages.OfflineGroup
    ) -> messages.Done | None:
        policy = next((policy for policy in cluster.policies if policy.name == what.group), None)
        if policy is None:
            return messages.Done("unknown_group", f"There is no resource group {what.group}.")
        group = cluster.groups[what.group]
        states = [group.state(node) for node in policy.nodes]
        if what.node:
            name = cluster.node_names.get(what.node)
            if name is None:
                return messages.Done("unknown_node", f"There is no node with the id {what.node}.")
            if what.node not in policy.nodes:
                return messages.Done("not_eligible", f"Node {name} does not participate in group {what.group}.")
            if cluster.nodes[what.node] != "up":
                return messages.Done("node_down", f"Cluster services are not active on node {name}.")
        if isinstance(what, messages.OfflineGroup):
            held = [node for node in policy.nodes if group.state(node) in (*HELD, "ERROR")]
            if not held or (what.node and what.node not in held):
                return messages.Done("already", f"Resource group {what.group} is offline already.")
            return None
        if "UNMANAGED" in states:
            return messages.Done("denied", f"Resource group {what.group} is unmanaged.")
        if isinstance(what, messages.OnlineGroup) and not policy.concurrent and "ONLINE" in states:
            return messages.Done("already", f"Resource group {what.group} is online already.")
        if what.node and group.state(what.node) == "ONLINE":
            return messages.Done("already", f"Resource group {what.group} is online on that node already.")
        if what.node and not cluster.node_available(what.node, what.group):
            return messages.Done("not_eligible", f"A network that {what.group} needs is down on that node.")
        if isinstance(what, messages.MoveGroup) and not any(state in HELD for state in states):
            return messages.Done("denied", f"Resource group {what.group} is online nowhere: bring it online instead.")
        return None

    def _start_services(self, entry: Pending) -> None:
        assert isinstance(entry.what, messages.StartServices)
        self.clinfo = entry.what.clinfo
        self._effects.append(Subsystems(start=True, clinfo=entry.what.clinfo))
        self._answer(entry.request, messages.Progress("queued"))
        self.joining = entry
        self._start_script("join", "admin_op", ("clrm_start_request", str(self.serial + 1), "0"))

    def _send_join(self) -> None:
        entry = self.joining
        assert entry is not None
        if self.cluster is None:
            self._join_sent = True
            if not self._subscribed:
                self._subscribed = True
                self._send(cthags.Subscribe(cthags.HOST_MEMBERSHIP))
            attributes = cthags.GroupAttributes(phases="n", default_vote="approve")
            self._send(cthags.Join(self._group(), attributes))
            return
        # Services were stopped with unmanage: the node never left the group.
        assert isinstance(entry.what, messages.StartServices)
        entry.number = self._want(Event(events.JOIN_NODE, self.node_id, mode=entry.what.manage))
        self.pending.append(entry)
        self.joining = None

    def _fail_join(self, error: str, message: str) -> None:
        self._log(message)
        if self.joining is not None:
            self._answer(self.joining.request, messages.Done(error, message))
            self._effects.append(Subsystems(start=False, clinfo=True))
            self.joining = None

    def _requests_of(self, event: Event) -> list[Pending]:
        if event.origin != self.node_id:
            return []
        return [entry for entry in self.pending if entry.number == event.request]

    def _fail_requests(self) -> None:
        message = "Event processing has failed. The cluster is unstable and requires manual intervention."
        for entry in self.pending:
            self._answer(entry.request, messages.Done("failed", message))
        self.pending.clear()

    def _answer_when_stable(self) -> None:
        if self.cluster is None or self.run is not None or self.cluster.queue or self.outbox or self._leaving:
            return
        waiting = [entry for entry in self.pending if entry.stage == "stabilizing"]
        self.pending = [entry for entry in self.pending if entry.stage != "stabilizing"]
        for entry in waiting:
            self._answer(entry.request, self._result(entry.what))

    def _result(self, what: object) -> messages.Done:
        cluster = self.cluster
        assert cluster is not None
        if isinstance(what, messages.MoveGroup | messages.OnlineGroup):
            states = cluster.groups[what.group]
            online = [node for node in cluster.nodes if states.state(node) == "ONLINE"]
            if (what.node and what.node not in online) or not online:
                return messages.Done("failed", f"Resource group {what.group} could not be brought online there.")
        elif isinstance(what, messages.OfflineGroup):
            states = cluster.groups[what.group]
            nodes = (what.node,) if what.node else tuple(cluster.nodes)
            if any(states.state(node) in (*HELD, "ERROR") for node in nodes):
                return messages.Done("failed", f"Resource group {what.group} could not be brought offline.")
        return messages.Done()

    # System events.

    def _reported(self, report: messages.SystemEvent) -> None:
        self._log(f"system event: {report.kind} {report.subject} {report.detail}".rstrip())
        if report.kind in ("interface_down", "interface_up"):
            self._interface(report)
        if self.cluster is None or not self.services:
            return
        if report.kind == "repository_lost":
            event = Event(events.REP_DISK_NOTIFY, self.node_id, network=report.detail, address=report.subject)
            self._want(event)
        elif report.kind in ("volume_group_lost", "disk_lost") and self.configuration is not None:
            lost = {report.subject} if report.kind == "volume_group_lost" else set(report.detail.split())
            for group in self.configuration.groups:
                held = self.cluster.groups[group.name].state(self.node_id) in HELD
                if held and lost & set(group.resource("VOLUME_GROUP")):
                    self._want(Event(events.RG_MOVE, self.node_id, mode=events.FAILED, group=group.name))

    def _interface(self, report: messages.SystemEvent) -> None:
        if self.configuration is None:
            return
        label = next(
            (
                entry
                for entry in self.configuration.labels
                if entry.function == "boot"
                and entry.node == self.node_name
                and report.subject in (entry.address, entry.interface, entry.label)
            ),
            None,
        )
        if label is None:
            return
        down = report.kind == "interface_down"
        if down == (label.address in self._down_here):
            return
        if down:
            self._down_here[label.address] = label.network
        else:
            del self._down_here[label.address]
        if self.services:
            name = events.FAIL_INTERFACE if down else events.JOIN_INTERFACE
            self._want(Event(name, self.node_id, network=label.network, address=label.address))

    # Time.

    def _tick(self) -> None:
        now, settings = self._now, self.settings
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
        if self._in_flight and now >= self._sent_at + settings.resend:
            self._log(f"no answer of Group Services to a proposal ({self._in_flight}), repeated")
            self._in_flight = ""
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            if self.cluster is not None and self.members and self.members[0] == self.node_id:
                self._want(Event(events.RG_ONLINE, self.node_id, mode=events.SETTLE))
        run = self.run
        if run is not None and now >= run.next_warning:
            run.warned += 1
            hour = 3600 * SECOND
            run.next_warning = now + min(settings.warning_interval << (run.warned - 1), hour)
            seconds = (now - run.began) // SECOND
            self._run_number += 1
            self._effects.append(
                RunScript(
                    self._run_number,
                    "config_too_long",
                    (str(seconds), run.program.path),
                    self._environment(),
                    serial=False,
                )
            )

    # Small things.

    def _group(self) -> str:
        assert self.configuration is not None
        return group_name(self.configuration.cluster.id)

    def _send(self, request: cthags.Request) -> None:
        self._effects.append(Send(request))

    def _vote(self, group: str, token: int, value: cthags.VoteValue, message: bytes | None = None) -> None:
        self._send(cthags.Vote(group, token, value, message=message))

    def _answer(self, request: int, what: messages.Progress | messages.Done) -> None:
        self._effects.append(Answer(request, what))

    def _log(self, text: str) -> None:
        self._effects.append(Log(text))

    def _log_state(self) -> None:
        if self.state != self._logged_state:
            self._log(f"state {self._logged_state or '-'} -> {self.state}")
            self._logged_state = self.state

    def _die(self, reason: str) -> None:
        self._log(reason)
        self._log(f"die: clstrmgr on node {self.node_id} is exiting with code {EXIT_CODE}")
        self.exited = True
        self._effects.append(Exit(EXIT_CODE, reason))


def approved_one_phase(approved: cthags.Approved) -> bool:
    """Did the protocol end without a vote?"""
    return approved.phase == 0
