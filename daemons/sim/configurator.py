"""clconfd's real core on a simulated node: the node is brought in step with the repository disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from daemons.clconfd import core
from daemons.sim import works
from daemons.sim.process import Process
from daemons.sim.timing import CONFIGURATION_SPEED
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode

WAKE_US = 600 * SECOND // CONFIGURATION_SPEED
INTERVAL_US = 15 * 60 * SECOND // CONFIGURATION_SPEED
DAY_US = 24 * 3600 * SECOND
THRESHOLD = 75
VAR_BYTES = 1 << 30


class ConfigurationProcess(Process):
    """clconfd of a node."""

    name: ClassVar[str] = "clconfd"
    core: core.ConfigurationDaemon

    def __init__(self, node: SimulatedNode) -> None:
        generation = node.store.generation
        super().__init__(node, core.ConfigurationDaemon(generation, WAKE_US, INTERVAL_US, THRESHOLD, DAY_US))

    def start(self) -> None:
        """Look at once."""
        self.later(MILLISECOND, self.feed, core.Wake())

    def execute(self, effect: Any) -> None:
        match effect:
            case core.BringInStep():
                self.drive(works.carried_out(works.bring_in_step(self.node)), self._looked)
            case core.TellManager():
                works.tell_manager(self.node)
            case core.MeasureVar():
                self.later(MILLISECOND, self.feed, core.Measured(VAR_BYTES, VAR_BYTES // 3))
            case core.Log(text):
                self.node.trace(f"clconfd: {text}")
            case core.ReportVar() | core.Verify():
                pass

    def _looked(self, status: int, complaint: str) -> None:
        store = self.node.store
        # A copy that is half installed is reported as what it was before: the next look tells.
        generation = store.generation if store.load() is None else store.generation or self.core.generation
        self.feed(core.InStep(generation, complaint if status else ""))
