"""Which side of a split may act, where the split policy has a tie breaker: asked at a split, at a boot, at a return.

Only nodes that can be reached count as back, or as a side: those that are called alive because nobody has decided about
them yet may be the other side (the PowerHA manual, "Tie breaker option for split and merge policies").
"""

from __future__ import annotations

from collections.abc import Callable

from daemons.caa.tiebreaker import TieBreaker


class Arbiter:
    """This node before the tie breaker; nodes are named as in the definition of the cluster.

    Args:
        breaker: the tie breaker of the policy in force, None without one.
        log: a line of the log.
        complain: a line of the log about a tie breaker that cannot be reached.
    """

    def __init__(
        self, breaker: Callable[[], TieBreaker | None], log: Callable[[str], None], complain: Callable[[str], None]
    ) -> None:
        self._breaker = breaker
        self._log = log
        self._complain = complain
        self.acting = False
        """This node may take part: no other side holds the tie breaker."""
        self.welcome_owed = False
        """Nodes are to be taken in once this node acts and can reach the tie breaker: until then its holders would keep
        them out."""
        self._told = False
        self._last: TieBreaker | None = None

    def _current(self) -> TieBreaker | None:
        breaker = self._breaker()
        self._last = breaker or self._last
        return breaker

    def arbitrate(self, side: frozenset[str]) -> bool:
        """Whether this node's side of a split wins."""
        breaker = self._current()
        if breaker is None:
            return True
        try:
            won = breaker.reserve(side)
        except OSError as error:
            self._complain(f"tie breaker: {error.strerror}")
            won = False
        self._log(f"split: {' '.join(sorted(side))} {'hold' if won else 'do not get'} the tie breaker")
        return won

    def begins_to_act(self, reached: frozenset[str], everybody: frozenset[str]) -> bool:
        """Whether this node, which has joined its cluster and waits, may take part from now on.

        Args:
            reached: the nodes that can be reached, this one among them.
            everybody: the nodes of the cluster.
        """
        if self.acting:
            return False
        breaker = self._current()
        try:
            self.acting = breaker is None or breaker.lets_in(reached, everybody)
        except OSError:
            return False
        return self.acting

    def welcome(self, reached: frozenset[str], everybody: frozenset[str]) -> None:
        """Nodes may be back: the side that holds the tie breaker takes them in. What fails is owed."""
        breaker = self._current()
        self.welcome_owed = breaker is not None
        if breaker is None or not self.acting:
            return
        try:
            breaker.welcome(reached, everybody)
        except OSError as error:
            if not self._told:
                self._told = True
                self._complain(f"tie breaker: {error.strerror}")
        else:
            self.welcome_owed = self._told = False

    def resign(self) -> bool:
        """This node is no member any more, or its CAA is stopped, now or when it boots: it is of no side, and if it was
        the last of one, nobody holds the tie breaker. It may have no configuration left: the last tie breaker is meant.

        Returns:
            False if the tie breaker cannot be reached: it is to be tried again.
        """
        self.acting = False
        self._current()
        if self._last is None:
            return True
        try:
            self._last.resign()
        except OSError:
            return False
        self._last = None
        return True
