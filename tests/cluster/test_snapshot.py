"""Snapshots: the file layout, what is no snapshot, conversion."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemons.cluster import configuration as configurations
from daemons.cluster import snapshot
from srcctl.odm.description import ObjectClass, parse
from tests.clmgr.sample import rich

DESCRIPTIONS = {d.name: d for d in parse((Path(__file__).parents[2] / "etc/objrepos/hacmp.cre").read_text())}
OLD = """<VER
1.0
</VER

<DSC
My Cluster Snapshot
</DSC

<ODM

HACMPcluster:
        id = 1106245917
        name = "HA52_TestCluster"
        nodename = "mynode"
        sec_level = "Standard"
        last_node_ids = "2,3"
        highest_node_id = 3
        last_network_ids = "3,6"
        highest_network_id = 6
        last_site_ids = " "
        highest_site_id = 0
        handle = 3
        cluster_version = 7
        reserved1 = 0
        reserved2 = 0
        wlm_subdir = " "

HACMPnode:
        name = "mynode"
        object = "VERBOSE_LOGGING"
        value = "high"
        node_id = 2
        node_handle = 2
        version = 7

HACMPtopsvcs:
        hbInterval = 1
        fibrillateCount = 4

</ODM
"""


def describe(name: str) -> ObjectClass:
    return DESCRIPTIONS[name]


def text_of_sample() -> str:
    return snapshot.text("two\nlines", configurations.objects_of(rich(), "node1"), describe)


def test_what_was_written_is_read_again() -> None:
    description, objects = snapshot.parse(text_of_sample())
    assert description == "two\nlines"
    fitting = snapshot.fitting(objects, describe)
    loaded = configurations.load(snapshot.Memory(fitting))
    assert loaded is not None
    assert (loaded.groups, loaded.monitors, loaded.dependencies, loaded.sites) == (
        rich().groups, rich().monitors, rich().dependencies, rich().sites,
    )  # fmt: skip


def test_the_layout_is_the_published_one() -> None:
    lines = text_of_sample().splitlines()
    assert lines[:10] == ["<VER", "1.0", "</VER", "", "<DSC", "two", "lines", "</DSC", "", "<ODM"]
    assert lines[10:13] == ["", "HACMPcluster:", f"\tid = {rich().cluster.id}"]
    assert lines[-1] == "</ODM"
    assert snapshot.description_of(OLD) == "My Cluster Snapshot"


@pytest.mark.parametrize(
    "content",
    ["", "nothing", "<VER\n1.0\n", OLD.replace("</ODM", ""), OLD.replace("<DSC", "<XYZ"),
     OLD.replace("HACMPcl", "HACMPx"),
     OLD.replace('= "mynode"', "= \"mynode")],
)  # fmt: skip
def test_what_is_no_snapshot_is_refused(content: str) -> None:
    with pytest.raises(snapshot.SnapshotError):
        snapshot.parse(content)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_file_is_a_snapshot_or_refused(content: str) -> None:
    for candidate in (content, OLD.replace("My Cluster", content)):
        try:
            snapshot.parse(candidate)
        except snapshot.SnapshotError:
            pass


def test_an_older_release_s_snapshot_is_converted_first() -> None:
    _, objects = snapshot.parse(OLD)
    with pytest.raises(snapshot.SnapshotError, match="clconvert_snapshot"):
        snapshot.fitting(objects, describe)
    converted, lost = snapshot.converted(objects, describe)
    assert lost == ["HACMPtopsvcs"]
    loaded = configurations.load(snapshot.Memory(snapshot.fitting(converted, describe)))
    assert loaded is not None
    assert (loaded.cluster.name, loaded.cluster.version, loaded.cluster.heartbeat_type) == ("HA52_TestCluster", 23, "U")
    assert loaded.nodes[0].id == 2
    anew = configurations.load(snapshot.Memory(snapshot.without_ids(converted)))
    assert anew is not None
    assert (anew.nodes[0].id, anew.cluster.highest_node_id, anew.cluster.last_node_ids) == (0, 0, ())


def test_names() -> None:
    assert snapshot.is_name("active.0")
    for name in ("", "../x", "a/b", ".hidden", "-x", "a b", "ä", "x" * 65):
        assert not snapshot.is_name(name)
