"""Dynamic reconfiguration: what changes while services are active, what does not, and what is refused."""

from __future__ import annotations

import msgspec
import pytest

from daemons.clstrmgr import messages
from daemons.clstrmgr.inputs import Configured, Reconfigured, Reported, RunScript, Staged
from daemons.cluster.configuration import (
    ApplicationController,
    ApplicationMonitor,
    Configuration,
    Label,
    Network,
    Node,
    ResourceGroup,
)
from tests.clstrmgr.ring import Ring, configuration, group, programs


def base() -> Configuration:
    return configuration(3, group("rg1", "node1 node2 node3", "OHN FNPN NFB"))


def started(made: Configuration | None = None) -> Ring:
    ring = Ring(made or base())
    ring.start(1, 2, 3)
    ring.trace.clear()
    ring.jobs.clear()
    return ring


def stage(ring: Ring, new: Configuration, *nodes: int) -> None:
    for number in nodes or tuple(ring.nodes):
        ring.staged[number] = new
        ring.feed(number, Staged(new, {}))


def change(ring: Ring, new: Configuration) -> messages.Done:
    stage(ring, new)
    return ring.request(1, messages.Reconfigure(2))


def with_resources(
    made: Configuration, *more: tuple[str, str], less: tuple[tuple[str, str], ...] = ()
) -> Configuration:
    (first, *rest) = made.groups
    kept = tuple(pair for pair in first.resources if pair not in less)
    return msgspec.structs.replace(made, groups=(msgspec.structs.replace(first, resources=kept + more), *rest))


def lines(ring: Ring, node: int) -> list[str]:
    return [line.removeprefix(f"[{node}] ") for line in ring.trace if line.startswith(f"[{node}] ")]


def test_resource_that_is_added_is_acquired_and_nothing_else_happens() -> None:
    ring = started()
    new = with_resources(base(), ("FILESYSTEM", "/more"))
    assert change(ring, new).error == ""
    assert lines(ring, 1) == [
        "reconfig_resource_release",
        "reconfig_resource_acquire",
        "  ACQUIRE",
        "  FILESYSTEMS",
        "reconfig_resource_complete",
        "  ONLINE",
    ]
    assert lines(ring, 2) == ["reconfig_resource_release", "reconfig_resource_acquire", "reconfig_resource_complete"]
    assert 'FILE_SYSTEMS="/more"' in next(job for _, job in ring.jobs if "FILESYSTEMS" in job)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE", 3: "OFFLINE"}
    assert {machine.configuration for machine in ring.nodes.values()} == {new}
    # What was added is a part of the group from now on.
    ring.jobs.clear()
    ring.request(1, messages.MoveGroup("rg1", 2))
    assert 'FILE_SYSTEMS="/rg1,/more"' in next(job for node, job in ring.jobs if node == 2 and "FILESYSTEMS" in job)


def test_resource_that_is_taken_out_is_released() -> None:
    ring = started()
    assert (
        change(ring, with_resources(base(), less=(("SERVICE_LABEL", "svc1"), ("APPLICATIONS", "rg1_app")))).error == ""
    )
    assert lines(ring, 1)[:3] == ["reconfig_resource_release", "  APPLICATIONS", "  SERVICE_LABELS"]
    assert "svc1:127.0.0.33" in next(job for _, job in ring.jobs if "SERVICE_LABELS" in job)
    assert ring.states("rg1")[1] == "ONLINE"


def test_group_that_is_added_comes_online_where_its_policy_says() -> None:
    ring = started()
    second = group("rg2", "node3 node1", "OHN FNPN NFB")
    new = msgspec.structs.replace(base(), groups=(*base().groups, second))
    assert change(ring, new).error == ""
    assert ring.states("rg2") == {1: "OFFLINE", 2: "OFFLINE", 3: "ONLINE"}
    assert not any("rg1" in job for _, job in ring.jobs)


def test_groups_that_are_added_together_are_distributed_over_the_nodes() -> None:
    ring = started()
    spread = tuple(group(name, "node1 node2 node3", "OUDP FNPN NFB") for name in ("rg2", "rg3", "rg4", "rg5"))
    everywhere = group("rg6", "node2 node3", "OAAN BO NFB")
    new = msgspec.structs.replace(base(), groups=(*base().groups, *spread, everywhere))
    assert change(ring, new).error == ""
    assert [ring.states(name)[node] for node, name in ((1, "rg2"), (2, "rg3"), (3, "rg4"))] == ["ONLINE"] * 3
    assert "ONLINE" not in ring.states("rg5").values()
    assert ring.states("rg6") == {1: "OFFLINE", 2: "ONLINE", 3: "ONLINE"}
    assert not any("rg1" in job for _, job in ring.jobs)


def test_group_that_is_removed_is_released() -> None:
    ring = started()
    assert change(ring, msgspec.structs.replace(base(), groups=())).error == ""
    assert [line.strip() for line in lines(ring, 1)][1:7] == [
        "RELEASE", "APPLICATIONS", "FILESYSTEMS", "VGS", "SERVICE_LABELS", "OFFLINE",
    ]  # fmt: skip
    cluster = ring.nodes[2].cluster
    assert cluster is not None
    assert cluster.groups == {}
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}


def test_group_whose_node_list_loses_its_holder_moves() -> None:
    ring = started()
    (rg1,) = base().groups
    new = msgspec.structs.replace(base(), groups=(msgspec.structs.replace(rg1, nodes=("node3", "node2")),))
    assert change(ring, new).error == ""
    assert ring.states("rg1") == {1: "OFFLINE", 2: "OFFLINE", 3: "ONLINE"}


def test_topology_alone_touches_no_group() -> None:
    ring = started()
    new = msgspec.structs.replace(base(), networks=(*base().networks, Network(name="net_ether_02", id=2)))
    assert change(ring, new).error == ""
    assert lines(ring, 3) == ["reconfig_topology_start", "reconfig_topology_complete"]
    assert ring.jobs == []
    assert ring.nodes[1].cluster is not None
    assert ring.nodes[1].cluster.last_event == "TE_DARE_TOPOLOGY" or ring.nodes[1].cluster.last_event == "DA_TOP_CO"


def test_topology_and_resources_in_the_documented_order() -> None:
    ring = started()
    new = with_resources(base(), ("SERVICE_LABEL", "svc2"))
    label = Label(label="svc2", function="service", address="127.0.0.77", network="net_ether_01")
    new = msgspec.structs.replace(
        new, nodes=(*new.nodes, Node(name="node4", id=4)), labels=(*new.labels, label)
    )  # fmt: skip
    assert change(ring, new).error == ""
    assert lines(ring, 2) == [
        "reconfig_resource_release",
        "reconfig_topology_start",
        "reconfig_topology_complete",
        "reconfig_resource_acquire",
        "reconfig_resource_complete",
        "reconfig_configuration_complete",
    ]
    assert "svc2:127.0.0.77" in next(job for _, job in ring.jobs if "SERVICE_LABELS" in job)
    cluster = ring.nodes[1].cluster
    assert cluster is not None
    assert cluster.nodes[4] == "down"


def test_member_without_the_configuration_calls_it_off() -> None:
    ring = started()
    stage(ring, with_resources(base(), ("FILESYSTEM", "/more")), 1, 3)
    done = ring.request(1, messages.Reconfigure(2))
    assert done.error == "unprepared"
    assert "node2" in done.message
    assert ring.trace == []
    assert {machine.configuration for machine in ring.nodes.values()} == {base()}
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}
    stage(ring, with_resources(base(), ("FILESYSTEM", "/more")), 2)
    assert ring.request(1, messages.Reconfigure(2)).error == ""


@pytest.mark.parametrize("phase", range(1, 5))
@pytest.mark.parametrize("victim", [1, 2, 3])
def test_member_dies_in_between(phase: int, victim: int) -> None:
    """The survivors finish it, whoever dies when; they agree on the configuration."""
    ring = started()
    new = with_resources(base(), ("FILESYSTEM", "/more"))
    new = msgspec.structs.replace(new, groups=(*new.groups, group("rg2", "node2 node3", "OHN FNPN NFB")))
    died: list[int] = []

    def before(protocol: object) -> None:
        if getattr(protocol, "kind", "") == "message" and getattr(protocol, "phase", 0) == phase and not died:
            died.append(victim)
            ring.crash(victim)

    stage(ring, new)
    ring.services.before_phase = before
    ring.ask(1 if victim != 1 else 2, messages.Reconfigure(2))
    ring.settle()
    assert died
    assert {machine.configuration for machine in ring.nodes.values()} == {new}
    assert list(ring.states("rg1").values()).count("ONLINE") == 1
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}


def test_node_that_starts_with_the_new_configuration_joins_after_the_change() -> None:
    ring = started()
    ring.request(3, messages.StopServices("offline"))
    new = with_resources(base(), ("FILESYSTEM", "/more"))
    stage(ring, new, 1, 2)
    ring.feed(3, Configured(new, programs()))
    assert ring.request(3, messages.StartServices()).error == "failed"
    assert ring.request(1, messages.Reconfigure(2)).error == ""
    ring.start(3)
    assert ring.nodes[3].state == "ST_STABLE"


def test_node_that_is_taken_out_while_it_starts_does_not_join() -> None:
    ring = started()
    ring.request(3, messages.StopServices("offline"))
    held: list[RunScript] = []
    ring.script_hook = lambda node, script: held.append(script)  # type: ignore[func-returns-value]
    request = ring.ask(3, messages.StartServices())
    ring.settle()
    assert ring.nodes[3].state == "ST_JOINING"
    ring.feed(3, Configured(None, programs()))
    assert ring.result(3, request).error == "not_configured"
    ring.end_script(3, held[0])
    ring.settle()
    assert ring.nodes[3].state == "NOT_CONFIGURED"
    assert ring.nodes[1].members == (1, 2)


def test_refusals() -> None:
    ring = started()
    assert ring.request(1, messages.Reconfigure(2)).error == "failed"
    assert change(ring, base()).error == ""
    assert ring.trace == []
    (_, *others) = base().nodes
    assert "active on node node1" in change(ring, msgspec.structs.replace(base(), nodes=tuple(others))).message
    other = tuple(
        msgspec.structs.replace(label, address="127.0.0.200") if label.label == "node2" else label
        for label in base().labels
    )
    assert "en0 of node node2 is in use" in change(ring, msgspec.structs.replace(base(), labels=other)).message
    renamed = msgspec.structs.replace(base(), cluster=msgspec.structs.replace(base().cluster, name="other"))
    assert "name cannot be changed" in change(ring, renamed).message
    (network,) = base().networks
    retyped = (msgspec.structs.replace(network, type="XD_ip"), Network(name="net_XD_data_01", id=9, type="XD_data"))
    assert change(ring, msgspec.structs.replace(base(), networks=retyped)).message == (
        f"The type of the network {network.name} cannot be changed while cluster services are active."
    )
    ring.request(3, messages.StopServices("unmanage"))
    stage(ring, with_resources(base(), ("FILESYSTEM", "/more")))
    assert ring.request(1, messages.Reconfigure(2)).error == ""
    ring = started()
    ring.request(1, messages.StopServices("unmanage"))
    stage(ring, with_resources(base(), ("FILESYSTEM", "/more")))
    assert ring.request(2, messages.Reconfigure(2)).error == "denied"
    assert "unmanaged" in ring.request(1, messages.Reconfigure(2)).message


def test_what_fails_puts_the_group_into_error() -> None:
    ring = started()
    ring.job_hook = lambda node, job: "rg1" if 'JOB_TYPE=FILESYSTEMS ACTION="ACQUIRE' in job else ""
    change(ring, with_resources(base(), ("FILESYSTEM", "/more")))
    assert ring.states("rg1") == {1: "ERROR", 2: "OFFLINE", 3: "OFFLINE"}


def test_shell_hears_of_the_active_configuration() -> None:
    ring = started()
    new = msgspec.structs.replace(
        base(), controllers=(*base().controllers, ApplicationController(name="x", start="/x", stop="/x")),
        monitors=(ApplicationMonitor(name="m"),),
    )  # fmt: skip
    found: list[Configuration] = []
    step = ring.nodes[2].step

    def watched(now: int, value: object) -> list[object]:
        effects = step(now, value)  # type: ignore[arg-type]
        found.extend(effect.configuration for effect in effects if isinstance(effect, Reconfigured))
        return effects  # type: ignore[return-value]

    ring.nodes[2].step = watched  # type: ignore[method-assign, assignment]
    assert change(ring, new).error == ""
    assert found == [new]


def test_script_failure_stops_it_until_recovery() -> None:
    ring = started()
    broken = [2]

    def hook(node: int, script: RunScript) -> int:
        return 1 if node in broken and script.command == "reconfig_resource_acquire" else 0

    ring.script_hook = hook
    assert change(ring, with_resources(base(), ("FILESYSTEM", "/more"))).error == "failed"
    assert ring.nodes[2].state == "ST_RP_FAILED"
    broken.clear()
    assert ring.request(2, messages.RecoverFromScriptFailure()).error == ""
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}


def test_resource_group_order_is_no_change() -> None:
    made = msgspec.structs.replace(base(), groups=(*base().groups, group("rg2", "node2", "OHN FNPN NFB")))
    ring = started(made)
    turned: tuple[ResourceGroup, ...] = tuple(reversed(made.groups))
    assert change(ring, msgspec.structs.replace(made, groups=turned)).error == ""
    assert ring.jobs == []


def test_what_was_voted_on_becomes_active_whatever_is_staged_meanwhile() -> None:
    """Found by the simulator: another synchronization came between the vote and the switch on one node only."""
    ring = started()
    first = with_resources(base(), ("FILESYSTEM", "/more"))
    second = with_resources(base(), ("FILESYSTEM", "/other"))
    stage(ring, first)

    def before(protocol: object) -> None:
        if getattr(protocol, "phase", 0) == 2:
            ring.feed(2, Staged(second, {}))

    ring.services.before_phase = before
    assert ring.request(1, messages.Reconfigure(2)).error == ""
    assert {machine.configuration for machine in ring.nodes.values()} == {first}
    assert ring.request(1, messages.MoveGroup("rg1", 2)).error == ""


def test_node_that_asks_to_join_has_booted_since_its_cluster_manager_failed() -> None:
    """Found by the simulator: the join was refused (another configuration), and the failure waited for ever."""
    ring = started()
    ring.kill_manager(3)
    ring.settle()
    assert ring.nodes[1].state == "ST_UNSTABLE"
    ring.boot(3)
    ring.feed(3, Configured(with_resources(base(), ("FILESYSTEM", "/more")), programs()))
    assert ring.request(3, messages.StartServices()).error == "failed"
    assert {ring.nodes[1].state, ring.nodes[2].state} == {"ST_STABLE"}


def with_network(made: Configuration) -> Configuration:
    """With a network net_ether_09 on interface en9 of all nodes."""
    labels = tuple(
        Label(
            label=f"{node.name}_en9", function="boot", address=f"127.0.9.{node.id}", network="net_ether_09",
            node=node.name, interface="en9",
        )
        for node in made.nodes
    )  # fmt: skip
    networks = (*made.networks, Network(name="net_ether_09", id=9))
    return msgspec.structs.replace(made, networks=networks, labels=made.labels + labels)


def test_network_that_is_added_while_its_interface_is_down_fails_at_once_and_comes_back() -> None:
    ring = started()
    ring.feed(1, Reported(messages.SystemEvent("interface_down", "en9")))
    ring.settle()
    assert lines(ring, 1) == [], "it is none of the cluster's interfaces"
    assert change(ring, with_network(base())).error == ""
    ring.settle()
    assert lines(ring, 1) == [
        "reconfig_topology_start",
        "reconfig_topology_complete",
        "fail_interface node1 127.0.9.1",
        "network_down node1 net_ether_09",
        "network_down_complete node1 net_ether_09",
    ]
    ring.trace.clear()
    ring.feed(1, Reported(messages.SystemEvent("interface_up", "en9")))
    ring.settle()
    assert lines(ring, 1)[0] == "join_interface node1 127.0.9.1"
    assert "network_up node1 net_ether_09" in lines(ring, 1)


def test_network_that_was_down_when_it_was_deleted_is_up_when_it_is_added_again() -> None:
    ring = started(with_network(base()))
    ring.feed(1, Reported(messages.SystemEvent("interface_down", "en9")))
    ring.settle()
    assert "network_down node1 net_ether_09" in lines(ring, 1)
    assert change(ring, base()).error == ""
    ring.feed(1, Reported(messages.SystemEvent("interface_up", "en9")))
    ring.trace.clear()
    assert change(ring, with_network(base())).error == ""
    ring.settle()
    assert lines(ring, 1) == ["reconfig_topology_start", "reconfig_topology_complete"]
    ring.trace.clear()
    ring.feed(1, Reported(messages.SystemEvent("interface_down", "en9")))
    ring.settle()
    assert "network_down node1 net_ether_09" in lines(ring, 1), "its interface is watched again"
