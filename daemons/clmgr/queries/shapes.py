"""The shapes of query output: NAME="VALUE" lines, delimited lines with a header, quasi-XML, names. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError
from daemons.clmgr.syntax.grammar import Request

Block = list[tuple[str, str]]
"""The attributes of one object in display order; the first is its name."""


def render(request: Request, blocks: Iterable[Block], names_only: bool) -> list[str]:
    """Query output in the shape that the flags ask for.

    Args:
        request: the flags.
        blocks: the objects.
        names_only: list names, one a line, unless attributes or a delimited form are asked for.

    Raises:
        ClmgrError: an attribute that the class does not have.
    """
    found = [only(request.only, block) for block in blocks]
    if request.delimiter:
        mark = request.delimiter
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


def only(wanted: list[str], block: Block) -> Block:
    """The attributes that were asked for, in the order in which they were; each may have wildcards.

    Raises:
        ClmgrError: the block has none of that name.
    """
    if not wanted:
        return block
    chosen: Block = []
    for pattern in wanted:
        matches = [(name, value) for name, value in block if _matches(name, pattern)]
        if not matches:
            raise ClmgrError(f'an invalid attribute was requested: "{pattern}"', INCORRECT_INPUT)
        chosen += [pair for pair in matches if pair not in chosen]
    return chosen


def _matches(name: str, wanted: str) -> bool:
    if not any(character in wanted for character in "*?["):
        return name == wanted
    import fnmatch

    return fnmatch.fnmatchcase(name, wanted)


def _xml(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
