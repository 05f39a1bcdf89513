"""Application monitors as state machines: when a monitor looks, what it makes of what it sees, what follows.

Source: the product's administration guide on application monitoring (process and custom monitors; stabilization,
monitor, restart interval; restart count; hung monitor signal; failure action). The machine knows no process and no
clock: it is told what a method returned and how many processes there are, and says what to do next. Startup monitoring
is the business of start_server; this is long-running monitoring.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from daemons.cluster.configuration import ApplicationMonitor, Configuration, whole_number
from srcctl.machine import SECOND

CANNOT_RUN: Final = (126, 127)
"""Exit statuses of a method that could not be run: the monitor has failed, not the application (inferred)."""

KILL: Final = 9
HUNG_AGAIN: Final = 2 * SECOND
"""How long a hung method may survive its signal before it is killed (patience, inferred)."""

Phase: TypeAlias = Literal["stabilizing", "waiting", "asking", "watching", "hung", "stopped"]


class Definition(Struct, frozen=True):
    """One monitor. Times are in seconds.

    Args:
        name: of the monitor.
        applications: application controllers that it monitors.
        kind: "process" watches processes, "user" runs a method.
        mode: longrunning, startup or both.
        processes, owner, instances: a process monitor's; ``owner`` "" is anybody.
        method, interval, signal: a custom monitor's.
        stabilization: before monitoring begins.
        restarts, restart_interval: how often to restart; after that much stable time the count begins anew.
        action: what to do when the count is used up.
        notify, cleanup, restart: methods; "" for none, the stop script and the start script.
    """

    name: str
    applications: tuple[str, ...]
    kind: Literal["process", "user"]
    mode: Literal["longrunning", "startup", "both"] = "longrunning"
    processes: tuple[str, ...] = ()
    owner: str = ""
    instances: int = 1
    method: str = ""
    interval: int = 60
    signal: int = KILL
    stabilization: int = 180
    restarts: int = 3
    restart_interval: int = 0
    action: Literal["notify", "fallover"] = "notify"
    notify: str = ""
    cleanup: str = ""
    restart: str = ""

    @property
    def long_running(self) -> bool:
        """Does it watch the application while it runs?"""
        return self.mode != "startup"

    @property
    def at_startup(self) -> bool:
        """Does it watch the application's start?"""
        return self.mode != "longrunning"

    @classmethod
    def of(cls, monitor: ApplicationMonitor) -> Definition:
        """The definition in an HACMPmonitor's attributes; a number that is none counts as missing."""

        def number(name: str, default: int) -> int:
            return whole_number(monitor.attribute(name), default)

        mode = monitor.attribute("INVOCATION").lower()
        stabilization, interval = number("STABILIZATION_INTERVAL", 180), number("MONITOR_INTERVAL", 60)
        kind: Literal["process", "user"] = "process" if monitor.attribute("MONITOR_TYPE") == "process" else "user"
        restarts = number("RESTART_COUNT", 3)
        # The product's default: ten per cent more than all restarts take.
        usual = restarts * (stabilization + (interval if kind == "user" else 0)) * 11 // 10
        return cls(
            name=monitor.name,
            applications=monitor.applications,
            kind=kind,
            mode="startup" if mode == "startup" else "both" if mode == "both" else "longrunning",
            processes=monitor.processes,
            owner=monitor.attribute("PROCESS_OWNER"),
            instances=max(1, number("INSTANCE_COUNT", 1)),
            method=monitor.attribute("MONITOR_METHOD"),
            interval=max(1, interval),
            signal=min(max(1, number("HUNG_MONITOR_SIGNAL", KILL)), 63),
            stabilization=stabilization,
            restarts=restarts,
            restart_interval=number("RESTART_INTERVAL", 0) or usual,
            action="fallover" if monitor.attribute("FAILURE_ACTION").lower() == "fallover" else "notify",
            notify=monitor.attribute("NOTIFY_METHOD"),
            cleanup=monitor.attribute("CLEANUP_METHOD"),
            restart=monitor.attribute("RESTART_METHOD"),
        )


def definitions(configuration: Configuration, application: str) -> tuple[Definition, ...]:
    """The monitors of an application controller."""
    return tuple(Definition.of(monitor) for monitor in configuration.monitors_of(application))


def definition_of_resource(configuration: Configuration, name: str) -> Definition | None:
    """The monitor of a user-defined resource: its type's methods, and intervals and counts among its attributes under
    the names that an application monitor has for them (inferred); None if its type has no monitor method."""
    resource = configuration.user_resource(name)
    kind = configuration.resource_type(resource.type) if resource is not None else None
    if resource is None or kind is None or not kind.monitor:
        return None
    methods = {
        "RESOURCE_TO_MONITOR": name,
        "MONITOR_METHOD": kind.monitor,
        "NOTIFY_METHOD": kind.notify,
        "CLEANUP_METHOD": kind.cleanup or kind.stop,
        "RESTART_METHOD": kind.restart or kind.start,
    }
    return Definition.of(ApplicationMonitor(name=name, attributes=(*methods.items(), *resource.attributes)))


# What a monitor wants.


class Ask(Struct, frozen=True):
    """Run the monitor method."""


class Signal(Struct, frozen=True):
    """Send this signal to the method that runs."""

    number: int


class Watch(Struct, frozen=True):
    """Tell how many of the processes there are, now and whenever one of them ends."""


class Unwatch(Struct, frozen=True):
    """No more of that; a method that runs still is killed."""


class Failed(Struct, frozen=True):
    """The application has failed. ``reason`` says what was seen, ``restart`` whether it may be restarted."""

    reason: str
    restart: bool


class MonitorFailed(Struct, frozen=True):
    """The monitor itself cannot work."""

    reason: str


Wish: TypeAlias = Ask | Signal | Watch | Unwatch | Failed | MonitorFailed


class Monitor(Struct):
    """One monitor of one application that is online on this node.

    Args:
        definition: what it does.
        scale: microseconds of a product second, for stabilization, monitor and restart interval (schedules). The time
            that a method may take is patience with real work and never scaled.
    """

    definition: Definition
    scale: int = SECOND
    phase: Phase = "stopped"
    due: int | None = None
    stable_since: int = 0
    restarts_left: int = 0

    def __post_init__(self) -> None:
        self.restarts_left = self.definition.restarts

    def start(self, now: int) -> list[Wish]:
        """The application was started, or is about to be watched again: wait until it is stable."""
        self.phase = "stabilizing"
        self.due = now + self.definition.stabilization * self.scale
        self.stable_since = now
        return []

    def stop(self, now: int) -> list[Wish]:
        """Stop monitoring; the stable time until now counts."""
        if self.phase != "stopped":
            self._count_anew(now)
        busy = self.phase in ("asking", "hung", "watching")
        self.phase, self.due = "stopped", None
        return [Unwatch()] if busy else []

    def tick(self, now: int) -> list[Wish]:
        """Time passed."""
        if self.due is None or now < self.due:
            return []
        match self.phase:
            case "stabilizing" if self.definition.kind == "process":
                self.phase, self.due = "watching", None
                return [Watch()]
            case "stabilizing" | "waiting":
                self.phase = "asking"
                self.due = now + self.definition.interval * SECOND
                return [Ask()]
            case "asking":
                self.phase, self.due = "hung", now + HUNG_AGAIN
                return [Signal(self.definition.signal)]
            case "hung":
                self.due = now + HUNG_AGAIN
                return [Signal(KILL)]
            case _:
                self.due = None
                return []

    def ended(self, now: int, status: int) -> list[Wish]:
        """The method ended with this exit status."""
        if self.phase == "hung":
            return self._failed(now, f"did not answer within {self.definition.interval} seconds")
        if self.phase != "asking":
            return []
        if status in CANNOT_RUN:
            self.phase, self.due = "stopped", None
            return [MonitorFailed(f"the monitor method cannot be run (status {status})")]
        if status:
            return self._failed(now, f"returned {status}")
        self.phase, self.due = "waiting", now + self.definition.interval * self.scale
        return []

    def counted(self, now: int, instances: int) -> list[Wish]:
        """That many of the processes there are."""
        if self.phase != "watching" or instances >= self.definition.instances:
            return []
        found = f"{instances} of {self.definition.instances} instances of {' '.join(self.definition.processes)} run"
        return [*self._failed(now, found), Unwatch()]

    def restart_timer(self, now: int) -> bool:
        """Has it used up restarts that it will have again after some stable time?"""
        used = self.restarts_left < self.definition.restarts
        return used and now - self.stable_since < self.definition.restart_interval * self.scale

    def _count_anew(self, now: int) -> None:
        """After the restart interval all restarts are there again."""
        if now - self.stable_since >= self.definition.restart_interval * self.scale:
            self.restarts_left = self.definition.restarts

    def _failed(self, now: int, reason: str) -> list[Wish]:
        self.phase, self.due = "stopped", None
        self._count_anew(now)
        restart = self.restarts_left > 0
        if restart:
            self.restarts_left -= 1
        return [Failed(reason, restart)]


class Watched(Struct):
    """An application that is online on this node, with its long-running monitors."""

    group: str
    application: str
    monitors: list[Monitor]
    suspended: bool = False
    handled: str = ""
    """What the last failure led to: restart, notify, fallover, or "monitor" for a failure of the monitor itself."""
    recorded: bool = False
    """Does clavan.log have a start of its monitors without an end?"""

    def start(self, now: int) -> None:
        """All monitors begin with their stabilization interval."""
        self.handled = ""
        for monitor in self.monitors:
            monitor.start(now)

    def stop(self, now: int) -> Iterator[tuple[Monitor, Wish]]:
        """All monitors stop."""
        for monitor in self.monitors:
            for wish in monitor.stop(now):
                yield monitor, wish

    def deadline(self) -> int | None:
        """When one of them wants to be told the time."""
        return min((monitor.due for monitor in self.monitors if monitor.due is not None), default=None)
