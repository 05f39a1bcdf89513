"""What administrators add to a cluster: HACMPevent, HACMPcustom, HACMPpager, HACMPfilecollection with HACMPfcfile."""

from __future__ import annotations

import msgspec

from daemons.cluster.configuration.objects import ConfigurationFault, OdmObject, number, text


class EventCustomization(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPevent: the command of an event and what the administrator wrapped around it."""

    name: str
    description: str = ""
    command: str = ""
    notify: str = ""
    pre: str = ""
    post: str = ""
    recovery: str = ""
    count: int = 0

    def commands(self, methods: tuple[CustomMethod, ...]) -> list[tuple[str, str]]:
        """What is wrapped around the event, as pairs of its kind ("pre-event", "recovery" ...) and a command line.

        Pre- and post-events are a command line, or names of custom events.
        """
        programs = {method.name: method.program for method in methods if method.kind == "event"}
        kinds = (
            ("pre-event", self.pre),
            ("post-event", self.post),
            ("notify", self.notify),
            ("recovery", self.recovery),
        )
        found: list[tuple[str, str]] = []
        for kind, value in kinds:
            names = value.replace(",", " ").split()
            if names and all(name in programs for name in names):
                found += [(kind, programs[name]) for name in names]
            elif names:
                found.append((kind, value))
        return found


class CustomMethod(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPcustom: a custom event script, or a snapshot or verification method (``kind`` event, snapshot, verify)."""

    name: str
    kind: str
    program: str
    description: str = ""
    relation: str = ""


class NotifyMethod(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPpager: a remote notification. ``events`` are names of events, ``timeout`` seconds."""

    name: str
    program: str
    contact: str = ""
    description: str = ""
    nodes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    retries: int = 0
    timeout: int = 45


class UserDefinedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPude: a condition that RMC watches on every node with active services, and the recovery program for it.

    ``resource_class`` (IBM.FileSystem ...), ``selection`` (a selection string), ``expression`` and ``rearm`` are RMC's.
    """

    name: str
    program: str
    resource_class: str
    expression: str
    selection: str = ""
    rearm: str = ""


class LogFile(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPlogs: where a log is kept. The file is ``directory/name``."""

    name: str
    directory: str
    default_directory: str = ""
    description: str = ""
    remote_file_system: bool = False


class FileCollection(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPfilecollection with its files: propagated at a synchronization, or when a file was changed."""

    id: int
    name: str
    description: str = ""
    with_synchronization: bool = False
    when_changed: bool = False
    files: tuple[str, ...] = ()


def load_events(objects: list[OdmObject]) -> tuple[EventCustomization, ...]:
    """The events that an administrator can wrap.

    Raises:
        ConfigurationFault: a recovery counter is no number.
    """
    return tuple(
        EventCustomization(
            name=text(o, "name"),
            description=text(o, "desc"),
            command=text(o, "cmd"),
            notify=text(o, "notify"),
            pre=text(o, "pre"),
            post=text(o, "post"),
            recovery=text(o, "recv"),
            count=number(o, "count"),
        )
        for o in objects
    )


def event_changes(events: tuple[EventCustomization, ...]) -> dict[str, OdmObject]:
    """The fields of HACMPevent objects that a configuration decides, by event."""
    return {
        e.name: {"notify": e.notify, "pre": e.pre, "post": e.post, "recv": e.recovery, "count": e.count} for e in events
    }


def load_user_events(objects: list[OdmObject]) -> tuple[UserDefinedEvent, ...]:
    """The user-defined events, in order of definition.

    Raises:
        ConfigurationFault: an object has no name, recovery program, resource or expression.
    """
    for o in objects:
        for field in ("name", "recovery_prog", "res_var_name", "predicate"):
            if not text(o, field):
                raise ConfigurationFault(f"HACMPude has an event {text(o, 'name')!r} without {field}")
    return tuple(
        UserDefinedEvent(
            name=text(o, "name"),
            program=text(o, "recovery_prog"),
            resource_class=text(o, "res_var_name"),
            selection=text(o, "instance_vector"),
            expression=text(o, "predicate"),
            rearm=text(o, "rearm_predicate"),
        )
        for o in objects
    )


def load_logs(objects: list[OdmObject]) -> tuple[LogFile, ...]:
    """The logs of a node."""
    return tuple(
        LogFile(
            name=text(o, "name"),
            directory=text(o, "value"),
            default_directory=text(o, "defaultdir"),
            description=text(o, "description"),
            remote_file_system=text(o, "rfs") == "1",
        )
        for o in objects
    )


def log_changes(logs: tuple[LogFile, ...]) -> dict[str, OdmObject]:
    """The fields of HACMPlogs objects that a configuration decides, by log."""
    return {log.name: {"value": log.directory, "rfs": "1" if log.remote_file_system else "0"} for log in logs}


def load_methods(objects: list[OdmObject]) -> tuple[CustomMethod, ...]:
    """The custom methods and events, in order of definition."""
    return tuple(
        CustomMethod(
            name=text(o, "name"),
            kind=text(o, "type"),
            program=text(o, "value"),
            description=text(o, "description"),
            relation=text(o, "relation"),
        )
        for o in objects
    )


def method_objects(methods: tuple[CustomMethod, ...]) -> list[OdmObject]:
    """HACMPcustom."""
    return [
        {"name": m.name, "type": m.kind, "description": m.description, "value": m.program, "relation": m.relation}
        for m in methods
    ]


def load_notify_methods(objects: list[OdmObject]) -> tuple[NotifyMethod, ...]:
    """The remote notifications, in order of definition.

    Raises:
        ConfigurationFault: a field is no number.
    """
    return tuple(
        NotifyMethod(
            name=text(o, "name"),
            program=text(o, "filename"),
            contact=text(o, "number"),
            description=text(o, "description"),
            nodes=tuple(text(o, "nodename").split()),
            events=tuple(text(o, "events").split()),
            retries=number(o, "retrycnt"),
            timeout=number(o, "timeout"),
        )
        for o in objects
    )


def notify_method_objects(methods: tuple[NotifyMethod, ...]) -> list[OdmObject]:
    """HACMPpager."""
    return [
        {
            "name": m.name,
            "description": m.description,
            "nodename": " ".join(m.nodes),
            "filename": m.program,
            "number": m.contact,
            "events": " ".join(m.events),
            "retrycnt": m.retries,
            "timeout": m.timeout,
        }
        for m in methods
    ]


def load_collections(collections: list[OdmObject], files: list[OdmObject]) -> tuple[FileCollection, ...]:
    """The file collections, in order of definition.

    Raises:
        ConfigurationFault: a file belongs to no collection.
    """
    members: dict[int, list[str]] = {number(o, "fc_id"): [] for o in collections}
    for o in files:
        if (key := number(o, "fc_id")) not in members:
            raise ConfigurationFault(f"HACMPfcfile has the file {text(o, 'fc_file')} in no file collection")
        members[key].append(text(o, "fc_file"))
    return tuple(
        FileCollection(
            id=number(o, "fc_id"),
            name=text(o, "fc_name"),
            description=text(o, "fc_description"),
            with_synchronization=number(o, "fc_propagate_with_sync") != 0,
            when_changed=number(o, "fc_propagate_auto") != 0,
            files=tuple(members[number(o, "fc_id")]),
        )
        for o in collections
    )


def collection_objects(collections: tuple[FileCollection, ...]) -> dict[str, list[OdmObject]]:
    """HACMPfilecollection, HACMPfcfile."""
    return {
        "HACMPfilecollection": [
            {
                "fc_id": c.id,
                "fc_name": c.name,
                "fc_description": c.description,
                "fc_propagate_with_sync": int(c.with_synchronization),
                "fc_propagate_auto": int(c.when_changed),
            }
            for c in collections
        ],
        "HACMPfcfile": [{"fc_id": c.id, "fc_file": path} for c in collections for path in c.files],
    }
