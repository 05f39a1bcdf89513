"""What a synchronization tells CAA: sites, multicast groups, and the tunables that it has otherwise."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from daemons.caa import client, commands, formation
from daemons.caa.messages import Membership, Node, Status
from daemons.caa.repository import Definition
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.settings import site_key
from daemons.clmgr.synchronization.tunables import tune
from daemons.cluster.configuration import Site
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import sample

ROOT = NodeRoot("/nowhere")


class Cluster:
    """A CAA cluster without nodes to tell: its definition, and the words of each ``clctrl``."""

    def __init__(self) -> None:
        nodes = tuple(Node(number, node.name, "", ()) for number, node in enumerate(sample().nodes, 1))
        self.definition = Definition("c", "", "", nodes, (), len(nodes))
        self.words: list[tuple[str, ...]] = []

    def change(self, root: NodeRoot, changed: Callable[[Definition], Definition]) -> None:
        self.definition = changed(self.definition)

    def clctrl(self, words: list[str]) -> int:
        self.words.append(tuple(words[2:]))
        return 0


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    membership = Membership(1, 1, (1,), (), (), True, "c", "")
    monkeypatch.setattr(client, "status", lambda root: Status(membership, tunables=(("communication_mode", "u"),)))
    monkeypatch.setattr(formation, "change_definition", cluster.change)
    monkeypatch.setattr(commands, "clctrl", cluster.clctrl)
    return cluster


def test_the_multicast_addresses_of_the_cluster_and_its_sites(cluster: Cluster) -> None:
    c = sample()
    first, *others = [
        Site(name=name, nodes=(node.name,)) for name, node in zip(("east", "west"), c.nodes, strict=False)
    ]
    c = replace(
        c, cluster=replace(c.cluster, heartbeat_type="C"), multicast_address="228.1.2.3", sites=(first, *others)
    )
    tune(ROOT, c.with_setting(site_key(first.name, "SITE_IP"), "228.1.2.4"))
    assert cluster.definition.multicast == "228.1.2.3"
    assert [(site.name, site.nodes, site.multicast) for site in cluster.definition.sites] == [
        (first.name, first.nodes, "228.1.2.4"), *((site.name, site.nodes, "") for site in others)
    ]  # fmt: skip
    (words,) = cluster.words
    assert ("-o", "communication_mode=m") in itertools.pairwise(words)


def test_a_new_cluster_is_told_how_its_heartbeats_travel(cluster: Cluster) -> None:
    tune(ROOT, sample())
    assert "communication_mode=u" not in cluster.words.pop(), "CAA has it already"
    tune(ROOT, sample(), new=True)
    assert "communication_mode=u" in cluster.words.pop()


@pytest.mark.usefixtures("cluster")
def test_an_address_that_caa_refuses_is_said() -> None:
    with pytest.raises(ClmgrError, match=r"CAA does not use the multicast address: 10.0.0.1 is not"):
        tune(ROOT, replace(sample(), multicast_address="10.0.0.1"))


def test_an_unstable_cluster_is_said_to_be_so_in_the_product_s_words() -> None:
    from daemons.clmgr.synchronization.dare import complaint_of
    from daemons.clstrmgr.client import Refused
    from daemons.clstrmgr.messages import Done

    assert complaint_of(Refused(Done("busy", "later"))).startswith("the cluster is not currently in a stable state")
    assert complaint_of(Refused(Done("denied", "no"))) == "no"
