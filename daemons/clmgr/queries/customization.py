"""Queries of file collections, methods, events and logs."""

from __future__ import annotations

from daemons.clmgr.queries.facts import Facts
from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.settings import PROGRAM_COLLECTION
from daemons.cluster.configuration import Configuration


def programs(c: Configuration) -> tuple[str, ...]:
    """The configuration's own programs, which are the members of HACMP_Files."""
    found = [
        *(script for a in c.controllers for script in (a.start, a.stop)),
        *(
            m.attribute(name)
            for m in c.monitors
            for name in ("MONITOR_METHOD", "CLEANUP_METHOD", "RESTART_METHOD", "NOTIFY_METHOD")
        ),
        *(word for e in c.events for text in (e.pre, e.post, e.notify, e.recovery) for word in text.split()),
        *(method.program for method in c.methods),
        *(method.program for method in c.notify_methods),
        *(script for tape in c.tapes for script in (tape.start, tape.stop)),
    ]
    return tuple(dict.fromkeys(text.split()[0] for text in found if text.strip().startswith("/")))


def collections(c: Configuration, facts: Facts) -> list[Block]:
    """``query file_collection``."""
    return [
        [
            ("NAME", f.name),
            ("FILES", " ".join(programs(c) if f.name == PROGRAM_COLLECTION else f.files)),
            ("SYNC_WITH_CLUSTER", "yes" if f.with_synchronization else "no"),
            ("SYNC_WHEN_CHANGED", "yes" if f.when_changed else "no"),
            ("INTERVAL", c.setting("FC_SYNC_INTERVAL", "10")),
            ("DESCRIPTION", f.description),
        ]
        for f in c.collections
    ]


def methods(c: Configuration, facts: Facts) -> list[Block]:
    """``query method``."""
    blocks: list[Block] = [
        [
            ("NAME", m.name),
            ("TYPE", m.kind),
            ("DESCRIPTION", m.description),
            ("FILE", m.program),
            ("SOURCE", m.relation),
        ]
        for m in c.methods
        if m.kind != "event"
    ]
    return blocks + [
        [
            ("NAME", m.name),
            ("TYPE", "notify"),
            ("DESCRIPTION", m.description),
            ("FILE", m.program),
            ("CONTACT", m.contact),
            ("EVENTS", " ".join(m.events)),
            ("NODES", " ".join(m.nodes)),
            ("RETRY", str(m.retries)),
            ("TIMEOUT", str(m.timeout)),
        ]
        for m in c.notify_methods
    ]


def events(c: Configuration, facts: Facts) -> list[Block]:
    """``query event``: the cluster's events and the custom ones."""
    blocks: list[Block] = [
        [
            ("NAME", e.name),
            ("DESCRIPTION", e.description),
            ("COMMAND", e.command),
            ("NOTIFYCOMMAND", e.notify),
            ("PREEVENTCOMMAND", e.pre),
            ("POSTEVENTCOMMAND", e.post),
            ("RECOVERYCOMMAND", e.recovery),
            ("RECOVERYCOUNTER", str(e.count)),
        ]
        for e in c.events
    ]
    return blocks + [
        [
            ("NAME", m.name),
            ("DESCRIPTION", m.description),
            ("COMMAND", m.program),
            ("NOTIFYCOMMAND", ""),
            ("PREEVENTCOMMAND", ""),
            ("POSTEVENTCOMMAND", ""),
            ("RECOVERYCOMMAND", ""),
            ("RECOVERYCOUNTER", "0"),
        ]
        for m in c.methods
        if m.kind == "event"
    ]


def _of_nodes(c: Configuration, setting: str, default: str) -> str:
    return (c.nodes[0].setting(setting, default) if c.nodes else default).lower()


def logs(c: Configuration, facts: Facts) -> list[Block]:
    """``query log``: which logs are formatted and traced is the nodes' setting."""
    return [
        [
            ("NAME", log.name),
            ("DIRECTORY", log.directory),
            ("DEFAULT", log.default_directory),
            ("DESCRIPTION", log.description),
            ("FORMATTING", _of_nodes(c, "LOG_FORMATTING", "standard") if log.name == "hacmp.out" else ""),
            ("TRACE_LEVEL", _of_nodes(c, "VERBOSE_LOGGING", "high") if log.name == "hacmp.out" else ""),
            ("REMOTE_FS", "true" if log.remote_file_system else "false"),
        ]
        for log in c.logs
    ]


QUERIES = {"file_collection": collections, "method": methods, "event": events, "log": logs}
