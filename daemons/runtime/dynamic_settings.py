"""The settings of the cluster configuration that stand in HACMPdynresop, for who needs a few of them and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srcctl.node.root import NodeRoot

CLASS = "HACMPdynresop"


def dynamic_settings(root: NodeRoot, directory: str) -> dict[str, str]:
    """Values by key, of the configuration in a directory (the default or the active one).

    Raises:
        OdmError: the object class cannot be read.
    """
    from srcctl.odm import Repository

    return {str(entry["key"]): str(entry["value"]) for entry in Repository(root, directory).get(CLASS)}
