"""Groups that depend on each other, and a delayed fallback timer, on real processes."""

from __future__ import annotations

import time

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True
OPTIONS = ("--nodes", "3")

RECORD = "/usr/local/record"
SCRIPT = '#!/bin/sh\necho "$(date +%s.%N) $1 $2" >>$HAES_ROOT/var/adm/order\n'
NODES = {
    "target": "node1,node2,node3",
    "source": "node2,node1,node3",
    "high": "node1,node2,node3",
    "low": "node2,node3,node1",
    "one": "node1,node2,node3",
    "other": "node2,node1,node3",
    "here": "node1,node3",
    "there": "node2,node3",
    "nightly": "node1,node2",
}
DEPENDENCIES = (
    "START=source AFTER=target",
    "STOP=source AFTER=target",
    "HIGH=high LOW=low",
    "SAME=NODE GROUPS=one,other",
    "SAME=SITE GROUPS=here,there",
)


def configure(lab: LabUnderTest) -> None:
    for node in lab.nodes():
        lab.output(node, f"mkdir -p $HAES_ROOT/usr/local; cat >$HAES_ROOT{RECORD} <<'X'\n{SCRIPT}X\n"
                   f"chmod 755 $HAES_ROOT{RECORD}")  # fmt: skip
    commands = [
        "clmgr add cluster stretched NODES=node1,node2,node3 REPOSITORIES=hdisk1 TYPE=SC",
        "clmgr add site left NODES=node1,node2",
        "clmgr add site right NODES=node3",
        f"clmgr add fallback_timer night HOUR={(time.localtime().tm_hour + 12) % 24} MINUTE=0",
    ]
    for name, nodes in NODES.items():
        fallback = "FALLBACK=FBHPN FALLBACK_AT=night" if name == "nightly" else "FALLBACK=NFB"
        commands += [
            f"clmgr add application_controller {name}_app STARTUP_MODE=foreground"
            f" STARTSCRIPT='{RECORD} start {name}' STOPSCRIPT='{RECORD} stop {name}'",
            f"clmgr add resource_group {name} NODES={nodes} STARTUP=OFAN {fallback} APPLICATIONS={name}_app",
        ]
    commands += [f"clmgr add dependency {words}" for words in DEPENDENCIES]
    commands += ["clmgr sync cluster", "clmgr online cluster WHEN=now MANAGE=auto"]
    lab.output("node1", " && ".join(commands), 240)


def order(lab: LabUnderTest) -> list[str]:
    """What applications have done on all nodes, in the order of time: ``start NAME`` or ``stop NAME``."""
    lines = [
        line.split()
        for node in lab.nodes()
        for line in lab.run(node, "cat $HAES_ROOT/var/adm/order").stdout.splitlines()
    ]
    return [f"{what} {name}" for _, what, name in sorted(lines)]


def where(lab: LabUnderTest, asked: str = "node2") -> dict[str, str]:
    """The node of each group that is online."""
    rows = [line.split(":") for line in lab.output(asked, "clRGinfo -s").splitlines()]
    return {row[0]: row[2] for row in rows if row[1] == "ONLINE"}


def settled(lab: LabUnderTest, asked: str, **places: str) -> None:
    """Wait until groups are where they are to be, and the cluster is stable."""
    eventually(lambda: places.items() <= where(lab, asked).items(), f"{places}", 120, lambda: where(lab, asked))
    lab.wait_for_state(asked, "ST_STABLE")


def test_start_after_and_location_dependencies_at_the_start(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    configure(lab)
    eventually(lambda: len(where(lab)) == len(NODES), "all groups are online", 90, lambda: where(lab))
    began = order(lab)
    assert began.index("start target") < began.index("start source")
    places = where(lab)
    assert places["one"] == places["other"]
    assert places["high"] != places["low"]
    assert (places["here"] == "node3") == (places["there"] == "node3")


def test_start_after_refuses_and_stop_after_waits(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "clmgr offline resource_group target", 60)
    assert "source" in where(lab), "after the start the target may go"
    lab.output("node1", "clmgr offline resource_group source", 60)
    refused = lab.run("node1", "clmgr online resource_group source NODE=node2")
    assert refused.returncode == 1
    assert "depends on resource groups that are not online: bring target online first" in refused.stderr
    lab.output("node1", "clmgr online resource_group target,source NODES=node3", 60)
    settled(lab, "node2", target="node3", source="node3")
    seen = len(order(lab))
    lab.output("node1", "clmgr offline node node3 WHEN=now MANAGE=offline", 90)
    stopped = [line for line in order(lab)[seen:] if line in ("stop target", "stop source")]
    assert stopped == ["stop target", "stop source"]
    lab.output("node1", "clmgr online node node3 WHEN=now MANAGE=auto", 90)


def test_higher_priority_pushes_the_lower_one_on_and_sets_stay_together(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    for name, node in (("high", "node1"), ("low", "node2")):
        if where(lab).get(name) != node:
            lab.output("node2", f"clmgr move resource_group {name} NODE={node}", 60)
    settled(lab, "node2", high="node1", low="node2")
    lab.srcctl("halt", "node1")
    settled(lab, "node2", high="node2", low="node3", nightly="node2")
    places = where(lab)
    assert places["one"] == places["other"]
    target = "node2" if places["one"] == "node3" else "node3"
    lab.output("node2", f"clmgr move resource_group one NODE={target}", 60)
    settled(lab, "node2", one=target, other=target)
    site, target = ("left", "node2") if places["there"] == "node3" else ("right", "node3")
    lab.output("node2", f"clmgr move resource_group there SITE={site}", 60)

    def followed() -> bool:
        here = where(lab).get("here")
        return here is not None and (here == "node3") == (target == "node3")

    eventually(followed, "the other one follows", 60, lambda: where(lab))
    settled(lab, "node2", there=target)


def test_delayed_fallback_timer(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.srcctl("boot", "node1")
    lab.output("node2", "clmgr online node node1 WHEN=now MANAGE=auto", 120)
    settled(lab, "node2", nightly="node2")
    due = time.localtime(time.time() + 75)  # synchronization may take a part of a minute
    lab.output(
        "node2",
        f"clmgr modify fallback_timer night HOUR={due.tm_hour} MINUTE={due.tm_min} && clmgr sync cluster",
        120,
    )
    assert time.strftime("%H:%M:00", due) in lab.output("node2", "clRGinfo -t nightly")
    settled(lab, "node2", nightly="node1")
    now = time.localtime()
    assert (now.tm_hour, now.tm_min) >= (due.tm_hour, due.tm_min), "not before it was due"
