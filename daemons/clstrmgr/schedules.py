"""What comes from clocks and meters: delayed fallback timers, the values of dynamic node priority policies, networks
that come and go, nodes that stay stopped with their groups unmanaged, and groups that have been well for long.

Every node measures itself and tells all members; a fallover uses the last values that everybody has been told. A timer
that is due is the business of one member, so that it makes one event. The events are the product's; how often a network
must be lost to be unstable, and what too long is, is inferred.
"""

from __future__ import annotations

from typing import Final

from daemons.clstrmgr import events
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.inputs import EventMark, FallbackTimerDue, Measured
from daemons.clstrmgr.monitoring import MonitorDesk
from daemons.clstrmgr.wire import Enqueue, GroupStable, PriorityValues
from daemons.cluster.placement import FallbackDue, place

UNSTABLE_LOSSES: Final = 3
"""A network is unstable that one node, or all of them at once, lost so often within ``UNSTABLE_WINDOW``."""
UNSTABLE_WINDOW: Final = 300
"""Product seconds. A network that was neither lost nor came back for as long is stable again."""
FORGIVEN_AFTER: Final = 3600
"""Product seconds without a failure after which nodes where a group failed before are candidates again."""
FORCED_DOWN_LIMIT: Final = 3600
"""Product seconds for which a node may be stopped with its groups unmanaged before the others say so."""


class ScheduleDesk(MonitorDesk):
    """The part that clocks and meters speak to."""

    def _measured(self, measured: Measured) -> None:
        if self.services:
            # A measurement that was not told yet is out of date now.
            for message in [entry for entry in self.outbox if isinstance(entry, PriorityValues)]:
                if message is not self.outbox[0]:
                    self.outbox.remove(message)
            self.outbox.append(PriorityValues(self.node_id, dict(measured.values)))

    def _fallback_due(self, due: FallbackTimerDue) -> None:
        cluster, configuration = self.cluster, self.configuration
        if cluster is None or configuration is None or not self.services or self.members[:1] != (self.node_id,):
            return
        for group in configuration.groups:
            if group.fallback_timer != due.timer:
                continue
            if place(FallbackDue(group.name), cluster.policies, cluster.situations()):
                self._log(f"fallback timer {due.timer} of resource group {group.name} is due")
                node = cluster.holder(group.name) or self.node_id
                self._want(Event(events.RG_MOVE, node, mode=events.FALLBACK, group=group.name))

    # Networks that come and go.

    def _speaks(self) -> bool:
        """Is this node the one that tells for all: the oldest member with active services?"""
        cluster = self.cluster
        first = next((node for node in self.members if cluster and cluster.nodes.get(node) == "up"), 0)
        return first == self.node_id and self.services

    def _network_changed(self, event: Event) -> None:
        cluster = self.cluster
        assert cluster is not None
        window = UNSTABLE_WINDOW * self.settings.settling_scale
        place = event.network, event.node
        losses = [time for time in self._network_losses.get(place, ()) if time > self._now - window]
        if event.name == events.FAIL_NETWORK:
            losses.append(self._now)
        self._network_losses[place] = losses
        if len(losses) >= UNSTABLE_LOSSES and event.network not in cluster.networks_unstable and self._speaks():
            self._want_once(Event(events.NETWORK_UNSTABLE, 0, network=event.network))
        elif event.network in cluster.networks_unstable:
            losses[-1:] = [self._now]  # a return is a change, too

    def _want_once(self, event: Event) -> None:
        """Have an event queued unless it is on its way already."""
        alike = (event.name, event.network, event.node)
        if not any((entry.name, entry.network, entry.node) == alike for entry in self._on_the_way()):
            self._want(event)

    def _settled_networks(self) -> dict[str, int]:
        """When each unstable network is stable again, if nothing happens."""
        cluster = self.cluster
        if cluster is None or not cluster.networks_unstable or not self._speaks():
            return {}
        window = UNSTABLE_WINDOW * self.settings.settling_scale
        last: dict[str, int] = {}
        for (name, _), losses in self._network_losses.items():
            if losses and name in cluster.networks_unstable:
                last[name] = max(last.get(name, 0), *losses)
        for name in cluster.networks_unstable - last.keys():
            last[name] = self._now
            self._network_losses[name, 0] = [self._now]
        return {name: last[name] + window for name in sorted(last)}

    # Groups that are well again.

    def _note_stable_groups(self) -> None:
        groups = self.cluster.groups if self.cluster is not None and self.services else {}
        if not self._well_since and not any(group.tried for group in groups.values()):
            return
        failing = {watched.group for watched in self.watched.values() if watched.handled}
        well = [
            name
            for name, group in groups.items()
            if group.tried and group.state(self.node_id) == "ONLINE" and name not in failing
        ]
        self._well_since = {name: self._well_since.get(name, self._now) for name in well}

    def _forgiven(self) -> dict[str, int]:
        """When each group that is online here has been well for long enough."""
        limit = FORGIVEN_AFTER * self.settings.settling_scale
        return {
            name: since + limit
            for name, since in self._well_since.items()
            if GroupStable(self.node_id, name) not in self.outbox
        }

    def _group_is_stable(self, message: GroupStable) -> None:
        group = self.cluster.groups.get(message.group) if self.cluster is not None else None
        if group is not None and group.state(message.node) == "ONLINE":
            self._log(f"former failures of resource group {message.group} are forgotten")
            group.tried.clear()

    # Nodes that stay unmanaged.

    def _note_forced_down(self) -> None:
        nodes = self.cluster.nodes if self.cluster is not None else {}
        if self._forced_since or "unmanaged" in nodes.values():
            unmanaged = [node for node, word in nodes.items() if word == "unmanaged"]
            self._forced_since = {node: self._forced_since.get(node, self._now) for node in unmanaged}

    def _overdue(self) -> dict[int, int]:
        """When each node has been stopped with unmanaged groups for too long."""
        if not self._forced_since or not self._speaks():
            return {}
        limit = FORCED_DOWN_LIMIT * self.settings.settling_scale
        return {node: since + limit for node, since in self._forced_since.items() if since >= 0}

    # A cluster that does not get stable.

    def _note_unstable(self) -> None:
        """Events wait: since when?"""
        if self.cluster is None or not (self.cluster.queue or self.outbox):
            self._unstable_since = None
        elif self._unstable_since is None:
            self._unstable_since = self._now

    def _unstable_too_long(self) -> list[int]:
        """When it is time to say that no event gets on; while one runs, that is config_too_long's to say."""
        if self._unstable_since is None or self.run is not None:
            return []
        return [self._unstable_since + self.settings.event_limit + self.settings.group_limit]

    def _schedule_deadlines(self) -> list[int]:
        queued = {entry.network for entry in self._on_the_way() if entry.name == events.NETWORK_STABLE}
        networks = [time for name, time in self._settled_networks().items() if name not in queued]
        return [*networks, *self._overdue().values(), *self._forgiven().values(), *self._unstable_too_long()]

    def _on_the_way(self) -> list[Event]:
        queue = self.cluster.queue if self.cluster is not None else []
        return [*(entry.event for entry in self.outbox if isinstance(entry, Enqueue)), *queue]

    def _schedule_tick(self) -> None:
        if self.cluster is not None and any(self._now >= time for time in self._unstable_too_long()):
            self._unstable_since = self._now
            self._log("the cluster has been unstable for too long: events wait, and none gets on", notice=True)
            mark = EventMark(self.cluster.serial, events.UNSTABLE_TOO_LONG, self.node_id, "", "start")
            self._effects.append(mark)
        for name, time in self._settled_networks().items():
            if self._now >= time:
                self._want_once(Event(events.NETWORK_STABLE, 0, network=name))
        for group, time in self._forgiven().items():
            if self._now >= time:
                self.outbox.append(GroupStable(self.node_id, group))
        for node, time in self._overdue().items():
            if self._now >= time:
                self._forced_since[node] = -1
                self._want_once(Event(events.FORCED_DOWN_TOO_LONG, node))
