"""What the nodes of a lab hold, each in one of its lives: a file a thing, a record a holder.

A record counts only while its node is alive in the life in which it was made, so a crash gives back what it held.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from srcctl.commands.record import Parametrized
from srcctl.network.liveness import is_alive
from srcctl.node.locks import locked
from srcctl.node.root import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, TypeVar

    class Held(Protocol):
        """A record: a named tuple of plain values that names a node and its boot."""

        @property
        def node(self) -> str: ...

        @property
        def boot_id(self) -> str: ...

        def _asdict(self) -> dict[str, Any]: ...

    HeldT = TypeVar("HeldT", bound=Held)
else:
    HeldT = None


class Registry(Parametrized[HeldT]):
    """The records of one kind in a lab.

    Args:
        lab: the lab's shared folder.
        directory: the registry's folder in it.
        record: the class of the records.
    """

    def __init__(self, lab: str, directory: str, record: type[HeldT]) -> None:
        self._lab = lab
        self._directory = os.path.join(lab, directory)
        self._record = record

    def _names(self) -> list[str]:
        """The things that have a file, sorted."""
        try:
            return sorted(name for name in os.listdir(self._directory) if not name.startswith("."))
        except OSError:
            return []

    def _records(self, name: str) -> list[HeldT]:
        """All records of a thing, in the order in which they were made, those of lives that are over among them."""
        try:
            with open(os.path.join(self._directory, name), encoding="utf-8") as file:
                return [self._record(**value) for value in json.load(file)]
        except (OSError, ValueError, TypeError):
            return []

    def _live(self, name: str) -> list[HeldT]:
        """The records of a thing whose nodes are alive."""
        return [held for held in self._records(name) if is_alive(self._lab, held.node, held.boot_id)]

    def _write(self, name: str, records: list[HeldT]) -> None:
        path = os.path.join(self._directory, name)
        if records:
            replace_file(path, json.dumps([held._asdict() for held in records]).encode())
        elif os.path.exists(path):
            os.unlink(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        os.makedirs(self._directory, exist_ok=True)
        with locked(os.path.join(self._directory, ".lock")):
            yield
