"""What ``srcctl status`` tells: the lab as plain values, and the same as a page for people."""

from __future__ import annotations

from srcctl.lab import disks, links, power, sample_cluster
from srcctl.lab.errors import NotRunning
from srcctl.lab.model import Lab, boot_address


def collect(lab: Lab) -> dict[str, object]:
    """The lab's state; the shape is what ``srcctl status --json`` prints.

    Addresses are listed by interface, boot address first; a service address stands with every node that holds it, a
    disk with every node that has its volume group varied on. Two are a split brain.
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
        told = sample_cluster.group_states(lab, name)
        for group, states in told.items():
            # Across a partition a node knows no more than its own side: of itself each is believed.
            groups.setdefault(group, states)[name] = states.get(name, "OFFLINE")
        if groups and not links.is_partitioned(lab):
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
        "disks": disks.varied_on(lab),
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
    split = split_brain(state)
    if split:
        lines.append("\nsplit brain:")
        lines += [f"  {line}" for line in split]
    faults = state["faults"]
    assert isinstance(faults, list)
    if faults:
        lines.append("\nfaults:")
        lines += [f"  {fault}" for fault in faults]
    return "\n".join(lines)


def split_brain(state: dict[str, object]) -> list[str]:
    """What more than one node holds at a time, a sentence each."""
    holders: dict[str, list[str]] = {}
    nodes, shared = state["nodes"], state["disks"]
    assert isinstance(nodes, dict)
    assert isinstance(shared, dict)
    for name, node in nodes.items():
        if node["power"] == "on":
            for addresses in node["addresses"].values():
                for address in addresses[1:]:
                    holders.setdefault(f"the address {address} is held by", []).append(name)
    for disk, use in shared.items():
        if use["mode"] == "concurrent":
            continue
        holders[f"{use['volume_group'] or disk} ({disk}) is varied on by"] = use["nodes"]
    return [f"{what} {' and '.join(names)}" for what, names in holders.items() if len(names) > 1]
