"""Whether this node's configuration is the one that was synchronized last."""

from __future__ import annotations

from daemons.caa import client as caa
from daemons.cluster import synchronization
from srcctl.node.root import NodeRoot


def state(root: NodeRoot) -> tuple[bool, bool]:
    """Whether this node has changes that were not synchronized, and whether there ever was a synchronization."""
    try:
        repository = caa.repository(root)
        commit = repository.read_commit()
        archive = repository.read_archive(commit) if commit is not None else None
    except (caa.CaaError, OSError):
        installed = synchronization.installed_generation(root)
        return installed == 0, installed != 0
    return synchronization.has_unsynchronized_changes(root, archive), commit is not None
