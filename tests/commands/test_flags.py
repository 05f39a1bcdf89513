"""The table of ``scripts/flags`` has no gap."""

from __future__ import annotations

from srcctl.node import programs
from tests.commands.flags import COMPONENTS, FOREIGN, IDLE, PROGRAMS, known_programs, option_table, table

REFUSED = {
    *(("mkssys", flag) for flag in "Im"), *(("chssys", flag) for flag in "Im"),  # message queues
    ("reboot", "t"), ("shutdown", "t"),  # no clock that powers a node on
    ("uname", "S"), ("uname", "T"),  # a node's name is for ever
}  # fmt: skip


def test_every_flag_of_every_command_has_an_output_that_is_pinned() -> None:
    found = table()
    gaps = [(c, f) for c, marks in found.items() for f, mark in marks.items() if mark == "not covered"]
    assert gaps == [], "no session of tests/golden/machine or tests/golden/src has them"
    assert {(c, f) for c, marks in found.items() for f, mark in marks.items() if mark == "refused"} == REFUSED


def test_the_table_knows_every_command_and_says_nothing_of_flags_that_there_are_not() -> None:
    tables = {name: option_table(program) for name, program in known_programs()}
    functions = {(program.module, program.function) for _, program in known_programs()}
    for component in COMPONENTS:
        for program in programs.parse((PROGRAMS / component).read_text(), component):
            name = program.path.rpartition("/")[2]
            assert program.daemon or name in FOREIGN or (program.module, program.function) in functions, name
    assert [(c, f) for c, flags in IDLE.items() for f in flags if f not in tables[c].replace(":", "")] == []
