"""Error notification: the methods of errnotify objects run when an entry that they ask for is logged.

Source: the errnotify object class in the AIX documentation: which fields select (an empty one selects everything), and
the nine arguments of a method. A method runs beside the program that logs the entry, which waits for nothing.
"""

from __future__ import annotations

import os

from srcctl.errlog.templates import Template
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, OdmObject, Repository

CLASS = "errnotify"
PATH = f"/etc/objrepos/{CLASS}"


def notify(
    root: NodeRoot, sequence: int, label: str, template: Template, resource: str, *, duplicate: bool = False
) -> None:
    """Start the methods that are to learn of an entry, or of a duplicate of it. What goes wrong harms nobody."""
    try:
        with open(root.path(PATH), encoding="utf-8") as file:
            if f"\n{CLASS}:\n" not in file.read():
                return  # the usual case, without a look at the grammar
        objects = Repository(root, "/etc/objrepos").get(CLASS)
        kind, resource_class = resource_type(root, resource)
        chosen = [
            str(o["en_method"])
            for o in objects
            if o["en_method"] and _selects(o, label, template, resource, kind, resource_class, duplicate)
        ]
    except (OSError, ValueError, OdmError):
        return  # damaged, or a class with other descriptors under that name
    for method in chosen:
        words = (str(sequence), f"0x{template.identifier.lower()}", template.error_class, template.type, "FALSE",
                 resource, kind, resource_class, label)  # fmt: skip
        _start(method, words)


def forget_temporary(root: NodeRoot) -> None:
    """At boot the objects that are not persistent go."""
    try:
        with open(root.path(PATH), encoding="utf-8") as file:
            if "en_persistenceflg = 0" not in file.read():
                return
        Repository(root, "/etc/objrepos").delete(CLASS, "en_persistenceflg = 0")
    except (OSError, UnicodeDecodeError, OdmError):
        pass


def resource_type(root: NodeRoot, resource: str) -> tuple[str, str]:
    """Type and class of a resource that is a device of the node, NONE for others."""
    try:
        found = [str(o["PdDvLn"]) for o in Repository(root, "/etc/objrepos").get("CuDv") if o["name"] == resource]
    except OdmError:
        found = []
    if not found:
        return "NONE", "NONE"
    device_class, _, rest = found[0].partition("/")
    return rest.rpartition("/")[2] or "NONE", device_class


def _selects(
    o: OdmObject, label: str, template: Template, resource: str, kind: str, resource_class: str, duplicate: bool
) -> bool:
    for field, value in (
        ("en_label", label), ("en_class", template.error_class), ("en_type", template.type),
        ("en_resource", resource), ("en_rtype", kind), ("en_rclass", resource_class),
        ("en_dup", "TRUE" if duplicate else "FALSE"),
    ):  # fmt: skip
        if o[field] and str(o[field]).upper() != value.upper():
            return False
    wanted = int(o["en_crcid"])
    return not wanted or wanted & 0xFFFFFFFF == int(template.identifier, 16)


def _start(method: str, words: tuple[str, ...]) -> None:
    """Run a method as the shell does, in a session of its own that no daemon has to wait for."""
    import shlex

    command = f"( exec {method} {' '.join(map(shlex.quote, words))} ) </dev/null >/dev/null 2>&1 &"
    try:
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ, setsid=True)
    except OSError:
        return
    try:
        os.waitpid(pid, 0)  # the shell ends at once
    except ChildProcessError:
        pass  # somebody reaps all children of this process
