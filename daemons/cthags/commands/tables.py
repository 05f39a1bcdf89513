"""The table forms that the peer domain commands share (RSCT manual pages, section "Flags": -t, -l, -d, -D, -x).

Columns are left justified, padded to the widest of header and values, each followed by one blank, the last one too.
"""

from __future__ import annotations

from collections.abc import Sequence


def render(header: Sequence[str], rows: Sequence[Sequence[str]], form: str, delimiter: str, headers: bool) -> str:
    """The text of a table.

    Args:
        header: column names.
        rows: values, as many as columns.
        form: "t" table, "l" a line per value, "d" delimited.
        delimiter: between delimited values.
        headers: False leaves out the header line (-x).
    """
    if not rows:
        return ""
    if form == "l":
        width = max(map(len, header))
        blocks = [
            "".join(f"{name:<{width}} = {value}\n" for name, value in zip(header, row, strict=True)) for row in rows
        ]
        return "\n".join(blocks)
    lines = [header, *rows] if headers else list(rows)
    if form == "d":
        return "".join(delimiter.join(line) + "\n" for line in lines)
    widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]
    return "".join(
        "".join(f"{value:<{width}} " for value, width in zip(line, widths, strict=True)) + "\n" for line in lines
    )
