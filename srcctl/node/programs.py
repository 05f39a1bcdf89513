"""The program map: which Python function is the program at a product path.

``etc/programs/<component>`` holds one line a program: ``PRODUCT_PATH  module:function  daemon|command``, ``#`` begins a
comment. A ``daemon`` is imported once by lpar and forked; a ``command`` is started through its launcher file. A
component whose name ends in ``.folder`` is installed in folder mode only.
"""

from __future__ import annotations

import os

from srcctl.commands.record import Record
from srcctl.node import selection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DIRECTORY: Final = "/etc/programs"
FOLDER_SUFFIX: Final = ".folder"


class ProgramMapError(Exception):
    """A line of a program map is not a program; the text names file and line."""


class Program(Record):
    """A program of the map."""

    path: str
    module: str
    function: str
    daemon: bool


def parse(text: str, name: str) -> list[Program]:
    """The programs of one component's map; ``name`` is the file's name for complaints.

    Raises:
        ProgramMapError: a line is not understood.
    """
    result = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        module, colon, function = fields[1].partition(":") if len(fields) == 3 else ("", "", "")
        if not (fields[0].startswith("/") and colon and module and function and fields[2] in ("daemon", "command")):
            raise ProgramMapError(f"{name}, line {number}: expected PATH MODULE:FUNCTION daemon|command")
        result.append(Program(fields[0], module, function, fields[2] == "daemon"))
    return result


def load(directory: str, mode: str, software: str = selection.ALL) -> dict[str, Program]:
    """All programs of the map in ``directory`` (a real path), by product path; empty if there is no map.

    Raises:
        ProgramMapError: a line is not understood.
    """
    programs: dict[str, Program] = {}
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return programs
    for name in names:
        if name.startswith(".") or (name.endswith(FOLDER_SUFFIX) and mode != "folder"):
            continue
        if not selection.has_component(software, name):
            continue
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            programs.update(
                (program.path, program) for program in parse(selection.programs(software, file.read()), name)
            )
    return programs
