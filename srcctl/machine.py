"""The contract of every pure core, and whose fault an error is.

A core is a deterministic state machine without input or output: it never reads a clock, a file or a socket, never
awaits, and takes randomness from an injected source. A thin shell feeds it inputs and carries out the effects that it
returns, in order. Time is an argument, in integer microseconds of a monotonic clock.

The shape follows the "sans-I/O" protocols (h11, aioquic) and the step/ready contract of etcd's raft: what must be
durable is an effect that precedes the effect that promises it.
"""

from __future__ import annotations

# init and SRC are cores, too, and have no other need of typing: it would cost them more memory than their own code.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Protocol, TypeVar

    InputT = TypeVar("InputT", contravariant=True)
    EffectT = TypeVar("EffectT")

    class Machine(Protocol[InputT, EffectT]):
        """A pure core."""

        def step(self, now: int, value: InputT, /) -> list[EffectT]:
            """Take one input at time ``now`` (microseconds, never decreasing) and return the effects, in order."""
            ...

        def next_deadline(self) -> int | None:
            """The time (microseconds) at which the core wants a ``Tick``, or None if nothing is pending."""
            ...

        def describe(self) -> dict[str, object]:
            """The whole state as plain values, in a stable order, for traces and for ``lssrc -l``."""
            ...


MICROSECOND: Final = 1
MILLISECOND: Final = 1_000
SECOND: Final = 1_000_000


class Tick:
    """The input that a shell feeds when ``next_deadline()`` has passed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Tick()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tick)

    def __hash__(self) -> int:
        return hash(Tick)


TICK: Final = Tick()


def earliest(*times: int | None) -> int | None:
    """The first of some deadlines, None if there is none."""
    first: int | None = None
    for time in times:
        if time is not None and (first is None or time < first):
            first = time
    return first


class LocalFault(Exception):
    """Our own defect: an invariant of this process does not hold. The daemon exits and SRC acts."""


class RemoteFault(Exception):
    """The other side's defect: bytes or a message that it should not have sent. Counted, logged once, dropped."""
