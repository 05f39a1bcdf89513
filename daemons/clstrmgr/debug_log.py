"""clstrmgr.debug, what the cluster manager decides, and clstrmgr.debug.long, which has all of that and what led to it.

The product has both names; what is in the long one beyond the other is inferred: what Group Services and operators say,
votes, scripts with their jobs and what they report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from daemons.clstrmgr import inputs, messages
from daemons.cthags import messages as cthags
from daemons.runtime.log import DaemonLog

if TYPE_CHECKING:
    from daemons.clstrmgr.core import ClusterManager
    from srcctl.machine import Tick

LINE_MAX = 400
"""Characters of a line that only clstrmgr.debug.long has."""

Step: TypeAlias = "inputs.Input | inputs.Effect | Tick"


class DebugLog(DaemonLog):
    """Both files, each bounded and rotated by itself.

    Args:
        path: the real path of clstrmgr.debug.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._long = DaemonLog(f"{path}.long")

    def write(self, text: str) -> None:
        super().write(text)
        self._long.write(text)

    def detail(self, text: str) -> None:
        """A line for clstrmgr.debug.long alone."""
        self._long.write(text.replace("\n", " ")[:LINE_MAX])


class Detailed:
    """A cluster manager's core whose inputs and effects are told to clstrmgr.debug.long.

    Args:
        core: it.
        log: where they are told.
    """

    def __init__(self, core: ClusterManager, log: DebugLog) -> None:
        self._core = core
        self._log = log
        self.next_deadline = core.next_deadline

    def describe(self) -> dict[str, object]:
        return self._core.describe()

    def step(self, now: int, value: inputs.Input | Tick) -> list[inputs.Effect]:
        self._tell(value)
        effects = self._core.step(now, value)
        for effect in effects:
            self._tell(effect)
        return effects

    def _tell(self, value: Step) -> None:
        if text := described(value):
            self._log.detail(text)


def described(value: Step) -> str:
    """An input or effect in words; "" for what comes again and again, and for what clstrmgr.debug says itself."""
    match value:
        case inputs.Notified(notification):
            return _notification(notification)
        case inputs.Send(cthags.Vote(group, _, vote)):
            return f"vote in {group}: {vote}"
        case inputs.Send(cthags.Alive()):
            return ""
        case inputs.Send(request):
            return f"request to Group Services: {type(request).__name__}"
        case inputs.Asked(number, what):
            return f"request {number}: {type(what).__name__}"
        case inputs.Answer(number, what):
            word = what.stage if isinstance(what, messages.Progress) else what.error or "done"
            return f"request {number}: {word}"
        case inputs.RunScript(run, command, arguments):
            return f"script {run} starts: {' '.join((command, *arguments))}"
        case inputs.AnswerJob(run, assignments):
            return f"script {run} gets the job: {assignments}"
        case inputs.ResourceUpdated(run, state, resource, group, script):
            return f"script {run} reports: {script} {state} {resource} {group}"
        case inputs.ScriptEnded(run, status):
            return f"script {run} has ended with status {status}"
        case inputs.RunMonitor(run, monitor):
            return f"monitor {monitor} runs as method {run}"
        case inputs.MonitorEnded(run, status):
            return f"method {run} has ended with status {status}"
    return ""


def _notification(value: cthags.Notification) -> str:
    match value:
        case cthags.NPhase() | cthags.Approved() | cthags.Rejected():
            proposer = f", proposed by node {value.proposer.node}" if value.proposer is not None else ""
            about = f"{value.protocol} phase {value.phase} of {value.group}"
            return f"Group Services: {type(value).__name__} {about}{proposer}"
        case cthags.ResponsivenessProbe():
            return ""
    return f"Group Services: {type(value).__name__}"
