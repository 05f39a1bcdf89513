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

import msgspec

from daemons.clstrmgr import events
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.inputs import (
    Asked,
    Configured,
    Effect,
    FallbackTimerDue,
    GroupServicesLost,
    Input,
    JobWanted,
    Measured,
    MonitorEnded,
    Notified,
    ProcessesCounted,
    Publish,
    Reported,
    ResourceMonitoring,
    ResourceUpdated,
    ScriptEnded,
    Staged,
)
from daemons.clstrmgr.members import Members
from daemons.clstrmgr.wire import (
    ApplicationMark,
    Enqueue,
    GroupStable,
    NodeGone,
    PriorityValues,
    RunEvent,
    codec,
)
from daemons.cluster.configuration import whole_number
from daemons.cthags import messages as cthags
from srcctl.machine import RemoteFault, Tick


class ClusterManager(Members):
    """clstrmgrES of one node, as a machine: inputs in, effects out."""

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
                if self._script_ended(run, status) == "join":
                    self._send_join()
            case JobWanted(run):
                self._job_wanted(run)
                return self._effects  # like the next one, nothing that others see, and two of three inputs of a move
            case ResourceUpdated():
                self._resource_updated(value)
                return self._effects
            case MonitorEnded() | ProcessesCounted():
                self._monitor_said(value)
            case Staged():
                if self.cluster is not None:
                    self.cluster.staged = value.configuration
                    self.programs = {**self.programs, **value.programs}
            case Measured():
                self._measured(value)
            case FallbackTimerDue():
                self._fallback_due(value)
            case Asked(request, what):
                self._asked(request, what)
            case ResourceMonitoring(reachable):
                self._watch_resource_monitoring(reachable)
            case Reported(event):
                self._reported(event)
            case Tick():
                self._tick()
        if not self.exited:
            self._follow_applications()
            self._say_who_is_gone()
            self._note_forced_down()
            self._note_unstable()
            self._note_stable_groups()
            self._propose()
            self._answer_when_stable()
            self._log_state()
        self._effects.append(Publish())
        return self._effects

    def next_deadline(self) -> int | None:
        """When a Tick is wanted."""
        deadlines = [time for time in (self._retry_at, self._settle_at) if time is not None]
        deadlines.extend(self._monitor_deadlines())
        deadlines.extend(self._schedule_deadlines())
        if self._rmc_lost_at is not None:
            deadlines.append(self._rmc_lost_at + self._rmc_grace())
        if self._in_flight:
            deadlines.append(self._sent_at + self.settings.resend)
        if self.run is not None:
            deadlines.append(self.run.next_warning)
        awaited = self._awaited() if self._gone and self.cluster is not None else []
        deadlines.extend(
            time + self.settings.gone_patience
            for node, time in self._gone.items()
            if node in awaited and NodeGone(node) not in self.outbox
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

    def _configure(self, value: Configured) -> None:
        self.programs = dict(value.programs)
        if self.cluster is None and not self._join_sent:
            self.configuration = value.configuration
            self._interfaces_changed()
            self._log("configuration read" if value.configuration else "no cluster is configured")
            if value.configuration is None and self.joining is not None:
                self._fail_join("not_configured", "This node was taken out of the cluster while it was to start.")
        elif value.configuration != self.configuration:
            # A join that is under way as well: it was checked that the active nodes have the one it began with.
            self._log("the configuration changed while cluster services are active; it counts from the next start on")

    def _notified(self, notification: cthags.Notification) -> None:
        match notification:
            case cthags.NPhase():
                if self._concerns_us(notification):
                    self._protocol = True
                    self._n_phase(notification)
                else:
                    self._vote(notification.group, notification.token, "approve")
            case cthags.Approved() | cthags.Rejected():
                if self._concerns_us(notification):
                    self._protocol = False
                    self._settle_proposal(notification)
                    if isinstance(notification, cthags.Approved):
                        self._approved(notification)
                    else:
                        self._rejected(notification)
            case cthags.Subscription(group=cthags.HOST_MEMBERSHIP):
                self._host_membership({provider.node: provider.instance for provider in notification.providers})
            case cthags.DelayedError():
                self._delayed_error(notification)
            case cthags.Announcement():
                self._log(f"announcement: {', '.join(notification.summary)}")
                if "group_dissolved" in notification.summary and (self.cluster is not None or self._join_sent):
                    self._die("domain merge: the other side stays, this node gives way", self._merge_action())
            case cthags.ResponsivenessProbe(serial):
                self._send(cthags.Alive(serial))
            case cthags.Died():
                self._group_services_lost("Group Services died")
            case _:
                pass

    def _group_services_lost(self, reason: str) -> None:
        """A member cannot be without them and the node halts, also one whose services are stopped with unmanage.

        Its cluster manager is still a member, which RSCT serves (the product's guide on stopping with unmanage), and
        without cthags PowerHA fails the node (APAR IJ22296); so the guide on software updates has services stopped
        with "Bring Resource Groups Offline" before RSCT is updated, and with unmanage only for anything else.
        """
        if self.cluster is not None or self._join_sent:
            self._die(reason)
            return
        # Whoever answers next knows nothing of this client.
        self._subscribed = False
        if self.joining is not None:
            self._fail_join("cthags", reason)
        else:
            self._log(reason)

    def _concerns_us(self, notification: cthags.NPhase | cthags.Approved | cthags.Rejected) -> bool:
        """Is it about this process's own membership, or about a group that it is in?

        A node that restarts fast may be told of the provider that it was before its restart.
        """
        if self.cluster is not None:
            return notification.self_provider == self.self_provider
        mine = notification.self_provider in notification.changing
        if self._join_sent and notification.protocol == "join" and mine:
            return True
        self._log(f"{notification.protocol} for provider {notification.self_provider} of an earlier life ignored")
        return False

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
                self._gone.pop(provider.node, None)
                self.cluster.forget_interfaces(provider.node)
                if self.cluster.nodes.get(provider.node) == "down":
                    self.cluster.nodes[provider.node] = "joining"
                self._log(f"node {provider.node} joined the group, members {list(nodes)}", notice=True)
        elif approved.protocol in ("leave", "failure_leave", "expel"):
            self._failure_follows = False
            if approved.self_provider in approved.changing:
                self._left(approved.protocol)
                return
            self.members = nodes
            for provider, reason in zip(approved.changing, approved.reasons, strict=False):
                self._member_left(provider.node, reason)
        elif approved.protocol == "message":
            self._failure_follows = "provider_failed" in approved.summary
            if self.run is not None and not approved_one_phase(approved):
                self._finish()
            else:
                self._one_phase(approved)

    def _rejected(self, rejected: cthags.Rejected) -> None:
        if self.cluster is not None:
            self.cluster.version += 1
        if rejected.protocol == "failure_leave":
            self._failure_follows = False
            self.members = tuple(dict.fromkeys(provider.node for provider in rejected.providers))
            for provider, reason in zip(rejected.changing, rejected.reasons, strict=False):
                self.members = tuple(node for node in self.members if node != provider.node)
                self._member_left(provider.node, reason)
        elif rejected.protocol == "join" and self.cluster is not None:
            # A cluster manager that wants to join lives on a node that has booted since its last one failed.
            for provider in rejected.changing:
                self.cluster.node_gone(provider.node)
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
        if not isinstance(message, Enqueue | NodeGone | ApplicationMark | PriorityValues | GroupStable):
            return
        if self.outbox and self.outbox[0] == message:
            self.outbox.popleft()
        if isinstance(message, NodeGone):
            self._gone.pop(message.node, None)
            self.cluster.node_gone(message.node)
            self._log(f"node {message.node} has left the view")
        elif isinstance(message, PriorityValues):
            self.cluster.priorities[message.node] = message.values
        elif isinstance(message, GroupStable):
            self._group_is_stable(message)
        elif isinstance(message, ApplicationMark):
            self._application_marked(message)
        else:
            self._enqueue(message.event)

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
        self._warn_if_too_long()
        if self._rmc_lost_at is not None and now >= self._rmc_lost_at + self._rmc_grace():
            seconds = self._rmc_grace() // settings.settling_scale
            self._die(f"Resource monitoring (ctrmc) was not restarted within {seconds} seconds: the node fails")
        self._monitor_tick()
        self._schedule_tick()

    def _watch_resource_monitoring(self, reachable: bool) -> None:
        """ctrmc is a critical daemon: a node without it fails when the time for its restart is over."""
        if reachable or not self.services:
            self._rmc_lost_at = None
        elif self._rmc_lost_at is None:
            self._rmc_lost_at = self._now
            self._log("Resource monitoring (ctrmc) cannot be reached", notice=True)

    def _rmc_grace(self) -> int:
        assert self.configuration is not None
        value = self.configuration.setting("CRIT_DAEMON_RESTART_GRACE_PERIOD", "60")
        return whole_number(value, 60) * self.settings.settling_scale

    def _log_state(self) -> None:
        if self.state != self._logged_state:
            self._log(f"state {self._logged_state or '-'} -> {self.state}")
            self._logged_state = self.state


def approved_one_phase(approved: cthags.Approved) -> bool:
    """Did the protocol end without a vote?"""
    return approved.phase == 0
