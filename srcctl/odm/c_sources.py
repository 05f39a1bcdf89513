"""The C sources of odmcreate: FILE.h with a structure a class, FILE.c with its description, for programs on libodm.

The form follows the example in the ODM documentation (structure with _id, _reserved and _scratch, number of
descriptors, table of elements, list macro); the names of the element types beyond it are inferred.
"""

from __future__ import annotations

from srcctl.node.root import replace_file
from srcctl.odm.description import Descriptor, ObjectClass

_TYPES = {
    "short": "short", "long": "int32long64_t", "ulong": "uint32long64_t", "long64": "int64_t", "ulong64": "uint64_t",
    "vchar": "char *", "longchar": "char *", "vlink": "char *",
}  # fmt: skip


def write(name: str, classes: list[ObjectClass]) -> None:
    """Write NAME.h and NAME.c into the current directory.

    Raises:
        OSError: the directory cannot be written.
    """
    replace_file(f"{name}.h", header(classes).encode())
    replace_file(f"{name}.c", source(name, classes).encode())


def header(classes: list[ObjectClass]) -> str:
    """The declarations."""
    lines = ["#include <odmi.h>", ""]
    for c in classes:
        lines += [f"struct {c.name} {{", "\tlong _id;", "\tlong _reserved;", "\tlong _scratch;"]
        for d in c.descriptors:
            lines += [f"\t{line}" for line in _fields(d)]
        lines += [
            "\t};", f"#define {c.name}_Descs {len(c.descriptors)}", "", f"extern struct Class {c.name}_CLASS[];",
            f"#define get_{c.name}_list(a,b,c,d,e) (struct {c.name} * )odm_get_list(a,b,c,d,e)", "",
        ]  # fmt: skip
    return "\n".join(lines)


def _fields(d: Descriptor) -> list[str]:
    if d.type == "link":
        return [f"struct {d.link_class} *{d.name};", f"struct objlistinfo *{d.name}_info;",
                f"char {d.name}_Lvalue[{d.size}];"]  # fmt: skip
    kind = _TYPES.get(d.type)
    if kind is None:
        return [f"char {d.name}[{d.size}];"]
    return [f"{kind}{'' if kind.endswith('*') else ' '}{d.name};"]


def source(name: str, classes: list[ObjectClass]) -> str:
    """The tables that libodm reads."""
    lines = [f'#include "{name}.h"', ""]
    for c in classes:
        offsets, _ = c.offsets()
        lines.append(f"static struct ClassElem {c.name}_ClassElem[] = {{")
        for d, offset in zip(c.descriptors, offsets, strict=True):
            link = f'"{d.link_class}", "{d.link_descriptor}"' if d.link_class else "NULL, NULL"
            size = d.size or d.stored_bytes
            lines.append(f' {{ "{d.name}", ODM_{d.type.upper()}, {offset}, {size}, {link}, 0, NULL, -1, 0 }},')
        lines += [
            " };", f"struct Class {c.name}_CLASS[] = {{",
            f' ODMI_MAGIC, "{c.name}", sizeof(struct {c.name}), {c.name}_Descs, {c.name}_ClassElem,',
            ' NULL, FALSE, NULL, NULL, 0, 0, NULL, 0, "", 0, -ODMI_MAGIC', "};", "",
        ]  # fmt: skip
    return "\n".join(lines)
