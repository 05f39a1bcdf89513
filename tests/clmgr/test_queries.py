"""Query output in its shapes, and the states of cluster and nodes."""

from __future__ import annotations

import msgspec
import pytest

from daemons.clmgr import queries
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.queries import inquiry
from daemons.clmgr.queries.attributes import shown as shown_attributes
from daemons.clmgr.queries.cluster import cluster_state, sections
from daemons.clmgr.queries.shapes import render
from tests.clmgr.sample import asked, done, facts, golden, picture, rich, sample, shown


def test_query_shapes() -> None:
    assert shown("-a", "state", "query", "cluster") == golden("clmgr/state_query_cluster.txt")
    assert shown("-cv", "-a", "name,state,raw_state", "query", "node") == golden("clmgr/colon_query_node.txt")
    assert shown("query", "node") == "node1\nnode2\n"
    assert shown("query", "resource_group", "app_rg") == golden("clmgr/query_resource_group.txt")
    assert shown("-cS", "-a", "NAME,CURRENT_NODE", "q", "rg") == "app_rg:node1\n"
    assert "<NAME>app_rg</NAME>" in shown("-x", "q", "rg", "app_rg")
    assert all(line.count("=") == 1 for line in shown("query", "cluster").splitlines())
    with pytest.raises(ClmgrError, match="NOSUCH"):
        shown("-a", "nosuch", "query", "cluster")


@pytest.mark.parametrize(
    "class_name",
    ["cluster", "node", "site", "network", "interface", "persistent_ip", "service_ip", "application_controller",
     "application_monitor", "tape", "dependency", "fallback_timer", "file_collection", "method", "event", "log",
     "repository"],
)  # fmt: skip
def test_every_class_as_it_is_printed(class_name: str) -> None:
    c = done(rich(), "modify", "cluster", "REPOSITORIES=hdisk1,hdisk3")
    text = shown("-v", "query", class_name, c=c)
    assert text == golden(f"clmgr/query_{class_name}.txt")


def test_wildcards_and_delimiters() -> None:
    c = rich()
    assert shown("-a", "*_ON_START", "-c", "q", "node", c=c).splitlines()[0] == (
        "# BROADCAST_ON_START:CLINFO_ON_START:VERIFY_ON_START"
    )
    assert shown("-a", "name,n?des", "-d", "|", "-S", "q", "site", c=c) == "east|node1\nwest|node2\n"
    assert shown("-a", "REPOSITORIES", "-d", "(", "-S", "q", "cluster") == "hdisk1 \\(00f9000000000001)\n"


def test_sections_of_the_cluster() -> None:
    (block,) = queries.query("cluster", sample(), facts())
    assert [name for name, _ in sections(["SPLIT-MERGE"], block)][:2] == ["SPLIT_POLICY", "MERGE_POLICY"]
    assert sections(["security", "core"], block)[0] == ("CLUSTER_NAME", "haes_cluster")
    assert sections(["HMC"], block) == []
    with pytest.raises(ClmgrError) as caught:
        inquiry._named(asked("q", "cl", "nosuch"), [block])
    assert caught.value.code == 2
    assert inquiry._named(asked("q", "cl", "haes_cluster"), [block]) == [block]


def test_objects_are_chosen_by_attributes() -> None:
    blocks = queries.query("node", rich(), facts())
    assert inquiry.selected(asked("q", "node", "site=west").attributes, blocks, "node") == blocks[1:]
    with pytest.raises(ClmgrError, match="COLOUR"):
        inquiry.selected(asked("q", "node", "colour=red").attributes, blocks, "node")


@pytest.mark.parametrize("class_name", [*queries.CLASSES, *inquiry.ELSEWHERE])
def test_an_attribute_that_a_class_does_not_have_is_refused_also_without_objects(class_name: str) -> None:
    with pytest.raises(ClmgrError, match="COLOUR"):
        inquiry.selected({"COLOUR": "red"}, [], class_name)
    with pytest.raises(ClmgrError, match="COLOUR"):
        render(asked("-a", "colour", "q", class_name), [], names_only=True)
    if class_name not in ("cluster", "user", "group"):  # these always have objects
        assert inquiry.selected({"NAME": "x"}, [], class_name) == []
        assert render(asked("-a", "name", "q", class_name), [], names_only=True) == []


def test_the_attributes_of_a_class_are_those_that_its_objects_have() -> None:
    c = done(rich(), "modify", "cluster", "REPOSITORIES=hdisk1,hdisk3")
    c = done(c, "add", "method", "call", "TYPE=notify", "FILE=/m", "CONTACT=me", "NODES=node1")
    c = done(c, "add", "dependency", "START=web_rg", "AFTER=db_rg")
    for class_name in queries.CLASSES:
        if class_name != "cluster":
            shown_ones = {name for block in queries.query(class_name, c, facts()) for name, _ in block}
            missing = set(shown_attributes(class_name)) - shown_ones
            assert not shown_ones - set(shown_attributes(class_name)), class_name
            assert missing <= ({"SECONDARYNODES", "MIRROR_GROUP"} if class_name == "resource_group" else set())


def test_objects_with_different_attributes_stand_in_the_same_columns() -> None:
    c = done(rich(), "add", "method", "call", "TYPE=notify", "FILE=/m", "CONTACT=me", "NODES=node1")
    custom, *_, told = queries.query("method", c, facts())
    assert dict(custom).keys() != dict(told).keys()
    header, *rows = shown("-c", "q", "method", c=c).splitlines()
    assert all(row.count(":") == header.count(":") for row in rows)
    assert shown("-cS", "-a", "name,contact,source", "q", "method", c=c).splitlines()[-1] == "call:me:"
    assert shown("-a", "CONTACT", "q", "method", "call", c=c) == 'CONTACT="me"\n'
    assert 'CONTACT="me"' in shown("-a", "contact", "q", "method", c=c)
    blocks = queries.query("method", c, facts())
    assert inquiry.selected({"CONTACT": "me"}, blocks, "method") == [told]


def test_attributes_that_are_shown_may_be_abbreviated() -> None:
    assert shown("-a", "stat", "q", "cluster") == shown("-a", "STATE", "q", "cluster")
    with pytest.raises(ClmgrError, match="ambiguous: NETWORK, NETMASK"):
        shown("-a", "net", "q", "node", "node1")


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
    views = {
        f"node{n}": msgspec.structs.replace(picture(), state=state, services=up)
        for n, (state, up) in enumerate(zip(states, services, strict=True), 1)
    }
    assert cluster_state(sample(), facts(views=views)) == expected


def test_states_of_a_cluster_that_is_not_there_yet() -> None:
    assert cluster_state(sample(), facts(ever_synchronized=False)) == "NOT_CONFIGURED"
    assert cluster_state(sample(), facts(views={"node1": None})) == "UNKNOWN"
