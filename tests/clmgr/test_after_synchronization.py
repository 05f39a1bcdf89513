"""What a synchronization tells CAA: sites, multicast groups, and the tunables that it has otherwise."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from daemons.caa import client, commands, multicast, sites
from daemons.caa.messages import Membership, Status
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.settings import site_key
from daemons.clmgr.synchronization.tunables import tune
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import sample

ROOT = NodeRoot("/nowhere")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    told: list[tuple[object, ...]] = []
    membership = Membership(1, 1, (1,), (), (), True, "c", "")
    monkeypatch.setattr(client, "status", lambda root: Status(membership, tunables=(("communication_mode", "u"),)))
    monkeypatch.setattr(sites, "assign", lambda root, wanted: told.append(("sites", *wanted)))
    monkeypatch.setattr(multicast, "assign", lambda root, cluster, by_site: told.append((cluster, by_site)))
    monkeypatch.setattr(commands, "clctrl", lambda words: bool(told.append(tuple(words[2:]))))
    return told


def test_the_multicast_addresses_of_the_cluster_and_its_sites(told: list[tuple[object, ...]]) -> None:
    c = sample()
    c = replace(c, cluster=replace(c.cluster, heartbeat_type="C"), multicast_address="228.1.2.3")
    named = [site.name for site in c.sites]
    if named:
        c = c.with_setting(site_key(named[0], "SITE_IP"), "228.1.2.4")
    tune(ROOT, c)
    assert told[0] == ("sites", *named)
    assert told[1] == ("228.1.2.3", {name: "228.1.2.4" if name == named[0] else "" for name in named})
    assert ("-o", "communication_mode=m") in zip(told[2], told[2][1:], strict=False)


def test_a_new_cluster_is_told_how_its_heartbeats_travel(told: list[tuple[object, ...]]) -> None:
    tune(ROOT, sample())
    words = told.pop()
    assert "communication_mode=u" not in words, "CAA has it already"
    tune(ROOT, sample(), new=True)
    assert "communication_mode=u" in told.pop()


def test_an_address_that_caa_refuses_is_said(told: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(root: NodeRoot, cluster: str, by_site: dict[str, str]) -> None:
        raise client.CaaError("node2: it is off")

    monkeypatch.setattr(multicast, "assign", refuse)
    with pytest.raises(ClmgrError, match=r"CAA does not use the multicast address: node2: it is off"):
        tune(ROOT, sample())


def test_an_unstable_cluster_is_said_to_be_so_in_the_product_s_words() -> None:
    from daemons.clmgr.synchronization.dare import complaint_of
    from daemons.clstrmgr.client import Refused
    from daemons.clstrmgr.messages import Done

    assert complaint_of(Refused(Done("busy", "later"))).startswith("the cluster is not currently in a stable state")
    assert complaint_of(Refused(Done("denied", "no"))) == "no"
