"""A group that depends on another one, and an application that is monitored, on real processes."""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

CHILD = "web_rg"
PID_FILE = "$HAES_ROOT/var/tmp/web.pid"
SCRIPTS = {
    "start": f"nohup sleep 1000000 >/dev/null 2>&1 &\necho $! >{PID_FILE}",
    "stop": f"kill $(cat {PID_FILE}) 2>/dev/null\nrm -f {PID_FILE}\nexit 0",
    "check": f"kill -0 $(cat {PID_FILE}) 2>/dev/null",
    "tell": 'echo "$@" >>$HAES_ROOT/var/tmp/told',
}
COMMANDS = (
    "clmgr add application_controller web STARTSCRIPT=/usr/local/web/start STOPSCRIPT=/usr/local/web/stop "
    "STARTUP_MODE=foreground",
    f"clmgr add resource_group {CHILD} NODES=node1,node2 STARTUP=OHN FALLOVER=FNPN FALLBACK=NFB APPLICATIONS=web",
    "clmgr add application_monitor web_mon TYPE=Custom APPLICATIONS=web MODE=both MONITORMETHOD=/usr/local/web/check "
    "MONITORINTERVAL=5 STABILIZATION=10 RESTARTCOUNT=1 RESTARTINTERVAL=3600 FAILUREACTION=fallover "
    "NOTIFYMETHOD=/usr/local/web/tell",
    f"clmgr add dependency PARENT=app_rg CHILD={CHILD}",
    "clmgr offline cluster",
    "clmgr sync cluster",
    "clmgr online cluster",
)


@pytest.fixture(scope="module", autouse=True)
def family(lab: LabUnderTest) -> None:
    """The sample group becomes the parent of one with a monitored application."""
    for node in lab.nodes():
        for name, text in SCRIPTS.items():
            path = f"$HAES_ROOT/usr/local/web/{name}"
            lab.output(node, f"mkdir -p $HAES_ROOT/usr/local/web && printf '%s\\n' '#!/bin/sh' '{text}' >{path}")
            lab.output(node, f"chmod 755 {path}")
    for command in COMMANDS:
        lab.output("node1", command, timeout=120)


def events(lab: LabUnderTest, node: str) -> list[str]:
    """The EVENT START lines of a node, without their times."""
    text = lab.file(node, "/var/hacmp/log/hacmp.out")
    return re.findall(r"^\w{3} +\d+ [\d:]+(?: \d{4})? EVENT START: (.*?) *$", text, re.MULTILINE)


def monitored(lab: LabUnderTest) -> str:
    """The application's state as ``clRGinfo -m`` shows it."""
    found = re.search(r"^ web +(.+?)$", lab.output("node1", f"clRGinfo -m {CHILD}"), re.MULTILINE)
    return found[1].strip() if found else ""


def beats_of(lab: LabUnderTest, node: str) -> int:
    """How often CAA on a node has written to the repository disk: once in a product second."""
    found = re.search(r"disk pkts sent: (\d+)", lab.output(node, "lscluster -s"))
    assert found is not None
    return int(found[1])


def pid(lab: LabUnderTest, node: str) -> int:
    return int(lab.output(node, f"cat {PID_FILE}"))


def wait_for_child(lab: LabUnderTest, node: str) -> None:
    eventually(lambda: lab.owner(CHILD) == node, f"{CHILD} on {node}", 30, lambda: lab.group_states(CHILD))
    for name in lab.nodes():
        lab.wait_for_state(name, "ST_STABLE")


def test_child_comes_after_its_parent(lab: LabUnderTest) -> None:
    assert (lab.owner(), lab.owner(CHILD)) == ("node1", "node1")
    eventually(lambda: monitored(lab) == "ONLINE MONITORED", "it is monitored", show=lambda: monitored(lab))
    started = [line for line in events(lab, "node1") if line.startswith("start_server")]
    assert started[-2:] == ["start_server counter_app", "start_server web"]


def test_operator_is_told_what_the_dependency_forbids(lab: LabUnderTest) -> None:
    for command in ("clmgr move resource_group app_rg NODE=node2", "clRGmove -d -g app_rg -a"):
        refused = lab.run("node2", command)
        assert refused.returncode == 1
        assert f"bring {CHILD} offline first" in refused.stderr
    assert lab.owner() == "node1"


def test_application_that_is_killed_is_restarted_and_falls_over_the_next_time(lab: LabUnderTest) -> None:
    first = pid(lab, "node1")
    lab.output("node1", f"kill -9 {first}")
    eventually(lambda: "server_restart_complete node1 web" in events(lab, "node1"), "a restart")
    lab.wait_for_state("node1", "ST_STABLE")
    assert lab.owner(CHILD) == "node1"
    second = pid(lab, "node1")
    assert second != first
    lab.output("node1", f"kill -9 {second}")
    wait_for_child(lab, "node2")
    told = ["web_mon web web_rg restart", "web_mon web web_rg fallover"]
    eventually(lambda: lab.file("node1", "/var/tmp/told").splitlines() == told, "the notify method has run twice",
               show=lambda: lab.file("node1", "/var/tmp/told"))  # fmt: skip
    assert lab.owner() == "node1", "its parent stays"


def test_suspended_monitor_does_not_see_a_failure_until_it_is_resumed(lab: LabUnderTest) -> None:
    lab.output("node1", f"clmgr manage application_controller suspend web RESOURCE_GROUP={CHILD}")
    eventually(lambda: monitored(lab) == "ONLINE MONITOR SUSPENDED", "it is suspended", show=lambda: monitored(lab))
    before = events(lab, "node2").count("server_restart node2 web")
    lab.output("node2", f"kill -9 {pid(lab, 'node2')}")
    beats = beats_of(lab, "node2")
    eventually(lambda: beats_of(lab, "node2") >= beats + 20, "four times the monitor's interval have gone by")
    assert events(lab, "node2").count("server_restart node2 web") == before
    lab.output("node1", f"clmgr manage application_controller resume web RESOURCE_GROUP={CHILD}")
    eventually(
        lambda: events(lab, "node2").count("server_restart node2 web") == before + 1, "a restart", 30,
        lambda: lab.file("node2", "/var/hacmp/log/clappmond.web_mon.web_rg.log"),
    )  # fmt: skip
    lab.wait_for_state("node2", "ST_STABLE")


def test_child_goes_down_and_up_when_the_node_of_its_parent_dies(lab: LabUnderTest) -> None:
    assert (lab.owner(), lab.owner(CHILD)) == ("node1", "node2")
    before = pid(lab, "node2")
    lab.srcctl("halt", "node1")
    lab.wait_for_owner("node2")
    wait_for_child_alone(lab, before)
    started = [line for line in events(lab, "node2") if line.startswith(("start_server", "stop_server"))]
    assert started[-3:] == ["stop_server web", "start_server counter_app", "start_server web"]


def wait_for_child_alone(lab: LabUnderTest, before: int) -> None:
    """The child is online again on node2, with another process."""
    eventually(lambda: lab.owner(CHILD) == "node2", CHILD, 30, lambda: lab.group_states(CHILD))
    lab.wait_for_state("node2", "ST_STABLE")
    assert pid(lab, "node2") != before


def test_application_that_fails_on_every_node_ends_in_error_and_comes_back_at_an_operators_word(
    lab: LabUnderTest,
) -> None:
    lab.srcctl("boot", "node1")
    lab.wait_for_state("node1", "ST_INIT")
    lab.output("node1", "clmgr online node node1", timeout=120)
    lab.output("node1", f"clRGmove -m -g {CHILD} -n node1")
    for name in lab.nodes():
        lab.output(name, "printf '#!/bin/sh\\nexit 1\\n' >$HAES_ROOT/usr/local/web/check")
    eventually(
        lambda: "ERROR" in lab.group_states(CHILD).values(), f"{CHILD} in ERROR", 60, lambda: lab.group_states(CHILD)
    )
    for name in lab.nodes():
        lab.wait_for_state(name, "ST_STABLE")
    history = events(lab, "node1")
    assert lab.owner() == "node2", "its parent stays"
    changes = [line for line in history if line.startswith("resource_state_change")]
    assert "resource_state_change node2" in changes
    assert changes[-1] == "resource_state_change_complete node2"
    for name in lab.nodes():
        lab.output(name, f"printf '%s\\n' '#!/bin/sh' '{SCRIPTS['check']}' >$HAES_ROOT/usr/local/web/check")
    lab.output("node1", f"clRGmove -u -g {CHILD} -n node1")
    assert lab.owner(CHILD) == "node1"
