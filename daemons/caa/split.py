"""A split as one side sees it: what it has asked of the tie breaker or an operator, and what it may do since.

A side that has won may call the others dead only after these can have found out that they have lost. An operator
answers on one node; the nodes of the side pass the verdict on to each other in their heartbeats.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from daemons.caa.inputs import Arbitrate, Effect, Settings, Withdraw
from daemons.caa.messages import Heartbeat, mask_of

GO_ON, GIVE_WAY = 1, 2
"""An operator's verdicts in a split."""


class Split:
    """The question of who may act, and its answer."""

    def __init__(self) -> None:
        self._asked: frozenset[int] | None = None
        self._won: frozenset[int] | None = None
        """The side that was told that it may act, while that is of use."""
        self.verdict = (0, 0)
        """The operator's verdict and the side that it is for, for heartbeats."""
        self._granted: frozenset[int] = frozenset()
        self.granted_from = 0
        """From when on the nodes that this side may call dead since it has won the tie breaker are dead."""

    def granted(self, now: int, found: AbstractSet[int]) -> frozenset[int]:
        """The nodes that this side may call dead; those that are found again are so no more."""
        self._granted -= found
        if not self._granted:
            self.verdict = (0, 0)
        return self._granted if now >= self.granted_from else frozenset()

    def ask(self, side: frozenset[int]) -> list[Effect]:
        """The other side may live: whether this one may act is for the tie breaker, or an operator, to say."""
        if side in (self._asked, self._won):
            return []
        self._asked, self._won, self.verdict = side, None, (0, 0)
        return [Arbitrate(side)]

    def settle(self) -> list[Effect]:
        """There is no question any more."""
        self._won = None
        if self._asked is None:
            return []
        self._asked = None
        return [Withdraw()]

    def answer(self, side: frozenset[int], won: bool, spread: bool) -> bool:
        """Take an answer; False if it is none, because sides have changed since."""
        if side != self._asked:
            return False
        self._asked = None
        if spread:
            self.verdict = (GO_ON if won else GIVE_WAY, mask_of(side))
        return True

    def win(self, now: int, settings: Settings, side: frozenset[int]) -> None:
        """This side may act.

        The other side finds out by its own silence that it must ask. What it heard last from this one may be younger by
        node_timeout than what this one heard from it: longer than that it would have been told of being unheard.
        """
        self._won, self._granted = side, settings.nodes - side
        self.granted_from = now + settings.node_timeout_us + 2 * settings.heartbeat_us

    def answered_by(self, heartbeat: Heartbeat) -> frozenset[int] | None:
        """This side, if a heartbeat brings the verdict that an operator has given for it on another node."""
        side = self._asked
        return None if side is None or mask_of(side) != heartbeat.verdict_side else side
