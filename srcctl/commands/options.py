"""The one adapter between command lines and the standard library's getopt."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def _getopt() -> ModuleType:
    """The standard library's getopt, without the translation of its complaints.

    It asks gettext for them, which imports regular expressions: more time than most commands take for their work.
    """
    if "getopt" not in sys.modules and "gettext" not in sys.modules:
        untranslated: ModuleType = type(sys)("gettext")  # types.ModuleType, which is imported for nothing else
        untranslated.gettext = str  # type: ignore[attr-defined]
        sys.modules["gettext"] = untranslated
        try:
            import getopt
        finally:
            del sys.modules["gettext"]
    import getopt

    return getopt


NUMBER_DIGITS_MAX = 20
"""Digits of the largest number of 64 bits."""


class UsageError(Exception):
    """The command line is wrong; ``str()`` is the complaint, without the usage text."""


class Options:
    """Parsed flags and operands.

    ``values`` maps a flag's letter to the list of its arguments (empty strings for plain flags), in the order given.
    """

    __slots__ = ("operands", "values")

    def __init__(self, values: dict[str, list[str]], operands: list[str]) -> None:
        self.values = values
        self.operands = operands

    def __contains__(self, flag: str) -> bool:
        return flag in self.values

    def get(self, flag: str, default: str | None = None) -> str | None:
        """The last argument of a flag."""
        found = self.values.get(flag)
        return found[-1] if found else default

    def value(self, flag: str, default: str = "") -> str:
        """The last argument of a flag as text."""
        found = self.values.get(flag)
        return found[-1] if found else default

    def all(self, flag: str) -> list[str]:
        """Every argument of a flag."""
        return self.values.get(flag, [])


def parse(argv: list[str], flags: str, *, intermixed: bool = False) -> Options:
    """Parse ``argv[1:]`` with getopt flags (a letter with a colon takes an argument).

    Args:
        argv: the command line.
        flags: as for getopt(3).
        intermixed: flags may follow operands, as in ``odmdelete CLASS -q ...``.

    Raises:
        UsageError: an unknown flag or a missing argument.
    """
    getopt = _getopt()
    try:
        parser = getopt.gnu_getopt if intermixed else getopt.getopt
        pairs, operands = parser(argv[1:], flags)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    values: dict[str, list[str]] = {}
    for flag, argument in pairs:
        values.setdefault(flag[1:], []).append(argument)
    return Options(values, operands)


def is_number(text: str) -> bool:
    """Whether a word is a whole number that int() takes: str.isdigit also knows digits that it does not, and int has an
    end."""
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX


def usage(text: str, status: int = 1) -> int:
    """Print a usage text on stderr and return the exit code."""
    sys.stderr.write(text if text.endswith("\n") else text + "\n")
    return status
