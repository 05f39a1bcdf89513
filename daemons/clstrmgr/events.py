"""Engine events: their names, priorities, script arguments, and what each script means for resource groups.

Names are those of ``rules.hacmprd``. An event is put into every member's queue by the same notification, so that all
members hold the same queue; the serial number is given there.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias

import msgspec

from daemons.clstrmgr.recovery_program import Statement

JOIN_NODE: Final = "TE_JOIN_NODE"
FAIL_NODE: Final = "TE_FAIL_NODE"
JOIN_NODE_DEP: Final = "TE_JOIN_NODE_DEP"
JOIN_NODE_DEP_COMPLETE: Final = "TE_JOIN_NODE_DEP_COMPLETE"
FAIL_NODE_DEP: Final = "TE_FAIL_NODE_DEP"
FAIL_NODE_DEP_COMPLETE: Final = "TE_FAIL_NODE_DEP_COMPLETE"
RG_MOVE: Final = "TE_RG_MOVE"
RG_ONLINE: Final = "TE_RG_ONLINE"
RG_OFFLINE: Final = "TE_RG_OFFLINE"
JOIN_NETWORK: Final = "TE_JOIN_NETWORK"
FAIL_NETWORK: Final = "TE_FAIL_NETWORK"
JOIN_INTERFACE: Final = "TE_JOIN_INTERFACE"
FAIL_INTERFACE: Final = "TE_FAIL_INTERFACE"
JOIN_STANDBY: Final = "TE_JOIN_STANDBY"
FAIL_STANDBY: Final = "TE_FAIL_STANDBY"
SERVER_RESTART: Final = "TE_SERVER_RESTART"
SERVER_DOWN: Final = "TE_SERVER_DOWN"
SWAP_ADAPTER: Final = "TE_SWAP_ADAPTER"
REP_DISK_NOTIFY: Final = "TE_REP_DISK_NOTIFY"
CLUSTER_NOTIFY: Final = "TE_CLUSTER_NOTIFY"
DARE_TOPOLOGY: Final = "TE_DARE_TOPOLOGY"
DARE_RESOURCE: Final = "TE_DARE_RESOURCE"
DARE_CONFIGURATION: Final = "TE_DARE_CONFIGURATION"
DARE_RESOURCE_SITES: Final = "TE_DARE_RESOURCE_SITES"
DARE_CONFIGURATION_SITES: Final = "TE_DARE_CONFIGURATION_SITES"
RECONFIGURATIONS: Final = (DARE_TOPOLOGY, DARE_RESOURCE, DARE_CONFIGURATION)
JOIN_SITE: Final = "TE_JOIN_SITE"
FAIL_SITE: Final = "TE_FAIL_SITE"
SITE_ISOLATION: Final = "TE_SITE_ISOLATION"
SITE_MERGE: Final = "TE_SITE_MERGE"
RESOURCE_STATE_CHANGE: Final = "TE_RESOURCE_STATE_CHANGE"
RESOURCE_STATE_CHANGE_COMPLETE: Final = "TE_RESOURCE_STATE_CHANGE_COMPLETE"
EXTERNAL_STATE_CHANGE: Final = "TE_EXTERNAL_RESOURCE_STATE_CHANGE"
EXTERNAL_STATE_CHANGE_COMPLETE: Final = "TE_EXTERNAL_RESOURCE_STATE_CHANGE_COMPLETE"
NETWORK_UNSTABLE: Final = "TE_NETWORK_UNSTABLE"
NETWORK_STABLE: Final = "TE_NETWORK_STABLE"
FORCED_DOWN_TOO_LONG: Final = "TE_FORCED_DOWN_TOO_LONG"
INTERSITE_FALLOVER_PREVENTED: Final = "TE_INTERSITE_FALLOVER_PREVENTED"

CONFIG_TOO_LONG: Final = "TE_CONFIG_TOO_LONG"
UNSTABLE_TOO_LONG: Final = "TE_UNSTABLE_TOO_LONG"
TOO_LONG: Final = (CONFIG_TOO_LONG, UNSTABLE_TOO_LONG)
"""Occurrences that are only told: they have no place in the queue and no recovery program."""

OF_INTERFACES: Final = (FAIL_INTERFACE, JOIN_INTERFACE, SWAP_ADAPTER, FAIL_STANDBY, JOIN_STANDBY)
"""Events about one boot address of a node; its state changes when they enter the queue."""

CRASH: Final = "crash"
FAILED: Final = "failed"
RETRY: Final = "retry"
OPERATOR: Final = "operator"
SETTLE: Final = "settle"
MANAGE: Final = "manage"
BACK: Final = "back"
USER: Final = "user"
DEPENDENCY: Final = "dependency"
CHANGED: Final = "changed"
FALLBACK: Final = "fallback"

_PRIORITY: Final = {
    FAIL_NODE: 10,
    FAIL_SITE: 15,
    SWAP_ADAPTER: 20,
    FAIL_INTERFACE: 20,
    FAIL_STANDBY: 20,
    FAIL_NETWORK: 20,
    REP_DISK_NOTIFY: 30,
    SERVER_RESTART: 30,
    SERVER_DOWN: 30,
    JOIN_INTERFACE: 40,
    JOIN_STANDBY: 40,
    JOIN_NETWORK: 40,
    SITE_ISOLATION: 21,
    SITE_MERGE: 41,
    JOIN_SITE: 59,
    JOIN_NODE_DEP_COMPLETE: 58,
    FAIL_NODE_DEP_COMPLETE: 58,
    RESOURCE_STATE_CHANGE_COMPLETE: 58,
    EXTERNAL_STATE_CHANGE_COMPLETE: 58,
    JOIN_NODE: 60,
    NETWORK_UNSTABLE: 42,
    NETWORK_STABLE: 42,
    FORCED_DOWN_TOO_LONG: 80,
    INTERSITE_FALLOVER_PREVENTED: 57,
    CLUSTER_NOTIFY: 80,
}
"""Lower runs first; events of one priority keep their order. The figures are inferred."""

_PRIORITY_FAILED_GROUP: Final = 30
_PRIORITY_USER: Final = 50
_PRIORITY_DEPENDENCY: Final = 55
_PRIORITY_OPERATOR: Final = 70
_PRIORITY_NODE_CRASH: Final = 5
_PRIORITY_BY_MODE: Final = {
    FAILED: _PRIORITY_FAILED_GROUP,
    RETRY: _PRIORITY_FAILED_GROUP,
    USER: _PRIORITY_USER,
    DEPENDENCY: _PRIORITY_DEPENDENCY,
    CHANGED: _PRIORITY_DEPENDENCY,
}


_ONE_SCRIPT: Final = (
    *(FAIL_INTERFACE, JOIN_INTERFACE, FAIL_STANDBY, JOIN_STANDBY, REP_DISK_NOTIFY, CLUSTER_NOTIFY),
    *(
        NETWORK_UNSTABLE,
        NETWORK_STABLE,
        FORCED_DOWN_TOO_LONG,
        INTERSITE_FALLOVER_PREVENTED,
        RESOURCE_STATE_CHANGE,
        EXTERNAL_STATE_CHANGE,
    ),
)
"""Events without a script of completion."""


Instances: TypeAlias = tuple[str, ...]
BOTH_INSTANCES: Final[Instances] = ("primary", "secondary")
"""The instances of a resource group that a step is about."""


class Stage(Enum):
    """What a step of a recovery program does with the plan's resource groups."""

    NONE = 0
    RELEASE = 1
    ACQUIRE = 2
    COMPLETE = 3


class Event(msgspec.Struct, frozen=True):
    """An event in the queue.

    Args:
        name: the engine's name of it.
        node: the node on which it occurred; 0 for a global network event.
        mode: FAIL_NODE: crash, move, offline, unmanage; JOIN_NODE: auto, manual; RG_*: failed, retry, operator,
            settle, manage (after a delayed start), dependency (the moves that the dependencies between groups allow
            now), changed (the same, and what is left of the group where it failed is given back), fallback (its timer
            is due); REP_DISK_NOTIFY: back when it is; user-defined events: user.
        group, target: RG_* events; ``target`` 0 lets the policy choose.
        network, address: interface and network events; of REP_DISK_NOTIFY the node's UUID and the disk.
        application, monitor: the application that failed, and the monitor that saw it.
        origin, request: the node that asked and its number for it, growing; they make a repeated message harmless.
        serial: the event's number in the cluster, given when it enters the queue.
        service: SWAP_ADAPTER: the service label that moves to another interface.
        site: JOIN_SITE, FAIL_SITE.
        digest: DARE_*: of the configuration that is to count.
        secondary: RG_* events that an operator wants: they are about the group's secondary instance.
        left: FAIL_NODE after a crash: the node itself has left the view, not only its cluster manager.
    """

    name: str
    node: int
    mode: str = ""
    group: str = ""
    target: int = 0
    network: str = ""
    address: str = ""
    application: str = ""
    monitor: str = ""
    origin: int = 0
    request: int = 0
    serial: int = 0
    left: bool = False
    service: str = ""
    site: str = ""
    digest: int = 0
    secondary: bool = False

    @property
    def priority(self) -> tuple[int, int]:
        """The place in the queue."""
        level = _PRIORITY.get(self.name)
        if level is None:
            level = _PRIORITY_BY_MODE.get(self.mode, _PRIORITY_OPERATOR)
        elif self.name == FAIL_NODE:
            level = _PRIORITY_NODE_CRASH if self.mode == CRASH else _PRIORITY_OPERATOR
        return level, self.serial

    @property
    def short_name(self) -> str:
        """The name as ``lssrc -ls clstrmgrES`` prints it when the event is over: without TE_, cut to 12 characters.

        DA_RES_CO was seen after a reconfiguration of resources; its two companions are inferred from it.
        """
        if self.name in RECONFIGURATIONS:
            return {DARE_TOPOLOGY: "DA_TOP_CO", DARE_RESOURCE: "DA_RES_CO"}.get(self.name, "DA_CONF_CO")
        plain = self.mode == USER or self.name.endswith("_COMPLETE")
        plain = plain or self.name in _ONE_SCRIPT
        return (self.name.removeprefix("TE_") + ("" if plain else "_COMPLETE"))[:12]


def script_arguments(event: Event, node_name: str, group_id: int) -> tuple[str, ...]:
    """The arguments that the engine appends to every command of the event's recovery program."""
    if event.mode == USER:
        # The administrator's commands have their own arguments; they find the rest in their environment.
        return ()
    match event.name:
        case "TE_FAIL_NODE" | "TE_FAIL_NODE_DEP_COMPLETE":
            word = {"offline": ("graceful",), "unmanage": ("forced",)}.get(event.mode, ())
            return (node_name, *word)
        case "TE_RG_MOVE" | "TE_RG_ONLINE" | "TE_RG_OFFLINE":
            return (node_name, str(group_id))
        case "TE_SERVER_RESTART" | "TE_SERVER_DOWN":
            return (node_name, event.application)
        case "TE_JOIN_NETWORK" | "TE_FAIL_NETWORK" | "TE_NETWORK_UNSTABLE" | "TE_NETWORK_STABLE":
            return (node_name if event.node else "-1", event.network)
        case "TE_JOIN_INTERFACE" | "TE_FAIL_INTERFACE" | "TE_JOIN_STANDBY" | "TE_FAIL_STANDBY":
            return (node_name, event.address)
        case "TE_SWAP_ADAPTER":
            return (node_name, event.network, event.address, event.service)
        case "TE_INTERSITE_FALLOVER_PREVENTED":
            return (event.group,)
        case "TE_JOIN_SITE" | "TE_FAIL_SITE":
            return (event.site,)
        case "TE_SITE_ISOLATION" | "TE_SITE_MERGE":
            return ()
        case "TE_CLUSTER_NOTIFY" | "TE_DARE_TOPOLOGY" | "TE_DARE_RESOURCE" | "TE_DARE_CONFIGURATION":
            return ()
        case "TE_REP_DISK_NOTIFY":
            return (node_name, event.address, *event.network.split(), *(("UP",) if event.mode == BACK else ()))
        case _:
            return (node_name,)


_RECONFIGURATION_RELEASES: Final = ("reconfig_resource_release_primary", "reconfig_resource_release_secondary")


def stage_of(statement: Statement) -> Stage:
    """What a command does with the plan, by its script's name and node set (the classic processing model)."""
    name = statement.name
    if name in ("node_up_complete", "node_down_complete", "rg_move_complete", "reconfig_resource_complete"):
        return Stage.COMPLETE
    if name in ("rg_move_release", "reconfig_resource_release", *_RECONFIGURATION_RELEASES):
        return Stage.RELEASE
    if name in ("rg_move_acquire", "reconfig_resource_acquire", "reconfig_resource_acquire_secondary"):
        return Stage.ACQUIRE
    if name == "node_up":
        return Stage.ACQUIRE if statement.node_set == "event" else Stage.RELEASE
    if name == "node_down":
        return Stage.RELEASE if statement.node_set == "event" else Stage.ACQUIRE
    return Stage.NONE


def instances_of_step(step: tuple[Statement, ...]) -> Instances:
    """The instances of groups that a step is about. Dynamic reconfigurations have steps for each."""
    names = {statement.name for statement in step}
    if any(name.startswith("reconfig_resource_") and name.endswith("_secondary") for name in names):
        return ("secondary",)
    return ("primary",) if "reconfig_resource_release_primary" in names else BOTH_INSTANCES


def stage_of_step(step: tuple[Statement, ...]) -> Stage:
    """The stage of a whole step: that of its first command that has one."""
    return next((stage for statement in step if (stage := stage_of(statement)) is not Stage.NONE), Stage.NONE)
