"""A command line for the remote shell, taken apart: who runs each of its commands. Pure.

A PowerHA command runs as root, every other one without privileges. Of a line such as ``clRGinfo -s | grep ONLINE`` this
holds command by command, each by the path of its own program (the product's rule names paths only; its reading of lines
is inferred). That needs a line that is plain to read: simple commands joined by ``|``, ``&&``, ``||`` and ``;``, quoted
words, patterns for file names, and redirections that lead to ``/dev/null`` or join the streams. Anything else
(expansions, subshells, files, assignments beyond the locale) is not read, and runs without privileges as a whole.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from msgspec import Struct

LOCALE = re.compile(r"(?:LANG|LC_[A-Z]+)=[\w.@-]*")
_TOKEN = re.compile(
    r"""(?P<blank>[ \t]+)
    |(?P<redirection>(?:[012]?>>?[ \t]*/dev/null|0?<[ \t]*/dev/null|2>&1|1?>&2)(?![^\s|&;]))
    |(?P<operator>\|\||&&|[|;])
    |(?P<word>(?:'[^']*'|"[^"$`\\]*"|[^\s'"$`\\|&;<>(){}\#!*?\[\]~]|[*?\[\]])+)""",
    re.VERBOSE,
)
OF_THE_SHELL = frozenset((
    "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in", "function", "time",
    "select", "coproc", ".", ":", "alias", "bg", "break", "builtin", "cd", "command", "continue", "declare", "eval",
    "exec", "exit", "export", "fg", "getopts", "hash", "jobs", "let", "local", "read", "readonly", "return", "set",
    "shift", "source", "trap", "type", "typeset", "ulimit", "umask", "unalias", "unset", "wait",
))  # fmt: skip
"""Words that are the shell's own where a program is expected: such a line is a script, not a list of programs."""


class SimpleCommand(Struct, frozen=True):
    """One command: assignments of the locale, its words as they were written, its redirections, what joins the next."""

    assignments: tuple[str, ...]
    words: tuple[str, ...]
    redirections: tuple[str, ...]
    operator: str = ""

    @property
    def program(self) -> str:
        """The program, without its quotes."""
        return "".join(shlex.split(self.words[0]))

    @property
    def arguments(self) -> tuple[str, ...]:
        """What stands behind the program, without quotes; a pattern for file names as it stands."""
        return tuple("".join(shlex.split(word)) for word in self.words[1:])

    def text(self, program: str, prefix: tuple[str, ...] = ()) -> str:
        """The command for the shell, with another program before its arguments."""
        words = [*self.assignments, *map(shlex.quote, (*prefix, program)), *self.words[1:], *self.redirections]
        return " ".join(words)


def read(line: str) -> tuple[SimpleCommand, ...] | None:
    """The simple commands of a line; None for one that is not plain to read."""
    commands: list[SimpleCommand] = []
    words: list[str] = []
    redirections: list[str] = []
    place, joined = 0, False
    while place < len(line):
        token = _TOKEN.match(line, place)
        if token is None:
            return None
        joined_before, joined = joined, token.lastgroup == "word"
        place = token.end()
        match token.lastgroup:
            case "word":
                words.append(token.group())
            case "redirection":
                if joined_before:
                    return None  # "file2>/dev/null": a digit that belongs to a word
                redirections.append(token.group())
            case "operator":
                command = _command(words, redirections, token.group())
                if command is None:
                    return None
                commands.append(command)
                words, redirections = [], []
    if words or redirections:
        command = _command(words, redirections, "")
        if command is None:
            return None
        commands.append(command)
    if not commands or commands[-1].operator in ("|", "&&", "||"):
        return None
    return tuple(commands)


def _command(words: list[str], redirections: list[str], operator: str) -> SimpleCommand | None:
    count = 0
    while count < len(words) and "=" in words[count]:
        if not LOCALE.fullmatch(words[count]):
            return None
        count += 1
    if count == len(words) or set(words[count]) & set("*?[]"):
        return None
    if "".join(shlex.split(words[count])) in OF_THE_SHELL:
        return None
    return SimpleCommand(tuple(words[:count]), tuple(words[count:]), tuple(redirections), operator)


def only_shows_interfaces(arguments: Sequence[str]) -> bool:
    """Whether an ifconfig with these arguments changes nothing: flags alone, or the name of an interface alone."""
    if len(arguments) == 1 and arguments[0].isalnum():
        return True
    return bool(arguments) and all(word[:1] == "-" and word[1:].isalpha() for word in arguments)


def rewritten(
    line: str, identity: Callable[[str, Sequence[str]], tuple[str, bool]], drop: tuple[str, ...]
) -> str | None:
    """The line with ``drop`` before each command that is not trusted; None where the whole line has to run so.

    Args:
        line: what was asked for.
        identity: what each program is.
        drop: the command that gives up privileges and executes its arguments.
    """
    commands = read(line)
    if commands is None:
        return None
    parts, trusted_any = [], False
    for command in commands:
        path, trusted = identity(command.program, command.arguments)
        trusted_any = trusted_any or trusted
        parts.append(f"{command.text(path, () if trusted else drop)} {command.operator}".rstrip())
    return " ".join(parts) if trusted_any else None
