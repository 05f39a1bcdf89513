"""Random histories: whatever happens, members of a view agree, and in the end there is one view."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from ring import Ring

from daemons.cthags.messages import (
    Approved,
    ChangeStateValue,
    GroupAttributes,
    Leave,
    Notification,
    NPhase,
    ProviderMessage,
    Rejected,
    Request,
    Vote,
)
from daemons.cthags.wire import ViewId

NODES = (1, 2, 3, 4)
ATTRIBUTES = GroupAttributes(phases="n", default_vote="approve")

node = st.sampled_from(NODES)
action = st.one_of(
    st.tuples(st.just("crash"), node),
    st.tuples(st.just("start"), node),
    st.tuples(st.just("split"), node),
    st.tuples(st.just("heal"), node),
    st.tuples(st.just("join"), node),
    st.tuples(st.just("gone"), node),
    st.tuples(st.just("leave"), node),
    st.tuples(st.just("message"), node),
    st.tuples(st.just("voted message"), node),
    st.tuples(st.just("state"), node),
    st.tuples(st.just("run"), st.integers(1, 40)),
    st.tuples(st.just("moment"), node),
)


class History:
    """Plays actions and remembers what was told in which view."""

    def __init__(self, loss: float, seed: int) -> None:
        self.ring = Ring(len(NODES), seed=seed, loss=loss)
        self.ring.automatic = self.hear
        self.client = dict.fromkeys(NODES, 0)
        self.decided: dict[tuple[ViewId, int], tuple[str, tuple[object, ...]]] = {}
        self.votes = 0

    def hear(self, node: int, client: int, notification: Notification) -> Request | None:
        if isinstance(notification, Approved | Rejected) and self.ring.views[node]:
            # Within a view a protocol ends once, the same way for all.
            key = (self.ring.views[node][-1].id, notification.token)
            outcome = (type(notification).__name__, notification.providers)
            assert self.decided.setdefault(key, outcome) == outcome
        if isinstance(notification, NPhase):
            self.votes += 1
            vote = ("approve", "continue", "approve")[self.votes % 3]
            return Vote(notification.group, notification.token, "approve" if notification.phase > 3 else vote)  # type: ignore[arg-type]
        return None

    def play(self, what: str, number: int) -> None:
        ring = self.ring
        up = number in ring.cores
        match what:
            case "crash" if up:
                ring.crash(number)
            case "start" if not up:
                ring.start(number)
            case "split":
                ring.partition(tuple(n for n in NODES if n <= number), tuple(n for n in NODES if n > number))
            case "heal":
                ring.heal()
            case "join" if up:
                self.client[number] += 1
                ring.join(number, self.client[number], attributes=ATTRIBUTES)
            case "gone" if up:
                ring.gone(number, self.client[number])
            case "leave" if up:
                ring.request(number, self.client[number], Leave("G", "n"))
            case "message" if up:
                ring.request(number, self.client[number], ProviderMessage("G", b"m"))
            case "voted message" if up:
                ring.request(number, self.client[number], ProviderMessage("G", b"v", "n", 3_000_000))
            case "state" if up:
                ring.request(number, self.client[number], ChangeStateValue("G", b"s", "n"))
            case "run":
                ring.run(number * 0.05)
            case "moment":
                ring.run(0.002)
        self.check()

    def check(self) -> None:
        members: dict[ViewId, object] = {}
        for number in NODES:
            numbers = [view.id.number for view in self.ring.views[number]]
            assert numbers == sorted(set(numbers)), f"view numbers of node {number}: {numbers}"
            for view in self.ring.views[number]:
                assert members.setdefault(view.id, view.members) == view.members

    def settle(self) -> None:
        ring = self.ring
        ring.loss = 0.0
        for number in NODES:
            if number not in ring.cores:
                ring.start(number)
        ring.heal()
        assert ring.run_until(lambda: ring.agreed(*NODES), 300), ring.logs[-20:]
        ring.run(30)
        assert ring.agreed(*NODES), ring.logs[-20:]
        tables = {number: ring.cores[number].describe()["groups"] for number in NODES}
        assert all(table == tables[1] for table in tables.values()), tables
        for group in ring.cores[1].status().groups:
            assert not group.protocol, "a protocol hangs"
        assert not any(core.faults for core in ring.cores.values())


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(action, max_size=25), st.sampled_from([0.0, 0.0, 0.1, 0.3]), st.integers(0, 1000))
def test_members_agree_and_in_the_end_there_is_one_view(actions: list[tuple[str, int]], loss: float, seed: int) -> None:
    history = History(loss, seed)
    history.ring.start(1, 2, 3)
    for what, number in actions:
        history.play(what, number)
    history.settle()
