"""What waits in a group is served in its order, what cannot be stopped is not, and whoever missed a vote is named."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import msgspec
import pytest
from ring import VOTED, Ring

from daemons.cthags.messages import (
    Announcement,
    Approved,
    ChangeStateValue,
    DelayedError,
    Goodbye,
    GroupAttributes,
    Init,
    Join,
    Leave,
    Notification,
    NPhase,
    Provider,
    ProviderMessage,
    Rejected,
    Request,
    Vote,
)


def approve(node: int, client: int, notification: Notification) -> Request | None:
    return Vote(notification.group, notification.token, "approve") if isinstance(notification, NPhase) else None


def group(nodes: int, attributes: GroupAttributes = VOTED, name: str = "G", client: int = 1) -> Ring:
    """A provider of a group on every node, joined in their order."""
    ring = Ring(nodes)
    ring.start(*ring.numbers)
    assert ring.run_until(lambda: ring.agreed(*ring.numbers))
    ring.automatic = approve
    for node in ring.numbers:
        ring.join(node, client, name, attributes)
        ring.run(0.2)
    return ring


def protocols(ring: Ring, node: int, client: int) -> list[str]:
    ends = [entry for entry in ring.seen[node, client] if isinstance(entry, (Approved, Rejected))]
    return [entry.protocol for entry in ends]


def test_failures_are_served_before_joins_and_both_before_what_a_provider_proposes() -> None:
    ring = group(3)
    ring.automatic = None
    ring.request(1, 1, ProviderMessage("G", b"wait", "n"))
    ring.run(0.1)
    ring.join(1, 2, "G", VOTED)
    ring.run(0.1)
    ring.gone(3, 1)
    ring.run(0.1)
    ring.automatic = approve
    before = len(protocols(ring, 1, 1))
    ring.vote(1, 1)
    ring.vote(2, 1)
    ring.request(2, 1, ChangeStateValue("G", b"new"))
    ring.run(1)
    assert protocols(ring, 1, 1)[before:] == ["message", "failure_leave", "join"]
    errors = [entry for entry in ring.seen[2, 1] if isinstance(entry, DelayedError)]
    assert [(entry.code, entry.request) for entry in errors] == [("HA_GS_COLLIDE", "change_state")]


@pytest.mark.parametrize("kind", ["failure_leave", "cast_out"])
def test_what_cannot_be_stopped_is_rejected_once_and_done(kind: str) -> None:
    ring = group(2, name="S")
    target = msgspec.structs.replace(VOTED, source_group="S")
    for node in ring.numbers:
        ring.join(node, 2, "T", target)
        ring.run(0.3)

    def reject(node: int, client: int, notification: Notification) -> Request | None:
        if isinstance(notification, NPhase):
            return Vote(notification.group, notification.token, "reject" if client == 2 else "approve")
        return None

    ring.automatic = reject
    if kind == "cast_out":
        ring.request(2, 1, Leave("S"))
    else:
        ring.gone(2, 2)
    ring.run(2)
    assert protocols(ring, 1, 2).count(kind) == 1
    left = next(entry.providers for entry in ring.cores[1].status().groups if entry.name == "T")
    assert [provider.node for provider in left] == [1]


def test_the_failure_in_the_source_group_comes_before_the_cast_out() -> None:
    ring = group(3, name="S")
    target = msgspec.structs.replace(VOTED, source_group="S")
    for node in ring.numbers:
        ring.request(node, 1, Join("T", target))
        ring.run(0.3)
    ring.gone(3, 1)
    ring.run(1)
    ends = [(e.group, e.protocol) for e in ring.seen[1, 1] if isinstance(e, (Approved, Rejected))]
    removals = [entry for entry in ends if entry[1] in ("failure_leave", "cast_out")]
    assert removals[0] == ("S", "failure_leave")
    assert removals[1][0] == "T"
    assert len(removals) == 2, removals


def test_who_missed_the_vote_of_an_early_phase_is_named_after_the_protocol() -> None:
    ring = group(2)
    ring.automatic = None
    ring.request(1, 1, ProviderMessage("G", b"x", "n", 1_000_000))
    ring.run(0.1)
    ring.vote(1, 1, "continue")
    ring.run(1.5)
    assert ring.last(2, 1).phase == 2  # type: ignore[union-attr]
    ring.vote(1, 1)
    ring.vote(2, 1)
    ring.run(0.2)
    assert isinstance(ring.seen[1, 1][-2], Approved)
    assert ring.last(1, 1) == Announcement("G", ("default_approve", "time_limit_exceeded"), (Provider(2, 1),))


def test_a_goodbye_in_the_middle_of_a_vote_is_the_default_vote() -> None:
    ring = group(3)
    ring.automatic = None
    ring.request(1, 1, ProviderMessage("G", b"x", "n"))
    ring.run(0.1)
    ring.vote(1, 1)
    ring.vote(2, 1)
    ring.request(3, 1, Goodbye("G"))
    ring.automatic = approve
    ring.run(1)
    ends = [entry for entry in ring.seen[1, 1] if isinstance(entry, Approved)][-2:]
    assert [entry.protocol for entry in ends] == ["message", "failure_leave"]
    assert ends[1].reasons == ("said_goodbye",)


def test_continue_is_no_default_vote_and_an_instance_joins_once() -> None:
    ring = group(1)
    ring.request(1, 5, Init("other", 5000))
    ring.request(1, 5, Join("G", VOTED, instance=1))
    ring.run(0.2)
    assert ring.last(1, 5) == DelayedError("G", "HA_GS_DUPLICATE_INSTANCE_NUMBER", "join")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"phases": "n", "default_vote": "continue"}, GroupAttributes)
