"""What the core is told and what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from daemons.clstrmgr import messages
from daemons.clstrmgr.recovery_program import Program
from daemons.cluster.configuration import Configuration
from daemons.cthags import messages as cthags
from srcctl.machine import Tick

# Inputs --------------------------------------------------------------------------------------------------------------


class Configured(Struct, frozen=True):
    """The active configuration (None: no cluster), the recovery programs by event name, and faults found in them."""

    configuration: Configuration | None
    programs: Mapping[str, Program]


class Staged(Struct, frozen=True):
    """What is in the staging directory, with its recovery programs; None: nothing that can be used."""

    configuration: Configuration | None
    programs: Mapping[str, Program]


class Notified(Struct, frozen=True):
    """A notification of Group Services."""

    notification: cthags.Notification


class GroupServicesLost(Struct, frozen=True):
    """The connection to Group Services ended."""

    reason: str


class ResourceMonitoring(Struct, frozen=True):
    """Whether ctrmc can be reached, as often as the shell looks."""

    reachable: bool


class ScriptEnded(Struct, frozen=True):
    """A command that ``RunScript`` started ended with this exit status (127: it could not be run)."""

    run: int
    status: int


class JobWanted(Struct, frozen=True):
    """The script of this run asks for its next job."""

    run: int


class ResourceUpdated(Struct, frozen=True):
    """``cl_RMupdate`` inside a script. ``at``: when, in seconds since the epoch, 0 if the script did not say."""

    run: int
    state: str
    resource: str
    group: str
    script: str = ""
    at: int = 0


class MonitorEnded(Struct, frozen=True):
    """A monitor method that ``RunMonitor`` started ended with this exit status (127: it could not be run)."""

    run: int
    status: int


class ProcessesCounted(Struct, frozen=True):
    """So many of the processes that ``WatchProcesses`` named are there."""

    run: int
    instances: int


class Measured(Struct, frozen=True):
    """The values of dynamic node priority policies on this node: mem, cpu, disk, and ``script/GROUP``."""

    values: tuple[tuple[str, float], ...]


class FallbackTimerDue(Struct, frozen=True):
    """It is the time of a delayed fallback timer."""

    timer: str


OperatorRequest: TypeAlias = (
    messages.StartServices
    | messages.StopServices
    | messages.ManageGroups
    | messages.MoveGroup
    | messages.OnlineGroup
    | messages.OfflineGroup
    | messages.SuspendMonitoring
    | messages.ResumeMonitoring
    | messages.RecoverFromScriptFailure
    | messages.Reconfigure
)


class Asked(Struct, frozen=True):
    """An operator's request; ``request`` identifies it in answers."""

    request: int
    what: OperatorRequest


class Reported(Struct, frozen=True):
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


class Send(Struct, frozen=True):
    """A request to Group Services."""

    request: cthags.Request


class RunScript(Struct, frozen=True):
    """Run an event script. ``serial``: no other serial script of this node runs at the same time."""

    run: int
    command: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    serial: bool = True


class RunMonitor(Struct, frozen=True):
    """Run a monitor method; its end comes as ``MonitorEnded``."""

    run: int
    monitor: str
    group: str
    command: str


class SignalMonitor(Struct, frozen=True):
    """Send a signal to a monitor method that hangs."""

    run: int
    number: int


class WatchProcesses(Struct, frozen=True):
    """Count the node's processes of these names and owner ("": anybody), now and whenever one of them ends."""

    run: int
    names: tuple[str, ...]
    owner: str


class UnwatchProcesses(Struct, frozen=True):
    """No more counting; a method that still runs under this number is killed."""

    run: int


class RunMethod(Struct, frozen=True):
    """Run a notify method of a monitor; nobody waits for it."""

    command: str
    arguments: tuple[str, ...]
    monitor: str
    group: str


class AnswerJob(Struct, frozen=True):
    """The assignments for the script that asked."""

    run: int
    assignments: str


class Answer(Struct, frozen=True):
    """An answer to an operator's request."""

    request: int
    what: messages.Progress | messages.Done


class Log(Struct, frozen=True):
    """A line for clstrmgr.debug; a ``notice`` goes to cluster.log, too."""

    text: str
    notice: bool = False


class Preamble(Struct, frozen=True):
    """Sentences for the event preamble in hacmp.out."""

    sentences: tuple[str, ...]


class EventMark(Struct, frozen=True):
    """An engine event began, ended or met an error on this node; ``void``: there was nothing left to do for it."""

    serial: int
    name: str
    node: int
    network: str
    phase: Literal["start", "complete", "error"]
    void: bool = False


MonitorWord: TypeAlias = Literal["umtmonstart", "umtmonstop", "umtmonfail", "umtmonsus", "umtmonres"]
"""What clavan.log says of a monitor: it starts, stops, has seen a failure, is suspended, is resumed."""


class MonitorRecord(Struct, frozen=True):
    """A line of clavan.log about a monitor of this node."""

    word: MonitorWord
    monitor: str


class Subsystems(Struct, frozen=True):
    """Start or stop the daemons that run with cluster services only."""

    start: bool
    clinfo: bool


class ReadStaged(Struct, frozen=True):
    """Read the staging directory; ``Staged`` answers before anything else is told."""


class ReconfigurationEnded(Struct, frozen=True):
    """A dynamic reconfiguration has ended well: the staging directory, its lock, can go."""


class Reconfigured(Struct, frozen=True):
    """Another configuration counts from now on: it is the active one."""

    configuration: Configuration


class Store(Struct, frozen=True):
    """Keep the event serial number across restarts. Comes before what is sent with it."""

    serial: int


class Publish(Struct, frozen=True):
    """The picture of the cluster changed."""


class Exit(Struct, frozen=True):
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
    | MonitorRecord
    | Subsystems
    | Store
    | Publish
    | Exit
    | Reconfigured
    | ReadStaged
    | ReconfigurationEnded
)
