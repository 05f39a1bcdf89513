"""Which tunables of CAA follow from the cluster configuration."""

from __future__ import annotations

import pytest

from daemons.caa.tunables import TUNABLES as OF_CAA
from daemons.clmgr.settings import TUNABLES, tunable_value
from daemons.clmgr.synchronization.configured_tunables import configured_tunables
from daemons.cluster.configuration import Cluster, Configuration
from daemons.cluster.configuration.topology import Site


def configuration(merge: str = "", quarantine: str = "", sites: bool = False) -> Configuration:
    made = Configuration(
        cluster=Cluster(id=1, name="c"),
        split_merge=(("merge", merge),) if merge else (),
        sites=(Site(name="left", nodes=("a",)), Site(name="right", nodes=("b",))) if sites else (),
    )
    return made.with_setting("QUARANTINE_POLICY", quarantine) if quarantine else made


@pytest.mark.parametrize(
    ("merge", "quarantine", "local", "between_sites"),
    [
        ("", "", "m", "h"),
        ("Majority", "", "m", "h"),
        ("Majority", "fencing", "h", "h"),
        ("None", "", "n", "h"),
        ("None", "node_halt", "n", "h"),
        ("TieBreaker", "", "h", "h"),
        ("NFS", "", "h", "h"),
        ("Manual", "", "h", "m"),
        ("Priority", "", "h", "p"),
    ],
)
def test_merge_policies_follow_from_those_of_the_cluster(
    merge: str, quarantine: str, local: str, between_sites: str
) -> None:
    found = configured_tunables(configuration(merge, quarantine, sites=True))
    assert (found["local_merge_policy"], found["site_merge_policy"]) == (local, between_sites)
    assert "site_merge_policy" not in configured_tunables(configuration(merge, quarantine))


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("SITE_HEARTBEAT_CYCLE", "10", "10"),
        ("SITE_GRACE_PERIOD", "30", "30000"),
        ("CAA_PVM_WATCHDOG_TIMER", "hard_power_off", "hard_power_off"),
        ("CAA_PVM_WATCHDOG_TIMER", "dump_restart", "dump_restart"),
        ("CAA_REPOS_MODE", "assert", "a"),
    ],
)
def test_an_attribute_is_a_tunable_that_caa_takes(attribute: str, value: str, expected: str) -> None:
    assert tunable_value(attribute, value) == expected
    assert OF_CAA[TUNABLES[attribute][0]].fault(expected) is None
    assert configured_tunables(configuration().with_setting(attribute, value))[TUNABLES[attribute][0]] == expected
