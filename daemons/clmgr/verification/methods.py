"""Verification methods: programs of the administrator's that say whether a configuration is sound.

A custom method (HACMPcustom, type verify) is run on every node; the method of a user-defined resource type on every
node of the group once for each resource of that type, with the resource's attributes in its environment. What they
print is a part of the output, and exit code 0 is good (where they run and the lines are inferred). Nodes that cannot be
asked are passed over: verification has named them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from daemons.clcomd import client as clcomd
from daemons.clconfd import agent
from daemons.clconfd.agents import Agents
from daemons.clmgr.verification.record import Record
from daemons.cluster.configuration import Configuration
from daemons.cluster.verification import Finding
from srcctl.node.root import NodeRoot


def custom(
    root: NodeRoot,
    c: Configuration,
    chosen: tuple[str, ...] | None,
    record: Record,
    agents: Agents,
    silent: Collection[str],
) -> list[Finding]:
    """The custom methods: those that were chosen, or all."""
    defined = {method.name: method.program for method in c.methods if method.kind == "verify"}
    nodes = [node.name for node in c.nodes if node.name not in silent]
    found = []
    for name in chosen if chosen is not None else tuple(defined):
        if name not in defined:
            found.append(Finding(True, f"The custom verification method '{name}' is not defined."))
            record.block(found[-1].line())
            continue
        record.apart(f"Running the custom verification method {name}...")
        found += _run(root, nodes, [defined[name]], f"The custom verification method '{name}'", record, agents)
    return found


def of_resource_types(
    root: NodeRoot, c: Configuration, record: Record, agents: Agents, silent: Collection[str]
) -> list[Finding]:
    """The methods of user-defined resource types, for the resources in groups."""
    found = []
    for group in c.groups:
        for name in group.resource("USERDEFINED_RESOURCES"):
            resource = c.user_resource(name)
            kind = c.resource_type(resource.type) if resource is not None else None
            if resource is None or kind is None or not kind.verification:
                continue
            record.apart(f"Running the verification method of the resource type {kind.name} for {name}...")
            what = f"The verification method of the user-defined resource '{name}'"
            variables = [f"{variable}={value}" for variable, value in resource.environment]
            nodes = [node for node in group.nodes if node not in silent]
            found += _run(root, nodes, [kind.verification, *variables], what, record, agents)
    return found


def _run(
    root: NodeRoot, nodes: Iterable[str], words: list[str], what: str, record: Record, agents: Agents
) -> list[Finding]:
    """Run a method on nodes at the same time; what each says follows in their order, each line with the node's name."""

    def ask(node: str) -> clcomd.Result | None:
        if node == root.identity.node:
            status, out, complaint = agent.carry_out(root, ["method", *words])
            return clcomd.Result(status, out.encode(), complaint.encode())
        try:
            return agents.ask(node, ["method", *words])
        except clcomd.ClcomdError:
            return None

    asked = list(nodes)
    with ThreadPoolExecutor(max_workers=max(1, len(asked))) as pool:
        answers = dict(zip(asked, pool.map(ask, asked), strict=True))
    found = []
    for node, answer in answers.items():
        if answer is None:
            found.append(Finding(True, f"{what} could not be run on node '{node}'."))
        else:
            said = (answer.err if answer.status else answer.out).decode(errors="replace")
            for line in said.splitlines():
                record.say(f"{node}: {line}")
            if answer.status:
                found.append(Finding(True, f"{what} failed with exit code {answer.status} on node '{node}'."))
    for finding in found:
        record.block(finding.line())
    return found
