"""What RMC commands and ctrmc say to each other, over ``/var/ct/rmcd.sock`` on the node and 657/tcp between nodes."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from daemons.ctrmc.model import Action, AuditRecord, Condition, Registry

SOCKET_PATH = "/var/ct/rmcd.sock"
SERVICE = "rmc"
"""The entry of /etc/services."""

Attribute: TypeAlias = int | float | str | None


class ListRegistry(msgspec.Struct, frozen=True, tag="list"):
    """Ask for all conditions, responses and associations."""


class ListResources(msgspec.Struct, frozen=True, tag="resources"):
    """Ask for the resources of a class with their attributes, measured now; an empty class lists the class names."""

    resource_class: str = ""
    selection: str = ""


class ListAudit(msgspec.Struct, frozen=True, tag="audit"):
    """Ask for the audit log."""


class RemoveAudit(msgspec.Struct, frozen=True, tag="remove_audit"):
    """rmaudrec: remove the records that a select string chooses; ``subsystem`` limits it to those of one."""

    selection: str
    subsystem: str = ""


class Define(msgspec.Struct, frozen=True, tag="define"):
    """mkcondition, or chcondition when ``change``: ``new_name`` renames. A lock is changed by itself."""

    condition: Condition
    change: bool = False
    new_name: str = ""


class DefineResponse(msgspec.Struct, frozen=True, tag="define_response"):
    """mkresponse with the actions of the new response."""

    name: str
    actions: tuple[Action, ...] = ()


class ChangeResponse(msgspec.Struct, frozen=True, tag="change_response"):
    """chresponse: add an action, delete one by name, rename the response, or lock and unlock it."""

    name: str
    add: Action | None = None
    delete: str = ""
    new_name: str = ""
    locked: bool | None = None


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """rmcondition or rmresponse (``kind``); ``force`` also breaks its associations."""

    kind: str
    name: str
    force: bool = False


class Associate(msgspec.Struct, frozen=True, tag="associate"):
    """mkcondresp (``state`` "make"), startcondresp ("start"), stopcondresp ("stop"), rmcondresp ("remove").

    Without responses, start and stop mean all responses linked with the condition. "lock" and "unlock" are the flags -L
    and -U of startcondresp and its kin.
    """

    condition: str
    responses: tuple[str, ...]
    state: str


class Outcome(msgspec.Struct, frozen=True, tag="outcome"):
    """How a request ended: ``error`` is a message with its id, empty on success."""

    error: str = ""
    code: int = 0


class RegistryReply(msgspec.Struct, frozen=True, tag="registry"):
    """The answer to ``ListRegistry``. ``failed`` names monitored conditions whose resources cannot be measured."""

    node: str
    registry: Registry
    failed: tuple[str, ...] = ()


class Resource(msgspec.Struct, frozen=True):
    """One resource: persistent and dynamic attributes in display order."""

    name: str
    persistent: dict[str, Attribute]
    dynamic: dict[str, Attribute]


class ResourcesReply(msgspec.Struct, frozen=True, tag="resources_reply"):
    """The answer to ``ListResources``."""

    resources: tuple[Resource, ...] = ()
    classes: tuple[str, ...] = ()
    error: str = ""


class AuditReply(msgspec.Struct, frozen=True, tag="audit_reply"):
    """The answer to ``ListAudit``, oldest first."""

    records: tuple[AuditRecord, ...]


Definition: TypeAlias = Define | DefineResponse | ChangeResponse | Remove | Associate
Request: TypeAlias = ListRegistry | ListResources | ListAudit | RemoveAudit | Definition
Answer: TypeAlias = Outcome | RegistryReply | ResourcesReply | AuditReply
