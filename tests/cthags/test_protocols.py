"""Every kind of protocol that is voted on, with every end that a vote can have: what it changes, who is told what."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ring import Ring
from test_groups import approve_everything, everybody, ring_with_providers

from daemons.cthags.messages import (
    Announcement,
    Approved,
    ChangeAttributes,
    ChangeStateValue,
    DelayedError,
    Expel,
    Goodbye,
    GroupAttributes,
    Init,
    Join,
    Leave,
    NPhase,
    Provider,
    ProviderMessage,
    Rejected,
    Request,
    Vote,
)

LIMIT = 2_000_000
PROPOSALS: dict[str, Request] = {
    "leave": Leave("G", "n", LIMIT, 7),
    "expel": Expel("G", (Provider(3, 1),), "n", LIMIT),
    "state_change": ChangeStateValue("G", b"new", "n", LIMIT),
    "message": ProviderMessage("G", b"text", "n", LIMIT),
    "attribute_change": ChangeAttributes("G", GroupAttributes(client_version=2), "n", LIMIT),
}


def voters(kind: str) -> tuple[int, ...]:
    """Node 1 proposes; who is expelled has no vote."""
    return (1, 2) if kind == "expel" else (1, 2, 3)


def begun(kind: str, attributes: GroupAttributes | None = None) -> Ring:
    ring = ring_with_providers(3, attributes)
    ring.request(1, 1, ChangeStateValue("G", b"old"))
    ring.run(0.1)
    ring.request(1, 1, PROPOSALS[kind])
    assert ring.run_until(lambda: everybody(ring, NPhase, *voters(kind))), ring.seen
    assert all(ring.last(node, 1).protocol == kind for node in voters(kind))  # type: ignore[union-attr]
    assert all(ring.last(node, 1).time_limit_us == LIMIT for node in voters(kind))  # type: ignore[union-attr]
    return ring


def ended(ring: Ring, node: int) -> Approved | Rejected:
    return next(entry for entry in reversed(ring.seen[node, 1]) if isinstance(entry, Approved | Rejected))


def outcome(ring: Ring, kind: str) -> tuple[set[str], set[bytes], set[int]]:
    """How it ended for those who are members still: the notification, the state value, and how many providers."""
    last = [ended(ring, node) for node in (1, 2, 3) if ended(ring, node).protocol == kind]
    return (
        {type(entry).__name__ for entry in last},
        {entry.state for entry in last},
        {len(entry.providers) for entry in last},
    )


@pytest.mark.parametrize("kind", PROPOSALS)
def test_all_approve(kind: str) -> None:
    ring = begun(kind)
    for node in voters(kind):
        ring.vote(node, 1)
    ring.run(0.5)
    members = 2 if kind in ("leave", "expel") else 3
    state = b"new" if kind == "state_change" else b"old"
    assert outcome(ring, kind) == ({"Approved"}, {state}, {members})
    assert not any(isinstance(ring.last(node, 1), Announcement) for node in (1, 2, 3)), "nothing to announce"


@pytest.mark.parametrize("kind", PROPOSALS)
def test_one_rejects(kind: str) -> None:
    ring = begun(kind)
    ring.vote(1, 1)
    ring.vote(2, 1, "reject")
    if kind != "expel":
        ring.vote(3, 1, "continue")
    ring.run(0.5)
    assert outcome(ring, kind) == ({"Rejected"}, {b"old"}, {3})
    assert ring.last(2, 1) == Announcement("G", ("explicit_reject",), ())
    ring.request(2, 1, ProviderMessage("G", b"still members"))
    ring.run(0.2)
    assert {getattr(ring.last(node, 1), "message", b"") for node in (1, 2, 3)} == {b"still members"}


@pytest.mark.parametrize("default", ["approve", "reject"])
@pytest.mark.parametrize("kind", PROPOSALS)
def test_one_is_late(kind: str, default: str) -> None:
    """The group's default vote is its own, and the announcement names who was late."""
    ring = begun(kind, GroupAttributes(default_vote=default))  # type: ignore[arg-type]
    for node in voters(kind)[:-1]:
        ring.vote(node, 1)
    late = voters(kind)[-1]
    ring.run(LIMIT / 1e6 - 0.5)
    assert isinstance(ring.last(late, 1), NPhase), "not before the time limit"
    ring.run(1)
    word = "Approved" if default == "approve" else "Rejected"
    assert outcome(ring, kind)[0] == {word}
    told = [entry for entry in ring.seen[2, 1] if isinstance(entry, Announcement)]
    assert told == [Announcement("G", (f"default_{default}", "time_limit_exceeded"), (Provider(late, 1),))]  # type: ignore[arg-type]
    ring.vote(late, 1)
    ring.run(0.2)
    errors = [entry for entry in ring.seen[late, 1] if isinstance(entry, DelayedError)]
    assert errors == [DelayedError("G", "HA_GS_VOTE_NOT_EXPECTED", "vote")]


@pytest.mark.parametrize("kind", PROPOSALS)
def test_three_phases_with_a_message_and_a_state_value_on_the_votes(kind: str) -> None:
    ring = begun(kind)
    for phase in (1, 2):
        for node in voters(kind):
            value = b"%d of %d" % (phase, node) if node > 1 else None
            ring.vote(node, 1, "continue" if node == 2 else "approve", message=value, state=value)
        assert ring.run_until(
            lambda phase=phase: all(ring.last(node, 1).phase == phase + 1 for node in voters(kind))  # type: ignore[misc]
        )
        oldest = b"%d of 2" % phase
        assert {(ring.last(n, 1).message, ring.last(n, 1).state) for n in voters(kind)} == {(oldest, oldest)}  # type: ignore[union-attr]
    for node in voters(kind):
        ring.vote(node, 1)
    ring.run(0.5)
    words, states, _ = outcome(ring, kind)
    assert (words, states) == ({"Approved"}, {b"2 of 2"})


@pytest.mark.parametrize("kind", PROPOSALS)
@pytest.mark.parametrize("how", ["goodbye", "process", "node"])
def test_a_voter_goes_without_a_vote(kind: str, how: str) -> None:
    """Its default vote is cast, and its failure leave follows when the running protocol has ended."""
    ring = begun(kind, GroupAttributes(default_vote="approve"))
    goes = voters(kind)[-1]
    for node in voters(kind)[:-1]:
        ring.vote(node, 1)
    match how:
        case "goodbye":
            ring.request(goes, 1, Goodbye("G"))
        case "process":
            ring.gone(goes, 1)
        case _:
            ring.crash(goes)
    ring.run(1)
    watcher = 2 if goes != 2 else 1
    history = [entry for entry in ring.seen[watcher, 1] if isinstance(entry, Approved | Rejected)][-2:]
    assert [(type(entry).__name__, entry.protocol) for entry in history] == [
        ("Approved", kind), ("Approved", "failure_leave"),
    ]  # fmt: skip
    reason = {"goodbye": "said_goodbye", "process": "provider_failure", "node": "host_failure"}[how]
    assert history[1].reasons == (reason,)
    assert history[1].changing == (Provider(goes, 1),)


def test_two_providers_of_one_node_vote_for_themselves() -> None:
    ring = ring_with_providers(2)
    ring.request(1, 2, Init("second", 5))
    ring.request(1, 2, Join("G", GroupAttributes(), 9))
    ring.run(0.2)
    assert ring.last(2, 1).providers == (Provider(1, 1), Provider(2, 1), Provider(1, 9))  # type: ignore[union-attr]
    ring.request(1, 3, Init("third", 6))
    ring.request(1, 3, Join("G", GroupAttributes(), 9))
    ring.run(0.2)
    assert ring.last(1, 3) == DelayedError("G", "HA_GS_DUPLICATE_INSTANCE_NUMBER", "join")
    ring.request(2, 1, ProviderMessage("G", b"x", "n"))
    ring.run(0.2)
    ring.vote(1, 1)
    ring.vote(2, 1)
    ring.run(1)
    assert isinstance(ring.last(1, 2), NPhase), "one of the node's has not voted"
    ring.vote(1, 2)
    ring.run(0.2)
    assert {type(ring.last(*who)) for who in ((1, 1), (1, 2), (2, 1))} == {Approved}
    ring.gone(1, 2)
    ring.run(0.2)
    assert ring.last(1, 1).changing == (Provider(1, 9),)  # type: ignore[union-attr]


def test_a_reflection_has_its_own_time_limit() -> None:
    """The source's state value is told to the target in a voted protocol, whoever is late in it."""
    ring = ring_with_providers(2)
    target = GroupAttributes(
        source_group="G",
        source_reflection_phases="n",
        source_reflection_time_limit_us=1_000_000,
        default_vote="approve",
    )
    ring.automatic = approve_everything
    for node in (1, 2):
        ring.join(node, 2, "T", target)
        ring.run(0.2)
    ring.automatic = None
    ring.request(1, 1, ChangeStateValue("G", b"state"))
    ring.run(0.2)
    assert ring.last(1, 1).state == b"state", "the source waits for nobody"  # type: ignore[union-attr]
    phases = [ring.last(node, 2) for node in (1, 2)]
    assert [(type(p), p.protocol, p.source_state, p.time_limit_us) for p in phases] == [  # type: ignore[union-attr]
        (NPhase, "source_reflection", b"state", 1_000_000)
    ] * 2
    ring.vote(1, 2)
    ring.run(1.5)
    assert ring.last(1, 2) == Announcement("T", ("default_approve", "time_limit_exceeded"), (Provider(2, 2),))


def test_joins_before_proposals_and_failures_before_joins() -> None:
    ring = ring_with_providers(3)
    ring.request(1, 1, ProviderMessage("G", b"first", "n"))
    ring.run(0.2)
    ring.request(1, 2, Init("joiner", 7))
    ring.request(1, 2, Join("G", GroupAttributes()))
    ring.run(0.2)
    ring.gone(3, 1)
    ring.request(2, 1, ProviderMessage("G", b"second"))
    ring.run(0.2)
    assert ring.last(2, 1) == DelayedError("G", "HA_GS_COLLIDE", "message")
    ring.vote(1, 1)
    ring.vote(2, 1)
    ring.run(1)
    after = [e.protocol for e in ring.seen[1, 1] if isinstance(e, Approved | Rejected)][-3:]
    assert after == ["message", "failure_leave", "join"]


def test_a_vote_that_nobody_asked_for_is_refused_and_counts_nowhere() -> None:
    ring = begun("message")
    token = ring.last(3, 1).token  # type: ignore[union-attr]
    for wrong in (token + 1, token - 1, 0, -1, 1 << 62):
        ring.request(3, 1, Vote("G", wrong, "reject"))
        ring.run(0.1)
        assert ring.last(3, 1) == DelayedError("G", "HA_GS_VOTE_NOT_EXPECTED", "vote")
    ring.request(3, 1, Vote("H", token, "reject"))
    ring.run(0.1)
    assert isinstance(ring.last(3, 1), DelayedError)
    for node in (1, 2, 3):
        ring.vote(node, 1)
    ring.request(3, 1, Vote("G", token, "reject"))
    ring.run(0.5)
    assert isinstance(ended(ring, 1), Approved), "the first vote counts"
