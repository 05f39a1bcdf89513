"""Edits of application controllers, application monitors and tapes."""

from __future__ import annotations

from msgspec.structs import replace

from daemons.clmgr.edits.parts import (
    Surroundings,
    demand,
    exchange,
    existing,
    named,
    new_name,
    renamed,
    unused,
    users_of,
    with_renamed_resource,
    without,
)
from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError, missing
from daemons.clmgr.settings import CONTROLLER_SETTINGS, MONITOR_ATTRIBUTES, controller_key
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import ApplicationController, ApplicationMonitor, Configuration, Tape

PROCESS_ONLY, CUSTOM_ONLY = ("PROCESSES", "OWNER", "INSTANCECOUNT"), ("MONITORMETHOD", "MONITORINTERVAL", "HUNGSIGNAL")


def add_controller(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add application_controller``."""
    name = new_name(request, c.controllers)
    controller = _controller(request, ApplicationController(name=name, start="", stop=""))
    return _controller_attributes(request, replace(c, controllers=(*c.controllers, controller)), name)


def modify_controller(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify application_controller``: groups and monitors follow a new NAME."""
    old = existing(request, c.controllers)
    name = renamed(request, old, c.controllers)
    changed = replace(_controller(request, old), name=name)
    c = replace(c, controllers=exchange(c.controllers, old.name, changed))
    if name != old.name:
        c = with_renamed_resource(c, ("APPLICATIONS",), old.name, name)
        c = replace(c, monitors=tuple(_watching(m, [name if a == old.name else a for a in m.applications])
                                      for m in c.monitors))  # fmt: skip
        for key in CONTROLLER_SETTINGS:
            value = c.setting(controller_key(old.name, key))
            c = c.with_setting(controller_key(old.name, key), "").with_setting(controller_key(name, key), value)
    return _controller_attributes(request, c, name)


def _controller(request: Request, base: ApplicationController) -> ApplicationController:
    start = request.attribute("STARTSCRIPT", default=base.start)
    stop = request.attribute("STOPSCRIPT", default=base.stop)
    for attribute, script in (("STARTSCRIPT", start), ("STOPSCRIPT", stop)):
        if not script:
            raise missing(attribute)
    mode = request.attribute("STARTUP_MODE") or base.startup_mode
    return replace(base, start=start, stop=stop, startup_mode=mode)


def _controller_attributes(request: Request, c: Configuration, name: str) -> Configuration:
    if "MONITORS" in request.attributes:
        wanted = request.words("MONITORS")
        for monitor in wanted:
            named(monitor, c.monitors)
        monitors = tuple(
            _watching(m, [*[a for a in m.applications if a != name], *([name] if m.name in wanted else [])])
            for m in c.monitors
        )
        c = replace(c, monitors=monitors)
    for key in CONTROLLER_SETTINGS:
        if key in request.attributes:
            c = c.with_setting(controller_key(name, key), request.attributes[key])
    if c.setting(controller_key(name, "CPU_USAGE_MONITOR")) == "true" and not c.setting(
        controller_key(name, "PROCESS_TO_MONITOR_CPU_USAGE")
    ):
        raise missing("PROCESS_TO_MONITOR_CPU_USAGE")
    return c


def _watching(monitor: ApplicationMonitor, applications: list[str]) -> ApplicationMonitor:
    if list(monitor.applications) == applications:
        return monitor
    others = [pair for pair in monitor.attributes if pair[0] != "RESOURCE_TO_MONITOR"]
    found = [("RESOURCE_TO_MONITOR", name) for name in dict.fromkeys(applications)]
    return replace(monitor, attributes=tuple(others[:1] + found + others[1:]))


def without_controller(name: str, c: Configuration) -> Configuration:
    """``delete application_controller``."""
    controllers = without(name, c.controllers)
    unused(name, users_of(c, ("APPLICATIONS",), name))
    unused(name, [monitor.name for monitor in c.monitors_of(name)])
    for key in CONTROLLER_SETTINGS:
        c = c.with_setting(controller_key(name, key), "")
    return replace(c, controllers=controllers)


# Monitors.


def add_monitor(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add application_monitor``."""
    name = new_name(request, c.monitors)
    demand(request, "TYPE", "MODE")
    return replace(c, monitors=(*c.monitors, _monitor(request, c, ApplicationMonitor(name=name))))


def modify_monitor(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify application_monitor``."""
    old = existing(request, c.monitors)
    name = renamed(request, old, c.monitors)
    changed = replace(_monitor(request, c, old), name=name)
    return replace(c, monitors=exchange(c.monitors, old.name, changed))


def _monitor(request: Request, c: Configuration, base: ApplicationMonitor) -> ApplicationMonitor:
    given = request.attributes
    values = {name: value for name, value in base.attributes if name != "RESOURCE_TO_MONITOR"}
    if kind := given.get("TYPE"):
        values = {"MONITOR_TYPE": "process" if kind == "Process" else "user", **values}
        values["MONITOR_TYPE"] = "process" if kind == "Process" else "user"
    is_process = values.get("MONITOR_TYPE") == "process"
    for attribute in CUSTOM_ONLY if is_process else PROCESS_ONLY:
        if given.get(attribute):
            raise ClmgrError(
                f'"{attribute}" is no attribute of a {"process" if is_process else "custom"} monitor.', INCORRECT_INPUT
            )
        values.pop(MONITOR_ATTRIBUTES[attribute], None)
    for attribute, field in MONITOR_ATTRIBUTES.items():
        if attribute in given:
            value = " ".join(request.words(attribute)) if attribute == "PROCESSES" else given[attribute]
            values[field] = value
    asked = next((name for name in ("APPLICATIONS", "RESOURCETOMONITOR") if name in given), "")
    applications = request.words(asked) if asked else list(base.applications)
    if not applications:
        raise missing("APPLICATIONS")
    for name in applications:
        named(name, c.controllers)
    for attribute in ("PROCESSES", "OWNER") if is_process else ("MONITORMETHOD",):
        if not values.get(MONITOR_ATTRIBUTES[attribute]):
            raise missing(attribute)
    pairs = tuple((name, value) for name, value in values.items() if value)
    return _watching(ApplicationMonitor(name=base.name, attributes=pairs), applications)


def without_monitor(name: str, c: Configuration) -> Configuration:
    """``delete application_monitor``."""
    return replace(c, monitors=without(name, c.monitors))


# Tapes.


def add_tape(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add tape``."""
    tape = _tape(request, Tape(name=new_name(request, c.tapes), device=""))
    return replace(c, tapes=(*c.tapes, tape))


def modify_tape(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify tape``."""
    old = existing(request, c.tapes)
    name = renamed(request, old, c.tapes)
    c = replace(c, tapes=exchange(c.tapes, old.name, replace(_tape(request, old), name=name)))
    return with_renamed_resource(c, ("SHARED_TAPE_RESOURCES",), old.name, name)


def _tape(request: Request, base: Tape) -> Tape:
    device = request.attribute("SHARED_TAPE_RESOURCE", default=base.device)
    if not device:
        raise missing("SHARED_TAPE_RESOURCE")
    return replace(
        base,
        device=device,
        description=request.attribute("DESCRIPTION", default=base.description),
        start=request.attribute("STARTSCRIPT", default=base.start),
        stop=request.attribute("STOPSCRIPT", default=base.stop),
        start_synchronous=request.truth("START_SCRIPT_SYNCHRONOUSLY", base.start_synchronous),
        stop_synchronous=request.truth("STOP_SCRIPT_SYNCHRONOUSLY", base.stop_synchronous),
    )


def without_tape(name: str, c: Configuration) -> Configuration:
    """``delete tape``."""
    tapes = without(name, c.tapes)
    unused(name, users_of(c, ("SHARED_TAPE_RESOURCES",), name))
    return replace(c, tapes=tapes)


ADD = {"application_controller": add_controller, "application_monitor": add_monitor, "tape": add_tape}
MODIFY = {"application_controller": modify_controller, "application_monitor": modify_monitor, "tape": modify_tape}
DELETE = {"application_controller": without_controller, "application_monitor": without_monitor, "tape": without_tape}
NAMES = {
    "application_controller": lambda c: [a.name for a in c.controllers],
    "application_monitor": lambda c: [m.name for m in c.monitors],
    "tape": lambda c: [t.name for t in c.tapes],
}
