"""What a node says of itself for verification."""

from __future__ import annotations

import msgspec
import pytest

from daemons.clconfd import collector
from daemons.clstrmgr.messages import ClusterSnapshot
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import picture


def with_state(state: str, members: tuple[int, ...] = (1, 2)) -> ClusterSnapshot:
    """The sample's picture with its group in a state on the local node."""
    (group,) = picture().groups
    nodes = tuple(msgspec.structs.replace(n, state=state) if n.node == 1 else n for n in group.nodes)
    groups = (msgspec.structs.replace(group, nodes=nodes),)
    return msgspec.structs.replace(picture(), groups=groups, members=members)


@pytest.mark.parametrize(
    ("state", "members", "held"),
    [
        ("ONLINE", (1, 2), {"app_rg"}),
        ("UNMANAGED", (1, 2), {"app_rg"}),
        ("RELEASING", (1, 2), {"app_rg"}),
        ("OFFLINE", (1, 2), set()),
        ("UNKNOWN", (), set()),
    ],
)
def test_a_node_without_cluster_services_holds_no_group(
    state: str, members: tuple[int, ...], held: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a service address that was left active would pass as the group's."""
    monkeypatch.setattr(collector.manager, "query_state", lambda root: with_state(state, members))
    assert collector.services_state(NodeRoot("/")) == (bool(members), frozenset(held))
