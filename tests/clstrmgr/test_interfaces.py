"""Interfaces that fail and come back, where a node has two of them on a network; sites that come and go."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.clstrmgr import messages
from daemons.clstrmgr.addresses import ServiceAddresses
from daemons.clstrmgr.events import Stage
from daemons.clstrmgr.foundation import EXIT_CODE
from daemons.clstrmgr.inputs import Notified, Reported, RunScript
from daemons.cluster.configuration import Configuration, Label, Site
from daemons.cluster.configuration.policies import GroupDependency
from daemons.cthags import messages as cthags
from tests.clstrmgr.ring import Ring, configuration, group
from tests.clstrmgr.test_scripts import Node


def doubled(*groups_labels: str, nodes: int = 2, **settings: str) -> Configuration:
    """A cluster whose nodes have en0 (127.0.0.N) and en1 (127.0.1.N) on one network."""
    names = " ".join(f"node{number}" for number in range(1, nodes + 1))
    groups = [group(f"rg{n}", names, "OHN FNPN NFB", label) for n, label in enumerate(groups_labels or ("svc1",), 1)]
    made = configuration(nodes, *groups)
    second = tuple(
        Label(
            label=f"node{number}_en1", function="boot", address=f"127.0.1.{number}", network="net_ether_01",
            node=f"node{number}", interface="en1",
        )
        for number in range(1, nodes + 1)
    )  # fmt: skip
    return msgspec.structs.replace(made, labels=made.labels + second, settings=tuple(settings.items()))


def report(ring: Ring, kind: str, address: str, node: int = 1) -> list[str]:
    """Report an interface's end or return; returns the lines of its node's scripts."""
    ring.trace.clear()
    ring.feed(node, Reported(messages.SystemEvent(kind, address)))  # type: ignore[arg-type]
    ring.settle()
    return [line for line in ring.trace if line.startswith(f"[{node}] ")]


def started() -> Ring:
    ring = Ring(doubled())
    ring.start(1, 2)
    return ring


def test_service_label_is_swapped_to_the_other_interface() -> None:
    ring = started()
    environments: list[dict[str, str]] = []

    def hook(node: int, script: RunScript) -> int:
        if script.command == "swap_adapter":
            environments.append({"node": str(node), **dict(script.environment)})
        return 0

    ring.script_hook = hook
    assert report(ring, "interface_down", "127.0.0.1") == [
        "[1] swap_adapter node1 net_ether_01 127.0.0.1 127.0.0.33",
        "[1] swap_adapter_complete node1 net_ether_01 127.0.0.1 127.0.0.33",
    ]
    mine, other = environments
    assert (mine["SWAP_FROM"], mine["SWAP_TO"], mine["SWAP_ADDRESS"]) == ("en0", "en1", "127.0.0.33:255.255.255.0")
    assert "SWAP_TO" not in other
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert report(ring, "interface_up", "127.0.0.1") == ["[1] join_interface node1 127.0.0.1"]
    # It stays where it is, and is released there.
    ring.jobs.clear()
    ring.request(1, messages.MoveGroup("rg1", 2))
    released = next(job for node, job in ring.jobs if node == 1 and "SERVICE_LABELS" in job)
    assert "svc1:127.0.0.33:255.255.255.0:en1" in released


def test_standby_adapter_of_a_network_without_aliasing() -> None:
    made = doubled()
    plain = tuple(msgspec.structs.replace(network, alias=0) for network in made.networks)
    ring = Ring(msgspec.structs.replace(made, networks=plain))
    ring.start(1, 2)
    assert report(ring, "interface_down", "127.0.1.1") == ["[1] fail_standby node1 127.0.1.1"]
    assert ring.nodes[2].cluster is not None
    assert ring.nodes[2].cluster.addresses_down == {(1, "127.0.1.1")}
    assert report(ring, "interface_up", "127.0.1.1") == ["[1] join_standby node1 127.0.1.1"]
    assert ring.nodes[2].cluster.addresses_down == set()
    # The first one has the service label, which goes to the standby adapter.
    assert report(ring, "interface_down", "127.0.0.1")[0].startswith("[1] swap_adapter node1 net_ether_01 127.0.0.1")
    assert report(ring, "interface_down", "127.0.0.2", 2) == ["[2] fail_interface node2 127.0.0.2"]
    # With its last interface a node loses the network.
    assert report(ring, "interface_down", "127.0.1.2", 2)[:2] == [
        "[2] fail_standby node2 127.0.1.2",
        "[2] network_down node2 net_ether_01",
    ]


def test_interface_without_a_service_label_only_fails() -> None:
    ring = started()
    assert report(ring, "interface_down", "127.0.1.1") == ["[1] fail_interface node1 127.0.1.1"]
    assert report(ring, "interface_down", "127.0.0.2", 2) == ["[2] fail_interface node2 127.0.0.2"]
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}


def test_last_interface_moves_the_group() -> None:
    ring = started()
    report(ring, "interface_down", "127.0.0.1")
    lines = report(ring, "interface_down", "127.0.1.1")
    assert lines[:3] == [
        "[1] fail_interface node1 127.0.1.1",
        "[1] network_down node1 net_ether_01",
        "[1] network_down_complete node1 net_ether_01",
    ]
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}


def test_both_interfaces_at_once() -> None:
    """The second one fails before the swap could run: nothing is swapped, the group moves."""
    ring = started()
    ring.feed(1, Reported(messages.SystemEvent("interface_down", "127.0.0.1")))
    ring.feed(1, Reported(messages.SystemEvent("interface_down", "127.0.1.1")))
    ring.settle()
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}


@pytest.mark.parametrize(
    ("preference", "interfaces"),
    [("AC", ["en0", "en1"]), ("C", ["en0", "en0"]), ("CPL", ["en1", "en1"]), ("ACPLS", ["en0", "en0"])],
)
def test_distribution_preferences(preference: str, interfaces: list[str]) -> None:
    made = doubled("svc1", "svc2", **{"NETWORK.net_ether_01.RESOURCE_DIST_PREF": preference})
    persistent = Label(
        label="node1_per", function="persistent", address="127.0.0.99", network="net_ether_01", node="node1",
        interface="en1",
    )  # fmt: skip
    made = msgspec.structs.replace(made, labels=(*made.labels, persistent))
    addresses = ServiceAddresses("node1")
    found = [addresses.acquire(made, label) for label in ("svc1", "svc2")]
    assert [entry.interface for entry in found if entry is not None] == interfaces


@given(
    st.lists(st.tuples(st.sampled_from(["acquire", "release", "down", "up", "swap"]), st.integers(0, 2)), max_size=30)
)
def test_label_is_never_put_on_an_interface_that_is_down_while_another_is_up(steps: list[tuple[str, int]]) -> None:
    made = doubled("svc1", "svc2", "svc3")
    addresses = ServiceAddresses("node1")
    boots = ["127.0.0.1", "127.0.1.1"]
    for what, number in steps:
        label, boot = f"svc{number + 1}", boots[number % 2]
        if what == "down":
            addresses.down[boot] = "net_ether_01"
        elif what == "up":
            addresses.down.pop(boot, None)
        elif what == "release":
            before = addresses.placed.get(label)
            found = addresses.release(made, label)
            assert found is not None
            assert before is None or found.interface == f"en{boots.index(before)}"
            assert label not in addresses.placed
        elif what == "acquire" or addresses.placed.get(label) == boot:
            moved = addresses.acquire(made, label) if what == "acquire" else addresses.swap(made, label, boot)
            if moved is not None:
                assert addresses.placed[label] not in addresses.down or len(addresses.down) == len(boots)
            else:
                assert all(other in addresses.down for other in boots if other != boot)


def test_swap_script_moves_the_alias_and_the_persistent_label(tmp_path: Path) -> None:
    node = Node(tmp_path)
    (node.bin / "ifconfig").write_text(
        f'#!/bin/bash\necho "ifconfig $*" >>{node.calls}\n[[ $# == 1 ]] && echo "  inet 127.0.0.99 netmask"\nexit 0\n'
    )
    words = ("swap_adapter", "node1", "net_ether_01", "127.0.0.1", "127.0.0.33")
    swap = {
        "SWAP_FROM": "en0", "SWAP_TO": "en1", "SWAP_ADDRESS": "127.0.0.33:255.255.255.0",
        "PERSISTENT_ADDRESSES": "127.0.0.99:255.255.255.0 127.0.0.98:255.255.255.0",
    }  # fmt: skip
    assert node.run(Stage.NONE, *words, **swap) == 0
    assert [line for line in node.calls.read_text().splitlines() if len(line.split()) > 2] == [
        "ifconfig en0 delete 127.0.0.33",
        "ifconfig en1 alias 127.0.0.33 netmask 255.255.255.0 up",
        "ifconfig en0 delete 127.0.0.99",
        "ifconfig en1 alias 127.0.0.99 netmask 255.255.255.0 up",
    ]
    node.fake("ifconfig", status=1)
    assert node.run(Stage.NONE, *words, **swap) == 1
    assert "cannot move 127.0.0.33 from en0 to en1" in node.hacmp_out.read_text()


def test_site_comes_with_its_first_node_and_goes_with_its_last() -> None:
    made = configuration(3, group("rg1", "node1 node2 node3"))
    sites = (Site(name="siteA", nodes=("node1", "node2")), Site(name="siteB", nodes=("node3",)))
    ring = Ring(msgspec.structs.replace(made, sites=sites))

    def heads() -> list[str]:
        return [line for line in ring.trace if line.split()[1] in ("site_up", "site_down", "node_up", "node_down")]

    ring.start(1)
    assert heads() == ["[1] site_up siteA", "[1] node_up node1"]
    ring.trace.clear()
    ring.start(2)
    assert heads() == ["[1] node_up node2", "[2] node_up node2"]
    ring.trace.clear()
    ring.start(3)
    assert heads()[:3] == ["[1] site_up siteB", "[2] site_up siteB", "[3] site_up siteB"]
    ring.trace.clear()
    ring.crash(3)
    ring.settle()
    assert heads()[-2:] == ["[1] site_down siteB", "[2] site_down siteB"]


def test_verification_errors_notify_the_cluster() -> None:
    ring = started()
    ring.trace.clear()
    ring.feed(2, Reported(messages.SystemEvent("verification_errors", "2 errors")))
    ring.settle()
    assert ring.trace == ["[1] cluster_notify", "[2] cluster_notify"]


@pytest.mark.parametrize("dependent", [False, True])
def test_network_that_is_lost_while_its_group_is_unmanaged_moves_it_when_services_start(dependent: bool) -> None:
    """It was never told: the group came online where none of its clients could reach it, and stayed."""
    groups = [group("rg1", "node1 node2", "OHN FNPN NFB"), group("rg2", "node2 node1", "OHN FNPN NFB", "svc2")]
    parent = (GroupDependency(id=1, parent="rg1", child="rg2"),) if dependent else ()
    ring = Ring(configuration(2, *groups, dependencies=parent))
    ring.start(1, 2)
    assert ring.request(1, messages.StopServices("unmanage")).error == ""
    assert report(ring, "interface_down", "127.0.0.1") == []
    assert ring.states("rg1")[1] == "UNMANAGED"
    ring.start(1)
    assert ring.states("rg1") == ring.states("rg2") == {1: "OFFLINE", 2: "ONLINE"}
    assert "[2] network_down node1 net_ether_01" in ring.trace


def test_network_that_is_back_while_services_are_unmanaged_can_be_used_when_they_start() -> None:
    """It counted as lost from then on: "A network that rg1 needs is down on that node."."""
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB")))
    ring.start(1, 2)
    report(ring, "interface_down", "127.0.0.2", 2)
    assert ring.request(2, messages.StopServices("unmanage")).error == ""
    assert report(ring, "interface_up", "127.0.0.2", 2) == []
    ring.start(2)
    assert ring.trace[-2:] == [f"[{node}] network_up_complete node2 net_ether_01" for node in (1, 2)]
    assert ring.request(1, messages.MoveGroup("rg1", 2)).error == ""
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}


def test_repository_that_is_lost_while_services_are_unmanaged_is_told_when_they_start() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB")))
    ring.start(1, 2)
    ring.request(1, messages.StopServices("unmanage"))
    assert report(ring, "repository_lost", "hdisk1") == []
    ring.start(1)
    assert [line for line in ring.trace if "rep_disk_notify" in line] == ["[1] rep_disk_notify node1 hdisk1"]
    ring.trace.clear()
    ring.request(2, messages.StopServices("offline"))
    ring.start(2)
    assert not any("rep_disk_notify" in line for line in ring.trace), "once"


def test_group_services_that_die_under_unmanaged_groups_end_the_cluster_manager() -> None:
    """As on the product, whose guide has groups brought offline before RSCT is updated; nothing is taken over."""
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB")))
    ring.start(1, 2)
    ring.request(1, messages.StopServices("unmanage"))
    ring.trace.clear()
    ring.feed(1, Notified(cthags.Died("Group Services died")))
    assert ring.exits[1].status == EXIT_CODE
    ring.crash(1)
    ring.settle()
    assert ring.trace == []
    assert ring.states("rg1") == {1: "UNMANAGED", 2: "OFFLINE"}
