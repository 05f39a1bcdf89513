"""A change of the CAA cluster as its command plays it on a node: chcluster, chrepos, clctrl -start and -stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from daemons.caa import changes
from daemons.caa.client import CaaError
from daemons.caa.repository import RepositoryDisk, RepositoryError
from daemons.runtime.trust import NONCE_BYTES
from daemons.sim import works
from daemons.sim.communication import Call
from daemons.sim.process import Idle, Process

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode

COMMAND = "chcluster"


class Conduct:
    """Carries a change out on behalf of a process, which ends with it or goes on.

    Args:
        process: that process.
        change: the steps.
        nonce: makes random bytes.
        ended: is told why it failed, "" if it did not, and its result.
        on_step: is told the number of each step before that is taken, and may end the process.
    """

    def __init__(
        self,
        process: Process,
        change: changes.Change[Any],
        nonce: Callable[[], bytes],
        ended: Callable[[str, object], None],
        on_step: Callable[[int], None] = lambda step: None,
    ) -> None:
        self._process = process
        self._node = process.node
        self._change = change
        self._nonce = nonce
        self._ended = ended
        self._on_step = on_step
        self._step = 0
        self._repository: RepositoryDisk | None = None

    def close(self) -> None:
        """The process ends, or the change."""
        if self._repository is not None:
            self._repository.close()
            self._repository = None

    def send(self, answer: changes.Answer, fault: Exception | None = None) -> None:
        """Go on with what the last step came to; the first time with None."""
        try:
            effect = self._change.send(answer) if fault is None else self._change.throw(fault)
        except StopIteration as end:
            self.close()
            self._ended("", end.value)
            return
        except (CaaError, RepositoryError, OSError) as refusal:
            self.close()
            self._ended(str(refusal) or "it failed", None)
            return
        self._step += 1
        self._on_step(self._step)
        if self._process.running:
            self._take(effect)

    def _take(self, effect: changes.Effect) -> None:
        node = self._node
        match effect:
            case changes.Tell(name, what, disk):
                other = next((each for each in node.cluster.nodes.values() if each.name == name), None)
                if other is None:
                    self.send(f"{name} is not a node that this one knows")
                elif other is node:
                    self._process.drive(works.carried_out(works.caa(node, what, disk)), self._told)
                else:
                    Call(self._process, other, ("clusterconf", what, disk), self._nonce(), self._told)
            case changes.HandOver():
                self.send(None)
            case changes.AskMembership():
                self.send(self._members())
            case changes.Read() | changes.Write():
                self._process.later(works.DISK_US, self._use_disk, effect)

    def _told(self, status: int | None, complaint: str) -> None:
        self.send("" if status == 0 else complaint or "it does not answer")

    def _members(self) -> changes.Members:
        states = self._node.states
        definition = states.repository.definition if states is not None else None
        if states is None or definition is None:
            return changes.Members(self._node.name, frozenset(), ())
        live = states.picture()[1]
        names = {member.name: member.number for member in definition.nodes}
        return changes.Members(self._node.name, frozenset(names), tuple(name for name in names if names[name] in live))

    def _use_disk(self, effect: changes.Read | changes.Write) -> None:
        try:
            if self._repository is None:
                self._repository = self._open()
            if isinstance(effect, changes.Write):
                try:
                    answer: changes.Answer = self._repository.write_definition(effect.definition, effect.after)
                finally:
                    self._node.cluster.look_at_repository()
            else:
                answer = changes.Numbered(*self._repository.read_numbered())
        except (OSError, RepositoryError, CaaError) as fault:
            if self._process.running:
                self.send(None, fault)
            return
        if self._process.running:
            self.send(answer)

    def _open(self) -> RepositoryDisk:
        states = self._node.states
        name = states.repository.name or states.own_disk()[0] if states is not None else ""
        if not name:
            raise CaaError("this node is not a member of a cluster.")
        return self._node.open_disk(name)


class ChangeProcess(Process):
    """A command that changes the cluster.

    Args:
        node: on which it runs.
        words: of the command, for the trace.
        change: its steps.
        on_step: is told the number of each step before that is taken, and may end this process.
    """

    name: ClassVar[str] = COMMAND

    def __init__(
        self,
        node: SimulatedNode,
        words: str,
        change: changes.Change[Any],
        on_step: Callable[[ChangeProcess, int], None] = lambda process, step: None,
    ) -> None:
        super().__init__(node, Idle())
        self._words = words
        chance = node.world.stream(f"chcluster/{node.number}/{node.boot_number}/{self.pid}")
        self._conduct = Conduct(
            self, change, lambda: chance.randbytes(NONCE_BYTES), self._ended, lambda step: on_step(self, step)
        )
        node.commands.append(self)

    def start(self) -> None:
        """Begin."""
        self.node.trace(self._words)
        self.later(works.START_US, self._conduct.send, None)

    def execute(self, effect: Any) -> None:
        raise NotImplementedError

    def end(self, status: int) -> None:
        self._conduct.close()
        super().end(status)

    def _ended(self, complaint: str, result: object) -> None:
        if complaint:
            self.node.trace(f"{self._words} fails: {complaint}")
            self.end(1 << 8)
            return
        self.node.trace(f"{self._words}: {f'with errors {result}' if result else 'done'}")
        self.node.world.reached[f"cluster change: {self._words.split(' node')[0].split(' hdisk')[0]}"] += 1
        self.end(0)
