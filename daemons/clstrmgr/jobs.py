"""The jobs that ``process_resources`` gets from ``clRGPA``: which resources to handle next, as shell assignments.

Order of an acquisition and a release, and the names of job types and variables, are the product's (the reference's
section on process_resources). A job covers all groups of the step, unless an order of groups is configured: then one
group after the other has its pass. Values of one group are joined by commas, groups by blanks. ``IP_ADDRESSES``,
``CONTROLLERS`` and the like are additions that spare the scripts a look into the ODM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from daemons.clstrmgr.addresses import ServiceAddresses
from daemons.clstrmgr.events import Stage
from daemons.clstrmgr.monitors import definitions
from daemons.clstrmgr.user_resources import TYPE, positions, variables_of
from daemons.cluster.configuration import Configuration, ResourceGroup

NONE = "JOB_TYPE=NONE"

_RELEASE = (
    *("RELEASE", "APPLICATIONS", "UNEXPORT_FILESYSTEMS", "FILESYSTEMS", "VGS"),
    *("TAKEOVER_LABELS", "SERVICE_LABELS", "OFFLINE"),
)
_ACQUIRE = ("ACQUIRE", "SERVICE_LABELS", "DISKS", "VGS", "FILESYSTEMS", "EXPORT_FILESYSTEMS")
_COMPLETE = ("APPLICATIONS", "ONLINE")
_ORDER = {Stage.RELEASE: _RELEASE, Stage.ACQUIRE: _ACQUIRE, Stage.COMPLETE: _COMPLETE, Stage.NONE: ()}
_ACTION = {Stage.RELEASE: "RELEASE", Stage.ACQUIRE: "ACQUIRE", Stage.COMPLETE: "ACQUIRE", Stage.NONE: "NONE"}


class JobList:
    """The jobs of one node in one step.

    Args:
        configuration: the active configuration.
        node_name: this node.
        stage: what the step does.
        groups: the groups it does it to.
        failed: names of groups that failed meanwhile; they get no further job but ERROR, in a release that one last.
        addresses: where this node's service labels are.
        partial: groups that stay online and only lose, or gain, what the configuration has of them.
        sub_events: service labels of groups whose home is another node have a job type of their own, TAKEOVER_LABELS
            (levels of the product before 7).
        stranded: groups that have no place: where they are released they go to ERROR and not OFFLINE.
    """

    def __init__(
        self,
        configuration: Configuration,
        node_name: str,
        stage: Stage,
        groups: tuple[str, ...],
        failed: set[str],
        addresses: ServiceAddresses | None = None,
        partial: frozenset[str] = frozenset(),
        sub_events: bool = False,
        stranded: frozenset[str] = frozenset(),
    ) -> None:
        self._node_name = node_name
        self._sub_events = sub_events
        self._configuration = configuration
        self._partial = partial
        self._addresses = addresses or ServiceAddresses(node_name)
        self._stage = stage
        self._groups = [group for name in groups if (group := configuration.group(name)) is not None]
        self._failed = failed
        self._stranded = stranded if stage is Stage.RELEASE else frozenset()
        self.in_error: set[str] = set()
        """Groups that have had the job ERROR."""
        self._jobs = self._generate()

    def next(self) -> str:
        """The next job's assignments. Whoever asks again after the end is told of the groups that have failed since:
        what ran beside the jobs was still running then."""
        return next(self._jobs, "") or self._error([group.name for group in self._groups]) or NONE

    def _generate(self) -> Iterator[str]:
        for names in self._passes():
            for job_type, late in self._sequence():
                groups = [group for group in self._remaining(job_type) if group.name in names]
                if late is not None:
                    groups = [group for group in groups if _truth(group, "FS_BEFORE_IPADDR") == late]
                variables = self._variables(job_type, groups) if groups else None
                if variables is not None:
                    yield _assign(job_type.partition(TYPE)[0], variables)
            if error := self._error(names):
                yield error

    def _error(self, names: list[str]) -> str:
        """The job that puts those groups into ERROR which are not to be ONLINE or OFFLINE; "" if there are none.

        It ends the group's pass in the place of either (inferred; the reference has the job type and what it does).
        """
        groups = [name for name in names if name in self._failed | self._stranded and name not in self.in_error]
        self.in_error.update(groups)
        return _assign("ERROR", {"RESOURCE_GROUPS": " ".join(groups)}) if groups else ""

    def _passes(self) -> list[list[str]]:
        """The groups of each pass: all at once, or those of a configured order one by one.

        Groups of the acquisition order come before those without an order, groups of the release order behind them
        (inferred).
        """
        names = [group.name for group in self._groups]
        order = self._configuration.setting("RELEASE_ORDER" if self._stage is Stage.RELEASE else "ACQUISITION_ORDER")
        serial = [[name] for name in dict.fromkeys(order.split()) if name in names]
        parallel = [name for name in names if [name] not in serial]
        rest = [parallel] if parallel else []
        return [*rest, *serial] if self._stage is Stage.RELEASE else [*serial, *rest]

    def _sequence(self) -> list[tuple[str, bool | None]]:
        """The job types in order. An acquisition has addresses twice: before the disks, and behind the file systems for
        groups that want them mounted first; the flag says which groups are meant. User-defined types stand where their
        definition says."""
        types = self._configuration.resource_types
        if self._stage is not Stage.ACQUIRE:
            plain = _ORDER[self._stage]
            return [(job_type, None) for job_type in (positions(plain, types, self._stage) if types else plain)]
        found: list[tuple[str, bool | None]] = []
        for job_type in _ACQUIRE:
            late = False if job_type == "SERVICE_LABELS" else None
            found.append((job_type, late))
            if job_type == "SERVICE_LABELS":
                found.append(("TAKEOVER_LABELS", late))
            elif job_type == "FILESYSTEMS":
                found += [("SERVICE_LABELS", True), ("TAKEOVER_LABELS", True)]
        if types:
            found = [(name, late) for job, late in found for name in positions((job,), types, self._stage)]
        return found

    def _remaining(self, job_type: str) -> list[ResourceGroup]:
        if job_type == "RELEASE":
            return [group for group in self._groups if group.name not in self._partial]
        # A release goes on to the end whatever fails, so that as much as possible is given back.
        if self._stage is Stage.RELEASE and job_type != "OFFLINE":
            return self._groups
        unmarked = self._failed | self._partial | self._stranded if job_type == "OFFLINE" else self._failed
        return [group for group in self._groups if group.name not in unmarked]

    def _variables(self, job_type: str, groups: list[ResourceGroup]) -> dict[str, str] | None:
        action = _ACTION[self._stage]
        match job_type:
            case "ACQUIRE" | "RELEASE":
                extra = {"PRINCIPAL_ACTION": action, "AUXILLIARY_ACTION": "NONE"}
                return {"RESOURCE_GROUPS": " ".join(group.name for group in groups), **extra}
            case "ONLINE" | "OFFLINE":
                return {"RESOURCE_GROUPS": " ".join(group.name for group in groups)}
            case "SERVICE_LABELS" | "TAKEOVER_LABELS":
                values = self._service_labels([group for group in groups if self._label_job(group) == job_type])
            case "DISKS":
                values = _lists(groups, {"HDISKS": lambda group: group.resource("DISK")})
            case "VGS":
                values = _lists(groups, {"VOLUME_GROUPS": _volume_groups})
                shared = [name for group in groups for name in _volume_groups(group) if _is_shared(group, name)]
                if values is not None and shared:
                    values["CONCURRENT_VOLUME_GROUP"] = " ".join(shared)
                forced = [name for group in groups if _truth(group, "FORCED_VARYON") for name in _volume_groups(group)]
                if values is not None and forced and self._stage is Stage.ACQUIRE:
                    values["FORCED_VARYON"] = " ".join(forced)
            case "FILESYSTEMS":
                values = self._filesystems(groups)
            case "EXPORT_FILESYSTEMS" | "UNEXPORT_FILESYSTEMS":
                values = _lists(
                    groups,
                    {
                        "EXPORT_FILE_SYSTEMS": lambda group: group.resource("EXPORT_FILESYSTEM"),
                        "EXPORT_FILE_SYSTEMS_V4": lambda group: group.resource("EXPORT_FILESYSTEM_V4"),
                    },
                )
            case _ if TYPE in job_type:
                values = variables_of(self._configuration, job_type.partition(TYPE)[2], groups)
            case _:
                values = self._applications(groups)
        return None if values is None else {"ACTION": action, **values}

    def _label_job(self, group: ResourceGroup) -> str:
        home = not self._sub_events or group.nodes[:1] == (self._node_name,)
        return "SERVICE_LABELS" if home else "TAKEOVER_LABELS"

    def _service_labels(self, groups: list[ResourceGroup]) -> dict[str, str] | None:
        values = _lists(groups, {"IP_LABELS": self._labels_here})
        if values is None:
            return None
        place = self._addresses.release if self._stage is Stage.RELEASE else self._addresses.acquire
        addresses = [
            found
            for group in groups
            for label in self._labels_here(group)
            if (found := place(self._configuration, label)) is not None
        ]
        texts = [f"{entry.label}:{entry.address}:{entry.netmask}:{entry.interface}" for entry in addresses]
        return {**values, "COMMUNICATION_LINKS": "", "IP_ADDRESSES": " ".join(texts)}

    def _labels_here(self, group: ResourceGroup) -> tuple[str, ...]:
        """The group's service labels but those of another site, which are released where they are all the same."""
        held = self._addresses.placed if self._stage is Stage.RELEASE else {}
        return tuple(
            label
            for label in group.resource("SERVICE_LABEL")
            if label in held or self._configuration.may_hold(self._node_name, label)
        )

    def _filesystems(self, groups: list[ResourceGroup]) -> dict[str, str] | None:
        def mounts(group: ResourceGroup) -> tuple[str, ...]:
            # No file system named means all of the group's volume groups (the product's "ALL").
            return group.resource("FILESYSTEM") or (("ALL",) if group.resource("VOLUME_GROUP") else ())

        values = _lists(groups, {"FILE_SYSTEMS": mounts})
        if values is None:
            return None
        with_mounts = [group for group in groups if mounts(group)]
        return {
            **values,
            "VOLUME_GROUPS": " ".join(",".join(group.resource("VOLUME_GROUP")) for group in with_mounts),
            "FSCHECK_TOOLS": " ".join((group.resource("FSCHECK_TOOL") or ("fsck",))[0] for group in with_mounts),
            "RECOVERY_METHODS": " ".join(
                (group.resource("RECOVERY_METHOD") or ("sequential",))[0] for group in with_mounts
            ),
        }

    def _applications(self, groups: list[ResourceGroup]) -> dict[str, str] | None:
        values = _lists(groups, {"ALL_APPLICATIONS": lambda group: group.resource("APPLICATIONS")})
        if values is None:
            return None
        controllers = [
            f"{controller.name}|{controller.start}|{controller.stop}|{controller.startup_mode}|{group.name}"
            for group in groups
            for name in group.resource("APPLICATIONS")
            if (controller := self._configuration.controller(name)) is not None
        ]
        # Of several groups one behind the other, as all values of a job (inferred).
        data = " ".join(text for group in groups for text in group.resource("MISC_DATA"))
        made = {**values, "MISCDATA": data, "CONTROLLERS": "\n".join(controllers)}
        monitors = self._startup_monitors(groups) if self._stage is not Stage.RELEASE else ""
        return {**made, "STARTUP_MONITORS": monitors} if monitors else made

    def _startup_monitors(self, groups: list[ResourceGroup]) -> str:
        """The startup monitors of the applications, one a line, as cl_app_startup_monitor reads them."""
        return "\n".join(
            "|".join(
                (
                    application,
                    entry.name,
                    entry.kind,
                    entry.method,
                    str(entry.interval),
                    str(entry.stabilization),
                    str(entry.signal),
                    " ".join(entry.processes),
                    entry.owner,
                    str(entry.instances),
                )
            )
            for group in groups
            for application in group.resource("APPLICATIONS")
            for entry in definitions(self._configuration, application)
            if entry.at_startup
        )


def _truth(group: ResourceGroup, name: str) -> bool:
    """A yes or no among the group's attributes."""
    return next(iter(group.resource(name)), "").lower() in ("true", "yes")


def _volume_groups(group: ResourceGroup) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*group.resource("VOLUME_GROUP"), *group.resource("CONCURRENT_VOLUME_GROUP"))))


def _is_shared(group: ResourceGroup, name: str) -> bool:
    """Whether a group's volume group is varied on by all of its nodes beside each other."""
    return group.concurrent or name in group.resource("CONCURRENT_VOLUME_GROUP")


def _lists(
    groups: list[ResourceGroup], kinds: dict[str, Callable[[ResourceGroup], tuple[str, ...]]]
) -> dict[str, str] | None:
    """Lists of resources, parallel to RESOURCE_GROUPS; None if no group has any."""
    having = [group for group in groups if any(kind(group) for kind in kinds.values())]
    if not having:
        return None
    values = {name: " ".join(",".join(kind(group)) for group in having).strip() for name, kind in kinds.items()}
    return {**values, "RESOURCE_GROUPS": " ".join(group.name for group in having)}


def _assign(job_type: str, variables: dict[str, str]) -> str:
    parts = [f"JOB_TYPE={job_type}"]
    for name, value in variables.items():
        parts.append(f"{name}={_quote(value)}")
    return " ".join(parts)


def _quote(value: str) -> str:
    """Double quotes, as the product prints; ANSI-C quoting for what a shell would expand inside them."""
    if not set(value) & set("\"$`\\!\n'"):
        return f'"{value}"'
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"$'{escaped}'"
