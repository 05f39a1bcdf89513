"""What cluster managers tell each other: the contents of Group Services provider messages."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemons.clstrmgr.events import Event
from daemons.clstrmgr.replicated import SNAPSHOT_LIMIT, StateRecord
from daemons.runtime.codec import Codec

GROUP_PREFIX = "CLSTRMGR_"


class Enqueue(msgspec.Struct, frozen=True, tag="enqueue"):
    """One-phase: put this event into every member's queue."""

    event: Event


class NodeGone(msgspec.Struct, frozen=True, tag="gone"):
    """One-phase: the node whose cluster manager failed has left the view since; what it held is free."""

    node: int


class ApplicationMark(msgspec.Struct, frozen=True, tag="application"):
    """One-phase: the monitors of an application on a node are suspended, cannot work, or (``state`` "") go on."""

    node: int
    group: str
    application: str
    state: Literal["", "suspended", "monitor failed"]


class PriorityValues(msgspec.Struct, frozen=True, tag="priorities"):
    """One-phase: what a node has measured for dynamic node priority policies."""

    node: int
    values: dict[str, float]


class GroupStable(msgspec.Struct, frozen=True, tag="stable"):
    """One-phase: the group has been well on the node for so long that its former failures elsewhere are forgotten."""

    node: int
    group: str


class RunEvent(msgspec.Struct, frozen=True, tag="run"):
    """n-phase: run the event with this serial number.

    ``version`` and ``digest`` are those of the proposer's state. Of another version: the proposal was overtaken by a
    failure or a join, and is rejected. Of the same version with another digest: a member has a defect.
    """

    serial: int
    version: int
    digest: int


class GroupOutcome(msgspec.Struct, frozen=True, tag="outcome"):
    """Part of a report: a group's state on the reporting node after a step, or that of its secondary instance."""

    group: str
    state: Literal["OFFLINE", "ERROR"]
    secondary: bool = False


class Report(msgspec.Struct, frozen=True, tag="report"):
    """Rides on a vote: what a member has to say about the phase ``phase``, in which it ran its commands.

    Group Services hands on one message of a phase, so a member whose report was not the one says it again, and nobody
    runs a command until a phase begins without a report. ``unprepared``: the member does not have the configuration of
    a dynamic reconfiguration, which is called off.
    """

    serial: int
    phase: int
    node: int
    groups: tuple[GroupOutcome, ...] = ()
    failed_script: str = ""
    status: int = 0
    unprepared: bool = False


Message: TypeAlias = (
    Enqueue | NodeGone | ApplicationMark | PriorityValues | GroupStable | RunEvent | Report | StateRecord
)

codec: Codec[Message] = Codec(Message, limit=SNAPSHOT_LIMIT)


def group_name(cluster_id: int) -> str:
    """The name of the cluster managers' Group Services group."""
    return f"{GROUP_PREFIX}{cluster_id}"
