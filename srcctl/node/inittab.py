"""/etc/inittab: records ``Identifier:RunLevel:Action:Command``.

Sources: the AIX manual pages inittab, init, telinit, mkitab, chitab, lsitab and rmitab. A line that begins with a colon
is a comment; a command may continue on the next line after a backslash.
"""

from __future__ import annotations

from srcctl.commands.record import Record as Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ACTIONS: Final = (
    "respawn", "wait", "once", "boot", "bootwait", "powerfail", "powerwait", "off", "ondemand", "initdefault",
    "sysinit",
)  # fmt: skip
IDENTIFIER_MAX: Final = 14
COMMAND_MAX: Final = 1024
DEFAULT_RUN_LEVEL: Final = "2"
RUN_LEVELS: Final = "0123456789"


class InittabError(ValueError):
    """A record does not follow the format; the text is one sentence."""


class Record(Value):
    """One record. ``levels`` is empty for "all run levels"."""

    identifier: str
    levels: str
    action: str
    command: str

    def text(self) -> str:
        """The record as a line of the file, without line end."""
        return f"{self.identifier}:{self.levels}:{self.action}:{self.command}"

    def applies(self, level: str) -> bool:
        """True if the record is to be processed in that run level."""
        return not self.levels or level in self.levels

    @property
    def program(self) -> str:
        """The command without its trailing comment."""
        return strip_comment(self.command)


def strip_comment(command: str) -> str:
    """A command without the comment that the shell would ignore."""
    quote = ""
    for index, character in enumerate(command):
        if quote:
            if character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "#" and (index == 0 or command[index - 1].isspace()):
            return command[:index].rstrip()
    return command.rstrip()


def parse_record(line: str) -> Record:
    """One record from its line.

    Raises:
        InittabError: the line has control characters, not four fields, an unknown action, or a bad identifier or run
            level.
    """
    if any(not character.isprintable() and character != "\t" for character in line if character < "\ud800"):
        raise InittabError("a record is one line of printable characters")
    fields = line.split(":", 3)
    if len(fields) != 4:
        raise InittabError("a record has four fields separated by colons")
    record = Record(fields[0].strip(), fields[1].strip(), fields[2].strip(), fields[3].strip())
    if not 1 <= len(record.identifier) <= IDENTIFIER_MAX or any(c.isspace() for c in record.identifier):
        raise InittabError(f"an identifier has 1 to {IDENTIFIER_MAX} characters")
    if record.action not in ACTIONS:
        raise InittabError(f"{record.action} is not an action")
    if any(level not in RUN_LEVELS + "abcsSmMhH" for level in record.levels):
        raise InittabError(f"{record.levels} is not a list of run levels")
    if len(record.command) > COMMAND_MAX:
        raise InittabError(f"a command has at most {COMMAND_MAX} characters")
    return record


class Line(Value):
    """A logical line of the file: a record; or a comment, an empty or a damaged line (``record`` None)."""

    text: str
    record: Record | None
    complaint: str = ""


class Inittab(Value):
    """The whole file."""

    lines: tuple[Line, ...]

    @classmethod
    def parse(cls, text: str) -> Inittab:
        """Parse a file. A damaged line is kept with a complaint: init goes on without it."""
        lines: list[Line] = []
        pending = ""
        for raw in text.splitlines():
            if raw.endswith("\\") and not raw.startswith(":"):
                pending += raw[:-1]
                continue
            whole = pending + raw
            pending = ""
            if not whole.strip() or whole.startswith((":", "#")):
                lines.append(Line(whole, None))
                continue
            try:
                lines.append(Line(whole, parse_record(whole)))
            except InittabError as error:
                lines.append(Line(whole, None, str(error)))
        if pending:
            lines.append(Line(pending, None, "the last line is not complete"))
        return cls(tuple(lines))

    @property
    def records(self) -> tuple[Record, ...]:
        """The records in file order; of records with the same identifier the first counts."""
        seen: dict[str, Record] = {}
        for line in self.lines:
            if line.record is not None:
                seen.setdefault(line.record.identifier, line.record)
        return tuple(seen.values())

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is wrong with damaged lines."""
        return tuple(f"{line.text}: {line.complaint}" for line in self.lines if line.complaint)

    @property
    def default_level(self) -> str:
        """The run level of the initdefault record."""
        for record in self.records:
            if record.action == "initdefault" and record.levels:
                return record.levels[-1]
        return DEFAULT_RUN_LEVEL

    def find(self, identifier: str) -> Record | None:
        """The record with that identifier."""
        return next((record for record in self.records if record.identifier == identifier), None)

    def added(self, record: Record, after: str | None = None) -> Inittab:
        """With a record added, at the end or behind another one.

        Raises:
            InittabError: the identifier is taken, or ``after`` does not exist.
        """
        if self.find(record.identifier) is not None:
            raise InittabError(f"{record.identifier} is already there")
        new = Line(record.text(), record)
        if after is None:
            return Inittab((*self.lines, new))
        for index, line in enumerate(self.lines):
            if line.record is not None and line.record.identifier == after:
                return Inittab((*self.lines[: index + 1], new, *self.lines[index + 1 :]))
        raise InittabError(f"{after} is not there")

    def changed(self, record: Record) -> Inittab:
        """With the record of the same identifier replaced.

        Raises:
            InittabError: there is none.
        """
        for index, line in enumerate(self.lines):
            if line.record is not None and line.record.identifier == record.identifier:
                return Inittab((*self.lines[:index], Line(record.text(), record), *self.lines[index + 1 :]))
        raise InittabError(f"{record.identifier} is not there")

    def removed(self, identifier: str) -> Inittab:
        """Without the record of that identifier.

        Raises:
            InittabError: there is none.
        """
        if self.find(identifier) is None:
            raise InittabError(f"{identifier} is not there")
        return Inittab(
            tuple(line for line in self.lines if line.record is None or line.record.identifier != identifier)
        )

    def text(self) -> str:
        """The whole file."""
        return "".join(line.text + "\n" for line in self.lines)
