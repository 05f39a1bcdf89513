from daemons.clconfd import core
from srcctl.machine import TICK

WAKE, INTERVAL = 600, 900


def machine(generation: int = 3) -> core.ConfigurationDaemon:
    return core.ConfigurationDaemon(generation, WAKE, INTERVAL, 75)


def test_it_looks_at_start_and_every_ten_minutes_and_on_a_refresh() -> None:
    m = machine()
    assert m.step(0, TICK) == [core.MeasureVar(), core.BringInStep()]
    assert m.step(1, core.Wake()) == [], "one comparison at a time"
    assert m.step(2, core.InStep(3)) == [core.BringInStep()], "what was asked meanwhile is done afterwards"
    assert m.step(3, core.InStep(3)) == []
    assert m.next_deadline() == 602
    assert m.step(601, TICK) == []
    assert m.step(602, TICK) == [core.BringInStep()]
    m.step(603, core.InStep(3))
    assert m.step(604, core.Wake()) == [core.BringInStep()]


def test_a_missed_generation_is_told_once() -> None:
    m = machine()
    m.step(0, TICK)
    effects = m.step(1, core.InStep(4))
    assert effects[-1] == core.TellManager()
    m.step(700, TICK)
    assert m.step(701, core.InStep(4)) == []


def test_failures_are_logged_once_per_cause() -> None:
    m = machine()
    m.step(0, TICK)
    assert [type(e) for e in m.step(1, core.InStep(3, "disk lost"))] == [core.Log]
    m.step(700, TICK)
    assert m.step(701, core.InStep(3, "disk lost")) == []
    m.step(1400, TICK)
    assert m.step(1401, core.InStep(5))[-1] == core.TellManager()


def test_var_is_reported_while_it_is_above_the_threshold() -> None:
    m = machine()
    assert m.step(0, core.Measured(1000, 750)) == []
    assert m.step(0, core.Measured(1000, 751)) == [core.ReportVar(76, 75)]
    assert m.step(0, core.Measured(1000, 751)) == [core.ReportVar(76, 75)]
    assert m.step(0, core.Measured(1000, 2000)) == [core.ReportVar(100, 75)]
    assert m.step(0, core.Measured(0, 0)) == []
