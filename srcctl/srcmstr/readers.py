"""What srcmstr listens to: descriptors, each with what is done when it can be read (poll(2)).

The module selectors would do, and brings socket, enum and collections with it.
"""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Source(Protocol):
        """A socket, or what else has a descriptor."""

        def fileno(self) -> int: ...

        def close(self) -> None: ...


class Readers:
    """The sources and their actions."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._sources: dict[int, tuple[Source, Callable[[], object]]] = {}

    def register(self, source: Source, action: Callable[[], object]) -> None:
        """Call ``action`` whenever ``source`` can be read, from now on."""
        self._sources[source.fileno()] = source, action
        self._poll.register(source.fileno(), select.POLLIN)

    def unregister(self, source: Source) -> None:
        """No more; nothing happens if the source is not there."""
        if self._sources.pop(source.fileno(), None) is not None:
            self._poll.unregister(source.fileno())

    def wait(self, microseconds: int | None) -> None:
        """Serve what can be read, after waiting for it so long at most; None waits for ever."""
        for descriptor, _ in self._poll.poll(None if microseconds is None else (microseconds + 999) // 1000):
            if descriptor in self._sources:  # and not unregistered by an action before
                self._sources[descriptor][1]()

    def close(self) -> None:
        """Close all sources."""
        for source, _ in list(self._sources.values()):
            source.close()
        self._sources.clear()
