"""The common ground of the cluster manager's parts."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from daemons.clstrmgr import events, messages
from daemons.clstrmgr.activity import Pending, Run, Script, Settings
from daemons.clstrmgr.addresses import ServiceAddresses
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.inputs import (
    Answer,
    Effect,
    Exit,
    Log,
    ReadStaged,
    Send,
    Store,
)
from daemons.clstrmgr.messages import ManagerState
from daemons.clstrmgr.monitors import Definition, Monitor, Watched
from daemons.clstrmgr.recovery_program import Program
from daemons.clstrmgr.replicated import ClusterState, StateRecord
from daemons.clstrmgr.wire import ApplicationMark, Enqueue, GroupStable, NodeGone, PriorityValues, group_name
from daemons.cluster.configuration import Configuration
from daemons.cthags import messages as cthags

EXIT_CODE: Final = 4
"""The exit code of a cluster manager that gives up (seen in the product's clstrmgr.debug)."""

DISABLING_ACTIONS: Final = ("disable_rgs_autostart", "disable_cluster_services_autostart")
"""Action plans (clmgr's ACTION_PLAN) that do more than reboot the node."""


class Foundation:
    """What all parts of the cluster manager share: its attributes, its queue of effects, and how it speaks.

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
        self.outbox: deque[Enqueue | NodeGone | ApplicationMark | PriorityValues | GroupStable] = deque()
        self.pending: list[Pending] = []
        self.joining: Pending | None = None
        self.watched: dict[tuple[str, str], Watched] = {}
        """Applications that are online here, by group and name, with their monitors."""
        self._monitor_runs: dict[int, tuple[Watched, Monitor]] = {}
        self._monitors_of: Configuration | None = None
        self._monitor_definitions: dict[str, tuple[Definition, ...]] = {}
        self.rp_failed = False
        self.error_seen = False
        self._cancelled = ""
        self._was_unmanaged = False
        """Were services stopped with unmanage before those that start now?"""
        self._failure_follows = False
        """A member failed in the protocol that ended last: Group Services tells so by another one at once."""
        self._unstable_since: int | None = None
        """Since when events wait and none has been completed."""
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
        self._rmc_lost_at: int | None = None
        self._network_losses: dict[tuple[str, int], list[int]] = {}
        """When each network was lost lately on each node (0: on all of them), by this node's clock."""
        self._well_since: dict[str, int] = {}
        """Since when a group that has failed elsewhere is online here without a failure."""
        self._forced_since: dict[int, int] = {}
        """Since when a node's services are stopped with its groups unmanaged; a negative time was told already."""
        self._alive: frozenset[int] = frozenset()
        self._boots: dict[int, int] = {}
        """The newest boot of each node that Group Services has told of."""
        self._gone: dict[int, int] = {}
        self._lost_here: dict[tuple[str, str], str] = {}
        """What clevmgrdES reported lost, as pairs of kind of thing and name, with the report's detail."""
        self._interfaces_lost: set[str] = set()
        """Interfaces of this node that clevmgrdES reported down, by the name it gave: those outside the cluster's
        networks, too, which may become a part of one by dynamic reconfiguration."""
        self._last_report = 0
        self.addresses = ServiceAddresses(node_name)
        self._request_number = 0
        self._run_number = 0
        self._logged_state: ManagerState | None = None
        self._now = 0
        self._effects: list[Effect] = []

    @property
    def in_group(self) -> bool:
        """Is this node a member of the cluster managers' group?"""
        return self.cluster is not None

    @property
    def starting(self) -> bool:
        """Is a start of cluster services under way that has not come to the cluster managers' group yet?"""
        return self.joining is not None and self.cluster is None and not self._join_sent

    @property
    def lost_repositories(self) -> tuple[str, ...]:
        """Repository disks that this node has lost, as far as it was told."""
        return tuple(name for thing, name in self._lost_here if thing == "repository")

    @property
    def settling(self) -> bool:
        """Does the settling time run?"""
        return self._settle_at is not None

    def settling_seconds(self, now: int | None = None) -> int | None:
        """Product seconds until the settling time is over, None if it does not run.

        ``now`` is the time by the machine's clock; None takes that of the last input.
        """
        if self._settle_at is None:
            return None
        return max(0, self._settle_at - (self._now if now is None else now)) // max(1, self.settings.settling_scale)

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

    def _held_back(self, event: Event) -> bool:
        """Must the event wait until the node that failed has left the view?"""
        return (
            event.name == events.FAIL_NODE
            and event.mode == events.CRASH
            and not event.left
            and event.node not in self.members
        )

    def _enqueue(self, event: Event) -> None:
        cluster = self.cluster
        assert cluster is not None
        if event.address and event.name in events.OF_INTERFACES:
            back = event.name in (events.JOIN_INTERFACE, events.JOIN_STANDBY)
            change = cluster.addresses_down.discard if back else cluster.addresses_down.add
            change((event.node, event.address))
        queued = cluster.enqueue(event)
        if queued is None:
            return
        if event.name in events.RECONFIGURATIONS:
            self._effects.append(ReadStaged())
        elif event.name in (events.FAIL_NETWORK, events.JOIN_NETWORK):
            self._network_changed(event)
        self._log(f"event {queued.serial} {queued.name} node {queued.node} {queued.mode}".rstrip() + " is queued")
        if event.name == events.JOIN_NODE and (first := self._site_up(event.node)) is not None:
            cluster.enqueue(first)
        self.serial = max(self.serial, cluster.serial)
        self._effects.append(Store(self.serial))

    def _network_changed(self, event: Event) -> None:
        """A network was lost, or came back."""

    def _site_up(self, node: int) -> Event | None:
        """The event that comes before the first node of a site joins."""
        cluster = self.cluster
        assert cluster is not None
        site = cluster.configuration.site_of(cluster.node_names.get(node, ""))
        if not site or not cluster.site_is_empty(site) or any(entry.site == site for entry in cluster.queue):
            return None
        return Event(events.JOIN_SITE, node, site=site)

    def _want(self, event: Event) -> int:
        """Have an event queued by all members; returns its request number."""
        self._request_number += 1
        event = msgspec.structs.replace(event, origin=self.node_id, request=self._request_number)
        self.outbox.append(Enqueue(event))
        return self._request_number

    def _requests_of(self, event: Event) -> list[Pending]:
        if event.origin != self.node_id:
            return []
        return [entry for entry in self.pending if entry.number == event.request]

    def _fail_requests(self) -> None:
        for entry in self.pending:
            of_group = isinstance(entry.what, messages.MoveGroup | messages.OnlineGroup | messages.OfflineGroup)
            what = " for the requested resource group movement" if of_group else ""
            text = f"Event processing has failed{what}.  The cluster is unstable and requires manual intervention to "
            self._answer(entry.request, messages.Done("failed", f"{text}continue processing."))
        self.pending.clear()

    def _group(self) -> str:
        assert self.configuration is not None
        return group_name(self.configuration.cluster.id)

    def _send(self, request: cthags.Request) -> None:
        self._effects.append(Send(request))

    def _vote(self, group: str, token: int, value: cthags.VoteValue, message: bytes | None = None) -> None:
        self._send(cthags.Vote(group, token, value, message=message))

    def _answer(self, request: int, what: messages.Progress | messages.Done) -> None:
        self._effects.append(Answer(request, what))

    def _log(self, text: str, notice: bool = False) -> None:
        self._effects.append(Log(text, notice))

    def _merge_action(self) -> str:
        """What happens to a node of the side that gives way in a merge: the action plan, a reboot by default."""
        assert self.configuration is not None
        plan = dict(self.configuration.split_merge).get("action", "").lower()
        return plan if plan in DISABLING_ACTIONS else "reboot"

    def _die(self, reason: str, action: str = "") -> None:
        self._log(reason, notice=True)
        self._log(f"die: clstrmgr on node {self.node_id} is exiting with code {EXIT_CODE}", notice=True)
        self.exited = True
        self._effects.append(Exit(EXIT_CODE, reason, action))
