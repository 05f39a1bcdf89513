"""What a synchronization does about the nodes of the CAA cluster: who goes, who comes, and in which order. Pure.

A run that was killed may have left a node written down that nobody was told of, or one that is a member and not in the
configuration: the next run completes what is in the configuration, and removes what is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple


class Joining(NamedTuple):
    """A node that is to be a member: added if it is none, else what a run that was killed began is completed, with the
    node itself if it is ``reached``."""

    node: str
    add: bool
    reached: bool


def removed(wanted: Collection[str], members: Iterable[str], defined: Iterable[str]) -> tuple[str, ...]:
    """The nodes that go.

    Args:
        wanted: the nodes of the new configuration.
        members: those that CAA knows.
        defined: those that are written down on the repository disk, of whom CAA may not have been told.
    """
    return tuple(name for name in dict.fromkeys((*members, *defined)) if name not in wanted)


def joining(
    wanted: Iterable[str], members: Mapping[str, bool], before: Collection[str], reached: Collection[str]
) -> tuple[Joining, ...]:
    """The nodes that come, or whose coming is completed.

    Args:
        wanted: the nodes of the new configuration.
        members: those that CAA knows, and whether they are up.
        before: the nodes of the configuration before.
        reached: those that took part in this run so far.
    """
    found = []
    for name in wanted:
        here = name in reached
        if name not in members:
            found.append(Joining(name, True, here))
        elif name not in before or (here and not members[name]):
            # A run that was killed may have come as far as to have it join, and not to tell the others of it.
            found.append(Joining(name, False, here))
    return tuple(found)
