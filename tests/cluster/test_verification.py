"""Every check of verification: a sound cluster passes, and each thing that is wrong is named, with its correction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from daemons.cluster import configuration as c
from daemons.cluster.configuration.resources import OWNED
from daemons.cluster.snapshot import Memory
from daemons.cluster.verification import (
    CHECKS,
    Case,
    FileSystemFacts,
    Finding,
    InterfaceFacts,
    NodeFacts,
    VolumeGroupFacts,
    names,
    steps,
    verify,
)
from daemons.cluster.verification.agreement import differences
from daemons.cluster.verification.levels import client_hosts
from srcctl.odm import description, stanza
from tests.cluster.test_configuration import SAMPLE

replace = msgspec.structs.replace
DISK, REPOSITORY = "00f6f5d000000002", "00f6f5d000000001"


def boot(number: int, network: str = "net_ether_01", interface: str = "en0") -> c.Label:
    suffix = "" if interface == "en0" else "_en1"
    return c.Label(
        label=f"node{number}{suffix}", function="boot", address=f"127.9.{9 if not suffix else 8}.{number}",
        network=network, node=f"node{number}", interface=interface,
    )  # fmt: skip


SERVICE = c.Label(label="app_svc", function="service", address="127.9.9.33", network="net_ether_01")
SOUND = c.Configuration(
    cluster=c.Cluster(id=1, name="haes_cluster"),
    nodes=(c.Node(name="node1", id=1), c.Node(name="node2", id=2)),
    networks=(c.Network(name="net_ether_01", id=1), c.Network(name="net_ether_02", id=2)),
    labels=(
        boot(1), boot(2), boot(1, "net_ether_02", "en1"), boot(2, "net_ether_02", "en1"), SERVICE,
    ),
    groups=(
        c.ResourceGroup(
            name="app_rg", nodes=("node1", "node2"),
            resources=(
                ("SERVICE_LABEL", "app_svc"), ("VOLUME_GROUP", "datavg"), ("FILESYSTEM", "/data"),
                ("APPLICATIONS", "counter_app"),
            ),
        ),
        c.ResourceGroup(name="web_rg", nodes=("node2", "node1"), fallback="NFB"),
    ),
    controllers=(c.ApplicationController(name="counter_app", start="/usr/local/start -x", stop="/usr/local/stop"),),
    monitors=(
        c.ApplicationMonitor(
            name="watch",
            attributes=(
                ("MONITOR_TYPE", "process"), ("PROCESSES", "counterd"), ("RESOURCE_TO_MONITOR", "counter_app"),
            ),
        ),
    ),
    repository=REPOSITORY,
)  # fmt: skip


def node(number: int) -> NodeFacts:
    own = (
        InterfaceFacts("en0", f"127.9.9.{number}", "255.255.255.0"),
        InterfaceFacts("en1", f"127.9.8.{number}", "255.255.255.0"),
    )
    return NodeFacts(
        hosts=tuple((label.address, (label.label,)) for label in SOUND.labels),
        services=frozenset({"clinfo_deadman", "clinfo_client", "clcomd_caa", "cthags", "caa_cfg", "rmc"}),
        interfaces=own,
        addresses=frozenset(i.address for i in own),
        disks=frozenset({DISK, REPOSITORY}),
        volume_groups={"datavg": VolumeGroupFacts("00ff", frozenset({DISK}))},
        file_systems={"/data": FileSystemFacts("datalv")},
        existing=frozenset({"/usr/local/start", "/usr/local/stop"}),
        executable=frozenset({"/usr/local/start", "/usr/local/stop"}),
        netmon=True,
        certificate="0a1b2c3d",
        network_options={"routerevalidate": 1, "tcp_keepidle": 14400},
        filesets={"cluster.es.server.rte": "7.2.7.0"},
    )


FACTS = {"node1": node(1), "node2": node(2)}


def findings(configuration: c.Configuration = SOUND, **facts: NodeFacts) -> list[Finding]:
    return verify(Case(configuration, {**FACTS, **facts}))


def with_mirrors(forced: str, facts: VolumeGroupFacts) -> str:
    """What verification says of a volume group with mirrors."""
    group = SOUND.groups[0]
    configuration = replace(
        SOUND, groups=(replace(group, resources=(*group.resources, ("FORCED_VARYON", forced))), *SOUND.groups[1:])
    )
    nodes = {name: replace(node, volume_groups={"datavg": facts}) for name, node in FACTS.items()}
    return texts(findings(configuration, **nodes))


def test_mirrors_and_forced_varyon_belong_together() -> None:
    base = VolumeGroupFacts("00ff", frozenset({DISK}))
    assert with_mirrors("false", replace(base, one_copy=("lv1",), shared_disks=("lv2",))) == texts(findings())
    assert "WARNING: The logical volume 'lv1' of volume group 'datavg'" in with_mirrors(
        "true", replace(base, one_copy=("lv1",))
    )
    assert "'lv2' of volume group 'datavg' of resource group 'app_rg' are not super strict" in with_mirrors(
        "true", replace(base, shared_disks=("lv2",))
    )
    assert "has no quorum: without forced varyon" in with_mirrors("false", replace(base, quorum=False))
    assert "has no quorum" not in with_mirrors("true", replace(base, quorum=False))
    told = with_mirrors("false", replace(base, stale=8))
    assert told.count("has 8 stale partitions") == 1, "once, not by every node"


def texts(found: list[Finding]) -> str:
    return "\n".join(finding.line() for finding in found)


def test_a_sound_cluster_passes_without_a_word() -> None:
    assert texts(findings()) == ""


def group(**changes: object) -> c.Configuration:
    return replace(SOUND, groups=(replace(SOUND.groups[0], **changes), *SOUND.groups[1:]))


def more_labels(*more: c.Label) -> c.Configuration:
    return replace(SOUND, labels=(*SOUND.labels, *more))


TWO_SITES = (c.Site(name="siteA", nodes=("node1",)), c.Site(name="siteB", nodes=("node2",)))


def resources(*more: tuple[str, str]) -> c.Configuration:
    return group(resources=(*SOUND.groups[0].resources, *more))


def labels(change: Callable[[c.Label], c.Label | None]) -> c.Configuration:
    return replace(SOUND, labels=tuple(new for label in SOUND.labels if (new := change(label)) is not None))


def monitor(*attributes: tuple[str, str]) -> c.Configuration:
    return replace(SOUND, monitors=(c.ApplicationMonitor(name="watch", attributes=attributes),))


QUEUE = c.UserDefinedResource(name="q1", type="queue", attributes=(("PORT", "1414"),))


def timer(**changes: object) -> c.Configuration:
    sunday = c.FallbackTimer(name="sunday", recurrence="weekly", hour=1, minutes=0)
    return replace(SOUND, timers=(replace(sunday, **changes),))


QUEUES = c.ResourceType(name="queue", order="FILE_SYSTEM", start="/nosuch start", stop="/nosuch stop")
WATCHED = ("RESOURCE_TO_MONITOR", "counter_app")
WRONG_CONFIGURATIONS: dict[str, tuple[c.Configuration, str]] = {
    "no nodes": (replace(SOUND, nodes=()), "ERROR: There are no nodes defined"),
    "17 nodes": (replace(SOUND, nodes=tuple(c.Node(name=f"n{n}") for n in range(17))), "more than 16 nodes"),
    "no networks": (replace(SOUND, networks=()), "ERROR: There are no networks"),
    "no repository": (replace(SOUND, repository=""), "ERROR: No repository disk"),
    "verification node": (
        replace(SOUND, cluster=replace(SOUND.cluster, verification_node="nodeX")),
        "'nodeX', which is to verify",
    ),
    "bad name": (group(name="app rg"), "The resource group name 'app rg' contains invalid characters."),
    "long name": (group(name="a" * 65), "longer than 64"),
    "reserved name": (group(name="network"), "'network' is a reserved word"),
    "no name": (group(name=""), "without a name"),
    "two groups of one name": (group(name="web_rg"), "more than one resource group with the name 'web_rg'"),
    "two labels of one name": (
        labels(lambda x: replace(x, label="node1") if x.label == "node2" else x),
        "more than one IP label with the name 'node1'",
    ),
    "levels": (
        replace(SOUND, nodes=(SOUND.nodes[0], replace(SOUND.nodes[1], version=22))),
        "ERROR: The nodes do not run the same level of PowerHA SystemMirror: node1 23, node2 22.",
    ),
    "no interface": (
        labels(lambda x: None if x.node == "node2" else x), "ERROR: The node 'node2' has no boot interface."
    ),
    "not on a network": (
        labels(lambda x: None if x.label == "node2_en1" else x),
        "WARNING: The node 'node2' has no boot interface on network 'net_ether_02'.",
    ),
    "empty network": (
        replace(SOUND, networks=(*SOUND.networks, c.Network(name="net_ether_03"))), "'net_ether_03' has no interfaces"
    ),
    "netmasks": (
        labels(lambda x: replace(x, netmask="255.0.0.0") if x.label == "node2" else x),
        "ERROR: The netmasks of the interfaces on network 'net_ether_01' differ",
    ),
    "one node": (replace(SOUND, nodes=SOUND.nodes[:1]), "only one node defined ('node1')"),
    "one network": (replace(SOUND, networks=SOUND.networks[:1]), "only one network defined ('net_ether_01')"),
    "addresses": (
        labels(lambda x: replace(x, address="127.9.9.1") if x.label == "app_svc" else x),
        "ERROR: The address 127.9.9.1 is used by 'node1' and 'app_svc'.",
    ),
    "label's network": (
        labels(lambda x: replace(x, network="net_x") if x.label == "app_svc" else x), "on network 'net_x', which is not"
    ),
    "label's node": (
        labels(lambda x: replace(x, node="nodeX") if x.label == "node2_en1" else x), "the node 'nodeX', which is not"
    ),
    "label without node": (
        labels(lambda x: replace(x, node="") if x.label == "node2_en1" else x), "'node2_en1' belongs to no node"
    ),
    "wrong interface": (
        labels(lambda x: replace(x, interface="en7") if x.label == "node2" else x),
        "is configured on interface en0 of node 'node2', not on en7",
    ),
    "strange boot address": (
        labels(lambda x: replace(x, address="127.9.9.77") if x.label == "node2" else x),
        "'node2' (127.9.9.77) is not configured on an interface of node 'node2'",
    ),
    "site without nodes": (replace(SOUND, sites=(c.Site(name="siteA"),)), "The site 'siteA' has no nodes."),
    "site with a stranger": (
        replace(SOUND, sites=(c.Site(name="siteA", nodes=("nodeX", "node1", "node2")),)), "names the node 'nodeX'"
    ),
    "two sites": (
        replace(
            SOUND,
            sites=(c.Site(name="siteA", nodes=("node1", "node2")), c.Site(name="siteB", nodes=("node2",))),
        ),
        "belongs to the sites 'siteA' and 'siteB'",
    ),
    "stretched without sites": (
        SOUND.with_setting("CLUSTER_TYPE", "SC"), "ERROR: A stretched cluster has two sites, but 0 are defined."
    ),
    "label of a site without nodes of its group": (
        replace(
            group(nodes=("node1",)),
            sites=(c.Site(name="siteA", nodes=("node1",)), c.Site(name="siteB", nodes=("node2",))),
        ).with_setting("LABEL.app_svc.SITE", "siteB"),
        "WARNING: The service IP label 'app_svc' of 'app_rg' belongs to the site 'siteB', at which the group has no",
    ),
    "no site": (replace(SOUND, sites=(c.Site(name="siteA", nodes=("node1",)),)), "'node2' belongs to no site"),
    "its own backup": (replace(SOUND, backup_repositories=(REPOSITORY,)), "is its own backup"),
    "repository in use": (replace(SOUND, repository=DISK), "is a part of volume group 'datavg'"),
    "unknown repository": (replace(SOUND, repository="00f6f5d000000009"), "00f6f5d000000009 is not known to node"),
    "no groups": (replace(SOUND, groups=()), "WARNING: No resource groups are defined."),
    "group without nodes": (group(nodes=()), "'app_rg' has no nodes"),
    "group with a stranger": (group(nodes=("node1", "nodeX")), "'app_rg' names the node 'nodeX'"),
    "node twice": (group(nodes=("node1", "node1")), "'node1' more than once"),
    "policy": (group(startup="XXX"), "'app_rg' has a policy that does not exist"),
    "concurrent policies": (group(startup="OAAN", fallback="NFB"), "it needs BO and NFB"),
    "distribution": (group(startup="OUDP"), "it needs the fallback policy NFB"),
    "concurrent label": (
        group(startup="OAAN", fallover="BO", fallback="NFB"), "concurrent resource group 'app_rg' cannot have a service"
    ),
    "priority policy": (group(fallover="FUDNP"), "has no node priority policy"),
    "priority with sites": (
        replace(
            group(fallover="FUDNP"),
            sites=TWO_SITES,
        ),
        "ERROR: The resource group 'app_rg' falls over by dynamic node priority, which is not supported in a cluster",
    ),
    "site policy without sites": (
        resources(("SITE_POLICY", "primary")),
        "ERROR: The inter-site management policy 'primary' of the resource group 'app_rg' needs sites, but none are",
    ),
    "site policy that does not exist": (resources(("SITE_POLICY", "sometimes")), "'app_rg' does not exist"),
    "site policy for all nodes": (
        replace(resources(("SITE_POLICY", "both")), sites=TWO_SITES), "'app_rg' is for groups that are online on all",
    ),
    "secondary nodes": (
        replace(
            resources(("SITE_POLICY", "primary"), ("SECONDARYNODES", "node2")),
            sites=(c.Site(name="siteA", nodes=("node1", "node2")), c.Site(name="siteB", nodes=("node3",))),
        ),
        "ERROR: The node 'node2' of the secondary site of the resource group 'app_rg' is at the site of its primary",
    ),
    "nodes at one site": (
        replace(
            resources(("SITE_POLICY", "either")),
            sites=(c.Site(name="siteA", nodes=("node1", "node2")), c.Site(name="siteB", nodes=("node3",))),
        ),
        "WARNING: The resource group 'app_rg' has nodes at one site only: it has no secondary instance.",
    ),
    "two owners": (
        replace(SOUND, groups=(SOUND.groups[0], replace(SOUND.groups[1], resources=(("VOLUME_GROUP", "datavg"),)))),
        "ERROR: The resource 'datavg' belongs to 'app_rg' and to 'web_rg'.",
    ),
    "unknown service label": (resources(("SERVICE_LABEL", "nosuch")), "service IP label 'nosuch' of 'app_rg' is not"),
    "service network": (
        labels(lambda x: None if x.label == "node2" else x), "on network 'net_ether_01', on which node 'node2' has no"
    ),
    "function": (
        labels(lambda x: replace(x, function="standby") if x.label == "app_svc" else x),
        "ERROR: The IP label 'app_svc' has the function 'standby', which does not exist.",
    ),
    "name of a label": (
        labels(lambda x: replace(x, label="app svc") if x.label == "app_svc" else x),
        "ERROR: The IP label name 'app svc' contains invalid characters.",
    ),
    "network type": (
        replace(SOUND, networks=(replace(SOUND.networks[0], type="token"), SOUND.networks[1])),
        "ERROR: The network 'net_ether_01' is of the type 'token', which is not supported.",
    ),
    "service netmask": (
        labels(lambda x: replace(x, netmask="255.255.0.0") if x.label == "app_svc" else x),
        "WARNING: The netmask of the service IP label 'app_svc' is 255.255.0.0; the interfaces on network 'net_ether_0",
    ),
    "service subnet": (
        more_labels(replace(boot(2), label="b", address="127.9.7.2", interface="en2")),
        "WARNING: The service IP label 'app_svc' is on the subnet of the boot IP label 'node2', although node 'node2'",
    ),
    "three sites": (
        replace(SOUND, sites=tuple(c.Site(name=f"site{n}") for n in range(3))),
        "ERROR: A cluster cannot have more than 2 sites; 3 are defined.",
    ),
    "49 networks": (
        replace(SOUND, networks=tuple(c.Network(name=f"net_{n}") for n in range(49))), "more than 48 networks; 49 are"
    ),
    "XD_data": (
        replace(SOUND, networks=tuple(c.Network(name=f"net_{n}", type="XD_data") for n in range(5))),
        "more than 4 networks of the type XD_data; 5",
    ),
    "257 labels": (
        replace(SOUND, labels=tuple(replace(SERVICE, label=f"svc{n}") for n in range(257))), "more than 256 service and"
    ),
    "65 groups": (
        replace(SOUND, groups=tuple(c.ResourceGroup(name=f"rg{n}", nodes=("node1",)) for n in range(65))),
        "more than 64 resource groups; 65",
    ),
    "513 resources": (
        resources(*(("APPLICATIONS", f"app{n}") for n in range(510))), "more than 512 resources; 514 are defined."
    ),
    "129 monitors": (
        replace(SOUND, monitors=tuple(c.ApplicationMonitor(name=f"mon{n}", attributes=()) for n in range(129))),
        "more than 128 application monitors; 129",
    ),
    "7 backups": (
        replace(SOUND, backup_repositories=tuple(f"00f6f5d00000010{n}" for n in range(7))),
        "more than 6 backup repository disks; 7",
    ),
    "8 interfaces": (
        more_labels(*(replace(boot(2), label=f"b{n}", interface=f"en{n}") for n in range(7))),
        "ERROR: The node 'node2' cannot have more than 7 interfaces on network 'net_ether_01'; 8 are defined.",
    ),
    "2 persistent labels": (
        more_labels(*(replace(boot(2), label=f"p{n}", function="persistent") for n in (1, 2))),
        "ERROR: The node 'node2' cannot have more than 1 persistent IP label on network 'net_ether_01'; 2 are defined.",
    ),
    "4 levels": (
        replace(
            SOUND,
            groups=tuple(replace(SOUND.groups[1], name=f"rg{n}") for n in range(4)),
            dependencies=tuple(c.GroupDependency(id=n, parent=f"rg{n}", child=f"rg{n + 1}") for n in range(3)),
        ),
        "ERROR: The dependencies of the resource groups have 4 levels of parents and children; 3 are possible.",
    ),
    "heartbeat type": (
        replace(SOUND, cluster=replace(SOUND.cluster, heartbeat_type="X")),
        "ERROR: The heartbeat type of the cluster is 'X', which is not possible.",
    ),
    "hour": (
        replace(SOUND, cluster=replace(SOUND.cluster, verification_hour=24)),
        "ERROR: The hour of automatic verification is 24; 0 to 23 is possible.",
    ),
    "hour of a timer": (timer(hour=25), "ERROR: The hour of the fallback timer 'sunday' is 25; 0 to 23 is possible."),
    "day of a timer": (timer(week_day=7), "The day of the week of the fallback timer 'sunday' is 7; 0 to 6 is"),
    "month of a timer": (timer(recurrence="yearly", day_of_month=1), "The month of the fallback timer 'sunday' is 0"),
    "recurrence of a timer": (timer(recurrence="often"), "The recurrence of the fallback timer 'sunday' is 'often'"),
    "network attribute": (
        replace(SOUND, networks=(replace(SOUND.networks[0], attribute="secret"), SOUND.networks[1])),
        "The attribute of the network 'net_ether_01' is 'secret', which is not possible.",
    ),
    "startup mode": (
        replace(SOUND, controllers=(replace(SOUND.controllers[0], startup_mode="later"),)),
        "The startup mode of the application controller 'counter_app' is 'later', which is not possible.",
    ),
    "kind of a dependency": (
        replace(SOUND, dependencies=(c.GroupDependency(id=1, parent="app_rg", child="web_rg", kind="NEXT"),)),
        "The kind of the dependency between 'app_rg' and 'web_rg' is 'NEXT', which is not possible.",
    ),
    "priority of a location dependency": (
        replace(
            SOUND,
            location_dependencies=(
                c.LocationDependency(id=1, kind="ANTICOLLOCATION", members=(("app_rg", "HIGH"), ("web_rg", "TOP"))),
            ),
        ),
        "The priority of 'web_rg' in the location dependency of app_rg, web_rg is 'TOP', which is not possible.",
    ),
    "type of a method": (
        replace(SOUND, methods=(c.CustomMethod(name="mine", kind="magic", program="/usr/local/start"),)),
        "The type of the custom method 'mine' is 'magic', which is not possible.",
    ),
    "split policy": (
        replace(SOUND, split_merge=(("split", "Coin"),)), "ERROR: The split policy of the cluster is 'Coin', which"
    ),
    "split and merge policy": (
        replace(SOUND, split_merge=(("split", "Manual"), ("merge", "Majority"))),
        "ERROR: The split policy 'manual' and the merge policy 'majority' do not go together.",
    ),
    "no tie breaker": (
        replace(SOUND, split_merge=(("split", "TieBreaker"), ("merge", "TieBreaker"))), "need a tie breaker disk"
    ),
    "unknown tie breaker": (
        replace(SOUND, split_merge=(("split", "TieBreaker"), ("merge", "TieBreaker"), ("tiebreaker", "00f0"))),
        "ERROR: The tie breaker disk with PVID 00f0 is not known to node 'node1'.",
    ),
    "NFS": (
        replace(SOUND, split_merge=(("split", "NFS"), ("merge", "NFS"))), "need NFS_QUORUM_SERVER, which is not set."
    ),
    "notification of a stranger": (
        replace(SOUND, notify_methods=(c.NotifyMethod(name="mail", program="/m", nodes=("node7",)),)),
        "ERROR: The remote notification 'mail' names the node 'node7', which is not defined.",
    ),
    "unused label": (
        labels(lambda x: replace(x, label="other_svc") if x.label == "app_svc" else x),
        "WARNING: The service IP label 'other_svc' belongs to no resource group.",
    ),
    "dependency": (
        replace(SOUND, dependencies=(c.GroupDependency(id=1, parent="app_rg", child="nosuch"),)), "group 'nosuch'"
    ),
    "self-dependency": (
        replace(SOUND, dependencies=(c.GroupDependency(id=1, parent="app_rg", child="app_rg"),)), "depends on itself"
    ),
    "loop": (
        replace(
            SOUND,
            dependencies=(
                c.GroupDependency(id=1, parent="app_rg", child="web_rg"),
                c.GroupDependency(id=2, parent="web_rg", child="app_rg"),
            ),
        ),
        "form a loop: app_rg, web_rg",
    ),
    "loop of starts": (
        replace(
            SOUND,
            dependencies=(
                c.GroupDependency(id=1, parent="app_rg", child="web_rg"),
                c.GroupDependency(id=2, parent="web_rg", child="app_rg", kind="STARTAFTER"),
            ),
        ),
        "form a loop: app_rg, web_rg",
    ),
    "loop of stops": (
        replace(
            SOUND,
            dependencies=(
                c.GroupDependency(id=1, parent="app_rg", child="web_rg"),
                c.GroupDependency(id=2, parent="app_rg", child="web_rg", kind="STOPAFTER"),
            ),
        ),
        "form a loop: app_rg, web_rg",
    ),
    "location dependency": (
        replace(
            SOUND,
            location_dependencies=(c.LocationDependency(id=1, kind="NODECOLLOCATION", members=(("nosuch", ""),)),),
        ),
        "A location dependency names the resource group 'nosuch'",
    ),
    "same site without sites": (
        replace(
            SOUND,
            location_dependencies=(
                c.LocationDependency(id=1, kind="SITECOLLOCATION", members=(("app_rg", ""), ("web_rg", ""))),
            ),
        ),
        "ERROR: The resource groups app_rg, web_rg are to be online on the same site, but no sites are defined.",
    ),
    "tape": (resources(("SHARED_TAPE_RESOURCES", "drive")), "ERROR: The resource 'drive' (SHARED_TAPE_RESOURCES) of"),
    "WPAR": (resources(("WPAR_NAME", "w1")), "cannot be acquired: a node has no workload partitions here"),
    "NFS mount": (resources(("MOUNT_FILESYSTEM", "/mnt;/data")), "nothing is mounted over NFS here"),
    "link": (resources(("COMMUNICATION_LINKS", "x25")), "no communication adapters"),
    "export elsewhere": (
        resources(("FILESYSTEM", "/data"), ("EXPORT_FILESYSTEM", "/database")), "'/database' that resource group 'app"
    ),
    "unknown user-defined resource": (resources(("USERDEFINED_RESOURCES", "q1")), "resource 'q1' of 'app_rg' is not"),
    "user-defined resource without a type": (
        replace(resources(("USERDEFINED_RESOURCES", "q1")), user_resources=(QUEUE,)), "of the type 'queue', which"
    ),
    "user-defined order": (
        replace(SOUND, resource_types=(replace(QUEUES, order="NOWHERE"),)), "is processed after 'NOWHERE', which is no"
    ),
    "user-defined method": (
        replace(resources(("USERDEFINED_RESOURCES", "q1")), user_resources=(QUEUE,), resource_types=(QUEUES,)),
        "The method '/nosuch start' of the user-defined resource 'q1' is not executable on node 'node1'.",
    ),
    "notify method": (
        group(notified=(("VOLUME_GROUP", "datavg", "/nosuch x"),)),
        "The notify method '/nosuch x' of the resource 'datavg' of 'app_rg' is not executable on node 'node1'",
    ),
    "order of groups": (SOUND.with_setting("RELEASE_ORDER", "app_rg nosuch"), "The release order names the resource"),
    "timer": (group(fallback_timer="sunday"), "fallback timer 'sunday', which is not"),
    "timer without fallback": (
        replace(
            group(fallback_timer="sunday", fallback="NFB"),
            timers=(c.FallbackTimer(name="sunday", recurrence="weekly", hour=1, minutes=0),),
        ),
        "never falls back",
    ),
    "unknown volume group": (resources(("VOLUME_GROUP", "othervg")), "'othervg' of resource group 'app_rg' is not"),
    "file systems alone": (group(resources=(("FILESYSTEM", "/data"),)), "has file systems but no volume group"),
    "unknown file system": (resources(("FILESYSTEM", "/other")), "The file system '/other' of resource group 'app_rg'"),
    "unknown controller": (resources(("APPLICATIONS", "nosuch")), "controller 'nosuch' of 'app_rg' is not defined"),
    "no stop script": (
        replace(SOUND, controllers=(replace(SOUND.controllers[0], stop=""),)), "'counter_app' has no stop script"
    ),
    "script": (
        replace(SOUND, controllers=(replace(SOUND.controllers[0], start="/nosuch"),)),
        "The start script '/nosuch' of the application controller 'counter_app' is not executable on node 'node2'.",
    ),
    "unused controller": (
        replace(SOUND, controllers=(*SOUND.controllers, c.ApplicationController(name="idle", start="/a", stop="/b"))),
        "WARNING: The application controller 'idle' belongs to no resource group.",
    ),
    "monitor of nothing": (monitor(("MONITOR_TYPE", "process"), ("PROCESSES", "x")), "watches no application"),
    "monitor of a stranger": (
        monitor(("MONITOR_TYPE", "process"), ("PROCESSES", "x"), ("RESOURCE_TO_MONITOR", "nosuch")), "'nosuch', which"
    ),
    "mode": (
        monitor(WATCHED, ("MONITOR_TYPE", "process"), ("PROCESSES", "x"), ("INVOCATION", "never")), "no valid mode: 'n"
    ),
    "no processes": (monitor(WATCHED, ("MONITOR_TYPE", "process")), "'watch' names no processes"),
    "no method": (monitor(WATCHED, ("MONITOR_TYPE", "user")), "'watch' has no monitor method"),
    "method": (
        monitor(WATCHED, ("MONITOR_TYPE", "user"), ("MONITOR_METHOD", "/nosuch -v")),
        "The method '/nosuch -v' of the application monitor 'watch' is not executable on node 'node1'.",
    ),
    "cleanup method": (
        monitor(WATCHED, ("MONITOR_TYPE", "process"), ("PROCESSES", "x"), ("CLEANUP_METHOD", "/nosuch -v")),
        "The cleanup method '/nosuch -v' of the application monitor 'watch' is not executable on node 'node1'.",
    ),
    "type of a monitor": (
        monitor(WATCHED, ("MONITOR_TYPE", "custom"), ("MONITOR_METHOD", "/usr/local/start")),
        "ERROR: The application monitor 'watch' has no valid type: 'custom'.",
    ),
    "failure action": (
        monitor(WATCHED, ("MONITOR_TYPE", "process"), ("PROCESSES", "x"), ("FAILURE_ACTION", "pray")),
        "ERROR: The application monitor 'watch' has no valid failure action: 'pray'.",
    ),
    "number of a monitor": (
        monitor(WATCHED, ("MONITOR_TYPE", "process"), ("PROCESSES", "x"), ("RESTART_COUNT", "often")),
        "ERROR: RESTART_COUNT of the application monitor watch is 'often', not a number.",
    ),
    "method of a setting": (
        SOUND.with_setting("SITE_POLICY_NOTIFY_METHOD", "/nosuch x"),
        "WARNING: The notify method of the policy for failures of a site, '/nosuch x', is not executable on node 'nod",
    ),
    "recovery program": (
        replace(
            SOUND,
            user_events=(c.UserDefinedEvent(name="full", program="/no.rp", resource_class="x", expression="y"),),
        ),
        "The recovery program '/no.rp' of the user-defined event 'full' is missing or empty on node 'node2'.",
    ),
    "not monitored": (
        replace(SOUND, monitors=()),
        "   Application Controller                Resource Group\n"
        "   --------------------------------      ---------------------------------\n"
        "   counter_app                           app_rg",
    ),
    "pre-event": (
        replace(SOUND, events=(c.EventCustomization(name="node_up", pre="/nosuch"),)),
        "The pre-event command of the event 'node_up', '/nosuch', is not executable on node 'node1'.",
    ),
    "recovery command": (
        replace(SOUND, events=(c.EventCustomization(name="node_up", recovery="/nosuch -x"),)),
        "The recovery command of the event 'node_up', '/nosuch -x', is not executable on node 'node2'.",
    ),
    "script of an event": (
        replace(SOUND, events=(c.EventCustomization(name="node_up", command="/nosuch"),)),
        "The script of the event 'node_up', '/nosuch', is not executable on node 'node1'.",
    ),
    "second custom event": (
        replace(
            SOUND,
            events=(c.EventCustomization(name="node_up", pre="first second"),),
            methods=(
                c.CustomMethod(name="first", kind="event", program="/usr/local/start"),
                c.CustomMethod(name="second", kind="event", program="/nosuch"),
            ),
        ),
        "The pre-event command of the event 'node_up', '/nosuch', is not executable on node 'node1'.",
    ),
    "custom method": (
        replace(SOUND, methods=(c.CustomMethod(name="mine", kind="verify", program="/nosuch"),)),
        "The method 'mine', '/nosuch', is not executable",
    ),
    "collection": (
        replace(
            SOUND,
            collections=(
                c.FileCollection(id=1, name="mine", with_synchronization=True, files=("/etc/nosuch",)),
            ),
        ),
        "WARNING: The file '/etc/nosuch' of the file collection 'mine' is missing or empty on node 'node1'.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_CONFIGURATIONS)
def test_what_is_wrong_in_the_configuration_is_named(what: str) -> None:
    configuration, text = WRONG_CONFIGURATIONS[what]
    assert text in texts(findings(configuration))


NODE2 = FACTS["node2"]
WRONG_NODES: dict[str, tuple[NodeFacts, str, str]] = {
    "clcomd": (NodeFacts(False), "ERROR:Comm error found on node:node2", ""),
    "off": (NodeFacts(False, down=True), "WARNING: Unable to communicate with the remote node: node2.", ""),
    "rhosts": (replace(NODE2, rhosts_fault="rhosts is ignored"), "WARNING: Node 'node2': rhosts is ignored.", ""),
    "certificate": (
        replace(NODE2, certificate="none"),
        "WARNING: The certificate for message security differs between nodes: node1 0a1b2c3d, node2 none.", "",
    ),
    "services": (
        replace(NODE2, services=NODE2.services - {"cthags"}),
        "ERROR: The service 'cthags' is missing from /etc/services on node 'node2'.", "services cthags 12348/udp",
    ),
    "smux": (
        replace(NODE2, smux_peer=False),
        "WARNING: The SMUX entry of clstrmgrES is missing from /etc/snmpd.conf on node 'node2'.", "snmp ",
    ),
    "no community": (replace(NODE2, community=""), "WARNING: No SNMP community for clinfoES is defined", "community "),
    "full": (
        replace(NODE2, var_free=100 * 1024),
        "WARNING: The file system /var on node 'node2' has 100 kilobytes free; verification and the cluster's logs "
        "need 600.", "",
    ),
    "community": (
        replace(NODE2, community="secret"),
        "WARNING: The SNMP community of clinfoES differs between nodes: node1 public, node2 secret.", "",
    ),
    "mtu": (
        replace(NODE2, interfaces=(replace(NODE2.interfaces[0], mtu=9000), NODE2.interfaces[1])),
        "WARNING: The MTU of the interfaces on network 'net_ether_01' differs: node1 en0 1500, node2 en0 9000.", "",
    ),
    "auto varyon": (
        replace(NODE2, volume_groups={"datavg": VolumeGroupFacts("00ff", frozenset({DISK}), auto_on=True)}),
        "ERROR: The volume group 'datavg' of resource group 'app_rg' is varied on automatically at boot on node ",
        "auto_on datavg",
    ),
    "not concurrent": (
        replace(NODE2, volume_groups={"datavg": VolumeGroupFacts("00ff", frozenset({DISK}), concurrent=False)}),
        "WARNING: The volume group 'datavg' of resource group 'app_rg' is not concurrent capable on node 'node2'", "",
    ),
    "varied on": (
        replace(NODE2, volume_groups={"datavg": VolumeGroupFacts("00ff", frozenset({DISK}), varied_on=True)}),
        "WARNING: The volume group 'datavg' is varied on on node 'node2', but the resource group 'app_rg' is",
        "varyoff datavg",
    ),
    "netmon": (
        replace(NODE2, netmon=False), "File 'netmon.cf' is missing or empty on the following node(s):\nnode2\nThis", "",
    ),
    "drift": (
        replace(NODE2, drift=("HACMPnode lacks the object name = 'x'",)),
        "WARNING: The configuration on node 'node2' is not the one that was synchronized: HACMPnode lacks", "",
    ),
    "netmask": (
        replace(NODE2, interfaces=(InterfaceFacts("en0", "127.9.9.2", "255.0.0.0"), NODE2.interfaces[1])),
        "WARNING: The netmask of interface en0 on node 'node2' is 255.0.0.0", "",
    ),
    "required option": (
        replace(NODE2, network_options={"routerevalidate": 0, "tcp_keepidle": 14400}),
        'WARNING: Network option "routerevalidate" is set to 0 on the following nodes:\n\nnode2',
        "option routerevalidate 1",
    ),
    "another option": (
        replace(NODE2, network_options={"routerevalidate": 1, "tcp_keepidle": 60}),
        'WARNING: The network option "tcp_keepidle" differs between nodes: node1 14400, node2 60.', "",
    ),
    "level": (
        replace(NODE2, filesets={"cluster.es.server.rte": "7.2.6.0"}),
        "WARNING: The level of the fileset 'cluster.es.server.rte' differs between nodes: node1 7.2.7.0, node2 7.2.6.0",
        "",
    ),
    "fileset": (
        replace(NODE2, filesets={**NODE2.filesets, "cluster.es.nfs.rte": "7.2.7.0"}),
        "WARNING: The fileset 'cluster.es.nfs.rte' is not installed on the following nodes:\nnode1", "",
    ),
    "damaged class": (
        replace(NODE2, damaged=("HACMPgroup does not exist",)),
        "ERROR: The configuration on node 'node2' cannot be read: HACMPgroup does not exist.", "classes ",
    ),
    "inittab": (
        replace(NODE2, missing_init_entries=("harc",)),
        "WARNING: The entry 'harc' is missing from /etc/inittab on node 'node2'.", "inittab harc",
    ),
    "no hosts": (replace(NODE2, hosts=()), "ERROR: /etc/hosts is missing or empty on node 'node2'.", ""),
    "hosts": (
        replace(NODE2, hosts=NODE2.hosts[:-1]), "ERROR: Unable to resolve the IP label 'app_svc' on node 'node2'.",
        "hosts 127.9.9.33 app_svc",
    ),
    "other hosts": (
        replace(NODE2, hosts=(("127.1.1.1", ("app_svc",)), *NODE2.hosts[:-1])),
        "ERROR: The IP label 'app_svc' has the address 127.9.9.33 in the cluster, but 127.1.1.1 in /etc/hosts on", "",
    ),
    "alias": (
        replace(NODE2, addresses=NODE2.addresses | {"127.9.9.33"}),
        "WARNING: The service IP label 'app_svc' is active on node 'node2'", "alias 127.9.9.33",
    ),
    "time stamp": (
        replace(NODE2, volume_groups={"datavg": VolumeGroupFacts("00ff", frozenset({DISK}), current=False)}),
        "WARNING: The time stamp of the volume group 'datavg' of resource group 'app_rg' is out of date on node 'no",
        "volume_group datavg",
    ),
    "volume group": (
        replace(NODE2, volume_groups={}), "ERROR: The volume group 'datavg' of resource group 'app_rg' is not known to",
        "volume_group datavg",
    ),
    "pvid": (
        replace(NODE2, volume_groups={"datavg": VolumeGroupFacts("00ff")}),
        "ERROR: A disk with PVID 00f6f5d0000000020000000000000000 is a part of the volume group datavg "
        "participating in resource group app_rg on node node1. Node node2 is also", "volume_group datavg",
    ),
    "file system": (
        replace(NODE2, file_systems={}), "ERROR: The file system '/data' of resource group 'app_rg' is not known",
        "volume_group datavg",
    ),
    "mounted at boot": (
        replace(NODE2, file_systems={"/data": FileSystemFacts("datalv", "true")}),
        "is mounted automatically at boot on node 'node2'", "mount /data",
    ),
    "logical volume": (
        replace(NODE2, file_systems={"/data": FileSystemFacts("lv00")}),
        "WARNING: The logical volume of the file system '/data' differs between nodes: node1 datalv, node2 lv00.", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_NODES)
def test_what_is_wrong_on_a_node_is_named_and_corrected_there(what: str) -> None:
    facts, text, correction = WRONG_NODES[what]
    found = findings(node2=facts)
    assert text in texts(found)
    assert len(found) == 1, "one cause, one finding"
    planned = [f.correction for f in found if f.correction is not None]
    assert [f"{p.kind} {' '.join(p.arguments)}" for p in planned] == ([correction] if correction else [])
    assert {p.node for p in planned} <= {"node2"}


@pytest.mark.parametrize("named", [(), (("FILESYSTEM", "ALL"),)], ids=["by default", "by name"])
def test_all_file_systems_are_those_of_the_volume_groups(named: tuple[tuple[str, str], ...]) -> None:
    group, other = SOUND.groups
    kept = tuple(pair for pair in group.resources if pair[0] != "FILESYSTEM")
    everything = replace(SOUND, groups=(replace(group, resources=(*kept, *named)), other))
    known = {"datavg": VolumeGroupFacts("00ff", frozenset({DISK}), mount_points=("/data",))}
    sound = {name: replace(facts, volume_groups=known) for name, facts in FACTS.items()}
    assert findings(everything, **sound) == []
    (found,) = findings(everything, **{**sound, "node2": replace(sound["node2"], file_systems={})})
    assert found.line() == "ERROR: The file system '/data' of resource group 'app_rg' is not known to node 'node2'."
    assert found.correction is not None
    assert (found.correction.kind, found.correction.arguments) == ("volume_group", ("datavg",))


def test_netmon_is_not_needed_where_interfaces_are_not_alone() -> None:
    second = (replace(boot(2), label="node2_b", address="127.9.9.102", interface="en2"),)
    doubled = replace(SOUND, labels=(*(x for x in SOUND.labels if "en1" not in x.label), *second))
    assert "netmon" not in texts(findings(doubled, node2=replace(NODE2, netmon=False)))


def test_a_service_address_where_its_group_is_online_is_right() -> None:
    held = replace(
        NODE2, addresses=NODE2.addresses | {"127.9.9.33"}, online=frozenset({"app_rg"}), services_active=True
    )
    assert texts(findings(node2=held)) == ""
    assert Case(SOUND, {"node2": held}).active
    assert not Case(SOUND, FACTS).active


def test_clhosts_client_is_brought_up_to_date_without_a_finding() -> None:
    wanted = (
        ("127.9.9.1", "node1"), ("127.9.9.2", "node2"), ("127.9.8.1", "node1_en1"), ("127.9.8.2", "node2_en1"),
        ("127.9.9.33", "app_svc"),
    )  # fmt: skip
    facts = {"node1": replace(FACTS["node1"], client_hosts=wanted), "node2": FACTS["node2"], "node3": NodeFacts(False)}
    (correction,) = client_hosts(Case(SOUND, facts))
    assert (correction.node, correction.kind) == ("node2", "clhosts")
    assert correction.arguments == tuple(" ".join(pair) for pair in wanted)


@pytest.mark.parametrize("kind", OWNED)
def test_what_a_group_acquires_for_itself_is_in_no_other_one(kind: str) -> None:
    twice = tuple(replace(g, resources=((kind, "thing"),)) for g in SOUND.groups)
    assert "The resource 'thing' belongs to 'app_rg' and to 'web_rg'." in texts(findings(replace(SOUND, groups=twice)))
    for harmless in ((kind, "ALL"), ("EXPORT_FILESYSTEM", "/thing")):
        shared = tuple(replace(g, resources=(harmless,)) for g in SOUND.groups)
        assert "and to 'web_rg'" not in texts(findings(replace(SOUND, groups=shared)))


def test_the_order_of_stops_may_be_that_of_parents_and_children() -> None:
    both = (
        c.GroupDependency(id=1, parent="app_rg", child="web_rg"),
        c.GroupDependency(id=2, parent="web_rg", child="app_rg", kind="STOPAFTER"),
    )
    assert texts(findings(replace(SOUND, dependencies=both))) == ""


def test_reserved_words_are_those_of_the_file() -> None:
    own = replace(NODE2, reserved_words=frozenset({"app_rg", "tmp"}))
    assert texts(findings(node2=own)) == "ERROR: The resource group name 'app_rg' is a reserved word."
    assert "'network' is a reserved word" not in texts(findings(group(name="network"), node2=own))
    shipped = Path(__file__).parents[2] / "etc/usr/es/sbin/cluster/etc/reserved_words"
    assert set(shipped.read_text().split()) == names.RESERVED


ODD = ("", "junk", "-1", "a b", "\xff", "²", "x" * 300, "none", "ALL", "{}", "1.2.3.4.5", 0, -1, 10**20)


def test_whatever_is_edited_by_hand_is_named_and_stops_no_verification() -> None:
    objects = c.objects_of(SAMPLE, "node1")
    shipped = Path(__file__).parents[2] / "etc/objrepos"
    classes = {known.name: known for known in description.parse((shipped / "hacmp.cre").read_text())}
    for seeded in ("hacmp_events", "hacmp_logs"):
        entry = next(iter(stanza.parse((shipped / f"{seeded}.add").read_text().splitlines())))
        objects[entry.class_name] = [classes[entry.class_name].complete(entry.values)]
    objects["HACMPude"] = [
        {"name": "full", "recovery_prog": "/x", "res_var_name": "IBM.FileSystem", "predicate": "PercentTotUsed > 9"}
    ]
    assert set(objects) == set(c.CLASSES)
    assert all(objects.values()), "an object of every class"
    for name, members in objects.items():
        for field, right in members[0].items():
            for wrong in ODD:
                if type(wrong) is not type(right) or wrong == right:
                    continue
                edited = {**objects, name: [{**members[0], field: wrong}, *members[1:]]}
                told = " ".join(differences(objects, edited))
                assert f"{name}, object " in told
                assert "without a name" not in told
                assert f"{field} is " in told
                configuration, fault = loaded(edited)
                if configuration is None:
                    assert "HACMP" in fault, "the class that contradicts it is named"
                    continue
                case = Case(configuration, FACTS)
                verify(case)
                client_hosts(case)


def loaded(objects: dict[str, list[c.OdmObject]]) -> tuple[c.Configuration | None, str]:
    try:
        return c.load(Memory(objects)), ""
    except c.ConfigurationFault as fault:
        return None, str(fault)


def test_nodes_that_do_not_answer_are_judged_once() -> None:
    assert len(findings(node1=NodeFacts(False), node2=NodeFacts(False))) == 2


def test_a_run_is_told_in_areas_and_ends_early_on_request() -> None:
    whole = list(steps(Case(SOUND, FACTS)))
    assert len(whole) == len(CHECKS)
    assert whole[-1].percent == 100
    areas = [step.area for step in whole]
    assert areas == sorted(areas, key=["Cluster Topology", "Cluster Resources"].index)
    broken = Case(replace(SOUND, nodes=(), networks=(), repository=""), {})
    assert len(list(steps(broken, errors_max=1))) == 1


def test_an_object_edited_by_hand_is_named_with_the_field() -> None:
    committed: dict[str, list[c.OdmObject]] = {
        "HACMPnode": [
            {"name": "node1", "object": "COMMUNICATION_PATH", "value": "node1", "node_id": 1},
            {"name": "node2", "object": "COMMUNICATION_PATH", "value": "node2", "node_id": 2},
        ],
        "HACMPgroup": [{"group": "app_rg", "nodes": "node1 node2"}],
    }
    assert differences(committed, committed) == []
    here = {**committed, "HACMPnode": [committed["HACMPnode"][0], {**committed["HACMPnode"][1], "node_id": 7}]}
    assert differences(committed, here) == [
        "HACMPnode, object name = 'node2' object = 'COMMUNICATION_PATH': node_id is 7 instead of 2"
    ]
    assert differences(committed, {**committed, "HACMPgroup": []}) == ["HACMPgroup lacks the object group = 'app_rg'"]
    added = {**committed, "HACMPgroup": [*committed["HACMPgroup"], {"group": "web_rg", "nodes": ""}]}
    assert differences(committed, added) == ["HACMPgroup has the object group = 'web_rg', which is new"]
    turned = {**committed, "HACMPnode": committed["HACMPnode"][::-1]}
    assert differences(committed, turned) == ["the objects of HACMPnode are in another order"]
    both = {**turned, "HACMPgroup": []}
    assert "the objects of HACMPnode are in another order" in differences(committed, both)
    assert "the objects of HACMPnode are in another order" in differences(
        {"HACMPgroup": committed["HACMPgroup"], "HACMPnode": committed["HACMPnode"]}, both
    )
    many = {"HACMPgroup": [{"group": f"g{n}", "nodes": ""} for n in range(50)]}
    assert len(differences(many, {"HACMPgroup": []})) == 20
