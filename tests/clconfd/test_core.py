from hypothesis import given
from hypothesis import strategies as st

from daemons.clconfd import core
from daemons.clconfd.schedule import seconds_until, verifying_node
from daemons.cluster import configuration as c
from srcctl.machine import TICK

WAKE, INTERVAL, DAY = 600, 900, 86_400


def machine(generation: int = 3) -> core.ConfigurationDaemon:
    return core.ConfigurationDaemon(generation, WAKE, INTERVAL, 75, DAY)


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


def test_a_node_that_was_taken_out_says_so_and_its_manager_reads_that() -> None:
    m = machine()
    m.step(0, TICK)
    assert m.step(1, core.InStep(0)) == [core.Log(core.FORGOTTEN), core.TellManager()]


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


def test_the_cluster_is_verified_once_a_day_where_the_configuration_says_so() -> None:
    m = machine()
    m.step(0, TICK)
    m.step(0, core.InStep(3))
    assert m.step(1, core.Planned("node1 0", 500)) == []
    assert m.next_deadline() == 500
    assert core.Verify() not in m.step(499, TICK)
    assert core.Verify() in m.step(500, TICK)
    assert m.step(501, core.Planned("node1 0", 501)) == [], "the same plan again changes nothing"
    assert core.Verify() not in m.step(500 + DAY, TICK), "one run at a time"
    assert m.step(500 + DAY, core.Verified("exit code 1")) == [core.Log("automatic verification: exit code 1")]
    assert core.Verify() in m.step(500 + 3 * DAY, TICK)
    m.step(500 + 3 * DAY, core.Verified())
    assert m.verify_at == 500 + 4 * DAY, "missed runs are not made up for"
    m.step(500 + 3 * DAY, core.Planned("node2 0", None))
    assert core.Verify() not in m.step(500 + 9 * DAY, TICK)


def test_the_first_node_by_name_verifies_unless_another_is_chosen() -> None:
    def of(**changes: object) -> str:
        cluster = c.Cluster(id=1, name="c", **changes)  # type: ignore[arg-type]
        return verifying_node(c.Configuration(cluster=cluster, nodes=(c.Node(name="zeus"), c.Node(name="ares"))))

    assert of() == of(verification_node="Default") == of(verification_node="gone") == "ares"
    assert of(verification_node="zeus") == "zeus"
    assert of(automatic_verification=False) == ""
    assert verifying_node(c.Configuration(cluster=c.Cluster(id=1, name="c"))) == ""


@given(st.floats(0, 86_399), st.integers(0, 23), st.sampled_from([1.0, 10.0, 50.0]))
def test_the_hour_is_one_of_the_product_day(midnight: float, hour: int, speed: float) -> None:
    left = seconds_until(midnight, hour, speed)
    assert 0 < left <= 86_400 / speed
    at = ((midnight + left) * speed - hour * 3600) % 86_400
    assert min(at, 86_400 - at) < 1


def test_at_speed_one_the_hour_is_the_clocks() -> None:
    assert seconds_until(23 * 3600.0, 0, 1.0) == 3600
    assert seconds_until(3600.0, 1, 1.0) == 86_400
