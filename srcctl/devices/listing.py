"""lsdev and lsattr: the devices of a node and their attributes."""

from __future__ import annotations

import sys

from srcctl.commands.options import Options, UsageError, is_number
from srcctl.devices.configuration import STATES
from srcctl.devices.devices import Attribute, DeviceError, Devices, run
from srcctl.odm import OdmObject

LSDEV_USAGE = """\
Usage: lsdev [-C] [-c Class] [-s Subclass] [-t Type] [-l Name] [-p Parent] [-S State] [-r ColumnName | -F Format] [-H]
       lsdev -P [-c Class] [-s Subclass] [-t Type] [-r ColumnName | -F Format] [-H]"""
LSATTR_USAGE = """\
Usage: lsattr {-E | -D} [-O | -F Format] -l Name [-a Attribute] ... [-H]
       lsattr -D [-O | -F Format] -c Class -s Subclass -t Type [-a Attribute] ... [-H]
       lsattr -R -l Name -a Attribute"""

_STATE_WORDS = {"0": "Defined", "d": "Defined", "1": "Available", "a": "Available", "2": "Stopped", "s": "Stopped"}
"""States as ``lsdev -S`` takes them."""


def order(name: str) -> tuple[str, int]:
    """hdisk10 behind hdisk9."""
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)


def table(rows: list[list[str]], heading: list[str] | None) -> str:
    """A table: columns as wide as their widest word, a blank between them; the last one is not padded."""
    shown = [heading, *rows] if heading else rows
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)] if shown else []
    lines = [
        " ".join(f"{word:<{width}}" for word, width in zip(row[:-1], widths, strict=False)) + f" {row[-1]}"
        for row in shown
    ]
    if heading:
        lines.insert(1, "")
    return "".join(line + "\n" for line in lines)


def lsdev(argv: list[str]) -> int:
    """``lsdev``: the devices of the node, or with -P the types that it could have."""

    def work(options: Options, devices: Devices) -> int:
        if options.operands:
            raise UsageError("operands")
        predefined = "P" in options
        types = {str(o["uniquetype"]): o for o in devices.repository.get("PdDv")}
        if predefined:
            rows = [{"class": o["class"], "type": o["type"], "subclass": o["subclass"],
                     "description": devices.catalogue.device(key), "uniquetype": key}
                    for key, o in sorted(types.items())]  # fmt: skip
        else:
            rows = [_row(devices, types, o) for o in devices.repository.get("CuDv")]
            rows.sort(key=lambda row: order(str(row["name"])))
            if "l" in options:
                devices.find("lsdev", options.value("l"))
        for flag, column in zip("cstlpS", ("class", "subclass", "type", "name", "parent", "status"), strict=True):
            if flag in options:
                value = options.value(flag)
                if flag == "S":
                    value = _STATE_WORDS.get(value.lower(), value.capitalize())
                rows = [row for row in rows if row.get(column) == value]
        return _print_devices(options, rows, predefined)

    return run(argv, "CPHc:s:t:l:p:S:r:F:hi:f:xe:", LSDEV_USAGE, work)


def _row(devices: Devices, types: dict[str, OdmObject], o: OdmObject) -> dict[str, int | str]:
    key = str(o["PdDvLn"])
    type_of = types.get(key, {"class": key.partition("/")[0], "subclass": "", "type": key.rpartition("/")[2]})
    return {
        "name": o["name"], "status": STATES.get(int(o["status"]), "Unknown"), "location": o["location"],
        "physloc": physical_location(o), "parent": o["parent"],
        "class": type_of["class"], "subclass": type_of["subclass"], "type": type_of["type"],
        "description": devices.catalogue.device(key), "connwhere": o["connwhere"], "uniquetype": key,
    }  # fmt: skip


def physical_location(o: OdmObject) -> str:
    """Where a device is; "" of what has no place."""
    where, unit = str(o["connwhere"]), "U9009.42A.0000000"
    if str(o["PdDvLn"]).startswith("disk/"):
        return f"{unit}-V1-C2-T1-L{where.ljust(16, '0')}"
    return f"{unit}-{where}" if where.startswith("V1-") else ""


def _print_devices(options: Options, rows: list[dict[str, int | str]], predefined: bool) -> int:
    if "r" in options:
        column = options.value("r")
        if rows and column not in rows[0]:
            raise UsageError(f"{column} is not a column")
        for value in dict.fromkeys(str(row[column]) for row in rows):
            print(value)
        return 0
    if "F" in options:
        wanted = options.value("F").replace(":", " ").split()
        mark = ":" if ":" in options.value("F") else " "
        for row in rows:
            if any(name not in row for name in wanted):
                raise UsageError("no such column")
            print(mark.join(str(row[name]) for name in wanted))
        return 0
    # The location codes of virtual devices are physical ones, which only -F shows.
    customized = ["name", "status", "", "description"]
    columns = ["class", "type", "subclass", "description"] if predefined else customized
    lines = [[str(row.get(column, "")) for column in columns] for row in rows]
    heading = [column or "location" for column in columns] if "H" in options else None
    sys.stdout.write(table(lines, heading) if lines else "")
    return 0


def lsattr(argv: list[str]) -> int:
    """``lsattr``: the attributes of a device (-E as they are, -D by default, -R which values there are)."""

    def work(options: Options, devices: Devices) -> int:
        forms = [flag for flag in "EDR" if flag in options]
        if len(forms) != 1 or options.operands:
            raise UsageError("-E, -D or -R")
        if "R" in options and "a" not in options:
            raise UsageError("-R tells the values of attributes that are named")
        if "l" in options:
            name = options.value("l")
            found = devices.attributes(str(devices.find("lsattr", name)["PdDvLn"]), name)
        else:
            if forms == ["E"]:
                raise UsageError("-l is needed")
            key = f"{options.value('c')}/{options.value('s')}/{options.value('t')}"
            found = devices.attributes(key)
            if not found:
                raise DeviceError(
                    "lsattr: 0514-521 Cannot find information in the predefined device\n"
                    f"\tconfiguration database for the customized device {key}."
                )
        wanted = [word for value in options.all("a") for word in value.split(",")]
        for word in wanted:
            if word not in {a.name for a in found}:
                raise DeviceError(
                    f'lsattr: 0514-528 The "{word}" attribute does not exist in the predefined\n'
                    "\tdevice configuration database."
                )
        if wanted:
            found = [a for word in wanted for a in found if a.name == word]
        if forms == ["D"]:
            found = [a._replace(value=a.default) for a in found]
        if forms == ["R"]:
            return _print_range(found)
        return _print_attributes(options, found)

    return run(argv, "EDROHl:a:c:s:t:F:f:hZ:", LSATTR_USAGE, work)


def _print_range(found: list[Attribute]) -> int:
    for a in found:
        first, _, step = a.values.partition(",")
        low, dash, high = first.partition("-")
        if dash and is_number(low) and is_number(high):
            print(f"{low}...{high} (+{step or 1})")
        else:
            print("\n".join(a.values.split(",")) if a.values else "")
    return 0


def _print_attributes(options: Options, found: list[Attribute]) -> int:
    if "O" in options:
        print("#" + ":".join(a.name for a in found))
        print(":".join(a.value for a in found))
        return 0
    if "F" in options:
        names = options.value("F").replace(":", " ").split()
        mark = ":" if ":" in options.value("F") else " "
        columns = {"attribute": 0, "value": 1, "description": 2, "user_settable": 3, "values": 4, "deflt": 5}
        if any(name not in columns for name in names):
            raise UsageError("no such column")
        for a in found:
            print(mark.join(a[columns[name]] for name in names))
        return 0
    rows = [[a.name, a.value, a.text, a.settable] for a in found]
    heading = ["attribute", "value", "description", "user_settable"] if "H" in options else None
    sys.stdout.write(table(rows, heading))
    return 0
