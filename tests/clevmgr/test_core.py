from hypothesis import given
from hypothesis import strategies as st

from daemons.caa.messages import Event
from daemons.clevmgr import core
from daemons.clstrmgr.messages import SystemEvent
from srcctl.machine import TICK


def machine() -> core.EventManager:
    return core.EventManager(1, "54628fea-1d06-11e1-83ee-001a64b90df0", {"en0": "127.9.9.1"})


def happened(kind: str, subject: str, node: int = 1) -> core.Happened:
    return core.Happened(Event(0, kind, node, subject, 0))


def told(effects: list[core.Effect]) -> list[SystemEvent]:
    return [effect.report for effect in effects if isinstance(effect, core.Tell)]


def test_a_lost_repository_is_logged_in_the_products_words_and_told() -> None:
    effects = machine().step(0, happened("REP_DOWN", "hdisk75"))
    assert effects[0] == core.LogEntry(
        "OPMSG",
        "clevmgrd",
        "Error: Node 0x54628FEA1D0611E183EE001A64B90DF0 has lost access to repository disk hdisk75.",
    )
    (report,) = told(effects)
    assert (report.kind, report.subject, report.detail) == (
        "repository_lost",
        "hdisk75",
        "54628FEA1D0611E183EE001A64B90DF0",
    )


def test_interfaces_are_told_by_their_boot_address_and_other_nodes_not_at_all() -> None:
    m = machine()
    assert told(m.step(0, happened("ADAPTER_DOWN", "en0")))[0].subject == "127.9.9.1"
    assert m.step(0, happened("ADAPTER_DOWN", "en0", node=2)) == []
    assert m.step(0, happened("NODE_DOWN", "")) == []


def test_a_lost_disk_of_a_volume_group() -> None:
    m = machine()
    effects = m.step(0, core.Disks((("hdisk2", "datavg"),)))
    assert [e.label for e in effects if isinstance(e, core.LogEntry)] == ["LVM_SA_PVMISS", "LVM_SA_QUORCLOSE"]
    assert told(effects)[0].kind == "disk_lost"
    assert m.step(0, core.Disks((("hdisk2", "datavg"),))) == []


def test_reports_wait_for_the_cluster_manager_in_order() -> None:
    m = machine()
    (first,) = told(m.step(0, happened("REP_DOWN", "hdisk1")))
    assert told(m.step(1, happened("ADAPTER_DOWN", "en0"))) == []
    assert m.step(2, core.NotTaken(first.serial)) == []
    assert told(m.step(m.next_deadline() or 0, TICK)) == [first]
    (second,) = told(m.step(10**7, core.Taken(first.serial)))
    assert second.kind == "interface_down"
    assert m.step(10**7, core.Taken(second.serial)) == []
    assert m.told == 2


def test_what_is_over_before_it_was_told_is_not_told() -> None:
    m = machine()
    (first,) = told(m.step(0, happened("REP_DOWN", "hdisk1")))
    m.step(1, happened("ADAPTER_DOWN", "en0"))
    m.step(2, happened("ADAPTER_UP", "en0"))
    assert m.step(3, core.Taken(first.serial)) == []


def test_a_report_whose_answer_was_lost_may_have_been_taken_and_its_opposite_follows() -> None:
    m = machine()
    (down,) = told(m.step(0, happened("ADAPTER_DOWN", "en0")))
    m.step(1, core.NotTaken(down.serial))
    m.step(2, happened("ADAPTER_UP", "en0"))
    assert told(m.step(m.next_deadline() or 0, TICK)) == [down]
    (up,) = told(m.step(10**7, core.Taken(down.serial)))
    assert up.kind == "interface_up"


@given(st.lists(st.sampled_from(["REP_DOWN", "REP_UP", "ADAPTER_DOWN", "ADAPTER_UP", "taken", "not", "tick"])))
def test_one_report_at_a_time_whatever_happens(steps: list[str]) -> None:
    m, outstanding, now = machine(), list[SystemEvent](), 0
    for step in steps:
        now += 10**6
        if step in ("taken", "not"):
            if not outstanding:
                continue
            serial = outstanding.pop().serial
            effects = m.step(now, core.Taken(serial) if step == "taken" else core.NotTaken(serial))
        else:
            effects = m.step(now, TICK if step == "tick" else happened(step, "en0" if "A" in step else "hdisk1"))
        outstanding += told(effects)
        assert len(outstanding) <= 1
        assert len(m.waiting) <= core.WAITING_MAX
