"""no: show and change network options. Layouts as administrators know them from AIX (inferred)."""

from __future__ import annotations

import sys

from srcctl.commands.options import UsageError, is_number, parse, usage
from srcctl.network import options
from srcctl.network.options import OPTIONS, NetworkOption, Values
from srcctl.node.root import NodeRoot

USAGE = (
    "usage:\tno -h [tunable] | {[-F] -L [tunable]} | {[-F] -x [tunable]}\n"
    "\tno [-p|-r] {-a [-F] | {-o tunable}}\n"
    "\tno [-p|-r] [-y] {-o tunable=value}...\n"
    "\tno [-p|-r] {-D | -d tunable...}"
)
RULE = "-" * 80
COLUMNS = "NAME                      CUR    DEF    BOOT   MIN    MAX    UNIT           TYPE"
HEADING = f"{RULE}\n{COLUMNS}\n     DEPENDENCIES\n{RULE}"


def no(argv: list[str]) -> int:
    """``no``: show options with -a, -o NAME, -L and -x, change them with -o NAME=VALUE, -d and -D."""
    operands: list[str] = []
    try:
        # -L, -x and -h may be followed by a name, which getopt does not know.
        given = parse(argv, "aDFhLxpryo:d:")
        operands = given.operands
        modes = [flag for flag in "aDhLxod" if flag in given]
        named = modes and modes[0] in "hLx"
        if len(modes) != 1 or ("p" in given and "r" in given) or len(operands) > (1 if named else 0):
            raise UsageError("one thing at a time")
    except UsageError:
        return usage(USAGE)
    root, mode = NodeRoot.current(), modes[0]
    words = given.all(mode) if mode in "od" else operands
    if unknown := next((word for word in words if word.partition("=")[0] not in OPTIONS), None):
        sys.stderr.write(f"no: invalid tunable name {unknown.partition('=')[0]}\n")
        return 1
    if mode in "dD" or any("=" in word for word in words):
        return _change(root, mode, words, permanent="p" in given, later="r" in given)
    _show(options.read(root), mode, words, later="p" in given or "r" in given)
    return 0


def _show(values: Values, mode: str, words: list[str], later: bool) -> None:
    value = values.boot_value if later else values.value
    chosen = [OPTIONS[word] for word in words] or list(OPTIONS.values())
    match mode:
        case "a":
            print("\n".join(f"{option.name:>25} = {value(option.name)}" for option in chosen))
        case "o":
            print("\n".join(f"{option.name} = {value(option.name)}" for option in chosen))
        case "L":
            print("\n".join((HEADING, *(f"{_listed(option, values)}\n{RULE}" for option in chosen))))
        case "x":
            print("\n".join(_spreadsheet(option, values) for option in chosen))
        case _:
            print("\n".join(_help(option) for option in chosen))


def _help(option: NetworkOption) -> str:
    return (
        f"{option.name}: {option.unit}, {option.minimum} to {option.maximum}, {option.default} by default; "
        f"a change takes effect {_WHEN[option.kind]}."
    )


_WHEN = {"D": "at once", "C": "for new connections", "R": "at the next boot"}


def _listed(option: NetworkOption, values: Values) -> str:
    numbers = (values.value(option.name), option.default, values.boot_value(option.name), option.minimum,
               option.maximum)  # fmt: skip
    columns = "".join(f"{_short(number):<7}" for number in numbers)
    line = f"{option.name:<25} {columns}{option.unit:<17} {option.kind}"
    return f"{line}\n     {option.depends_on}" if option.depends_on else line


def _spreadsheet(option: NetworkOption, values: Values) -> str:
    """``-x``: name, current, default, boot, minimum, maximum, unit, type, dependencies."""
    numbers = (values.value(option.name), option.default, values.boot_value(option.name), option.minimum,
               option.maximum)  # fmt: skip
    return ",".join((option.name, *map(str, numbers), option.unit, option.kind, option.depends_on))


def _short(number: int) -> str:
    """A number as -L prints it: 16K, 1M, 32K-1, 8E-1."""
    for power, letter in enumerate("KMGTPE", 1):
        unit = 1 << 10 * power
        for rest in (0, 1):
            if number + rest >= unit and (number + rest) % unit == 0 and (number + rest) // unit < 1024:
                return f"{(number + rest) // unit}{letter}{'-1' if rest else ''}"
    return str(number)


def _change(root: NodeRoot, mode: str, words: list[str], permanent: bool, later: bool) -> int:
    wanted: dict[str, int] = {}
    if mode == "o":
        for word in words:
            name, mark, text = word.partition("=")
            option = OPTIONS[name]
            if not mark:
                return usage(USAGE)
            if not is_number(text):
                sys.stderr.write(f"no: {text or 'nothing'} is an invalid value for tunable {name}\n")
                return 1
            if not option.minimum <= int(text) <= option.maximum:
                sys.stderr.write(
                    f"no: value {text} is invalid for tunable {name}: it must be between {option.minimum} and "
                    f"{option.maximum}\n"
                )
                return 1
            wanted[name] = int(text)
    else:
        wanted = {name: OPTIONS[name].default for name in words or OPTIONS}
    with options.changing(root) as values:
        if mode == "D":
            wanted = {name: default for name, default in wanted.items() if name in {*values.now, *values.at_boot}}
        boot_only = [name for name in wanted if OPTIONS[name].kind == "R" and not later]
        if boot_only and mode != "D":
            sys.stderr.write(f"no: tunable {boot_only[0]} can only be changed for the next boot, with -r\n")
            return 1
        for name, value in wanted.items():
            _set(values, name, value, now=not later and name not in boot_only, at_boot=permanent or later)
    return 0


def _set(values: Values, name: str, value: int, now: bool, at_boot: bool) -> None:
    default = OPTIONS[name].default
    for chosen, group, where in ((now, values.now, ""), (at_boot, values.at_boot, " in nextboot file")):
        if not chosen:
            continue
        print(f"Setting {name} to {value}{where}")
        if value == default:
            group.pop(name, None)
        else:
            group[name] = value
    if now and OPTIONS[name].kind == "C":
        print(f"Change to tunable {name}, will only be effective for future connections")
    if at_boot and not now:
        print("Warning: changes will take effect only at next reboot")
