"""A run as data: what a seed stands for, or what a scenario file says.

A scenario file is text: comments after ``#``, one setting or fault a line, then what is expected.

    nodes 3
    networks 2
    groups 4                     drawn from the seed with policies, dependencies, monitors; without it two plain ones
    seed 4711                    of the weather, the scripts, and all other chance that is no fault
    spare                        the last node is in no cluster at the beginning
    members checked              a program on every node uses all of Group Services; its responsiveness is checked
    split tiebreaker             the split policy; without it none
    sites                        the first half of the nodes is at one site, the rest at another, which has priority
    merge priority               the merge policy; without it that which follows the split policy
    quarantine fencing           the quarantine policy, for the first group that is not concurrent; without it disable
    plant flush-forgotten        only if a planted bug is to be found
    at 35.250 crash node=2 for=12.500
    expect invariant 3           or: expect pass, expect assertion, expect no recovery
    trace node3 clexit.rc        lines of the trace (without their times) that must come in this order
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from daemons.sim.faults import Fault, FaultSyntax, cuts_between, draw, resizes
from daemons.sim.policies import DISABLE, QUARANTINES
from srcctl.machine import SECOND

NODES_MIN, NODES_MAX = 2, 16
GROUPS_MAX = 64
BOOTED_US = 20 * SECOND
SAFETY_US = 420 * SECOND
LENGTH_US = 600 * SECOND
"""Virtual time of a run; after the safety phase nothing goes wrong any more."""

MEMBERS_SHARE = 0.35
"""Of the seeds, that have a program on every node which uses all of Group Services."""

NONE, TIE_BREAKER, NFS, MANUAL = "none", "tiebreaker", "nfs", "manual"
SPLITS = (NONE, TIE_BREAKER, NFS, MANUAL)
"""Split policies. Merges follow them: with none the majority stays, with manual an operator decides.
Under nfs the tie breaker is no disk of the cluster and never lost."""
MAJORITY, PRIORITY = "majority", "priority"
MERGES = (MAJORITY, PRIORITY)
SPLIT_SHARE = 0.3
"""Of the seeds, that have a tie breaker."""

PASS = "pass"
NO_RECOVERY = 6
CONFIGURATION = 7
"""The number of the invariant that all act on one and the same configuration."""
SUPERVISION = 8
"""The number of the invariant of srcmstr."""
ASSERTION = 9
"""What a core holds for impossible has happened."""
OUTCOMES = {
    0: PASS,
    1: "invariant 1",
    2: "invariant 2",
    3: "invariant 3",
    4: "invariant 4",
    5: "invariant 5",
    NO_RECOVERY: "no recovery",
    CONFIGURATION: "invariant 7",
    SUPERVISION: "invariant 8",
    ASSERTION: "assertion",
}
"""How a run can end, by the number in its result."""


class ScenarioSyntax(ValueError):
    """A scenario file cannot be read."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run.

    Args:
        seed: of all chance that is no fault.
        nodes, networks: the size of the cluster.
        groups: how many resource groups are drawn from the seed; 0: two plain ones.
        faults: in the order of their times.
        plant: the name of a planted bug; "" for none.
        expect: how it ends (a value of ``OUTCOMES``).
        trace: lines that its trace must contain in this order, without their times.
        members: a program on every node uses all of Group Services.
        split: the split policy.
        checked: that program has its responsiveness checked, and is not always well.
        sites: the nodes are at two sites.
        merge: the merge policy; "": that which follows the split policy.
        quarantine: the quarantine policy.
        spare: the last node is in no cluster at the beginning.
    """

    seed: int
    nodes: int = 3
    networks: int = 1
    faults: tuple[Fault, ...] = ()
    plant: str = ""
    expect: str = PASS
    trace: tuple[str, ...] = ()
    groups: int = 0
    members: bool = False
    split: str = NONE
    checked: bool = False
    sites: bool = False
    merge: str = ""
    quarantine: str = DISABLE
    spare: bool = False

    @classmethod
    def of_seed(
        cls,
        seed: int,
        nodes: int = 3,
        plant: str = "",
        groups: int = 0,
        only: tuple[str, ...] = (),
        split: str = "",
        sites: bool = False,
        quarantine: str = "",
    ) -> Scenario:
        """What a seed stands for.

        Args:
            seed: names it.
            nodes, plant, groups: as of the scenario.
            only: the kinds of faults to draw from.
            split: the split policy; "": that of the seed.
            sites: two sites, which are cut off from each other again and again, with policies drawn from the seed.
            quarantine: with sites, the quarantine policy; "": that of the seed.
        """
        chance = Random(f"{seed}/networks")
        networks = chance.choice((1, 2, 2))
        members = chance.random() < MEMBERS_SHARE
        names = network_names(networks)
        numbers = tuple(range(1, nodes + 1))
        faults, spare = draw(seed, numbers, names, BOOTED_US, SAFETY_US, only), False
        if not only:
            resized, spare = resizes(seed, numbers, BOOTED_US, SAFETY_US)
            faults = sorted((*faults, *resized), key=lambda fault: fault.at)
        if sites:
            made = cls._with_sites(seed, nodes, networks, faults, plant, groups, members, split, quarantine)
            return replace(made, spare=spare)
        if not split:
            split = TIE_BREAKER if Random(f"{seed}/split").random() < SPLIT_SHARE else NONE
        size = (seed, nodes, networks, tuple(faults), plant)
        return cls(*size, groups=groups, members=members, split=split, checked=members, spare=spare)

    @classmethod
    def _with_sites(
        cls,
        seed: int,
        nodes: int,
        networks: int,
        faults: list[Fault],
        plant: str,
        groups: int,
        members: bool,
        split: str,
        quarantine: str,
    ) -> Scenario:
        chance = Random(f"{seed}/sites")
        split = split or chance.choice((NONE, NONE, NONE, TIE_BREAKER, NFS, MANUAL))
        merge = chance.choice(MERGES) if split == NONE else ""
        drawn = chance.choice(QUARANTINES) if split == NONE else DISABLE
        cuts = cuts_between(site_numbers(tuple(range(1, nodes + 1))), chance, BOOTED_US, SAFETY_US)
        everything = tuple(sorted((*faults, *cuts), key=lambda fault: fault.at))
        size = (seed, nodes, networks, everything, plant, PASS, (), groups, members, split, members)
        return cls(*size, True, merge, quarantine or drawn)

    @classmethod
    def parse(cls, text: str) -> Scenario:
        """Read a scenario file.

        Raises:
            ScenarioSyntax: it cannot be read.
        """
        numbers = {"seed": 1, "nodes": 3, "networks": 1, "groups": 0}
        plant, expect, members, checked, split = "", PASS, False, False, NONE
        sites, merge, quarantine, spare = False, "", DISABLE, False
        faults: list[Fault] = []
        trace: list[str] = []
        for count, raw in enumerate(text.splitlines(), 1):
            line = raw.strip() if raw.startswith("trace ") else raw.split("#")[0].strip()
            word, _, rest = line.partition(" ")
            try:
                match word:
                    case "":
                        pass
                    case "seed" | "nodes" | "networks" | "groups":
                        numbers[word] = int(rest)
                    case "members" if rest in ("", "checked"):
                        members, checked = True, bool(rest)
                    case "split" if rest in SPLITS:
                        split = rest
                    case "sites" if not rest:
                        sites = True
                    case "spare" if not rest:
                        spare = True
                    case "merge" if rest in MERGES:
                        merge = rest
                    case "quarantine" if rest in QUARANTINES:
                        quarantine = rest
                    case "plant":
                        plant = rest
                    case "at":
                        faults.append(Fault.parse(line))
                    case "expect" if rest in OUTCOMES.values():
                        expect = rest
                    case "trace" if rest:
                        trace.append(rest)
                    case _:
                        raise ScenarioSyntax(f"line {count}: {raw!r}")
            except (FaultSyntax, ValueError) as fault:
                raise ScenarioSyntax(f"line {count}: {fault}") from None
        if not NODES_MIN <= numbers["nodes"] <= NODES_MAX or not 1 <= numbers["networks"] <= 4:
            raise ScenarioSyntax("nodes or networks out of range")
        if not 0 <= numbers["groups"] <= GROUPS_MAX:
            raise ScenarioSyntax("groups out of range")
        size = (numbers["seed"], numbers["nodes"], numbers["networks"])
        return cls(
            *size,
            tuple(faults),
            plant,
            expect,
            tuple(trace),
            numbers["groups"],
            members,
            split,
            checked,
            sites,
            merge,
            quarantine,
            spare,
        )

    def __str__(self) -> str:
        lines = [f"nodes {self.nodes}", f"networks {self.networks}", f"seed {self.seed}"]
        lines += [f"groups {self.groups}"] if self.groups else []
        lines += ["members checked" if self.checked else "members"] if self.members else []
        lines += [f"split {self.split}"] if self.split != NONE else []
        lines += ["spare"] if self.spare else []
        lines += ["sites"] if self.sites else []
        lines += [f"merge {self.merge}"] if self.merge else []
        lines += [f"quarantine {self.quarantine}"] if self.quarantine != DISABLE else []
        lines += [f"plant {self.plant}"] if self.plant else []
        lines += [str(fault) for fault in self.faults]
        lines += [f"expect {self.expect}"]
        lines += [f"trace {line}" for line in self.trace]
        return "\n".join(lines) + "\n"


def network_names(count: int) -> tuple[str, ...]:
    """The networks of a cluster with so many."""
    return tuple(f"net_ether_{number:02}" for number in range(1, count + 1))


def site_numbers(numbers: tuple[int, ...]) -> tuple[frozenset[int], frozenset[int]]:
    """The nodes of the two sites."""
    middle = (len(numbers) + 1) // 2
    return frozenset(numbers[:middle]), frozenset(numbers[middle:])


def without_time(line: str) -> str:
    """A line of a trace without its time, blanks squeezed."""
    return " ".join(line.split()[1:])


def missing(expected: tuple[str, ...], lines: tuple[str, ...]) -> str:
    """The first expected line that does not follow in the trace; "" if all do."""
    following = iter(lines)
    for wanted in expected:
        if not any(without_time(line) == wanted for line in following):
            return wanted
    return ""
