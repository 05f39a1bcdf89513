"""view report: what the cluster is and does, as text or HTML."""

from __future__ import annotations

import html
import time
from collections.abc import Callable

from daemons.clmgr.errors import INCORRECT_INPUT, MISSING_INPUT, ClmgrError, does_not_exist, invalid
from daemons.clmgr.queries.inquiry import facts
from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.commands.options import is_number
from srcctl.node.root import NodeRoot, replace_file
from srcctl.storage.device_names import by_pvid

REPORTS = ("cluster", "status", "topology", "applications", "availability", "events", "nodeinfo", "rginfo", "lvinfo",
           "fsinfo", "vginfo", "dependencies", "repository", "roha")  # fmt: skip
CLASSES = {
    "cluster": "cluster", "nodeinfo": "node", "rginfo": "resource_group", "lvinfo": "logical_volume",
    "fsinfo": "file_system", "vginfo": "volume_group", "dependencies": "dependency", "repository": "repository",
}  # fmt: skip
"""Reports that are the attributes of a class."""


def view(root: NodeRoot, request: Request, c: Configuration) -> None:
    """``view report <report> [FILE= TYPE= TARGETS= BEGIN_TIME= END_TIME=]``.

    Raises:
        ClmgrError: no such report, or a wrong time.
    """
    if len(request.names) != 1:
        raise ClmgrError(f"one of these is needed: {', '.join(REPORTS)}.", MISSING_INPUT)
    wanted = request.names[0].lower()
    found = [name for name in REPORTS if name == wanted] or [name for name in REPORTS if name.startswith(wanted)]
    if len(found) != 1:
        raise does_not_exist(request.names[0])
    text = "\n".join(_lines(root, request, c, found[0]))
    if request.attribute("TYPE") == "html":
        text = f"<html><head><title>{found[0]}</title></head><body><pre>\n{html.escape(text)}\n</pre></body></html>"
    if path := request.attribute("FILE"):
        replace_file(root.path(path), f"{text}\n".encode())
    else:
        print(text)


def _lines(root: NodeRoot, request: Request, c: Configuration, name: str) -> list[str]:
    if name in CLASSES:
        return _attributes(root, request, c, CLASSES[name])
    make: dict[str, Callable[[], list[str]]] = {
        "status": lambda: _status(root, c, request.words("TARGETS")),
        "topology": lambda: _topology(root, c),
        "applications": lambda: _applications(root, c),
        "events": lambda: _events(root, request, c),
        "availability": lambda: _availability(root, request, c),
        "roha": lambda: ["No ROHA configuration: nodes are no partitions that an HMC manages."],
    }
    return make[name]()


def _attributes(root: NodeRoot, request: Request, c: Configuration, class_name: str) -> list[str]:
    from daemons.clmgr import queries
    from daemons.clmgr.storage import blocks as storage

    asked = Request(action="query", class_name=class_name, verbose=True)
    if queries.of(class_name) is None:
        blocks: list[Block] = storage.blocks(root, asked, c)
    else:
        blocks = queries.query(class_name, c, facts(root, asked, c))
    targets = request.words("TARGETS")
    if targets:
        for target in targets:
            if all(block[0][1] != target for block in blocks):
                raise does_not_exist(target)
        blocks = [block for block in blocks if block[0][1] in targets]
    lines: list[str] = []
    for block in blocks:
        width = max(len(label) for label, _ in block)
        lines += [""] if lines else []
        lines += [f"{label:<{width}}  {value}".rstrip() for label, value in block]
    return lines or [f"No {class_name.replace('_', ' ')} is defined."]


def _status(root: NodeRoot, c: Configuration, targets: list[str]) -> list[str]:
    for target in targets:
        if c.node(target) is None:
            raise does_not_exist(target)
    from daemons.clmgr.queries.cluster import cluster_state
    from daemons.clmgr.queries.topology import nodes

    known = facts(root, Request(action="query", class_name="cluster"), c)
    lines = [f"Cluster: {c.cluster.name}", f"State:   {cluster_state(c, known)}", ""]
    for block in nodes(c, known):
        values = dict(block)
        if targets and values["NAME"] not in targets:
            continue
        lines.append(f"Node {values['NAME']:<24} {values['STATE']:<12} {values['RAW_STATE']}")
    return lines


def _topology(root: NodeRoot, c: Configuration) -> list[str]:
    from daemons.cluster.listing import topology

    return topology.summary(c, by_pvid(root))


def _applications(root: NodeRoot, c: Configuration) -> list[str]:
    from daemons.clmgr.operations.live import picture_of
    from daemons.cluster.listing.applications import display

    picture = picture_of(root, root.identity.node)
    numbers = {node.number: node.name for node in picture.nodes} if picture else {}
    nodes = {node.name: node.state for node in picture.nodes} if picture else {}
    states = {g.name: {numbers.get(p.node, ""): p.state for p in g.nodes} for g in picture.groups} if picture else {}
    return display(c, picture is not None and picture.services, nodes, states)


def _events(root: NodeRoot, request: Request, c: Configuration) -> list[str]:
    """The events of this node's hacmp.out between the times, which need the log's own year-less stamps."""
    directory = dict(c.log_directories).get("hacmp.out", "/var/hacmp/log")
    begin, end = _moment(request, "BEGIN_TIME"), _moment(request, "END_TIME")
    lines = []
    try:
        with open(root.path(f"{directory}/hacmp.out"), encoding="utf-8", errors="replace") as file:
            for line in file:
                if "EVENT START" not in line and "EVENT COMPLETED" not in line and "EVENT FAILED" not in line:
                    continue
                stamp = _stamp(line, end or time.time())
                if stamp is None or (begin and stamp < begin) or (end and stamp > end):
                    continue
                lines.append(line.rstrip("\n"))
    except OSError:
        pass
    return lines or ["No events."]


def _availability(root: NodeRoot, request: Request, c: Configuration) -> list[str]:
    """How long each application was up, from the start and stop events of this node (inferred form)."""
    targets = request.words("TARGETS") or [a.name for a in c.controllers]
    end = _moment(request, "END_TIME") or time.time()
    lines: list[str] = []
    events = _events(root, request, c)
    for target in targets:
        if c.controller(target) is None:
            raise does_not_exist(target)
        up, since, first = 0.0, 0.0, 0.0
        for line in events:
            stamp = _stamp(line, end) or 0.0
            first = first or stamp
            if f"COMPLETED: start_server {target}" in line and not since:
                since = stamp
            elif f"COMPLETED: stop_server {target}" in line and since:
                up, since = up + stamp - since, 0.0
        up += end - since if since else 0.0
        whole = max(end - first, 1.0) if first else 1.0
        lines += [
            f"Application: {target}",
            f"   Uptime:   {int(up)} seconds on {root.identity.node}",
            f"   Percent:  {min(100.0, 100 * up / whole):.2f}",
            "",
        ]
    return lines[:-1] or ["No application is defined."]


def _moment(request: Request, name: str) -> float:
    text = request.attribute(name)
    if not text:
        return 0.0
    parts = text.split(":")
    if len(parts) not in (3, 5, 6) or not all(map(is_number, parts)):
        raise invalid(name, text)
    shape = {3: "%Y:%m:%d", 5: "%Y:%m:%d:%H:%M", 6: "%Y:%m:%d:%H:%M:%S"}[len(parts)]
    try:
        return time.mktime(time.strptime(text, shape))
    except (ValueError, OverflowError):
        raise ClmgrError(f'an invalid value was specified for "{name}" ("{text}").', INCORRECT_INPUT) from None


def _stamp(line: str, latest: float) -> float | None:
    """A log line's time; the year is the last one in which it is not after ``latest``."""
    year = time.localtime(latest).tm_year
    try:
        # Without its year strptime would not know the 29th of February.
        stamp = time.mktime(time.strptime(f"{year} {line[:15]}", "%Y %b %d %H:%M:%S"))
        return (
            stamp if stamp <= latest + 1 else time.mktime(time.strptime(f"{year - 1} {line[:15]}", "%Y %b %d %H:%M:%S"))
        )
    except ValueError:
        return None
