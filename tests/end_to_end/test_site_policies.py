"""A stretched cluster whose resource group heeds sites: both instances, on real processes and in all outputs."""

from __future__ import annotations

import re

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True
OPTIONS = ("--nodes", "3")

COMMANDS = (
    "clmgr add cluster stretched NODES=node1,node2,node3 REPOSITORIES=hdisk1 TYPE=SC",
    "clmgr add site left NODES=node1,node2",
    "clmgr add site right NODES=node3",
    "clmgr add application_controller app STARTUP_MODE=foreground STARTSCRIPT=/usr/bin/true STOPSCRIPT=/usr/bin/true",
    "clmgr add resource_group rg NODES=node1,node2 SECONDARYNODES=node3 SITE_POLICY=primary"
    " STARTUP=OFAN FALLOVER=FNPN FALLBACK=NFB APPLICATIONS=app",
    "clmgr sync cluster",
    # The first node that is available has the group: which one that is must not be chance.
    "clmgr online node node1 WHEN=now MANAGE=auto",
    "clmgr online cluster WHEN=now MANAGE=auto",
)


def rows(lab: LabUnderTest, node: str) -> list[tuple[str, str]]:
    """State and node of the group, as ``clRGinfo -s`` has them."""
    lines = lab.output(node, "clRGinfo -s rg").splitlines()
    return [(line.split(":")[1], line.split(":")[2]) for line in lines]


def becomes(lab: LabUnderTest, node: str, *states: str) -> None:
    """Wait until the group is in these states on the three nodes, and the cluster is stable."""

    def there() -> bool:
        return [state for state, _ in rows(lab, node)] == list(states)

    eventually(there, f"states {states}", 60, lambda: rows(lab, node))
    lab.wait_for_state(node, "ST_STABLE")


def events(lab: LabUnderTest, node: str) -> list[str]:
    """The events that began on a node."""
    text = lab.file(node, "/var/hacmp/log/hacmp.out")
    return re.findall(r"^\w{3} \d\d [\d:]+ EVENT START: (.*?) *$", text, re.MULTILINE)


def test_both_instances_in_every_output(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    for command in COMMANDS:
        lab.output("node1", command, 120)
    becomes(lab, "node1", "ONLINE", "OFFLINE", "ONLINE_SECONDARY")
    assert lab.output("node1", "clRGinfo").splitlines()[3:] == [
        "rg                           ONLINE           node1@left",
        "                             OFFLINE          node2@left",
        "                             ONLINE SECONDARY node3@right",
    ]
    assert "Site Policy: Prefer Primary Site" in lab.output("node1", "clRGinfo -v")
    shown = lab.output("node1", "clmgr -a nodes,secondarynodes,srelationship,current_node query resource_group rg")
    assert set(shown.splitlines()) == {
        'NODES="node1 node2"', 'SECONDARYNODES="node3"', 'SRELATIONSHIP="primary"', 'CURRENT_NODE="node1"',
    }  # fmt: skip
    states = "snmpinfo -m dump -v -o /usr/es/sbin/cluster/hacmp.defs resGroupNodeState"
    eventually(
        lambda: re.findall(r"= (\d+)", lab.output("node1", states)) == ["2", "4", "256"], "the agent is told",
        show=lambda: lab.output("node1", states),
    )  # fmt: skip
    assert "Site Policy: Prefer Primary Site" in lab.output("node1", "cldump")


def test_fallover_inside_the_site_first_and_back_to_the_primary_site(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.srcctl("halt", "node1")
    becomes(lab, "node3", "OFFLINE", "ONLINE", "ONLINE_SECONDARY")
    lab.srcctl("halt", "node2")
    becomes(lab, "node3", "OFFLINE_SECONDARY", "OFFLINE_SECONDARY", "ONLINE")
    eventually(lambda: "site_down left" in events(lab, "node3"), "the site is gone", 30)
    lab.srcctl("boot", "node2")
    lab.output("node3", "clmgr online node node2 WHEN=now MANAGE=auto", 120)
    becomes(lab, "node3", "OFFLINE", "ONLINE", "ONLINE_SECONDARY")
    lab.srcctl("boot", "node1")
    lab.output("node3", "clmgr online node node1 WHEN=now MANAGE=auto", 120)
    becomes(lab, "node3", "OFFLINE", "ONLINE", "ONLINE_SECONDARY")


def test_operators_ask_for_one_instance_or_the_other(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    said = lab.output("node1", "clRGmove -s true -d -i -g rg -n node3", 60)
    assert "Resource group offline successful." in said
    assert said.splitlines()[-1].split() == ["node3@right", "OFFLINE", "SECONDARY"]
    becomes(lab, "node1", "OFFLINE", "ONLINE", "OFFLINE_SECONDARY")
    said = lab.output("node1", "clmgr online resource_group rg SECONDARY=true NODES=node3", 60)
    assert "Resource group rg is online on node node3." in said
    becomes(lab, "node1", "OFFLINE", "ONLINE", "ONLINE_SECONDARY")
    refused = lab.run("node1", "clRGmove -s true -m -g rg -n node1")
    assert refused.returncode == 1
    assert "Node node1 is at the site of the primary instance of resource group rg." in refused.stderr
    lab.output("node1", "clmgr move resource_group rg SITE=right", 60)
    becomes(lab, "node1", "ONLINE_SECONDARY", "OFFLINE_SECONDARY", "ONLINE")
    lab.output("node1", "clmgr move resource_group rg SITE=left SECONDARY=true NODE=node2", 60)
    becomes(lab, "node1", "OFFLINE_SECONDARY", "ONLINE_SECONDARY", "ONLINE")
    lab.output("node1", "clRGmove -s false -m -g rg -x -n left", 60)
    becomes(lab, "node1", "ONLINE", "OFFLINE", "ONLINE_SECONDARY")


def test_last_network_between_the_sites(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    cut, met = (["site_isolation", "site_isolation_complete"], ["site_merge", "site_merge_complete"])

    def sites_of(node: str) -> list[str]:
        return [name for name in events(lab, node) if name.startswith(("site_isolation", "site_merge"))]

    for state, expected in (("down", cut), ("up", [*cut, *met])):
        lab.srcctl("link", "node3", "net_ether_01", state)
        for node in lab.nodes():
            eventually(lambda n=node, e=expected: sites_of(n) == e, f"{expected} on {node}", 60,  # type: ignore[misc]
                       lambda n=node: sites_of(n))  # type: ignore[misc]  # fmt: skip
    becomes(lab, "node1", "ONLINE", "OFFLINE", "ONLINE_SECONDARY")


def test_dynamic_reconfiguration_of_a_cluster_with_sites(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "clmgr add resource_group more NODES=node3,node1 SITE_POLICY=either STARTUP=OFAN FALLBACK=NFB")
    lab.output("node1", "clmgr sync cluster", 120)
    steps = [name for name in events(lab, "node1") if name.startswith("reconfig_resource")]
    assert steps == [
        f"reconfig_resource_{step}"
        for step in (
            *("release_secondary", "release_primary", "release_fence", "acquire_fence"),
            *("acquire", "acquire_secondary", "complete", "complete_secondary"),
        )
    ]
    states = [line.split(":")[1] for line in lab.output("node1", "clRGinfo -s more").splitlines()]
    assert states == ["ONLINE", "ONLINE_SECONDARY"]
    lab.output("node1", "clmgr delete resource_group more && clmgr sync cluster", 120)
    becomes(lab, "node1", "ONLINE", "OFFLINE", "ONLINE_SECONDARY")


def test_policy_that_keeps_the_group_at_its_site(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    method = "/usr/local/site_lost"
    for node in lab.nodes():
        lab.output(node, f"printf '#!/bin/sh\\necho $* >/tmp/site_lost\\n' >{method}; chmod 755 {method}")
    lab.output("node1", f"clmgr modify cluster SITE_POLICY_FAILURE_ACTION=notify SITE_POLICY_NOTIFY_METHOD={method}")
    lab.output("node1", "clmgr sync cluster", 120)
    becomes(lab, "node1", "ONLINE", "OFFLINE", "ONLINE_SECONDARY")
    lab.output("node3", "clmgr offline node node2 WHEN=now MANAGE=move", 60)
    lab.srcctl("halt", "node1")
    eventually(lambda: "intersite_fallover_prevented rg" in events(lab, "node3"), "the group stays", 60)
    eventually(lambda: lab.run("node3", "cat /tmp/site_lost").stdout == "rg node1\n", "the method has run", 30)
    becomes(lab, "node3", "OFFLINE", "OFFLINE", "ONLINE_SECONDARY")
    lab.srcctl("boot", "node1")
    lab.output("node3", "clmgr online node node1 WHEN=now MANAGE=auto", 120)
    becomes(lab, "node3", "ONLINE", "OFFLINE", "ONLINE_SECONDARY")
