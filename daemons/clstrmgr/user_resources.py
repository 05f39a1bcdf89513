"""User-defined resources: where their types stand among the jobs, and what start_udresource and stop_udresource get.

The job type and the two scripts are the product's; the variables are inferred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.clstrmgr.events import Stage
from daemons.cluster.configuration.user_defined import FIRST, ResourceType, in_order

if TYPE_CHECKING:
    from daemons.cluster.configuration import Configuration, ResourceGroup

TYPE = ":"
"""Stands between the job type UDRESOURCE and the resource type in the list of jobs."""

_ANCHORS = {
    "ACQUIRE": (FIRST, "WPAR"),
    "RELEASE": (FIRST, "WPAR"),
    "SERVICE_LABELS": ("SERVICEIP",),
    "DISKS": ("DISKS",),
    "VGS": ("VOLUME_GROUP",),
    "FILESYSTEMS": ("FILE_SYSTEM", "TAPES"),
    "APPLICATIONS": ("APPLICATION",),
}
"""Job type: the words of a processing order that mean right behind it."""


def positions(plain: tuple[str, ...], types: tuple[ResourceType, ...], stage: Stage) -> tuple[str, ...]:
    """The job types with the user-defined types in their places. A release goes through them the other way round: what
    is acquired behind the volume groups is released before them, and what is acquired first is released last."""
    result: list[str] = []
    last: list[str] = []
    for job_type in plain:
        behind = [
            f"UDRESOURCE{TYPE}{entry.name}" for word in _ANCHORS.get(job_type, ()) for entry in in_order(types, word)
        ]
        if stage is not Stage.RELEASE:
            result += [job_type, *behind]
        elif job_type == "RELEASE":
            result.append(job_type)
            last = behind[::-1]
        elif job_type == "OFFLINE":
            result += [*last, job_type]
        else:
            # Disks have no job of their own in a release.
            disks = [f"UDRESOURCE{TYPE}{entry.name}" for entry in in_order(types, "DISKS")]
            result += [*behind[::-1], job_type, *(disks[::-1] if job_type == "VGS" else ())]
    return tuple(result)


def variables_of(configuration: Configuration, type_name: str, groups: list[ResourceGroup]) -> dict[str, str] | None:
    """The variables of a job for the resources of one type; None if the groups have none.

    UDRESOURCES has a line ``name|start|stop|monitor|group`` for each, UDRESOURCE_ATTRIBUTES ``name|variable=value``.
    """
    kind = configuration.resource_type(type_name)
    found = [
        (resource, group.name)
        for group in groups
        for name in group.resource("USERDEFINED_RESOURCES")
        if (resource := configuration.user_resource(name)) is not None and resource.type == type_name
    ]
    if kind is None or not found:
        return None
    return {
        "RESOURCE_GROUPS": " ".join(dict.fromkeys(group for _, group in found)),
        "ALL_UDRESOURCES": " ".join(resource.name for resource, _ in found),
        "UDRESOURCE_TYPE": type_name,
        "UDRESOURCES": "\n".join(
            f"{resource.name}|{kind.start}|{kind.stop}|{kind.monitor}|{group}" for resource, group in found
        ),
        "UDRESOURCE_ATTRIBUTES": "\n".join(
            f"{resource.name}|{variable}={value}" for resource, _ in found for variable, value in resource.environment
        ),
    }
