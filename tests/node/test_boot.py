"""init as a pure machine: order, waiting, respawning and its limit, run levels."""

from __future__ import annotations

from srcctl.machine import SECOND, TICK
from srcctl.node import boot
from srcctl.node.boot import EndRecord, Init, ProcessEnded, ReadTable, Ready, Report, RunLevelReached, StartRecord
from srcctl.node.inittab import Inittab


def table(text: str, level: str = "2") -> ReadTable:
    return ReadTable(Inittab.parse(text).records, level)


def started(effects: list[boot.Effect]) -> list[str]:
    return [effect.record.identifier for effect in effects if isinstance(effect, StartRecord)]


def test_wait_holds_later_records_back() -> None:
    init = Init()
    text = "i:2:initdefault:\nb::sysinit:x\nr:2:wait:x\no:2:once:x\nd:2:respawn:x\nn:3:once:x\nf:2:off:x\n"
    assert started(init.step(0, table(text))) == ["b"]
    assert started(init.step(1, ProcessEnded("b", 0))) == ["r"]
    effects = init.step(2, ProcessEnded("r", 1))
    assert started(effects) == ["o", "d"]
    assert effects[-1] == RunLevelReached("2")


def test_respawn_is_immediate_and_limited() -> None:
    init = Init()
    init.step(0, table("d:2:respawn:x\n"))
    for n in range(boot.RESPAWN_LIMIT - 1):
        assert started(init.step(n, ProcessEnded("d", 0))) == ["d"]
    effects = init.step(1 * SECOND, ProcessEnded("d", 0))
    assert isinstance(effects[0], Report)
    assert not started(effects)
    deadline = init.next_deadline()
    assert deadline == 1 * SECOND + boot.RESPAWN_REST
    assert started(init.step(deadline, TICK)) == ["d"]


def test_telinit_q_wakes_a_resting_record() -> None:
    init = Init()
    init.step(0, table("d:2:respawn:x\n"))
    for n in range(boot.RESPAWN_LIMIT):
        init.step(n, ProcessEnded("d", 0))
    assert started(init.step(100, table("d:2:respawn:x\n"))) == ["d"]


def test_a_slow_respawner_is_never_put_to_rest() -> None:
    init = Init()
    init.step(0, table("d:2:respawn:x\n"))
    now = 0
    for _ in range(50):
        now += boot.RESPAWN_WINDOW
        assert started(init.step(now, ProcessEnded("d", 0))) == ["d"]


def test_once_is_not_repeated_by_q_but_a_new_record_runs() -> None:
    init = Init()
    init.step(0, table("o:2:once:x\n"))
    init.step(1, ProcessEnded("o", 0))
    assert started(init.step(2, table("o:2:once:x\nn:2:once:y\n"))) == ["n"]
    init.step(3, ProcessEnded("n", 0))
    assert started(init.step(4, table("o:2:once:z\nn:2:once:y\n"))) == ["o"]


def test_off_and_removal_end_a_process_first_politely() -> None:
    for text in ("d:2:off:x\n", "", "d:3:respawn:x\n"):
        init = Init()
        init.step(0, table("d:2:respawn:x\n"))
        effects = init.step(10, table(text))
        assert EndRecord("d", kill=False) in effects
        deadline = init.next_deadline()
        assert deadline == 10 + boot.TERMINATE_PATIENCE
        assert EndRecord("d", kill=True) in init.step(deadline, TICK)
        assert not started(init.step(deadline + 1, ProcessEnded("d", 9)))


def test_run_level_change() -> None:
    init = Init()
    text = "a:2:respawn:x\nb:3:respawn:x\nc:23:respawn:x\no:23:once:x\nb0::boot:x\n"
    assert started(init.step(0, table(text))) == ["a", "c", "o", "b0"]
    init.step(1, ProcessEnded("o", 0))
    effects = init.step(2, table(text, "3"))
    assert EndRecord("a", kill=False) in effects
    assert started(effects) == ["b", "o"]


def test_a_demanded_record_starts_and_stays_whatever_the_run_level() -> None:
    init = Init()
    text = "r:2:respawn:x\nd:a:ondemand:y\no:b:once:z\n"
    assert started(init.step(0, table(text))) == ["r"]
    demand = boot.ReadTable(table(text).records, "2", "a")
    assert started(init.step(1, demand)) == ["d"]
    assert init.level == "2"
    assert started(init.step(2, ProcessEnded("d", 0))) == ["d"], "ondemand is respawned"
    effects = init.step(3, table(text, "3"))
    assert [e.identifier for e in effects if isinstance(e, EndRecord)] == ["r"]
    assert started(init.step(4, boot.ReadTable(table(text).records, "3", "b"))) == ["o"]


def test_nothing_is_respawned_until_the_table_is_read_again() -> None:
    init = Init()
    text = "r:2:respawn:x\n"
    init.step(0, table(text))
    assert init.step(1, boot.NoRespawn()) == []
    assert not started(init.step(2, ProcessEnded("r", 0)))
    assert started(init.step(3, table(text))) == ["r"]


def test_records_behind_a_gate_wait_for_readiness_or_patience() -> None:
    text = "s:2:respawn:/usr/sbin/srcmstr # x\no:2:once:x\n"
    init = Init(gates=frozenset({"/usr/sbin/srcmstr"}))
    assert started(init.step(0, table(text))) == ["s"]
    assert started(init.step(1, Ready("s"))) == ["o"]
    init = Init(gates=frozenset({"/usr/sbin/srcmstr"}))
    init.step(0, table(text))
    assert started(init.step(1, ProcessEnded("s", 9))) == ["s"]
    effects = init.step(boot.GATE_PATIENCE, TICK)
    assert isinstance(effects[0], Report)
    assert started(effects) == ["o"]


def test_a_record_that_cannot_be_started_does_not_block_the_boot() -> None:
    init = Init()
    assert started(init.step(0, table("w:2:wait:x\no:2:once:x\n"))) == ["w"]
    assert started(init.step(0, ProcessEnded("w", -1))) == ["o"]


def test_describe_is_plain() -> None:
    init = Init()
    init.step(0, table("d:2:respawn:x\n"))
    assert init.describe()["level"] == "2"


def test_what_is_started_again_whenever_it_ends() -> None:
    init = Init()
    text = "r:2:respawn:x\nd:a:ondemand:y\no:2:once:z\n"
    init.step(0, table(text))
    assert [name for name in ("r", "d", "o", "none") if init.starts_again(name)] == ["r"]
    init.step(1, boot.NoRespawn())
    assert not init.starts_again("r")
    init.step(2, boot.ReadTable(table(text).records, "2", "a"))
    assert init.starts_again("r")
    assert init.starts_again("d")
    for step in range(100):
        init.step(3 + step, ProcessEnded("r", 1))
    assert init.starts_again("r"), "after a rest"
    init.step(200, table(text, "S"))
    assert not init.starts_again("r")
