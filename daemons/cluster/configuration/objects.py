"""ODM objects as this package reads and writes them: where the classes live, and values of known types out of them."""

from __future__ import annotations

from typing import Protocol

DCD = "/etc/es/objrepos"
SCD = "/usr/es/sbin/cluster/etc/objrepos/stage"
ACD = "/usr/es/sbin/cluster/etc/objrepos/active"

CHANGE_LOCK = f"{DCD}/.clmgr.lock"
"""Held by whoever changes classes in the DCD, so that nobody sees or saves half of a change."""
CHANGE_JOURNAL = f"{DCD}/.clmgr.journal"
"""What a change is about to write: it is completed by the next one if it was interrupted."""

CLUSTER_VERSION = 23
"""HACMPcluster.cluster_version and CLversion of 7.2.7."""

CLASSES = (
    "HACMPcluster",
    "HACMPnode",
    "HACMPnetwork",
    "HACMPadapter",
    "HACMPsite",
    "HACMPgroup",
    "HACMPresource",
    "HACMPserver",
    "HACMPmonitor",
    "HACMPrgdependency",
    "HACMPrg_loc_dependency",
    "HACMPtimer",
    "HACMPtimersvc",
    "HACMPsircol",
    "HACMPsplitmerge",
    "HACMPdynresop",
    "HACMPfilecollection",
    "HACMPfcfile",
    "HACMPcustom",
    "HACMPpager",
    "HACMPtape",
    "HACMPude",
    "HACMPudres_def",
    "HACMPudresource",
    "HACMPlogs",
    "HACMPevent",
)
"""The classes that synchronization carries from node to node, and that a snapshot holds."""
SEEDED_CLASSES = ("HACMPlogs", "HACMPevent", "HACMPfilecollection", "HACMPfcfile")
"""Of these every node has objects from its installation on; deleting a cluster does not empty them."""

OdmObject = dict[str, str | int]

DIGITS_MAX = 18
"""Digits of a number in an attribute that counts as one."""


class Repository(Protocol):
    """What this package needs of ``srcctl.odm.Repository``."""

    def get(self, class_name: str, criteria: str | None = None) -> list[OdmObject]: ...

    def replace_all(self, class_name: str, objects: list[OdmObject]) -> None: ...


class ConfigurationFault(Exception):
    """The object classes define no cluster, or contradict each other: then the text names the class and the object."""


def text(o: OdmObject, field: str) -> str:
    """A character field without the blanks around it."""
    return str(o.get(field, "")).strip()


def number(o: OdmObject, field: str) -> int:
    """A numeric field, 0 where it is empty.

    Raises:
        ConfigurationFault: it is no number.
    """
    try:
        return int(o.get(field, 0) or 0)
    except ValueError:
        raise ConfigurationFault(f"{field} is {o[field]!r}, not a number") from None


def whole_number(value: str, default: int) -> int:
    """A whole number that an administrator may have set; what is none, or has more digits than make sense, counts as
    not set. (str.isdigit also knows digits that int refuses, as "²", and int has a limit of digits.)
    """
    digits = value.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX else default


def numbers(o: OdmObject, field: str) -> tuple[int, ...]:
    """A list of numbers separated by commas.

    Raises:
        ConfigurationFault: it is none.
    """
    try:
        return tuple(int(part) for part in text(o, field).split(",") if part.strip())
    except ValueError:
        raise ConfigurationFault(f"{field} is {o[field]!r}, not a list of numbers") from None


def pairs_by_name(objects: list[OdmObject]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Classes with one object an attribute (``object``, ``value``): the pairs of each ``name``, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for o in objects:
        found.setdefault(text(o, "name"), []).append((text(o, "object"), text(o, "value")))
    return {name: tuple(pairs) for name, pairs in found.items()}
