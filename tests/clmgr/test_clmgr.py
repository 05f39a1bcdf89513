"""clmgr's grammar, edits and query shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.clmgr import edits, grammar, queries
from daemons.clmgr.errors import ClmgrError
from daemons.clstrmgr.messages import ClusterSnapshot, GroupNodeView, GroupView, NodeView
from daemons.cluster.configuration import Configuration
from srcctl.node.root import Identity, Interface, LabNode

GOLDEN = Path(__file__).parent.parent / "golden" / "clmgr"
IDENTITY = Identity(
    "lab", "/lab", "/key", "", "", "", "node1", 1, 10.0, "view", "",
    (Interface("en0", "net_ether_01", "127.9.9.1", "255.255.255.192"),),
    (LabNode("node1", 1, ("127.9.9.1",)), LabNode("node2", 2, ("127.9.9.2",))),
)  # fmt: skip
HOSTS = {"app_svc": "127.9.9.33", "other_svc": "127.9.9.34"}


def asked(*words: str) -> grammar.Request:
    return grammar.parse(list(words))


def sample() -> Configuration:
    c = edits.add_cluster(asked("add", "cluster", "haes_cluster", "NODES=node1,node2"), IDENTITY, "00f9000000000001")
    for words in (
        ("service_ip", "app_svc", "NETWORK=net_ether_01"),
        ("application_controller", "counter_app", "STARTSCRIPT=/a/start", "STOPSCRIPT=/a/stop"),
        ("rg", "app_rg", "nodes=node1,node2", "FALLBACK=NFB", "SERVICE_LABEL=app_svc", "APPLICATIONS=counter_app"),
    ):
        c = edits.add(asked("add", *words), c, HOSTS, IDENTITY)
    return c


def picture(owner: int = 1) -> ClusterSnapshot:
    return ClusterSnapshot(
        cluster_id=1,
        cluster_name="haes_cluster",
        state="ST_STABLE",
        services=True,
        cluster_state="up",
        substate="stable",
        local_node=1,
        local_name="node1",
        members=(1, 2),
        nodes=(NodeView(1, "node1", "up"), NodeView(2, "node2", "up")),
        groups=(
            GroupView(
                1, "app_rg", "OHN", "FNPN", "NFB",
                tuple(GroupNodeView(n, "ONLINE" if n == owner else "OFFLINE") for n in (1, 2)),
            ),
        ),
    )  # fmt: skip


def facts(**more: object) -> queries.Facts:
    views = {"node1": picture(), "node2": picture()}
    given_facts = {"local": "node1", "views": views, "picture": picture(), "disks": {"00f9000000000001": "hdisk1"}}
    return queries.Facts(**{**given_facts, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "action", "class_name", "names"),
    [
        (("query", "cluster"), "query", "cluster", []),
        (("QueRY", "cLUsteR"), "query", "cluster", []),
        (("q", "cl"), "query", "cluster", []),
        (("list", "nodes"), "query", "node", []),
        (("ls", "rg", "app_rg"), "query", "resource_group", ["app_rg"]),
        (("stop", "node", "n1,n2"), "offline", "node", ["n1", "n2"]),
        (("query", "serviceIP", "x"), "query", "service_ip", ["x"]),
        (("mv", "rg", "demo", "nODe=B"), "move", "resource_group", ["demo"]),
        (("sync", "cluster"), "sync", "cluster", []),
    ],
)
def test_intent_is_recognized(words: tuple[str, ...], action: str, class_name: str, names: list[str]) -> None:
    request = asked(*words)
    assert (request.action, request.class_name, request.names) == (action, class_name, names)


def test_flags_and_attributes() -> None:
    request = asked("-cSv", "-a", "name,State", "query", "node", "startscript='/x y'", "NODES=a")
    assert (request.delimiter, request.header, request.verbose, request.only) == (":", False, True, ["NAME", "STATE"])
    assert request.attributes == {"STARTSCRIPT": "/x y", "NODES": "a"}
    assert asked("-d", "|", "q", "no").delimiter == "|"


@pytest.mark.parametrize(
    "words",
    [
        ("fly", "cluster"),
        ("query", "nonsense"),
        ("query", "snapshot"),
        ("add", "repository"),
        ("-y", "q", "cl"),
        ("-a",),
        ("-l", "loud", "q", "cl"),
    ],
)
def test_nonsense_is_refused_in_words(words: tuple[str, ...]) -> None:
    with pytest.raises(ClmgrError):
        asked(*words)


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_command_line_is_understood_or_refused(words: list[str]) -> None:
    try:
        grammar.parse(words)
    except ClmgrError:
        pass


def test_the_sample_cluster_is_what_was_asked_for() -> None:
    c = sample()
    assert [(entry.label, entry.function, entry.address) for entry in c.labels] == [
        ("node1", "boot", "127.9.9.1"),
        ("node2", "boot", "127.9.9.2"),
        ("app_svc", "service", "127.9.9.33"),
    ]
    group = c.group("app_rg")
    assert group is not None
    assert group.nodes == ("node1", "node2")
    assert group.resources == (("SERVICE_LABEL", "app_svc"), ("APPLICATIONS", "counter_app"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "rg", "app_rg", "NODES=node1"), 4),
        (("add", "rg", "x"), 3),
        (("add", "rg"), 3),
        (("add", "rg", "x", "NODES=node9"), 2),
        (("add", "rg", "x", "NODES=node1", "STARTUP=SOON"), 4),
        (("add", "rg", "x", "NODES=node1", "APPLICATIONS=nosuch"), 2),
        (("add", "rg", "bad/name", "NODES=node1"), 4),
        (("add", "service_ip", "app_svc"), 4),
        (("add", "service_ip", "unknown_svc"), 5),
        (("add", "service_ip", "other_svc", "NETWORK=nosuch"), 2),
        (("add", "ac", "counter_app", "STARTSCRIPT=/a", "STOPSCRIPT=/b"), 4),
        (("add", "ac", "x", "STARTSCRIPT=/a"), 3),
        (("add", "ac", "x", "STARTSCRIPT=a", "STOPSCRIPT=/b"), 4),
        (("add", "node", "node1"), 4),
        (("add", "node", "node7"), 5),
        (("modify", "rg", "nosuch"), 2),
        (("modify", "cluster", "COLOUR=red"), 4),
        (("delete", "rg", "nosuch"), 2),
        (("delete", "ac", "counter_app"), 5),
        (("delete", "service_ip", "app_svc"), 5),
        (("delete", "node", "node2"), 5),
    ],
)
def test_refusals_carry_their_codes(words: tuple[str, ...], code: int) -> None:
    request, c = asked(*words), sample()

    def carry_out() -> None:
        if request.action == "add":
            edits.add(request, c, HOSTS, IDENTITY)
        else:
            (edits.modify if request.action == "modify" else edits.delete)(request, c)

    with pytest.raises(ClmgrError) as caught:
        carry_out()
    assert caught.value.code == code


def test_modify_and_delete() -> None:
    c = edits.modify(asked("modify", "rg", "app_rg", "FALLBACK=FBHPN", "APPLICATIONS="), sample())
    group = c.group("app_rg")
    assert group is not None
    assert (group.fallback, group.resources) == ("FBHPN", (("SERVICE_LABEL", "app_svc"),))
    c = edits.delete(asked("delete", "ac", "counter_app"), c)
    assert c.controllers == ()
    c = edits.delete(asked("rm", "rg", "app_rg"), c)
    c = edits.delete(asked("rm", "node", "node2"), c)
    assert [entry.label for entry in c.labels] == ["node1", "app_svc"]


def shown(*words: str, **more: object) -> str:
    request = asked(*words)
    blocks = queries.QUERIES[request.class_name](sample(), facts(**more))
    names_only = not request.names and request.class_name != "cluster"
    if request.names:
        blocks = [block for block in blocks if block[0][1] in request.names]
    return "\n".join(grammar.render(request, blocks, names_only)) + "\n"


def golden(name: str) -> str:
    witness, _, expected = (GOLDEN / name).read_text().partition("\n")
    assert witness.startswith(("# witness:", "# inferred"))
    return expected


def test_query_shapes() -> None:
    assert shown("-a", "state", "query", "cluster") == golden("state_query_cluster.txt")
    assert shown("-cv", "-a", "name,state,raw_state", "query", "node") == golden("colon_query_node.txt")
    assert shown("query", "node") == "node1\nnode2\n"
    assert shown("query", "resource_group", "app_rg") == golden("query_resource_group.txt")
    assert shown("-cS", "-a", "NAME,CURRENT_NODE", "q", "rg") == "app_rg:node1\n"
    assert "<NAME>app_rg</NAME>" in shown("-x", "q", "rg", "app_rg")
    assert all(line.count("=") == 1 for line in shown("query", "cluster").splitlines())
    with pytest.raises(ClmgrError, match="NOSUCH"):
        shown("-a", "nosuch", "query", "cluster")


@pytest.mark.parametrize(
    ("states", "services", "expected"),
    [
        (("ST_STABLE", "ST_STABLE"), (True, True), "STABLE"),
        (("ST_STABLE", "ST_RP_RUNNING"), (True, True), "UNSTABLE"),
        (("ST_STABLE", "ST_RP_FAILED"), (True, True), "ERROR"),
        (("ST_INIT", "ST_INIT"), (False, False), "OFFLINE"),
        (("ST_STABLE", "ST_STABLE"), (True, False), "WARNING"),
        (("ST_STABLE", "ST_INIT"), (True, False), "STABLE"),
    ],
)
def test_cluster_state(states: tuple[str, str], services: tuple[bool, bool], expected: str) -> None:
    import msgspec

    views = {
        f"node{n}": msgspec.structs.replace(picture(), state=state, services=up)
        for n, (state, up) in enumerate(zip(states, services, strict=True), 1)
    }
    assert queries.cluster_state(sample(), facts(views=views)) == expected


def test_states_of_a_cluster_that_is_not_there_yet() -> None:
    assert queries.cluster_state(sample(), facts(ever_synchronized=False)) == "NOT_CONFIGURED"
    assert queries.cluster_state(sample(), facts(views={"node1": None})) == "UNKNOWN"
