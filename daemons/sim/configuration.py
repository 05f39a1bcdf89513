"""The simulated configuration: as many nodes as wanted, the shipped recovery programs, and two resource groups or as
many as wanted, drawn from a seed with their policies, dependencies and monitors."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random

import msgspec

from daemons.clstrmgr.recovery_program import Program
from daemons.clstrmgr.recovery_program import parse as parse_program
from daemons.clstrmgr.rules import parse as parse_rules
from daemons.cluster.configuration import (
    ApplicationController,
    ApplicationMonitor,
    Cluster,
    Configuration,
    Label,
    Network,
    Node,
    ResourceGroup,
    Site,
)
from daemons.cluster.configuration.policies import (
    DIFFERENT_NODES,
    HIGH,
    INTERMEDIATE,
    LOW,
    PARENT_CHILD,
    SAME_NODE,
    START_AFTER,
    STOP_AFTER,
    GroupDependency,
    LocationDependency,
)

ETC = Path(__file__).parents[2] / "etc"
RULES = "usr/es/sbin/cluster/events/rules.hacmprd"
GROUPS = ("rg1", "rg2")


@cache
def shipped_programs() -> dict[str, Program]:
    """The recovery programs of a fresh node, by event."""
    rules = parse_rules((ETC / RULES).read_text(encoding="utf-8"))
    return {
        name: parse_program(rule.program, (ETC / rule.program.lstrip("/")).read_text(encoding="utf-8"))
        for name, rule in rules.items()
    }


def changed(configuration: Configuration, change: str) -> Configuration:
    """The configuration with another group, a resource of the first group or a second network more; or without it."""
    match change:
        case "group-and-network":
            return changed(changed(configuration, "group"), "network")
        case "group":
            last = configuration.groups[-1]
            groups = (
                configuration.groups[:-1]
                if last.name == "rg_more"
                else (*configuration.groups, _another(configuration))
            )
        case "resource":
            first, *rest = configuration.groups
            extra = ("DISK", "hdisk9")
            had = extra in first.resources
            resources = tuple(pair for pair in first.resources if pair != extra) + (() if had else (extra,))
            groups = (msgspec.structs.replace(first, resources=resources), *rest)
        case _:
            one, *more = configuration.networks
            networks = (one,) if more else (one, Network(name="net_ether_99", id=99))
            return msgspec.structs.replace(configuration, networks=networks)
    return msgspec.structs.replace(configuration, groups=groups)


def resized(configuration: Configuration, name: str, whole: Configuration) -> Configuration | None:
    """The configuration without a node that is in it, or with one that is not; None if a group or a site would be left
    without nodes, which verification refuses.

    ``whole`` is the one with all nodes: from it a node has its interfaces, and its place in groups and sites.
    """
    replace = msgspec.structs.replace
    if configuration.node(name) is not None:
        made: Configuration = replace(
            configuration,
            nodes=tuple(node for node in configuration.nodes if node.name != name),
            labels=tuple(label for label in configuration.labels if label.node != name),
            groups=tuple(replace(group, nodes=_without(group.nodes, name)) for group in configuration.groups),
            sites=tuple(replace(site, nodes=_without(site.nodes, name)) for site in configuration.sites),
        )
        return made if all(group.nodes for group in made.groups) and all(site.nodes for site in made.sites) else None
    node = whole.node(name)
    assert node is not None
    groups = []
    for group in configuration.groups:
        model = whole.group(group.name)
        order = model.nodes if model is not None else (*group.nodes, name)
        groups.append(replace(group, nodes=tuple(each for each in order if each == name or each in group.nodes)))
    models = {site.name: site for site in whole.sites}
    sites = [
        replace(site, nodes=tuple(each for each in models[site.name].nodes if each == name or each in site.nodes))
        for site in configuration.sites
    ]
    return msgspec.structs.replace(
        configuration,
        nodes=(*configuration.nodes, node),
        labels=(*configuration.labels, *(label for label in whole.labels if label.node == name)),
        groups=tuple(groups),
        sites=tuple(sites),
    )


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(each for each in names if each != name)


def _another(configuration: Configuration) -> ResourceGroup:
    return msgspec.structs.replace(
        configuration.groups[0],
        name="rg_more",
        nodes=tuple(reversed(configuration.groups[0].nodes)),
        startup="OFAN",
        resources=(("VOLUME_GROUP", "rg_more_vg"), ("FILESYSTEM", "/rg_more"), ("APPLICATIONS", "rg_more_app")),
    )


@cache
def sample(nodes: int) -> Configuration:
    """A cluster of ``nodes`` nodes; each group prefers another node."""
    names = tuple(f"node{number}" for number in range(1, nodes + 1))
    boot = tuple(
        Label(
            label=name,
            function="boot",
            address=f"127.77.3.{number}",
            network="net_ether_01",
            node=name,
            interface="en0",
        )
        for number, name in enumerate(names, 1)
    )
    service = tuple(
        Label(label=f"{group}_svc", function="service", address=f"127.77.4.{33 + number}", network="net_ether_01")
        for number, group in enumerate(GROUPS)
    )
    return Configuration(
        cluster=Cluster(id=1108531106, name="simulated"),
        nodes=tuple(Node(name=name, id=number) for number, name in enumerate(names, 1)),
        networks=(Network(name="net_ether_01", id=1),),
        labels=boot + service,
        groups=tuple(
            ResourceGroup(
                name=group,
                nodes=names[number % nodes :] + names[: number % nodes],
                fallback=("FBHPN", "NFB")[number % 2],
                resources=(
                    ("SERVICE_LABEL", f"{group}_svc"),
                    ("VOLUME_GROUP", f"{group}_vg"),
                    ("FILESYSTEM", f"/{group}"),
                    ("APPLICATIONS", f"{group}_app"),
                ),
            )
            for number, group in enumerate(GROUPS)
        ),
        controllers=tuple(
            ApplicationController(name=f"{group}_app", start="/bin/start", stop="/bin/stop") for group in GROUPS
        ),
    )


def _stretched(seed: int, base: Configuration, groups: tuple[ResourceGroup, ...], **parts: object) -> Configuration:
    """Every other cluster has two sites, and groups with site policies; dice of its own leave the rest as it is."""
    made: Configuration = msgspec.structs.replace(base, groups=groups, **parts)
    chance = Random(f"{seed}/sites")
    names = [node.name for node in base.nodes]
    if len(names) < 2 or chance.random() < 0.5:
        return made
    chance.shuffle(names)
    middle = chance.randint(1, len(names) - 1)
    sites = (Site(name="east", nodes=tuple(names[:middle])), Site(name="west", nodes=tuple(names[middle:])))
    placed = []
    for group in groups:
        policy = chance.choice(("ignore", "both") if group.concurrent else ("ignore", "primary", "either"))
        placed.append(msgspec.structs.replace(group, resources=(*group.resources, ("SITE_POLICY", policy))))
    action = chance.choice(("fallover", "fallover", "notify"))
    made = msgspec.structs.replace(made, sites=sites, groups=tuple(placed))
    return made.with_setting("SITE_POLICY_FAILURE_ACTION", action)


@cache
def varied(seed: int, nodes: int, groups: int) -> Configuration:
    """A cluster whose groups, policies, dependencies, monitors and sites are drawn from a seed.

    What verification refuses is not drawn: circles, groups that belong on one node and on different ones, concurrent
    groups in a location dependency.
    """
    chance = Random(f"{seed}/groups")
    base = sample(nodes)
    names = tuple(f"rg{number}" for number in range(1, groups + 1))
    members = [node.name for node in base.nodes]
    made: list[ResourceGroup] = []
    for name in names:
        startup = chance.choice(("OHN", "OFAN", "OFAN", "OUDP", "OAAN"))
        order = members if startup == "OAAN" else chance.sample(members, chance.randint(min(2, nodes), nodes))
        fixed = {"OAAN": ("BO", "NFB"), "OUDP": ("FNPN", "NFB")}.get(startup)
        fallover, fallback = fixed or (chance.choice(("FNPN", "FNPN", "BO")), chance.choice(("FBHPN", "NFB")))
        resources = (("VOLUME_GROUP", f"{name}_vg"), ("FILESYSTEM", f"/{name}"), ("APPLICATIONS", f"{name}_app"))
        made.append(
            ResourceGroup(
                name=name,
                nodes=tuple(order),
                startup=startup,
                fallover=fallover,
                fallback=fallback,
                resources=resources if startup == "OAAN" else (("SERVICE_LABEL", f"{name}_svc"), *resources),
            )
        )
    single = [group.name for group in made if not group.concurrent]
    pairs = [pair for pair in combinations(names, 2) if chance.random() < 0.35]
    kinds = (PARENT_CHILD, PARENT_CHILD, START_AFTER, STOP_AFTER)
    dependencies = tuple(
        GroupDependency(id=number, parent=parent, child=child, kind=chance.choice(kinds))
        for number, (parent, child) in enumerate(pairs, 1)
    )
    located: list[LocationDependency] = []
    where = chance.choice(("", SAME_NODE, DIFFERENT_NODES)) if len(single) > 1 else ""
    if where:
        chosen = chance.sample(single, 2)
        levels = [chance.choice((HIGH, INTERMEDIATE, LOW)) if where == DIFFERENT_NODES else "" for _ in chosen]
        located.append(LocationDependency(id=1, kind=where, members=tuple(zip(chosen, levels, strict=True))))
    return _stretched(
        seed,
        base,
        groups=tuple(made),
        controllers=tuple(
            ApplicationController(name=f"{name}_app", start="/bin/start", stop="/bin/stop") for name in names
        ),
        labels=tuple(label for label in base.labels if label.function == "boot")
        + tuple(
            Label(label=f"{name}_svc", function="service", address=f"127.77.4.{33 + number}", network="net_ether_01")
            for number, name in enumerate(names)
        ),
        dependencies=dependencies,
        location_dependencies=tuple(located),
        monitors=tuple(
            ApplicationMonitor(
                name=f"{name}_mon",
                attributes=(
                    ("MONITOR_TYPE", "user"),
                    ("RESOURCE_TO_MONITOR", f"{name}_app"),
                    ("MONITOR_METHOD", "/bin/check"),
                    ("MONITOR_INTERVAL", "20"),
                    ("STABILIZATION_INTERVAL", "10"),
                    ("RESTART_COUNT", str(chance.randint(0, 2))),
                    ("FAILURE_ACTION", chance.choice(("notify", "fallover"))),
                ),
            )
            for name in names
            if chance.random() < 0.5
        ),
    )
