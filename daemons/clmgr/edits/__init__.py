"""add, modify and delete as pure functions from a configuration to a configuration, a module a family of classes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from daemons.clmgr.edits.parts import Surroundings, required_names
from daemons.clmgr.errors import INCORRECT_INPUT, MISSING_INPUT, ClmgrError
from daemons.clmgr.syntax import attributes
from daemons.clmgr.syntax.catalogue import refusal
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration

__all__ = ["Surroundings", "add", "delete", "modify", "modules"]

Edit = Callable[[Request, Configuration, Surroundings], Configuration]
Removal = Callable[[str, Configuration], Configuration]

_FAMILIES = {
    "cluster": ("cluster",),
    "topology": ("site", "node", "network"),
    "labels": ("interface", "persistent_ip", "service_ip"),
    "groups": ("resource_group",),
    "applications": ("application_controller", "application_monitor", "tape"),
    "policies": ("dependency", "fallback_timer"),
    "user_defined": ("udresource_type", "udresource"),
    "customization": ("method", "file_collection", "event"),
}


def modules() -> dict[str, str]:
    """Which module edits a class."""
    return {class_name: family for family, classes in _FAMILIES.items() for class_name in classes}


def add(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """Add an object.

    Raises:
        ClmgrError: a name that is taken, a missing or wrong value, something that it needs is not there.
    """
    edit: Edit = _table(request, "ADD")[request.class_name]
    return edit(_checked(request), c, here)


def modify(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """Change an object.

    Raises:
        ClmgrError: it does not exist, a value is wrong, or there is nothing to change.
    """
    edit: Edit = _table(request, "MODIFY")[request.class_name]
    changed = edit(_checked(request), c, here)
    if not request.attributes:
        raise ClmgrError("nothing was specified that is to be modified.", MISSING_INPUT)
    return changed


def delete(request: Request, c: Configuration) -> Configuration:
    """Remove objects, all of them or none; ALL names every one.

    Raises:
        ClmgrError: one does not exist, or is still referenced.
    """
    request = _checked(request)
    table = _table(request, "DELETE")
    if request.class_name == "dependency":
        from daemons.clmgr.edits import policies

        return policies.delete_dependencies(request, c)
    if request.class_name == "method":
        from daemons.clmgr.edits import customization

        return customization.delete_methods(request, c)
    removal: Removal = table[request.class_name]
    names = required_names(request)
    if names == ["ALL"]:
        names = _names(request, c)
    for name in names:
        c = removal(name, c)
    return c


def _names(request: Request, c: Configuration) -> list[str]:
    module = sys.modules[f"daemons.clmgr.edits.{modules()[request.class_name]}"]
    names: list[str] = module.NAMES[request.class_name](c)
    return names


def _checked(request: Request) -> Request:
    request.attributes = attributes.checked(request.action, request.class_name, request.attributes)
    return request


def _table(request: Request, name: str) -> dict[str, Callable[..., Configuration]]:
    family = modules().get(request.class_name, "")
    module = f"daemons.clmgr.edits.{family}"
    if family:
        __import__(module)
        table: dict[str, Callable[..., Configuration]] = getattr(sys.modules[module], name, {})
        if request.class_name in table:
            return table
    complaint = refusal(request.action, request.class_name)
    raise ClmgrError(
        complaint or f'the "{request.action}" operation is not supported for the "{request.class_name}" class.',
        INCORRECT_INPUT,
    )
