"""Who may talk to clcomd: /etc/cluster/rhosts and the cluster's configuration. Pure, but for reading the files."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

import msgspec

from daemons.cluster import configuration
from srcctl.network.hosts import addresses_by_name
from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import OdmError, Repository

RHOSTS = "/etc/cluster/rhosts"


class AccessList(msgspec.Struct, frozen=True):
    """The addresses that may talk. ``faults`` are complaints about the file, for the log."""

    addresses: frozenset[str]
    faults: tuple[str, ...] = ()

    def admits(self, address: str) -> bool:
        """Whether a source address is listed."""
        return address in self.addresses


def parse_rhosts(text: str, identity: Identity, hosts: Mapping[str, str] | None = None) -> AccessList:
    """The addresses in a rhosts file: one address or host name a line, ``#`` begins a comment.

    ``hosts`` are the addresses of other names than those of nodes (/etc/hosts).
    """
    resolved = hosts or {}
    addresses: set[str] = set()
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        node = identity.node_by_name(word)
        if node is not None:
            addresses.update(node.addresses)
        elif _is_address(word):
            addresses.add(word)
        elif word in resolved:
            addresses.add(resolved[word])
        else:
            faults.append(f"{RHOSTS}, line {number}: {word} is not known")
    return AccessList(frozenset(addresses), tuple(faults))


def read(root: NodeRoot) -> AccessList:
    """The access list in force: rhosts, if its owner and mode are right, and the configured nodes' addresses."""
    addresses = _configured(root) | set(_own(root.identity))
    if complaint := fault(root):
        return AccessList(frozenset(addresses), (complaint,))
    try:
        with open(root.path(RHOSTS), encoding="utf-8", errors="replace") as file:
            listed = parse_rhosts(file.read(), root.identity, addresses_by_name(root))
    except OSError as error:
        return AccessList(frozenset(addresses), (f"{RHOSTS}: {error.strerror}",))
    return AccessList(listed.addresses | addresses, listed.faults)


def fault(root: NodeRoot) -> str:
    """Why the rhosts file is not read, "" if it is (a file that is not there lists nobody, which is no fault)."""
    try:
        status = os.stat(root.path(RHOSTS))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{RHOSTS}: {error.strerror}"
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid not in (0, os.geteuid()):
        return f"{RHOSTS} is ignored: its mode must be 0600 and its owner root"
    return ""


def _own(identity: Identity) -> tuple[str, ...]:
    return tuple(interface.address for interface in identity.interfaces)


def _configured(root: NodeRoot) -> set[str]:
    try:
        found = configuration.load(Repository(root, configuration.DCD))
    except (OdmError, configuration.ConfigurationFault):
        return set()
    return {label.address for label in found.labels if label.function == "boot"} if found else set()


def _is_address(word: str) -> bool:
    parts = word.split(".")
    return len(parts) == 4 and all(len(part) <= 3 and part.isdecimal() and int(part) < 256 for part in parts)
