"""clmgr alone makes a cluster from nothing, keeps it, and answers as automation expects."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

START, STOP = "/usr/local/counter_app/start", "/usr/local/counter_app/stop"


def refused(lab: LabUnderTest, command: str) -> tuple[int, str]:
    """Exit code and complaint of a command that must fail; its standard output stays empty."""
    answer = lab.run("node1", command)
    assert answer.stdout == "", answer.stdout
    assert answer.stderr.startswith("\nERROR: "), answer.stderr
    assert answer.stderr.endswith("\n\n")
    return answer.returncode, answer.stderr.strip()


def test_a_cluster_is_created_from_nothing(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    assert refused(lab, "clmgr query cluster") == (2, "ERROR: no cluster is defined on this node.")
    assert lab.run("node1", "cltopinfo").stdout == ""
    assert lab.output("node1", "clmgr list hosts") == "node1\nnode2\n"
    pvid = lab.output("node1", "clmgr -cS -a pvid query physical_volume hdisk1").strip()
    said = lab.output("node1", f"clmgr add cluster demo nodes=node1,node2 REPOSITORIES={pvid} TYPE=NSC "
                               "HEARTBEAT_TYPE=unicast HEARTBEAT_FREQUENCY=20")  # fmt: skip
    assert f"Repository Disk: hdisk1 ({pvid})" in said
    assert "No resource groups defined" in said
    assert lab.output("node1", "clmgr -a state query cluster") == 'STATE="NOT_CONFIGURED"\n'
    lab.output("node1", "clmgr sync cluster FORCE=yes FIX=yes", timeout=120)
    assert lab.output("node1", "clmgr -a state query cluster") == 'STATE="OFFLINE"\n'
    eventually(lambda: "node_timeout = 20000" in lab.output("node2", "clctrl -tune -o node_timeout"), "node2 knows it")
    for words in (
        "service_ip app_svc NETWORK=net_ether_01",
        f"application_controller app STARTSCRIPT={START} STOPSCRIPT={STOP} STARTUP_MODE=foreground",
        "resource_group app_rg NODES=node1,node2 STARTUP=OFAN FALLOVER=FNPN FALLBACK=NFB SERVICE_LABEL=app_svc "
        "APPLICATIONS=app",
        "volume_group datavg PHYSICAL_VOLUMES=hdisk2 RESOURCE_GROUP=app_rg PPART_SIZE=8 QUORUM_NEEDED=false",
        "file_system /sharedfs VOLUME_GROUP=datavg TYPE=jfs2 UNITS=128 SIZE_PER_UNIT=mb",
    ):
        lab.output("node1", f"clmgr add {words}", timeout=120)
    lab.output("node1", "clmgr sync cluster", timeout=120)
    assert "The cluster is now online." in lab.output("node1", "clmgr online cluster", timeout=120)
    eventually(lambda: lab.answers(), "the application answers", 30, lab.group_states)
    lab.wait_until_stable()
    assert lab.output("node2", "clmgr -cv -a name,state,raw_state query node") == (
        "# NAME:STATE:RAW_STATE\nnode1:NORMAL:ST_STABLE\nnode2:NORMAL:ST_STABLE\n"
    )


def test_what_automation_parses(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    cluster = lab.output("node2", "clmgr query cluster")
    values = dict(line.split("=") for line in cluster.splitlines())
    assert (values["STATE"], values["CLUSTER_NAME"]) == ('"STABLE"', '"demo"')
    # The group is online on the node that was first, whichever that was.
    owner = lab.owner()
    for pipeline, expected in (
        ("clmgr query cluster | grep -i ^state", 'STATE="STABLE"'),
        ("clmgr q rg app_rg | grep -w STATE | awk -F= '{print $2}' | head -1", '"ONLINE"'),
        ("clmgr q rg app_rg | grep -w CURRENT_NODE | awk -F= '{print $2}'", f'"{owner}"'),
        ("clmgr query volume_group datavg | grep -w TYPE", 'TYPE="ORIGINAL"'),
        ("clmgr -cS -a PPART_SIZE,QUORUM,CONCURRENT_ACCESS query vg datavg", "8:false:true"),
        ("clmgr list node | wc -l", "2"),
        ("cltopinfo -c | awk '/Cluster Name:/ {print $3}'", "demo"),
        ("cltopinfo | grep NODE | wc -l", "2"),
        ("cllsvg -g app_rg | awk '{print $2}'", "datavg"),
        ("cllsfs -g app_rg | awk '{print $2}'", "/sharedfs"),
        ("cllsfs -g app_rg -n", "app_rg /sharedfs node1,node2"),
        ("cllsif | grep -c service", "2"),
        ("clshowres | grep Participating | head -n 1 | awk '{print $4\"_\"$5}'", "node1_node2"),
        ("clodmget -q 'name = node1 and object = COMMUNICATION_PATH' -f value -n HACMPnode", "node1"),
        ("clgetaddr node2", f"{lab.description()['block']}.2"),
        ("cldisp | grep 'Application: app '", "Application: app State: {online}"),
        (f"cl_lsvg -o -cspoc '-n {owner}'", f"{owner}: datavg\n{owner}: rootvg"),
        ("$HAES_ROOT/usr/es/sbin/cluster/cspoc/cli_on_cluster -S hostname", "node1: node1\nnode2: node2"),
        ("$HAES_ROOT/usr/es/sbin/cluster/cspoc/cli_on_node -R app_rg hostname", f"{owner}: {owner}"),
        (f"cl_rsh {owner} ifconfig -a | grep -c 'inet {lab.description()['block']}.33 '", "1"),
        ("clmgr -a NODES query vg datavg", 'NODES="node1 node2"'),
        ("clmgr query service_ip app_svc | grep -i ipaddr | awk -F= '{print $2}' | xargs echo",
         f"{lab.description()['block']}.33"),
    ):  # fmt: skip
        assert lab.output("node1", pipeline).strip() == expected, pipeline
    assert f"{owner}: success: lsvg -o" in lab.file("node1", "/var/hacmp/log/cspoc.log")
    assert re.search(r"CLMGR COMMAND .*: clmgr q rg app_rg\n", lab.file("node1", "/var/hacmp/log/clutils.log"))


def test_refusals_change_nothing(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    before = lab.output("node1", "odmget HACMPgroup HACMPresource HACMPadapter HACMPnode HACMPserver")
    for command, code in (
        ("clmgr query rg nosuch", 2),
        ("clmgr fly cluster", 4),
        ("clmgr query nonsense", 4),
        ("clmgr -a colour query node node1", 4),
        ("clmgr query node state=NOSUCH", 6),
        ("clmgr add rg", 3),
        ("clmgr add rg app_rg NODES=node1", 4),
        ("clmgr add rg new NODES=node1 STARTUP=NEVER", 4),
        ("clmgr delete application_controller app", 5),
        ("clmgr delete cluster", 1),
        ("clmgr modify cluster NAME=other", 4),
        ("clmgr delete vg datavg", 5),
        ("clmgr add ldap_server somebody", 4),
        ("clmgr add snapshot a/b", 4),
        ("clmgr manage snapshot restore nosuch", 2),
    ):
        status, complaint = refused(lab, command)
        assert status == code, (command, complaint)
    assert lab.output("node1", "odmget HACMPgroup HACMPresource HACMPadapter HACMPnode HACMPserver") == before


def test_several_at_the_same_moment(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    failed: list[str] = []

    def add(node: str, number: int) -> None:
        answer = lab.run(node, f"clmgr add rg {node}_rg{number} NODES={node}")
        if answer.returncode:
            failed.append(answer.stderr)

    threads = [threading.Thread(target=add, args=(node, n)) for n in range(3) for node in ("node1", "node2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for node in ("node1", "node2"):
        expected = ["app_rg", *(f"{node}_rg{n}" for n in range(3))]
        assert sorted(lab.output(node, "clmgr query rg").split()) == sorted(expected)
        lab.output(node, f"clmgr delete rg {node}_rg0,{node}_rg1,{node}_rg2")
    assert lab.output("node1", "clmgr -a unsynced_changes query cluster") == 'UNSYNCED_CHANGES="false"\n'


def test_several_operations_in_one_call(bare_lab: LabUnderTest) -> None:
    said = bare_lab.output("node1", "clmgr -M - 'add timer night HOUR=2 MINUTE=30\nquery timer\ndelete timer night'")
    assert said == "night\n"


def test_a_snap_of_another_node_is_read_here(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    said = lab.output("node1", "snap -e -c -m node2", timeout=120)
    assert "Gathering HACMP data from node node2... done.\n" in said
    folder = "/tmp/ibmsupt/hacmp"
    assert re.search(r"node2: \d+ files\n", lab.output("node1", f"cat $HAES_ROOT{folder}/hacmp.snap"))
    commands = f"$HAES_ROOT{folder}/node2/commands"
    assert lab.output("node1", f"cat {commands}/hostname.out") == "node2\n"
    assert "Current state: ST_STABLE\n" in lab.output("node1", f"cat {commands}/lssrc_-ls_clstrmgrES.out")
    for snap in ("/tmp/ibmsupt", "/tmp/ibmsupt/snap.pax.Z"):
        report = lab.output("node1", f"clanalyze -a -p 'EVENT START' -d {snap}")
        assert report.startswith("Node node2: "), report
        assert "EVENT START: node_up node2" in report
    answer = lab.run("node1", "clanalyze -s 2001-01-01T00:00:00 -e 2001-01-02T00:00:00 -x /nosuch -d /tmp/ibmsupt")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert lab.run("node1", "snap -e -m node9").returncode == 1
    lab.output("node1", "clmgr manage logs collect NODES=node2 DIRECTORY=/tmp/logs")
    found = lab.output("node1", "cd $HAES_ROOT/tmp/logs && find . -type f").split()
    assert {"./node2/hacmp.out", "./node2/rsct/IW/mc/default"} <= set(found)
    assert any(re.fullmatch(r"\./node2/cluster\.\d{8}", name) for name in found)
    lab.output("node1", "snap -r; rm -r $HAES_ROOT/tmp/logs")
    assert lab.output("node1", "ls $HAES_ROOT/tmp/ibmsupt") == ""


def test_a_file_collection_reaches_the_other_nodes(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "echo one > $HAES_ROOT/etc/notes; : > $HAES_ROOT/etc/empty")
    lab.output("node2", "echo two > $HAES_ROOT/etc/notes")
    lab.output("node1", "clmgr add file_collection notes FILES=/etc/notes,/etc/empty")
    answer = lab.run("node1", "clmgr sync file_collection notes")
    assert answer.returncode == 0
    assert "WARNING: the file /etc/empty is not propagated: it is empty." in answer.stderr
    assert lab.file("node2", "/etc/notes") == "one\n"
    assert lab.file("node2", "/var/hacmp/filebackup/etc/notes") == "two\n"
    log = lab.file("node1", "/var/hacmp/log/clutils.log")
    assert "clfileprop: Manual file collection propagation called." in log
    assert "clfileprop: Total number of files propagated to node node2: 1" in log
    lab.output("node1", "clmgr delete file_collection notes")
    # The newest copy in the cluster wins where a collection is propagated when it changes.
    lab.output("node1", "clmgr add file_collection notes FILES=/etc/notes SYNC_WHEN_CHANGED=yes")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    lab.output("node1", "echo three > $HAES_ROOT/etc/notes")
    lab.output("node2", "refresh -s clconfd")
    eventually(lambda: lab.file("node2", "/etc/notes") == "three\n", "the newer file comes to node2")
    lab.output("node1", "clmgr delete file_collection notes; clmgr sync cluster", timeout=120)


def test_users_and_groups_are_the_same_on_all_nodes(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    before = {node: lab.file(node, "/etc/passwd") for node in ("node1", "node2")}
    host = Path("/etc/passwd").read_bytes()
    lab.output("node2", "mkuser id=201 here_only")  # 201 would be the next on node1 alone
    lab.output("node1", "clmgr add group dba")
    lab.output("node1", "clmgr add user oracle PRIMARY=dba HOME=/oracle SHELL=/bin/sh PASSWORD=sEcret")
    for node in ("node1", "node2"):
        assert lab.output(node, "lsuser -a id pgrp home shell oracle") == (
            "oracle id=202 pgrp=dba home=/oracle shell=/bin/sh\n"
        )
        stored = lab.file(node, "/etc/security/passwd")
        assert "oracle:\n\tpassword = {ssha256}06$" in stored
        assert "flags = ADMCHG" in stored
        for log in ("/var/hacmp/log/clutils.log", "/var/hacmp/log/cspoc.log", "/var/hacmp/clcomd/clcomddiag.log"):
            assert "sEcret" not in lab.file(node, log)
    assert "oracle" in lab.output("node1", "clmgr query user").split()
    lines = lab.output("node2", "clmgr -a NAME,ID,PRIMARY query user oracle")
    assert lines == 'NAME="oracle"\nID="202"\nPRIMARY="dba"\n'
    lab.output("node2", "clmgr modify user oracle SHELL=/usr/bin/ksh GROUPS=dba,daemon")
    assert lab.output("node1", "lsuser -c -a shell groups oracle") == (
        "#name:shell:groups\noracle:/usr/bin/ksh:dba,daemon\n"
    )
    for command, code in (
        ("clmgr add user oracle", 4),
        ("clmgr add user other ID=202", 4),
        ("clmgr add user 'a:b'", 4),
        ("clmgr delete user nobody_at_all", 2),
        ("clmgr add user x RESOURCE_GROUP=nosuch", 2),
        ("clmgr add user x REGISTRY=ldap", 4),
        ("clmgr delete group dba", 1),
    ):
        assert refused(lab, command)[0] == code, command
    for asking, command, user in (
        ("node1", "clpasswd", "oracle"),
        ("node2", "cl_chpasswd -cspoc '-n node1,node2'", "oracle"),
    ):
        stored = [lab.file(node, "/etc/security/passwd") for node in ("node1", "node2")]
        said = lab.output(asking, f"printf 'oth3r\\noth3r\\n' | {command} {user}")
        assert said.startswith(f'Changing password for "{user}"\n')
        changed = [lab.file(node, "/etc/security/passwd") for node in ("node1", "node2")]
        assert all(now != then and "ADMCHG" in now for now, then in zip(changed, stored, strict=True)), command
    lab.output("node1", "cl_mkgroup -cspoc '-n node1,node2' web")
    lab.output("node2", "cl_mkuser -cspoc '-g app_rg' pgrp=web home=/web apache")
    assert lab.output("node1", "cl_lsuser -a id pgrp apache") == (
        "node1: apache id=203 pgrp=web\nnode2: apache id=203 pgrp=web\n"
    )
    lab.output("node1", "cl_chuser -cspoc '-n node2' gecos=there apache")
    assert "there" not in lab.output("node1", "lsuser apache")
    for command, complaint in (
        ("clpasswd nobody_at_all", 'clpasswd: node1: 3004-687 User "nobody_at_all" does not exist.\n'),
        ("printf 'a\\nb\\n' | clpasswd oracle", "clpasswd: the two entries do not match.\n"),
        ("cl_mkuser -cspoc '-n node1' apache", 'cl_mkuser: node1: 3004-689 User "apache" exists.\n'),
        ("cl_mkuser -cspoc '-n node1,node2' id=201 other", "cl_mkuser: the user id 201 is in use on a node.\n"),
        ("cl_mkuser -cspoc '-n node3' other", "cl_mkuser: the node node3 is not defined.\n"),
        ("cl_mkuser other", "Usage: cl_mkuser -cspoc "),
        ("cl_rmgroup -cspoc '-n node1' web", "cl_rmgroup: node1: 3004-697 Error removing"),
    ):
        answer = lab.run("node1", command)
        assert (answer.returncode, answer.stderr.startswith(complaint)) == (1, True), (command, answer.stderr)
    lab.output("node1", "cl_rmuser -cspoc '-n node1,node2' -p apache && cl_rmgroup -cspoc '-n node1,node2' web")
    lab.output("node1", "clmgr delete user oracle")
    lab.output("node1", "clmgr delete group dba")
    lab.output("node2", "rmuser -p here_only")
    assert {node: lab.file(node, "/etc/passwd") for node in ("node1", "node2")} == before
    assert Path("/etc/passwd").read_bytes() == host, "the host's users are nobody's business here"


def test_shared_storage_is_not_begun_where_a_node_cannot_be_told(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    before = lab.output("node1", "lsvg; lspv")
    lab.output("node2", "stopsrc -c -s clcomd")
    lab.wait_until_down("node2", "clcomd")
    code, said = refused(lab, "clmgr add volume_group halfvg PHYSICAL_VOLUMES=hdisk3")
    assert (code, 'unable to communicate with "node2"' in said) == (1, True)
    assert lab.output("node1", "lsvg; lspv") == before
    lab.output("node2", "startsrc -s clcomd")
    eventually(lambda: lab.run("node1", "cl_rsh node2 true").returncode == 0, "clcomd answers again")


LV_ATTRIBUTES = {
    "TYPE": "raw", "POSITION": "center", "PV_RANGE": "maximum", "MAX_PVS_FOR_NEW_ALLOC": "3",
    "WRITE_CONSISTENCY": "passive", "LPARTS_ON_SEPARATE_PVS": "superstrict", "RELOCATE": "no", "LABEL": "hello",
    "MAX_LPARTS": "100", "BAD_BLOCK_RELOCATION": "no", "SCHEDULING_POLICY": "sequential", "VERIFY_WRITES": "yes",
    "SERIALIZE_IO": "yes", "FIRST_BLOCK_AVAILABLE": "yes", "FIRST_COPY_MIRROR_POOL": "east",
}  # fmt: skip
VG_ATTRIBUTES = {
    "TYPE": "SCALABLE", "PPART_SIZE": "8", "CRITICAL": "yes", "STRICT_MIRROR_POOLS": "super",
    "MAX_LOGICAL_VOLUMES": "512", "MAX_PHYSICAL_PARTITIONS": "64", "LVM_PREFERRED_READ": "favorcopy",
    "ENABLE_LV_ENCRYPTION": "yes", "MIGRATE_FAILED_DISKS": "pool", "SYNCHRONIZE": "true",
}  # fmt: skip
FS_ATTRIBUTES = {"PERMISSIONS": "ro", "OPTIONS": "nodev nosuid", "BLOCK_SIZE": "512", "EXT_ATTR_FORMAT": "v2",
                 "QUOTA": "all", "EFS": "yes"}  # fmt: skip


def given(attributes: dict[str, str]) -> str:
    return " ".join(f"{name}={value.replace(' ', ',')}" for name, value in attributes.items())


def shown(lab: LabUnderTest, node: str, what: str) -> dict[str, str]:
    lines = lab.output(node, f"clmgr query {what}").splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def test_every_attribute_of_shared_storage_is_known_on_every_node(bare_lab: LabUnderTest) -> None:
    """Whichever node is asked: the change is made where the volume group is varied on."""
    lab = bare_lab
    free = [line.split()[0] for line in lab.output("node1", "lspv").splitlines() if line.split()[2] == "None"]
    disk, spare = free[-2:]
    lab.output("node1", f"clmgr add vg wholevg PHYSICAL_VOLUMES={disk} MIRROR_POOL_NAME=east {given(VG_ATTRIBUTES)}")
    lab.output("node2", "varyonvg wholevg")
    lab.output("node1", f"clmgr add lv wholelv VOLUME_GROUP=wholevg LOGICAL_PARTITIONS=2 {given(LV_ATTRIBUTES)}")
    lab.output("node1", "clmgr add lv wholefs VOLUME_GROUP=wholevg LOGICAL_PARTITIONS=2 FIRST_COPY_MIRROR_POOL=east")
    lab.output("node1", f"clmgr add fs /whole LOGICAL_VOLUME=wholefs {given(FS_ATTRIBUTES)}")
    for node in ("node1", "node2"):
        for what, attributes in (
            ("vg wholevg", VG_ATTRIBUTES),
            ("lv wholelv", LV_ATTRIBUTES),
            ("fs /whole", FS_ATTRIBUTES),
        ):
            assert shown(lab, node, what).items() >= attributes.items(), (node, what)
    lab.output("node2", "mount /whole")
    if lab.description()["mode"] == "view":
        assert lab.run("node2", "touch /whole/x").returncode == 1
    lab.output("node2", "umount /whole")
    striped = (
        "clmgr add lv striped VOLUME_GROUP=wholevg LOGICAL_PARTITIONS=1 STRIPE_SIZE=64K FIRST_COPY_MIRROR_POOL=east"
    )
    code, said = refused(lab, striped)
    assert (code, "stripe width of 1 does not fit" in said) == (1, True)
    code, said = refused(lab, f"{striped} PV_RANGE=minimum")
    assert (code, '"PV_RANGE" does not go with "STRIPE_SIZE"' in said) == (4, True)
    lab.output("node1", "clmgr modify lv wholelv POSITION=inner_edge LOGICAL_PARTITIONS=4 NAME=otherlv")
    lab.output("node1", "clmgr modify fs /whole PERMISSIONS=rw QUOTA=no UNITS=32 SIZE_PER_UNIT=mb")
    lab.output("node1", "clmgr modify vg wholevg CRITICAL=no QUORUM_NEEDED=no FAILUREACTION=fence")
    lab.output("node1", f"clmgr replace pv {disk} {spare}")
    for node in ("node1", "node2"):
        changed = shown(lab, node, "lv otherlv")
        assert (changed["POSITION"], changed["SIZE"], changed["PHYSICAL_VOLUMES"]) == ("inner_edge", "32", spare)
        changed = shown(lab, node, "fs /whole")
        assert (changed["PERMISSIONS"], changed["QUOTA"], changed["SIZE"]) == ("rw", "no", "32")
        changed = shown(lab, node, "vg wholevg")
        assert (changed["CRITICAL"], changed["QUORUM"]) == ("no", "false")
        assert lab.output(node, f"lsvg -n {spare} -P wholevg").split()[-2:] == [spare, "east"]
    assert shown(lab, "node1", "vg wholevg")["ON_LOSS_OF_ACCESS"] == "fence"
    lab.output("node1", f"clmgr modify pv {disk} QUEUE_DEPTH=7")
    for node in ("node1", "node2"):
        assert lab.output(node, f"lsattr -El {disk} -a queue_depth -F value") == "7\n"
    code, said = refused(lab, "clmgr delete mp east")
    assert (code, 'still in use by "' in said) == (5, True)
    lab.output("node2", "varyoffvg wholevg")
    lab.output("node1", "clmgr delete vg wholevg")
    assert "wholevg" not in lab.output("node2", "lsvg")


def test_a_collection_goes_with_every_synchronization(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "echo mine > $HAES_ROOT/etc/notes; chmod 640 $HAES_ROOT/etc/notes")
    lab.output("node2", "echo theirs > $HAES_ROOT/etc/notes")
    lab.output("node1", "clmgr add file_collection notes FILES=/etc/notes SYNC_WITH_CLUSTER=yes")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    assert lab.file("node2", "/etc/notes") == "mine\n"
    assert lab.output("node2", "stat -c %a $HAES_ROOT/etc/notes").strip() == "640"
    # What verification looks for on the other nodes may be what the collection brings.
    scripts = "$HAES_ROOT/usr/local/only_here/start"
    lab.output("node1", f"mkdir -p $(dirname {scripts}); printf '#!/bin/sh\\n' > {scripts}; chmod 755 {scripts}")
    path = "/usr/local/only_here/start"
    lab.output("node1", f"clmgr modify file_collection notes ADD={path}")
    lab.output("node1", f"clmgr add application_controller brought STARTSCRIPT={path} STOPSCRIPT={path}")
    lab.output("node1", "clmgr add resource_group brought_rg NODES=node1,node2 FALLBACK=NFB APPLICATIONS=brought")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    lab.output("node1", "clmgr delete resource_group brought_rg; clmgr delete application_controller brought")
    lab.output("node1", f"clmgr modify file_collection notes DELETE={path}; clmgr sync cluster", timeout=120)
    # Also where nothing else has changed, and from the node that synchronizes, however old its copy is.
    lab.output("node1", "echo newer > $HAES_ROOT/etc/notes; touch -d '2001-01-01' $HAES_ROOT/etc/notes")
    said = lab.output("node1", "clmgr sync cluster", timeout=120)
    assert "cldare: No changes detected in Cluster Topology or Resources.\n...completed.\n" in said
    assert lab.file("node2", "/etc/notes") == "newer\n"
    lab.output("node1", "clmgr modify file_collection notes SYNC_WITH_CLUSTER=no")
    lab.output("node1", "echo last > $HAES_ROOT/etc/notes; clmgr sync cluster", timeout=120)
    assert lab.file("node2", "/etc/notes") == "newer\n"
    lab.output("node1", "clmgr delete file_collection notes; clmgr sync cluster", timeout=120)


OLDER = r's/<ODM/<ODM\n\nHACMPgone:\n\tname = "was once"\n/; s/cluster_version = .*/cluster_version = 15/'


def test_a_snapshot_is_described_renamed_converted_and_removed(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    folder = "/usr/es/sbin/cluster/snapshots"
    lab.output("node1", "clmgr add snapshot one DESCRIPTION='the first'", timeout=120)
    assert lab.output("node1", "clmgr modify snapshot one NAME=two DESCRIPTION='of two lines'") == ""
    found = lab.output("node1", f"cd $HAES_ROOT{folder} && ls one* two*; true").split()
    assert found == ["two.info", "two.odm"]
    block = dict(line.split("=", 1) for line in lab.output("node1", "clmgr query snapshot two").splitlines())
    assert (block["NAME"], block["DESCRIPTION"], block["MODE"]) == ('"two"', '"of two lines"', '"0644"')
    before = lab.file("node1", f"{folder}/two.odm")
    for command, code in (
        ("clmgr modify snapshot one NAME=three", 2),
        ("clmgr modify snapshot two NAME=../three", 4),
        ("clmgr modify snapshot two", 3),
        ("clmgr add snapshot two", 4),
        ("clmgr delete snapshot one", 2),
        ("clmgr add snapshot three METHODS=nosuch", 2),
        (f"clmgr modify snapshot two DESCRIPTION={'x' * 256}", 4),
    ):
        assert refused(lab, command)[0] == code, command
    assert lab.file("node1", f"{folder}/two.odm") == before
    # An older release's snapshot.
    lab.output("node1", f"sed -i '{OLDER}' $HAES_ROOT{folder}/two.odm")
    assert "HACMPgone" in lab.file("node1", f"{folder}/two.odm")
    answer = lab.run("node1", "$HAES_ROOT/usr/es/sbin/cluster/conversion/clconvert_snapshot -v 7.1.3 -s two")
    assert answer.returncode == 0
    assert answer.stdout == (
        "Extracting ODM's from snapshot file... done.\nConverting extracted ODM's... done.\n"
        "Rebuilding snapshot file... done.\n"
    )
    assert "HACMPgone" in answer.stderr
    assert lab.file("node1", f"{folder}/two.odm") == before, "it is this release's again"
    assert "HACMPgone" in lab.file("node1", f"{folder}/two.odm.old")
    lab.output("node1", "clsnapshot -R -n two -N three -d 'once more'")
    assert lab.output("node1", "clsnapshot -s -n three") == "three: once more\n"
    assert lab.output("node1", f"ls -l $HAES_ROOT{folder}/clsnapshot.log").startswith("-rw-------")
    kept = lab.output("node1", f"cat $HAES_ROOT{folder}/clsnapshot.log")
    for what in ("Succeeded creating Cluster Snapshot: one", "Changed Cluster Snapshot: one, now two"):
        assert f"clsnapshot: {what}\n" in kept
    lab.output("node1", "clmgr delete snapshot three")
    assert "three" not in lab.output("node1", "clmgr query snapshot").split()
    assert lab.run("node1", f"ls $HAES_ROOT{folder}/three.odm").returncode != 0


def test_a_snapshot_brings_the_cluster_back(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    said = lab.output("node1", "clmgr add snapshot before DESCRIPTION='as it was'", timeout=120)
    folder = "/usr/es/sbin/cluster/snapshots"
    assert said.startswith(f"clsnapshot: Creating file {folder}/before.odm.\n\nclsnapshot: Creating file")
    assert said.endswith("clsnapshot: Succeeded creating Cluster Snapshot: before\n")
    assert lab.file("node1", f"{folder}/before.odm").startswith("<VER\n1.0\n</VER\n\n<DSC\nas it was\n</DSC\n\n<ODM\n")
    information = lab.file("node1", f"{folder}/before.info")
    assert all(f"NODE: {node}" in information for node in ("node1", "node2"))
    assert "before\n" in lab.output("node1", "clsnapshot -l")
    assert lab.output("node1", "clsnapshot -s -n before") == "before: as it was\n"
    lab.output("node1", "clmgr offline cluster", timeout=120)
    lab.output("node1", "clmgr modify rg app_rg FALLBACK=FBHPN; clmgr delete rg app_rg; clmgr delete ac app")
    lab.output("node1", "clmgr sync cluster FORCE=yes", timeout=120)
    assert lab.output("node2", "clmgr query rg") == ""
    assert {"active.0", "before", "clver_pass_snapshot"} <= set(lab.output("node1", "clsnapshot -l").split())
    said = lab.output("node1", "clmgr manage snapshot restore before", timeout=180)
    assert said.endswith("clsnapshot: Succeeded applying Cluster Snapshot: before\n")
    removed = said[said.index("Ensuring that the following nodes are offline") :].splitlines()
    assert [line for line in removed if line.startswith(("Ensuring", "Attempting"))] == [
        "Ensuring that the following nodes are offline: node2, node1",
        'Attempting to delete node "node2" from the cluster...',
        'Attempting to remove the CAA cluster from "node1"...',
        'Attempting to delete node "node1" from the cluster...',
    ], "the order of published transcripts"
    assert lab.output("node2", "clmgr -a fallback query rg app_rg") == 'FALLBACK="NFB"\n'
    lab.output("node2", "clmgr online cluster", timeout=120)
    eventually(lambda: lab.answers(), "the application answers", 30, lab.group_states)
    assert refused(lab, "clmgr manage snapshot restore ../before")[0] == 4
