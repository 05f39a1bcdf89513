"""clmgr's command line: actions, classes, their aliases and abbreviations, attributes, flags. Pure."""

from __future__ import annotations

import msgspec

from daemons.clmgr.errors import INCORRECT_INPUT, MISSING_INPUT, ClmgrError
from daemons.clmgr.syntax.catalogue import ACTIONS, CLASSES, LOG_LEVELS, OPERATIONS, refusal


class Request(msgspec.Struct):
    """What one invocation asks for. ``attributes`` have upper-case names; ``operation`` is what manage does."""

    action: str = ""
    class_name: str = ""
    operation: str = ""
    names: list[str] = []
    attributes: dict[str, str] = {}
    only: list[str] = []
    delimiter: str = ""
    header: bool = True
    xml: bool = False
    verbose: bool = False
    force: bool = False
    resolve_dependencies: bool = True
    multiple: list[str] | None = None
    transaction: str = ""
    log_level: str = ""
    help: bool = False

    def attribute(self, *names: str, default: str = "") -> str:
        """The value of an attribute, by any of its names."""
        for name in names:
            if name in self.attributes:
                return self.attributes[name]
        return default

    def words(self, name: str) -> list[str]:
        """A list value: separated by commas or blanks."""
        return [word for word in self.attributes.get(name, "").replace(",", " ").split() if word]

    def truth(self, name: str, default: bool) -> bool:
        """A yes/no attribute.

        Raises:
            ClmgrError: neither.
        """
        value = self.attributes.get(name, "").lower()
        if not value:
            return default
        if value in ("yes", "true", "1", "on"):
            return True
        if value in ("no", "false", "0", "off"):
            return False
        raise ClmgrError(f'an invalid value was specified for "{name}" ("{value}").', INCORRECT_INPUT)


def parse(words: list[str]) -> Request:
    """The request in a command line without the program's name.

    Raises:
        ClmgrError: unknown flags, actions, classes, or an action that a class does not have.
    """
    request = Request()
    rest = _flags(words, request)
    if request.multiple is not None or rest[:1] == ["-"]:
        request.multiple = rest[1:] if rest[:1] == ["-"] else rest
        return request
    if rest and _resolve(rest[0], ACTIONS, "operation") == "help":
        # What follows is explained, as by -h.
        request.help = True
        rest = rest[1:]
    if not rest:
        return request
    request.action = _resolve(rest[0], ACTIONS, "operation")
    if len(rest) < 2 or rest[1] in ("-h", "-?"):
        request.help = request.help or len(rest) > 1
        return request
    operands = rest[1:]
    request.help = request.help or "-h" in operands or "-?" in operands
    if request.action == "manage" and not request.help:
        operands = _operation(request, operands)
    request.class_name = resolve_class(operands[0])
    if complaint := refusal(request.action, request.class_name):
        raise ClmgrError(complaint, INCORRECT_INPUT)
    _operands(request, [word for word in operands[1:] if word not in ("-h", "-?")])
    given = [request.attributes.get("NAME", ""), *(request.names if request.action == "add" else ())]
    if any(name.upper() == "ALL" for name in given):
        # It chooses all objects of a class, so none can be called that.
        raise ClmgrError('"ALL" is a reserved word.', INCORRECT_INPUT)
    return request


def _operands(request: Request, words: list[str]) -> None:
    for word in words:
        name, mark, value = word.partition("=")
        if mark and name.replace("_", "a").isalnum():
            if name.upper() in request.attributes:
                raise ClmgrError(f'the attribute "{name.upper()}" was specified twice.', INCORRECT_INPUT)
            request.attributes[name.upper()] = _without_quotes(value)
        else:
            request.names += [part for part in word.split(",") if part]


def _without_quotes(value: str) -> str:
    """A value without the quotes that stand around the whole of it; others are its own."""
    mark = value[:1]
    if len(value) > 1 and mark in "\"'" and value.find(mark, 1) == len(value) - 1:
        return value[1:-1]
    return value


def _operation(request: Request, operands: list[str]) -> list[str]:
    """Take the word that says what ``manage`` is to do: ``manage snapshot restore NAME``, ``manage logs collect``."""
    class_name = resolve_class(operands[0])
    known = OPERATIONS.get(class_name, ())
    if not known:
        raise ClmgrError(refusal("manage", class_name), INCORRECT_INPUT)
    if len(operands) < 2:
        raise ClmgrError(f"one of these is needed: {', '.join(known)}.", MISSING_INPUT)
    request.operation = _resolve(operands[1], dict.fromkeys(known, ()), "operation")
    return [class_name, *operands[2:]]


def resolve_class(word: str) -> str:
    """A class by name, alias, plural, unambiguous abbreviation, in any case, with or without underscores.

    Raises:
        ClmgrError: none, or several.
    """
    table = {name: entry.aliases for name, entry in CLASSES.items()}
    lower = word.lower()
    forms = [lower]
    if lower.endswith("ies"):
        forms.append(lower[:-3] + "y")
    if lower.endswith("s"):
        forms.append(lower[:-1])
    for form in forms:
        for name, aliases in table.items():
            if form in (name, name.replace("_", ""), *aliases):
                return name
    return _resolve(word, table, "class")


def _resolve(word: str, table: dict[str, tuple[str, ...]], what: str) -> str:
    lower = word.lower()
    for name, aliases in table.items():
        if lower == name or lower in aliases:
            return name
    found = [name for name in table if name.startswith(lower) or name.replace("_", "").startswith(lower)]
    if len(found) == 1:
        return found[0]
    if not found or not lower:
        raise ClmgrError(f'an invalid {what} was requested: "{word}"', INCORRECT_INPUT)
    raise ClmgrError(f'the {what} "{word}" is ambiguous: {", ".join(found)}', INCORRECT_INPUT)


def _flags(words: list[str], request: Request) -> list[str]:
    rest, place = list(words), 0
    while place < len(rest) and rest[place].startswith("-") and len(rest[place]) > 1:
        letters, place = rest[place][1:], place + 1
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in "adlTtg":
                value = letters
                if not value:
                    if place == len(rest):
                        raise ClmgrError(f'the "-{letter}" flag needs an argument.', INCORRECT_INPUT)
                    value, place = rest[place], place + 1
                letters = ""
                _valued_flag(request, letter, value)
            elif letter in _PLAIN:
                name, setting = _PLAIN[letter]
                setattr(request, name, setting)
            elif letter == "M":
                # "-M -", "-M- ..." and "- ..." are the same: [-M]- of the synopsis.
                request.multiple, letters = [], letters.removeprefix("-")
            elif letter != "D":
                raise ClmgrError(f'an invalid flag was specified: "-{letter}"', INCORRECT_INPUT)
            else:
                request.resolve_dependencies = False
    if request.xml and (request.delimiter or not request.header):
        raise ClmgrError('the "-x" flag excludes "-c", "-d" and "-S".', INCORRECT_INPUT)
    return rest[place:]


_PLAIN: dict[str, tuple[str, object]] = {
    "c": ("delimiter", ":"),
    "S": ("header", False),
    "x": ("xml", True),
    "v": ("verbose", True),
    "f": ("force", True),
    "h": ("help", True),
    "?": ("help", True),
}


def _valued_flag(request: Request, letter: str, value: str) -> None:
    match letter:
        case "a":
            request.only += [name.strip().upper() for name in value.split(",") if name.strip()]
        case "d" if not value:
            raise ClmgrError('the "-d" flag needs an argument.', INCORRECT_INPUT)
        case "d":
            request.delimiter = value
        case "T":
            request.transaction = value
        case "l" if value.lower() not in LOG_LEVELS:
            raise ClmgrError(f'an invalid log level was specified: "{value}"', INCORRECT_INPUT)
        case "l":
            request.log_level = value.lower()
