"""CAA's tunables: defaults, ranges, units. The numbers marked inferred in the reference documentation are ours."""

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
        if not value.isdigit() or not self.low <= int(value) <= self.high:
            return f"must be from {self.low} to {self.high}"
        return None


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
