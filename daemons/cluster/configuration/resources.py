"""Resource groups and what they hold: HACMPgroup, HACMPresource, HACMPserver, HACMPmonitor, HACMPtape."""

from __future__ import annotations

import msgspec

from daemons.cluster.configuration.objects import (
    ConfigurationFault,
    OdmObject,
    number,
    pairs_by_name,
    text,
    whole_number,
)

OWNED = (
    "SERVICE_LABEL", "VOLUME_GROUP", "CONCURRENT_VOLUME_GROUP", "FILESYSTEM", "DISK", "RAW_DISK", "APPLICATIONS",
    "SHARED_TAPE_RESOURCES", "COMMUNICATION_LINKS", "USERDEFINED_RESOURCES",
)  # fmt: skip
"""Kinds of resources that only one group can have: what is acquired on a node for its group alone. What a group exports
or mounts by NFS it shares with whoever mounts it too. ALL stands for what another resource of the group implies."""


def owner_of(kind: str, value: str, groups: tuple[ResourceGroup, ...]) -> str:
    """The first group that has a resource which only one can have; "" for none, and for what is nobody's alone."""
    if kind not in OWNED or value == "ALL":
        return ""
    return next((group.name for group in groups if value in group.resource(kind)), "")


class ResourceGroup(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPgroup with its HACMPresource objects. ``nodes`` is in order of priority.

    ``fallback_timer`` names a ``FallbackTimer`` (HACMPtimersvc), "" for a fallback at once.
    """

    name: str
    nodes: tuple[str, ...]
    startup: str = "OHN"
    fallover: str = "FNPN"
    fallback: str = "FBHPN"
    resources: tuple[tuple[str, str], ...] = ()
    fallback_timer: str = ""
    notified: tuple[tuple[str, str, str], ...] = ()
    """(kind, value, method) of service labels and volume groups whose loss is only told, and moves nothing (the
    product's customized resource recovery). It stands in HACMPresource.monitor_method: a command line, or NOTIFY for
    no method (inferred)."""

    def notify_method(self, kind: str, value: str) -> str | None:
        """What is run instead of a fallover when the resource is lost: "" for nothing; None: the group falls over."""
        return next((method for name, word, method in self.notified if (name, word) == (kind, value)), None)

    def resource(self, name: str) -> tuple[str, ...]:
        """The values of one kind of resource (SERVICE_LABEL, VOLUME_GROUP, FILESYSTEM, APPLICATIONS ...)."""
        return tuple(value for key, value in self.resources if key == name)

    @property
    def concurrent(self) -> bool:
        """Online on all available nodes at once."""
        return self.startup == "OAAN"

    @property
    def site_policy(self) -> str:
        """The inter-site management policy: ignore, primary, either or both."""
        return next(iter(self.resource("SITE_POLICY")), "") or "ignore"

    @property
    def secondary_nodes(self) -> tuple[str, ...]:
        """Those of its nodes that were named as nodes of the secondary site."""
        return tuple(node for value in self.resource("SECONDARYNODES") for node in value.split())


class ApplicationController(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPserver: how an application is started and stopped."""

    name: str
    start: str
    stop: str
    startup_mode: str = "background"


class ApplicationMonitor(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPmonitor: attribute and value pairs, and their typed reading.

    Times are product seconds. The defaults are those of the product's configuration panels; where a panel derives one
    (the restart interval) so does the property.
    """

    name: str
    attributes: tuple[tuple[str, str], ...] = ()

    def attribute(self, name: str, default: str = "") -> str:
        """The value of one attribute."""
        return dict(self.attributes).get(name, default)

    def values(self, name: str) -> tuple[str, ...]:
        """The words of all objects of one attribute."""
        return tuple(word for key, value in self.attributes if key == name for word in value.replace(",", " ").split())

    @property
    def applications(self) -> tuple[str, ...]:
        """The application controllers that it watches."""
        return self.values("RESOURCE_TO_MONITOR")

    @property
    def is_process_monitor(self) -> bool:
        """Watches processes; otherwise it is a custom monitor, which runs a method (MONITOR_TYPE user)."""
        return self.attribute("MONITOR_TYPE") == "process"

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of the processes of a process monitor, as ``ps -el`` shows them."""
        return self.values("PROCESSES")

    @property
    def invocation(self) -> str:
        """longrunning, startup or both."""
        return self.attribute("INVOCATION") or "longrunning"

    @property
    def method(self) -> str:
        """The program of a custom monitor; exit code 0 is good."""
        return self.attribute("MONITOR_METHOD")

    @property
    def interval(self) -> int:
        """Seconds between two runs of the method; it is taken as hung when it runs as long as that."""
        return self._number("MONITOR_INTERVAL", 60)

    @property
    def hung_signal(self) -> int:
        """The signal for a method that hangs."""
        return self._number("HUNG_MONITOR_SIGNAL", 9)

    @property
    def instance_count(self) -> int:
        """How many instances of a process there are to be."""
        return self._number("INSTANCE_COUNT", 1)

    @property
    def stabilization_interval(self) -> int:
        """Seconds until monitoring begins after a start (startup monitor: within which it must be good)."""
        return self._number("STABILIZATION_INTERVAL", 180)

    @property
    def restart_count(self) -> int:
        """How often the application is started again before the failure action."""
        return self._number("RESTART_COUNT", 3)

    @property
    def restart_interval(self) -> int:
        """Seconds without a failure after which the count begins anew."""
        least = self.restart_count * (self.stabilization_interval + (0 if self.is_process_monitor else self.interval))
        return self._number("RESTART_INTERVAL", least * 11 // 10)

    @property
    def failure_action(self) -> str:
        """notify or fallover."""
        return self.attribute("FAILURE_ACTION").lower() or "notify"

    def _number(self, name: str, default: int) -> int:
        value = self.attribute(name)
        if not value:
            return default
        found = whole_number(value, -1)
        if found < 0:
            raise ConfigurationFault(f"{name} of the application monitor {self.name} is {value!r}, not a number")
        return found


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPtape: a tape drive that a resource group can hold."""

    name: str
    device: str
    description: str = ""
    start: str = ""
    stop: str = ""
    start_synchronous: bool = False
    stop_synchronous: bool = False


def load_groups(
    groups: list[OdmObject], resources: list[OdmObject], timers: list[OdmObject]
) -> tuple[ResourceGroup, ...]:
    """The resource groups, in order of definition.

    Raises:
        ConfigurationFault: a resource belongs to no group.
    """
    values: dict[str, list[tuple[str, str]]] = {text(o, "group"): [] for o in groups}
    notified: dict[str, list[tuple[str, str, str]]] = {}
    for o in resources:
        if (group := text(o, "group")) not in values:
            raise ConfigurationFault(f"HACMPresource names the resource group {group}, which HACMPgroup does not have")
        values[group].append((text(o, "name"), text(o, "value")))
        if (method := text(o, "monitor_method")) and text(o, "name") in NOTIFIABLE:
            entry = text(o, "name"), text(o, "value"), "" if method.upper() == NOTIFY else method
            notified.setdefault(group, []).append(entry)
    fallback = {text(o, "group"): text(o, "value") for o in timers if text(o, "name") == TIMER}
    return tuple(
        ResourceGroup(
            name=text(o, "group"),
            nodes=tuple(text(o, "nodes").split()),
            startup=text(o, "startup_pref"),
            fallover=text(o, "fallover_pref"),
            fallback=text(o, "fallback_pref"),
            resources=tuple(values[text(o, "group")]),
            fallback_timer=fallback.get(text(o, "group"), ""),
            notified=tuple(notified.get(text(o, "group"), ())),
        )
        for o in groups
    )


NOTIFY = "NOTIFY"
NOTIFIABLE = ("SERVICE_LABEL", "VOLUME_GROUP")
"""Resources whose recovery can be changed from fallover to notify."""
TIMER = "FALLBACK_TIMER"
"""HACMPtimersvc.name of a group's delayed fallback timer (the fields are known, this value is inferred)."""


def group_objects(groups: tuple[ResourceGroup, ...]) -> dict[str, list[OdmObject]]:
    """HACMPgroup, HACMPresource, HACMPtimersvc."""
    return {
        "HACMPgroup": [
            {
                "group": group.name,
                "type": "concurrent" if group.concurrent else "non-concurrent",
                "nodes": " ".join(group.nodes),
                "startup_pref": group.startup,
                "fallover_pref": group.fallover,
                "fallback_pref": group.fallback,
            }
            for group in groups
        ],
        "HACMPresource": [
            {
                "group": group.name,
                "name": name,
                "value": value,
                "id": place,
                "monitor_method": _method(group, name, value),
            }
            for group in groups
            for place, (name, value) in enumerate(group.resources)
        ],
        "HACMPtimersvc": [
            {"group": group.name, "name": TIMER, "value": group.fallback_timer}
            for group in groups
            if group.fallback_timer
        ],
    }


def _method(group: ResourceGroup, kind: str, value: str) -> str:
    method = group.notify_method(kind, value)
    return "" if method is None else method or NOTIFY


def load_controllers(objects: list[OdmObject]) -> tuple[ApplicationController, ...]:
    """The application controllers, in order of definition."""
    return tuple(
        ApplicationController(
            name=text(o, "name"),
            start=text(o, "start"),
            stop=text(o, "stop"),
            startup_mode=text(o, "startup_mode") or "background",
        )
        for o in objects
    )


def controller_objects(controllers: tuple[ApplicationController, ...]) -> list[OdmObject]:
    """HACMPserver."""
    return [{"name": a.name, "start": a.start, "stop": a.stop, "startup_mode": a.startup_mode} for a in controllers]


def load_monitors(objects: list[OdmObject]) -> tuple[ApplicationMonitor, ...]:
    """The application monitors, in order of definition."""
    return tuple(ApplicationMonitor(name=name, attributes=pairs) for name, pairs in pairs_by_name(objects).items())


def monitor_objects(monitors: tuple[ApplicationMonitor, ...]) -> list[OdmObject]:
    """HACMPmonitor."""
    return [
        {"name": monitor.name, "object": attribute, "value": value}
        for monitor in monitors
        for attribute, value in monitor.attributes
    ]


def load_tapes(objects: list[OdmObject]) -> tuple[Tape, ...]:
    """The tape drives, in order of definition."""
    return tuple(
        Tape(
            name=text(o, "name"),
            device=text(o, "device"),
            description=text(o, "description"),
            start=text(o, "start"),
            stop=text(o, "stop"),
            start_synchronous=number(o, "start_sync") != 0,
            stop_synchronous=number(o, "stop_sync") != 0,
        )
        for o in objects
    )


def tape_objects(tapes: tuple[Tape, ...]) -> list[OdmObject]:
    """HACMPtape."""
    return [
        {
            "name": tape.name,
            "description": tape.description,
            "device": tape.device,
            "start": tape.start,
            "stop": tape.stop,
            "start_sync": int(tape.start_synchronous),
            "stop_sync": int(tape.stop_synchronous),
        }
        for tape in tapes
    ]
