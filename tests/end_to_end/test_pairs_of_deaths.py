"""Two processes are killed at the same moment: the README's table still holds, and boot recovers from it.

``HAES_PAIRS`` says how many pairs are tried (4), ``HAES_SEED`` which: a failure names both.
"""

from __future__ import annotations

import itertools
import os
import random
import signal

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True
HALTING = ("lpar", "caa", "clstrmgrES", "cthags")
"""Whose death is the node's."""
RESPAWNED = ("srcmstr", "clcomd", "clconfd", "ctrmc")
ONCE = ("clevmgrdES", "clinfoES", "snmpd")
SEED = int(os.environ.get("HAES_SEED", "2"))
ALWAYS = (
    (("node1", "srcmstr"), ("node1", "clstrmgrES")),
    (("node1", "srcmstr"), ("node1", "cthags")),
    (("node1", "clcomd"), ("node1", "clconfd")),
)
"""The pairs of which one is the other's helper."""


def pairs() -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Pairs of (node, process), without repetition; the order is that of the kills."""
    everything = [(node, name) for node in ("node1", "node2") for name in (*HALTING, *RESPAWNED, *ONCE)]
    found = [pair for pair in itertools.permutations(everything, 2) if "node1" in (pair[0][0], pair[1][0])]
    chosen = random.Random(SEED).sample(found, int(os.environ.get("HAES_PAIRS", "4")))
    return [*ALWAYS, *chosen]


@pytest.mark.parametrize(
    "pair", pairs(), ids=lambda pair: f"seed{SEED}-" + "+".join(f"{node}.{name}" for node, name in pair)
)
def test_two_processes_die_at_once(lab: LabUnderTest, pair: tuple[tuple[str, str], tuple[str, str]]) -> None:
    make_complete(lab)
    owner, counter = lab.owner(), lab.ask()["counter"]
    before = {node: lab.processes(node) for node in lab.nodes()}
    for node, name in pair:
        os.kill(before[node][name], signal.SIGKILL)
    dead = {node for node, name in pair if name in HALTING}
    for node in dead:
        lab.wait_for_power(node, "off")
    for node, name in pair:
        if node in dead:
            continue
        assert lab.power(node) == "on"
        if name in RESPAWNED:
            eventually(
                lambda node=node, name=name: lab.processes(node).get(name, before[node][name]) != before[node][name],  # type: ignore[misc]
                f"a new {name} on {node}",
            )
        else:
            eventually(
                lambda node=node, name=name: "inoperative" in lab.run(node, f"lssrc -s {name}").stdout,  # type: ignore[misc]
                f"{name} inoperative on {node}",
            )
    living = [node for node in lab.nodes() if node not in dead]
    if living:
        answer = lab.wait_for_answer(owner if owner in living else living[0])
        assert answer["counter"] > counter
        counter = answer["counter"]
        assert [lab.power(node) for node in living] == ["on"] * len(living), "only the nodes of the table halt"
    make_complete(lab)
    assert lab.wait_for_answer(lab.owner())["counter"] > counter


def make_complete(lab: LabUnderTest) -> None:
    """Every node in the cluster, and every subsystem that a death left down started again."""
    lab.make_whole()
    for node in lab.nodes():
        for name in (*RESPAWNED[1:], *ONCE):
            if name not in lab.processes(node):
                lab.run(node, f"startsrc -s {name}")
            eventually(lambda node=node, name=name: name in lab.processes(node), f"{name} on {node}")  # type: ignore[misc]
