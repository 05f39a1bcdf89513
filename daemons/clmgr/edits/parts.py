"""What the edits of all classes share: names of new objects, references that must hold, exchange of one member."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace

from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    MISSING_INPUT,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid_characters,
    missing,
    no_such_disk,
)
from daemons.clmgr.syntax.attributes import is_name
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import (
    ApplicationController,
    ApplicationMonitor,
    Configuration,
    CustomMethod,
    EventCustomization,
    FallbackTimer,
    FileCollection,
    Network,
    Node,
    NotifyMethod,
    ResourceGroup,
    Site,
    Tape,
    UserDefinedResource,
)
from daemons.cluster.configuration.user_defined import ResourceType
from srcctl.node.root import Identity


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What edits may know beside the configuration.

    Args:
        identity: the node.
        addresses: IP labels of /etc/hosts.
        disks: PVIDs of the node's disks by name.
        is_volume_group: whether a volume group of that name is on a shared disk, or known to this node.
    """

    identity: Identity
    addresses: Mapping[str, str] = field(default_factory=dict)
    disks: Mapping[str, str] = field(default_factory=dict)
    is_volume_group: Callable[[str], bool] = lambda name: True

    def disk(self, wanted: str) -> str:
        """The PVID of a disk that is named by name or PVID.

        Raises:
            ClmgrError: there is none, or it is the node's own.
        """
        if wanted in self.disks:
            return self.disks[wanted]
        if wanted.lower() in self.disks.values():
            return wanted.lower()
        raise no_such_disk(wanted)


NamedT = TypeVar(
    "NamedT",
    Node,
    Site,
    Network,
    ResourceGroup,
    ApplicationController,
    ApplicationMonitor,
    Tape,
    UserDefinedResource,
    ResourceType,
    FallbackTimer,
    CustomMethod,
    NotifyMethod,
    FileCollection,
    EventCustomization,
)


def new_name(request: Request, taken: Sequence[NamedT] = ()) -> str:
    """The one name of a new object.

    Raises:
        ClmgrError: none, more than one, not a name, or taken.
    """
    if len(request.names) != 1:
        raise ClmgrError(f"a label must be provided for the new {request.class_name}.", MISSING_INPUT)
    name = request.names[0]
    if not is_name(name):
        raise invalid_characters("NAME", name)
    if any(member.name == name for member in taken):
        raise exists_already(name)
    return name


def required_names(request: Request) -> list[str]:
    """The names of the objects that are meant.

    Raises:
        ClmgrError: there are none.
    """
    if not request.names:
        raise ClmgrError(f"the name of a {request.class_name} is needed.", MISSING_INPUT)
    return request.names


def demand(request: Request, *attributes: str) -> None:
    """Attributes without which nothing is made.

    Raises:
        ClmgrError: the first that is missing.
    """
    for attribute in attributes:
        if not request.attribute(attribute):
            raise missing(attribute)


def existing(request: Request, members: Sequence[NamedT]) -> NamedT:
    """The one object that is to be changed.

    Raises:
        ClmgrError: none or several were named, or it does not exist.
    """
    if len(request.names) != 1:
        raise ClmgrError(f"the name of one {request.class_name} is needed.", MISSING_INPUT)
    return named(request.names[0], members)


def named(name: str, members: Sequence[NamedT]) -> NamedT:
    """The member of that name.

    Raises:
        ClmgrError: it does not exist.
    """
    found = next((member for member in members if member.name == name), None)
    if found is None:
        raise does_not_exist(name)
    return found


def renamed(request: Request, member: NamedT, members: Sequence[NamedT]) -> str:
    """The name that a changed object gets: NAME, or the one that it has.

    Raises:
        ClmgrError: it is taken.
    """
    name = request.attribute("NAME", default=member.name) or member.name
    if name != member.name and any(other.name == name for other in members):
        raise exists_already(name)
    return name


def exchange(members: tuple[NamedT, ...], old: str, changed: NamedT) -> tuple[NamedT, ...]:
    """The members with one exchanged."""
    return tuple(changed if member.name == old else member for member in members)


def without(name: str, members: tuple[NamedT, ...]) -> tuple[NamedT, ...]:
    """The members without one.

    Raises:
        ClmgrError: it does not exist.
    """
    named(name, members)
    return tuple(member for member in members if member.name != name)


def unused(name: str, users: Sequence[str]) -> None:
    """Refuse to remove what is still referenced.

    Raises:
        ClmgrError: there are users.
    """
    if users:
        raise ClmgrError(f'"{name}" is still in use by "{users[0]}".', MISSING_DEPENDENCY)


def nodes_of(names: Sequence[str], c: Configuration) -> tuple[str, ...]:
    """Names of nodes, each once.

    Raises:
        ClmgrError: one is not a node of the cluster, or is named twice.
    """
    for place, name in enumerate(names):
        named(name, c.nodes)
        if name in names[:place]:
            raise ClmgrError(f'the node "{name}" was specified twice.', INCORRECT_INPUT)
    return tuple(names)


def netmask_of(request: Request, default: str) -> str:
    """The netmask of NETMASK or PREFIX (a length).

    Raises:
        ClmgrError: both, or a length that an IPv4 address does not have.
    """
    prefix = request.attribute("PREFIX")
    if not prefix:
        return request.attribute("NETMASK", default=default) or default
    if request.attribute("NETMASK") or int(prefix) > 32:
        raise ClmgrError('"PREFIX" is a length of 1 to 32, and excludes "NETMASK".', INCORRECT_INPUT)
    bits = (0xFFFFFFFF << (32 - int(prefix))) & 0xFFFFFFFF
    return ".".join(str(bits >> shift & 0xFF) for shift in (24, 16, 8, 0))


def with_renamed_resource(c: Configuration, kinds: tuple[str, ...], old: str, new: str) -> Configuration:
    """The groups' resources follow a new name."""
    if old == new:
        return c
    return replace(
        c,
        groups=tuple(
            replace(
                group,
                resources=tuple(
                    (kind, new if kind in kinds and value == old else value) for kind, value in group.resources
                ),
                notified=tuple(
                    (kind, new if kind in kinds and value == old else value, method)
                    for kind, value, method in group.notified
                ),
            )
            for group in c.groups
        ),
    )


def users_of(c: Configuration, kinds: tuple[str, ...], name: str) -> list[str]:
    """The resource groups that have a resource."""
    return [group.name for group in c.groups if any(k in kinds and v == name for k, v in group.resources)]
