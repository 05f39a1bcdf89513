"""clmgr's actions and classes: their names, aliases, and which action works on which class. Data, imported by all."""

from __future__ import annotations

from typing import NamedTuple

ACTIONS: dict[str, tuple[str, ...]] = {
    "add": ("a", "create", "make", "mk"),
    "query": ("q", "ls", "get", "show", "list"),
    "modify": ("mod", "ch", "set", "change"),
    "delete": ("rm", "remove", "de", "er", "erase"),
    "online": ("on", "start"),
    "offline": ("off", "stop"),
    "move": ("mov", "mv"),
    "replace": ("rep", "switch", "swap"),
    "sync": ("sy", "synchronize"),
    "verify": ("ve",),
    "view": ("vi",),
    "manage": ("mg",),
    "discover": ("di",),
    "recover": ("rec",),
    "help": ("hp",),
}
"""Action: aliases."""


class Entry(NamedTuple):
    """A class: its aliases and its actions; ``absent`` says why none of them works here."""

    aliases: tuple[str, ...]
    actions: tuple[str, ...]
    absent: str = ""


_USUAL = ("add", "query", "modify", "delete")
_NO_LDAP = "there is no LDAP directory here"
_NO_REPLICATION = "disks are not replicated by a storage system here"
_NO_HMC = "nodes are no partitions that an HMC manages"

CLASSES: dict[str, Entry] = {
    "cluster": Entry(("cl",), (*_USUAL, "discover", "recover", "sync", "verify", "manage", "online", "offline")),
    "site": Entry(("st",), (*_USUAL, "online", "offline", "recover")),
    "node": Entry(("no",), (*_USUAL, "manage", "recover", "online", "offline")),
    "interface": Entry(("in", "if"), (*_USUAL, "discover")),
    "network": Entry(("ne", "nw"), _USUAL),
    "resource_group": Entry(("rg",), (*_USUAL, "online", "offline", "move")),
    "fallback_timer": Entry(("fa", "timer"), _USUAL),
    "persistent_ip": Entry(("pe", "pi"), _USUAL),
    "service_ip": Entry(("se", "si"), _USUAL),
    "application_controller": Entry(("ac", "app", "appctl", "application"), (*_USUAL, "manage")),
    "application_monitor": Entry(("am", "mon", "appmon"), _USUAL),
    "udresource_type": Entry((), _USUAL),
    "udresource": Entry((), _USUAL),
    "tape": Entry(("tp",), _USUAL),
    "dependency": Entry(("de",), _USUAL),
    "file_collection": Entry(("fc", "fi"), (*_USUAL, "sync")),
    "snapshot": Entry(("sn", "ss"), (*_USUAL, "view", "manage")),
    "method": Entry(("me",), (*_USUAL, "verify")),
    "volume_group": Entry(("vg",), (*_USUAL, "discover")),
    "logical_volume": Entry(("lv",), _USUAL),
    "file_system": Entry(("fs",), _USUAL),
    "physical_volume": Entry(("pv",), ("query", "modify", "discover", "replace")),
    "mirror_pool": Entry(("mp",), _USUAL),
    "repository": Entry(("rp", "repo"), ("add", "query", "delete", "replace", "modify")),
    "event": Entry(("ev",), _USUAL),
    "log": Entry(("lo",), ("query", "modify", "view", "manage")),
    "report": Entry(("re",), ("view",)),
    "hosts": Entry((), ("query",)),
    "user": Entry(("ur",), _USUAL),
    "group": Entry(("gp",), _USUAL),
    "ldap_server": Entry(("ls",), (), _NO_LDAP),
    "ldap_client": Entry(("lc",), (), _NO_LDAP),
    "efs": Entry((), (), "file systems are not encrypted here"),
    "storage_agent": Entry((), (), _NO_REPLICATION),
    "storage_system": Entry((), (), _NO_REPLICATION),
    "mirror_pair": Entry((), (), _NO_REPLICATION),
    "mirror_group": Entry((), (), _NO_REPLICATION),
    "hmc": Entry((), (), _NO_HMC),
    "cod": Entry((), (), _NO_HMC),
    "cec": Entry((), (), _NO_HMC),
    "nova": Entry((), (), _NO_HMC),
    "smart_assist": Entry((), (), "no smart assist is installed"),
}
"""Class: what it answers to. The classes without actions are the product's, too."""

OPERATIONS: dict[str, tuple[str, ...]] = {
    "cluster": ("reset", "unlock"),
    "node": ("undo_changes",),
    "application_controller": ("suspend", "resume"),
    "snapshot": ("restore",),
    "log": ("collect",),
}
"""What ``manage`` does with a class: the word after it."""

SINGLE = ("cluster",)
"""Classes with exactly one object: queried without a name."""
WITHOUT_CLUSTER = ("volume_group", "logical_volume", "file_system", "physical_volume", "mirror_pool", "hosts")
"""Classes of the node's own storage and network, which exist before a cluster does."""
LOG_LEVELS = ("error", "standard", "low", "med", "high", "max")


def refusal(action: str, class_name: str) -> str:
    """Why an action does not work on a class, "" if it does."""
    entry = CLASSES[class_name]
    if entry.absent:
        return f'the "{class_name}" class is not available: {entry.absent}.'
    if action not in entry.actions:
        return f'the "{action}" operation is not supported for the "{class_name}" class.'
    return ""


def table() -> list[str]:
    """Every class with every action, one a line: ``works``, or the text of the refusal."""
    return [
        f"{class_name:<24}{action:<10}{refusal(action, class_name) or 'works'}"
        for class_name in CLASSES
        for action in ACTIONS
        if action != "help"
    ]
