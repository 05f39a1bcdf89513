"""Batching, source and target groups, attribute changes, deactivate scripts, subscriptions; leaders die in between."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import msgspec
import pytest
from ring import VOTED, Ring

from daemons.cthags.inputs import AliveNodes, Deactivate, Deactivated, Effect
from daemons.cthags.messages import (
    ENET_MEMBERSHIP,
    HOST_MEMBERSHIP,
    Announcement,
    Approved,
    ChangeAttributes,
    ChangeStateValue,
    DelayedError,
    Expel,
    GroupAttributes,
    Init,
    Join,
    Leave,
    Notification,
    NPhase,
    Provider,
    ProviderMessage,
    Request,
    Subscribe,
    Subscription,
    Vote,
)

SECOND_US = 1_000_000


def approve(node: int, client: int, notification: Notification) -> Request | None:
    return Vote(notification.group, notification.token, "approve") if isinstance(notification, NPhase) else None


def started(nodes: int) -> Ring:
    ring = Ring(nodes)
    ring.start(*ring.numbers)
    assert ring.run_until(lambda: ring.agreed(*ring.numbers))
    ring.automatic = approve
    return ring


def client(ring: Ring, node: int, number: int, script: str = "") -> None:
    ring.request(node, number, Init(f"client{number}", 1000 * node + number, deactivate_script=script))


def join(ring: Ring, node: int, number: int, group: str, attributes: GroupAttributes = VOTED) -> None:
    ring.request(node, number, Join(group, attributes))


def told(ring: Ring, node: int, number: int, kind: type[Notification], protocol: str = "") -> list[Notification]:
    return [
        entry
        for entry in ring.seen.get((node, number), [])
        if isinstance(entry, kind) and (not protocol or getattr(entry, "protocol", "") == protocol)
    ]


def providers(ring: Ring, node: int, group: str) -> tuple[Provider, ...]:
    return next((entry.providers for entry in ring.cores[node].status().groups if entry.name == group), ())


@pytest.mark.parametrize(("batch", "protocols"), [("joins", 1), ("both", 1), ("none", 3), ("leaves", 3)])
def test_joins_that_wait_together_are_one_protocol_if_the_group_wants_that(batch: str, protocols: int) -> None:
    ring = started(2)
    attributes = msgspec.structs.replace(VOTED, batch=batch)
    for number in (1, 2, 3, 4):
        client(ring, 1, number)
    join(ring, 1, 1, "G", attributes)
    ring.run(0.5)
    ring.automatic = None
    client(ring, 2, 9)
    ring.request(1, 1, ProviderMessage("G", b"wait", "n"))
    ring.run(0.1)
    for number in (2, 3, 4):
        join(ring, 1, number, "G", attributes)
    ring.run(0.1)
    ring.automatic = approve
    ring.vote(1, 1)
    ring.run(1)
    joins = told(ring, 1, 1, Approved, "join")[1:]
    assert len(joins) == protocols
    assert len(providers(ring, 2, "G")) == 4
    assert [len(told(ring, 1, number, Approved, "join")) for number in (2, 3, 4)] != [0, 0, 0]
    assert ring.cores[1].describe()["outstanding"] == 0


@pytest.mark.parametrize(("batch", "protocols"), [("none", 2), ("leaves", 1)])
def test_failures_are_batched_as_the_group_wants_it(batch: str, protocols: int) -> None:
    ring = started(2)
    attributes = msgspec.structs.replace(VOTED, batch=batch)
    for number in (1, 2, 3):
        client(ring, 1, number)
        join(ring, 1, number, "G", attributes)
        ring.run(0.5)
    ring.automatic = None
    ring.request(1, 1, ProviderMessage("G", b"wait", "n"))
    ring.run(0.1)
    ring.gone(1, 2)
    ring.gone(1, 3)
    ring.automatic = approve
    ring.vote(1, 1)
    ring.run(1)
    assert len(told(ring, 1, 1, Approved, "failure_leave")) == protocols
    assert providers(ring, 2, "G") == (Provider(1, 1),)


def with_source(nodes: int = 2) -> Ring:
    """A source group S and a target group T with a provider each on every node (clients 1 and 2)."""
    ring = started(nodes)
    for node in ring.numbers:
        client(ring, node, 1)
        join(ring, node, 1, "S")
        assert ring.run_until(lambda node=node: bool(told(ring, node, 1, Approved, "join")))
        client(ring, node, 2)
        join(ring, node, 2, "T", TARGET)
        assert ring.run_until(lambda node=node: bool(told(ring, node, 2, Approved, "join")))
    ring.run(0.2)
    return ring


TARGET = msgspec.structs.replace(VOTED, source_group="S")


def test_a_target_group_needs_its_source_on_the_node() -> None:
    ring = started(2)
    client(ring, 1, 1)
    client(ring, 2, 1)
    join(ring, 2, 1, "T", TARGET)
    ring.run(0.5)
    assert ring.last(2, 1) == DelayedError("T", "HA_GS_NO_SOURCE_GROUP_PROVIDER", "join")
    join(ring, 1, 1, "T", msgspec.structs.replace(TARGET, source_group="T"))
    assert ring.last(1, 1) == DelayedError("T", "HA_GS_INVALID_SOURCE_GROUP", "join")
    join(ring, 1, 1, HOST_MEMBERSHIP)
    assert ring.last(1, 1) == DelayedError(HOST_MEMBERSHIP, "HA_GS_INVALID_GROUP", "join")


def test_the_source_s_state_value_is_reflected() -> None:
    ring = with_source()
    ring.request(1, 1, ChangeStateValue("S", b"red", "n"))
    ring.run(1)
    for node in ring.numbers:
        reflection = told(ring, node, 2, Approved, "source_reflection")
        assert [entry.source_state for entry in reflection] == [b"red"]


def test_a_target_s_provider_is_cast_out_with_its_source() -> None:
    ring = with_source(3)
    ring.request(2, 1, Leave("S"))
    ring.run(1)
    assert [provider.node for provider in providers(ring, 1, "T")] == [1, 3]
    cast_out = told(ring, 1, 2, Approved, "cast_out")
    assert [entry.reasons for entry in cast_out] == [("source_provider_leave",)]
    last = told(ring, 2, 2, Approved, "cast_out")[-1]
    assert last.self_provider in last.changing
    ring.request(2, 2, Leave("T"))
    assert ring.last(2, 2) == DelayedError("T", "HA_GS_NOT_A_MEMBER", "leave")


def test_the_end_of_the_source_group_is_the_end_of_its_targets_and_survives_the_leader() -> None:
    ring = with_source(3)
    ring.automatic = None
    ring.request(2, 1, Leave("S"))
    ring.run(0.2)
    assert told(ring, 3, 2, NPhase, "cast_out"), "voted on"
    ring.automatic = approve
    ring.crash(1)
    for node in (2, 3):
        for number in (1, 2):
            last = told(ring, node, number, NPhase)
            if last:
                ring.vote(node, number)
    assert ring.run_until(lambda: ring.agreed(2, 3))
    assert ring.run_until(lambda: [p.node for p in providers(ring, 3, "T")] == [3])
    assert [p.node for p in providers(ring, 3, "S")] == [3]


def test_attributes_are_changed_by_a_vote() -> None:
    ring = started(2)
    for node in (1, 2):
        client(ring, node, 1)
        join(ring, node, 1, "G")
        ring.run(0.5)
    other = msgspec.structs.replace(VOTED, time_limit_us=5 * SECOND_US, default_vote="reject")
    ring.request(1, 1, ChangeAttributes("G", other, "n"))
    ring.run(0.5)
    assert told(ring, 2, 1, NPhase, "attribute_change")[-1].attributes == other
    assert told(ring, 2, 1, Approved, "attribute_change")
    client(ring, 2, 2)
    join(ring, 2, 2, "G", VOTED)
    ring.run(0.5)
    assert ring.last(2, 2) == DelayedError("G", "HA_GS_BAD_GROUP_ATTRIBUTES", "join")
    join(ring, 2, 2, "G", other)
    ring.run(0.5)
    assert len(providers(ring, 1, "G")) == 3
    ring.request(1, 1, ChangeAttributes("G", msgspec.structs.replace(other, source_group="S"), "n"))
    ring.run(0.5)
    assert ring.last(1, 1) == DelayedError("G", "HA_GS_BAD_GROUP_ATTRIBUTES", "change_attributes")


class Scripts:
    """Collects the runs of deactivate scripts of a ring."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.runs: list[tuple[int, Deactivate]] = []
        carry_out = ring.carry_out

        def collect(node: int, effects: list[Effect]) -> None:
            self.runs += [(node, effect) for effect in effects if isinstance(effect, Deactivate)]
            carry_out(node, effects)

        ring.carry_out = collect  # type: ignore[method-assign]

    def end(self, success: bool) -> None:
        node, run = self.runs[-1]
        self.ring.step(node, Deactivated(run.group, run.serial, run.provider, success))


def expelling(nodes: int = 3, script: str = "/usr/local/bin/deactivate", limit_us: int = 0) -> tuple[Ring, Scripts]:
    """Node 1 expels the provider of node 2, to be deactivated in phase 1."""
    ring = started(nodes)
    scripts = Scripts(ring)
    for node in ring.numbers:
        client(ring, node, 1, script)
        ring.request(node, 1, Join("G", VOTED, local_name=f"worker{node}"))
        ring.run(0.5)
    target = providers(ring, 1, "G")[1]
    ring.request(1, 1, Expel("G", (target,), "n", limit_us, 1, "now"))
    ring.run(0.5)
    return ring, scripts


@pytest.mark.parametrize("success", [True, False])
def test_a_deactivate_script_runs_on_the_target_s_node_and_its_end_is_told(success: bool) -> None:
    ring, scripts = expelling()
    [(node, run)] = scripts.runs
    assert node == 2
    assert (run.script, run.pid, run.name, run.group, run.flag) == (
        "/usr/local/bin/deactivate",
        2001,
        "worker2",
        "G",
        "now",
    )
    assert not told(ring, 1, 1, Approved, "expel"), "the vote waits for the script"
    scripts.end(success)
    ring.run(0.5)
    approved = told(ring, 3, 1, Approved, "expel")[-1]
    assert approved.deactivated == ((run.provider, success),)
    announced = [entry for entry in told(ring, 3, 1, Announcement) if "deactivate_unsuccessful" in entry.summary]
    assert [entry.providers for entry in announced] == ([] if success else [(run.provider,)])
    assert run.provider not in providers(ring, 3, "G")


def test_a_script_that_is_late_has_failed() -> None:
    ring, scripts = expelling(limit_us=3 * SECOND_US)
    assert scripts.runs
    ring.run(4)
    assert told(ring, 3, 1, Approved, "expel")[-1].deactivated == ((scripts.runs[0][1].provider, False),)


def test_no_script_is_no_success_and_holds_nobody_up() -> None:
    ring, scripts = expelling(script="")
    assert not scripts.runs
    assert [ok for _, ok in told(ring, 3, 1, Approved, "expel")[-1].deactivated] == [False]


def test_the_end_of_a_script_reaches_the_next_leader() -> None:
    ring, scripts = expelling()
    ring.crash(1)
    scripts.end(True)
    assert ring.run_until(lambda: ring.agreed(2, 3))
    assert ring.run_until(lambda: bool(told(ring, 3, 1, Approved, "expel")))
    assert [ok for _, ok in told(ring, 3, 1, Approved, "expel")[-1].deactivated] == [True]


def test_the_node_of_a_script_may_die() -> None:
    ring, _ = expelling()
    ring.crash(2)
    assert ring.run_until(lambda: ring.agreed(1, 3))
    assert ring.run_until(lambda: [p.node for p in providers(ring, 3, "G")] == [1, 3])


def test_failures_may_be_deactivated_too() -> None:
    ring = started(2)
    scripts = Scripts(ring)
    attributes = msgspec.structs.replace(VOTED, deactivate_on_failure=True)
    for node in (1, 2):
        client(ring, node, 1, "/bin/deactivate")
        join(ring, node, 1, "G", attributes)
        ring.run(0.5)
    ring.gone(2, 1)
    ring.run(0.5)
    assert [(node, run.pid, run.serial) for node, run in scripts.runs] == [(2, 2001, 0)]
    assert [p.node for p in providers(ring, 1, "G")] == [1]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Expel("G", ()), "HA_GS_BAD_PARAMETER"),
        (Expel("G", (Provider(1, 1), Provider(1, 1))), "HA_GS_PROVIDER_APPEARS_TWICE"),
        (Expel("G", (Provider(1, 1),), 1, 0, 1), "HA_GS_INVALID_DEACTIVATE_PHASE"),
        (Expel("G", (Provider(9, 9),), "n"), "HA_GS_UNKNOWN_PROVIDER"),
        (ChangeAttributes("G", GroupAttributes(time_limit_us=-1)), "HA_GS_BAD_PARAMETER"),
    ],
)
def test_what_is_refused(request_: Request, code: str) -> None:
    ring = started(1)
    client(ring, 1, 1)
    join(ring, 1, 1, "G")
    ring.run(0.5)
    ring.request(1, 1, request_)
    ring.run(0.2)
    error = ring.last(1, 1)
    assert isinstance(error, DelayedError)
    assert error.code == code


def test_subscribers_choose_and_unknown_groups_are_told() -> None:
    ring = started(2)
    client(ring, 1, 1)
    client(ring, 2, 8)
    client(ring, 2, 9)
    ring.request(2, 9, Subscribe("G"))
    assert ring.last(2, 9) == DelayedError("G", "HA_GS_UNKNOWN_GROUP", "subscribe")
    join(ring, 1, 1, "G")
    ring.run(0.5)
    ring.request(2, 8, Subscribe("G", "state"))
    ring.request(2, 9, Subscribe("G", "membership"))
    ring.request(1, 1, ChangeStateValue("G", b"x"))
    ring.run(0.2)
    ring.request(1, 1, ProviderMessage("G", b"nothing changes"))
    ring.run(0.2)
    assert [entry.state for entry in told(ring, 2, 8, Subscription)] == [b"", b"x"]
    assert [entry.state for entry in told(ring, 2, 9, Subscription)] == [b""]
    ring.gone(1, 1)
    ring.run(0.2)
    assert [entry.providers for entry in told(ring, 2, 9, Subscription)] == [(Provider(1, 1),), ()]
    assert len(told(ring, 2, 8, Subscription)) == 2


def test_the_adapters_are_a_group() -> None:
    ring = started(2)
    client(ring, 1, 1)
    alive = frozenset((1, 2))
    ring.request(1, 1, Subscribe(ENET_MEMBERSHIP))
    ring.step(1, AliveNodes(1, alive, (1, 2), {}, ((1, 0), (2, 0), (2, 1))))
    ring.step(1, AliveNodes(2, alive, (1, 2), {}, ((1, 0), (2, 0), (2, 1))))
    ring.step(1, AliveNodes(3, alive, (1, 2), {}, ((1, 0), (2, 1))))
    assert [entry.providers for entry in told(ring, 1, 1, Subscription)] == [
        (),
        (Provider(1, 0), Provider(2, 0), Provider(2, 1)),
        (Provider(1, 0), Provider(2, 1)),
    ]


def test_a_daemon_that_comes_back_knows_that_its_script_is_lost() -> None:
    ring, scripts = expelling()
    assert scripts.runs
    del ring.cores[2]
    ring.start(2)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3))
    assert ring.run_until(lambda: bool(told(ring, 3, 1, Approved, "expel")))
    assert [p.node for p in providers(ring, 3, "G")] == [1, 3]
