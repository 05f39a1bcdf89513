"""What a cluster manager is busy with: scripts, the event that runs, operators' requests; and its times."""

from __future__ import annotations

from msgspec import Struct, field

from daemons.clstrmgr.events import Event
from daemons.clstrmgr.jobs import JobList
from daemons.clstrmgr.recovery_program import Program, Statement
from daemons.clstrmgr.wire import Report
from srcctl.machine import SECOND


class Settings(Struct, frozen=True):
    """Times in microseconds. The first two are patience with scripts; the settling time is a schedule.

    Args:
        event_limit: how long an event without resource work may take before config_too_long.
        group_limit: added for events that move resource groups.
        warning_interval: between the first two warnings; the distance doubles, up to an hour.
        retry: before a proposal that collided, or an event whose vote failed, is proposed again.
        resend: before a proposal without any answer is made again.
        gone_patience: before a member that is not the oldest says that a node has left the view.
        monitor_scale: microseconds of a product second for the intervals of application monitors.
        settling_scale: microseconds of a product second for the settling time.
        sub_events: work is done in sub-events, as levels of the product before 7 do.
    """

    event_limit: int = 180 * SECOND
    group_limit: int = 180 * SECOND
    warning_interval: int = 30 * SECOND
    retry: int = 20_000
    resend: int = 10 * SECOND
    gone_patience: int = SECOND
    settling_scale: int = SECOND
    monitor_scale: int = SECOND
    sub_events: bool = False


class Script(Struct):
    """A command of an event that waits or runs on this node."""

    run: int
    purpose: str
    command: str
    arguments: tuple[str, ...]
    statement: Statement | None = None
    jobs: JobList | None = None
    groups: tuple[str, ...] = ()
    secondaries: tuple[str, ...] = ()
    failed: set[str] = field(default_factory=set)
    started: bool = False


class Run(Struct):
    """The n-phase protocol of the event that runs now."""

    event: Event
    program: Program
    token: int
    began: int
    phase: int = 1
    kind: str = "vote"
    step: int = -1
    first_step: int = 0
    voted: bool = False
    approving: bool = False
    report: Report | None = None
    results: dict[str, str] = field(default_factory=dict)
    secondary_results: dict[str, str] = field(default_factory=dict)
    failed_script: str = ""
    failed_status: int = 0
    admin_done: bool = False
    cancelled: str = ""
    warned: int = 0
    next_warning: int = 0

    @property
    def last(self) -> bool:
        """Has the program's last step been done or begun?"""
        return bool(self.cancelled) or self.step >= len(self.program.steps) - 1


class Pending(Struct):
    """An operator's request that is not answered yet. ``number`` is that of its event."""

    request: int
    what: object
    number: int = 0
    stage: str = "queued"
