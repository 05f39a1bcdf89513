"""Edits of user-defined resource types and resources (HACMPudres_def, HACMPudresource).

The product has panels for them, and no class of clmgr that is published: the classes and attributes here are inferred.
"""

from __future__ import annotations

from msgspec.structs import replace

from daemons.clmgr.edits.parts import (
    Surroundings,
    demand,
    existing,
    named,
    new_name,
    renamed,
    unused,
    users_of,
    with_renamed_resource,
)
from daemons.clmgr.errors import ClmgrError, invalid, invalid_characters, missing
from daemons.clmgr.syntax.attributes import is_name
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration, UserDefinedResource
from daemons.cluster.configuration.user_defined import AFTER, FIRST, ResourceType

METHODS = {
    "STARTMETHOD": "start", "STOPMETHOD": "stop", "MONITORMETHOD": "monitor", "CLEANUPMETHOD": "cleanup",
    "RESTARTMETHOD": "restart", "NOTIFYMETHOD": "notify", "VERIFYMETHOD": "verification",
}  # fmt: skip
"""clmgr's attribute: the field of HACMPudres_def."""
KIND = ("USERDEFINED_RESOURCES",)


def _type_named(name: str, c: Configuration) -> ResourceType:
    return named(name, c.resource_types)


def _type(request: Request, c: Configuration, base: ResourceType) -> ResourceType:
    given = request.attributes
    changes = {field: given[attribute] for attribute, field in METHODS.items() if attribute in given}
    order = given.get("AFTER") or base.order
    if order not in (FIRST, *AFTER):
        _type_named(order, c)
        if order == base.name:
            raise invalid("AFTER", order)
    return replace(base, order=order, **changes)


def add_type(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add udresource_type``."""
    name = new_name(request, c.resource_types)
    if name in (FIRST, *AFTER):
        raise invalid("NAME", name)
    demand(request, "STARTMETHOD", "STOPMETHOD")
    return replace(c, resource_types=(*c.resource_types, _type(request, c, ResourceType(name=name))))


def modify_type(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify udresource_type``: its resources, and the types behind it, follow a new NAME."""
    old = existing(request, c.resource_types)
    name = renamed(request, old, c.resource_types)
    changed = replace(_type(request, c, old), name=name)
    types = tuple(
        changed if entry is old else replace(entry, order=name) if entry.order == old.name else entry
        for entry in c.resource_types
    )
    resources = tuple(replace(r, type=name) if r.type == old.name else r for r in c.user_resources)
    return replace(c, resource_types=types, user_resources=resources)


def without_type(name: str, c: Configuration) -> Configuration:
    """``delete udresource_type``: its resources, and types behind it, hold it."""
    _type_named(name, c)
    unused(name, [r.name for r in c.user_resources if r.type == name])
    unused(name, [entry.name for entry in c.resource_types if entry.order == name])
    return replace(c, resource_types=tuple(entry for entry in c.resource_types if entry.name != name))


def _resource(request: Request, c: Configuration, base: UserDefinedResource) -> UserDefinedResource:
    kind = request.attribute("TYPE") or base.type
    if not kind:
        raise missing("TYPE")
    _type_named(kind, c)
    attributes = base.attributes
    if "ATTRIBUTES" in request.attributes:
        attributes = tuple(_pair(word) for word in request.words("ATTRIBUTES"))
        names = [name for name, _ in attributes]
        if len(set(names)) < len(names):
            raise ClmgrError("an attribute was specified twice.", 4)
    return replace(base, type=kind, attributes=attributes)


def _pair(word: str) -> tuple[str, str]:
    """NAME=VALUE, or NAME:VALUE as a query prints it.

    Raises:
        ClmgrError: it is neither, or no name that an environment variable could have.
    """
    place = next((place for place, character in enumerate(word) if character in "=:"), 0)
    name, value = word[:place], word[place + 1 :]
    if not place:
        raise invalid("ATTRIBUTES", word)
    if not is_name(name):
        raise invalid_characters("ATTRIBUTES", name)
    return name, value


def add_resource(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add udresource``."""
    name = new_name(request, c.user_resources)
    resource = _resource(request, c, UserDefinedResource(name=name, type=""))
    return replace(c, user_resources=(*c.user_resources, resource))


def modify_resource(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify udresource``: ATTRIBUTES gives the whole list; groups follow a new NAME."""
    old = existing(request, c.user_resources)
    name = renamed(request, old, c.user_resources)
    changed = replace(_resource(request, c, old), name=name)
    c = replace(c, user_resources=tuple(changed if r is old else r for r in c.user_resources))
    return with_renamed_resource(c, KIND, old.name, name)


def without_resource(name: str, c: Configuration) -> Configuration:
    """``delete udresource``: a group that has it holds it."""
    named(name, c.user_resources)
    unused(name, users_of(c, KIND, name))
    return replace(c, user_resources=tuple(r for r in c.user_resources if r.name != name))


ADD = {"udresource_type": add_type, "udresource": add_resource}
MODIFY = {"udresource_type": modify_type, "udresource": modify_resource}
DELETE = {"udresource_type": without_type, "udresource": without_resource}
NAMES = {
    "udresource_type": lambda c: [entry.name for entry in c.resource_types],
    "udresource": lambda c: [r.name for r in c.user_resources],
}
