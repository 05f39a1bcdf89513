"""What ``srcctl status`` tells: the lab as plain values, and the same as a page for people."""

from __future__ import annotations

from srcctl.lab import links, power, sample_cluster
from srcctl.lab.errors import NotRunning
from srcctl.lab.model import Lab, boot_address


def collect(lab: Lab) -> dict[str, object]:
    """The lab's state; the shape is what ``srcctl status --json`` prints.

    Addresses are listed by interface, boot address first; a service address stands with the node that holds it.
    """
    nodes: dict[str, object] = {}
    running: list[str] = []
    held = links.held_addresses(lab)
    for node in lab.description.nodes:
        try:
            processes = power.process_table(lab, node.name)
            running.append(node.name)
        except NotRunning:
            processes = {}
        nodes[node.name] = {
            "power": "on" if node.name in running else "off",
            "processes": processes,
            "addresses": {
                network.interface: [
                    boot_address(lab.description.block, k, node.number),
                    *held.get((node.name, network.interface), []),
                ]
                for k, network in enumerate(lab.description.networks)
            },
        }
    groups: dict[str, dict[str, str]] = {}
    for name in running:
        groups = sample_cluster.group_states(lab, name)
        if groups:
            break
    return {
        "lab": lab.directory,
        "id": lab.description.id,
        "mode": lab.description.mode,
        "speed": lab.description.speed,
        "block": lab.description.block,
        "networks": {network.name: network.interface for network in lab.description.networks},
        "nodes": nodes,
        "resource_groups": groups,
        "faults": links.describe_faults(lab),
    }


def page(state: dict[str, object]) -> str:
    """The state as lines for a terminal."""
    lines = [f"lab {state['lab']}: {state['mode']} mode, speed {state['speed']:g}, addresses {state['block']}.*"]
    nodes = state["nodes"]
    assert isinstance(nodes, dict)
    for name, node in nodes.items():
        addresses = " ".join(f"{interface} {','.join(found)}" for interface, found in node["addresses"].items())
        lines.append(f"\n{name}: power {node['power']}, {addresses}")
        lines += [f"  {process:<16}{pid:>9}" for process, pid in node["processes"].items()]
    groups = state["resource_groups"]
    assert isinstance(groups, dict)
    if groups:
        lines.append("")
    for group, states in groups.items():
        lines.append(f"{group}: " + ", ".join(f"{word} on {node}" for node, word in states.items()))
    faults = state["faults"]
    assert isinstance(faults, list)
    if faults:
        lines.append("\nfaults:")
        lines += [f"  {fault}" for fault in faults]
    return "\n".join(lines)
