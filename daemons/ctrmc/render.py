"""The layouts of RMC listing commands: table, long, delimited; data in, lines out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Cell: TypeAlias = int | float | str | None


def value(cell: Cell) -> str:
    """A value as RMC commands print it: strings quoted, numbers bare, arrays (``{``) and structures (``[``) as is."""
    if cell is None:
        return '""'
    if isinstance(cell, str):
        if cell[:1] in ("{", "["):
            return cell
        return '"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return str(cell)


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], show_header: bool = True) -> list[str]:
    """Each column is as wide as its widest cell, and followed by one blank, the last one too."""
    lines = [list(header)] if show_header else []
    lines += [[value(cell) for cell in row] for row in rows]
    if not lines:
        return []
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return ["".join(f"{cell:<{width}} " for cell, width in zip(line, widths, strict=True)) for line in lines]


def delimited(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], delimiter: str, show_header: bool = True
) -> list[str]:
    """Fields joined by the delimiter."""
    lines = [delimiter.join(header)] if show_header else []
    return lines + [delimiter.join(value(cell) for cell in row) for row in rows]


def long_form(noun: str, blocks: Iterable[Sequence[tuple[str, Cell]]], show_header: bool = True) -> list[str]:
    """``noun N:`` and indented ``Name = value`` lines, names padded to the widest of the block."""
    lines: list[str] = []
    for number, block in enumerate(blocks, 1):
        if number > 1:
            lines.append("")
        if show_header:
            lines.append(f"{noun} {number}:")
        width = max((len(name) for name, _ in block), default=0)
        lines += [f"        {name:<{width}} = {value(cell)}" for name, cell in block]
    return lines
