"""Resources of kinds that an administrator has defined: HACMPudres_def (the types), HACMPudresource (the resources).

The classes and their fields are the product's; the words of the processing order are those of its panel, and so is that
attributes reach the methods as environment variables with an underscore before their names (both inferred).
"""

from __future__ import annotations

import msgspec

from daemons.cluster.configuration.objects import ConfigurationFault, OdmObject, text

FIRST = "FIRST"
AFTER = ("WPAR", "SERVICEIP", "TAPES", "DISKS", "VOLUME_GROUP", "FILE_SYSTEM", "APPLICATION")
"""What a type may be processed behind, besides another user-defined type. A release goes the other way round."""


class ResourceType(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPudres_def: how resources of a type are started, stopped, watched, and when.

    ``order`` is FIRST, one of ``AFTER``, or the name of another type. Methods are command lines; "" for none.
    """

    name: str
    order: str = FIRST
    start: str = ""
    stop: str = ""
    monitor: str = ""
    cleanup: str = ""
    restart: str = ""
    notify: str = ""
    verification: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """All that is run for its resources, also where that is nothing."""
        return self.start, self.stop, self.monitor, self.cleanup, self.restart, self.notify


class UserDefinedResource(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPudresource: a resource of a type with its attributes."""

    name: str
    type: str
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> tuple[tuple[str, str], ...]:
        """What its methods find in their environment."""
        return tuple((f"_{attribute}", value) for attribute, value in self.attributes)


def load_types(objects: list[OdmObject]) -> tuple[ResourceType, ...]:
    """The resource types, in order of definition.

    Raises:
        ConfigurationFault: one has no name, or a name twice.
    """
    types = tuple(
        ResourceType(
            name=text(o, "name"),
            order=text(o, "order") or FIRST,
            start=text(o, "start"),
            stop=text(o, "stop"),
            monitor=text(o, "monitor"),
            cleanup=text(o, "cleanup"),
            restart=text(o, "restart"),
            notify=text(o, "notify"),
            verification=text(o, "verification"),
        )
        for o in objects
    )
    names = [entry.name for entry in types]
    for name in names:
        if not name or names.count(name) > 1:
            raise ConfigurationFault(f"HACMPudres_def has the resource type {name!r} without a name or twice")
    return types


def load_resources(objects: list[OdmObject]) -> tuple[UserDefinedResource, ...]:
    """The resources, in order of definition: one object an attribute, or one without an attribute.

    Raises:
        ConfigurationFault: a resource has no name or two types.
    """
    types: dict[str, str] = {}
    attributes: dict[str, list[tuple[str, str]]] = {}
    for o in objects:
        name, kind = text(o, "name"), text(o, "type")
        if not name or types.setdefault(name, kind) != kind:
            raise ConfigurationFault(f"HACMPudresource has the resource {name!r} without a name or of two types")
        if text(o, "attribute"):
            attributes.setdefault(name, []).append((text(o, "attribute"), text(o, "value")))
    return tuple(
        UserDefinedResource(name=name, type=kind, attributes=tuple(attributes.get(name, ())))
        for name, kind in types.items()
    )


def type_objects(types: tuple[ResourceType, ...]) -> list[OdmObject]:
    """HACMPudres_def."""
    return [
        {
            "name": entry.name,
            "order": entry.order,
            "verification": entry.verification,
            "monitor": entry.monitor,
            "start": entry.start,
            "stop": entry.stop,
            "cleanup": entry.cleanup,
            "restart": entry.restart,
            "notify": entry.notify,
        }
        for entry in types
    ]


def resource_objects(resources: tuple[UserDefinedResource, ...]) -> list[OdmObject]:
    """HACMPudresource: one object an attribute, or one without an attribute."""
    return [
        {"name": entry.name, "type": entry.type, "attribute": attribute, "value": value}
        for entry in resources
        for attribute, value in entry.attributes or (("", ""),)
    ]


def in_order(types: tuple[ResourceType, ...], after: str) -> tuple[ResourceType, ...]:
    """The types that are processed right behind ``after`` (FIRST or a word of ``AFTER``), those behind them included.

    A type whose order names nothing that is known, or closes a circle, is processed at FIRST.
    """
    known = {entry.name: entry for entry in types}

    def anchor(entry: ResourceType) -> str:
        seen = {entry.name}
        order = entry.order
        while order in known and order not in seen:
            seen.add(order)
            order = known[order].order
        return order if order in AFTER else FIRST

    def depth(entry: ResourceType) -> int:
        seen = {entry.name}
        while entry.order in known and entry.order not in seen:
            seen.add(entry.order)
            entry = known[entry.order]
        return len(seen)

    return tuple(sorted((entry for entry in types if anchor(entry) == after), key=depth))
