"""What the core is told and what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from daemons.clstrmgr import messages
from daemons.clstrmgr.recovery_program import Program
from daemons.cluster.configuration import Configuration
from daemons.cthags import messages as cthags
from srcctl.machine import Tick

# Inputs --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Configured:
    """The active configuration (None: no cluster), the recovery programs by event name, and faults found in them."""

    configuration: Configuration | None
    programs: Mapping[str, Program]


@dataclass(frozen=True, slots=True)
class Staged:
    """What is in the staging directory, with its recovery programs; None: nothing that can be used."""

    configuration: Configuration | None
    programs: Mapping[str, Program]


@dataclass(frozen=True, slots=True)
class Notified:
    """A notification of Group Services."""

    notification: cthags.Notification


@dataclass(frozen=True, slots=True)
class GroupServicesLost:
    """The connection to Group Services ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class ResourceMonitoring:
    """Whether ctrmc can be reached, as often as the shell looks."""

    reachable: bool


@dataclass(frozen=True, slots=True)
class ScriptEnded:
    """A command that ``RunScript`` started ended with this exit status (127: it could not be run)."""

    run: int
    status: int


@dataclass(frozen=True, slots=True)
class JobWanted:
    """The script of this run asks for its next job."""

    run: int


@dataclass(frozen=True, slots=True)
class ResourceUpdated:
    """``cl_RMupdate`` inside a script."""

    run: int
    state: str
    resource: str
    group: str
    script: str = ""


@dataclass(frozen=True, slots=True)
class MonitorEnded:
    """A monitor method that ``RunMonitor`` started ended with this exit status (127: it could not be run)."""

    run: int
    status: int


@dataclass(frozen=True, slots=True)
class ProcessesCounted:
    """So many of the processes that ``WatchProcesses`` named are there."""

    run: int
    instances: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of dynamic node priority policies on this node: mem, cpu, disk, and ``script/GROUP``."""

    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class FallbackTimerDue:
    """It is the time of a delayed fallback timer."""

    timer: str


OperatorRequest: TypeAlias = (
    messages.StartServices
    | messages.StopServices
    | messages.MoveGroup
    | messages.OnlineGroup
    | messages.OfflineGroup
    | messages.SuspendMonitoring
    | messages.ResumeMonitoring
    | messages.RecoverFromScriptFailure
    | messages.Reconfigure
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An operator's request; ``request`` identifies it in answers."""

    request: int
    what: OperatorRequest


@dataclass(frozen=True, slots=True)
class Reported:
    """A system event of this node."""

    event: messages.SystemEvent


Input: TypeAlias = (
    Configured
    | Staged
    | Notified
    | GroupServicesLost
    | ScriptEnded
    | JobWanted
    | ResourceUpdated
    | MonitorEnded
    | ProcessesCounted
    | Measured
    | FallbackTimerDue
    | Asked
    | ResourceMonitoring
    | Reported
    | Tick
)

# Effects -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """A request to Group Services."""

    request: cthags.Request


@dataclass(frozen=True, slots=True)
class RunScript:
    """Run an event script. ``serial``: no other serial script of this node runs at the same time."""

    run: int
    command: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    serial: bool = True


@dataclass(frozen=True, slots=True)
class RunMonitor:
    """Run a monitor method; its end comes as ``MonitorEnded``."""

    run: int
    monitor: str
    group: str
    command: str


@dataclass(frozen=True, slots=True)
class SignalMonitor:
    """Send a signal to a monitor method that hangs."""

    run: int
    number: int


@dataclass(frozen=True, slots=True)
class WatchProcesses:
    """Count the node's processes of these names and owner ("": anybody), now and whenever one of them ends."""

    run: int
    names: tuple[str, ...]
    owner: str


@dataclass(frozen=True, slots=True)
class UnwatchProcesses:
    """No more counting; a method that still runs under this number is killed."""

    run: int


@dataclass(frozen=True, slots=True)
class RunMethod:
    """Run a notify method of a monitor; nobody waits for it."""

    command: str
    arguments: tuple[str, ...]
    monitor: str
    group: str


@dataclass(frozen=True, slots=True)
class AnswerJob:
    """The assignments for the script that asked."""

    run: int
    assignments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to an operator's request."""

    request: int
    what: messages.Progress | messages.Done


@dataclass(frozen=True, slots=True)
class Log:
    """A line for clstrmgr.debug."""

    text: str


@dataclass(frozen=True, slots=True)
class Preamble:
    """Sentences for the event preamble in hacmp.out."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventMark:
    """An engine event began, ended or met an error on this node."""

    serial: int
    name: str
    node: int
    network: str
    phase: Literal["start", "complete", "error"]


@dataclass(frozen=True, slots=True)
class Subsystems:
    """Start or stop the daemons that run with cluster services only."""

    start: bool
    clinfo: bool


@dataclass(frozen=True, slots=True)
class ReadStaged:
    """Read the staging directory; ``Staged`` answers before anything else is told."""


@dataclass(frozen=True, slots=True)
class ReconfigurationEnded:
    """A dynamic reconfiguration has ended well: the staging directory, its lock, can go."""


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """Another configuration counts from now on: it is the active one."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class Store:
    """Keep the event serial number across restarts. Comes before what is sent with it."""

    serial: int


@dataclass(frozen=True, slots=True)
class Publish:
    """The picture of the cluster changed."""


@dataclass(frozen=True, slots=True)
class Exit:
    """The process must end with this status.

    ``action``: the action plan of a merge that this side lost (reboot, disable_rgs_autostart,
    disable_cluster_services_autostart); the node does not outlive it. Empty: SRC runs clexit.rc, which halts the node.
    """

    status: int
    reason: str
    action: str = ""


Effect: TypeAlias = (
    Send
    | RunScript
    | RunMonitor
    | SignalMonitor
    | WatchProcesses
    | UnwatchProcesses
    | RunMethod
    | AnswerJob
    | Answer
    | Log
    | Preamble
    | EventMark
    | Subsystems
    | Store
    | Publish
    | Exit
    | Reconfigured
    | ReadStaged
    | ReconfigurationEnded
)
