"""The RSCT node id, 16 hexadecimal digits: /var/ct/cfg/ct_node_id, and a copy of it in /etc/ct_node_id.

A node has one whether it is in a domain or not. In a domain it follows from CAA's uuid of the node, so that every node
knows those of the others (inferred, as is that a file holds the digits and nothing else).
"""

from __future__ import annotations

import os

from srcctl.node.root import NodeRoot, replace_file

FILES = ("/var/ct/cfg/ct_node_id", "/etc/ct_node_id")


def node_id(uuid: str) -> str:
    """The id of a node of a domain."""
    return uuid.replace("-", "")[:16].lower().ljust(16, "0")


def stored(root: NodeRoot) -> str:
    """The id in this node's file, "" if it has none."""
    try:
        with open(root.path(FILES[0]), encoding="ascii") as file:
            found = file.readline().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return found if len(found) == 16 and not found.strip("0123456789abcdef") else ""


def store(root: NodeRoot, wanted: str) -> None:
    """Have both files hold an id.

    Raises:
        OSError: they cannot be written.
    """
    if stored(root) == wanted and os.path.exists(root.path(FILES[1])):
        return
    for name in FILES:
        path = root.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace_file(path, f"{wanted}\n".encode())


def make(root: NodeRoot) -> str:
    """A new id for a node that is in no domain.

    Raises:
        OSError: it cannot be written.
    """
    made = os.urandom(8).hex()
    store(root, made)
    return made
