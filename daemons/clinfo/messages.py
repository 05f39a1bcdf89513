"""What clinfoES tells its clients on 6174/tcp: the cluster as the Clinfo library's structures have it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

SERVICE = "clinfo_client"
"""The entry of /etc/services."""


class InterfaceInfo(msgspec.Struct, frozen=True):
    """An address that a node has now (struct cl_netif). ``state`` is up, down or unknown."""

    label: str
    address: str
    network_id: int
    state: str


class GroupOnNode(msgspec.Struct, frozen=True):
    """A resource group's state on one node, in the number of resGroupNodeState."""

    name: str
    state: int


class NodeInfo(msgspec.Struct, frozen=True):
    """A node (struct cl_node)."""

    node_id: int
    name: str
    state: str
    interfaces: tuple[InterfaceInfo, ...] = ()
    groups: tuple[GroupOnNode, ...] = ()
    networks: tuple[NetworkInfo, ...] = ()


class NetworkInfo(msgspec.Struct, frozen=True):
    """A network as seen from one node."""

    network_id: int
    name: str
    state: str


class GroupInfo(msgspec.Struct, frozen=True):
    """A resource group's policies, in the numbers of resGroupTable (struct cl_group)."""

    name: str
    startup: int
    fallover: int
    fallback: int
    site_policy: int = 1


class ClusterInfo(msgspec.Struct, frozen=True):
    """A cluster (struct cl_cluster). ``state`` and ``substate`` are the words of the enumerations, in capitals."""

    cluster_id: int
    name: str
    state: str
    substate: str
    primary: str
    nodes: tuple[NodeInfo, ...] = ()
    groups: tuple[GroupInfo, ...] = ()


class Query(msgspec.Struct, frozen=True, tag="query"):
    """Ask for all clusters in reach."""


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    """Ask for all clusters now and after every change, until the connection is closed."""


class Clusters(msgspec.Struct, frozen=True, tag="clusters"):
    """The answer; empty while no agent answers. ``agent`` is the address that was read."""

    clusters: tuple[ClusterInfo, ...]
    agent: str = ""


Request: TypeAlias = Query | Watch
Answer: TypeAlias = Clusters
