"""What operators and system events of this node ask for: checked here, then turned into events for all members."""

from __future__ import annotations

from typing import Final

import msgspec

from daemons.clstrmgr import events, messages, reconfiguration, secondary_instances
from daemons.clstrmgr.activity import Pending
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.inputs import (
    Subsystems,
)
from daemons.clstrmgr.refusals import node_refusal
from daemons.clstrmgr.replicated import ClusterState, configuration_digest
from daemons.clstrmgr.schedules import ScheduleDesk
from daemons.clstrmgr.secondary_instances import GroupRequest
from daemons.clstrmgr.wire import Enqueue
from daemons.cluster.configuration import Label
from daemons.cluster.dependencies import objection
from daemons.cluster.placement import HELD, OperatorMove, OperatorOffline
from daemons.cthags import messages as cthags
from srcctl.machine import LocalFault

OCCURRENCES: Final = ("verification_errors", "user_defined", "repository_reminder")
"""Kinds of reports that are news every time."""

NOT_ACTIVE: Final = "Cluster services are not active on this node."


class OperatorDesk(ScheduleDesk):
    """The part that answers operators."""

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
            case messages.ManageGroups():
                self._pend(request, what, Event(events.RG_ONLINE, self.node_id, mode=events.MANAGE))
            case messages.MoveGroup():
                self._pend(request, what, self._group_event(events.RG_MOVE, what))
            case messages.OnlineGroup():
                self._pend(request, what, self._group_event(events.RG_ONLINE, what))
            case messages.OfflineGroup():
                self._pend(request, what, self._group_event(events.RG_OFFLINE, what))
            case messages.SuspendMonitoring() | messages.ResumeMonitoring():
                self._change_monitoring(request, what)
            case messages.Reconfigure():
                assert self.cluster is not None
                self._pend(request, what, reconfiguration.event_for(self.cluster, self.node_id))
            case messages.RecoverFromScriptFailure():
                self.rp_failed = False
                self._log("recovery requested by an operator")
                self._answer(request, messages.Done())
                if self.run is not None:
                    self._phase_done(self.run)
            case _:
                raise LocalFault(f"no operator's request: {what!r}")

    def _group_event(self, name: str, what: GroupRequest) -> Event:
        assert self.cluster is not None
        holder = self.cluster.holder(what.group)
        if what.secondary:
            holder = next(iter(self.cluster.groups[what.group].secondary_holders()), 0)
        about = holder or what.node or self.node_id
        return Event(name, about, mode=events.OPERATOR, group=what.group, target=what.node, secondary=what.secondary)

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
        if self.run is not None and self.error_seen:
            # Nothing runs before the recovery: a request would wait for ever.
            return messages.Done(
                "failed",
                f"An event script has failed in {self.run.event.name}.  The cluster is unstable and requires manual "
                "intervention to continue processing.",
            )
        cluster = self.cluster
        if isinstance(what, messages.Reconfigure) and cluster is not None:
            return self._reconfiguration_refusal(cluster)
        if cluster is None or cluster.nodes.get(self.node_id) != "up":
            return messages.Done("not_active", NOT_ACTIVE)
        if isinstance(what, GroupRequest):
            return secondary_instances.refusal(cluster, what) if what.secondary else self._group_refusal(cluster, what)
        if isinstance(what, messages.SuspendMonitoring | messages.ResumeMonitoring):
            return self._monitoring_refusal(cluster, what)
        return None

    def _reconfiguration_refusal(self, cluster: ClusterState) -> messages.Done | None:
        if cluster.staged is None:
            return messages.Done("failed", "The staging directory holds no configuration that can be used.")
        if configuration_digest(cluster.staged) == cluster.digest_of_configuration:
            return messages.Done()
        if self.run is not None or cluster.queue or self.outbox:
            return messages.Done("busy", "An event is being processed: the cluster is not stable.")
        objection = reconfiguration.objection(cluster, cluster.staged)
        return messages.Done("denied", objection) if objection else None

    def _group_refusal(self, cluster: ClusterState, what: GroupRequest) -> messages.Done | None:
        policy = cluster.policy(what.group)
        if policy is None:
            return messages.Done("unknown_group", f"There is no resource group {what.group}.")
        group = cluster.groups[what.group]
        states = [group.state(node) for node in policy.nodes]
        if what.node and (refused := node_refusal(cluster, policy, what.node)) is not None:
            return refused
        objection = self._objection(cluster, what)
        if objection:
            return messages.Done("denied", objection)
        if "UNMANAGED" in states and not self._may_be_managed(cluster, what):
            return messages.Done("denied", f"Resource group {what.group} is unmanaged.")
        coming = self._coming(cluster, what.group)
        if isinstance(what, messages.OfflineGroup):
            held = [node for node in policy.nodes if group.state(node) in (*HELD, "ERROR", "UNMANAGED")]
            held += coming
            if not held:
                return messages.Done("already", f"Resource group {what.group} is offline already.")
            if what.node and what.node not in held:
                return messages.Done("already", f"Resource group {what.group} is offline on that node already.")
            return None
        if isinstance(what, messages.OnlineGroup) and not policy.concurrent and "ONLINE" in states and not coming:
            return messages.Done("already", f"Resource group {what.group} is online already.")
        if isinstance(what, messages.OnlineGroup) and policy.concurrent and not what.node:
            places = [node for node in policy.nodes if cluster.node_available(node, what.group)]
            if places and all(group.state(node) == "ONLINE" for node in places):
                return messages.Done(
                    "already", f"Resource group {what.group} is online on all available nodes already."
                )
        if what.node and group.state(what.node) == "ONLINE" and not coming:
            return messages.Done("already", f"Resource group {what.group} is online on that node already.")
        if what.node and not cluster.node_available(what.node, what.group):
            return messages.Done("not_eligible", f"A network that {what.group} needs is down on that node.")
        somewhere = any(state in (*HELD, "UNMANAGED") for state in states) or coming
        if isinstance(what, messages.MoveGroup) and not somewhere:
            return messages.Done("denied", f"Resource group {what.group} is online nowhere: bring it online instead.")
        return None

    def _coming(self, cluster: ClusterState, name: str) -> tuple[int, ...]:
        """Nodes on which a group is about to come online: the event that runs takes it there, or one that waits.

        A request waits for those before it, instead of being told how things are in between.
        """
        if not cluster.queue:
            return ()
        planned = [node for item in cluster.plan_items() if item.group == name for node in item.acquire]
        asked = [
            event.target or event.node
            for event in cluster.queue
            if event.group == name and event.name in (events.RG_MOVE, events.RG_ONLINE) and not event.secondary
        ]
        goals = cluster.groups[name].goals if cluster.dependencies else ()
        group = cluster.groups[name]
        return tuple(node for node in dict.fromkeys((*planned, *asked, *goals)) if group.state(node) != "ONLINE")

    def _may_be_managed(self, cluster: ClusterState, what: GroupRequest) -> bool:
        """May the request make an unmanaged group managed again?

        It does if it takes it from nodes that can give it back, or if those have gone, and so all that they had. Where
        groups depend on each other services have to start on a node that is there (inferred).
        """
        there = {node for node, state in cluster.groups[what.group].states.items() if state == "UNMANAGED"}
        gone = {node for node in there if node not in self.members and self._alive and node not in self._alive}
        if there == gone:
            return True
        if isinstance(what, messages.OnlineGroup) or cluster.dependencies:
            return False
        return all(node in self.members for node in there - gone)

    def _objection(self, cluster: ClusterState, what: GroupRequest) -> str:
        """Why the dependencies between groups forbid the request, "" if they do not."""
        if not cluster.dependencies:
            return ""
        offline = isinstance(what, messages.OfflineGroup)
        asked = OperatorOffline(what.group, what.node) if offline else OperatorMove(what.group, what.node)
        return objection(asked, cluster.policies, cluster.situations(), cluster.dependencies, cluster.node_names)

    def _monitoring_refusal(
        self, cluster: ClusterState, what: messages.SuspendMonitoring | messages.ResumeMonitoring
    ) -> messages.Done | None:
        group = cluster.configuration.group(what.group)
        if group is None:
            return messages.Done("unknown_group", f"There is no resource group {what.group}.")
        if what.application not in group.resource("APPLICATIONS"):
            return messages.Done(
                "unknown_application", f"Application controller {what.application} is not in group {what.group}."
            )
        if not any(entry.long_running for entry in self._definitions(what.application)):
            return messages.Done("denied", f"Application controller {what.application} has no long-running monitor.")
        if "ONLINE" not in cluster.groups[what.group].states.values():
            return messages.Done("denied", f"Resource group {what.group} is not online.")
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
        if entry is None or self._join_sent or any(script.purpose == "join" for script in self.scripts):
            return  # Group Services were lost while the script ran, perhaps another request has come since
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

    def _answer_when_stable(self) -> None:
        if self.cluster is None or self.run is not None or self.cluster.queue or self.outbox or self._leaving:
            return
        if self._failure_follows:
            return  # what the event has brought about may be gone with the member
        waiting = [entry for entry in self.pending if entry.stage == "stabilizing"]
        self.pending = [entry for entry in self.pending if entry.stage != "stabilizing"]
        for entry in waiting:
            self._answer(entry.request, self._result(entry.what))

    def _result(self, what: object) -> messages.Done:
        cluster = self.cluster
        assert cluster is not None
        if isinstance(what, messages.Reconfigure) and self._cancelled:
            return messages.Done("unprepared", self._cancelled)
        if isinstance(what, GroupRequest) and what.secondary:
            return secondary_instances.result(cluster, what)
        if isinstance(what, messages.MoveGroup | messages.OnlineGroup):
            states = cluster.groups[what.group]
            online = [node for node in cluster.nodes if states.state(node) == "ONLINE"]
            policy = next(policy for policy in cluster.policies if policy.name == what.group)
            everywhere = policy.concurrent and not what.node
            missing = [
                node
                for node in policy.nodes
                if everywhere and node not in online and cluster.node_available(node, what.group)
            ]
            if (what.node and what.node not in online) or not online or missing:
                return messages.Done("failed", f"Resource group {what.group} could not be brought online there.")
        elif isinstance(what, messages.OfflineGroup):
            states = cluster.groups[what.group]
            nodes = (what.node,) if what.node else tuple(cluster.nodes)
            if any(states.state(node) in (*HELD, "ERROR", "UNMANAGED") for node in nodes):
                return messages.Done("failed", f"Resource group {what.group} could not be brought offline.")
        elif isinstance(what, messages.StopServices) and (kept := cluster.unreleased_on(self.node_id)):
            return messages.Done(
                "failed",
                f"Resource group {kept[0]} could not be released on node {self.node_name}: "
                "it is in ERROR, and cluster services stay active.",
            )
        return messages.Done()

    def is_news(self, report: messages.SystemEvent) -> bool:
        """Whether a report of clevmgrdES tells anything: it was not seen before, and its matter is not known."""
        if self._was_seen(report):
            return False
        if report.kind in OCCURRENCES:
            return True
        if report.kind in ("interface_down", "interface_up"):
            label = self._boot_label(report.subject)
            return label is not None and (report.kind == "interface_down") != (label.address in self.addresses.down)
        thing, _, what = report.kind.rpartition("_")
        return (what == "lost") != ((thing, report.subject) in self._lost_here)

    def _was_seen(self, report: messages.SystemEvent) -> bool:
        return bool(report.serial) and report.serial <= self._last_report

    def _reported(self, report: messages.SystemEvent) -> None:
        news = self.is_news(report)
        if report.kind in ("interface_down", "interface_up") and not self._was_seen(report):
            change = self._interfaces_lost.add if report.kind == "interface_down" else self._interfaces_lost.discard
            change(report.subject)
        self._last_report = max(self._last_report, report.serial)
        if not news:
            return
        self._log(f"system event: {report.kind} {report.subject} {report.detail}".rstrip())
        if report.kind in ("interface_down", "interface_up"):
            self._interface(report)
            return
        if report.kind in OCCURRENCES:
            self._occurred(report)
            return
        thing, _, what = report.kind.rpartition("_")
        if what == "back":
            del self._lost_here[thing, report.subject]
            if thing == "repository" and report.detail and self.cluster is not None and self.services:
                self._want(self._repository_event(report, events.BACK))
            return
        self._lost_here[thing, report.subject] = report.detail
        if self.cluster is None or not self.services:
            return
        if thing == "repository":
            self._want(self._repository_event(report))
        elif thing == "volume_group" and self.configuration is not None:
            # A disk alone moves nothing: a volume group that keeps its quorum works on (selective fallover follows
            # LVM_SA_QUORCLOSE).
            for group in self.configuration.groups:
                held = self.cluster.groups[group.name].state(self.node_id) in HELD
                if not held or report.subject not in group.resource("VOLUME_GROUP"):
                    continue
                if not self._notify_loss(group, "VOLUME_GROUP", report.subject):
                    self._want(Event(events.RG_MOVE, self.node_id, mode=events.FAILED, group=group.name))

    def _occurred(self, report: messages.SystemEvent) -> None:
        """Something that has no opposite."""
        if self.cluster is None or not self.services:
            return
        if report.kind == "verification_errors":
            self._want(Event(events.CLUSTER_NOTIFY, self.node_id))
        elif report.kind == "repository_reminder":
            if ("repository", report.subject) in self._lost_here:
                self._want(self._repository_event(report))
        elif any(event.name == report.subject for event in self.cluster.configuration.user_events):
            self._want(Event(report.subject, self.node_id, mode=events.USER))

    def _repository_event(self, report: messages.SystemEvent, mode: str = "") -> Event:
        return Event(events.REP_DISK_NOTIFY, self.node_id, mode=mode, network=report.detail, address=report.subject)

    def _boot_label(self, subject: str) -> Label | None:
        """This node's boot label that a report names by address, interface or label."""
        if self.configuration is None:
            return None
        return next(
            (
                entry
                for entry in self.configuration.labels
                if entry.function == "boot"
                and entry.node == self.node_name
                and subject in (entry.address, entry.interface, entry.label)
            ),
            None,
        )

    def _interface(self, report: messages.SystemEvent) -> None:
        label = self._boot_label(report.subject)
        if label is None:
            return
        down = report.kind == "interface_down"
        if down:
            self.addresses.down[label.address] = label.network
        else:
            del self.addresses.down[label.address]
        if self.services:
            for event in self._interface_events(label, down):
                self._want(event)

    def _interfaces_changed(self) -> None:
        """Interfaces that became a part of the cluster while they are down are events; those that left it are none."""
        before, self.addresses.down = self.addresses.down, {}
        for label in self.configuration.labels if self.configuration is not None else ():
            if label.function != "boot" or label.node != self.node_name:
                continue
            if self._interfaces_lost.isdisjoint((label.address, label.interface, label.label)):
                continue
            self.addresses.down[label.address] = label.network
            if self.services and before.get(label.address) != label.network:
                for event in self._interface_events(label, down=True):
                    self._want(event)

    def _managed_again(self) -> None:
        """What came and went while services were stopped with unmanage was no event then.

        It is told when the groups of the node are online again: a network that is gone moves them then, as any time.
        """
        cluster = self.cluster
        assert cluster is not None
        on_the_way = {entry.event.address for entry in self.outbox if isinstance(entry, Enqueue)}
        for label in cluster.configuration.labels:
            if label.function != "boot" or label.node != self.node_name or label.address in on_the_way:
                continue
            down = label.address in self.addresses.down
            if down != ((self.node_id, label.address) in cluster.addresses_down):
                for event in self._interface_events(label, down):
                    self._want(event)
        for (thing, name), detail in self._lost_here.items():
            if thing == "repository":
                self._want(Event(events.REP_DISK_NOTIFY, self.node_id, network=detail, address=name))

    def _interface_events(self, label: Label, down: bool) -> list[Event]:
        """An interface with service labels that another one can take over is swapped; nothing else moves then."""
        assert self.configuration is not None
        standby = self.addresses.is_standby(self.configuration, label.address)
        back, lost = events.JOIN_INTERFACE, events.FAIL_INTERFACE
        if standby:
            back, lost = events.JOIN_STANDBY, events.FAIL_STANDBY
        about = Event(back, self.node_id, network=label.network, address=label.address)
        if not down:
            return [about]
        services = self.addresses.labels_on(label.address)
        if services and self.addresses.another_is_up(self.configuration, label.network, label.address):
            return [msgspec.structs.replace(about, name=events.SWAP_ADAPTER, service=name) for name in services]
        return [msgspec.structs.replace(about, name=lost)]
