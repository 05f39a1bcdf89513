"""Object class descriptions: the C-like language of odmcreate, and the offsets that odmshow prints."""

from __future__ import annotations

from srcctl.commands.record import Record
from srcctl.odm.errors import OdmError

INTEGERS = {"short": (2, True), "long": (4, True), "ulong": (4, False), "long64": (8, True), "ulong64": (8, False)}
"""Integer types: bytes and signedness."""
STRINGS = ("char", "vchar", "longchar", "binary", "method")
LINKS = ("link", "vlink")
INTEGER_DIGITS_MAX = 40
HEADER_BYTES = 12
"""Every structure begins with _id, _reserved and _scratch."""
POINTER_BYTES = 4


def integer(text: str) -> int | None:
    """A number as stanzas and criteria write it, decimal or hexadecimal (``led = 0x538``), None if it is none.

    int() alone would also take underscores, blanks and other scripts' digits, and no leading zeros.
    """
    if text.isascii() and text.isdigit() and len(text) <= INTEGER_DIGITS_MAX:
        return int(text)
    digits = text[1:] if text[:1] in ("+", "-") else text
    hexadecimal = digits[:2] in ("0x", "0X")
    known = "0123456789abcdefABCDEF" if hexadecimal else "0123456789"
    digits = digits[2:] if hexadecimal else digits
    if not digits or digits.strip(known) or len(digits) > INTEGER_DIGITS_MAX:
        return None
    number = int(digits, 16 if hexadecimal else 10)
    return -number if text[0] == "-" else number


class Descriptor(Record):
    """One descriptor of a class. ``size`` counts the closing null of strings; links name a class and its descriptor."""

    type: str
    name: str
    size: int = 0
    link_class: str = ""
    link_descriptor: str = ""

    @property
    def is_integer(self) -> bool:
        """Values are numbers (everything else is a string)."""
        return self.type in INTEGERS

    @property
    def default(self) -> int | str:
        """The value of a descriptor that an input stanza leaves out."""
        return 0 if self.is_integer else ""

    def check(self, value: int | str) -> int | str:
        """The value as it is stored.

        Raises:
            OdmError: ODMI_PARAMS, the value does not fit the type.
        """
        if self.is_integer:
            number = value if isinstance(value, int) else integer(value)
            if number is None:
                raise OdmError("ODMI_PARAMS", f"{self.name}: {value!r} is not a number")
            size, signed = INTEGERS[self.type]
            low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
            if not low <= number <= high:
                raise OdmError("ODMI_PARAMS", f"{self.name}: {number} does not fit into a {self.type}")
            return number
        text = str(value)
        if "\0" in text:
            raise OdmError("ODMI_PARAMS", f"{self.name}: a string cannot hold a null character")
        if self.type == "binary":
            if len(text) > 2 * self.size or len(text) % 2 or not set(text) <= set("0123456789abcdefABCDEF"):
                raise OdmError("ODMI_PARAMS", f"{self.name}: up to {self.size} bytes in hexadecimal are expected")
            return text
        if self.type not in ("vchar", "longchar", "vlink") and len(text.encode()) >= self.size:
            raise OdmError("ODMI_PARAMS", f"{self.name}: longer than {self.size - 1} bytes")
        return text

    def declaration(self) -> str:
        """The line of the class description, without its semicolon."""
        if self.is_integer:
            return f"{self.type} {self.name}"
        if self.type in LINKS:
            return f"{self.type} {self.link_class} {self.link_class} {self.link_descriptor} {self.name}[{self.size}]"
        return f"{self.type} {self.name}[{self.size}]"

    @property
    def stored_bytes(self) -> int:
        """Bytes in the structure: variable-length values are pointers."""
        if self.is_integer:
            return INTEGERS[self.type][0]
        if self.type in ("vchar", "longchar", "vlink"):
            return POINTER_BYTES
        return self.size + (2 * POINTER_BYTES if self.type == "link" else 0)


class ObjectClass(Record):
    """A class: its name and its descriptors in order."""

    name: str
    descriptors: tuple[Descriptor, ...]

    def descriptor(self, name: str) -> Descriptor | None:
        """The descriptor of that name."""
        return next((d for d in self.descriptors if d.name == name), None)

    def complete(self, values: dict[str, int | str]) -> dict[str, int | str]:
        """A whole object from the given values: missing descriptors are empty or zero.

        Raises:
            OdmError: ODMI_PARAMS, an unknown descriptor or a value that does not fit.
        """
        known = {d.name for d in self.descriptors}
        if not values.keys() <= known:
            unknown = next(name for name in values if name not in known)
            raise OdmError("ODMI_PARAMS", f"{self.name} has no descriptor {unknown}")
        return {d.name: d.check(values[d.name]) if d.name in values else d.default for d in self.descriptors}

    def text(self) -> str:
        """The class description."""
        lines = "".join(f"\t{d.declaration()};\n" for d in self.descriptors)
        return f"class {self.name} {{\n{lines}}};\n"

    def offsets(self) -> tuple[list[int], int]:
        """The offset of each descriptor in the 32-bit structure, and the structure's size."""
        place, offsets = HEADER_BYTES, []
        for d in self.descriptors:
            if d.is_integer:
                place += -place % min(4, d.stored_bytes)
            elif d.type in ("vchar", "longchar", "vlink", "link"):
                place += -place % POINTER_BYTES
            offsets.append(place)
            place += d.stored_bytes
        return offsets, place + -place % 4


def parse(text: str) -> list[ObjectClass]:
    """The classes of a description file, comments removed.

    Raises:
        OdmError: ODMI_INVALID_CLASS with the line at fault, ODMI_CLASS_EXISTS (two of one name).
    """
    tokens = _tokens(text)
    classes: list[ObjectClass] = []
    place = 0

    def take(wanted: str = "") -> str:
        nonlocal place
        if place >= len(tokens):
            raise OdmError("ODMI_INVALID_CLASS", f"the description ends too early{wanted and f', {wanted} expected'}")
        word, line = tokens[place]
        place += 1
        if wanted and word != wanted:
            raise OdmError("ODMI_INVALID_CLASS", f"line {line}: {wanted} expected, not {word}")
        return word

    def identifier() -> str:
        word = take()
        if not (word.isascii() and word.replace("_", "a").isalnum() and not word[0].isdigit()):
            raise OdmError("ODMI_INVALID_CLASS", f"line {tokens[place - 1][1]}: {word} is not a name")
        return word

    while place < len(tokens):
        take("class")
        name = identifier()
        take("{")
        descriptors: list[Descriptor] = []
        while place < len(tokens) and tokens[place][0] != "}":
            kind = take()
            link_class = link_descriptor = ""
            if kind in LINKS:
                link_class = identifier()
                identifier()
                link_descriptor = identifier()
            elif kind not in INTEGERS and kind not in STRINGS:
                raise OdmError("ODMI_INVALID_CLASS", f"line {tokens[place - 1][1]}: {kind} is not a descriptor type")
            descriptor, size = identifier(), 0
            if kind not in INTEGERS:
                take("[")
                number = take()
                if not (number.isascii() and number.isdigit()) or len(number) > 5 or not 0 < int(number) <= 65536:
                    raise OdmError("ODMI_INVALID_CLASS", f"line {tokens[place - 1][1]}: {number} is not a size")
                size = int(number)
                take("]")
            take(";")
            if any(d.name == descriptor for d in descriptors):
                raise OdmError("ODMI_INVALID_CLASS", f"{name} has two descriptors {descriptor}")
            descriptors.append(Descriptor(kind, descriptor, size, link_class, link_descriptor))
        take("}")
        if place < len(tokens) and tokens[place][0] == ";":
            place += 1
        if not descriptors:
            raise OdmError("ODMI_INVALID_CLASS", f"{name} has no descriptors")
        if any(known.name == name for known in classes):
            raise OdmError("ODMI_CLASS_EXISTS", f"{name} is described twice")
        classes.append(ObjectClass(name, tuple(descriptors)))
    return classes


def _tokens(text: str) -> list[tuple[str, int]]:
    while (start := text.find("/*")) >= 0:
        end = text.find("*/", start + 2) + 2
        if end < 2:
            raise OdmError("ODMI_INVALID_CLASS", f"the comment of line {text.count(chr(10), 0, start) + 1} has no end")
        text = text[:start] + "\n" * text.count("\n", start, end) + " " + text[end:]
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        for mark in "{}[];":
            line = line.replace(mark, f" {mark} ")
        tokens += [(word, number) for word in line.split()]
    return tokens
