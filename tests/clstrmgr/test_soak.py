"""Random histories: operators, crashes, dead managers, failing jobs and networks, with 3 and 5 nodes."""

from __future__ import annotations

import random

import pytest

from daemons.clstrmgr import messages
from daemons.clstrmgr.inputs import Reported, RunScript
from tests.clstrmgr.ring import Ring, configuration, group

POLICIES = ("OHN FNPN FBHPN", "OFAN FNPN NFB", "OFAN BO FBHPN", "OUDP FNPN NFB", "OAAN BO NFB")


def play(seed: int, nodes: int, groups: int) -> None:
    dice = random.Random(seed)
    names = [f"node{number}" for number in range(1, nodes + 1)]
    entries = [
        group(f"rg{number}", " ".join(dice.sample(names, dice.randint(2, nodes))), dice.choice(POLICIES))
        for number in range(1, groups + 1)
    ]
    ring = Ring(configuration(nodes, *entries), seed=seed)

    def script(node: int, effect: RunScript) -> int | None:
        if dice.random() >= 0.01 or node not in ring.nodes:
            return 0
        if dice.random() < 0.5:
            ring.kill_manager(node)
        else:
            ring.crash(node)
        return None

    ring.job_hook = lambda node, job: dice.choice(entries).name if dice.random() < 0.03 else ""
    ring.script_hook = script
    for _ in range(40):
        one_step(ring, dice, dice.randint(1, nodes), dice.choice(entries).name, nodes)
        if dice.random() < 0.6:
            ring.settle()
    ring.settle()
    ring.script_hook = lambda node, effect: 0
    ring.job_hook = lambda node, job: ""
    for node in list(ring.services.hosts):
        if node not in ring.nodes:
            ring.services.host(node, False)
    ring.settle()
    for entry in entries:
        states = ring.states(entry.name)
        assert not {"ACQUIRING", "RELEASING"} & set(states.values()), (entry, states)
        assert entry.concurrent or list(states.values()).count("ONLINE") <= 1, (entry, states)
    for number, machine in ring.nodes.items():
        assert machine.state in ("ST_STABLE", "ST_INIT"), machine.describe()
        if machine.cluster is not None and machine.services:
            told = {address for node, address in machine.cluster.addresses_down if node == number}
            assert told == set(machine.addresses.down), "everybody knows which interfaces are down"


def one_step(ring: Ring, dice: random.Random, node: int, name: str, nodes: int) -> None:
    if node not in ring.nodes:
        if node in ring.services.hosts:
            ring.services.host(node, False)
        else:
            ring.boot(node)
        return
    action = dice.random()
    if action < 0.5:
        ring.ask(node, messages.StartServices())
    elif action < 0.6:
        ring.ask(node, messages.StopServices(dice.choice(("offline", "move", "unmanage"))))  # type: ignore[arg-type]
    elif action < 0.75:
        ring.ask(node, messages.MoveGroup(name, dice.randint(0, nodes)))
    elif action < 0.8:
        ring.ask(node, messages.OfflineGroup(name, 0))
    elif action < 0.85:
        ring.ask(node, messages.OnlineGroup(name, 0))
    elif action < 0.9:
        kind = dice.choice(("interface_down", "interface_up"))
        ring.feed(node, Reported(messages.SystemEvent(kind, f"127.0.0.{node}")))  # type: ignore[arg-type]
    elif action < 0.95:
        ring.crash(node)
    else:
        ring.kill_manager(node)


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_three_nodes(seed: int) -> None:
    for each in range(seed, seed + 20):
        play(each, 3, 3)


@pytest.mark.parametrize("seed", range(0, 40, 10))
def test_five_nodes(seed: int) -> None:
    for each in range(seed, seed + 10):
        play(each, 5, 6)
