from hypothesis import given
from hypothesis import strategies as st

from daemons.caa.messages import Event
from daemons.clevmgr import core
from daemons.clstrmgr.messages import SystemEvent
from srcctl.machine import SECOND, TICK


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


def test_lost_repository_is_told_again_until_it_is_back_or_was_replaced() -> None:
    m = machine()
    hour = core.REMINDER * SECOND
    answered(m, m.step(0, happened("REP_DOWN", "hdisk75")))
    assert m.next_deadline() == hour
    assert m.step(hour - 1, TICK) == []
    effects = m.step(hour, TICK)
    assert answered(m, effects) == (["repository_reminder hdisk75"], ["OPMSG"])
    assert m.step(2 * hour - 1, TICK) == []
    assert told(effects)[0].detail == "54628FEA1D0611E183EE001A64B90DF0"
    (back,) = told(m.step(2 * hour - 1, happened("REP_UP", "hdisk75")))
    assert (back.kind, back.detail) == ("repository_back", "54628FEA1D0611E183EE001A64B90DF0")
    assert m.next_deadline() is None
    m.step(0, core.Taken(back.serial))
    answered(m, m.step(0, happened("REP_DOWN", "hdisk75")))
    (replaced,) = told(m.step(0, core.Surveyed((), "hdisk76", True)))
    assert (replaced.kind, replaced.subject, replaced.detail) == ("repository_back", "hdisk75", "")


def test_interfaces_are_told_by_their_boot_address_and_other_nodes_not_at_all() -> None:
    m = machine()
    assert told(m.step(0, happened("ADAPTER_DOWN", "en0")))[0].subject == "127.9.9.1"
    assert m.step(0, happened("ADAPTER_DOWN", "en0", node=2)) == []
    assert m.step(0, happened("NODE_DOWN", "")) == []


def group(*failed: str, disks: tuple[str, ...] = ("hdisk2", "hdisk3", "hdisk4")) -> core.Disks:
    return core.Disks((core.GroupDisks("datavg", disks, frozenset(failed)),))


def labels(effects: list[core.Effect]) -> list[str]:
    return [effect.label for effect in effects if isinstance(effect, core.LogEntry)]


def answered(m: core.EventManager, effects: list[core.Effect], news: bool = True) -> tuple[list[str], list[str]]:
    """Let the cluster manager take every report: what it was told, and the labels of the error log's entries."""
    kinds, entries = [], []
    while effects:
        entries += labels(effects)
        reports = told(effects)
        kinds += [f"{report.kind} {report.subject}" for report in reports]
        effects = [e for report in reports for e in m.step(0, core.Taken(report.serial, news))]
    return kinds, entries


def test_a_volume_group_that_keeps_its_quorum_is_not_lost() -> None:
    m = machine()
    assert answered(m, m.step(0, group("hdisk2"))) == (["disk_lost hdisk2"], ["LVM_SA_PVMISS"])
    assert m.step(0, group("hdisk2")) == []
    assert answered(m, m.step(0, group("hdisk2", "hdisk3"))) == (
        ["disk_lost hdisk3", "volume_group_lost datavg"],
        ["LVM_SA_PVMISS", "LVM_SA_QUORCLOSE"],
    )
    assert answered(m, m.step(0, group())) == (
        ["disk_back hdisk2", "disk_back hdisk3", "volume_group_back datavg"],
        [],
    )


def test_two_disks_of_three_descriptor_areas_have_two_on_the_first() -> None:
    pair = ("hdisk2", "hdisk3")
    assert core.GroupDisks("vg", pair, frozenset({"hdisk3"})).quorum
    assert not core.GroupDisks("vg", pair, frozenset({"hdisk2"})).quorum
    assert not core.GroupDisks("vg", ("hdisk2",), frozenset({"hdisk2"})).quorum
    four = ("hdisk2", "hdisk3", "hdisk4", "hdisk5")
    assert not core.GroupDisks("vg", four, frozenset(four[:2])).quorum


def test_a_volume_group_without_quorum_works_on_with_its_last_disk() -> None:
    """What has mirrors lives on either of its two disks; what has become stale there is logged once."""
    pair = ("hdisk2", "hdisk3")
    assert core.GroupDisks("vg", pair, frozenset({"hdisk2"}), needs_quorum=False).quorum
    assert not core.GroupDisks("vg", pair, frozenset(pair), needs_quorum=False).quorum
    m, lost = machine(), frozenset({"hdisk2"})
    look = core.Disks((core.GroupDisks("datavg", pair, lost, needs_quorum=False, stale=lost),))
    assert answered(m, m.step(0, look)) == (["disk_lost hdisk2"], ["LVM_SA_PVMISS", "LVM_SA_STALEPP"])
    assert m.step(0, look) == []


def test_a_lost_volume_group_that_is_no_more_known_is_not_lost() -> None:
    m = machine()
    answered(m, m.step(0, group("hdisk2", "hdisk3")))
    answered(m, m.step(0, core.Disks(())))
    assert m.lost == frozenset()


def survey(repository_up: bool, failed: frozenset[str] = frozenset()) -> core.Surveyed:
    groups = (core.GroupDisks("datavg", ("hdisk2",), failed),)
    return core.Surveyed((("en0", True),), "hdisk1", repository_up, groups)


def test_a_successor_tells_all_and_logs_only_what_the_cluster_manager_did_not_know() -> None:
    for news in (True, False):
        m = machine()
        kinds, entries = answered(m, m.step(0, survey(False, frozenset({"hdisk2"}))), news)
        assert kinds == [
            "repository_lost hdisk1",
            "interface_up 127.9.9.1",
            "disk_lost hdisk2",
            "volume_group_lost datavg",
        ]
        assert entries == (["OPMSG", "LVM_SA_PVMISS", "LVM_SA_QUORCLOSE"] if news else [])


def test_a_look_after_caa_was_away_tells_what_changed_and_logs_it() -> None:
    m = machine()
    answered(m, m.step(0, survey(True)))
    assert m.step(1, survey(True)) == []
    assert answered(m, m.step(2, survey(False))) == (["repository_lost hdisk1"], ["OPMSG"])
    assert answered(m, m.step(3, survey(True))) == (["repository_back hdisk1"], [])


def test_a_lost_repository_that_was_replaced_is_back() -> None:
    m = machine()
    answered(m, m.step(0, happened("REP_DOWN", "hdisk1")))
    assert answered(m, m.step(1, happened("REP_UP", "hdisk3"))) == (["repository_back hdisk1"], [])


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


def test_loss_of_rootvg_is_logged_and_halts_the_node_once() -> None:
    m = machine()
    assert m.step(0, core.RootVolumeGroup(lost=False)) == []
    effects = m.step(0, core.RootVolumeGroup(lost=True))
    assert effects[0] == core.LogEntry(
        "OPMSG", "clevmgrd", "Error: rootvg failure event on node 0x54628FEA1D0611E183EE001A64B90DF0."
    )
    assert effects[-1] == core.Halt()
    assert m.step(0, core.RootVolumeGroup(lost=True)) == []


def test_loss_of_rootvg_is_only_logged_where_that_is_wanted() -> None:
    effects = machine().step(0, core.RootVolumeGroup(lost=True, halts=False))
    assert core.Halt() not in effects
    assert isinstance(effects[0], core.LogEntry)
