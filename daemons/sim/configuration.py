"""The simulated configuration: as many nodes as wanted, two resource groups, the shipped recovery programs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from daemons.clstrmgr.recovery_program import Program
from daemons.clstrmgr.recovery_program import parse as parse_program
from daemons.clstrmgr.rules import parse as parse_rules
from daemons.cluster.configuration import (
    ApplicationController,
    Cluster,
    Configuration,
    Label,
    Network,
    Node,
    ResourceGroup,
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
