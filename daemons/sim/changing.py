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
        self._change = change
        self._on_step = on_step
        self._step = 0
        self._repository: RepositoryDisk | None = None
        self._chance = node.world.stream(f"chcluster/{node.number}/{node.boot_number}/{self.pid}")
        node.commands.append(self)

    def start(self) -> None:
        """Begin."""
        self.node.trace(self._words)
        self.later(works.START_US, self._send, None)

    def execute(self, effect: Any) -> None:
        raise NotImplementedError

    def end(self, status: int) -> None:
        if self._repository is not None:
            self._repository.close()
        super().end(status)

    def _send(self, answer: changes.Answer, fault: Exception | None = None) -> None:
        try:
            effect = self._change.send(answer) if fault is None else self._change.throw(fault)
        except StopIteration as end:
            self.node.trace(f"{self._words}: {f'with errors {end.value}' if end.value else 'done'}")
            self.node.world.reached[f"cluster change: {self._words.split(' node')[0].split(' hdisk')[0]}"] += 1
            self.end(0)
            return
        except (CaaError, RepositoryError, OSError) as refusal:
            self.node.trace(f"{self._words} fails: {refusal}")
            self.end(1 << 8)
            return
        self._step += 1
        self._on_step(self, self._step)
        if self.running:
            self._take(effect)

    def _take(self, effect: changes.Effect) -> None:
        node = self.node
        match effect:
            case changes.Tell(name, what, disk):
                other = next((each for each in node.cluster.nodes.values() if each.name == name), None)
                if other is None:
                    self._send(f"{name} is not a node that this one knows")
                elif other is node:
                    self.drive(works.carried_out(works.caa(node, what, disk)), self._told)
                else:
                    words = ("clusterconf", what, disk)
                    Call(self, other, words, self._chance.randbytes(NONCE_BYTES), self._told)
            case changes.HandOver():
                self._send(None)
            case changes.AskMembership():
                self._send(self._members())
            case changes.Read() | changes.Write():
                self.later(works.DISK_US, self._use_disk, effect)

    def _told(self, status: int | None, complaint: str) -> None:
        self._send("" if status == 0 else complaint or "it does not answer")

    def _members(self) -> changes.Members:
        states = self.node.states
        definition = states.repository.definition if states is not None else None
        if states is None or definition is None:
            return changes.Members(self.node.name, frozenset(), ())
        live = states.picture()[1]
        names = {member.name: member.number for member in definition.nodes}
        return changes.Members(self.node.name, frozenset(names), tuple(name for name in names if names[name] in live))

    def _use_disk(self, effect: changes.Read | changes.Write) -> None:
        try:
            if self._repository is None:
                self._repository = self._open()
            if isinstance(effect, changes.Write):
                try:
                    answer: changes.Answer = self._repository.write_definition(effect.definition, effect.after)
                finally:
                    self.node.cluster.look_at_repository()
            else:
                answer = changes.Numbered(*self._repository.read_numbered())
        except (OSError, RepositoryError, CaaError) as fault:
            if self.running:
                self._send(None, fault)
            return
        if self.running:
            self._send(answer)

    def _open(self) -> RepositoryDisk:
        states = self.node.states
        name = states.repository.name or states.own_disk()[0] if states is not None else ""
        if not name:
            raise CaaError("this node is not a member of a cluster.")
        return self.node.open_disk(name)
