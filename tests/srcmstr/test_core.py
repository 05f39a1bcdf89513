"""The supervisor's core against the documented rules, and against a simple model under hypothesis."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from srcctl.machine import SECOND, TICK
from srcctl.src import packets
from srcctl.src.packets import STATUS_TEXTS, Reply, Request, StatusReply
from srcctl.srcmstr import exchange as core
from srcctl.srcmstr.core import SystemResourceController
from srcctl.srcmstr.definitions import RESPAWN, SIGNALS, Catalogue, Definition, split_arguments, split_environment

KILLED = signal.SIGKILL

DEFINITIONS = (
    Definition("clstrmgrES", "/usr/es/sbin/cluster/clstrmgr", grpname="cluster"),
    Definition("clcomd", "/usr/sbin/clcomd", cmdargs="-d -g", action=RESPAWN, grpname="caa"),
    Definition("sig", "/bin/sig", contact=SIGNALS, signorm=15, sigforce=9, synonym="alias"),
    Definition("many", "/bin/many", multi=1),
    Definition("hidden", "/bin/hidden", display=0),
)
CATALOGUE = Catalogue(DEFINITIONS, (("clstrmgrES", "/clexit.rc"), ("cluster", "/group.rc"), ("caa", "/caa.rc")))


class Machine:
    """The core with the boring parts of its shell."""

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self.core = SystemResourceController()
        self.core.step(0, core.Restored(()))
        self.core.step(0, core.CatalogueRead(catalogue))
        self.pid = 100
        self.serial = 0
        self.now = 0

    def ask(self, action: int, subsystem: str = "", **more: object) -> list[core.Effect]:
        self.serial += 1
        request = Request(action, subsystem, retaddr=f"asker.{self.serial}", **more)  # type: ignore[arg-type]
        return self.core.step(self.now, core.Asked(request))

    def start(self, name: str) -> core.Instance:
        effects = self.ask(packets.START, name)
        (start,) = [e for e in effects if isinstance(e, core.StartProcess)]
        self.run(start.instance.number)
        return self.core.instances[start.instance.number]

    def run(self, number: int) -> list[core.Effect]:
        self.pid += 1
        return self.core.step(self.now, core.ProcessStarted(number, self.pid))

    def end(self, number: int, status: int) -> list[core.Effect]:
        return self.core.step(self.now, core.ProcessEnded(number, status))

    def rows(self, name: str = "", kind: int | None = None) -> list[str]:
        kind = kind if kind is not None else packets.BY_NAME if name else packets.ALL_SUBSYSTEMS
        effects = self.ask(packets.STATUS, name, parm1=packets.SHORTSTAT, kind=kind)
        replies = [e.reply for e in effects if isinstance(e, core.Respond)]
        codes = [code for reply in replies if isinstance(reply, StatusReply) for code in reply.codes]
        return [f" {c.objname:<16} {c.objtext:<29} {STATUS_TEXTS[c.status]}" for c in codes[1:]]

    def codes(self, effects: list[core.Effect]) -> list[int]:
        replies = [e.reply for e in effects if isinstance(e, core.Respond)]
        return [r.codes[0].status if isinstance(r, StatusReply) else r.rtncode for r in replies]


def kinds(effects: list[core.Effect], kind: type) -> list[core.Effect]:
    return [e for e in effects if isinstance(e, kind)]


def test_start_twice_and_unknown() -> None:
    machine = Machine()
    machine.start("clcomd")
    assert machine.codes(machine.ask(packets.START, "clcomd")) == [29]
    assert machine.codes(machine.ask(packets.START, "nosuch")) == [85]
    assert machine.codes(machine.ask(packets.START, "nosuch", kind=packets.BY_GROUP)) == [86]
    machine.start("many")
    machine.start("many")
    assert len(machine.core.instances) == 3


def test_arguments_are_appended_and_split_like_a_shell() -> None:
    machine = Machine()
    body = packets.encode_start_body("-x 'two words'", 'HOME=/x MESSAGE="two words"')
    (start,) = kinds(machine.ask(packets.START, "clcomd", body=body), core.StartProcess)
    assert isinstance(start, core.StartProcess)
    assert start.instance.arguments == ("-d", "-g", "-x", "two words")
    assert dict(start.instance.environment) == {"HOME": "/x", "MESSAGE": "two words"}
    assert split_arguments("un'balanced") == ["un'balanced"]
    assert split_environment("novalue A=1") == {"A": "1"}


def test_an_abnormal_end_of_a_once_subsystem_runs_its_notify_method_once() -> None:
    machine = Machine()
    instance = machine.start("clstrmgrES")
    effects = machine.end(instance.number, KILLED)
    assert kinds(effects, core.RunNotify) == [core.RunNotify("/clexit.rc", "clstrmgrES", "cluster")]
    assert kinds(effects, core.LogError) == [core.LogError("SRC_SVKO", "clstrmgrES", KILLED, instance.number)]
    assert effects.index(kinds(effects, core.RunNotify)[0]) < effects.index(core.Acknowledge(instance.number))
    assert not kinds(effects, core.StartProcess)


@pytest.mark.parametrize("stop", [packets.NORMAL, packets.FORCED, packets.CANCEL])
def test_a_requested_stop_is_never_an_abnormal_end(stop: int) -> None:
    machine = Machine()
    instance = machine.start("clstrmgrES")
    effects = machine.ask(packets.STOP, "clstrmgrES", parm1=stop)
    assert isinstance(effects[0], core.Remember)
    effects = machine.end(instance.number, KILLED)
    assert not kinds(effects, core.RunNotify)
    assert not kinds(effects, core.LogError)
    assert machine.rows("clstrmgrES")[0].endswith("inoperative")


def test_respawn_at_most_twice_within_waittime() -> None:
    machine = Machine()
    machine.start("clcomd")
    for expected in ("SRC_RSTRT", "SRC_RSTRT", "SRC_TRYX"):
        (number,) = machine.core.instances
        effects = machine.end(number, KILLED)
        assert [e.label for e in effects if isinstance(e, core.LogError)] == [expected]
        for start in kinds(effects, core.StartProcess):
            assert isinstance(start, core.StartProcess)
            machine.run(start.instance.number)
    assert kinds(effects, core.RunNotify) == [core.RunNotify("/caa.rc", "clcomd", "caa")]
    assert machine.core.instances == {}


def test_the_window_forgets_old_ends() -> None:
    machine = Machine()
    machine.start("clcomd")
    for _ in range(10):
        machine.now += 15 * SECOND
        (number,) = machine.core.instances
        (start,) = kinds(machine.end(number, 256), core.StartProcess)
        assert isinstance(start, core.StartProcess)
        machine.run(start.instance.number)


def test_an_end_with_status_0_just_ends() -> None:
    machine = Machine()
    instance = machine.start("clcomd")
    effects = machine.end(instance.number, 0)
    assert not kinds(effects, core.StartProcess)
    assert not kinds(effects, core.LogError)


def test_cancel_warns_and_kills_after_waittime() -> None:
    machine = Machine()
    instance = machine.start("sig")
    effects = machine.ask(packets.STOP, "alias", parm1=packets.CANCEL)
    assert core.SignalProcess(instance.number, signal.SIGTERM) in effects
    assert "warned to stop" in machine.rows("sig")[0]
    deadline = machine.core.next_deadline()
    assert deadline == 20 * SECOND
    assert machine.core.step(deadline, TICK) == [core.SignalProcess(instance.number, signal.SIGKILL, tree=True)]
    assert machine.core.next_deadline() is None


def test_signal_subsystems_are_stopped_by_their_signals_and_refuse_the_rest() -> None:
    machine = Machine()
    instance = machine.start("sig")
    assert core.SignalProcess(instance.number, 15) in machine.ask(packets.STOP, "sig")
    assert core.SignalProcess(instance.number, 9) in machine.ask(packets.STOP, "sig", parm1=packets.FORCED)
    assert machine.codes(machine.ask(packets.REFRESH, "sig")) == [5]
    assert machine.codes(machine.ask(packets.STATUS, "sig", parm1=packets.LONGSTAT)) == [5]


def test_an_asker_is_told_what_has_been_done() -> None:
    """Nothing is promised that a srcmstr which dies right after the answer would owe."""
    machine = Machine()
    for name, action in (("sig", packets.STOP), ("clcomd", packets.STOP), ("clcomd", packets.REFRESH)):
        if action == packets.STOP:
            machine.start(name)
        effects = machine.ask(action, name)
        done = [n for n, e in enumerate(effects) if isinstance(e, core.SignalProcess | core.Forward)]
        told = [n for n, e in enumerate(effects) if isinstance(e, core.Respond)]
        assert max(done) < min(told)


def test_socket_subsystems_are_asked() -> None:
    machine = Machine()
    instance = machine.start("clcomd")
    effects = machine.ask(packets.REFRESH, "clcomd")
    assert machine.codes(effects) == [packets.FORWARDED]
    (forward,) = kinds(effects, core.Forward)
    assert isinstance(forward, core.Forward)
    assert forward.number == instance.number
    assert machine.codes(machine.ask(packets.REFRESH, "clstrmgrES")) == [4]


def test_rows_show_the_active_first_and_hide_what_is_hidden() -> None:
    machine = Machine()
    machine.start("sig")
    machine.start("clcomd")
    rows = machine.rows()
    assert rows[0] == f" {'sig':<16} {'':<16} {101:<12} active"
    assert [row.split()[0] for row in rows] == ["sig", "clcomd", "clstrmgrES", "many"]
    assert machine.rows("hidden") == [" hidden                                         inoperative"]
    assert [row.split()[0] for row in machine.rows("cluster", packets.BY_GROUP)] == ["clstrmgrES"]


def test_a_changed_definition_does_not_touch_the_running_instance() -> None:
    machine = Machine()
    instance = machine.start("clcomd")
    changed = Catalogue((Definition("clcomd", "/other", grpname="other"),))
    machine.core.step(0, core.CatalogueRead(changed))
    assert machine.core.instances[instance.number].definition.path == "/usr/sbin/clcomd"
    (start,) = kinds(machine.end(instance.number, KILLED), core.StartProcess)
    assert isinstance(start, core.StartProcess)
    assert start.instance.definition.path == "/usr/sbin/clcomd"


def test_a_restarted_srcmstr_goes_on_where_the_dead_one_was() -> None:
    machine = Machine()
    kept = machine.start("clcomd")
    stopping = machine.start("clstrmgrES")
    machine.ask(packets.STOP, "clstrmgrES")
    remembered = tuple(machine.core.instances.values())
    successor = Machine()
    successor.core = SystemResourceController()
    successor.core.step(0, core.CatalogueRead(CATALOGUE))
    ended = ((stopping.number, KILLED),)
    effects = successor.core.step(0, core.Restored(remembered, ended))
    assert not kinds(effects, core.RunNotify), "the stop had been requested before srcmstr died"
    assert core.Acknowledge(stopping.number) in effects
    assert successor.core.instances[kept.number].pid == kept.pid
    again = Request(packets.START, "clcomd", retaddr=kept.asker)
    effects = successor.core.step(0, core.Asked(again))
    assert not kinds(effects, core.StartProcess), "the same request sent again starts nothing twice"
    assert 59 in successor.codes(effects)


def test_a_stop_that_was_repeated_twice_has_one_answer() -> None:
    machine = Machine()
    instance = machine.start("sig")
    stop = Request(packets.STOP, "sig", retaddr="asker.stop")
    for _ in range(2):
        assert machine.codes(machine.core.step(0, core.Asked(stop))) == [44]
    machine.end(instance.number, 0)
    assert machine.codes(machine.core.step(0, core.Asked(stop))) == [44]


def test_who_waits_for_a_subsystem_that_ends_is_told_at_once() -> None:
    machine = Machine()
    instance = machine.start("clcomd")
    machine.ask(packets.REFRESH, "clcomd")
    machine.ask(packets.STATUS, "clcomd", parm1=packets.LONGSTAT)
    told = [e.reply for e in machine.end(instance.number, 256) if isinstance(e, core.Respond)]
    assert [(reply.retaddr, reply.tag) for reply in told] == [
        ("asker.2", instance.number),
        ("asker.3", instance.number),
    ]
    assert isinstance(told[0], Reply)
    assert (told[0].rtncode, told[0].objname) == (36, "clcomd")
    assert isinstance(told[1], StatusReply)
    assert (told[1].codes[0].objtype, told[1].codes[0].status) == (packets.ERROR, 36)
    successor = next(iter(machine.core.instances.values()))
    machine.run(successor.number)
    machine.ask(packets.STOP, "clcomd")
    told = [e.reply for e in machine.end(successor.number, 9) if isinstance(e, core.Respond)]
    assert [reply.rtncode for reply in told if isinstance(reply, Reply)] == [packets.OK], "it was to stop, and has"
    assert not [e for e in machine.end(successor.number, 9) if isinstance(e, core.Respond)]


class AgainstModel(RuleBasedStateMachine):
    """Whatever is asked and whatever dies: never two instances of a subsystem that allows one, no row that lies."""

    numbers = Bundle("numbers")

    @initialize()
    def begin(self) -> None:
        self.machine = Machine()
        self.running: dict[int, str] = {}
        self.stop_requested: set[int] = set()

    def absorb(self, effects: list[core.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, core.StartProcess):
                self.running[effect.instance.number] = effect.instance.definition.subsysname
                self.machine.run(effect.instance.number)

    @rule(name=st.sampled_from([d.subsysname for d in DEFINITIONS]))
    def start(self, name: str) -> None:
        expected = name == "many" or name not in self.running.values()
        before = len(self.running)
        self.absorb(self.machine.ask(packets.START, name))
        assert (len(self.running) > before) is expected

    @rule(name=st.sampled_from([d.subsysname for d in DEFINITIONS]), how=st.sampled_from([0, 1, 2]))
    def stop(self, name: str, how: int) -> None:
        self.absorb(self.machine.ask(packets.STOP, name, parm1=how))
        self.stop_requested |= {number for number, running in self.running.items() if running == name}

    @rule(data=st.data(), status=st.sampled_from([0, 9, 256]), pause=st.sampled_from([0, 1, 30]))
    def end(self, data: st.DataObject, status: int, pause: int) -> None:
        if not self.running:
            return
        self.machine.now += pause * SECOND
        number = data.draw(st.sampled_from(sorted(self.running)))
        name = self.running.pop(number)
        effects = self.machine.end(number, status)
        abnormal = status != 0 and number not in self.stop_requested
        assert bool(kinds(effects, core.LogError)) is abnormal
        restarted = bool(kinds(effects, core.StartProcess))
        assert not restarted or (abnormal and name == "clcomd")
        methods = CATALOGUE.notify_method(CATALOGUE.named(name) or DEFINITIONS[0])
        assert bool(kinds(effects, core.RunNotify)) is (abnormal and not restarted and bool(methods))
        self.absorb(effects)

    @invariant()
    def rows_tell_the_truth(self) -> None:
        rows = self.machine.rows() if hasattr(self, "machine") else []
        active = sorted(row.split()[0] for row in rows if row and not row.endswith("inoperative"))
        assert active == sorted(getattr(self, "running", {}).values())
        singles = [name for name in active if name != "many"]
        assert len(singles) == len(set(singles))


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
