"""A node that misses a synchronization: what the administrator reads, and how it is brought in step by itself."""

from __future__ import annotations

import re

from tests.end_to_end.lab import PATIENCE, LabUnderTest, eventually

ANY_MODE = True


def hour(lab: LabUnderTest, node: str) -> str:
    return lab.output(node, "odmget HACMPcluster | grep clverhour").split()[-1]


def installed(lab: LabUnderTest, node: str) -> str:
    found = re.findall(r"installed generation (\d+)", lab.file(node, "/var/adm/ras/clconfd.log"))
    return found[-1] if found else ""


def committed(lab: LabUnderTest, node: str) -> str:
    found = re.search(r"generation: (\d+)", lab.output(node, "lssrc -ls clconfd"))
    assert found
    return found[1]


def test_services_start_on_a_node_that_was_powered_on_a_moment_ago(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline node node2", timeout=120)
    lab.srcctl("halt", "node2")
    lab.srcctl("boot", "node2")
    answer = lab.run("node1", "clmgr online node node2", timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert '"node2" is now online.' in answer.stdout


def test_a_halted_node_is_passed_over_and_brought_in_step_when_it_boots(lab: LabUnderTest) -> None:
    """The others take the change while cluster services run on them (dynamic reconfiguration)."""
    lab.make_whole()
    lab.srcctl("halt", "node2")
    eventually(lambda: "State of node: DOWN" in lab.output("node1", "lscluster -m"), "CAA knows that node2 is down")
    answer = lab.run("node1", "clmgr online node node2", timeout=120)
    assert answer.returncode == 1
    assert answer.stderr.endswith("\nERROR:Comm error found on node:node2\n\n")
    lab.wait_for_owner("node1", 60)
    lab.output("node1", "clmgr modify cluster VERIFICATION_HOUR=5")
    lab.output("node1", "clmgr add resource_group late_rg NODES=node1,node2 STARTUP=OHN FALLOVER=FNPN FALLBACK=NFB")
    said = lab.output("node1", "clmgr sync cluster", timeout=120)
    assert "WARNING: Unable to communicate with the remote node: node2." in said
    assert hour(lab, "node1") == "5"
    assert lab.group_states("late_rg") == {"node1": "ONLINE", "node2": "OFFLINE"}
    lab.srcctl("boot", "node2")
    eventually(lambda: hour(lab, "node2") == "5", "node2 has the configuration", PATIENCE)
    eventually(lambda: installed(lab, "node2") == committed(lab, "node1"), "its clconfd says so")
    lab.output("node1", "clmgr online node node2", timeout=120)
    lab.wait_until_stable()
    assert lab.output("node1", "clmgr -a state query cluster") == 'STATE="STABLE"\n'
    lab.output("node2", "clmgr delete resource_group late_rg")
    lab.output("node2", "clmgr sync cluster", timeout=120)
    lab.wait_for_groups({}, "late_rg")
    staged = "ls -A $HAES_ROOT/usr/es/sbin/cluster/etc/objrepos | grep stage || true"
    eventually(lambda: not lab.output("node1", staged), "no lock is left")


def test_services_start_with_what_was_synchronized(lab: LabUnderTest) -> None:
    """Else one node would run a configuration that no other has, and these would be refused."""
    lab.make_whole()
    lab.output("node1", "clmgr offline cluster", timeout=120)
    lab.output("node1", "clmgr add resource_group forgotten NODES=node1,node2 FALLBACK=NFB")
    lab.output("node1", "clmgr online cluster", timeout=120)
    lab.wait_until_stable()
    states = "clmgr -cS -a name,state query node"
    assert lab.output("node1", states) == "node1:NORMAL\nnode2:NORMAL\n"
    assert lab.group_states("forgotten") == {}
    assert lab.output("node1", "clmgr -a unsynced_changes query cluster") == 'UNSYNCED_CHANGES="true"\n'
    assert "forgotten" in lab.output("node1", "clmgr query resource_group").split(), "nothing of it is lost"
    lab.output("node1", "clmgr sync cluster", timeout=120)
    eventually(lambda: lab.group_states("forgotten").get("node1") == "ONLINE", "the group counts now")
    lab.output("node1", "clmgr delete resource_group forgotten; clmgr sync cluster", timeout=120)
    assert lab.group_states("forgotten") == {}


def test_a_node_that_runs_without_clcomd_stops_a_synchronization_unless_it_is_forced(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline cluster", timeout=120)
    lab.output("node2", "stopsrc -c -s clcomd")
    lab.wait_until_down("node2", "clcomd")
    lab.output("node1", "clmgr modify cluster VERIFICATION_HOUR=7")
    answer = lab.run("node1", "clmgr sync cluster")
    assert answer.returncode == 1
    assert "ERROR:Comm error found on node:node2" in answer.stdout
    assert answer.stderr.startswith("\nERROR: cldare: Failures detected during verification.")
    before = hour(lab, "node2")
    said = lab.output("node1", "clmgr sync cluster VERIFY=no")
    assert "Verification to be performed" not in said
    assert "WARNING: node node2 cannot be reached" in said
    assert hour(lab, "node2") == before != "7", "node2 missed it"
    lab.output("node2", "refresh -s clconfd")  # it need not wait ten minutes
    eventually(lambda: hour(lab, "node2") == "7", "clconfd brings node2 in step", PATIENCE)
    lab.output("node2", "startsrc -s clcomd")
    lab.output("node1", "clmgr online cluster", timeout=120)


BREAK = """
sed -i '/app_svc/d' $HAES_ROOT/etc/hosts
sed -i '/caa_cfg/d' $HAES_ROOT/etc/services
exportvg datavg
printf 'HACMPnode:\\n\\tnode_id = 9\\n' | odmchange -o HACMPnode -q "node_id=1 AND object=COMMUNICATION_PATH"
"""


def test_what_is_broken_on_a_node_is_named_and_corrected(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline cluster", timeout=120)
    lab.output("node2", BREAK)
    answer = lab.run("node1", "clmgr verify cluster")
    assert answer.returncode == 1
    for text in (
        "ERROR: The service 'caa_cfg' is missing from /etc/services on node 'node2'.",
        "ERROR: Unable to resolve the IP label 'app_svc' on node 'node2'.",
        "ERROR: The volume group 'datavg' of resource group 'app_rg' is not known to node 'node2'.",
        "object = 'COMMUNICATION_PATH': node_id is 9 instead of 1.",
        "Verification exiting with error count: 4",
    ):
        assert text in answer.stdout
    assert "Verification exiting" in lab.output("node1", "cat $HAES_ROOT/var/hacmp/clverify/clverify.log")
    assert "node2" in lab.output("node1", "ls $HAES_ROOT/var/hacmp/clverify/fail")
    said = lab.output("node1", "clmgr sync cluster FIX=yes")
    assert "<01> Adding entry caa_cfg 6181/tcp to /etc/services on node node2: PASS" in said
    assert said.endswith("Verification has completed normally.\n")
    assert "app_svc" in lab.file("node2", "/etc/hosts")
    assert "datavg" in lab.output("node2", "lsvg")
    assert "node_id = 9" not in lab.output("node2", "odmget HACMPnode"), "ids edited by hand go back"
    assert "WARNING: The configuration on node" not in lab.output("node1", "clmgr verify cluster")
    lab.output("node1", "clmgr online cluster", timeout=120)


def test_a_persistent_label_and_a_community_that_were_lost_come_back(lab: LabUnderTest) -> None:
    lab.make_whole()
    address = f"{lab.description()['block']}.44"
    for node in lab.nodes():
        lab.output(node, f"echo '{address} node2_per' >>$HAES_ROOT/etc/hosts")
    lab.output("node1", "clmgr add persistent_ip node2_per NETWORK=net_ether_01 NODE=node2")
    assert "node2_per' is not" not in lab.output("node1", "clmgr sync cluster"), "it was never there before"
    assert address in lab.output("node2", "ifconfig en0")
    lab.output("node1", "clmgr offline cluster", timeout=120)
    lab.output("node2", f"ifconfig en0 {address} delete")
    lab.output("node2", "sed -i '/^community[[:space:]]*public/d' $HAES_ROOT/etc/snmpd.conf; refresh -s snmpd")
    said = lab.output("node1", "clmgr verify cluster")
    assert "WARNING: The persistent IP label 'node2_per' is not configured on node 'node2'." in said
    assert "WARNING: No SNMP community for clinfoES is defined in /etc/snmpd.conf on node 'node2'." in said
    said = lab.output("node1", "clmgr sync cluster FIX=yes")
    assert "> Configuring the persistent IP label node2_per on node node2: PASS" in said
    assert "> Adding the SNMP community public to /etc/snmpd.conf on node node2: PASS" in said
    assert address in lab.output("node2", "ifconfig en0")
    said = lab.output("node1", "clmgr verify cluster")
    assert "persistent IP label" not in said
    assert "SNMP community" not in said
    lab.output("node1", "clmgr delete persistent_ip node2_per; clmgr sync cluster", timeout=120)
    eventually(lambda: address not in lab.output("node2", "ifconfig en0"), "the label is gone")
    lab.output("node1", "clmgr online cluster", timeout=120)


def test_object_classes_and_entries_that_were_lost_are_named_and_come_back(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline cluster", timeout=120)
    said = lab.output("node1", "clmgr verify cluster")
    assert "cannot be read" not in said
    assert "/etc/inittab" not in said
    before = {name: lab.output("node2", f"odmget {name}") for name in ("HACMPgroup", "HACMPnode", "HACMPevent")}
    lab.output(
        "node2",
        "cd $HAES_ROOT/etc/es/objrepos; rm HACMPgroup; echo nothing >HACMPnode; rmitab hacmp; rmitab harc;"
        "chmod a-x $HAES_ROOT/usr/es/sbin/cluster/events/network_up",
    )
    answer = lab.run("node1", "clmgr verify cluster")
    assert answer.returncode == 1
    for sentence in (
        "ERROR: The configuration on node 'node2' cannot be read: HACMPgroup does not exist.",
        "ERROR: The configuration on node 'node2' cannot be read: HACMPnode is not an object class.",
        "WARNING: The entry 'hacmp' is missing from /etc/inittab on node 'node2'.",
        "ERROR: The script of the event 'network_up', '/usr/es/sbin/cluster/events/network_up', is not executable on "
        "node 'node2'.",
    ):
        assert sentence in answer.stdout
    lab.output("node2", "chmod a+x $HAES_ROOT/usr/es/sbin/cluster/events/network_up")
    said = lab.output("node1", "clmgr verify cluster FIX=yes", timeout=120)
    assert "Restoring the object classes of PowerHA SystemMirror on node node2: PASS" in said
    assert "Adding the entry hacmp to /etc/inittab on node node2: PASS" in said
    assert {name: lab.output("node2", f"odmget {name}") for name in before} == before
    assert lab.output("node2", "lsitab hacmp").startswith("hacmp:2:once:")
    assert "cannot be read" not in lab.output("node1", "clmgr verify cluster")
    # A synchronization adds the entries, too.
    assert lab.output("node2", "lsitab harc").startswith("harc:2:wait:"), "it came with the configuration"
    lab.output("node2", "rmitab hacmp; rmitab harc")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    assert lab.output("node2", "lsitab hacmp").startswith("hacmp:2:once:")
    assert lab.output("node2", "lsitab harc").startswith("harc:2:wait:/usr/es/sbin/cluster/etc/harc.net #")
    lab.output("node1", "clmgr online cluster", timeout=120)


def test_verification_methods_have_their_say(lab: LabUnderTest) -> None:
    """A custom method, and that of a user-defined resource type for each of its resources."""
    lab.make_whole()
    method = "$HAES_ROOT/usr/local/bin/check_port"
    script = '#!/bin/sh\\necho "checks $* ${_PORT:-nothing}"; test "${_PORT:-1}" -gt 0\\n'
    for node in lab.nodes():
        lab.output(node, f"printf '{script}' >{method}; chmod 755 {method}")
    lab.output("node1", "clmgr add method ports TYPE=verify FILE=/usr/local/bin/check_port")
    said = lab.output("node1", "clmgr sync cluster", timeout=120)
    assert "Running the custom verification method ports...\nnode1: checks  nothing\nnode2: checks  nothing\n" in said
    types = "HACMPudres_def:\\n\\tname = queue\\n\\torder = FIRST\\n"
    types += "\\tstart = /usr/local/bin/check_port\\n\\tstop = /usr/local/bin/check_port\\n"
    types += '\\tverification = "/usr/local/bin/check_port -v"\\n'
    resource = "\\nHACMPudresource:\\n\\tname = q1\\n\\ttype = queue\\n\\tattribute = PORT\\n\\tvalue = 0\\n"
    lab.output("node1", f"printf '{types}{resource}' | odmadd")
    lab.output("node1", "clmgr add rg queue_rg NODES=node1,node2 USERDEFINED_RESOURCES=q1")
    try:
        answer = lab.run("node1", "clmgr verify cluster METHODS=none", timeout=120)
        assert answer.returncode == 1
        assert "checks  nothing" not in answer.stdout
        assert (
            "Running the verification method of the resource type queue for q1...\nnode1: checks -v 0\n"
            in answer.stdout
        )
        failed = (
            "ERROR: The verification method of the user-defined resource 'q1' failed with exit code 1 on node 'node"
        )
        assert failed in answer.stdout
        assert lab.run("node1", "clmgr sync cluster", timeout=120).returncode == 1
        assert failed in lab.output("node1", "cat $HAES_ROOT/var/hacmp/clverify/clverify.log")
        lab.output("node1", "printf 'HACMPudresource:\\n\\tvalue = 1414\\n' | odmchange -o HACMPudresource -q name=q1")
        assert "checks -v 1414" in lab.output("node1", "clmgr verify cluster", timeout=120)
        lab.output("node1", f"printf '#!/bin/sh\\nexit 5\\n' >{method}")
        answer = lab.run("node1", "clmgr verify cluster METHODS=ports DEFAULT_TESTS=no", timeout=120)
        assert "ERROR: The custom verification method 'ports' failed with exit code 5 on node 'node" in answer.stdout
        assert (answer.returncode, "resource type" in answer.stdout) == (1, False)
    finally:
        lab.output("node1", "clmgr delete rg queue_rg; odmdelete -o HACMPudresource; odmdelete -o HACMPudres_def")
        lab.output("node1", "clmgr delete method ports")
        lab.output("node1", "clmgr sync cluster", timeout=120)


def test_a_verification_of_changes_only_leaves_out_what_was_known(lab: LabUnderTest) -> None:
    lab.make_whole()
    known = "WARNING: Application monitors are required"
    assert known in lab.output("node1", "clmgr verify cluster CHANGES_ONLY=no")
    assert known not in lab.output("node1", "clmgr verify cluster CHANGES_ONLY=yes")
    lab.output("node1", "clmgr add application_controller idle STARTSCRIPT=/bin/nosuch STOPSCRIPT=/bin/true")
    said = lab.output("node1", "clmgr verify cluster CHANGES_ONLY=yes")
    assert [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR"))] == [
        "WARNING: The application controller 'idle' belongs to no resource group."
    ]
    lab.output("node1", "clmgr delete application_controller idle")


def test_services_start_at_boot_where_the_configuration_says_so(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr modify node node2 START_ON_BOOT=true BROADCAST_ON_START=false")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    entry = lab.output("node2", "lsitab hacmp6000")
    assert entry.startswith("hacmp6000:2:wait:/usr/es/sbin/cluster/etc/rc.cluster -boot -A >>")
    assert lab.run("node1", "lsitab hacmp6000").returncode == 1, "the other node is not concerned"
    lab.srcctl("halt", "node2")
    lab.srcctl("boot", "node2")
    lab.wait_for_state("node2", "ST_STABLE", 90)
    lab.output("node2", "clmgr modify node node2 START_ON_BOOT=false")
    lab.output("node2", "clmgr sync cluster", timeout=120)
    assert lab.run("node2", "lsitab hacmp6000").returncode == 1
    # What the operator asked for stays.
    lab.output("node2", "clmgr online node node2 WHEN=restart")
    lab.output("node1", "clmgr modify node node1 START_ON_BOOT=false; clmgr sync cluster", timeout=120)
    assert lab.run("node2", "lsitab hacmp6000").returncode == 0
    lab.output("node2", "clmgr offline node node2 WHEN=restart")
    # A node that need not be verified starts although verification would find errors.
    lab.output("node2", "clmgr offline node node2", timeout=120)
    lab.output("node1", "sed -i '/caa_cfg/d' $HAES_ROOT/etc/services")
    assert lab.run("node2", "clmgr online node node2", timeout=120).returncode == 1
    lab.output("node1", "clmgr modify node node2 VERIFY_ON_START=false; clmgr sync cluster VERIFY=no", timeout=120)
    lab.output("node2", "clmgr online node node2", timeout=120)
    lab.output("node1", "echo 'caa_cfg 6181/tcp' >>$HAES_ROOT/etc/services")
    lab.output("node1", "clmgr modify node node2 VERIFY_ON_START=true; clmgr sync cluster", timeout=120)


def test_the_daily_verification_tells_every_node_what_it_found(lab: LabUnderTest) -> None:
    lab.make_whole()
    before = lab.file("node1", "/etc/hosts")
    lab.output("node1", "sed -i '/app_svc/d' $HAES_ROOT/etc/hosts")
    assert lab.run("node1", "$HAES_ROOT/usr/es/sbin/cluster/diag/autoverify", timeout=120).returncode == 1
    line = "clver: Automatic cluster configuration verification on node node1 found 1 error(s)"
    for node in lab.nodes():
        for path in ("/var/hacmp/log/clutils.log", "/dev/console"):  # errors are broadcast
            eventually(lambda n=node, p=path: line in lab.file(n, p), f"{path} of {node} tells")  # type: ignore[misc]
        eventually(
            lambda node=node: "EVENT COMPLETED: cluster_notify 0" in lab.file(node, "/var/hacmp/log/hacmp.out"),  # type: ignore[misc]
            f"cluster_notify on {node}",
        )
    assert "Unable to resolve the IP label 'app_svc'" in lab.file("node1", "/var/hacmp/log/autoverify.log")
    lab.output("node1", f"printf '%s' '{before}' >$HAES_ROOT/etc/hosts")


def test_what_would_vary_on_by_itself_and_what_snmpd_lacks_is_corrected(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline cluster", timeout=120)
    lab.output("node2", "varyonvg datavg && chvg -a y datavg && varyoffvg datavg")
    lab.output("node2", "sed -i /clsmuxpd/d $HAES_ROOT/etc/snmpd.conf")
    lab.output("node2", "no -p -o routerevalidate=0")
    lab.output("node2", "rm -f $HAES_ROOT/usr/es/sbin/cluster/etc/clhosts.client")
    said = lab.output("node1", "clmgr verify cluster FIX=yes", timeout=120)
    assert "<02> Adding the SMUX entry of clstrmgrES to /etc/snmpd.conf on node node2: PASS" in said
    assert "<01> Setting the network option routerevalidate to 1 on node node2: PASS" in said
    assert "<03> Disabling automatic varyon of volume group datavg on node node2: PASS" in said
    assert lab.output("node2", "no -o routerevalidate") == "routerevalidate = 1\n"
    assert "Updating clhosts.client on node node2: PASS" in said
    for node in lab.nodes():
        assert "#app_svc" in lab.file(node, "/usr/es/sbin/cluster/etc/clhosts.client")
    assert "clhosts.client" not in lab.output("node1", "clmgr verify cluster FIX=yes", timeout=120)
    assert "clsmuxpd" in lab.file("node2", "/etc/snmpd.conf")
    assert 'value = "n"' in lab.output("node2", "odmget -q 'name=datavg and attribute=auto_on' CuAt")
    lab.output("node1", "clmgr online cluster", timeout=120)
