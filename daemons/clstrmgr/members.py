"""Who is in the cluster managers' group: joining, with the state that the others hand over; leaving; and failing."""

from __future__ import annotations

from daemons.clstrmgr import events, messages, plan
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.inputs import ReadStaged, Subsystems
from daemons.clstrmgr.operators import NOT_ACTIVE, OperatorDesk
from daemons.clstrmgr.replicated import ClusterState, StateRecord, record_codec
from daemons.clstrmgr.wire import NodeGone
from daemons.cluster.placement import HELD
from daemons.cthags import messages as cthags
from srcctl.machine import RemoteFault


class Members(OperatorDesk):
    """The part that follows the membership of the group and of the domain."""

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
            # Whoever lives has given the state by the second phase: all providers have failed meanwhile.
            self._vote(phase.group, phase.token, "continue" if phase.phase == 1 else "reject")
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

    def _host_membership(self, boots: dict[int, int]) -> None:
        before, self._boots = self._boots, {**self._boots, **boots}
        reborn = {node for node, boot in boots.items() if before.get(node) and boot > before[node]}
        self._alive = frozenset(boots)
        nodes = self._alive - reborn
        if self.cluster is not None:
            # A member whose node leaves the view has failed, even if its failure is dealt with much later, when the
            # node may have booted anew.
            for node in (*self.members, *self._awaited()):
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
        for node in self._awaited():
            time = self._gone.get(node)
            if time is None:
                continue
            oldest = bool(self.members) and self.members[0] == self.node_id
            if (oldest or self._now >= time + self.settings.gone_patience) and NodeGone(node) not in self.outbox:
                self.outbox.append(NodeGone(node))

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
        if any(event.name in events.RECONFIGURATIONS for event in self.cluster.queue):
            self._effects.append(ReadStaged())
        if not self.cluster.settled:
            seconds = self.configuration.cluster.settling_time
            self._settle_at = self._now + seconds * self.settings.settling_scale
        assert self.joining is not None
        what = self.joining.what
        assert isinstance(what, messages.StartServices)
        for address, network in self.addresses.down.items():
            standby = self.addresses.is_standby(self.configuration, address)
            name = events.FAIL_STANDBY if standby else events.FAIL_INTERFACE
            self._want(Event(name, self.node_id, network=network, address=address))
        for (thing, name), detail in self._lost_here.items():
            if thing == "repository":
                self._want(Event(events.REP_DISK_NOTIFY, self.node_id, network=detail, address=name))
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
        self._rmc_lost_at = None
        self.outbox.clear()
        self._settle_at = None
        self._effects.append(Subsystems(start=False, clinfo=True))
        for entry in self.pending:
            if isinstance(entry.what, messages.StopServices):
                self._answer(entry.request, messages.Done())
            else:
                self._answer(entry.request, messages.Done("lost", NOT_ACTIVE))
        self.pending.clear()

    def _member_left(self, node: int, reason: str) -> None:
        cluster = self.cluster
        assert cluster is not None
        self._log(f"node {node} left the group ({reason}), members {list(self.members)}", notice=True)
        if node not in cluster.nodes:
            # It was to join with a configuration that has it, and failed before anybody could refuse it.
            self._drop_events_of(node)
            return
        holding = any(group.state(node) in HELD for group in cluster.groups.values())
        if (cluster.nodes.get(node) == "unmanaged" and not holding) or reason == "voluntary_leave":
            # Stopped before it left, or stopped with unmanage: nothing of it is taken over.
            cluster.nodes[node] = "down"
            for group in cluster.groups.values():
                if reason == "host_failure" and group.state(node) == "ERROR":
                    # Whatever could not be released there is free now.
                    group.set(node, "OFFLINE")
            self._drop_events_of(node)
            return
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
