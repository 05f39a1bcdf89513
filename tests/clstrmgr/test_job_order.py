"""In which order the shipped scripts acquire what a group has."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import msgspec
import pytest

from daemons.clstrmgr.events import Stage
from daemons.clstrmgr.jobs import NONE, JobList
from daemons.cluster.configuration import Configuration, ResourceType, UserDefinedResource
from tests.clstrmgr.ring import configuration, group
from tests.clstrmgr.test_scripts import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_file_systems_come_before_addresses_where_a_group_wants_it(node: Node) -> None:
    (entry,) = node.configuration.groups
    changed = msgspec.structs.replace(
        entry, resources=(*entry.resources, ("FS_BEFORE_IPADDR", "true"), ("FORCED_VARYON", "true"))
    )
    node.configuration = msgspec.structs.replace(node.configuration, groups=(changed,))
    varyon = node.bin / "varyonvg"
    varyon.write_text(f'#!/bin/bash\necho "varyonvg $*" >>{node.calls}\n[[ $1 == -f ]]\n')
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    assert node.calls.read_text().splitlines() == [
        "varyonvg -n -c -A rg1vg",
        "lsvg rg1vg",
        "varyonvg -O -n -c -A rg1vg",
        "varyonvg -f -n -c -A rg1vg",
        "fsck -p /rg1",
        "mount /rg1",
        "ifconfig en0 alias 127.0.0.33 netmask 255.255.255.0 up",
    ]


def jobs(configured: Configuration, stage: Stage, *groups: str) -> list[str]:
    """Job types with the groups they are for (and the type of user-defined resources)."""
    found = []
    made = JobList(configured, "node1", stage, groups, set())
    while (job := made.next()) != NONE:
        values = dict(part.split("=", 1) for part in shlex.split(job.replace("$'", "'")))
        kind = values.get("UDRESOURCE_TYPE", "")
        found.append(f"{values['JOB_TYPE']}{':' if kind else ''}{kind} {values['RESOURCE_GROUPS']}")
    return found


def with_types(**orders: str) -> Configuration:
    """A group with a resource of each type; each type has its order."""
    base = configuration(2, group("rg1", "node1 node2"))
    (entry,) = base.groups
    extra = tuple(("USERDEFINED_RESOURCES", f"{name}1") for name in orders)
    return msgspec.structs.replace(
        base,
        groups=(msgspec.structs.replace(entry, resources=(*entry.resources, *extra)),),
        resource_types=tuple(
            ResourceType(name=name, order=order, start=f"/{name}/start", stop=f"/{name}/stop")
            for name, order in orders.items()
        ),
        user_resources=tuple(UserDefinedResource(name=f"{name}1", type=name) for name in orders),
    )


def test_user_defined_types_come_where_their_order_says_and_go_the_other_way_round() -> None:
    configured = with_types(first="FIRST", disk="VOLUME_GROUP", queue="FILE_SYSTEM", topic="queue", last="APPLICATION")
    order = [
        *jobs(configured, Stage.ACQUIRE, "rg1"),
        *jobs(configured, Stage.COMPLETE, "rg1"),
    ]
    assert [line.removesuffix(" rg1") for line in order] == [
        "ACQUIRE",
        "UDRESOURCE:first",
        "SERVICE_LABELS",
        "VGS",
        "UDRESOURCE:disk",
        "FILESYSTEMS",
        "UDRESOURCE:queue",
        "UDRESOURCE:topic",
        "APPLICATIONS",
        "UDRESOURCE:last",
        "ONLINE",
    ]
    assert [line.removesuffix(" rg1") for line in jobs(configured, Stage.RELEASE, "rg1")] == [
        "RELEASE",
        "UDRESOURCE:last",
        "APPLICATIONS",
        "UDRESOURCE:topic",
        "UDRESOURCE:queue",
        "FILESYSTEMS",
        "UDRESOURCE:disk",
        "VGS",
        "SERVICE_LABELS",
        "UDRESOURCE:first",
        "OFFLINE",
    ]


def test_groups_of_an_order_are_handled_one_after_the_other() -> None:
    base = configuration(2, *(group(f"rg{n}", "node1 node2", label=f"svc{n}") for n in (1, 2, 3, 4)))
    base = base.with_setting("ACQUISITION_ORDER", "rg3 rg1").with_setting("RELEASE_ORDER", "rg2 rg4")
    names = ("rg1", "rg2", "rg3", "rg4")
    passes = [line for line in jobs(base, Stage.ACQUIRE, *names) if line.startswith("ACQUIRE")]
    assert passes == ["ACQUIRE rg3", "ACQUIRE rg1", "ACQUIRE rg2 rg4"]
    assert [line for line in jobs(base, Stage.COMPLETE, *names) if "ONLINE" in line] == [
        "ONLINE rg3",
        "ONLINE rg1",
        "ONLINE rg2 rg4",
    ]
    assert [line for line in jobs(base, Stage.RELEASE, *names) if line.startswith("OFFLINE")] == [
        "OFFLINE rg1 rg3",
        "OFFLINE rg2",
        "OFFLINE rg4",
    ]


def with_queue(node: Node, monitor: str = "") -> None:
    (entry,) = node.configuration.groups
    node.fake("queue_start", "queue_stop")
    (node.bin / "queue_start").write_text(f'#!/bin/bash\necho "queue_start $* $_PORT" >>{node.calls}\n')
    node.configuration = msgspec.structs.replace(
        node.configuration,
        groups=(
            msgspec.structs.replace(
                entry,
                resources=(*entry.resources, ("USERDEFINED_RESOURCES", "q1"), ("USERDEFINED_RESOURCES", "q2")),
            ),
        ),
        resource_types=(
            ResourceType(
                name="queue",
                order="FILE_SYSTEM",
                start=f"{node.bin}/queue_start -v",
                stop=f"{node.bin}/queue_stop",
                monitor=monitor,
            ),
        ),
        user_resources=(
            UserDefinedResource(name="q1", type="queue", attributes=(("PORT", "14 14"), ("HOST", "$(false)"))),
            UserDefinedResource(name="q2", type="queue"),
        ),
    )


def test_user_defined_resources_are_started_with_their_attributes_and_stopped(node: Node) -> None:
    with_queue(node)
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    calls = [line for line in node.calls.read_text().splitlines() if "ifconfig" not in line]
    assert calls == ["varyonvg -n -c -A rg1vg", "fsck -p /rg1", "mount /rg1", "queue_start -v 14 14", "queue_start -v "]
    assert "EVENT COMPLETED: start_udresource q1 q2  0" in node.event_lines()
    node.calls.unlink()
    assert node.run(Stage.RELEASE, "rg_move_release", "node1", "1") == 0
    calls = node.calls.read_text().splitlines()
    assert calls.index("queue_stop ") < next(n for n, line in enumerate(calls) if line.startswith("umount"))


def test_user_defined_resource_that_is_active_already_is_not_started(node: Node) -> None:
    node.fake("well")
    with_queue(node, monitor=f"{node.bin}/well")
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    assert "queue_start" not in node.calls.read_text()


def test_user_defined_resource_that_does_not_start_puts_its_group_into_error(node: Node) -> None:
    with_queue(node)
    node.fake("queue_start", status=3)
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    assert ("resource_error", "rg1 rg1") in [(update.state, update.group) for update in node.updates]
    assert "the start method of user-defined resource q1 failed with status 3" in node.hacmp_out.read_text()


def test_file_systems_are_exported_while_they_are_mounted(node: Node) -> None:
    (entry,) = node.configuration.groups
    changed = msgspec.structs.replace(entry, resources=(*entry.resources, ("EXPORT_FILESYSTEM", "/rg1")))
    node.configuration = msgspec.structs.replace(node.configuration, groups=(changed,))
    exportfs = node.bin / "exportfs"
    exportfs.write_text(f'#!/bin/bash\n[[ $# == 0 ]] && echo "/rg1 -vers=2:3" || echo "exportfs $*" >>{node.calls}\n')
    exportfs.chmod(0o755)
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    calls = [line for line in node.calls.read_text().splitlines() if "ifconfig" not in line]
    assert calls == ["varyonvg -n -c -A rg1vg", "fsck -p /rg1", "mount /rg1", "exportfs -i -o vers=2:3 /rg1"]
    node.calls.unlink()
    assert node.run(Stage.RELEASE, "rg_move_release", "node1", "1") == 0
    calls = node.calls.read_text().splitlines()
    assert calls.index("exportfs -u /rg1") < next(n for n, line in enumerate(calls) if line.startswith("umount"))


def test_application_scripts_are_given_the_miscellaneous_data_of_their_groups() -> None:
    base = configuration(2, group("rg1", "node1 node2"), group("rg2", "node1 node2"))
    groups = tuple(
        msgspec.structs.replace(entry, resources=(*entry.resources, ("MISC_DATA", f"level={number} it's")))
        for number, entry in enumerate(base.groups)
    )
    made = JobList(msgspec.structs.replace(base, groups=groups), "node1", Stage.COMPLETE, ("rg1", "rg2"), set())
    found = [job for job in iter(made.next, NONE) if job.startswith("JOB_TYPE=APPLICATIONS")]
    said = subprocess.run(["bash", "-c", f'{found[0]}; echo "$MISCDATA"'], capture_output=True, text=True, check=True)
    assert said.stdout == "level=0 it's level=1 it's\n"
