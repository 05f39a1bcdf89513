"""Changes of a CAA cluster, step by step: nodes join and leave it, its repository moves, CAA is stopped and started.

A change is a machine in the form of a generator: it yields what is to be done next and is sent the outcome, so that the
commands, which wait for each step, and the simulator, which has the node die at any of them, run the very same. The
definition on the repository disk is the commit point of each: whoever is not told finds it there (``own_repository``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec

from daemons.caa import sites
from daemons.caa.client import INACTIVE, CaaError
from daemons.caa.messages import Node
from daemons.caa.repository import NODES_MAX, Definition

JOIN, REREAD, FORGET, STOP, REPLACE, MOVE = "join", "reread", "forget", "stop", "replace", "move"
"""What a node is told: to join its cluster on the disk that is named, or whichever it is; to read the definition
again; that it is no member any more; to stop CAA; to make a disk the repository; to use another disk that is it."""


class Read(NamedTuple):
    """Effect: read the definition; a ``Numbered`` answers."""


class Numbered(NamedTuple):
    """The definition and its number; None if no cluster lives there."""

    serial: int
    definition: Definition | None


class Write(NamedTuple):
    """Effect: replace the definition of that number; the number of the new one answers."""

    definition: Definition
    after: int


class Tell(NamedTuple):
    """Effect: have a node do something; what went wrong answers, "" for nothing."""

    node: str
    what: str
    disk: str = ""


class HandOver(NamedTuple):
    """Effect: give a node the certificate of the cluster, if there is one."""

    node: str


class AskMembership(NamedTuple):
    """Effect: ask CAA on this node who is a member, and who of them is up; ``Members`` answers."""


class Members(NamedTuple):
    """Names of nodes: this one, all that CAA has as members, and those of them that are up."""

    own: str
    known: frozenset[str]
    live: tuple[str, ...]


Effect: TypeAlias = Read | Write | Tell | HandOver | AskMembership
Answer: TypeAlias = Numbered | int | str | Members | None
ResultT = TypeVar("ResultT")
Change: TypeAlias = Generator[Effect, Answer, ResultT]


def _read() -> Change[tuple[int, Definition]]:
    answer = yield Read()
    assert isinstance(answer, Numbered)
    if answer.definition is None:
        raise CaaError(INACTIVE)
    return answer.serial, answer.definition


def _write(definition: Definition, after: int) -> Change[int]:
    answer = yield Write(definition, after)
    assert isinstance(answer, int)
    return answer


def _tell(node: str, what: str, disk: str = "") -> Change[str]:
    answer = yield Tell(node, what, disk)
    assert isinstance(answer, str)
    return answer


def _members() -> Change[Members]:
    answer = yield AskMembership()
    assert isinstance(answer, Members)
    return answer


def add(name: str, disk: str, fresh: Callable[[int], Node], site: str = "") -> Change[None]:
    """Add a node to the cluster, at a site if one is named.

    A node that was written down by a run which was killed before anybody was told is no member yet: that is completed.

    Args:
        name: the node.
        disk: the repository disk.
        fresh: the node with a number, as it was never a member before.
        site: the word for the site, "" for none.

    Raises:
        CaaError: CAA is not active, the node is unknown or cannot join; then it is no member. Or a node that is up
            cannot be told of it.
    """
    serial, definition = yield from _read()
    if definition.node(name) is None:
        definition = with_node(definition, name, fresh, site)
        serial = yield from _write(definition, serial)
    elif name in (yield from _members()).known:
        raise CaaError(f"{name} is a node of the cluster already.")
    complaint = yield from _tell(name, JOIN, disk)
    if complaint:
        yield from _write(without_node(definition, name), serial)
        raise CaaError(complaint)
    yield HandOver(name)
    if errors := (yield from told(definition)):
        raise CaaError(errors[0])


def complete(name: str, disk: str, reached: bool) -> Change[None]:
    """Have a node that is written down join, if it is ``reached``, and those that are up read the definition again.

    A run that was killed has written the node down and told nobody, or the node only, which then has no contact with
    the others and halts; or its CAA was stopped, then nothing is new to anybody. To join twice does no harm.

    Raises:
        CaaError: CAA is not active, the node cannot join, or a node that is up cannot be told.
    """
    _, definition = yield from _read()
    if reached:
        if complaint := (yield from _tell(name, JOIN, disk)):
            raise CaaError(complaint)
        yield HandOver(name)
    if errors := (yield from told(definition)):
        raise CaaError(errors[0])


def remove(name: str, site: str = "") -> Change[None]:
    """Remove a node from the cluster; ``site``: the one that it must be at.

    A node that is up leaves first: what it holds it must not hold any more when the others go on without it. One that
    is down finds out when it boots. What a run that was killed left is completed.

    Raises:
        CaaError: CAA is not active, or the node is no member, the last one, at another site, or up and cannot be told;
            nothing changed then. Or a node, the one that is removed among them, cannot be told; all others have been.
    """
    serial, definition = yield from _read()
    members, complaint = (yield from _members()), ""
    if definition.node(name) is not None:
        own = definition.site_of(name)
        if site and (own is None or own.name != site):
            raise CaaError(f"{name} is not a node of the site {site}.")
        if len(definition.nodes) == 1:
            raise CaaError(f"{name} is the only node of the cluster, which rmcluster removes.")
        complaint = yield from _tell(name, FORGET)
        if complaint and name in members.live:
            raise CaaError(f"{complaint.rstrip('.')}: a node that is up is not removed without its knowledge.")
        definition = without_node(definition, name)
        yield from _write(definition, serial)
    elif name not in members.known:
        raise CaaError(f"{name} is not a node of the cluster.")
    errors = yield from told(definition, members)
    if complaint or errors:
        raise CaaError(complaint or errors[0])


def change(changed: Callable[[Definition], Definition]) -> Change[list[str]]:
    """Change whatever else the definition says; returns what went wrong in telling it.

    Raises:
        CaaError: CAA is not active, or what ``changed`` raises.
    """
    serial, definition = yield from _read()
    wanted = changed(definition)
    if wanted == definition:
        return []
    yield from _write(wanted, serial)
    return (yield from told(wanted))


def replace(disk: str) -> Change[list[str]]:
    """Make another disk the repository; returns what nodes that are up could not do.

    Raises:
        CaaError: it cannot be; nothing changed.
    """
    members = yield from _members()
    complaint = yield from _tell(members.own, REPLACE, disk)
    if complaint:
        raise CaaError(complaint)
    return (yield from moved(disk, members))


def moved(disk: str, members: Members) -> Change[list[str]]:
    """Have the other nodes that are up use the repository on that disk, which is written."""
    return (yield from _tell_all([node for node in members.live if node != members.own], MOVE, disk))


def _tell_all(nodes: Iterable[str], what: str, disk: str = "") -> Change[list[str]]:
    complaints: list[str] = []
    for node in nodes:
        complaint = yield from _tell(node, what, disk)
        complaints += [complaint] if complaint else []
    return complaints


def power(start: bool, chosen: Sequence[str], own: str) -> Change[list[tuple[str, str]]]:
    """Start or stop CAA on nodes; one that is off or cannot be reached finds the order when it boots.

    Args:
        start: or stop.
        chosen: the nodes.
        own: this one.

    Returns:
        Pairs of a node and what went wrong there.
    """
    failed = []
    # This node last: what it asks of the others goes through a cluster that it still knows.
    for node in own_last(own, chosen):
        complaint = yield from _tell(node, JOIN if start else STOP)
        if complaint:
            failed.append((node, complaint))
        if not complaint or node != own:
            yield from _order(node, start if complaint else None)
    return failed


def _order(node: str, start: bool | None) -> Change[None]:
    """Leave an order for a node's next boot in the definition, or take it back."""
    answer = yield Read()
    assert isinstance(answer, Numbered)
    if answer.definition is None:
        return
    orders = tuple(order for order in answer.definition.orders if order[0] != node)
    if start is not None:
        orders = (*orders, (node, start))
    if orders != answer.definition.orders:
        yield from _write(msgspec.structs.replace(answer.definition, orders=orders), answer.serial)


def told(definition: Definition, members: Members | None = None) -> Change[list[str]]:
    """Have the nodes that are up read the definition again, the others do when they boot; returns what went wrong.

    ``members``: as they were known before, None to ask.
    """
    live = (members or (yield from _members())).live
    return (yield from _tell_all([node.name for node in definition.nodes if node.name in live], REREAD))


def own_last(own: str, names: Iterable[str]) -> list[str]:
    """Node names with this node's at the end: with the cluster's key it forgets how to talk to the others."""
    return sorted(names, key=lambda name: name == own)


def with_node(definition: Definition, name: str, fresh: Callable[[int], Node], site: str) -> Definition:
    """The definition with a node more. One that was a member before has its number and uuid again, so that what it has
    not heard of its leaving and coming changes nothing for it; another gets a number that was never used while there
    is one, and then the one that has been free for the longest.

    Raises:
        CaaError: the cluster is full, or the node or the site cannot be.
    """
    before = next((node for node in definition.former if node.name == name), None)
    former = tuple(node for node in definition.former if node.name != name)
    highest = definition.highest_number
    if before is not None:
        number, node = before.number, fresh(before.number)
        node = msgspec.structs.replace(node, uuid=before.uuid)
    else:
        if highest < NODES_MAX:
            highest = number = highest + 1
        elif former:
            number, former = former[0].number, former[1:]
        else:
            raise CaaError(f"a cluster has at most {NODES_MAX} nodes.")
        node = fresh(number)
    placed = sites.placed(definition.sites, name, site)
    nodes = (*definition.nodes, node)
    return msgspec.structs.replace(definition, nodes=nodes, highest_number=highest, sites=placed, former=former)


def without_node(definition: Definition, name: str) -> Definition:
    """The definition without a node, whose number is kept for it."""
    gone = tuple(node for node in definition.nodes if node.name == name)
    return msgspec.structs.replace(
        definition,
        nodes=tuple(node for node in definition.nodes if node.name != name),
        sites=sites.placed(definition.sites, name, ""),
        former=(*definition.former, *gone),
        orders=tuple(order for order in definition.orders if order[0] != name),
    )
