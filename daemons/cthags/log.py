"""The log of one view: what the leader ordered, kept until every member has it."""

from __future__ import annotations

from collections import deque

from daemons.cthags.wire import Operation


class ViewLog:
    """Operations of the view, by position from 1. Those up to ``stable`` are at every member and forgotten here."""

    __slots__ = ("_operations", "stable")

    def __init__(self) -> None:
        self._operations: deque[Operation] = deque()
        self.stable = 0

    @property
    def position(self) -> int:
        """How many operations were applied in this view."""
        return self.stable + len(self._operations)

    def append(self, operation: Operation) -> None:
        """Note an operation that was applied."""
        self._operations.append(operation)

    def after(self, position: int) -> tuple[Operation, ...]:
        """The operations after ``position`` (those that are still kept)."""
        return tuple(list(self._operations)[max(0, position - self.stable) :])

    def forget(self, stable: int) -> None:
        """Every member has everything up to ``stable``."""
        while self.stable < stable and self._operations:
            self._operations.popleft()
            self.stable += 1
