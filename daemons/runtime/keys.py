"""Which key a connection is made under: the lab's before the first synchronization, the cluster's after it.

The lab's key exists from the lab's creation. The cluster's is made with the CAA cluster and handed to every member when
it joins. A member accepts the cluster's key only; it offers the lab's too, because a node that is about to become a
member has no other yet.
"""

from __future__ import annotations

import os

from srcctl.node.root import NodeRoot, replace_file

CLUSTER_KEY_FILE = "/etc/cluster/key"


def cluster_key(root: NodeRoot) -> bytes | None:
    """The key of the cluster that this node is a member of, None if it is none."""
    try:
        with open(root.path(CLUSTER_KEY_FILE), "rb") as file:
            return file.read() or None
    except OSError:
        return None


def _lab_key(root: NodeRoot) -> bytes:
    with open(root.identity.key, "rb") as file:
        return file.read()


def accepted(root: NodeRoot) -> list[bytes]:
    """The keys under which this node lets others in.

    Raises:
        OSError: the lab's key cannot be read (this is no process of the lab's owner).
    """
    cluster = cluster_key(root)
    return [cluster] if cluster is not None else [_lab_key(root)]


def offered(root: NodeRoot) -> list[bytes]:
    """The keys with which this node asks to be let in, the likelier one first.

    Raises:
        OSError: see ``accepted``.
    """
    cluster = cluster_key(root)
    return [cluster, _lab_key(root)] if cluster is not None else [_lab_key(root)]


def store_cluster_key(root: NodeRoot, key: bytes) -> None:
    """Keep the cluster's key (0600).

    Raises:
        OSError: it cannot be written.
    """
    if cluster_key(root) != key:
        os.makedirs(os.path.dirname(root.path(CLUSTER_KEY_FILE)), exist_ok=True)
        replace_file(root.path(CLUSTER_KEY_FILE), key, 0o600)


def forget_cluster_key(root: NodeRoot) -> None:
    """The node is no member any more."""
    try:
        os.unlink(root.path(CLUSTER_KEY_FILE))
    except FileNotFoundError:
        pass
