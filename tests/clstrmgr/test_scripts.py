"""The shipped event scripts under real bash, with commands of the node replaced by recorders."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from daemons.clstrmgr.events import Stage
from daemons.clstrmgr.inputs import Input, JobWanted, ResourceUpdated, ScriptEnded
from daemons.clstrmgr.jobs import JobList
from daemons.clstrmgr.scripts import ScriptRunner
from tests.clstrmgr.ring import ETC, configuration, group, monitor

EVENTS = ETC / "usr/es/sbin/cluster/events"
UTILITIES = ETC / "usr/es/sbin/cluster/utilities"


class Node:
    """A node with fake commands: runs one event script and answers its jobs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.calls = directory / "calls"
        self.hacmp_out = directory / "hacmp.out"
        self.cluster_log = directory / "cluster.log"
        self.updates: list[ResourceUpdated] = []
        self.fake("ifconfig", "varyonvg", "varyoffvg", "mount", "umount", "fuser", "lsvg", "start", "stop")
        self.fake("fsck", "logredo")
        for quiet in ("odmget", "cllsvg"):
            (self.bin / quiet).symlink_to("/bin/true")
        self.configuration = configuration(2, group("rg1", "node1 node2"))
        controllers = tuple(
            type(entry)(
                name=entry.name, start=f"{self.bin}/start -x", stop=f"{self.bin}/stop", startup_mode="foreground"
            )
            for entry in self.configuration.controllers
        )
        self.configuration = type(self.configuration)(
            **{name: getattr(self.configuration, name) for name in self.configuration.__struct_fields__}
            | {"controllers": controllers}
        )

    def fake(self, *names: str, status: int = 0) -> None:
        for name in names:
            path = self.bin / name
            path.write_text(f'#!/bin/bash\necho "{name} $*" >>{self.calls}\nexit {status}\n')
            path.chmod(0o755)

    def environment(self, **extra: str) -> dict[str, str]:
        words = [str(self.bin), str(EVENTS), str(EVENTS / "utils"), str(UTILITIES), os.environ["PATH"]]
        return {
            "PATH": ":".join(words),
            "LOCALNODENAME": "node1",
            "CLUSTER_NAME": "sample",
            "CLUSTER_LOG": str(self.cluster_log),
            "HISTORY_DIR": str(self.directory),
            **extra,
        }

    def run(self, stage: Stage, *words: str, name: str = "node1", sub_events: bool = False, **extra: str) -> int:
        failed: set[str] = set()
        jobs = JobList(self.configuration, name, stage, ("rg1",), failed, sub_events=sub_events)

        async def body() -> int:
            ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

            def feed(value: Input) -> None:
                match value:
                    case JobWanted(run):
                        runner.answer(run, jobs.next())
                    case ResourceUpdated():
                        self.updates.append(value)
                        failed.update(value.group.split() if value.state == "resource_error" else ())
                    case ScriptEnded(_, status):
                        ended.set_result(status)

            runner = ScriptRunner(feed, lambda text: None)
            runner.start(1, ["clcallev", *words], self.environment(**extra), str(self.hacmp_out))
            return await asyncio.wait_for(ended, 20)

        return asyncio.run(body())

    def event_lines(self) -> list[str]:
        lines = [re.sub(r"^\w{3} \d\d \d\d:\d\d:\d\d ", "", line) for line in self.hacmp_out.read_text().splitlines()]
        return [line for line in lines if line.startswith("EVENT ")]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize("command", ["mount", "ifconfig"])
def test_group_that_cannot_be_acquired_has_the_job_error(node: Node, command: str) -> None:
    """Addresses are acquired beside the disks: here they fail when there is no job left."""
    node.fake(command, status=1)
    (node.bin / "ifconfig").write_text(f"#!/bin/bash\nsleep 0.3\nexit {int(command == 'ifconfig')}\n")
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    said = [(update.state, update.resource, update.script, update.group) for update in node.updates]
    assert said[-1] == ("rg_error", "All_groups", "process_resources", "rg1")
    assert [state for state, *_ in said].count("rg_error") == 1
    assert "resource_error" in [state for state, *_ in said]


def test_acquisition(node: Node) -> None:
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    calls = node.calls.read_text().splitlines()
    assert "ifconfig en0 alias 127.0.0.33 netmask 255.255.255.0 up" in calls
    assert [call for call in calls if "ifconfig" not in call] == [
        "varyonvg -n -c -A rg1vg",
        "fsck -p /rg1",
        "mount /rg1",
    ]
    assert node.event_lines() == [
        "EVENT START: node_up node1",
        "EVENT START: acquire_service_addr",
        "EVENT COMPLETED: acquire_service_addr 0",
        "EVENT COMPLETED: node_up node1 0",
    ]
    assert {update.group for update in node.updates} == {"rg1"}
    said = [(update.state, update.resource, update.script) for update in node.updates]
    assert said[0] == ("acquiring", "All_groups", "process_resources")
    for kind, script in (
        ("service_addrs", "acquire_service_addr"),
        ("volume_groups", "cl_activate_vgs"),
        ("filesystems", "cl_activate_fs"),
    ):
        began = said.index(("resource_acquiring", f"All_{kind}", script))
        assert began < said.index(("resource_up", f"All_nonerror_{kind}", script))
    assert len(said) == 7
    lines = node.cluster_log.read_text().splitlines()
    assert re.fullmatch(
        r"\w{3} [ \d]\d \d\d:\d\d:\d\d node1 user:notice PowerHA SystemMirror for AIX: EVENT START: node_up node1",
        lines[0],
    )
    (history,) = node.directory.glob("cluster.????????")
    assert re.fullmatch(r"\w{3} \d\d \d\d:\d\d:\d\d EVENT START: node_up node1", history.read_text().splitlines()[0])


def test_release(node: Node) -> None:
    assert node.run(Stage.RELEASE, "rg_move_release", "node1", "1") == 0
    calls = node.calls.read_text().splitlines()
    assert calls[:2] == ["stop ", "umount /rg1"]
    assert sorted(calls[2:]) == ["ifconfig en0 delete 127.0.0.33", "varyonvg -n -c -P rg1vg"]
    assert node.event_lines() == [
        "EVENT START: rg_move_release node1 1",
        "EVENT START: rg_move node1 1 RELEASE",
        "EVENT START: stop_server rg1_app",
        "EVENT COMPLETED: stop_server rg1_app  0",
        "EVENT START: release_service_addr",
        "EVENT COMPLETED: release_service_addr 0",
        "EVENT COMPLETED: rg_move node1 1 RELEASE 0",
        "EVENT COMPLETED: rg_move_release node1 1 0",
    ]


def test_applications_start(node: Node) -> None:
    assert node.run(Stage.COMPLETE, "node_up_complete", "node1") == 0
    assert node.calls.read_text().splitlines() == ["start -x"]
    assert [update.state for update in node.updates] == ["resource_acquiring", "resource_up", "rg_up"]


OLD = {"CLUSTER_LEVEL": "5.4.1.0", "sub_events": True}
"""A level of the product at which the parts of an event for the node itself and for the others are sub-events."""


def test_level_5_a_node_joins(node: Node) -> None:
    assert node.run(Stage.ACQUIRE, "node_up", "node1", **OLD) == 0
    lines = node.event_lines()
    assert (lines[0], lines[1]) == ("EVENT START: node_up node1", "EVENT START: node_up_local")
    assert (lines[-2], lines[-1]) == ("EVENT COMPLETED: node_up_local 0", "EVENT COMPLETED: node_up node1 0")
    inside = [line for line in lines[2:-2] if "START" in line]
    assert sorted(inside) == [
        "EVENT START: acquire_service_addr",
        "EVENT START: get_disk_vg_fs  rg1vg",
        "EVENT START: get_disk_vg_fs /rg1",
    ]
    assert [call for call in node.calls.read_text().splitlines() if "ifconfig" not in call] == [
        "varyonvg -n -c -A rg1vg",
        "fsck -p /rg1",
        "mount /rg1",
    ]
    assert {update.script for update in node.updates} >= {"acquire_service_addr"}
    node.hacmp_out.unlink()
    assert node.run(Stage.COMPLETE, "node_up_complete", "node1", **OLD) == 0
    assert [line for line in node.event_lines() if "START" in line] == [
        "EVENT START: node_up_complete node1",
        "EVENT START: node_up_local_complete",
        "EVENT START: start_server rg1_app",
    ]


def test_level_5_a_node_takes_over_from_one_that_failed(node: Node) -> None:
    old = {**OLD, "LOCALNODENAME": "node2"}
    assert node.run(Stage.ACQUIRE, "node_down", "node1", name="node2", **old) == 0
    assert sorted(line for line in node.event_lines() if "START" in line) == [
        "EVENT START: acquire_takeover_addr",
        "EVENT START: get_disk_vg_fs  rg1vg",
        "EVENT START: get_disk_vg_fs /rg1",
        "EVENT START: node_down node1",
        "EVENT START: node_down_remote node1",
    ]
    assert "ifconfig en0 alias 127.0.0.33 netmask 255.255.255.0 up" in node.calls.read_text()
    assert ("resource_up", "acquire_takeover_addr") in {(update.state, update.script) for update in node.updates}


def test_level_5_a_node_leaves(node: Node) -> None:
    assert node.run(Stage.RELEASE, "node_down", "node1", "graceful", **OLD) == 0
    assert [line for line in node.event_lines() if "START" in line] == [
        "EVENT START: node_down node1 graceful",
        "EVENT START: node_down_local",
        "EVENT START: stop_server rg1_app",
        "EVENT START: release_vg_fs /rg1",
        "EVENT START: release_vg_fs  rg1vg",
        "EVENT START: release_service_addr",
    ]
    node.calls.unlink()
    node.hacmp_out.unlink()
    assert node.run(Stage.NONE, "node_down", "node1", "forced", **OLD) == 0
    assert [line for line in node.event_lines() if "START" in line] == [
        "EVENT START: node_down node1 forced",
        "EVENT START: node_down_local forced",
    ]
    assert not node.calls.exists()


def test_standby_adapters_only_tell_the_console(node: Node) -> None:
    (node.directory / "dev").mkdir()
    for event in ("fail_standby", "join_standby"):
        assert node.run(Stage.NONE, event, "node1", "127.0.1.1", HAES_ROOT=str(node.directory)) == 0
    assert (node.directory / "dev/console").read_text() == (
        "Standby adapter 127.0.1.1 of node node1 has failed.\n"
        "Standby adapter 127.0.1.1 of node node1 is available again.\n"
    )


def test_trace_shows_script_and_line(node: Node) -> None:
    node.run(Stage.ACQUIRE, "node_up", "node1", VERBOSE_LOGGING="high")
    text = node.hacmp_out.read_text()
    assert re.search(r"^:node_up\[\d+\] process_resources$", text, re.MULTILINE)
    assert re.search(r"^:cl_activate_vgs:rg1\[\d+\] varyonvg -n -c -A rg1vg$", text, re.MULTILINE)
    assert re.search(
        r"^:cl_activate_vgs:rg1\[\d+\] : exit status of varyonvg -n -c -A rg1vg is: 0$", text, re.MULTILINE
    )
    reference = r"^cl_RMupdate: Reference string: \S+\.process_resources\.rg1\.ref$"
    assert re.search(reference, text, re.MULTILINE)


def _own_processes(node: Node) -> str:
    """A PATH with the shipped event scripts, changed so that each gets a process image of its own."""
    events = node.directory / "events"
    shutil.copytree(EVENTS, events)
    for script in (*events.iterdir(), *(events / "utils").iterdir()):
        if script.is_file() and script.name != "cl_event_functions":
            script.write_bytes(script.read_bytes() + b"# $$\n")
    return ":".join([str(node.bin), str(events), str(events / "utils"), str(UTILITIES), os.environ["PATH"]])


def test_a_script_in_the_shell_of_its_caller_cannot_be_told_from_one_of_its_own(node: Node) -> None:
    texts = []
    for extra in ({}, {"PATH": _own_processes(node)}):
        for stage, words in (
            (Stage.ACQUIRE, ("node_up", "node1")),
            (Stage.COMPLETE, ("node_up_complete", "node1")),
            (Stage.RELEASE, ("rg_move_release", "node1", "1")),
        ):
            assert node.run(stage, *words, VERBOSE_LOGGING="high", **extra) == 0
        text = re.sub(r"\w{3} \d\d \d\d:\d\d:\d\d|\w{3}\.\w{3}\.\S+\.\d{4}|\d{10}", "TIME", node.hacmp_out.read_text())
        texts.append(text.replace(str(EVENTS), "EVENTS").replace(str(node.directory / "events"), "EVENTS"))
        node.hacmp_out.unlink()
    # What runs in the background writes between the other lines.
    inside, outside = (sorted(text.splitlines()) for text in texts)
    assert inside == outside
    assert any(line.startswith(":start_server:rg1[") for line in inside)


def test_nothing_of_a_caller_is_left_in_a_script(node: Node) -> None:
    script = node.bin / "node_up"
    script.write_text(
        "#!/bin/bash\n. cl_event_functions\n"
        f'echo "$# $1 ${{event-}}${{PRE-}}${{COUNT-}}${{body-}}${{counter-}}$LINENO" >{node.calls}\n'
        "trap 'echo trap >>" + str(node.calls) + "' EXIT\nexit 7\n"
    )
    script.chmod(0o755)
    assert node.run(Stage.NONE, "node_up", "two words") == 7
    assert node.calls.read_text().splitlines() == ["1 two words 3", "trap"]
    for own in ("$$", "$0"):
        script.write_text(
            f'#!/bin/bash\n. cl_event_functions\n: "{own}"\n'
            f"mapfile -d '' words </proc/self/cmdline\necho \"${{words[*]}}\" >{node.calls}\n"
        )
        assert node.run(Stage.NONE, "node_up", "node1") == 0
        assert node.calls.read_text().split() == ["/bin/bash", str(script), "node1"]


def test_volume_group_that_does_not_come(node: Node) -> None:
    node.fake("varyonvg", status=1)
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    assert ("resource_error", "rg1") in [(update.state, update.group) for update in node.updates]
    assert "!!!!!!!!!! ERROR !!!!!!!!!!" in node.hacmp_out.read_text()


def test_failing_and_missing_scripts(node: Node) -> None:
    bad = node.bin / "node_up"
    bad.write_text("#!/bin/bash\nexit 3\n")
    bad.chmod(0o755)
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 3
    assert node.event_lines()[-1] == "EVENT FAILED: 3: node_up node1 3"
    assert node.run(Stage.ACQUIRE, "no_such_event", "node1") == 127


def test_channel_is_closed_to_applications(node: Node) -> None:
    start = node.bin / "start"
    start.write_text(
        f"#!/bin/bash\nls -l /proc/self/fd | grep -c socket >{node.calls}\necho ${{CLRGPA_FD:-none}} >>{node.calls}\n"
    )
    assert node.run(Stage.COMPLETE, "node_up_complete", "node1") == 0
    assert node.calls.read_text().split() == ["0", "none"]


def test_forced_node_down_leaves_everything(node: Node) -> None:
    assert node.run(Stage.RELEASE, "node_down", "node1", "forced") == 0
    assert not node.calls.exists()


def test_pre_and_post_events_and_recovery(node: Node) -> None:
    customization = node.bin / "cl_event_customization"
    customization.write_text(
        f"#!/bin/bash\necho PRE={node.bin}/before\necho POST={node.bin}/after\necho NOTIFY=\n"
        f"echo RECOVERY={node.bin}/repair\necho COUNT=2\n"
    )
    customization.chmod(0o755)
    node.fake("before", "after", "repair")
    bad = node.bin / "node_up"
    bad.write_text("#!/bin/bash\nexit 3\n")
    bad.chmod(0o755)
    assert node.run(Stage.ACQUIRE, "node_up", "node1", CUSTOMIZED_EVENTS="node_up node_down") == 3
    assert node.calls.read_text().splitlines() == [
        "before node_up node1",
        "repair node_up node1",
        "repair node_up node1",
        "after node_up 3 node1",
    ]


def test_customization_has_arguments_and_does_not_read_the_list_of_its_followers(node: Node) -> None:
    customization = node.bin / "cl_event_customization"
    customization.write_text(
        f"#!/bin/bash\necho \"PRE=$'{node.bin}/before -x\\n{node.bin}/second'\"\n"
        f"echo \"NOTIFY='{node.bin}/tell operator'\"\necho COUNT=0\n"
    )
    customization.chmod(0o755)
    node.fake("second", "tell")
    (node.bin / "before").write_text(f'#!/bin/bash\necho "before $*" >>{node.calls}\ncat >>{node.calls}\nexit 7\n')
    (node.bin / "before").chmod(0o755)
    assert node.run(Stage.NONE, "network_up", "node1", "net", CUSTOMIZED_EVENTS="network_up") == 0
    assert node.calls.read_text().splitlines() == [
        "tell operator start network_up node1 net",
        "before -x network_up node1 net",
        "second network_up node1 net",
        "tell operator complete 0 network_up node1 net",
    ]
    assert "exit status of" in node.hacmp_out.read_text()


def test_a_full_disk_loses_lines_and_not_the_event(node: Node) -> None:
    node.hacmp_out = Path("/dev/full")
    node.cluster_log = Path("/dev/full")
    assert node.run(Stage.ACQUIRE, "node_up", "node1", VERBOSE_LOGGING="high") == 0
    assert "mount /rg1" in node.calls.read_text()
    assert node.updates


def test_cluster_log_has_the_stamps_of_syslog(node: Node) -> None:
    """A blank where a day of the month has one digit; hacmp.out and the history have a zero there."""
    script = """
        printf() { [[ $4 == -1 ]] && set -- "$1" "$2" "$3" 1767441909; builtin printf "$@"; }
        . cl_event_functions
        log_event_line "EVENT START: node_up node1"
        cl_log 1 "something failed"
        . config_too_long 30 program
    """
    environment = node.environment(TZ="UTC")
    said = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
    assert said.startswith("Jan 03 12:05:09 EVENT START: node_up node1\n")
    assert (node.directory / "cluster.01032026").read_text() == "Jan 03 12:05:09 EVENT START: node_up node1\n"
    texts = [
        "EVENT START: node_up node1",
        "something failed",
        "WARNING: Cluster sample has been running recovery program 'program' for 30 seconds. "
        "Please check cluster status.",
    ]
    assert node.cluster_log.read_text() == "".join(
        f"Jan  3 12:05:09 node1 user:notice PowerHA SystemMirror for AIX: {text}\n" for text in texts
    )


@pytest.mark.parametrize("moved", ["", "etc/es/objrepos", "usr/es/sbin/cluster/etc/objrepos/active"])
def test_a_halt_stands_in_the_cluster_log_that_is_configured(node: Node, moved: str) -> None:
    node.fake("errlogger", "hostname", "halt")
    root = node.directory / "root"
    for folder in ("var/hacmp/adm", "logs", "etc/es/objrepos", "usr/es/sbin/cluster/etc/objrepos/active"):
        (root / folder).mkdir(parents=True)
    objects = [
        '\nHACMPlogs:\n\tname = "clavan.log"\n\tdescription = "x"\n\tdefaultdir = "/a"\n\tvalue = "/a"\n\trfs = "1"\n',
        '\nHACMPlogs:\n\tname = "cluster.log"\n\tdescription = "x"\n\tdefaultdir = "/a"\n\tvalue = "/logs"\n',
    ]
    if moved:
        (root / moved / "HACMPlogs").write_text("".join(objects))
    environment = node.environment(HAES_ROOT=str(root), HAES_MARK="lab/node1")
    subprocess.run([str(UTILITIES / "clexit.rc"), "clstrmgrES", "cluster"], env=environment, check=True)
    lines = (root / ("logs" if moved else "var/hacmp/adm") / "cluster.log").read_text().splitlines()
    assert [line.partition("AIX: ")[2] for line in lines] == [
        "clexit.rc : Unexpected termination of clstrmgrES.",
        "clexit.rc : Halting system immediately!!!",
    ]
    assert node.calls.read_text().splitlines()[-1] == "halt -q"


def test_a_log_that_cannot_be_opened(node: Node) -> None:
    node.hacmp_out = node.directory / "nowhere" / "hacmp.out"
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    assert "mount /rg1" in node.calls.read_text()


def test_a_reservation_of_another_node_is_broken(node: Node) -> None:
    path = node.bin / "varyonvg"
    path.write_text(f'#!/bin/bash\necho "varyonvg $*" >>{node.calls}\n[[ $1 == -O ]]\n')
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    assert [call for call in node.calls.read_text().splitlines() if "vary" in call] == [
        "varyonvg -n -c -A rg1vg",
        "varyonvg -O -n -c -A rg1vg",
    ]
    assert "resource_error" not in [update.state for update in node.updates]


def customized(name: str, attribute: str, value: str) -> str:
    return f'\nCuAt:\n\tname = "{name}"\n\tattribute = "{attribute}"\n\tvalue = "{value}"\n\ttype = "R"\n'


@pytest.mark.parametrize(
    ("attributes", "varied_on", "varied_off"),
    [
        ((("rg1vg", "vgserial_id", "00f9"),), "varyonvg -n rg1vg", "varyoffvg rg1vg"),
        (
            (("rg1vg", "vgserial_id", "00f9"), ("rg1vg", "conc_capable", "y")),
            "varyonvg -n -c -A rg1vg",
            "varyonvg -n -c -P rg1vg",
        ),
    ],
)
def test_a_volume_group_is_varied_on_as_what_it_is(
    node: Node, attributes: tuple[tuple[str, str, str], ...], varied_on: str, varied_off: str
) -> None:
    """No command fails on the way, and none asks: the object class is read by the shell."""
    classes = node.directory / "root/etc/objrepos"
    classes.mkdir(parents=True)
    (classes / "CuAt").write_text("".join(customized(*one) for one in attributes))
    for stage, words, expected in (
        (Stage.ACQUIRE, ("node_up", "node1"), varied_on),
        (Stage.RELEASE, ("rg_move_release", "node1", "1"), varied_off),
    ):
        node.calls.write_text("")
        assert node.run(stage, *words, HAES_ROOT=str(node.directory / "root")) == 0
        assert [call for call in node.calls.read_text().splitlines() if "vary" in call] == [expected]


def test_copies_that_are_behind_are_synchronized_in_the_background(node: Node) -> None:
    classes = node.directory / "root/etc/objrepos"
    classes.mkdir(parents=True)
    (classes / "CuAt").write_text(customized("rg1lv", "copies", "2"))
    stale = node.bin / "lsvg"
    stale.write_text('#!/bin/bash\necho "STALE PVs:          1                        STALE PPs:      8"\n')
    stale.chmod(0o755)
    synchronizing = node.bin / "syncvg"
    synchronizing.write_text(f'#!/bin/bash\necho "syncvg $*" >>{node.calls}\n')
    synchronizing.chmod(0o755)
    assert node.run(Stage.ACQUIRE, "node_up", "node1", HAES_ROOT=str(node.directory / "root")) == 0
    deadline = time.monotonic() + 30
    while "syncvg -v rg1vg" not in node.calls.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("named", [("/a/b", "/a", "/a-c", "/a/b/c"), ()])
def test_file_systems_that_lie_in_each_other(node: Node, named: tuple[str, ...]) -> None:
    """They were mounted in the order of their definition, so that one hid the other, and unmounted in the same one, so
    that the outer was busy and the group ended in ERROR."""
    entry = group("rg1", "node1 node2")
    kept = tuple(resource for resource in entry.resources if resource[0] != "FILESYSTEM")
    resources = (*kept, *(("FILESYSTEM", name) for name in named))
    node.configuration = msgspec.structs.replace(
        node.configuration, groups=(msgspec.structs.replace(entry, resources=resources),)
    )
    lsvgfs = node.bin / "lsvgfs"
    lsvgfs.write_text("#!/bin/bash\nprintf '%s\\n' /a/b /a /a-c /a/b/c\n")
    lsvgfs.chmod(0o755)
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    called = [words[1] for line in node.calls.read_text().splitlines() if (words := line.split())[0] == "mount"]
    assert called == ["/a-c", "/a", "/a/b", "/a/b/c"]
    assert node.run(Stage.RELEASE, "node_down", "node1") == 0
    called = [words[1] for line in node.calls.read_text().splitlines() if (words := line.split())[0] == "umount"]
    assert called == ["/a/b/c", "/a/b", "/a", "/a-c"]


@pytest.mark.parametrize(
    ("attributes", "checks"),
    [
        ((), ["fsck -p /a", "mount /a", "fsck -p /b", "mount /b"]),
        ((("FSCHECK_TOOL", "logredo"),), ["logredo /a", "mount /a", "logredo /b", "mount /b"]),
        ((("RECOVERY_METHOD", "parallel"),), ["fsck -p /a", "fsck -p /b", "mount /a", "mount /b"]),
    ],
)
def test_file_systems_are_checked_before_they_are_mounted(
    node: Node, attributes: tuple[tuple[str, str], ...], checks: list[str]
) -> None:
    """The tool and the method of a group were kept, listed, and nobody used them."""
    node.fake("fsck", status=8)
    entry = group("rg1", "node1 node2")
    kept = tuple(resource for resource in entry.resources if resource[0] != "FILESYSTEM")
    resources = (*kept, ("FILESYSTEM", "/a"), ("FILESYSTEM", "/b"), *attributes)
    node.configuration = msgspec.structs.replace(
        node.configuration, groups=(msgspec.structs.replace(entry, resources=resources),)
    )
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    done = [line for line in node.calls.read_text().splitlines() if line.split()[0] in ("fsck", "logredo", "mount")]
    if attributes and attributes[0][1] == "parallel":
        done[:2] = sorted(done[:2])
    assert done == checks


def watched_start(node: Node, method: str, **attributes: str) -> None:
    """The application gets a startup monitor whose method is this script."""
    check = node.bin / "check"
    check.write_text(f'#!/bin/bash\necho "check" >>{node.calls}\n{method}\n')
    check.chmod(0o755)
    entry = monitor(
        "mon1", "rg1_app", MONITOR_METHOD=str(check), INVOCATION="both", STABILIZATION_INTERVAL="20", **attributes
    )
    node.configuration = msgspec.structs.replace(node.configuration, monitors=(entry,))


def test_application_that_its_startup_monitor_finds_running_is_not_started(node: Node) -> None:
    watched_start(node, "exit 0")
    assert node.run(Stage.COMPLETE, "node_up_complete", "node1") == 0
    assert node.calls.read_text().splitlines() == ["check"]
    assert [update.state for update in node.updates] == ["resource_acquiring", "resource_up", "rg_up"]


def test_start_waits_until_the_startup_monitor_is_content(node: Node) -> None:
    watched_start(node, f"(( $(grep -c check {node.calls}) > 2 ))")
    assert node.run(Stage.COMPLETE, "node_up_complete", "node1") == 0
    assert node.calls.read_text().splitlines() == ["check", "start -x", "check", "check"]
    assert [update.state for update in node.updates] == ["resource_acquiring", "resource_up", "rg_up"]


def test_application_that_does_not_become_well_in_time_has_failed(node: Node) -> None:
    watched_start(node, "exit 1")
    entry = node.configuration.monitors[0]
    short = tuple((key, "0" if key == "STABILIZATION_INTERVAL" else value) for key, value in entry.attributes)
    node.configuration = msgspec.structs.replace(
        node.configuration, monitors=(msgspec.structs.replace(entry, attributes=short),)
    )
    assert node.run(Stage.COMPLETE, "node_up_complete", "node1") == 0
    assert ("resource_error", "rg1") in [(update.state, update.group) for update in node.updates]


def test_process_monitor_at_startup_counts_processes(node: Node) -> None:
    sleeper = node.bin / "haes_sleeper"
    sleeper.write_text("#!/bin/bash\nexec -a haes_sleeper sleep 30\n")
    sleeper.chmod(0o755)
    attributes = {"MONITOR_TYPE": "process", "PROCESSES": "haes_sleeper"}
    watched_start(node, "exit 0", **attributes)
    process = subprocess.Popen([str(sleeper)])
    try:
        assert node.run(Stage.COMPLETE, "node_up_complete", "node1") == 0
    finally:
        process.kill()
        process.wait()
    assert not node.calls.exists(), "it runs already"


def test_what_is_active_already_is_acquired(node: Node) -> None:
    """Services start again on a node whose group was unmanaged: everything of it is still there."""
    node.fake("varyonvg", "mount", status=1)
    (node.bin / "mount").write_text(
        f'#!/bin/bash\n(( $# )) && {{ echo "mount $*" >>{node.calls}; exit 1; }}\necho "  /dev/lv /rg1 jfs2 rw"\n'
    )
    (node.bin / "lsvg").write_text("#!/bin/bash\necho 'VG PERMISSION:      read/write   TOTAL PPs:'\n")
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    assert "resource_error" not in [update.state for update in node.updates]
    assert "varyonvg -O -n -c -A rg1vg" not in node.calls.read_text()
