"""The agent as a function from packets to packets, and what real Net-SNMP tools make of it."""

import asyncio
import re
import shutil
import socket
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from daemons.clinfo.picture import picture, topology_changes
from daemons.clstrmgr import messages, view
from daemons.clstrmgr.messages import (
    AddressView,
    ClusterSnapshot,
    EventRecord,
    GroupNodeView,
    GroupView,
    NetworkView,
    NodeView,
    ResourceView,
)
from daemons.clstrmgr.replicated import FALLOVER, LACK_OF_NODE
from daemons.snmpd import client, mib, traps
from daemons.snmpd import configuration as snmp_configuration
from daemons.snmpd.commands import Objects, Refused
from daemons.snmpd.mib import CLSMUXPD, EventRow, agent_counters, event_id, group_state, subtree
from daemons.snmpd.protocol import V1, V2C, Memory, answer, around_identifier, parse_reply, parse_trap, request, trap
from daemons.snmpd.values import MibTree, Oid, Value, dotted, integer
from srcctl.machine import RemoteFault
from tests.clstrmgr.ring import Ring, configuration, group


def snapshot(owner: int = 1, node2: str = "up") -> ClusterSnapshot:
    return ClusterSnapshot(
        cluster_id=1120652512,
        cluster_name="haes_cluster",
        state="ST_STABLE",
        services=True,
        cluster_state="up",
        substate="stable",
        local_node=1,
        local_name="node1",
        primary=1,
        last_change=1386133818,
        nodes=(NodeView(1, "node1", "up", 1), NodeView(2, "node2", node2, 1)),  # type: ignore[arg-type]
        networks=(
            NetworkView(1, 1, "net_ether_01", "public", "ether", "up"),
            NetworkView(2, 1, "net_ether_01", "public", "ether", "up"),
        ),
        addresses=(
            AddressView(1, "127.9.9.1", "node1", "boot", 1, "up", 1),
            AddressView(2, "127.9.9.2", "node2", "boot", 1, "up", 2),
            AddressView(1, "127.9.9.33", "app_svc", "service", 1, "up", owner),
            AddressView(2, "127.9.9.33", "app_svc", "service", 1, "up", owner),
        ),
        groups=(
            GroupView(
                7,
                "app_rg",
                "OHN",
                "FNPN",
                "NFB",
                (
                    GroupNodeView(1, "ONLINE" if owner == 1 else "OFFLINE"),
                    GroupNodeView(2, "ONLINE" if owner == 2 else "OFFLINE"),
                ),
                (ResourceView(1, "SERVICE_LABEL", "app_svc"), ResourceView(2, "APPLICATIONS", "counter_app")),
            ),
        ),
    )


TREE = subtree(snapshot())


def get(kind: str, *names: Oid, version: int = V1, community: str = "public") -> list[tuple[Oid, Value]]:
    reply = answer(request(kind, 77, community, names, version), ("public",), TREE)
    assert reply is not None
    parsed = parse_reply(reply)
    assert parsed.request_id == 77
    assert not parsed.error
    return parsed.values


@pytest.mark.parametrize(
    ("suffix", "value"),
    [
        ((1, 1, 0), 1120652512),
        ((1, 2, 0), "haes_cluster"),
        ((1, 4, 0), 2),
        ((1, 8, 0), 32),
        ((1, 9, 0), "node1"),
        ((1, 11, 0), 2),
        ((2, 1, 1, 2, 2), 2),
        ((2, 1, 1, 4, 2), "node2"),
        ((3, 1, 1, 7, 2, 127, 9, 9, 33), 1),
        ((4, 1, 1, 3, 1, 1), "net_ether_01"),
        ((11, 1, 1, 2, 1), "app_rg"),
        ((11, 3, 1, 3, 1, 1), 2),
        ((11, 3, 1, 3, 1, 2), 4),
    ],
)
def test_what_monitoring_plugins_read(suffix: Oid, value: int | str) -> None:
    oid = CLSMUXPD + suffix
    for version in (V1, V2C):
        assert get("get", oid, version=version) == [
            (oid, Value("string" if isinstance(value, str) else "integer", value))
        ]


def test_a_walk_by_getnext_visits_everything_in_order() -> None:
    name, seen = CLSMUXPD, list[Oid]()
    while (following := TREE.next(name)) is not None:
        assert get("next", name) == [following]
        name = following[0]
        seen.append(name)
    assert seen == sorted(seen)
    assert len(seen) == len(TREE)


def test_the_end_and_the_unknown() -> None:
    last = TREE.below(CLSMUXPD)[-1][0]
    reply = answer(request("next", 1, "public", [last]), ("public",), TREE)
    assert reply is not None
    assert parse_reply(reply).error == 2
    assert get("next", last, version=V2C) == [(last, Value("end"))]
    assert get("get", (1, 3, 9), version=V2C) == [((1, 3, 9), Value("absent"))]


def test_an_unknown_community_gets_no_answer() -> None:
    with pytest.raises(RemoteFault, match="community"):
        answer(request("get", 1, "secret", [(1, 3)]), ("public",), TREE)


@given(st.binary(max_size=300))
def test_garbage_never_crashes_the_agent(garbage: bytes) -> None:
    try:
        assert answer(garbage, ("public",), TREE) is None
    except RemoteFault:
        pass


@given(st.data())
def test_damaged_requests_never_crash_the_agent(data: st.DataObject) -> None:
    packet = bytearray(request("bulk", 5, "public", [CLSMUXPD], V2C))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    try:
        answer(bytes(packet[: data.draw(st.integers(0, len(packet)))]), ("public",), TREE)
    except RemoteFault:
        pass


@given(st.data())
def test_damaged_requests_are_answered_alike_with_a_memory(data: st.DataObject) -> None:
    """Whatever was answered before: who remembers says what one says who does not, byte for byte, or drops it too."""
    memory: Memory = {}
    for number in range(1, 4):
        answer(request("bulk", number << 24, "public", [CLSMUXPD], V2C), ("public",), TREE, memory=memory)
    packet = bytearray(request("bulk", 9 << 24, "public", [CLSMUXPD], V2C))
    for _ in range(data.draw(st.integers(0, 3))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(packet[: data.draw(st.integers(len(packet) - 3, len(packet)))])
    outcomes: list[bytes | str | None] = []
    for remembered in (None, memory):
        try:
            outcomes.append(answer(damaged, ("public",), TREE, memory=remembered))
        except RemoteFault:
            outcomes.append("dropped")
    assert outcomes[0] == outcomes[1]


def test_a_change_is_seen_in_spite_of_the_memory() -> None:
    memory: Memory = {}
    tree = MibTree(TREE.below(CLSMUXPD))
    asked: list[str] = []

    def look(number: int) -> list[tuple[Oid, Value]]:
        packet = request("bulk", number, "public", [CLSMUXPD], V2C)
        reply = answer(packet, ("public",), tree, lambda kind, names: asked.append(kind), memory)
        assert reply == answer(packet, ("public",), tree)
        assert reply is not None
        assert parse_reply(reply).request_id == number
        return parse_reply(reply).values

    first = look(1 << 24)
    assert look(77 << 24) == first
    tree.update((*CLSMUXPD, 1, 4, 0), integer(4))
    assert ((*CLSMUXPD, 1, 4, 0), integer(4)) in look(99 << 24)
    assert look(5) != first, "a short request-id, too"
    assert asked == ["next"] * 4
    assert len(memory) == 1
    with pytest.raises(RemoteFault, match="community"):
        answer(request("bulk", 1 << 24, "other", [CLSMUXPD], V2C), ("public",), tree, memory=memory)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 1 << 16, 1 << 23, 1 << 24, 1 << 30, (1 << 31) - 1])
def test_a_request_says_its_own_number(number: int) -> None:
    for kind, version in (("get", V1), ("next", V1), ("bulk", V2C)):
        packet = request(kind, number, "public", [CLSMUXPD], version)
        reply = answer(packet, ("public",), TREE)
        assert reply is not None
        assert parse_reply(reply).request_id == number
        for part in (packet, reply):
            found = around_identifier(part)
            assert found is not None
            assert int.from_bytes(found[1]) == number
            assert b"".join(found) == part


@given(st.binary(max_size=60))
def test_garbage_has_no_request_number_or_is_whole(garbage: bytes) -> None:
    found = around_identifier(garbage)
    assert found is None or b"".join(found) == garbage


async def test_a_second_walk_parses_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def note(packet: bytes) -> object:
        parsed.append(packet)
        return parse_reply(packet)

    monkeypatch.setattr(client, "parse_reply", note)
    tree = MibTree(TREE.below(CLSMUXPD))
    loop = asyncio.get_running_loop()

    class Agent(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            reply = answer(data, ("public",), tree)
            assert reply is not None
            self.transport.sendto(reply, addr)

    transport, _ = await loop.create_datagram_endpoint(Agent, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    known: client.Known = {}
    try:
        first = await client.walk("127.0.0.1", port, "public", CLSMUXPD, known=known)
        packets = len(parsed)
        assert first == tree.below(CLSMUXPD)
        assert await client.walk("127.0.0.1", port, "public", CLSMUXPD, known=known) == first
        assert len(parsed) == packets
        tree.update((*CLSMUXPD, 1, 4, 0), integer(4))
        assert await client.walk("127.0.0.1", port, "public", CLSMUXPD, known=known) == tree.below(CLSMUXPD) != first
        assert len(parsed) == packets + 1
        assert len(known) == packets, "no more is kept than one walk"
    finally:
        transport.close()


def test_traps_tell_what_changed() -> None:
    changes = traps.of_change(snapshot(), snapshot(owner=2, node2="joining"))
    assert [change.specific for change in changes] == [
        traps.NODE_STATE_TRAP,
        traps.GROUP_STATE_TRAP,
        traps.GROUP_STATE_TRAP,
    ]
    # Of a node's trap, the third variable is that node, whoever tells of it.
    assert changes[0].values[2] == ((*CLSMUXPD, 2, 1, 1, 1, 2), integer(2))
    number = event_id(EventRecord(3, "TE_FAIL_NODE", 2, "node2", "", "complete", 1386133818))
    assert number is not None
    row = EventRow(8, number, 2, "node2", 0, 1386133818)
    event = traps.of_event(row, 5)
    # The variables of an event's trap are those of its row in eventTable.
    tree = subtree(snapshot(), (row,))
    assert all(tree.get(oid) == value for oid, value in event.values[:-1])
    assert tree.get((*CLSMUXPD, 10, 1, 0)) == integer(8)
    packet = trap(CLSMUXPD, "127.9.9.1", event.specific, 100, "public", event.values)
    assert parse_trap(packet) == (CLSMUXPD, 73)


def test_a_group_that_goes_offline_for_a_reason_is_told_with_the_reason() -> None:
    fallen = snapshot(owner=2)
    (group,) = fallen.groups
    nodes = tuple(replace(n, reason="fallover") if n.node == 1 else n for n in group.nodes)
    changes = traps.of_change(snapshot(), replace(fallen, groups=(replace(group, nodes=nodes),)))
    states = [value.data for change in changes for oid, value in change.values if oid[len(CLSMUXPD)] == 11]
    assert states == [65536, 2]


def test_the_reasons_are_those_that_the_cluster_manager_gives() -> None:
    """They were looked up under words that it never says, so that no manager ever saw one."""
    made = Ring(configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB")))
    made.start(1, 2)
    made.request(1, messages.OfflineGroup("rg1", 1))
    states = [group_state(place) for place in view.snapshot(made.nodes[2]).groups[0].nodes]
    assert states == [4, 4], "an operator's wish is no reason"
    made.request(1, messages.OnlineGroup("rg1", 1))
    made.crash(1)
    made.settle()
    (shown,) = view.snapshot(made.nodes[2]).groups
    assert [(place.state, place.reason) for place in shown.nodes] == [("OFFLINE", "fallover"), ("ONLINE", "")]
    assert [group_state(place) for place in shown.nodes] == [65536, 2]
    for state, reason, number in (
        ("OFFLINE", "parent offline", 131072),
        ("OFFLINE", LACK_OF_NODE, 262144),
        ("OFFLINE", FALLOVER, 65536),
        ("OFFLINE", "target offline", 4),
        ("ERROR", LACK_OF_NODE, 64),
    ):
        assert group_state(replace(shown.nodes[0], state=state, reason=reason)) == number


def test_groups_that_come_and_go_and_what_is_no_engine_event() -> None:
    (group,) = snapshot().groups
    two = replace(snapshot(), groups=(group, replace(group, name="other_rg")))
    assert [change.specific for change in traps.of_change(snapshot(), two)] == [traps.GROUP_ADDED_TRAP]
    assert [change.specific for change in traps.of_change(two, snapshot())] == [traps.GROUP_DELETED_TRAP]
    changed = replace(snapshot(), groups=(replace(group, resources=group.resources[1:]),))
    assert [change.specific for change in traps.of_change(snapshot(), changed)] == [traps.GROUP_CHANGED_TRAP]
    moved = replace(snapshot(), primary=2, substate="unstable")
    assert traps.event_numbers(snapshot(), moved) == [12, 13]
    assert traps.event_numbers(moved, replace(moved, substate="stable")) == [14]
    assert traps.event_numbers(None, moved) == []


def test_every_object_has_a_name_in_hacmp_defs() -> None:
    objects = Objects()
    with open("etc/usr/es/sbin/cluster/hacmp.defs", encoding="utf-8") as file:
        objects.read(file.read(), "hacmp.defs")
    row = EventRow(1, 6, 1, "node1", 0, 1)
    instances = [*subtree(snapshot(), (row,)).below(CLSMUXPD), *agent_counters(1, 2, 3, 4, 5)]
    for oid, _ in instances:
        name = objects.name(oid)
        # A scalar is named with its .0, a column with its index: the name stands for all arcs before that.
        assert not name.startswith(("cluster.", "node.", "event.", "resmanager.")), name
        assert "Entry." not in name, name
        assert objects.resolve(name.upper()) == oid
    assert {oid[len(CLSMUXPD)] for oid, _ in instances} == {1, 2, 3, 4, 5, 9, 10, 11}
    assert objects.resolve("clusterSubState.0") == (*CLSMUXPD, 1, 8, 0)
    with pytest.raises(Refused, match="no such object"):
        objects.resolve("nosuch.0")
    with pytest.raises(Refused, match="line 1"):
        objects.read("x nowhere.1", "bad")


def test_the_mib_of_managers_names_every_number_that_the_agent_gives() -> None:
    """A manager that has loaded hacmp.my showed a secondary instance's state, and some traps, as bare numbers."""
    with open("etc/usr/es/sbin/cluster/hacmp.my", encoding="utf-8") as file:
        text = file.read()
    named = {
        name: {int(number) for number in re.findall(r"\w+\((\d+)\)", numbers)}
        for name, numbers in re.findall(r"(\w+) OBJECT-TYPE\s+SYNTAX\s+INTEGER \{([^}]*)\}", text)
    }
    for column, numbers_given in (
        ("clusterState", mib.CLUSTER_STATE),
        ("clusterSubState", mib.CLUSTER_SUBSTATE),
        ("nodeState", mib.NODE_STATE),
        ("netState", mib.NODE_STATE),
        ("addrRole", mib.ADDRESS_ROLE),
        ("netAttribute", mib.NETWORK_ATTRIBUTE),
        ("clstrmgrStatus", mib.CLSTRMGR_STATUS),
        ("resourceType", mib.RESOURCE_TYPE),
        ("resGroupStartupPolicy", mib.STARTUP_POLICY),
        ("resGroupFalloverPolicy", mib.FALLOVER_POLICY),
        ("resGroupFallbackPolicy", mib.FALLBACK_POLICY),
        ("resGroupSitePolicy", mib.SITE_POLICY),
        ("resGroupNodeState", mib.GROUP_STATE | mib.GROUP_OFFLINE_REASON),
    ):
        assert set(numbers_given.values()) <= named[column], column
    told = {number for pair in mib.EVENT_IDS.values() for number in pair}
    told |= {mib.NEW_PRIMARY, mib.CLUSTER_UNSTABLE, mib.CLUSTER_STABLE}
    known = {int(number) for number in re.findall(r"TRAP-TYPE[^=]*::= (\d+)", text)}
    told = {traps.EVENT_TRAP_BASE + number for number in told}
    told |= {number for name, number in vars(traps).items() if name.endswith("_TRAP")}
    assert told <= known


def test_what_managers_ask_for_is_counted() -> None:
    asked: list[tuple[str, int]] = []
    for kind, version in (("get", V1), ("next", V1), ("bulk", V2C)):
        packet = request(kind, 1, "public", [(*CLSMUXPD, 1, 4, 0)], version)
        answer(packet, ("public",), TREE, lambda kind, names: asked.append((kind, len(list(names)))))
    assert asked == [("get", 1), ("next", 1), ("next", 1)]


def test_the_picture_of_clinfo_and_its_changes() -> None:
    before = picture(TREE.below(CLSMUXPD))
    after = picture(subtree(snapshot(owner=2)).below(CLSMUXPD))
    assert before is not None
    assert after is not None
    assert (before.name, before.state, before.substate) == ("haes_cluster", "UP", "STABLE")
    assert [[i.label for i in node.interfaces] for node in before.nodes] == [["node1", "app_svc"], ["node2"]]
    assert [[(g.name, g.state) for g in node.groups] for node in after.nodes] == [[("app_rg", 4)], [("app_rg", 2)]]
    assert topology_changes(before, after) == [("swap", "app_svc")]
    assert topology_changes(None, before) == [("join", "node1"), ("join", "app_svc"), ("join", "node2")]
    assert picture([]) is None


def test_the_shipped_configuration_is_understood() -> None:
    with open("etc/snmpd.conf", encoding="utf-8") as file:
        shipped = snmp_configuration.parse(file.read())
    assert shipped.faults == ()
    assert shipped.public_community == "public"
    assert shipped.serves(CLSMUXPD)
    broken = snmp_configuration.parse("communty public\nsmux 1.x pw\n")
    assert len(broken.faults) == 2
    assert not broken.serves(CLSMUXPD)


class _Agent(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = answer(data, ("public",), TREE)
        if reply is not None:
            self.transport.sendto(reply, addr)


@pytest.mark.skipif(shutil.which("snmpwalk") is None, reason="Net-SNMP's snmpwalk is not installed")
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_net_snmp_walks_the_subtree(version: str) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Agent, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        process = await asyncio.create_subprocess_exec(
            *("snmpwalk", "-v", version, "-c", "public", "-On", "-Oe", "-t", "5", f"127.0.0.1:{port}"),
            dotted(CLSMUXPD),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        lines = [line for line in output.decode().splitlines() if "No more variables" not in line]
        assert process.returncode == 0
        assert len([line for line in lines if line.startswith(".1.3.6.1.4.1.2.3.1.2.1.5.")]) == len(TREE)
        assert '.1.3.6.1.4.1.2.3.1.2.1.5.1.2.0 = STRING: "haes_cluster"' in lines
        assert ".1.3.6.1.4.1.2.3.1.2.1.5.11.3.1.3.1.1 = INTEGER: 2" in lines
    finally:
        transport.close()


async def test_our_own_walk_and_a_silent_agent() -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Agent, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        assert await client.walk("127.0.0.1", port, "public", CLSMUXPD) == TREE.below(CLSMUXPD)
    finally:
        transport.close()
    await asyncio.sleep(0)
    with pytest.raises(client.NoAnswer):
        await client.walk("127.0.0.1", port, "public", CLSMUXPD, tries=1, wait=0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(client.NoAnswer):
            await client.walk("127.0.0.1", silent.getsockname()[1], "public", CLSMUXPD, tries=2, wait=0.05)


def test_a_tree_without_order_is_ordered() -> None:
    tree = MibTree([((1, 10), Value("integer", 2)), ((1, 2), Value("integer", 1))])
    assert tree.next((1,)) == ((1, 2), Value("integer", 1))
    assert tree.next((1, 2)) == ((1, 10), Value("integer", 2))
    assert tree.next((1, 10)) is None
