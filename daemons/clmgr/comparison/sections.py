"""What is compared of a cluster, section by section, and how two of them differ. Pure.

The sections and what they are about are the product's; how they stand in its JSON files is not published (inferred).
What belongs to one cluster alone, as addresses and labels, is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from daemons.cluster.configuration import Configuration

Section = dict[str, Any]
SECTIONS = ("cluster", "rg", "ifix", "version", "resource", "network", "bp", "gui")
"""In the order in which they are reported; bp are backup profiles, gui the settings of the user interface."""
NAMES_OF_ITS_OWN = ("CLUSTER_NAME", "CLUSTER_ID")
"""What two clusters never share: it is shown, and makes no difference."""


def collected(c: Configuration, filesets: Sequence[tuple[str, str]]) -> dict[str, Section]:
    """All sections of a cluster.

    Args:
        c: its configuration.
        filesets: names and levels, none where they are not known (a snapshot).
    """
    return {
        "cluster": {
            "CLUSTER_NAME": c.cluster.name,
            "CLUSTER_ID": str(c.cluster.id),
            "TYPE": c.setting("CLUSTER_TYPE", "NSC"),
            "HEARTBEAT_TYPE": "MULTICAST" if c.cluster.heartbeat_type == "C" else "UNICAST",
            "NODES": [node.name for node in c.nodes],
            "SITES": {site.name: list(site.nodes) for site in c.sites},
            **{f"{name.upper()}_POLICY": value for name, value in c.split_merge if name in ("split", "merge")},
        },
        "rg": {
            group.name: {
                "NODES": list(group.nodes),
                "STARTUP": group.startup,
                "FALLOVER": group.fallover,
                "FALLBACK": group.fallback,
                "SITE_POLICY": group.site_policy,
                **_resources(group.resources),
            }
            for group in c.groups
        },
        "ifix": {},
        "version": dict(filesets),
        "resource": {
            "APPLICATIONS": _count(c, "APPLICATIONS"),
            "FILESYSTEMS": _count(c, "FILESYSTEM"),
            "VOLUME_GROUPS": _count(c, "VOLUME_GROUP"),
            "SERVICE_LABELS": _count(c, "SERVICE_LABEL"),
        },
        "network": {
            network.name: {
                "TYPE": network.type,
                "ATTR": network.attribute,
                "ALIAS": bool(network.alias),
                "MONITOR_METHOD": network.monitor_method,
                "NETMASK": next((e.netmask for e in c.labels if e.network == network.name), ""),
                "INTERFACES": [
                    sum((e.network, e.node, e.function) == (network.name, node.name, "boot") for e in c.labels)
                    for node in c.nodes
                ],
            }
            for network in c.networks
        },
        "bp": {},
        "gui": {},
    }


def _resources(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, value in pairs:
        found.setdefault(kind, []).append(value)
    return dict(sorted(found.items()))


def _count(c: Configuration, kind: str) -> int:
    return sum(len(group.resource(kind)) for group in c.groups)


def compared(first: dict[str, Section], second: dict[str, Section], chosen: Sequence[str]) -> dict[str, Section]:
    """The report: for each chosen section whether the two are the same, and the differences."""
    report: dict[str, Section] = {}
    for name in chosen:
        differences = list(_differences("", first.get(name, {}), second.get(name, {})))
        report[name] = {
            "result": "different" if any(d["attribute"] not in NAMES_OF_ITS_OWN for d in differences) else "same",
            "differences": differences,
        }
    return report


def _differences(path: str, one: Any, other: Any) -> Iterator[Section]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys((*one, *other)):
            yield from _differences(f"{path}.{key}" if path else key, one.get(key), other.get(key))
    elif one != other:
        yield {"attribute": path, "file1": one, "file2": other}
