"""User-defined events: from HACMPude to a recovery program that runs on the node sets it names."""

from __future__ import annotations

import msgspec
import pytest

from daemons.clstrmgr import messages
from daemons.clstrmgr.inputs import Configured, Reported
from daemons.clstrmgr.recovery_program import parse
from daemons.cluster.configuration import ConfigurationFault, UserDefinedEvent
from daemons.cluster.configuration.customization import load_user_events
from tests.clstrmgr.ring import Ring, configuration, group, programs

PROGRAM = """
event "/usr/local/clean_var -x" 0 NULL
barrier
other "/usr/local/told" X NULL
all "cluster_notify" X NULL
"""


def ring() -> Ring:
    ude = UserDefinedEvent(
        name="var_full", program="/usr/local/var_full.rp", resource_class="IBM.FileSystem",
        expression="PercentTotUsed > 90", selection='Name == "/var"',
    )  # fmt: skip
    made = configuration(3, group("rg1", "node1 node2 node3"))
    made = msgspec.structs.replace(made, user_events=(ude,))
    ring = Ring(made)
    for number in ring.nodes:
        ring.feed(number, Configured(made, {**programs(), "var_full": parse(ude.program, PROGRAM)}))
    ring.start(1, 2, 3)
    ring.trace.clear()
    return ring


def test_recovery_program_runs_on_its_node_sets() -> None:
    made = ring()
    made.feed(2, Reported(messages.SystemEvent("user_defined", "var_full")))
    made.settle()
    assert made.trace[0] == "[2] /usr/local/clean_var -x"
    assert sorted(made.trace[1:]) == [
        "[1] /usr/local/told",
        "[1] cluster_notify",
        "[2] cluster_notify",
        "[3] /usr/local/told",
        "[3] cluster_notify",
    ]


def test_unknown_event_is_nothing() -> None:
    made = ring()
    made.feed(2, Reported(messages.SystemEvent("user_defined", "TE_FAIL_NODE")))
    made.settle()
    assert made.trace == []


def test_failing_command_stops_the_program() -> None:
    made = ring()
    made.script_hook = lambda node, script: 1 if "clean_var" in script.command else 0
    made.feed(1, Reported(messages.SystemEvent("user_defined", "var_full")))
    made.settle()
    assert made.nodes[1].state == "ST_RP_FAILED"
    assert not any("told" in line for line in made.trace)
    assert made.request(1, messages.RecoverFromScriptFailure()).error == ""
    assert {machine.state for machine in made.nodes.values()} == {"ST_STABLE"}


def test_object_class() -> None:
    good: dict[str, str | int] = {
        "name": "var_full", "state": 0, "recovery_prog": "/x.rp", "recovery_type": 0, "recovery_level": 0,
        "res_var_name": "IBM.FileSystem", "instance_vector": "", "predicate": "PercentTotUsed > 90",
        "rearm_predicate": "PercentTotUsed < 80",
    }  # fmt: skip
    (event,) = load_user_events([good])
    assert (event.name, event.rearm) == ("var_full", "PercentTotUsed < 80")
    with pytest.raises(ConfigurationFault, match="predicate"):
        load_user_events([{**good, "predicate": ""}])
