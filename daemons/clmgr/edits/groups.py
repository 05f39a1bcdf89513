"""Edits of resource groups: nodes, policies, and the resources that a group holds."""

from __future__ import annotations

from msgspec.structs import replace

from daemons.clmgr.edits.parts import Surroundings, demand, existing, named, new_name, nodes_of, renamed, unused
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    ClmgrError,
    does_not_exist,
    invalid,
    missing,
)
from daemons.clmgr.settings import ORDERS
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration, LocationDependency, ResourceGroup
from daemons.cluster.configuration.resources import NOTIFIABLE, owner_of

LISTS = (
    "SERVICE_LABEL", "APPLICATIONS", "VOLUME_GROUP", "FILESYSTEM", "DISK", "EXPORT_FILESYSTEM", "EXPORT_FILESYSTEM_V4",
    "MOUNT_FILESYSTEM", "SHARED_TAPE_RESOURCES", "COMMUNICATION_LINKS", "USERDEFINED_RESOURCES", "MIRROR_GROUP",
    "SECONDARYNODES",
)  # fmt: skip
"""Attributes with one HACMPresource object a value."""
SINGLE = (
    "FSCHECK_TOOL", "RECOVERY_METHOD", "FORCED_VARYON", "FS_BEFORE_IPADDR", "VG_AUTO_IMPORT", "MISC_DATA", "WPAR_NAME",
    "NODE_PRIORITY_POLICY", "NODE_PRIORITY_POLICY_SCRIPT", "NODE_PRIORITY_POLICY_TIMEOUT", "STABLE_STORAGE_PATH",
    "NFS_NETWORK", "SITE_POLICY",
)  # fmt: skip
"""Attributes with one object at most."""
DYNAMIC = ("mem", "cpu", "disk", "least", "most")


def add_group(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add resource_group``."""
    name = new_name(request, c.groups)
    demand(request, "NODES")
    return replace(c, groups=(*c.groups, _group(request, c, here, ResourceGroup(name=name, nodes=()))))


def modify_group(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify resource_group``: a list replaces the one that was there; dependencies follow a new NAME."""
    group = existing(request, c.groups)
    name = renamed(request, group, c.groups)
    changed = replace(_group(request, c, here, group), name=name)
    c = replace(c, groups=tuple(changed if g is group else g for g in c.groups))
    return _renamed(c, group.name, name) if name != group.name else c


def _in_orders(c: Configuration, old: str, new: str) -> Configuration:
    """The serial orders of groups with another name of one of them, "" for none."""
    for order in ORDERS:
        names = c.setting(order).split()
        if old in names:
            c = c.with_setting(order, " ".join(word for name in names if (word := new if name == old else name)))
    return c


def _renamed(c: Configuration, old: str, new: str) -> Configuration:
    def swap(name: str) -> str:
        return new if name == old else name

    sets: tuple[LocationDependency, ...] = tuple(
        replace(s, members=tuple((swap(name), priority) for name, priority in s.members))
        for s in c.location_dependencies
    )
    pairs = tuple(replace(d, parent=swap(d.parent), child=swap(d.child)) for d in c.dependencies)
    c = _in_orders(replace(c, dependencies=pairs, location_dependencies=sets), old, new)
    return c.with_setting("CRITICAL_RG", new) if c.setting("CRITICAL_RG") == old else c


def _group(request: Request, c: Configuration, here: Surroundings, base: ResourceGroup) -> ResourceGroup:
    given = request.attributes
    nodes = _nodes(request, c, base)
    startup = given.get("STARTUP") or base.startup
    fallover = given.get("FALLOVER") or base.fallover
    fallback = given.get("FALLBACK") or base.fallback
    if startup == "OAAN":
        # Online on all available nodes knows no fallover: BO and NFB, unless something else is asked for.
        fallover, fallback = given.get("FALLOVER") or "BO", given.get("FALLBACK") or "NFB"
        if (fallover, fallback) != ("BO", "NFB"):
            raise invalid(*(("FALLOVER", fallover) if fallover != "BO" else ("FALLBACK", fallback)))
    elif startup == "OUDP" and fallback != "NFB" and "FALLBACK" not in given:
        fallback = "NFB"
    if startup == "OUDP" and fallback != "NFB":
        raise invalid("FALLBACK", fallback)
    kept = [pair for pair in base.resources if pair[0] not in given]
    for kind in (*LISTS, *SINGLE):
        if kind in given:
            values = request.words(kind) if kind in LISTS else [given[kind]]
            kept += [(kind, value) for value in dict.fromkeys(values) if value]
    group = replace(
        base,
        nodes=nodes,
        startup=startup,
        fallover=fallover,
        fallback=fallback,
        resources=tuple(kept),
        fallback_timer=given.get("FALLBACK_AT", base.fallback_timer),
    )
    _references(c, here, group)
    for name in group.resource("VOLUME_GROUP"):
        # Others that a group needs must be there, too; this one may have been removed since it was named (inferred).
        if name not in base.resource("VOLUME_GROUP") and not here.is_volume_group(name):
            raise does_not_exist(name)
    return replace(group, notified=_notified(request, group))


def _nodes(request: Request, c: Configuration, base: ResourceGroup) -> tuple[str, ...]:
    """All nodes of the group, in order of priority: those of the primary site, then those of the secondary one.

    Raises:
        ClmgrError: a node is unknown or named twice, or none is left for the primary site.
    """
    secondary = base.secondary_nodes
    if "SECONDARYNODES" in request.attributes:
        secondary = nodes_of(request.words("SECONDARYNODES"), c)
    given = request.words("NODES")
    if given:
        nodes_of((*given, *secondary) if "SECONDARYNODES" in request.attributes else given, c)
    kept = base.secondary_nodes if "SECONDARYNODES" in request.attributes else ()
    primary = tuple(node for node in given or base.nodes if node not in secondary and (given or node not in kept))
    if not primary and base.nodes:
        raise invalid("SECONDARYNODES", " ".join(secondary))
    return (*primary, *secondary)


def _notified(request: Request, group: ResourceGroup) -> tuple[tuple[str, str, str], ...]:
    """The resources whose loss is told, and moves nothing. RECOVERY_NOTIFY gives the whole list, RECOVERY_NOTIFY_METHOD
    what is run for each of them (the attributes are inferred).

    Raises:
        ClmgrError: one is no service label and no volume group of the group.
    """
    kinds = {value: kind for kind, value in group.resources if kind in NOTIFIABLE}
    kept = tuple(entry for entry in group.notified if kinds.get(entry[1]) == entry[0])
    method = request.attributes.get("RECOVERY_NOTIFY_METHOD")
    if "RECOVERY_NOTIFY" in request.attributes:
        names = list(dict.fromkeys(request.words("RECOVERY_NOTIFY")))
        for name in names:
            if name not in kinds:
                raise does_not_exist(name)
        methods = {value: told for _, value, told in kept}
        kept = tuple((kinds[name], name, methods.get(name, "")) for name in names)
    if method is not None:
        if method and not kept:
            raise missing("RECOVERY_NOTIFY")
        kept = tuple((kind, value, method) for kind, value, _ in kept)
    return kept


def _references(c: Configuration, here: Surroundings, group: ResourceGroup) -> None:
    """What a group names must be there, and belong to no other group.

    Raises:
        ClmgrError: it does not.
    """
    if group.fallback_timer:
        named(group.fallback_timer, c.timers)
        if group.fallback == "NFB":
            raise ClmgrError('"FALLBACK_AT" needs a fallback policy of FBHPN.', INCORRECT_INPUT)
    if group.fallover == "FUDNP" and (group.resource("NODE_PRIORITY_POLICY") or ("default",))[0] == "default":
        raise ClmgrError('the fallover policy FUDNP needs "NODE_PRIORITY_POLICY".', MISSING_DEPENDENCY)
    policy = (group.resource("NODE_PRIORITY_POLICY") or ("",))[0]
    if policy in ("least", "most") and not group.resource("NODE_PRIORITY_POLICY_SCRIPT"):
        raise missing("NODE_PRIORITY_POLICY_SCRIPT")
    for kind, value in group.resources:
        match kind:
            case "APPLICATIONS":
                named(value, c.controllers)
            case "USERDEFINED_RESOURCES":
                named(value, c.user_resources)
            case "SHARED_TAPE_RESOURCES":
                named(value, c.tapes)
            case "NFS_NETWORK":
                named(value, c.networks)
            case "SECONDARYNODES":
                named(value, c.nodes)
            case "DISK":
                here.disk(value)
            case "SERVICE_LABEL":
                entry = c.label(value)
                if entry is None or entry.function != "service":
                    raise does_not_exist(value)
                if group.concurrent:
                    raise ClmgrError(
                        f'the service label "{value}" cannot be a resource of a group that is online on all nodes.',
                        INCORRECT_INPUT,
                    )
        if other := owner_of(kind, value, tuple(g for g in c.groups if g.name != group.name)):
            raise ClmgrError(f'"{value}" is a resource of the resource group "{other}" already.', INCORRECT_INPUT)


def without_group(name: str, c: Configuration) -> Configuration:
    """``delete resource_group``: its dependencies hold it."""
    named(name, c.groups)
    unused(name, [f"dependency {d.id}" for d in c.dependencies if name in (d.parent, d.child)])
    unused(name, [f"dependency {s.id}" for s in c.location_dependencies if name in s.groups])
    c = _in_orders(c, name, "")
    if c.setting("CRITICAL_RG") == name:
        c = c.with_setting("CRITICAL_RG", "")
    return replace(c, groups=tuple(g for g in c.groups if g.name != name))


ADD = {"resource_group": add_group}
MODIFY = {"resource_group": modify_group}
DELETE = {"resource_group": without_group}
NAMES = {"resource_group": lambda c: [group.name for group in c.groups]}
