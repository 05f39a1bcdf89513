"""What groups hold besides addresses, disks and applications: user-defined resources, and kinds that nodes lack."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.configuration.user_defined import AFTER, FIRST
from daemons.cluster.verification.applications import program
from daemons.cluster.verification.findings import Case, Finding, error, warning

ABSENT = {
    "SHARED_TAPE_RESOURCES": "a node has no tape drives here",
    "COMMUNICATION_LINKS": "a node has no communication adapters here",
    "WPAR_NAME": "a node has no workload partitions here",
    "MOUNT_FILESYSTEM": "nothing is mounted over NFS here",
}
"""Kinds of resources that can be configured and not acquired, and why."""


def can_be_acquired(case: Case) -> Iterator[Finding]:
    """No group has a resource of a kind that nodes do not have."""
    for group in case.configuration.groups:
        for kind, value in group.resources:
            if kind in ABSENT and value:
                yield error(
                    f"The resource '{value}' ({kind}) of resource group '{group.name}' cannot be acquired: "
                    f"{ABSENT[kind]}."
                )


def exports_fit(case: Case) -> Iterator[Finding]:
    """What is exported lies in a file system of the group (a directory of the node alone does not fall over)."""
    for group in case.configuration.groups:
        mounts = [name.rstrip("/") for name in group.resource("FILESYSTEM")]
        for kind in ("EXPORT_FILESYSTEM", "EXPORT_FILESYSTEM_V4"):
            for path in group.resource(kind):
                if not path.startswith("/"):
                    yield error(
                        f"The directory '{path}' that resource group '{group.name}' exports is not a full path."
                    )
                elif mounts and "ALL" not in mounts and not any(f"{path}/".startswith(f"{mount}/") for mount in mounts):
                    yield warning(
                        f"The directory '{path}' that resource group '{group.name}' exports lies in none of its file "
                        "systems."
                    )


def user_defined_are_sound(case: Case) -> Iterator[Finding]:
    """User-defined resources of groups exist and have a type; its order names something, and its methods can be run."""
    c = case.configuration
    names = {entry.name for entry in c.resource_types}
    for entry in c.resource_types:
        if entry.order not in (FIRST, *AFTER) and entry.order not in names:
            yield error(
                f"The user-defined resource type '{entry.name}' is processed after '{entry.order}', which is no type."
            )
        if not entry.start:
            yield error(f"The user-defined resource type '{entry.name}' has no start method.")
        if not entry.stop:
            yield error(f"The user-defined resource type '{entry.name}' has no stop method.")
    for resource in c.user_resources:
        if resource.type not in names:
            yield error(
                f"The user-defined resource '{resource.name}' is of the type '{resource.type}', which is not defined."
            )
    for group in c.groups:
        for name in group.resource("USERDEFINED_RESOURCES"):
            found = c.user_resource(name)
            if found is None:
                yield error(f"The user-defined resource '{name}' of '{group.name}' is not defined.")
                continue
            kind = c.resource_type(found.type)
            methods = kind.methods if kind else ()
            for node, known in case.answering(group.nodes):
                for method in dict.fromkeys(methods):
                    if method and program(method) not in known.executable:
                        yield error(
                            f"The method '{method}' of the user-defined resource '{name}' is not executable on node "
                            f"'{node}'."
                        )


def notify_methods_can_run(case: Case) -> Iterator[Finding]:
    """What is run instead of a fallover can be run on every node of the group."""
    for group in case.configuration.groups:
        for _, value, method in group.notified:
            for node, known in case.answering(group.nodes):
                if method and program(method) not in known.executable:
                    yield error(
                        f"The notify method '{method}' of the resource '{value}' of '{group.name}' is not "
                        f"executable on node '{node}'."
                    )


def orders_name_groups(case: Case) -> Iterator[Finding]:
    """The serial orders of groups name groups that exist."""
    c = case.configuration
    for key, what in (("ACQUISITION_ORDER", "acquisition"), ("RELEASE_ORDER", "release")):
        for name in c.setting(key).split():
            if c.group(name) is None:
                yield error(f"The {what} order names the resource group '{name}', which is not defined.")
