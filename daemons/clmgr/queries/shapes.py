"""The shapes of query output: NAME="VALUE" lines, delimited lines with a header, quasi-XML, names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError
from daemons.clmgr.syntax.catalogue import SINGLE
from daemons.clmgr.syntax.grammar import Request

Block = list[tuple[str, str]]
"""The attributes of one object in display order; the first is its name."""


def render(request: Request, blocks: Iterable[Block], names_only: bool) -> list[str]:
    """Query output in the shape that the flags ask for.

    Args:
        request: the flags.
        blocks: the objects.
        names_only: list names, one a line, unless attributes or a delimited form are asked for.

    Objects of a class may differ in their attributes (a notify method has a contact): the delimited form has a column
    for each attribute that one of them has.

    Raises:
        ClmgrError: an attribute that the class does not have.
    """
    blocks = list(blocks)
    columns = list(dict.fromkeys(name for block in blocks for name, _ in block))
    names = _chosen(request.only, attributes_of(blocks, request.class_name)) if request.only else columns
    found = [only(names, block) for block in blocks] if request.only else blocks
    if request.delimiter:
        mark = request.delimiter
        found = [[(name, dict(block).get(name, "")) for name in names] for block in blocks]
        header = ["# " + mark.join(name for name, _ in found[0])] if request.header and found else []
        escaped = [[value.replace(mark, "\\" + mark) for _, value in block] for block in found]
        return header + [mark.join(values) for values in escaped]
    if request.xml:
        tag = request.class_name.upper()
        lines = []
        for block in found:
            lines += [f"<{tag}>", *(f"  <{name}>{_xml(value)}</{name}>" for name, value in block), f"</{tag}>"]
        return lines
    if names_only and not request.only and not request.verbose:
        return [block[0][1] for block in found if block]
    lines = []
    for number, block in enumerate(found):
        if number and not request.only:
            lines.append("")
        lines += [f'{name}="{value}"' for name, value in block]
    return lines


def attributes_of(blocks: Iterable[Block], class_name: str) -> tuple[str, ...]:
    """The attributes that an object of the class can have, whether or not one of these has it."""
    from daemons.clmgr.queries.attributes import shown

    return tuple(dict.fromkeys((*(name for block in blocks for name, _ in block), *shown(class_name))))


def needs(request: Request, attributes: tuple[str, ...]) -> bool:
    """Whether a query shows, or chooses by, one of some attributes that are dear to find out."""
    wanted = [*request.only, *request.attributes]
    if wanted:
        # Names may be abbreviated, patterns may match anything.
        return any(
            "*" in name or "?" in name or "[" in name or any(a.startswith(name) for a in attributes) for name in wanted
        )
    names_only = request.class_name not in SINGLE and not request.names
    return not names_only or bool(request.verbose or request.delimiter or request.xml)


def only(names: Sequence[str], block: Block) -> Block:
    """Some of the attributes of an object, in the order in which they are named."""
    values = dict(block)
    return [(name, values[name]) for name in names if name in values]


def _chosen(wanted: list[str], known: Sequence[str]) -> list[str]:
    """The attributes that were asked for, in the order in which they were.

    Each may be abbreviated, or have wildcards.

    Raises:
        ClmgrError: there is none of that name, or several that it abbreviates.
    """
    chosen: list[str] = []
    for pattern in wanted:
        matches = _matching(known, pattern)
        if not matches:
            raise ClmgrError(f'an invalid attribute was requested: "{pattern}"', INCORRECT_INPUT)
        chosen += [name for name in matches if name not in chosen]
    return chosen


def _matching(known: Sequence[str], wanted: str) -> list[str]:
    if any(character in wanted for character in "*?["):
        import fnmatch

        return [name for name in known if fnmatch.fnmatchcase(name, wanted)]
    if wanted in known:
        return [wanted]
    found = [name for name in known if name.startswith(wanted)]
    if len(found) > 1:
        raise ClmgrError(f'the attribute "{wanted}" is ambiguous: {", ".join(found)}', INCORRECT_INPUT)
    return found


def _xml(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
