"""``/etc/snmpd.conf`` in the version 1 syntax of AIX: communities, trap targets, SMUX peers, the system group."""

from __future__ import annotations

from typing import NamedTuple

from daemons.snmpd.values import Oid, parse_oid

CONFIGURATION_FILE = "/etc/snmpd.conf"


class TrapTarget(NamedTuple):
    """``trap community address view mask``: where traps go."""

    community: str
    address: str


class AgentConfiguration(NamedTuple):
    """What the file says. ``faults`` are the lines that were ignored, in words for the log."""

    communities: tuple[str, ...] = ()
    traps: tuple[TrapTarget, ...] = ()
    smux: tuple[tuple[Oid, str], ...] = ()
    contact: str = ""
    location: str = ""
    faults: tuple[str, ...] = ()

    @property
    def public_community(self) -> str | None:
        """The first community that is neither ``private`` nor ``system``: the one that clinfoES uses."""
        return next((name for name in self.communities if name not in ("private", "system")), None)

    def serves(self, identity: Oid) -> bool:
        """Whether a SMUX peer of that identity may register."""
        return any(oid == identity for oid, _ in self.smux)


def parse(text: str) -> AgentConfiguration:
    """Read the file; a bad entry is dropped and named, as snmpd does."""
    communities: list[str] = []
    traps: list[TrapTarget] = []
    smux: list[tuple[Oid, str]] = []
    system: dict[str, str] = {}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] in ("#", "*"):
            continue
        fields = line.partition("#")[0].split()
        match fields:
            case []:
                pass
            case ["community", name, *_]:
                communities.append(name)
            case ["trap", community, address, *_]:
                traps.append(TrapTarget(community, address))
            case ["smux", identity, *rest]:
                try:
                    smux.append((parse_oid(identity), rest[0] if rest else ""))
                except ValueError:
                    faults.append(f"line {number}: {identity} is not an object identifier")
            case ["syscontact" | "syslocation" as keyword, *words]:
                system[keyword] = " ".join(words).strip('"')
            case ["logging" | "view" | "snmpd", *_]:
                pass
            case [keyword, *_]:
                faults.append(f"line {number}: {keyword} is not understood")
    return AgentConfiguration(
        tuple(communities),
        tuple(traps),
        tuple(smux),
        system.get("syscontact", ""),
        system.get("syslocation", ""),
        tuple(faults),
    )
