"""The frame of the RMC and ERRM commands: options, usage, where the daemon is, exit codes.

Exit codes are those of the RSCT manual pages: 0 success, 1 an error of RMC, 2 of the command, 3 a bad flag, 4 a bad
parameter, 6 no resources found.
"""

from __future__ import annotations

import getopt
import sys
from collections.abc import Callable, Sequence

from daemons.ctrmc.client import NoSession
from daemons.ctrmc.messages import Outcome
from daemons.ctrmc.render import Cell, delimited, table

RMC_ERROR, BAD_FLAG, BAD_PARAMETER, NOTHING_FOUND = 1, 3, 4, 6


UNBUILT = {"-b": "events are not batched here"}
"""Flags that no command of ours carries out, and why."""


class Usage(Exception):
    def __init__(self, text: str, code: int = BAD_FLAG) -> None:
        super().__init__(text)
        self.code = code


def rmc_command(
    usage: str, flags: str, long: Sequence[str] = ()
) -> Callable[[Callable[..., int]], Callable[[list[str]], int]]:
    """A command's frame: options (``long`` those with two dashes), usage, the daemon's absence."""

    def decorate(work: Callable[[str, dict[str, str], list[str]], int]) -> Callable[[list[str]], int]:
        def command(argv: list[str]) -> int:
            name = argv[0].rpartition("/")[2]
            try:
                pairs, operands = getopt.gnu_getopt(argv[1:], flags, list(long))
                options = dict(pairs)
                for flag in set(options) & UNBUILT.keys():
                    raise Usage(f"2612-004 {flag}: {UNBUILT[flag]}.", BAD_PARAMETER)
                if "-h" in options:
                    print(f"Usage: {name} {usage}")
                    return 0
                return work(name, options, operands)
            except getopt.GetoptError as error:
                print(f"{name}: 2612-001 {error}.\nUsage: {name} {usage}", file=sys.stderr)
                return BAD_FLAG
            except Usage as error:
                print(f"{name}: {error}\nUsage: {name} {usage}", file=sys.stderr)
                return error.code
            except NoSession as error:
                print(f"{name}: {error}", file=sys.stderr)
                return RMC_ERROR

        return command

    return decorate


def put(lines: Sequence[str]) -> None:
    """Write lines to standard output."""
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")


def put_list(options: dict[str, str], title: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Table or delimited form, with the comment line in front."""
    show = "-x" not in options
    body = (
        delimited(header, rows, options.get("-D", ":"), show)
        if "-d" in options or "-D" in options
        else table(header, rows, show)
    )
    put(([title] if show else []) + body)


def finish(name: str, outcome: Outcome) -> int:
    """The exit code of a request, its error on standard error."""
    if outcome.error:
        print(f"{name}: {outcome.error}", file=sys.stderr)
        return outcome.code or RMC_ERROR
    return 0


def check_scope(options: dict[str, str], node: str) -> None:
    """The flags -m, -n and -p of defining commands: a node watches itself only, and keeps its own definitions.

    Raises:
        Usage: another scope or node was asked for.
    """
    scope = options.get("-m", "l")
    if scope != "l":
        raise Usage(
            f"2612-004 {scope}: conditions watch the local node only (-m l); CT_CONTACT names another.", BAD_PARAMETER
        )
    for flag in ("-n", "-p"):
        if options.get(flag, node) != node:
            raise Usage(f"2612-004 {options[flag]} is not this node; CT_CONTACT names another.", BAD_PARAMETER)
