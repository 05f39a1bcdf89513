"""Stanzas: how objects look in the output of odmget and in the input of odmadd and odmchange."""

from __future__ import annotations

from srcctl.commands.record import Record
from srcctl.odm.description import ObjectClass
from srcctl.odm.errors import OdmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


class Stanza(Record):
    """One object of an input file: class name, values as written (strings unquoted), first line."""

    class_name: str
    values: dict[str, int | str]
    line: int


def format_object(object_class: ObjectClass, values: dict[str, int | str]) -> str:
    """One object as odmget prints it: an empty line, the class, one tabbed line a descriptor in class order."""
    lines = [f"\n{object_class.name}:\n"]
    for descriptor in object_class.descriptors:
        value = values[descriptor.name]
        lines.append(f"\t{descriptor.name} = {value if descriptor.is_integer else quote(str(value))}\n")
    return "".join(lines)


def quote(text: str) -> str:
    """A string value in double quotes, with the escapes that the input grammar undoes."""
    if "\\" in text or '"' in text or "\n" in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def parse(lines: Iterable[str]) -> list[Stanza]:
    """The stanzas of an input file.

    Lines that begin with ``#`` or ``*`` are comments; a string may be continued by a backslash at the end of a line.

    Raises:
        OdmError: ODMI_PARAMS with the line at fault.
    """
    stanzas: list[Stanza] = []
    current: Stanza | None = None
    pending, first = "", 0
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n")  # files from elsewhere may end their lines in both
        if pending:
            line = pending + line
            pending = ""
        else:
            first = number
        if line.endswith("\\") and _inside_string(line[:-1]):
            pending = line[:-1]
            continue
        if not line.strip():
            current = None
            continue
        if line[0] in "#*":
            continue
        if not line[0].isspace():
            name = line.strip()
            if not name.endswith(":") or not name[:-1]:
                raise OdmError("ODMI_PARAMS", f"line {first}: an object begins with its class name and a colon")
            current = Stanza(name[:-1].strip(), {}, first)
            stanzas.append(current)
            continue
        if current is None:
            raise OdmError("ODMI_PARAMS", f"line {first}: a value stands outside of an object")
        name, separator, text = line.strip().partition("=")
        name = name.rstrip()
        if not separator or not name:
            raise OdmError("ODMI_PARAMS", f"line {first}: descriptor = value is expected")
        if name in current.values:
            raise OdmError("ODMI_PARAMS", f"line {first}: {name} is given twice")
        current.values[name] = _value(text.strip(), first)
    if pending:
        raise OdmError("ODMI_PARAMS", f"line {first}: the string has no end")
    return stanzas


def _inside_string(text: str) -> bool:
    inside, escaped = False, False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = inside
        elif character == '"':
            inside = not inside
    return inside and not escaped


def _value(text: str, line: int) -> int | str:
    if text[:1] != '"':
        return text
    if "\\" not in text:
        if len(text) < 2 or text[-1] != '"' or '"' in text[1:-1]:
            raise OdmError("ODMI_PARAMS", f"line {line}: the string has no end")
        return text[1:-1]
    result: list[str] = []
    place = 1
    while place < len(text):
        character = text[place]
        if character == '"':
            if text[place + 1 :].strip():
                raise OdmError("ODMI_PARAMS", f"line {line}: text after the string")
            return "".join(result)
        if character == "\\" and place + 1 < len(text):
            place += 1
            result.append(_ESCAPES.get(text[place], "\\" + text[place]))
        else:
            result.append(character)
        place += 1
    raise OdmError("ODMI_PARAMS", f"line {line}: the string has no end")
