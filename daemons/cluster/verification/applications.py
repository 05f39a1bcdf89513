"""Application controllers, their monitors, and programs that administrators wrapped around events."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.configuration import ApplicationController, ApplicationMonitor, ConfigurationFault
from daemons.cluster.verification.findings import Case, Finding, error, warning

INVOCATIONS = ("longrunning", "startup", "both")
KINDS = ("user", "process")
NUMBERS = (
    "interval", "hung_signal", "instance_count", "stabilization_interval", "restart_count", "restart_interval",
)  # fmt: skip
"""Properties of a monitor that are numbers."""
FAILURE_ACTIONS = ("notify", "fallover")
MONITOR_METHODS = {
    "MONITOR_METHOD": "method", "CLEANUP_METHOD": "cleanup method", "RESTART_METHOD": "restart method",
    "NOTIFY_METHOD": "notify method",
}  # fmt: skip
SETTING_METHODS = {
    "NOTIFY_METHOD": "notify method of the split and merge policies",
    "SITE_POLICY_NOTIFY_METHOD": "notify method of the policy for failures of a site",
}


def monitor_methods(monitor: ApplicationMonitor) -> list[tuple[str, str]]:
    """What a monitor runs, as pairs of its kind and a command line."""
    found = ((what, monitor.attribute(name)) for name, what in MONITOR_METHODS.items())
    return [(what, command) for what, command in found if command]


def program(command: str) -> str:
    """The program of a command line, without its arguments."""
    return command.split()[0] if command.split() else ""


def controllers_are_sound(case: Case) -> Iterator[Finding]:
    """Controllers of groups exist, and their scripts can be executed on every node of the group."""
    c = case.configuration
    used = set()
    for group in c.groups:
        for name in group.resource("APPLICATIONS"):
            used.add(name)
            controller = c.controller(name)
            if controller is None:
                yield error(f"The application controller '{name}' of '{group.name}' is not defined.")
                continue
            for what, script in (("start", controller.start), ("stop", controller.stop)):
                yield from _script(case, group.nodes, controller, what, script)
    for controller in c.controllers:
        if controller.name not in used:
            yield warning(f"The application controller '{controller.name}' belongs to no resource group.")


def _script(
    case: Case, nodes: tuple[str, ...], controller: ApplicationController, what: str, script: str
) -> Iterator[Finding]:
    if not script:
        yield error(f"The application controller '{controller.name}' has no {what} script.")
        return
    for node, known in case.answering(nodes):
        if program(script) not in known.executable:
            yield error(
                f"The {what} script '{script}' of the application controller '{controller.name}' is not executable on "
                f"node '{node}'."
            )


def monitors_are_sound(case: Case) -> Iterator[Finding]:
    """Monitors watch what exists, and have what their kind needs."""
    c = case.configuration
    for monitor in c.monitors:
        if not monitor.applications:
            yield warning(f"The application monitor '{monitor.name}' watches no application controller.")
        for name in monitor.applications:
            if c.controller(name) is None:
                yield error(
                    f"The application monitor '{monitor.name}' watches the application controller '{name}', which is "
                    "not defined."
                )
        if monitor.invocation not in INVOCATIONS:
            yield error(f"The application monitor '{monitor.name}' has no valid mode: '{monitor.invocation}'.")
        if (kind := monitor.attribute("MONITOR_TYPE")) not in KINDS:
            yield error(f"The application monitor '{monitor.name}' has no valid type: '{kind}'.")
        if monitor.failure_action not in FAILURE_ACTIONS:
            yield error(
                f"The application monitor '{monitor.name}' has no valid failure action: '{monitor.failure_action}'."
            )
        yield from _numbers(monitor)
        if monitor.is_process_monitor:
            if not monitor.processes:
                yield error(f"The process application monitor '{monitor.name}' names no processes.")
        elif not monitor.method:
            yield error(f"The custom application monitor '{monitor.name}' has no monitor method.")
        yield from _method(case, monitor)


def _numbers(monitor: ApplicationMonitor) -> Iterator[Finding]:
    faults = []
    for name in NUMBERS:
        try:
            getattr(monitor, name)
        except ConfigurationFault as fault:
            faults.append(str(fault))
    for text in dict.fromkeys(faults):  # one follows from others
        yield error(f"{text}.")


def _method(case: Case, monitor: ApplicationMonitor) -> Iterator[Finding]:
    names = set(monitor.applications)
    groups = [g for g in case.configuration.groups if names & set(g.resource("APPLICATIONS"))]
    nodes = tuple(dict.fromkeys(node for group in groups for node in group.nodes))
    for what, command in monitor_methods(monitor):
        for node, known in case.answering(nodes):
            if program(command) not in known.executable:
                yield error(
                    f"The {what} '{command}' of the application monitor '{monitor.name}' is not executable on node "
                    f"'{node}'."
                )


def every_application_is_monitored(case: Case) -> Iterator[Finding]:
    """Applications without a monitor, in the product's table."""
    c = case.configuration
    rows = [
        (name, group.name)
        for group in c.groups
        for name in group.resource("APPLICATIONS")
        if c.controller(name) is not None and not c.monitors_of(name)
    ]
    if rows:
        listed = "\n".join(f"   {name:<38}{group}" for name, group in rows)
        yield warning(
            "Application monitors are required for detecting application failures\n"
            "in order for PowerHA SystemMirror to recover from them.  Application monitors are started\n"
            "by PowerHA SystemMirror when the resource group in which they participate is activated.\n"
            "The following application(s), shown with their associated resource group,\n"
            "do not have an application monitor configured:\n\n"
            "   Application Controller                Resource Group\n"
            "   --------------------------------      ---------------------------------\n" + listed
        )


def customizations_can_run(case: Case) -> Iterator[Finding]:
    """What is wrapped around events, and custom methods, can run on every node; files of collections exist."""
    c = case.configuration
    commands = [
        (f"{what} command of the event '{event.name}'", command)
        for event in c.events
        for what, command in event.commands(c.methods)
    ]
    commands += [(f"method '{method.name}'", method.program) for method in c.methods]
    # A script that an administrator replaced is run in the product's place.
    commands += [(f"script of the event '{event.name}'", event.command) for event in c.events if event.command]
    for what, command in dict.fromkeys(commands):
        for node, known in case.answering():
            if program(command) not in known.executable:
                yield error(f"The {what}, '{command}', is not executable on node '{node}'.")
    for key, what in SETTING_METHODS.items():
        # What happens does not depend on who is told of it.
        for node, known in case.answering() if c.setting(key) else ():
            if program(c.setting(key)) not in known.executable:
                yield warning(f"The {what}, '{c.setting(key)}', is not executable on node '{node}'.")
    for user_event in c.user_events:
        for node, known in case.answering():
            if user_event.program not in known.existing:
                yield error(
                    f"The recovery program '{user_event.program}' of the user-defined event '{user_event.name}' is "
                    f"missing or empty on node '{node}'."
                )
    for collection in c.collections:
        if not (collection.with_synchronization or collection.when_changed):
            continue
        for path in collection.files:
            for node, known in case.answering():
                if path not in known.existing:
                    yield warning(
                        f"The file '{path}' of the file collection '{collection.name}' is missing or empty on node "
                        f"'{node}'."
                    )
