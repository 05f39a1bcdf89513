"""The table of ``scripts/flags`` has no gap."""

from __future__ import annotations

from tests.commands.flags import known_programs, table

REFUSED = {("mkssys", "I"), ("mkssys", "m"), ("chssys", "I"), ("chssys", "m")}
"""Message queues."""


def test_every_flag_of_every_src_command_has_an_output_that_is_pinned() -> None:
    src = {name for name, program in known_programs() if program.module.startswith("srcctl.src.")}
    found = {command: marks for command, marks in table().items() if command in src}
    assert set(found) == src
    assert [(c, f) for c, marks in found.items() for f, mark in marks.items() if mark == "not covered"] == []
    assert {(c, f) for c, marks in found.items() for f, mark in marks.items() if mark == "refused"} == REFUSED
