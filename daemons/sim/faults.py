"""What goes wrong in a run: drawn from its seed as a whole, before the run begins, so that it can be cut down to less.

A fault is one line: when, what, and its particulars, for instance ``at 35.250 crash node=2 for=12.500``. Times are
seconds. The faults of a run say nothing about the state of the cluster; one that finds nothing to strike does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from srcctl.machine import SECOND

Words = dict[str, str]
Numbers = tuple[int, ...]


class FaultSyntax(ValueError):
    """A line is no fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``at`` is in microseconds, ``words`` are its particulars."""

    at: int
    kind: str
    words: tuple[tuple[str, str], ...]

    def word(self, name: str, default: str = "") -> str:
        """A particular."""
        return dict(self.words).get(name, default)

    def number(self, name: str) -> int:
        """A particular that is a node number or a count."""
        return int(self.word(name, "0"))

    def share(self, name: str) -> float:
        """A particular that is a share or a factor."""
        return float(self.word(name, "0"))

    def time(self, name: str) -> int:
        """A particular that is a time; microseconds."""
        return round(float(self.word(name, "0")) * SECOND)

    def __str__(self) -> str:
        words = "".join(f" {name}={value}" for name, value in self.words)
        return f"at {self.at / SECOND:.3f} {self.kind}{words}"

    @classmethod
    def parse(cls, line: str) -> Fault:
        """Read a line.

        Raises:
            FaultSyntax: it is no fault.
        """
        parts = line.split()
        try:
            at = round(float(parts[1]) * SECOND)
            words = tuple((name, value) for name, _, value in (part.partition("=") for part in parts[3:]))
            if parts[0] != "at" or parts[2] not in KINDS or not all(value for _, value in words):
                raise FaultSyntax(line)
        except (IndexError, ValueError):
            raise FaultSyntax(f"no fault: {line!r}") from None
        return cls(at, parts[2], words)


def draw(
    seed: int, numbers: Numbers, networks: tuple[str, ...], begin: int, until: int, only: tuple[str, ...] = ()
) -> list[Fault]:
    """The faults of a seed. Every seed knows only some kinds and has a pace of its own ("swarm testing": Groce and
    others, 2012).

    Args:
        seed: names the run.
        numbers: the nodes.
        networks: the networks.
        begin, until: when the first one may come and the last one must have begun (microseconds).
        only: the kinds to draw from, instead of the seed's choice.
    """
    chance = Random(f"{seed}/faults")
    drawn = sorted(kind for kind in KINDS if KINDS[kind][0])
    kinds = sorted(only) or [kind for kind in drawn if chance.random() < 0.6] or ["crash"]
    weights = [KINDS[kind][0] or 1 for kind in kinds]
    pace = chance.choice((8, 15, 30)) * SECOND
    faults = []
    now = begin + int(pace * chance.random())
    while now < until:
        kind = chance.choices(kinds, weights)[0]
        words = KINDS[kind][1](chance, numbers, networks)
        # As a file says it, so that a seed and its scenario are the same run.
        faults.append(Fault.parse(str(Fault(now, kind, tuple(words.items())))))
        now += int(pace * (0.1 + 1.5 * chance.random()))
    return faults


def cuts_between(halves: tuple[frozenset[int], frozenset[int]], chance: Random, begin: int, until: int) -> list[Fault]:
    """Cuts between two sites, of which some leave the repository disk, and some are too short for anybody to be down.

    Args:
        halves: the nodes of each site.
        chance: what they are drawn from.
        begin, until: when the first one may come and the last one must have begun (microseconds).
    """
    words = "/".join(",".join(map(str, sorted(half))) for half in halves)
    faults = []
    for _ in range(chance.randint(1, 4)):
        kept = " disk=kept" if chance.random() < 0.15 else ""
        at, duration = begin + (until - begin) * chance.random(), 5 + 110 * chance.random()
        faults.append(Fault.parse(f"at {at / SECOND:.3f} partition halves={words} for={duration:.3f}{kept}"))
    return faults


RESIZED_SHARE = 0.35
"""Of the seeds, in which nodes are removed from the cluster and added to it."""


def resizes(seed: int, numbers: Numbers, begin: int, until: int) -> tuple[list[Fault], bool]:
    """Nodes that synchronizations of a seed remove from the cluster and add to it, and whether the last node is in no
    cluster at the beginning. Mostly one node comes and goes; dice of its own leave the other faults as they are.
    """
    chance = Random(f"{seed}/nodes")
    if chance.random() >= RESIZED_SHARE:
        return [], False
    spare = len(numbers) > 2 and chance.random() < 0.3
    mostly = numbers[-1] if spare else chance.choice(numbers)
    faults = []
    for _ in range(chance.randint(1, 4)):
        chosen = mostly if chance.random() < 0.75 else chance.choice(numbers)
        words = _resized(chance, numbers, chosen)
        at = begin + int((until - begin) * chance.random())
        faults.append(Fault.parse(str(Fault(at, RESIZE, tuple(words.items())))))
    return sorted(faults, key=lambda fault: fault.at), spare


CONFIGURATION = ("clcomd", "clconfd")
RESIZE = "nodes-changed"
"""A node is removed from the cluster, or added to it if it is in none, by a synchronization."""
PHASES = ("lock", "store", "stage", "members", "commit", "install", "activate", "unlock")
"""Of a synchronization (``daemons.cluster.synchronization.session``)."""
CHANGES = ("group", "resource", "network", "group-and-network")

# How each kind is drawn ----------------------------------------------------------------------------------------------


def _node(chance: Random, numbers: Numbers) -> str:
    return str(chance.choice(numbers))


def _for(chance: Random, most: float = 60.0) -> str:
    return f"{2 + most * chance.random():.3f}"


def _struck(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    return {"node": _node(chance, numbers), "for": _for(chance)}


def _broadcast(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    return {**_struck(chance, numbers, networks), "packets": str(chance.randrange(1, 12))}


def _torn(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    return {**_struck(chance, numbers, networks), "store": chance.choice(("before", "after"))}


def _killed(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    return {
        "node": _node(chance, numbers),
        "what": chance.choice(("clstrmgrES", "clstrmgrES", "cthags", "cthags", "srcmstr", "caa", *CONFIGURATION)),
    }


def _hung(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    words = {
        "node": _node(chance, numbers),
        "what": chance.choice(("clstrmgrES", "clstrmgrES", "cthags", "caa", *CONFIGURATION)),
    }
    if chance.random() < 0.4:
        words["for"] = _for(chance, 90)
    return words


def _paused(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    seconds = 15 * chance.random() if chance.random() < 0.5 else 25 + 60 * chance.random()
    return {"node": _node(chance, numbers), "for": f"{seconds:.3f}"}


def _slow(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    return {**_struck(chance, numbers, networks), "step": f"{0.001 + 0.03 * chance.random():.4f}"}


def _partitioned(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    mixed = list(numbers)
    chance.shuffle(mixed)
    middle = chance.randrange(1, max(2, len(mixed)))
    halves = (sorted(mixed[:middle]), sorted(mixed[middle:]))
    words = {"halves": "/".join(",".join(map(str, half)) for half in halves), "for": _for(chance)}
    if chance.random() < 0.3:
        words["disk"] = "kept"
    return words


def _cut(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    source, target = chance.sample(numbers, 2)
    path = chance.choice((*networks, "networks", "all"))
    return {"from": str(source), "to": str(target), "path": path, "for": _for(chance)}


def _link(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    return {**_struck(chance, numbers, networks), "network": chance.choice(networks)}


def _weather(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    return {
        "loss": f"{0.3 * chance.random():.3f}",
        "duplication": f"{0.2 * chance.random():.3f}",
        "reordering": f"{0.5 * chance.random():.3f}",
        "latency": f"{0.0001 + 0.02 * chance.random():.4f}",
        "late": f"{0.3 * chance.random():.3f}",
        "for": _for(chance),
    }


def _scripts(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    words = {**_struck(chance, numbers, networks), "slow": f"{1 + 10 * chance.random():.2f}"}
    for what, most in (("acquire", 0.2), ("release", 0.2), ("status", 0.1), ("monitor", 0.3)):
        if chance.random() < 0.4:
            words[what] = f"{most * chance.random():.3f}"
    return words


def _script_hang(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    return {"node": _node(chance, numbers), "for": _for(chance, 250)}


def _disk(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    """For one node, or without a node for all."""
    one = {"node": _node(chance, numbers)} if chance.random() < 0.5 else {}
    return {**one, "for": _for(chance)}


def _left(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    """A node is removed from the cluster, from another one or itself, and taken in again later."""
    return {**_struck(chance, numbers, networks), "from": _node(chance, numbers), **_stricken(chance, numbers)}


def _replaced(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    return {"node": _node(chance, numbers), **_stricken(chance, numbers)}


def _stricken(chance: Random, numbers: Numbers) -> Words:
    """Services may be left on where they are in the way; the command or a node may end before a step of the change."""
    words = {"services": "on"} if chance.random() < 0.25 else {}
    if chance.random() < 0.6:
        words |= {"step": str(chance.randint(1, 9)), "what": chance.choice((CHANGE, "node")), "off": _for(chance, 40)}
    return words


def _torn_sectors(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    return {**_struck(chance, numbers, networks), "share": f"{0.05 + 0.6 * chance.random():.3f}"}


def _torn_write(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    """The power goes in the middle of the next write to one part of the repository disk, or to any."""
    return {
        **_struck(chance, numbers, networks),
        "area": chance.choice(("any", "heartbeat", "letter", "definition", *SYNCHRONIZED)),
    }


def _clock(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    return {"node": _node(chance, numbers), "by": f"{chance.choice((-1, 1)) * 7200 * chance.random():.0f}"}


def _operator(chance: Random, numbers: Numbers, _: tuple[str, ...]) -> Words:
    return {
        "node": _node(chance, numbers),
        "asks": chance.choice(("move", "offline", "online", "stop-move", "stop-offline")),
        "group": chance.choice(("rg1", "rg2")),
        "target": _node(chance, numbers),
    }


def _synchronized(chance: Random, numbers: Numbers, networks: tuple[str, ...]) -> Words:
    """A change is synchronized from a node; mostly something is killed, there or elsewhere, when a phase is reached."""
    words = {"node": _node(chance, numbers), "change": chance.choice(CHANGES)}
    if chance.random() < 0.7:
        words["phase"] = chance.choice(PHASES)
        words["after"] = f"{0.12 * chance.random() * chance.random():.4f}"
        words["what"] = chance.choice(("clmgr", "clmgr", "node", "node", "cl_config", *CONFIGURATION, "clstrmgrES"))
        words["victim"] = words["node"] if words["what"] == "clmgr" else _node(chance, numbers)
        words["for"] = _for(chance)
    return words


def _resized(chance: Random, numbers: Numbers, node: int) -> Words:
    """A node is removed or added from another one. Mostly something is killed meanwhile, as in ``_synchronized``."""
    orderer = chance.choice([number for number in numbers if number != node])
    words = {"node": str(node), "from": str(orderer)}
    if chance.random() < 0.15:
        words["services"] = "on"
    if chance.random() < 0.6:
        words["phase"] = chance.choice((*PHASES, "members", "members", "install", "activate", "activate"))
        words["after"] = f"{0.5 * chance.random() * chance.random():.4f}"
        words["what"] = chance.choice(("clmgr", "clmgr", "node", "node", "cl_config", *CONFIGURATION, "clstrmgrES"))
        words["victim"] = str(orderer if words["what"] == "clmgr" else chance.choice((node, orderer, *numbers)))
        words["for"] = _for(chance)
    return words


CHANGE = "chcluster"
"""The command that changes the CAA cluster."""
SYNCHRONIZED = ("archive", "commit")
"""Parts of the repository disk that only a synchronization writes."""

KINDS: dict[str, tuple[int, Callable[[Random, Numbers, tuple[str, ...]], Words]]] = {
    "crash": (2, _struck),
    "crash-in-broadcast": (2, _broadcast),
    "crash-in-store": (1, _torn),
    "kill": (4, _killed),
    "hang": (2, _hung),
    "pause": (2, _paused),
    "slow": (1, _slow),
    "partition": (1, _partitioned),
    "one-way-cut": (1, _cut),
    "link-down": (1, _link),
    "weather": (1, _weather),
    "scripts": (1, _scripts),
    "scripts-hang": (1, _script_hang),
    "disk-lost": (1, _disk),
    "breaker-lost": (1, _disk),
    "torn-sectors": (1, _torn_sectors),
    "crash-in-disk-write": (1, _torn_write),
    "read-only": (1, _struck),
    "clock-step": (1, _clock),
    "operator": (2, _operator),
    "synchronize": (3, _synchronized),
    "member-leaves": (1, _left),
    "repository-replaced": (1, _replaced),
    "caa-stopped": (1, _left),
    RESIZE: (0, lambda chance, numbers, _: _resized(chance, numbers, chance.choice(numbers))),
}
"""How often each kind comes (0: ``resizes`` draws it), and how its particulars are drawn."""
