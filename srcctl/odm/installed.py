"""The classes that the installed software relies on: whoever reads one of them by its fields finds these.

An administrator may drop a class and make another one of its name (odmdrop, odmcreate), or copy one over it. What is
installed is looked at whenever such a class is read, so that nobody meets an object that lacks a field. More fields
than that harm nobody.
"""

from __future__ import annotations

import os

from srcctl.odm import description
from srcctl.odm.description import ObjectClass
from srcctl.odm.errors import OdmError

DESCRIPTIONS = os.path.join(os.path.dirname(__file__), "..", "..", "etc", "objrepos")
"""The folder of the class descriptions, from which nodes are seeded."""
_text = ""


def _descriptions() -> str:
    global _text
    if not _text:
        _text = "".join(_read(name) for name in sorted(os.listdir(DESCRIPTIONS)) if name.endswith(".cre"))
    return _text


def _read(name: str) -> str:
    with open(os.path.join(DESCRIPTIONS, name), encoding="utf-8") as file:
        return file.read()


def check(object_class: ObjectClass, head: str) -> None:
    """Nothing, if a class is none of the installed ones, or has all that they have.

    Args:
        object_class: the class.
        head: its description as text, without its end; the installed ones are written in the same form.

    Raises:
        OdmError: ODMI_INVALID_CLASS, a descriptor is missing, or is a string for a number or the other way round;
            ODMI_OPEN_ERR, the descriptions cannot be read now (too many open files).
    """
    try:
        text = _descriptions()
    except OSError as error:
        raise OdmError("ODMI_OPEN_ERR", f"{object_class.name} cannot be checked: {error.strerror}") from None
    begin = text.find(f"class {object_class.name} {{\n")
    if begin < 0:
        return
    wanted = text[begin : text.index("};\n", begin)]
    if wanted == head:
        return
    (installed,) = description.parse(wanted + "};")
    for descriptor in installed.descriptors:
        present = object_class.descriptor(descriptor.name)
        if present is None or present.is_integer != descriptor.is_integer:
            raise OdmError(
                "ODMI_INVALID_CLASS",
                f"{object_class.name} is not the class that was installed: {descriptor.name} "
                f"{'is missing' if present is None else 'is of another type'}",
            )
