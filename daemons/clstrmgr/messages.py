"""What clients and clstrmgrES say to each other over ``/var/hacmp/clstrmgr.sock``.

A client sends one request. ``QueryState`` is answered by one ``ClusterSnapshot``; ``WatchState`` by a snapshot at once
and after every change, with an ``EventRecord`` at the start and the end of every event; an operator's request by any
number of ``Progress`` and one ``Done``; a ``SystemEvent`` by one ``Done``.

All names are the product's words. Nodes are given by number (``node_id``);
0 means "no node" or "let the policy choose".
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

SOCKET_PATH = "/var/hacmp/clstrmgr.sock"

ManagerState: TypeAlias = Literal[
    "NOT_CONFIGURED",
    "ST_INIT",
    "ST_JOINING",
    "ST_VOTING",
    "ST_RP_RUNNING",
    "ST_BARRIER",
    "ST_CBARRIER",
    "ST_UNSTABLE",
    "ST_STABLE",
    "ST_RP_FAILED",
]
NodeWord: TypeAlias = Literal["up", "down", "joining", "leaving", "unmanaged", "unknown"]
GroupWord: TypeAlias = Literal[
    "ONLINE",
    "OFFLINE",
    "ACQUIRING",
    "RELEASING",
    "ERROR",
    "TEMPORARY ERROR",
    "UNMANAGED",
    "UNKNOWN",
    "ONLINE SECONDARY",
    "OFFLINE SECONDARY",
    "ACQUIRING SECONDARY",
    "RELEASING SECONDARY",
    "ERROR SECONDARY",
    "UNMANAGED SECONDARY",
]
"""The last six are about a group's secondary instance, on nodes of the site where its primary one is not."""
ClusterWord: TypeAlias = Literal["up", "down", "unknown", "notconfigured"]
SubstateWord: TypeAlias = Literal["unstable", "stable", "error", "unknown", "reconfig", "notconfigured", "notsynced"]


# The picture of the cluster ------------------------------------------------------------------------------------------


class NodeView(msgspec.Struct, frozen=True):
    """A configured node as this cluster manager sees it."""

    number: int
    name: str
    state: NodeWord
    interfaces: int = 0


class NetworkView(msgspec.Struct, frozen=True):
    """A network as seen from one node (MIB ``netTable``, index node and network)."""

    node: int
    network_id: int
    name: str
    attribute: str
    network_type: str
    state: NodeWord


class AddressView(msgspec.Struct, frozen=True):
    """An IP label that ``node`` can host (MIB ``addrTable``). ``active_node`` holds it now, 0 if nobody does."""

    node: int
    address: str
    label: str
    role: Literal["boot", "service", "persistent"]
    network_id: int
    state: NodeWord
    active_node: int


class ResourceView(msgspec.Struct, frozen=True):
    """A resource of a group; ``kind`` is the HACMPresource name (``SERVICE_LABEL``, ``VOLUME_GROUP`` ...)."""

    resource_id: int
    kind: str
    name: str
    monitored: bool = False
    state: str = ""


class GroupNodeView(msgspec.Struct, frozen=True):
    """A group's state on one node; ``reason`` is the substate in the words of ``clRGinfo -v``, mostly empty.

    ``site`` is the node's.
    """

    node: int
    state: GroupWord
    reason: str = ""
    site: str = ""


class GroupView(msgspec.Struct, frozen=True):
    """A resource group. ``nodes`` come in priority order; ``override`` is the priority override location, 0 if none.

    ``timer`` says when its delayed fallback or settling timer is due, as ``clRGinfo -t`` shows it. ``unmanaged_on`` is
    the node that has an unmanaged group, which reads UNMANAGED on all its nodes. ``site_policy`` is ignore, primary,
    either or both. ``goals`` are the nodes where it is to be, in clusters whose groups depend on each other.
    ``operator_offline``: an operator brought it offline. ``moving``: the nodes from which and to which the event that
    runs takes it, 0 where there is none.
    """

    group_id: int
    name: str
    startup: str
    fallover: str
    fallback: str
    nodes: tuple[GroupNodeView, ...]
    resources: tuple[ResourceView, ...] = ()
    override: int = 0
    override_time: int = 0
    timer: str = ""
    unmanaged_on: int = 0
    site_policy: str = "ignore"
    goals: tuple[int, ...] = ()
    operator_offline: bool = False
    moving: tuple[int, int] = (0, 0)


class ClusterSnapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Everything a status command or the SNMP agent shows.

    ``state`` is the local cluster manager's; ``services`` says whether cluster services are active on this node
    (False after a stop with unmanage although the state is ST_STABLE). ``last_change`` is in seconds since the epoch.
    Node states are "unknown" where this node takes no part in the cluster.
    """

    cluster_id: int
    cluster_name: str
    state: ManagerState
    services: bool
    cluster_state: ClusterWord
    substate: SubstateWord
    local_node: int
    local_name: str
    primary: int = 0
    members: tuple[int, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    networks: tuple[NetworkView, ...] = ()
    addresses: tuple[AddressView, ...] = ()
    groups: tuple[GroupView, ...] = ()
    last_change: int = 0
    last_event: str = ""
    last_event_node: int = 0
    queued: int = 0
    event: str = ""
    timers: tuple[str, ...] = ()
    started_at: int = 0
    sites: int = 0


class EventRecord(msgspec.Struct, frozen=True, tag="event_record"):
    """An engine event began or ended on this node (MIB event group, traps). ``time`` in seconds since the epoch."""

    serial: int
    name: str
    node: int
    node_name: str
    network: str
    phase: Literal["start", "complete", "error"]
    time: int


# Requests ------------------------------------------------------------------------------------------------------------


class QueryState(msgspec.Struct, frozen=True, tag="query_state"):
    """Ask for one snapshot."""


class WatchState(msgspec.Struct, frozen=True, tag="watch_state"):
    """Ask for snapshots and event records until the connection is closed."""


class StartServices(msgspec.Struct, frozen=True, tag="start_services"):
    """Start cluster services on this node. ``manage``: "auto" acquires groups by their policies, "manual" does not."""

    manage: Literal["auto", "manual"] = "auto"
    clinfo: bool = False
    caller: str = ""


class StopServices(msgspec.Struct, frozen=True, tag="stop_services"):
    """Stop cluster services on this node: groups are brought offline, moved, or left as they are (unmanaged)."""

    mode: Literal["offline", "move", "unmanage"] = "offline"
    caller: str = ""


class ManageGroups(msgspec.Struct, frozen=True, tag="manage_groups"):
    """Look for the places of all groups with all nodes that are up: the end of a delayed start."""


class MoveGroup(msgspec.Struct, frozen=True, tag="move_group"):
    """Move a group to ``node``; 0 clears the override and lets the policy choose (``clRGmove -r``).

    ``secondary``: its secondary instance.
    """

    group: str
    node: int
    secondary: bool = False


class OnlineGroup(msgspec.Struct, frozen=True, tag="online_group"):
    """Bring a group online on ``node``; 0: where its policy says. ``secondary``: its secondary instance."""

    group: str
    node: int
    secondary: bool = False


class OfflineGroup(msgspec.Struct, frozen=True, tag="offline_group"):
    """Bring a group offline on ``node``; 0: on every node. ``secondary``: its secondary instance."""

    group: str
    node: int
    secondary: bool = False


class SuspendMonitoring(msgspec.Struct, frozen=True, tag="suspend_monitoring"):
    """Suspend the monitors of an application of a group, on every node where the group is online."""

    group: str
    application: str


class ResumeMonitoring(msgspec.Struct, frozen=True, tag="resume_monitoring"):
    """Let the monitors of an application go on."""

    group: str
    application: str


class RecoverFromScriptFailure(msgspec.Struct, frozen=True, tag="recover"):
    """Resume the recovery program after a script failure on this node (``clruncmd``)."""


class ReloadConfiguration(msgspec.Struct, frozen=True, tag="reload"):
    """The configuration in the ODM changed (synchronization, clconfd). Takes effect at once while services are down."""


class Reconfigure(msgspec.Struct, frozen=True, tag="reconfigure"):
    """Dynamic reconfiguration: the staging directory (SCD) of this node holds the configuration ``generation``.

    The synchronization has put the same objects into the staging directory of every node where services run, and into
    the default directory (DCD) of all. It asks on its own node; clconfd of a node that finds a generation which its
    cluster manager has not may ask for the same one later. The cluster manager makes it the active one (ACD) by an
    event that all members run, and removes the staging directory, which is the lock, when the event has ended well. It
    answers ``Done`` with "" when the cluster is stable with it (also if it was so before), with "failed" if the event
    failed (the lock stays until ``cldare -u``), with "denied" or "busy" if it cannot be made now.
    """

    generation: int


class SystemEvent(msgspec.Struct, frozen=True, tag="system_event"):
    """What clevmgrdES saw on this node.

    ``kind`` and the meaning of ``subject``:
        interface_down, interface_up     boot address (or interface name) of this node
        repository_lost, repository_back name of the repository disk; ``detail`` is the node's UUID, "" if the disk is
                                         not back but another one has taken its place
        repository_reminder              the same: it is still lost
        disk_lost, disk_back             name of a shared disk
        volume_group_lost, _back         name of the volume group that lost its quorum
        rootvg_lost                      "rootvg"
        user_defined                     name of a user-defined event that occurred
        verification_errors              what automatic verification found, in a few words
    A report is answered by ``Done("already")`` if it is none of news: its ``serial`` is not above that of the last one
    (it was sent again because the answer got lost), or what it reports is known. Serial 0 is always taken.
    """

    kind: Literal[
        "interface_down",
        "interface_up",
        "repository_lost",
        "repository_back",
        "repository_reminder",
        "disk_lost",
        "disk_back",
        "volume_group_lost",
        "volume_group_back",
        "rootvg_lost",
        "verification_errors",
        "user_defined",
    ]
    subject: str
    detail: str = ""
    serial: int = 0


class NextJob(msgspec.Struct, frozen=True, tag="next_job"):
    """``clRGPA`` from outside an event script's own channel: the next job of the event that runs on this node."""


class ResourceUpdate(msgspec.Struct, frozen=True, tag="resource_update"):
    """``cl_RMupdate STATE RESOURCE SCRIPT``: an event script tells a new state of a resource or group."""

    state: str
    resource: str
    script: str
    group: str = ""


# Answers -------------------------------------------------------------------------------------------------------------


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How an operator's request goes: queued, an event of it runs, or the cluster is about to become stable."""

    stage: Literal["queued", "running", "stabilizing"]
    text: str = ""


NOT_BEGUN = ("busy", "unprepared")
"""Errors of a reconfiguration of which nothing was done."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The end of a request. ``error`` is empty on success, else a word; ``message`` says it in a sentence.

    Errors: busy (an event of another request must end first), not_configured, not_active (services are down), active
    (they are up already), unknown_group, unknown_application, unknown_node, node_down, not_eligible, already (nothing
    to do), failed (event processing failed), unprepared (a member does not have the configuration), cthags (Group
    Services cannot be reached), denied, lost (services ended meanwhile).
    """

    error: str = ""
    message: str = ""
    snapshot: ClusterSnapshot | None = None


class Job(msgspec.Struct, frozen=True, tag="job"):
    """The answer to ``NextJob``: shell assignments as ``clRGPA`` prints them."""

    assignments: str


Request: TypeAlias = (
    QueryState
    | WatchState
    | StartServices
    | StopServices
    | ManageGroups
    | MoveGroup
    | OnlineGroup
    | OfflineGroup
    | SuspendMonitoring
    | ResumeMonitoring
    | RecoverFromScriptFailure
    | ReloadConfiguration
    | Reconfigure
    | SystemEvent
    | NextJob
    | ResourceUpdate
)
Answer: TypeAlias = ClusterSnapshot | EventRecord | Progress | Done | Job
