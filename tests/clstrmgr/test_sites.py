"""Site policies of resource groups, their secondary instances, and the events of sites, with real cores."""

from __future__ import annotations

import shlex

import msgspec
import pytest

from daemons.clstrmgr import messages, plan, reconfiguration
from daemons.clstrmgr.addresses import ServiceAddresses
from daemons.clstrmgr.events import Stage
from daemons.clstrmgr.inputs import Reported, RunScript, Staged
from daemons.clstrmgr.jobs import NONE, JobList
from daemons.clstrmgr.render import colon, movement, override, plain, verbose
from daemons.clstrmgr.view import snapshot
from daemons.cluster.configuration import Configuration, ResourceGroup, Site
from tests.clstrmgr.ring import Ring, configuration, group

SITES = (Site(name="east", nodes=("node1", "node2")), Site(name="west", nodes=("node3", "node4")))


def with_policy(policy: str, policies: str = "OFAN FNPN NFB") -> ResourceGroup:
    made = group("rg", "node1 node2 node3 node4", policies)
    return msgspec.structs.replace(made, resources=(*made.resources, ("SITE_POLICY", policy)))


def stretched(policy: str, policies: str = "OFAN FNPN NFB", **settings: str) -> Configuration:
    made: Configuration = msgspec.structs.replace(configuration(4, with_policy(policy, policies)), sites=SITES)
    for name, value in settings.items():
        made = made.with_setting(name, value)
    return made


def cluster(policy: str, policies: str = "OFAN FNPN NFB", **settings: str) -> Ring:
    ring = Ring(stretched(policy, policies, **settings))
    ring.start(1, 2, 3, 4)
    return ring


def words(ring: Ring, asked: int = 0) -> list[str]:
    """The group's state on each node as clRGinfo says it."""
    core = next(iter(ring.nodes.values())) if not asked else ring.nodes[asked]
    return [entry.state for entry in snapshot(core).groups[0].nodes]


def ran(ring: Ring, name: str) -> list[str]:
    return [line.split("] ", 1)[1] for line in ring.trace if f"] {name}" in line]


def test_group_with_a_site_policy_has_a_secondary_instance_at_the_other_site() -> None:
    ring = cluster("primary")
    assert words(ring) == ["ONLINE", "OFFLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]
    assert words(cluster("ignore")) == ["ONLINE", "OFFLINE", "OFFLINE", "OFFLINE"]
    assert words(cluster("both", "OAAN BO NFB")) == ["ONLINE"] * 4


def test_fallover_stays_inside_the_site_and_then_changes_sides_with_the_secondary_instance() -> None:
    ring = cluster("primary")
    ring.crash(1)
    ring.settle()
    assert words(ring, 2) == ["OFFLINE", "ONLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]
    ring.crash(2)
    ring.settle()
    assert words(ring, 3) == ["OFFLINE SECONDARY", "OFFLINE SECONDARY", "ONLINE", "OFFLINE"]
    ring.boot(2)
    ring.start(2)
    assert words(ring, 3) == ["OFFLINE", "ONLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"], "NFB says nothing of sites"


def test_group_on_either_site_stays_where_it_is() -> None:
    ring = cluster("either", "OFAN FNPN FBHPN")
    for number in (1, 2):
        ring.crash(number)
        ring.settle()
    assert words(ring, 3) == ["OFFLINE SECONDARY", "OFFLINE SECONDARY", "ONLINE", "OFFLINE"]
    ring.boot(2)
    ring.start(2)
    assert words(ring, 3) == ["OFFLINE SECONDARY", "ONLINE SECONDARY", "ONLINE", "OFFLINE"]


def test_secondary_instance_falls_over_at_its_site_and_is_released_by_a_node_that_stops() -> None:
    ring = cluster("primary")
    ring.crash(3)
    ring.settle()
    assert words(ring) == ["ONLINE", "OFFLINE", "OFFLINE SECONDARY", "ONLINE SECONDARY"]
    ring.boot(3)
    ring.start(3)
    assert words(ring)[3] == "ONLINE SECONDARY", "it stays"
    assert ring.request(4, messages.StopServices("move")).error == ""
    assert words(ring) == ["ONLINE", "OFFLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]
    assert ring.nodes[4].state == "ST_INIT"


def test_node_that_stops_unmanaged_keeps_its_secondary_instance() -> None:
    ring = cluster("primary")
    assert ring.request(3, messages.StopServices("unmanage")).error == ""
    assert words(ring) == ["ONLINE", "OFFLINE", "UNMANAGED SECONDARY", "OFFLINE SECONDARY"]
    refused = ring.request(1, messages.MoveGroup("rg", 4, secondary=True))
    assert (refused.error, refused.message) == (
        "denied", "The secondary instance of resource group rg is unmanaged.",
    )  # fmt: skip
    ring.start(3)
    assert words(ring)[2] == "ONLINE SECONDARY"


def test_operator_moves_the_secondary_instance_and_takes_it_offline() -> None:
    ring = cluster("primary")
    assert ring.request(1, messages.MoveGroup("rg", 4, secondary=True)).error == ""
    assert words(ring) == ["ONLINE", "OFFLINE", "OFFLINE SECONDARY", "ONLINE SECONDARY"]
    assert ring.request(1, messages.MoveGroup("rg", 2, secondary=True)).message == (
        "Node node2 is at the site of the primary instance of resource group rg."
    )
    assert ring.request(1, messages.OfflineGroup("rg", 0, secondary=True)).error == ""
    assert words(ring)[2:] == ["OFFLINE SECONDARY", "OFFLINE SECONDARY"]
    ring.crash(4)
    ring.settle()
    assert words(ring)[2:] == ["OFFLINE SECONDARY", "OFFLINE SECONDARY"], "it stays offline"
    assert ring.request(1, messages.OfflineGroup("rg", 0, secondary=True)).error == "already"
    assert ring.request(1, messages.OnlineGroup("rg", 0, secondary=True)).error == ""
    assert words(ring) == ["ONLINE", "OFFLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]
    assert ring.request(1, messages.OnlineGroup("rg", 4, secondary=True)).error == "already"
    plain_one = cluster("ignore")
    assert plain_one.request(1, messages.MoveGroup("rg", 3, secondary=True)).message == (
        "Resource group rg has no secondary instance."
    )


def test_operator_moves_the_primary_instance_to_the_other_site() -> None:
    ring = cluster("primary")
    assert ring.request(1, messages.MoveGroup("rg", 3)).error == ""
    assert words(ring) == ["ONLINE SECONDARY", "OFFLINE SECONDARY", "ONLINE", "OFFLINE"]
    assert ring.request(1, messages.OfflineGroup("rg", 0)).error == ""
    assert words(ring) == ["ONLINE SECONDARY", "OFFLINE SECONDARY", "OFFLINE", "OFFLINE"], (
        "each is brought offline alone"
    )


def test_secondary_instance_whose_script_fails_is_in_error_until_a_node_comes_back() -> None:
    ring = cluster("primary")

    def fails(node: int, script: RunScript) -> int | None:
        return int(node == 3 and script.command.endswith("rg_move_release"))

    ring.script_hook = fails
    ring.ask(1, messages.MoveGroup("rg", 4, secondary=True))
    ring.settle()
    assert words(ring)[2] == "ERROR SECONDARY"
    ring.script_hook = lambda node, script: 0
    assert ring.request(3, messages.RecoverFromScriptFailure()).error == ""
    assert words(ring)[2:] == ["ERROR SECONDARY", "ONLINE SECONDARY"]
    ring.crash(2)
    ring.settle()
    ring.boot(2)
    ring.start(2)
    assert words(ring)[2:] == ["OFFLINE SECONDARY", "ONLINE SECONDARY"]


@pytest.mark.parametrize("stop", ["crash", "move"])
def test_policy_for_site_failures_keeps_a_group_at_its_site(stop: str) -> None:
    ring = cluster("either", SITE_POLICY_FAILURE_ACTION="notify", SITE_POLICY_NOTIFY_METHOD="/usr/local/tell")
    ring.crash(1)
    ring.settle()
    if stop == "crash":
        ring.crash(2)
        ring.settle()
    else:
        assert ring.request(2, messages.StopServices("move")).error == ""
    assert "ONLINE" not in words(ring, 3)
    assert ran(ring, "intersite_fallover_prevented")[:1] == ["intersite_fallover_prevented rg"]
    told = [line for line in ring.methods if "/usr/local/tell" in line]
    assert told == [f"[{3 if stop == 'crash' else 2}] /usr/local/tell rg node2"], "the oldest member tells"
    assert ring.nodes[3].state == "ST_STABLE"
    assert ring.request(3, messages.OnlineGroup("rg", 3)).error == "", "an operator decides"
    assert words(ring, 3)[2] == "ONLINE"


def test_group_that_is_kept_at_its_site_comes_back_with_it() -> None:
    ring = cluster("either", SITE_POLICY_FAILURE_ACTION="notify")
    for number in (1, 2):
        ring.crash(number)
        ring.settle()
    ring.boot(2)
    ring.start(2)
    assert words(ring, 3) == ["OFFLINE", "ONLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]


def test_tables_of_a_group_with_a_site_policy() -> None:
    picture = snapshot(cluster("primary").nodes[1])
    groups = list(picture.groups)
    assert plain(picture, groups)[3:] == [
        "rg                           ONLINE           node1@east",
        "                             OFFLINE          node2@east",
        "                             ONLINE SECONDARY node3@west",
        "                             OFFLINE SECONDARY node4@west",
    ]
    rows = [line.split(":") for line in colon(picture, groups)]
    assert [(row[1], row[2], row[7], row[8]) for row in rows] == [
        ("ONLINE", "node1", "PPS", "east"),
        ("OFFLINE", "node2", "PPS", "east"),
        ("ONLINE_SECONDARY", "node3", "PPS", "west"),
        ("OFFLINE_SECONDARY", "node4", "PPS", "west"),
    ]
    assert {len(row) for row in rows} == {15}
    assert "Site Policy: Prefer Primary Site" in verbose(picture, groups)
    assert movement(picture, groups)[-2:] == [
        'rg             PRIMARY="node1:node1"',
        '               SECONDARY="node3:node3"',
    ]
    assert [line.split() for line in override(picture, groups)[-4:]] == [
        ["node1@east", "ONLINE"],
        ["node2@east", "OFFLINE"],
        ["node3@west", "OFFLINE", "ONLINE", "SECONDARY"],
        ["node4@west", "OFFLINE", "OFFLINE", "SECONDARY"],
    ]


def test_sites_lose_the_last_network_between_them_and_have_one_again() -> None:
    made = stretched("primary")
    two = tuple(
        msgspec.structs.replace(label, label=f"{label.label}b", network="net_ether_02", address=f"127.0.1.{number}",
                                interface="en1")
        for number, label in enumerate((label for label in made.labels if label.function == "boot"), 1)
    )  # fmt: skip
    networks = (*made.networks, msgspec.structs.replace(made.networks[0], name="net_ether_02", id=2))
    ring = Ring(msgspec.structs.replace(made, labels=(*made.labels, *two), networks=networks))
    ring.start(1, 2, 3, 4)

    def turn(kind: str, node: int, subject: str) -> None:
        ring.feed(node, Reported(messages.SystemEvent(kind, subject)))  # type: ignore[arg-type]
        ring.settle()

    for node in (3, 4):
        turn("interface_down", node, f"node{node}")
    assert not ran(ring, "site_isolation"), "the second network is left"
    turn("interface_down", 3, "node3b")
    assert not ran(ring, "site_isolation"), "node4 is on it"
    turn("interface_down", 4, "node4b")
    assert sorted(ran(ring, "site_isolation")) == ["site_isolation"] * 4 + ["site_isolation_complete"] * 4
    turn("interface_up", 4, "node4b")
    assert sorted(ran(ring, "site_merge")) == ["site_merge"] * 4 + ["site_merge_complete"] * 4
    turn("interface_up", 3, "node3")
    assert len(ran(ring, "site_merge")) == 8
    assert len(ran(ring, "site_isolation")) == 8


def reconfigure(ring: Ring, new: Configuration) -> None:
    for number in ring.nodes:
        ring.staged[number] = new
        ring.feed(number, Staged(new, {}))
    done = ring.request(1, messages.Reconfigure(2))
    assert done.error == "", done


def test_dynamic_reconfiguration_has_steps_for_both_instances() -> None:
    ring = cluster("primary")
    before = stretched("primary")
    second = msgspec.structs.replace(with_policy("either"), name="more", nodes=("node4", "node3", "node2", "node1"))
    second = msgspec.structs.replace(second, resources=(("SITE_POLICY", "either"), ("APPLICATIONS", "more_app")))
    ring.trace.clear()
    changed = msgspec.structs.replace(
        before.groups[0], resources=(*before.groups[0].resources, ("FILESYSTEM", "/new"))
    )  # fmt: skip
    new = msgspec.structs.replace(before, groups=(changed, second))
    reconfigure(ring, new)
    assert [line for line in ring.trace if line.startswith("[1] ")] == [
        "[1] reconfig_resource_release_secondary",
        "[1] reconfig_resource_release_primary",
        "[1] reconfig_resource_release_fence",
        "[1] reconfig_resource_acquire_fence",
        "[1] reconfig_resource_acquire",
        "[1]   ACQUIRE",
        "[1]   FILESYSTEMS",
        "[1] reconfig_resource_acquire_secondary",
        "[1] reconfig_resource_complete",
        "[1]   ONLINE",
        "[1] reconfig_resource_complete_secondary",
    ]
    assert words(ring) == ["ONLINE", "OFFLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]
    more = [entry.state for entry in snapshot(ring.nodes[1]).groups[1].nodes]
    assert more == ["ONLINE", "OFFLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]
    # The group goes, and so does its secondary instance.
    ring.trace.clear()
    reconfigure(ring, before)
    assert "[2] reconfig_resource_release_secondary" in ring.trace
    assert words(ring) == ["ONLINE", "OFFLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]


@pytest.mark.parametrize("topology", [False, True])
def test_site_policy_that_comes_and_goes(topology: bool) -> None:
    ring = cluster("ignore")
    new = stretched("primary")
    if topology:
        new = msgspec.structs.replace(
            new, networks=(*new.networks, msgspec.structs.replace(new.networks[0], name="net_ether_09", id=9))
        )
    reconfigure(ring, new)
    assert words(ring) == ["ONLINE", "OFFLINE", "ONLINE SECONDARY", "OFFLINE SECONDARY"]
    assert ran(ring, "reconfig_resource_acquire_secondary")
    reconfigure(ring, stretched("ignore"))
    assert words(ring) == ["ONLINE", "OFFLINE", "OFFLINE", "OFFLINE"]
    assert all(not group.secondary for group in ring.nodes[1].cluster.groups.values())  # type: ignore[union-attr]


def addresses(configured: Configuration, node: str, stage: Stage, placed: ServiceAddresses | None = None) -> str:
    """The service addresses that a node is told to handle."""
    made = JobList(configured, node, stage, ("rg",), set(), placed)
    while (job := made.next()) != NONE:
        values = dict(part.split("=", 1) for part in shlex.split(job))
        if values["JOB_TYPE"] == "SERVICE_LABELS":
            return values["IP_LABELS"]
    return ""


def test_site_specific_service_label_is_active_at_its_site_only() -> None:
    everywhere = stretched("primary")
    (label,) = everywhere.group("rg").resource("SERVICE_LABEL")
    at_west = everywhere.with_setting(f"LABEL.{label}.SITE", "west")
    found = {node.name: addresses(at_west, node.name, Stage.ACQUIRE) for node in at_west.nodes}
    assert found == {"node1": "", "node2": "", "node3": label, "node4": label}
    assert addresses(everywhere, "node1", Stage.ACQUIRE) == label
    # One that is active where it may not be any more is released.
    held = ServiceAddresses("node1")
    held.acquire(everywhere, label)
    assert addresses(at_west, "node1", Stage.RELEASE, held) == label
    assert addresses(at_west, "node1", Stage.RELEASE) == ""


def test_network_without_a_label_of_the_site_is_not_needed_there() -> None:
    made = stretched("primary")
    (label,) = made.group("rg").resource("SERVICE_LABEL")
    ring = Ring(made.with_setting(f"LABEL.{label}.SITE", "west"))
    ring.start(1, 2, 3, 4)
    state = ring.nodes[1].cluster
    network = made.label(label).network
    state.networks_down |= {(1, network), (3, network)}
    assert [state.network_missing(node, "rg") for node in (1, 3)] == [False, True]
    assert [plan.needs(state, "rg", node, network) for node in (1, 3)] == [False, True]
    shown = [(a.node, a.state, a.active_node) for a in snapshot(ring.nodes[1]).addresses if a.label == label]
    assert shown == [(3, "down", 0), (4, "down", 0)], "the group is at the other site"


def test_another_site_of_an_active_label_is_a_change_of_its_group() -> None:
    made = stretched("primary")
    (label,) = made.group("rg").resource("SERVICE_LABEL")
    ring = Ring(made)
    ring.start(1, 2, 3, 4)
    state = ring.nodes[1].cluster
    state.pending = made.with_setting(f"LABEL.{label}.SITE", "west")
    assert [(item.group, item.change) for item in reconfiguration.items(state)] == [("rg", (1,))]
    state.pending = made.with_setting("FC_SYNC_INTERVAL", "20")
    assert not reconfiguration.items(state)
