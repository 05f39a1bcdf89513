"""CAA's tunables: defaults, ranges, units. The numbers marked inferred in the reference documentation are ours.

Where CAA by itself and PowerHA start from different values (node_timeout 20 and 30 s, heartbeats by multicast and
unicast), the defaults here are PowerHA's.
"""

from __future__ import annotations

from typing import NamedTuple


class Tunable(NamedTuple):
    """One tunable of ``clctrl -tune``. ``choices`` instead of a range for letters."""

    name: str
    default: str
    low: int = 0
    high: int = 0
    unit: str = ""
    scope: str = "c"
    choices: tuple[str, ...] = ()

    def fault(self, value: str) -> str | None:
        """What is wrong with a value, in words."""
        if self.choices:
            return None if value in self.choices else f"must be one of {', '.join(self.choices)}"
        if not (value.isascii() and value.isdigit() and len(value) <= 10) or not self.low <= int(value) <= self.high:
            return f"must be from {self.low} to {self.high}"
        return None


PURPOSES = {
    "communication_mode": "How heartbeats travel between nodes: u one to each, m one to all by multicast.",
    "config_timeout": "Time that a change of the cluster may take on all nodes together; 0 is no limit.",
    "deadman_mode": "What a node does that can no longer tell the others that it lives: a halts it, e makes an event.",
    "hb_src_disk": "Heartbeats over the repository disk; 0 switches them off.",
    "hb_src_lan": "Heartbeats over the networks; 0 switches them off.",
    "hb_src_san": "Heartbeats over the SAN, of which there is none here.",
    "link_timeout": "Further time before a silent node of another site is called down.",
    "local_merge_policy": "Which part of a cluster stays when parts meet: n none, m majority, h heuristic.",
    "network_fdt": "Time without a packet after which a path over a network is down.",
    "no_if_traffic_monitor": "1: an interface is in the state of its link, also when nothing comes in on it.",
    "node_down_delay": "Further time before a silent node is called down.",
    "node_timeout": "Time without a heartbeat after which a node is suspected.",
    "packet_ttl": "Time to live of heartbeats, in hops.",
    "pvm_watchdog_timer": "What is done with a node that hangs: nothing more, a dump and restart, a reset, power off.",
    "remote_hb_factor": "Multiplies the time between heartbeats to another site.",
    "repos_mode": "What a node does that loses the repository disk: a halts it, e makes an event.",
    "site_merge_policy": "Which site stays when sites meet: p priority, m manual, h heuristic.",
}

TUNABLES = {
    t.name: t
    for t in (
        Tunable("communication_mode", "u", choices=("u", "m")),
        Tunable("config_timeout", "240", 0, 2147483647, "seconds"),
        Tunable("deadman_mode", "a", choices=("a", "e")),
        Tunable("hb_src_disk", "1", 0, 3),
        Tunable("hb_src_lan", "1", 0, 3),
        Tunable("hb_src_san", "2", 0, 3),
        Tunable("link_timeout", "30000", 0, 1171000, "milliseconds"),
        Tunable("local_merge_policy", "m", choices=("n", "m", "h")),
        Tunable("network_fdt", "20000", 5000, 590000, "milliseconds"),
        Tunable("no_if_traffic_monitor", "0", 0, 1),
        Tunable("node_down_delay", "10000", 5000, 600000, "milliseconds"),
        Tunable("node_timeout", "30000", 10000, 600000, "milliseconds"),
        Tunable("packet_ttl", "32", 1, 64),
        Tunable("pvm_watchdog_timer", "disable", choices=("disable", "dump_restart", "hard_reset", "hard_power_off")),
        Tunable("remote_hb_factor", "1", 1, 100),
        Tunable("repos_mode", "e", choices=("a", "e")),
        Tunable("site_merge_policy", "p", choices=("p", "m", "h")),
    )
}


def value_of(tunables: tuple[tuple[str, str], ...], name: str) -> str:
    """The value in force."""
    return dict(tunables).get(name, TUNABLES[name].default)


def seconds(tunables: tuple[tuple[str, str], ...], name: str) -> float:
    """A tunable in milliseconds, as product seconds."""
    return int(value_of(tunables, name)) / 1000
