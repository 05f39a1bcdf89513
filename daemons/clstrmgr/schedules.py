"""What comes from clocks and meters: delayed fallback timers, and the values of dynamic node priority policies.

Every node measures itself and tells all members; a fallover uses the last values that everybody has been told. A timer
that is due is the oldest member's business, so that it makes one event.
"""

from __future__ import annotations

from daemons.clstrmgr import events
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.inputs import FallbackTimerDue, Measured
from daemons.clstrmgr.monitoring import MonitorDesk
from daemons.clstrmgr.wire import PriorityValues
from daemons.cluster.placement import FallbackDue, place


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
