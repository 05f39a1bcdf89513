"""Group protocols: order, votes, defaults, time limits, and the death of members and leaders between phases."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ring import VOTED, Ring

from daemons.cthags.messages import (
    HOST_MEMBERSHIP,
    Announcement,
    Approved,
    ChangeStateValue,
    DelayedError,
    Expel,
    Goodbye,
    GroupAttributes,
    Init,
    Initialized,
    Join,
    Leave,
    Notification,
    NPhase,
    Provider,
    ProviderMessage,
    Rejected,
    Request,
    Subscribe,
    Subscription,
    Vote,
)
from daemons.cthags.sequencer import MOURNING_US


def ring_with_providers(nodes: int, attributes: GroupAttributes | None = None) -> Ring:
    """A provider of group G on every node, joined in the order of the nodes."""
    ring = Ring(nodes)
    ring.start(*ring.numbers)
    assert ring.run_until(lambda: ring.agreed(*ring.numbers))
    ring.automatic = approve_everything
    for node in ring.numbers:
        ring.join(node, 1, attributes=attributes)
        assert ring.run_until(lambda node=node: isinstance(ring.last(node, 1), Approved)), ring.seen
    ring.run(0.1)
    ring.automatic = None
    return ring


def approve_everything(node: int, client: int, notification: Notification) -> Request | None:
    if isinstance(notification, NPhase):
        return Vote(notification.group, notification.token, "approve")
    return None


def everybody(ring: Ring, kind: type[Notification], *nodes: int) -> bool:
    return all(isinstance(ring.last(node, 1), kind) for node in nodes or ring.numbers)


def test_providers_are_listed_oldest_first() -> None:
    ring = ring_with_providers(3)
    last = [ring.last(node, 1) for node in ring.numbers]
    assert all(isinstance(entry, Approved) for entry in last)
    assert {entry.providers for entry in last} == {(Provider(1, 1), Provider(2, 1), Provider(3, 1))}  # type: ignore[union-attr]
    assert [entry.self_provider.node for entry in last] == [1, 2, 3]  # type: ignore[union-attr]
    assert ring.seen[1, 1][0] == Initialized(1)


def test_a_one_phase_message_reaches_all_in_one_order() -> None:
    ring = ring_with_providers(3)
    for number in range(30):
        ring.request(1 + number % 3, 1, ProviderMessage("G", b"%d" % number))
    ring.run(1)
    orders = [
        [entry.message for entry in ring.seen[node, 1] if isinstance(entry, Approved) and entry.protocol == "message"]
        for node in ring.numbers
    ]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0], key=int) == [b"%d" % number for number in range(30)]


def test_a_large_message_is_cut_and_put_together() -> None:
    ring = ring_with_providers(2)
    ring.loss = 0.2
    text = bytes(range(256)) * 2000
    ring.request(2, 1, ProviderMessage("G", text))
    assert ring.run_until(lambda: all(getattr(ring.last(node, 1), "message", b"") == text for node in ring.numbers))


def test_each_phase_is_a_barrier() -> None:
    ring = ring_with_providers(3)
    ring.request(2, 1, ProviderMessage("G", b"event", "n"))
    assert ring.run_until(lambda: everybody(ring, NPhase))
    ring.vote(1, 1, "continue")
    ring.vote(3, 1, "continue")
    ring.run(5)
    assert all(ring.last(node, 1).phase == 1 for node in ring.numbers)  # type: ignore[union-attr]
    ring.vote(2, 1, "approve", message=b"from two")
    assert ring.run_until(lambda: all(ring.last(node, 1).phase == 2 for node in ring.numbers))  # type: ignore[union-attr]
    assert all(ring.last(node, 1).message == b"from two" for node in ring.numbers)  # type: ignore[union-attr]
    for node in ring.numbers:
        ring.vote(node, 1)
    assert ring.run_until(lambda: everybody(ring, Approved))


def test_one_reject_rejects() -> None:
    ring = ring_with_providers(3)
    ring.request(1, 1, ChangeStateValue("G", b"new", "n"))
    assert ring.run_until(lambda: everybody(ring, NPhase))
    assert all(ring.last(node, 1).state == b"new" for node in ring.numbers)  # type: ignore[union-attr]
    ring.vote(1, 1)
    ring.vote(2, 1, "continue")
    ring.vote(3, 1, "reject")
    ring.run(1)
    ended = [next(entry for entry in reversed(ring.seen[node, 1]) if isinstance(entry, Rejected)) for node in (1, 2, 3)]
    assert {entry.state for entry in ended} == {b""}
    assert ring.last(1, 1) == Announcement("G", ("explicit_reject",), ())


def test_a_state_change_names_the_value_it_replaces() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 1, ChangeStateValue("G", b"a"))
    ring.run(1)
    ring.request(2, 1, ChangeStateValue("G", b"b", old=b""))
    ring.run(1)
    assert ring.last(2, 1) == DelayedError("G", "HA_GS_WRONG_OLD_STATE", "change_state")
    ring.request(2, 1, ChangeStateValue("G", b"b", old=b"a"))
    ring.run(1)
    assert ring.last(1, 1).state == b"b"  # type: ignore[union-attr]


def test_a_proposal_during_a_protocol_collides() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 1, ProviderMessage("G", b"first", "n"))
    ring.run(0.1)
    ring.request(2, 1, ProviderMessage("G", b"second"))
    ring.run(0.1)
    assert ring.last(2, 1) == DelayedError("G", "HA_GS_COLLIDE", "message")


def test_a_late_vote_is_replaced_by_the_default() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 1, ProviderMessage("G", b"x", "n", 2_000_000))
    ring.run(0.1)
    ring.vote(1, 1)
    ring.run(1.5)
    assert everybody(ring, NPhase)
    ring.run(1)
    assert ring.last(1, 1) == Announcement("G", ("default_reject", "time_limit_exceeded"), (Provider(2, 1),))
    ring.vote(2, 1)
    assert ring.last(2, 1) == DelayedError("G", "HA_GS_VOTE_NOT_EXPECTED", "vote")


def test_a_vote_may_change_its_own_default() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 1, ProviderMessage("G", b"x", "n", 1_000_000))
    ring.run(0.1)
    ring.vote(1, 1, "continue")
    ring.vote(2, 1, "continue", default_vote="approve")
    ring.run(0.1)
    ring.vote(1, 1)
    ring.run(2)
    assert isinstance(ring.seen[1, 1][-2], Approved)
    assert ring.last(1, 1) == Announcement("G", ("default_approve", "time_limit_exceeded"), (Provider(2, 1),))


@pytest.mark.parametrize("victim", [1, 2, 3])
@pytest.mark.parametrize("voted", [False, True])
def test_a_node_that_dies_between_two_phases_holds_up_nobody(victim: int, voted: bool) -> None:
    """Also the leader: the vote goes on under the next one, in the phase in which it was."""
    ring = ring_with_providers(3, VOTED)
    ring.request(2, 1, ProviderMessage("G", b"event", "n"))
    ring.run(0.1)
    for node in ring.numbers:
        ring.vote(node, 1, "continue")
    assert ring.run_until(lambda: all(ring.last(node, 1).phase == 2 for node in ring.numbers))  # type: ignore[union-attr]
    survivors = [node for node in ring.numbers if node != victim]
    if voted:
        ring.vote(survivors[0], 1)
        ring.vote(victim, 1)
        ring.run(0.05)
    ring.crash(victim)
    ring.run(1)
    if not voted:
        ring.vote(survivors[0], 1)
    ring.vote(survivors[1], 1)
    ring.automatic = approve_everything
    ring.run(1)
    for node in survivors:
        history = [entry for entry in ring.seen[node, 1] if isinstance(entry, NPhase | Approved | Rejected)]
        kinds = [(type(entry).__name__, entry.protocol, entry.phase) for entry in history[-6:]]
        if len(kinds) > 5 and voted:
            kinds = kinds[-5:]
        assert kinds[-5:] == [
            ("NPhase", "message", 1),
            ("NPhase", "message", 2),
            ("Approved", "message", 2),
            ("NPhase", "failure_leave", 1),
            ("Approved", "failure_leave", 1),
        ]
        assert history[-1].changing == (Provider(victim, 1),)
        assert history[-1].reasons == ("host_failure",)
        assert [provider.node for provider in history[-1].providers] == survivors


def test_a_default_reject_of_a_dead_node_rejects() -> None:
    ring = ring_with_providers(3)
    ring.request(1, 1, ProviderMessage("G", b"x", "n"))
    ring.run(0.1)
    for node in (1, 2):
        ring.vote(node, 1)
    ring.crash(3)
    ring.run(1)
    kinds = [type(entry) for entry in ring.seen[2, 1][-3:]]
    assert kinds == [Rejected, Announcement, Approved]
    assert ring.seen[2, 1][-2] == Announcement("G", ("default_reject", "provider_failed"), (Provider(3, 1),))


def test_a_failure_leave_cannot_be_rejected() -> None:
    ring = ring_with_providers(2, VOTED)
    ring.gone(1, 1)
    ring.run(0.1)
    ring.vote(2, 1, "reject")
    ring.run(0.1)
    ended = next(entry for entry in reversed(ring.seen[2, 1]) if isinstance(entry, Rejected))
    assert ended.providers == (Provider(2, 1),)


def test_the_end_of_a_process_and_a_goodbye_are_failure_leaves() -> None:
    ring = ring_with_providers(3)
    ring.gone(1, 1)
    ring.request(2, 1, Goodbye("G"))
    ring.run(1)
    leaves = [entry for entry in ring.seen[3, 1] if isinstance(entry, Approved) and entry.protocol == "failure_leave"]
    assert [entry.reasons for entry in leaves] == [("provider_failure",), ("said_goodbye",)]
    assert ring.last(2, 1) == ring.seen[2, 1][-1]
    ring.request(2, 1, ProviderMessage("G", b"x"))
    assert ring.last(2, 1) == DelayedError("G", "HA_GS_NOT_A_MEMBER", "message")


def test_leave_expel_and_a_new_instance() -> None:
    ring = ring_with_providers(3)
    ring.request(3, 1, Leave("G"))
    ring.run(0.1)
    assert ring.last(3, 1).reasons == ("voluntary_leave",)  # type: ignore[union-attr]
    ring.request(1, 1, Expel("G", (Provider(2, 1),), "n"))
    ring.run(0.1)
    assert isinstance(ring.last(1, 1), NPhase)
    assert not isinstance(ring.last(2, 1), NPhase), "who is thrown out has no vote"
    ring.vote(1, 1)
    ring.run(0.1)
    assert ring.last(2, 1).reasons == ("provider_expelled",)  # type: ignore[union-attr]
    ring.join(3, 2)
    ring.run(0.1)
    assert ring.last(1, 1).providers == (Provider(1, 1), Provider(3, 2))  # type: ignore[union-attr]


def test_a_voted_join_shows_the_joiner_each_phase_and_carries_messages() -> None:
    ring = ring_with_providers(2, VOTED)
    ring.join(2, 2, attributes=VOTED)
    ring.run(0.1)
    joiner = ring.last(2, 2)
    assert isinstance(joiner, NPhase)
    assert (joiner.changing, joiner.self_provider) == ((Provider(2, 2),), Provider(2, 2))
    ring.vote(2, 2)
    ring.vote(1, 1, message=b"state of the cluster")
    ring.vote(2, 1, message=b"the younger one's is dropped")
    ring.run(0.1)
    approved = ring.last(2, 2)
    assert isinstance(approved, Approved)
    assert approved.message == b"state of the cluster"


def test_a_joiner_that_dies_while_it_is_voted_on() -> None:
    ring = ring_with_providers(2)
    voted = GroupAttributes(phases="n")
    ring.join(1, 5, "H", voted)
    ring.run(0.1)
    ring.vote(1, 5)
    ring.run(0.1)
    ring.join(2, 5, "H", voted)
    ring.run(0.1)
    ring.gone(2, 5)
    ring.vote(1, 5)
    ring.run(0.1)
    assert isinstance(ring.seen[1, 5][-2], Rejected)
    assert ring.cores[1].status().groups[1].providers == (Provider(1, 2),)


def test_attributes_must_agree() -> None:
    ring = ring_with_providers(2)
    ring.join(1, 7, attributes=VOTED)
    ring.run(0.1)
    assert ring.last(1, 7) == DelayedError("G", "HA_GS_BAD_GROUP_ATTRIBUTES", "join")


def test_subscribers_see_results_only() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 9, Init("watcher", 99))
    ring.request(1, 9, Subscribe("G"))
    ring.request(1, 9, Subscribe(HOST_MEMBERSHIP))
    assert ring.seen[1, 9][-2:] == [
        Subscription("G", (Provider(1, 1), Provider(2, 1)), b""),
        Subscription(HOST_MEMBERSHIP, (Provider(1, 1), Provider(2, 1)), b""),
    ]
    ring.crash(2)
    ring.run(1)
    assert ring.seen[1, 9][-2:] == [
        Subscription(HOST_MEMBERSHIP, (Provider(1, 1),), b""),
        Subscription("G", (Provider(1, 1),), b""),
    ]


def test_a_node_that_came_back_between_two_views_shows_by_its_boot() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 9, Init("watcher", 99))
    ring.request(1, 9, Subscribe(HOST_MEMBERSHIP))
    del ring.cores[2]
    ring.start(2)
    assert ring.run_until(lambda: ring.agreed(1, 2))
    told = [seen.providers for seen in ring.seen[1, 9] if isinstance(seen, Subscription)]
    assert told[0] == (Provider(1, 1), Provider(2, 1))
    assert (Provider(1, 1), Provider(2, 2)) in told


def test_the_smaller_half_is_dissolved_when_halves_meet() -> None:
    ring = ring_with_providers(3)
    ring.partition((1, 2), (3,))
    ring.run(1)
    assert ring.last(3, 1).providers == (Provider(3, 1),)  # type: ignore[union-attr]
    ring.heal()
    assert ring.run_until(lambda: ring.agreed(1, 2, 3))
    assert ring.last(3, 1) == Announcement("G", ("group_dissolved",), (Provider(3, 1),))
    assert ring.last(1, 1).providers == (Provider(1, 1), Provider(2, 1))  # type: ignore[union-attr]


def test_a_group_whose_last_critical_provider_died_waits_for_its_node() -> None:
    """Nobody is left who knows what the dead process held: a new group begins when its node is off."""
    ring = Ring(3)
    ring.start(*ring.numbers)
    assert ring.run_until(lambda: ring.agreed(*ring.numbers))
    ring.request(3, 1, Init("clstrmgr", 4711, critical=True))
    ring.request(3, 1, Join("G"))
    ring.run(0.1)
    ring.gone(3, 1)
    ring.run(0.1)
    ring.join(1, 1)
    ring.run(5)
    assert ring.last(1, 1) == Initialized(1)
    ring.crash(3)
    ring.run(1)
    assert isinstance(ring.last(1, 1), Approved)


def test_a_group_does_not_wait_for_ever() -> None:
    ring = Ring(2)
    ring.start(*ring.numbers)
    assert ring.run_until(lambda: ring.agreed(*ring.numbers))
    ring.request(2, 1, Init("clstrmgr", 4711, critical=True))
    ring.request(2, 1, Join("G"))
    ring.run(0.1)
    ring.gone(2, 1)
    ring.run(0.1)
    ring.join(1, 1)
    assert ring.run_until(lambda: isinstance(ring.last(1, 1), Approved), 60)
    assert ring.now > MOURNING_US


def test_open_business_survives_the_leader() -> None:
    """Proposals and votes on their way to a leader that dies are made again to the next one."""
    ring = ring_with_providers(3, VOTED)
    ring.drop = lambda source, target, packet: target == 1
    ring.request(3, 1, ProviderMessage("G", b"x", "n"))
    ring.crash(1)
    ring.automatic = approve_everything
    assert ring.run_until(
        lambda: any(isinstance(entry, DelayedError | Approved) for entry in ring.seen[3, 1][-2:]) and ring.agreed(2, 3)
    )
    ring.run(1)
    codes = [entry for entry in ring.seen[3, 1] if isinstance(entry, DelayedError)]
    assert codes == [DelayedError("G", "HA_GS_COLLIDE", "message")], "the failure of node 1 comes first"


def test_a_client_that_does_not_answer_is_killed_in_ticks_of_its_daemon() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 3, Init("clstrmgr", 4711, 1_000_000, 500_000, True))
    ring.run(1.1)
    ring.now += 3_600_000_000
    ring.step(1, __import__("srcctl.machine", fromlist=["TICK"]).TICK)
    assert not ring.killed, "a pause of the machine is no silence of the client"
    ring.run(0.45)
    assert [(node, entry.pid, entry.kill) for node, entry in ring.killed] == [(1, 4711, True)]


def test_requests_before_init_and_bad_requests_are_answered() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 4, Leave("G"))
    assert ring.last(1, 4) == DelayedError("G", "HA_GS_NO_INIT", "leave")
    ring.join(1, 4, "x" * 33)
    assert ring.last(1, 4) == DelayedError("x" * 33, "HA_GS_NAME_TOO_LONG", "join")
    ring.request(1, 4, Vote("G", 5, "approve"))
    assert ring.last(1, 4) == DelayedError("G", "HA_GS_VOTE_NOT_EXPECTED", "vote")
    ring.request(1, 1, ProviderMessage("G", b"x", 1, -1))
    assert ring.last(1, 1) == DelayedError("G", "HA_GS_BAD_PARAMETER", "message")
