"""Administration of the running sample cluster: queries, a planned move, the repository disk, a partition."""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True


@pytest.mark.both_modes
def test_the_queries_answer(lab: LabUnderTest) -> None:
    assert lab.output("node1", "clmgr query cluster").count("=") > 10
    assert lab.output("node1", "clmgr -a state query cluster") == 'STATE="STABLE"\n'
    assert lab.output("node2", "clmgr query resource_group") == "app_rg\n"
    assert "non-concurrent:OHN:FNPN:NFB:ignore" in lab.output("node1", "clRGinfo -s")
    shown = lab.output("node1", "clshowsrv -v")
    for name in ("cthags", "ctrmc", "clstrmgrES", "clevmgrdES", "clcomd", "clconfd"):
        assert re.search(rf"^ {name} .* active$", shown, re.MULTILINE), shown


@pytest.mark.parametrize("option", ["-m", "-c", "-i", "-d"])
def test_lscluster_answers(lab: LabUnderTest, option: str) -> None:
    assert "haes_cluster" in lab.output("node1", f"lscluster {option}") or option in ("-m", "-i", "-d")


@pytest.mark.both_modes
def test_a_planned_move(lab: LabUnderTest) -> None:
    counter = lab.ask()["counter"]
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    said = lab.output(owner, f"clmgr move resource_group app_rg NODE={other}", timeout=120)
    assert "Resource group movement successful." in said
    lab.wait_for_owner(other)
    assert lab.ask() == {"node": other, "counter": counter + 1}, "ONLINE means that it answers"
    lab.output(other, f"clmgr move resource_group app_rg NODE={owner}", timeout=120)
    assert lab.ask() == {"node": owner, "counter": counter + 2}


def access(lab: LabUnderTest, node: str) -> list[str]:
    """How a node has the sample's volume group: the state in lspv, and the permission."""
    row = next(line for line in lab.output(node, "lspv").splitlines() if " datavg " in line)
    permission = [line.split()[2] for line in lab.run(node, "lsvg datavg").stdout.splitlines() if "VG PERM" in line]
    return [*row.split()[3:], *permission]


def accessed(lab: LabUnderTest, node: str, how: list[str]) -> None:
    eventually(lambda: access(lab, node) == how, f"datavg on {node}: {how}", show=lambda: access(lab, node))


@pytest.mark.both_modes
def test_the_volume_group_is_passive_where_its_group_is_not(lab: LabUnderTest) -> None:
    """Fast disk takeover: concurrent everywhere, written on one node; with cluster services it goes."""
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    for _ in range(2):
        accessed(lab, owner, ["concurrent", "read/write"])
        accessed(lab, other, ["concurrent", "passive-only"])
        assert lab.run(other, "mount /sharedfs").returncode == 1
        lab.output(owner, f"clmgr move resource_group app_rg NODE={other}", timeout=120)
        owner, other = other, owner
    lab.output(owner, f"clmgr offline node {other}", timeout=120)
    accessed(lab, other, [])
    lab.output(owner, f"clmgr online node {other}", timeout=120)
    lab.wait_for_state(other, "ST_STABLE")
    accessed(lab, other, ["concurrent", "passive-only"])


def test_a_lost_repository_disk_is_told_and_nothing_moves(lab: LabUnderTest) -> None:
    owner = lab.owner()
    lab.srcctl("disk", "hdisk1", "fail")
    eventually(
        lambda: "rep_disk_notify" in lab.file("node1", "/var/hacmp/log/hacmp.out"),
        "the repository event stands in hacmp.out",
    )
    eventually(lambda: "hdisk1" in lab.run("node1", "errpt -a").stdout, "the error log names hdisk1")
    assert lab.owner() == owner
    assert "caavg_private" in lab.output("node1", "lspv"), "the node knows which disk it has lost"
    # A successor of clevmgrdES finds it lost; the cluster manager knows already, so nothing happens again.
    lab.srcctl("kill", "node1", "clevmgrdES")
    eventually(lambda: "inoperative" in lab.run("node1", "lssrc -s clevmgrdES").stdout, "clevmgrdES is down")
    lab.output("node1", "startsrc -s clevmgrdES")
    eventually(
        lambda: "Waiting: none" in lab.run("node1", "lssrc -ls clevmgrdES").stdout, "its reports are taken", 30,
        lambda: lab.run("node1", "lssrc -ls clevmgrdES").stdout,
    )  # fmt: skip
    assert lab.output("node1", "errpt -N clevmgrd").count("OPERATOR NOTIFICATION") == 1
    assert lab.file("node1", "/var/hacmp/log/hacmp.out").count("EVENT START: rep_disk_notify") == 1
    lab.srcctl("disk", "hdisk1", "repair")
    eventually(
        lambda: "has regained access to repository disk hdisk1" in lab.file("node1", "/var/hacmp/log/hacmp.out"),
        "its return is told",
    )
    lab.wait_for_state("node1", "ST_STABLE")


def test_a_partition_under_policy_none_lets_both_sides_act(lab: LabUnderTest) -> None:
    lab.make_whole()
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    address = f"{lab.description()['block']}.33"
    lab.srcctl("partition", "node1", "node2")
    eventually(
        lambda: f"EVENT COMPLETED: node_down {owner}" in lab.file(other, "/var/hacmp/log/hacmp.out"),
        f"{other} runs node_down {owner}", 60,
    )  # fmt: skip
    # The split brain is not hidden: both hold the address and the disk, and the group is online on both.
    for node in (owner, other):
        eventually(
            lambda node=node: f"app_rg:ONLINE:{node}:" in lab.run(node, "clRGinfo -s").stdout,  # type: ignore[misc]
            f"the group is online on {node}", 60,
        )  # fmt: skip
        assert "datavg" in lab.output(node, "lsvg -o")
        assert "/sharedfs" in lab.output(node, "df")
    status = lab.status()
    assert [address in status["nodes"][node]["addresses"]["en0"] for node in (owner, other)] == [True, True]
    assert status["resource_groups"]["app_rg"] == {owner: "ONLINE", other: "ONLINE"}
    assert status["disks"]["hdisk2"] == {"volume_group": "datavg", "mode": "active", "nodes": [owner, other]}
    assert f"datavg (hdisk2) is varied on by {owner} and {other}" in lab.srcctl("status").stdout
    # Both work on one medium: what either half acknowledged is counted once.
    asked = [lab.ask() for _ in range(20)]
    assert {answer["node"] for answer in asked} <= {owner, other}
    assert [answer["counter"] for answer in asked] == list(range(asked[0]["counter"], asked[0]["counter"] + 20))
    before = {node: lab.processes(node)["clstrmgrES"] for node in ("node1", "node2")}
    lab.srcctl("heal")
    # When the halves meet the merge policy (majority; at a tie the lowest node id) lets node2 give way: its domain is
    # dissolved, its cluster manager ends, and the action plan reboots the node, whose cluster services stay off.
    eventually(
        lambda: lab.processes("node2").get("clstrmgrES", before["node2"]) != before["node2"], "node2 reboots", 60
    )
    lab.wait_for_state("node2", "ST_INIT")
    assert lab.processes("node1")["clstrmgrES"] == before["node1"]
    lab.wait_until_stable("node1")
    assert not address_on(lab, "node2", address)
    report = lab.output("node2", "errpt")
    for identifier in ("9DEC29E1", "AA8AB241", "2BFA76F6"):
        assert identifier in report, report
    assert "gives way in a merge: reboot" in lab.file("node2", "/var/hacmp/adm/cluster.log")
    assert lab.group_states()["node1"] == "ONLINE"
    assert lab.status()["disks"]["hdisk2"]["nodes"] == ["node1"], "the reservation of a node ends with its life"
    lab.make_whole()
    assert sorted(lab.group_states().values()) == ["OFFLINE", "ONLINE"]
    assert [address_on(lab, node, address) for node in ("node1", "node2")].count(True) == 1
    assert lab.wait_for_answer(lab.owner())


def address_on(lab: LabUnderTest, node: str, address: str) -> bool:
    """Is an address configured on a node?"""
    return address in lab.status()["nodes"][node]["addresses"]["en0"]


@pytest.mark.both_modes
def test_offline_and_online(lab: LabUnderTest) -> None:
    lab.make_whole()
    assert "The cluster is now offline." in lab.output("node1", "clmgr offline cluster WHEN=now MANAGE=offline", 120)
    assert lab.owner() == ""
    assert lab.answers() is None
    assert lab.output("node1", "clmgr -a state query cluster") == 'STATE="OFFLINE"\n'
    assert "The cluster is now online." in lab.output("node1", "clmgr online cluster WHEN=now MANAGE=auto", 120)
    eventually(lab.owner, "the resource group is online")
    assert lab.answers() is not None


def test_unmanaged_group_is_managed_again_where_it_runs(lab: LabUnderTest) -> None:
    lab.make_whole()
    owner = lab.owner()
    counter = lab.ask()["counter"]
    lab.output(owner, f"clmgr offline node {owner} MANAGE=unmanage", 60)
    assert lab.output(owner, f"clmgr -a raw_state query node {owner}") == 'RAW_STATE="UNMANAGED"\n'
    assert lab.ask() == {"node": owner, "counter": counter + 1}, "the application runs on"
    lab.output(owner, f"clmgr online node {owner}", 60)
    lab.wait_for_owner(owner)
    assert lab.wait_for_answer(owner)["counter"] == counter + 2
    assert "ERROR" not in lab.group_states().values()


@pytest.mark.both_modes
def test_node_that_is_shut_down_to_boot_again_keeps_its_groups(lab: LabUnderTest) -> None:
    """It halted in the middle of the shutdown, as after a failure, and the others took over (APAR IJ07893)."""
    lab.make_whole()
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    counter = lab.ask()["counter"]
    failures = lab.output(owner, "errpt -J SRC_SVKO,OPMSG").count("\n")
    lab.run(owner, "shutdown -Fr")
    eventually(lambda: lab.cluster_state(owner) == "ST_INIT", "it is back", 60)
    assert {line.split(":")[1] for line in lab.output(other, "clRGinfo -s").splitlines()} == {"UNMANAGED"}
    assert lab.output(owner, "errpt -J SRC_SVKO,OPMSG").count("\n") == failures
    lab.output(owner, f"clmgr online node {owner}", 60)
    lab.wait_for_owner(owner)
    assert lab.wait_for_answer(owner)["counter"] == counter + 1


@pytest.mark.both_modes
def test_services_by_c_spoc_and_at_system_restart(lab: LabUnderTest) -> None:
    lab.make_whole()
    said = lab.output("node1", 'cl_clstop -cspoc "-n node2" -yg', 60)
    assert said == "node2: PowerHA SystemMirror on node2 shutting down. Please exit any cluster applications...\n"
    lab.wait_for_state("node2", "ST_INIT")
    again = lab.run("node2", "clstop -g")
    assert (again.returncode, again.stdout) == (1, ""), "nobody is told of a stop that is none"
    said = lab.output("node1", 'cl_rc.cluster -cspoc "-n node2" -B -A', 60)
    assert said.startswith("\nStarting Cluster Services on node: node2\nThis may take a few minutes.  Please wait...\n")
    assert said.endswith("node2: Exit status = 0\n")
    lab.wait_until_stable("node2")
    lab.srcctl("halt", "node2")
    lab.wait_for_power("node2", "off")
    lab.srcctl("boot", "node2")
    lab.wait_for_state("node2", "ST_STABLE", 90)
    lab.output("node1", "clmgr offline node node2 WHEN=restart")
    assert lab.run("node2", "lsitab hacmp6000").returncode == 1
    assert lab.cluster_state("node2") == "ST_STABLE"
    assert lab.run("node1", "cl_clstop -gr").returncode == 1


def test_verification_keeps_a_node_from_starting(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node2", "clmgr offline node node2 WHEN=now MANAGE=move", 60)
    lab.wait_for_state("node2", "ST_INIT")
    hosts = "$HAES_ROOT/etc/hosts"
    lab.output("node2", f"cp {hosts} {hosts}.kept; grep -v app_svc {hosts}.kept > {hosts}")
    missing = "ERROR: Unable to resolve the IP label 'app_svc' on node 'node2'."
    for node, command in (("node2", "rc.cluster -N -A"), ("node1", 'cl_rc.cluster -cspoc "-n node2" -N -A')):
        refused = lab.run(node, command)
        assert refused.returncode == 1
        assert missing in refused.stderr
        assert missing in lab.file(node, "/var/hacmp/log/autoverify.log")
    assert lab.cluster_state("node2") == "ST_INIT"
    lab.output("node2", "rc.cluster -N -A -v", 60)
    lab.wait_until_stable("node2")
    # The same when it boots; it looks at itself only then, and nobody has to answer.
    lab.output("node2", "clmgr online node node2 WHEN=restart")
    lab.srcctl("halt", "node2")
    lab.wait_for_power("node2", "off")
    lab.srcctl("boot", "node2")
    eventually(lambda: lab.file("node2", "/dev/console").count(missing) == 1, "the console says why", 60)
    assert lab.cluster_state("node2") == "ST_INIT"
    lab.output("node2", f"mv {hosts}.kept {hosts}; clmgr offline node node2 WHEN=restart", 60)
    lab.output("node2", "rc.cluster -N -A", 60)
    lab.wait_until_stable("node2")


def test_delayed_start_places_groups_when_all_nodes_are_there(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline cluster WHEN=now MANAGE=offline", 120)
    lab.output("node2", "clmgr online node node1,node2 WHEN=now MANAGE=delayed", 120)
    lab.wait_for_owner("node1")
    lab.wait_until_stable()
    log = lab.file("node1", "/var/hacmp/log/hacmp.out").splitlines()
    began = [line.split("EVENT START: ")[1] for line in log if "EVENT START: " in line]
    last_join = max(number for number, event in enumerate(began) if event.startswith("node_up_complete"))
    assert "rg_move node2 1 ACQUIRE" in began[last_join:], began[-12:]  # the node that was asked
    assert "start_server counter_app" in began[last_join:]


def test_node_whose_caa_was_stopped_says_how_to_start_it(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline node node2 WHEN=now MANAGE=move STOP_CAA=yes", 60)
    for node, command in (("node2", "clmgr online node node2"), ("node1", "clmgr online node node2")):
        refused = lab.run(node, command)
        assert refused.returncode == 1
        assert "clmgr online node node2 START_CAA=yes" in refused.stderr
    lab.output("node1", "clmgr online node node2 WHEN=now MANAGE=auto START_CAA=yes", 60)
    lab.wait_until_stable("node2")
