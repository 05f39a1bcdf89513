"""Query criteria: ``descriptor op constant { AND descriptor op constant }``."""

from __future__ import annotations

from srcctl.odm.description import ObjectClass, integer
from srcctl.odm.errors import OdmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Predicate = Callable[[dict[str, int | str]], bool]

LENGTH_MAX = 256
"""Bytes of a criteria string (MAX_ODMI_CRIT)."""

_OPERATORS = ("<=", ">=", "!=", "=", "<", ">")


def parse(text: str, object_class: ObjectClass) -> Predicate:
    """A predicate over objects of the class.

    Raises:
        OdmError: ODMI_BAD_CRIT, syntax or an unknown descriptor.
    """
    if len(text.encode()) > LENGTH_MAX:
        raise OdmError("ODMI_BAD_CRIT", f"criteria longer than {LENGTH_MAX} bytes")
    tests: list[Predicate] = []
    place = _skip(text, 0)
    while place < len(text):
        if tests:
            if text[place : place + 3].upper() != "AND" or not text[place + 3 : place + 4].isspace():
                raise OdmError("ODMI_BAD_CRIT", f"AND expected at {text[place:]!r}")
            place = _skip(text, place + 3)
        name, place = _name(text, place)
        descriptor = object_class.descriptor(name)
        if descriptor is None:
            raise OdmError("ODMI_BAD_CRIT", f"{object_class.name} has no descriptor {name}")
        operator, place = _operator(text, _skip(text, place))
        constant, place = _constant(text, _skip(text, place))
        tests.append(_test(name, operator, constant, descriptor.is_integer))
        place = _skip(text, place)
    if len(tests) == 1:
        return tests[0]
    return lambda values: all(test(values) for test in tests)


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _name(text: str, place: int) -> tuple[str, int]:
    end = place
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    if end == place:
        raise OdmError("ODMI_BAD_CRIT", f"a descriptor is expected at {text[place:]!r}")
    return text[place:end], end


def _operator(text: str, place: int) -> tuple[str, int]:
    for operator in _OPERATORS:
        if text.startswith(operator, place):
            return operator, place + len(operator)
    if text[place : place + 4].upper() == "LIKE":
        return "LIKE", place + 4
    raise OdmError("ODMI_BAD_CRIT", f"an operator is expected at {text[place:]!r}")


def _constant(text: str, place: int) -> tuple[str, int]:
    if place >= len(text):
        raise OdmError("ODMI_BAD_CRIT", "a constant is missing")
    mark = text[place]
    if mark in "'\"":
        end = text.find(mark, place + 1)
        if end < 0:
            raise OdmError("ODMI_BAD_CRIT", "a string has no end")
        return text[place + 1 : end], end + 1
    if mark in "=<>":
        # "name == " names no value "=": what looks like a second operator is one (inferred).
        raise OdmError("ODMI_BAD_CRIT", f"a constant is expected at {text[place:]!r}")
    end = place
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[place:end], end


def _test(name: str, operator: str, constant: str, is_integer: bool) -> Predicate:
    if operator == "LIKE":
        if is_integer:
            raise OdmError("ODMI_BAD_CRIT", f"LIKE needs a string, {name} is a number")
        import fnmatch

        return lambda values: fnmatch.fnmatchcase(str(values[name]), constant.replace("[!", "[[]!"))
    wanted: int | str = constant
    if is_integer:
        number = integer(constant)
        if number is None:
            raise OdmError("ODMI_BAD_CRIT", f"{constant!r} is not a number")
        wanted = number
    match operator:
        case "=":
            return lambda values: values[name] == wanted
        case "!=":
            return lambda values: values[name] != wanted
        case "<":
            return lambda values: values[name] < wanted  # type: ignore[operator]
        case "<=":
            return lambda values: values[name] <= wanted  # type: ignore[operator]
        case ">":
            return lambda values: values[name] > wanted  # type: ignore[operator]
        case _:
            return lambda values: values[name] >= wanted  # type: ignore[operator]
