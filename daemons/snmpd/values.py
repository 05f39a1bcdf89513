"""Managed values and object identifiers as plain data, so that the tables of the MIB need no SNMP library."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

Oid: TypeAlias = tuple[int, ...]
Syntax: TypeAlias = Literal["integer", "string", "address", "oid", "ticks", "counter", "end", "absent"]


class Value(NamedTuple):
    """One value: ``end`` is endOfMibView and ``absent`` noSuchObject (RFC 3416), both without data."""

    syntax: Syntax
    data: int | str | Oid = 0


END = Value("end")
ABSENT = Value("absent")


def integer(number: int) -> Value:
    """INTEGER."""
    return Value("integer", number)


def string(text: str) -> Value:
    """DisplayString."""
    return Value("string", text)


def address(text: str) -> Value:
    """IpAddress, dotted."""
    return Value("address", text)


def dotted(oid: Oid) -> str:
    """``1.3.6.1``."""
    return ".".join(map(str, oid))


def parse_oid(text: str) -> Oid:
    """The reverse of ``dotted``; a leading point is allowed.

    Raises:
        ValueError: not an object identifier.
    """
    return tuple(int(part) for part in text.strip(".").split("."))


class MibTree:
    """An ordered set of instances: what GET and GETNEXT need (RFC 1157, section 4.1)."""

    def __init__(self, instances: Iterable[tuple[Oid, Value]] = ()) -> None:
        self._values = dict(instances)
        self._order = sorted(self._values)

    def __len__(self) -> int:
        return len(self._order)

    def update(self, oid: Oid, value: Value) -> None:
        """Give an instance that exists another value (sysUpTime, before every answer)."""
        if oid in self._values:
            self._values[oid] = value

    def get(self, oid: Oid) -> Value | None:
        """The instance of exactly that name."""
        return self._values.get(oid)

    def next(self, oid: Oid) -> tuple[Oid, Value] | None:
        """The first instance after ``oid`` in lexicographic order, or None at the end."""
        place = bisect_right(self._order, oid)
        if place == len(self._order):
            return None
        return self._order[place], self._values[self._order[place]]

    def below(self, prefix: Oid) -> list[tuple[Oid, Value]]:
        """All instances under ``prefix``, in order."""
        found, place = [], bisect_right(self._order, prefix)
        while place < len(self._order) and self._order[place][: len(prefix)] == prefix:
            found.append((self._order[place], self._values[self._order[place]]))
            place += 1
        return found
