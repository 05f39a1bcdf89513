"""Edits of custom methods, custom events, what is wrapped around events, and file collections."""

from __future__ import annotations

from msgspec.structs import replace

from daemons.clmgr.edits.parts import (
    Surroundings,
    demand,
    exchange,
    existing,
    named,
    new_name,
    nodes_of,
    renamed,
    required_names,
    unused,
    without,
)
from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError, does_not_exist, exists_already, invalid, missing
from daemons.clmgr.settings import PROGRAM_COLLECTION
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration, CustomMethod, FileCollection, NotifyMethod

SHIPPED_COLLECTIONS = ("Configuration_Files", "HACMP_Files")
WRAPPING = {"PREEVENTCOMMAND": "pre", "PREEVENT": "pre", "POSTEVENTCOMMAND": "post", "POSTEVENT": "post"}


# Methods.


def add_method(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add method``: snapshot and verify methods are HACMPcustom, notify methods HACMPpager."""
    name = new_name(request)
    if name in [method.name for method in c.methods] + [method.name for method in c.notify_methods]:
        raise exists_already(name)
    kind = request.attribute("TYPE")
    demand(request, "TYPE", "FILE")
    if kind == "notify":
        if not request.attribute("CONTACT"):
            raise missing("CONTACT")
        method = _notify(request, c, NotifyMethod(name=name, program=""))
        return replace(c, notify_methods=(*c.notify_methods, method))
    custom = _custom(request, CustomMethod(name=name, kind=kind, program="", relation="script"))
    return replace(c, methods=(*c.methods, custom))


def modify_method(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify method``."""
    name = required_names(request)[0]
    if any(method.name == name for method in c.notify_methods):
        old = existing(request, c.notify_methods)
        notify = replace(_notify(request, c, old), name=renamed(request, old, c.notify_methods))
        return replace(c, notify_methods=exchange(c.notify_methods, old.name, notify))
    custom = existing(request, [method for method in c.methods if method.kind != "event"])
    changed = replace(_custom(request, custom), name=renamed(request, custom, c.methods))
    return replace(c, methods=exchange(c.methods, custom.name, changed))


def _custom(request: Request, base: CustomMethod) -> CustomMethod:
    if request.attribute("TYPE") not in ("", base.kind):
        raise invalid("TYPE", request.attribute("TYPE"))
    for attribute in ("CONTACT", "EVENTS", "RETRY"):
        if request.attribute(attribute):
            raise ClmgrError(f'"{attribute}" is an attribute of notify methods only.', INCORRECT_INPUT)
    return replace(
        base,
        program=request.attribute("FILE") or base.program,
        description=request.attribute("DESCRIPTION", default=base.description),
        relation=request.attribute("SOURCE") or base.relation,
    )


def _notify(request: Request, c: Configuration, base: NotifyMethod) -> NotifyMethod:
    if request.attribute("TYPE") not in ("", "notify"):
        raise invalid("TYPE", request.attribute("TYPE"))
    events = tuple(request.words("EVENTS")) if "EVENTS" in request.attributes else base.events
    for event in events:
        named(event, c.events)
    nodes = nodes_of(request.words("NODES"), c) if "NODES" in request.attributes else base.nodes
    return replace(
        base,
        program=request.attribute("FILE") or base.program,
        contact=request.attribute("CONTACT") or base.contact,
        description=request.attribute("DESCRIPTION", default=base.description),
        nodes=nodes or tuple(node.name for node in c.nodes),
        events=events,
        retries=int(request.attribute("RETRY") or base.retries),
        timeout=int(request.attribute("TIMEOUT") or base.timeout),
    )


def methods_of(c: Configuration, kind: str = "") -> dict[str, str]:
    """Names and programs of the methods of a kind (snapshot, verify, notify), of all of them by default."""
    found = [(m.name, m.kind, m.program) for m in c.methods if m.kind != "event"]
    found += [(m.name, "notify", m.program) for m in c.notify_methods]
    return {name: program for name, of, program in found if kind in ("", of)}


def delete_methods(request: Request, c: Configuration) -> Configuration:
    """``delete method {<method>[,..]|ALL} [TYPE=..]``."""
    known = methods_of(c, request.attribute("TYPE"))
    names = required_names(request)
    for name in known if names == ["ALL"] else names:
        if name not in known:
            raise does_not_exist(name)
        c = without_method(name, c)
    return c


def without_method(name: str, c: Configuration) -> Configuration:
    """Take out a method."""
    if any(method.name == name for method in c.notify_methods):
        return replace(c, notify_methods=without(name, c.notify_methods))
    named(name, [method for method in c.methods if method.kind != "event"])
    return replace(c, methods=without(name, c.methods))


# Events.


def add_event(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add event``: a custom event, which can be wrapped around the cluster's events."""
    name = new_name(request, c.methods)
    if any(event.name == name for event in c.events):
        raise exists_already(name)
    if not request.attribute("FILE"):
        raise missing("FILE")
    custom = CustomMethod(
        name=name, kind="event", program=request.attribute("FILE"), description=request.attribute("DESCRIPTION")
    )
    return replace(c, methods=(*c.methods, custom))


def modify_event(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify event``: a cluster event's commands, or a custom event."""
    name = required_names(request)[0]
    custom = next((method for method in c.methods if (method.name, method.kind) == (name, "event")), None)
    if custom is not None:
        program = request.attribute("FILE", "COMMAND") or custom.program
        new = renamed(request, custom, c.methods)
        changed = replace(custom, name=new, program=program,
                          description=request.attribute("DESCRIPTION", default=custom.description))  # fmt: skip
        events = tuple(
            replace(
                event,
                pre=_swapped(event.pre, name, new),
                post=_swapped(event.post, name, new),
            )
            for event in c.events
        )
        return replace(c, methods=exchange(c.methods, name, changed), events=events)
    event = existing(request, c.events)
    changes: dict[str, object] = {}
    for attribute, field in WRAPPING.items():
        if attribute in request.attributes:
            changes[field] = _command(request.attributes[attribute], c)
    for attribute, field in (("NOTIFYCOMMAND", "notify"), ("RECOVERYCOMMAND", "recovery")):
        if attribute in request.attributes:
            changes[field] = request.attributes[attribute]
    if request.attribute("RECOVERYCOUNTER"):
        changes["count"] = int(request.attribute("RECOVERYCOUNTER"))
    for attribute in ("NAME", "FILE", "COMMAND", "DESCRIPTION"):
        if attribute in request.attributes:
            raise ClmgrError(f'"{attribute}" of a cluster event cannot be changed.', INCORRECT_INPUT)
    if not changes:
        raise missing("PREEVENTCOMMAND")
    return replace(c, events=exchange(c.events, name, replace(event, **changes)))


def _command(value: str, c: Configuration) -> str:
    """What stands in HACMPevent: names of custom events, or one command line that begins with a path.

    Raises:
        ClmgrError: a name is no custom event's.
    """
    if value.startswith("/"):
        return value
    names = value.replace(",", " ").split()
    for name in names:
        named(name, [method for method in c.methods if method.kind == "event"])
    return " ".join(names)


def _swapped(words: str, old: str, new: str) -> str:
    return words if words.startswith("/") else " ".join(new if word == old else word for word in words.split())


def without_event(name: str, c: Configuration) -> Configuration:
    """``delete event``: a custom one."""
    if any(event.name == name for event in c.events):
        raise ClmgrError(f'the cluster event "{name}" cannot be removed.', INCORRECT_INPUT)
    named(name, [method for method in c.methods if method.kind == "event"])
    unused(name, [e.name for e in c.events if name in (*e.pre.split(), *e.post.split())])
    return replace(c, methods=without(name, c.methods))


# File collections.


def add_collection(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add file_collection``."""
    name = new_name(request, c.collections)
    if not request.words("FILES"):
        raise missing("FILES")
    number = max((collection.id for collection in c.collections), default=0) + 1
    collection = _collection(request, c, FileCollection(id=number, name=name))
    return replace(c, collections=(*c.collections, collection))


def modify_collection(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify file_collection``: FILES and REPLACE give the whole list, ADD and DELETE change it."""
    old = existing(request, c.collections)
    name = renamed(request, old, c.collections)
    if old.name in SHIPPED_COLLECTIONS and name != old.name:
        raise ClmgrError(f'the file collection "{old.name}" cannot be renamed.', INCORRECT_INPUT)
    changed = replace(_collection(request, c, old), name=name)
    return replace(c, collections=exchange(c.collections, old.name, changed))


def _collection(request: Request, c: Configuration, base: FileCollection) -> FileCollection:
    lists = [attribute for attribute in ("FILES", "REPLACE", "ADD", "DELETE") if attribute in request.attributes]
    if lists and base.name == PROGRAM_COLLECTION:
        raise ClmgrError(f'the files of "{base.name}" are the programs of the configuration.', INCORRECT_INPUT)
    files = list(base.files)
    for attribute in lists:
        words = list(dict.fromkeys(request.words(attribute)))
        if attribute in ("FILES", "REPLACE"):
            files = words
        elif attribute == "ADD":
            files += [path for path in words if path not in files]
        else:
            for path in words:
                if path not in files:
                    raise does_not_exist(path)
            files = [path for path in files if path not in words]
    if lists and not files:
        raise missing("FILES")
    for path in files:
        other = next((f.name for f in c.collections if f.name != base.name and path in f.files), "")
        if other:
            raise ClmgrError(f'"{path}" is a file of the file collection "{other}" already.', INCORRECT_INPUT)
    return replace(
        base,
        files=tuple(files),
        description=request.attribute("DESCRIPTION", default=base.description),
        with_synchronization=request.truth("SYNC_WITH_CLUSTER", base.with_synchronization),
        when_changed=request.truth("SYNC_WHEN_CHANGED", base.when_changed),
    )


def without_collection(name: str, c: Configuration) -> Configuration:
    """``delete file_collection``: but not the program collection."""
    if name == PROGRAM_COLLECTION:
        raise ClmgrError(f'the file collection "{name}" cannot be removed.', INCORRECT_INPUT)
    return replace(c, collections=without(name, c.collections))


ADD = {"method": add_method, "event": add_event, "file_collection": add_collection}
MODIFY = {"method": modify_method, "event": modify_event, "file_collection": modify_collection}
DELETE = {"method": without_method, "event": without_event, "file_collection": without_collection}
NAMES = {
    "method": lambda c: list(methods_of(c)),
    "event": lambda c: [m.name for m in c.methods if m.kind == "event"],
    "file_collection": lambda c: [f.name for f in c.collections if f.name != PROGRAM_COLLECTION],
}
