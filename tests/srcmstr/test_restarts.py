"""srcmstr dies between any two of its effects; its successor and a patient asker make up for it.

The shell, lpar and the subsystems are played here: what was done before the death is done, the rest is not. The asker
is the real one's bookkeeping. Afterwards every request has its true answer, and each end its one error-log entry.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from srcctl.machine import SECOND
from srcctl.src import packets
from srcctl.src.client import Exchange
from srcctl.src.packets import Reply, Request, StatusReply
from srcctl.srcmstr import exchange as srcmstr
from srcctl.srcmstr.core import SystemResourceController
from srcctl.srcmstr.definitions import RESPAWN, SIGNALS, Catalogue, Definition

DEFINITIONS = (
    Definition("once", "/bin/once", contact=SIGNALS, signorm=15, sigforce=9, grpname="both"),
    Definition("respawned", "/bin/respawned", action=RESPAWN, contact=SIGNALS, signorm=15, sigforce=9),
    Definition("socket", "/bin/socket", grpname="both"),
    Definition("many", "/bin/many", multi=1, contact=SIGNALS, signorm=15, sigforce=9),
)
CATALOGUE = Catalogue(DEFINITIONS, (("once", "/notify"),))
NAMES = st.sampled_from([d.subsysname for d in DEFINITIONS])
GROUP = "both"
CUTS = st.one_of(st.none(), st.integers(0, 6))
"""After how many effects srcmstr dies; None: it lives."""


@dataclass
class Process:
    """A line of lpar's table."""

    instance: srcmstr.Instance
    pid: int
    status: int | None = None


class Node(RuleBasedStateMachine):
    """srcmstr and everything around it."""

    @initialize()
    def begin(self) -> None:
        self.now = 0
        self.pid = 100
        self.table: dict[int, Process] = {}
        self.memory = srcmstr.Remember(())
        self.inputs: list[srcmstr.Input] = []
        self.exchanges: dict[str, tuple[Request, Exchange]] = {}
        self.serial = 0
        self.entries: set[tuple[int, str]] = set()
        self.unexpected: set[int] = set()
        self.started_by: dict[str, int] = {}
        self.core = SystemResourceController()
        self.restore()

    # srcmstr's shell.

    def restore(self) -> None:
        self.core = SystemResourceController()
        self.core.step(self.now, srcmstr.CatalogueRead(CATALOGUE))
        remembered = {i.number: i.state for i in self.memory.instances}
        instances, ended = [], []
        for number, process in self.table.items():
            state = remembered.get(number, srcmstr.State.ACTIVE)
            if state is srcmstr.State.STARTING:
                state = srcmstr.State.ACTIVE
            instances.append(process.instance._replace(state=state, pid=process.pid))
            if process.status is not None:
                ended.append((number, process.status))
        self.inputs = []
        restored = srcmstr.Restored(tuple(instances), tuple(ended), self.memory.results, self.memory.next_number)
        self.perform(self.core.step(self.now, restored))

    def step(self, value: srcmstr.Input, cut: int | None) -> None:
        effects = self.core.step(self.now, value)
        if cut is None or cut >= len(effects):
            self.perform(effects)
        else:
            self.perform(effects[:cut])
            self.restore()

    def feed(self, value: srcmstr.Input, cut: int | None = None, next_cut: int | None = None) -> None:
        """One input and all that follows from it.

        After ``cut`` effects srcmstr dies, and after ``next_cut`` effects of the next input; askers then ask again.
        """
        self.step(value, cut)
        while True:
            if self.inputs:
                self.step(self.inputs.pop(0), next_cut)
                next_cut = None
                continue
            waiting = [request for request, exchange in self.exchanges.values() if not exchange.complete]
            if not waiting:
                break
            self.exchanges[waiting[0].retaddr][1].again()
            self.perform(self.core.step(self.now, srcmstr.Asked(waiting[0])))

    def perform(self, effects: list[srcmstr.Effect]) -> None:
        for effect in effects:
            match effect:
                case srcmstr.Remember():
                    self.memory = effect
                case srcmstr.StartProcess(instance):
                    self.pid += 1
                    self.table[instance.number] = Process(instance, self.pid)
                    self.inputs.append(srcmstr.ProcessStarted(instance.number, self.pid))
                    if instance.asker:
                        key = f"{instance.asker} {instance.definition.subsysname}"
                        self.started_by[key] = self.started_by.get(key, 0) + 1
                case srcmstr.SignalProcess(number, which, _):
                    self.end(number, which)
                case srcmstr.Forward(number, request):
                    if self.runs(number):
                        self.answer(Reply(packets.OK, request.objname, retaddr=request.retaddr, tag=number))
                        if request.action == packets.STOP:
                            self.end(number, 0)
                case srcmstr.Acknowledge(number):
                    if number in self.table and self.table[number].status is not None:
                        del self.table[number]
                case srcmstr.Respond(reply):
                    self.answer(reply)
                case srcmstr.LogError(label, _, _, number):
                    self.entries.add((number, label))

    def runs(self, number: int) -> bool:
        return number in self.table and self.table[number].status is None

    def end(self, number: int, status: int) -> None:
        if self.runs(number):
            self.table[number].status = status
            self.inputs.append(srcmstr.ProcessEnded(number, status))

    def answer(self, reply: Reply | StatusReply) -> None:
        if reply.retaddr in self.exchanges:  # else the asker has gone with its socket
            self.exchanges[reply.retaddr][1].take(packets.encode_reply(reply), reply.retaddr)

    # What happens.

    def ask(
        self, action: int, name: str, parm1: int, cut: int | None, next_cut: int | None = None
    ) -> tuple[str, list[int]]:
        self.serial += 1
        kind = packets.BY_GROUP if name == GROUP else packets.BY_NAME
        request = Request(action, name, parm1=parm1, retaddr=f"SRC{self.serial}", kind=kind)
        self.exchanges = {request.retaddr: (request, Exchange(request))}
        self.feed(srcmstr.Asked(request), cut, next_cut)
        answers = self.exchanges[request.retaddr][1].answers()
        return request.retaddr, [a.rtncode for a in answers if isinstance(a, Reply)]

    def running(self, name: str) -> list[int]:
        return [n for n, p in self.table.items() if p.instance.definition.subsysname == name and p.status is None]

    @rule(name=NAMES, cut=CUTS)
    def start(self, name: str, cut: int | None) -> None:
        before = self.running(name)
        retaddr, codes = self.ask(packets.START, name, 0, cut)
        refused = before and name != "many"
        assert codes == [29 if refused else 59]
        assert self.started_by.get(f"{retaddr} {name}", 0) == (0 if refused else 1)
        assert len(self.running(name)) == (1 if refused else len(before) + 1)

    @rule(cut=CUTS)
    def start_group(self, cut: int | None) -> None:
        before = {name for name in ("once", "socket") if self.running(name)}
        retaddr, codes = self.ask(packets.START, GROUP, 0, cut)
        assert sorted(codes) == sorted(29 if name in before else 59 for name in ("once", "socket"))
        for name in ("once", "socket"):
            assert self.started_by.get(f"{retaddr} {name}", 0) == (name not in before)

    @rule(name=NAMES, how=st.sampled_from([packets.NORMAL, packets.FORCED, packets.CANCEL]), cut=CUTS, next_cut=CUTS)
    def stop(self, name: str, how: int, cut: int | None, next_cut: int | None = None) -> None:
        before = self.running(name)
        _, codes = self.ask(packets.STOP, name, how, cut, next_cut)
        assert self.running(name) == [], "who is told that a stop was requested can rely on it"
        if not before:
            assert codes == [4]
        else:
            assert len(codes) == len(before)
            assert set(codes) <= {44, packets.OK}

    @rule(name=NAMES, status=st.sampled_from([0, 256, int(signal.SIGKILL)]), cut=CUTS, pause=st.sampled_from([0, 30]))
    def end_by_itself(self, name: str, status: int, cut: int | None, pause: int) -> None:
        numbers = self.running(name)
        if not numbers:
            return
        self.now += pause * SECOND
        self.exchanges = {}
        self.table[numbers[0]].status = status
        if status:
            self.unexpected.add(numbers[0])
        self.feed(srcmstr.ProcessEnded(numbers[0], status), cut)

    @rule()
    def die(self) -> None:
        self.exchanges = {}
        self.restore()

    @invariant()
    def nothing_is_lost_and_nothing_is_twice(self) -> None:
        if not hasattr(self, "table"):
            return
        assert not any(process.status is not None for process in self.table.values()), "every end is taken note of"
        assert set(self.core.instances) == set(self.table)
        assert {number for number, _ in self.entries} == self.unexpected
        assert len(self.entries) == len(self.unexpected), "one entry for each end that nobody asked for"
        for definition in DEFINITIONS:
            assert definition.multi or len(self.running(definition.subsysname)) <= 1


@pytest.mark.parametrize("name", [d.subsysname for d in DEFINITIONS])
@pytest.mark.parametrize("cut", range(8))
def test_every_place_to_die(name: str, cut: int) -> None:
    """Each kind of step, cut after each of its effects."""

    def node(*, started: bool) -> Node:
        node = Node()
        node.begin()
        if started:
            node.start(name, None)
        return node

    for how in (packets.NORMAL, packets.FORCED, packets.CANCEL):
        node(started=True).stop(name, how, cut)
    for status in (0, 256, 9):
        ended = node(started=True)
        ended.end_by_itself(name, status, cut, 0)
        ended.nothing_is_lost_and_nothing_is_twice()
    for started in (False, True):
        node(started=started).start(name, cut)
        node(started=started).start_group(cut)


@pytest.mark.parametrize("name", [d.subsysname for d in DEFINITIONS])
@pytest.mark.parametrize("how", [packets.NORMAL, packets.FORCED, packets.CANCEL])
@pytest.mark.parametrize("cut", range(4))
def test_a_requested_stop_stays_one_when_srcmstr_dies_over_the_end(name: str, how: int, cut: int) -> None:
    """The end is remembered and srcmstr dies before lpar hears so: no failure is logged, and nothing is restarted."""
    node = Node()
    node.begin()
    node.start(name, None)
    node.stop(name, how, None, cut)
    node.nothing_is_lost_and_nothing_is_twice()
    assert node.entries == set()


TestNode = Node.TestCase
TestNode.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
