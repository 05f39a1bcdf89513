"""lsdev, lsattr, chdev, mkdev, rmdev, cfgmgr.

Layouts and message ids as published listings have them: columns are as wide as what stands in them. Which of the method
messages a case has is inferred where no listing shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.devices.catalogue import Catalogue
from srcctl.devices.configuration import AVAILABLE, DEFINED, DIRECTORY, STATES, attribute, configure, discovered
from srcctl.network.faults import Faults
from srcctl.node.root import IdentityError, NodeRoot
from srcctl.odm import OdmError, OdmObject, Repository
from srcctl.storage import rootvg
from srcctl.storage.volume_groups import VolumeGroups

LSDEV_USAGE = """\
Usage: lsdev [-C] [-c Class] [-s Subclass] [-t Type] [-l Name] [-p Parent] [-S State] [-r ColumnName | -F Format] [-H]
       lsdev -P [-c Class] [-s Subclass] [-t Type] [-r ColumnName | -F Format] [-H]"""
LSATTR_USAGE = """\
Usage: lsattr {-E | -D} [-O | -F Format] -l Name [-a Attribute] ... [-H]
       lsattr -D [-O | -F Format] -c Class -s Subclass -t Type [-a Attribute] ... [-H]
       lsattr -R -l Name -a Attribute"""
CHDEV_USAGE = "Usage: chdev -l Name [-p Parent] [-w Location] [-P | -T | -U] -a Attribute=Value ..."


class DeviceError(Exception):
    """The request cannot be carried out; ``str()`` is the message with its id."""


class Attribute(NamedTuple):
    """An attribute of a device: name, value, text, whether a user may change it, which values there are."""

    name: str
    value: str
    text: str
    settable: str
    values: str
    default: str


class Devices:
    """The device classes of a node."""

    def __init__(self, root: NodeRoot) -> None:
        self.root = root
        self.repository = Repository(root, DIRECTORY)
        self.catalogue = Catalogue(root)

    def find(self, command: str, name: str) -> OdmObject:
        """The CuDv object of a device.

        Raises:
            DeviceError: 0514-519, there is none.
        """
        found = [o for o in self.repository.get("CuDv") if o["name"] == name]
        if not found:
            raise DeviceError(
                f"{command}: 0514-519 The following device was not found in the customized\n"
                f"\tdevice configuration database:\n\t{name}"
            )
        return found[0]

    def attributes(self, device_type: str, device: str = "") -> list[Attribute]:
        """The attributes of a type, with a device's own values if one is named, sorted by name."""
        own: dict[str, str] = {}
        if device:
            own = {
                str(o["attribute"]): str(o["value"]) for o in self.repository.get("CuAt") if o["name"] == device
            } | self._live(device)
        result = []
        for o in self.repository.get("PdAt"):
            if o["uniquetype"] == device_type:
                name, generic = str(o["attribute"]), str(o["generic"])
                default = str(o["deflt"])
                settable = "True+" if "+" in generic else "True" if "U" in generic else "False"
                text = self.catalogue.attribute(device_type, name)
                result.append(Attribute(name, own.get(name, default), text, settable, str(o["values"]), default))
        return sorted(result)

    def _live(self, device: str) -> dict[str, str]:
        """Values that are what the node's state makes them."""
        identity = self.root.identity
        for interface in identity.interfaces:
            if interface.name == device:
                up = Faults(identity.lab).link_up(identity.node, interface.network)
                return {"state": "up" if up else "down"}
        if device.startswith("hdisk") and device != rootvg.DISK and VolumeGroups(self.root).is_repository(device):
            return {"reserve_policy": "no_reserve"}  # as CAA sets it
        return {}


def _run(argv: list[str], flags: str, usage_text: str, work: Callable[[Options, Devices], int]) -> int:
    name = argv[0].rpartition("/")[2]
    try:
        return work(parse(argv, flags), Devices(NodeRoot.current()))
    except UsageError:
        return usage(usage_text)
    except DeviceError as error:
        sys.stderr.write(f"{error}\n")
    except (OdmError, IdentityError) as error:
        sys.stderr.write(f"{name}: {error}\n")
    return 1


def _order(name: str) -> tuple[str, int]:
    """hdisk10 behind hdisk9."""
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)


def _table(rows: list[list[str]], heading: list[str] | None) -> str:
    """Columns as wide as their widest word, a blank between them; the last one is not padded."""
    shown = [heading, *rows] if heading else rows
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)] if shown else []
    lines = [
        " ".join(f"{word:<{width}}" for word, width in zip(row[:-1], widths, strict=False)) + f" {row[-1]}"
        for row in shown
    ]
    if heading:
        lines.insert(1, "")
    return "".join(line + "\n" for line in lines)


# lsdev


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
            rows.sort(key=lambda row: _order(str(row["name"])))
            if "l" in options:
                devices.find("lsdev", options.value("l"))
        for flag, column in zip("cstlpS", ("class", "subclass", "type", "name", "parent", "status"), strict=True):
            if flag in options:
                value = options.value(flag)
                if flag == "S":
                    value = {"0": "Defined", "1": "Available", "2": "Stopped"}.get(value, value.capitalize())
                rows = [row for row in rows if row.get(column) == value]
        return _print_devices(options, rows, predefined)

    return _run(argv, "CPHc:s:t:l:p:S:r:F:hi:f:xe:", LSDEV_USAGE, work)


def _row(devices: Devices, types: dict[str, OdmObject], o: OdmObject) -> dict[str, int | str]:
    key = str(o["PdDvLn"])
    type_of = types.get(key, {"class": key.partition("/")[0], "subclass": "", "type": key.rpartition("/")[2]})
    return {
        "name": o["name"], "status": STATES.get(int(o["status"]), "Unknown"), "location": o["location"],
        "physloc": _physical_location(o), "parent": o["parent"],
        "class": type_of["class"], "subclass": type_of["subclass"], "type": type_of["type"],
        "description": devices.catalogue.device(key), "connwhere": o["connwhere"], "uniquetype": key,
    }  # fmt: skip


def _physical_location(o: OdmObject) -> str:
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
    table = [[str(row.get(column, "")) for column in columns] for row in rows]
    heading = [column or "location" for column in columns] if "H" in options else None
    sys.stdout.write(_table(table, heading) if table else "")
    return 0


# lsattr


def lsattr(argv: list[str]) -> int:
    """``lsattr``: the attributes of a device (-E as they are, -D by default, -R which values there are)."""

    def work(options: Options, devices: Devices) -> int:
        forms = [flag for flag in "EDR" if flag in options]
        if len(forms) != 1 or options.operands:
            raise UsageError("-E, -D or -R")
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

    return _run(argv, "EDROHl:a:c:s:t:F:f:hZ:", LSATTR_USAGE, work)


def _print_range(found: list[Attribute]) -> int:
    for a in found:
        first, _, step = a.values.partition(",")
        low, dash, high = first.partition("-")
        if dash and low.isdigit() and high.isdigit():
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
    sys.stdout.write(_table(rows, heading))
    return 0


# chdev, mkdev, rmdev, cfgmgr


def _method(name: str) -> str:
    kind = "disk" if name.startswith("hdisk") else "if" if name[:2] in ("en", "lo") and name[2:3] != "t" else "gen"
    return f"Method error (/usr/lib/methods/chg{kind}):"


def chdev(argv: list[str]) -> int:
    """``chdev -l Name -a Attribute=Value ...``: customized attributes."""

    def work(options: Options, devices: Devices) -> int:
        name = options.value("l")
        given = [word.partition("=") for value in options.all("a") for word in value.split()]
        if not name or options.operands or any(not separator for _, separator, _ in given):
            raise UsageError("-l and -a")
        found = devices.find("chdev", name)
        known = {a.name: a for a in devices.attributes(str(found["PdDvLn"]), name)}
        changes = {key: value for key, _, value in given}
        if "pv" in changes and name.startswith("hdisk"):
            return _change_pv(devices, name, changes.pop("pv"))
        unknown = [key for key in changes if key not in known]
        if unknown:
            raise DeviceError(
                f"{_method(name)}\n        0514-017 The following attributes are not valid for the\n                 "
                f"specified device:\n     {' '.join(unknown)}"
            )
        bad = [key for key, value in changes.items() if not _allowed(known[key], value)]
        if bad:
            lines = "\n".join(f"     {key:<15} {known[key].text}" for key in bad)
            raise DeviceError(
                f"{_method(name)}\n        0514-018 The values specified for the following attributes \n"
                f"                are not valid:\n{lines}"
            )
        if "P" not in options and name.startswith("hdisk") and _is_busy(devices.root, name):
            immediate = "U" in options and all(known[key].settable == "True+" for key in changes)
            if changes and not immediate:
                raise DeviceError(
                    f"{_method(name)}\n        0514-062 Cannot perform the requested function because the\n"
                    "                 specified device is busy."
                )
        _store(devices, name, changes)
        print(f"{name} changed")
        return 0

    return _run(argv, "l:a:p:w:PTUqf:h", CHDEV_USAGE, work)


def _change_pv(devices: Devices, name: str, value: str) -> int:
    """``-a pv=yes`` gives a disk a PVID, which every disk of a lab has; ``pv=clear`` would take it away."""
    if value == "yes":
        print(f"{name} changed")
        return 0
    raise DeviceError(
        f"{_method(name)}\n        0514-018 The values specified for the following attributes \n"
        "                are not valid:\n     pv              the PVID of a disk of a lab is for ever"
    )


def _allowed(known: Attribute, value: str) -> bool:
    if known.settable == "False":
        return False
    if not known.values:
        return True
    first, _, _ = known.values.partition(",")
    low, dash, high = first.partition("-")
    if dash and low.isdigit() and high.isdigit():
        return value.isdigit() and int(low) <= int(value) <= int(high)
    return value in known.values.split(",")


def _is_busy(root: NodeRoot, disk: str) -> bool:
    groups = VolumeGroups(root)
    return disk == rootvg.DISK or groups.is_repository(disk) or groups.is_reserved_here(disk)


def _store(devices: Devices, name: str, changes: dict[str, str]) -> None:
    identity = devices.root.identity
    for interface in identity.interfaces:
        if interface.name == name and "state" in changes:
            Faults(identity.lab).set_link(identity.node, interface.network, up=changes["state"] == "up")

    def changed(present: list[OdmObject]) -> list[OdmObject]:
        kept = [o for o in present if not (o["name"] == name and str(o["attribute"]) in changes)]
        return kept + [attribute(name, key, value) for key, value in changes.items()]

    devices.repository.rewrite("CuAt", changed)


def mkdev(argv: list[str]) -> int:
    """``mkdev -l Name``: a defined device becomes available."""

    def work(options: Options, devices: Devices) -> int:
        name = options.value("l")
        if not name or options.operands:
            raise UsageError("-l")
        found = devices.find("mkdev", name)
        if name.startswith("hdisk") and VolumeGroups(devices.root).has_failed(name):
            raise DeviceError(
                "Method error (/usr/lib/methods/cfgscsidisk -l " + name + " ):\n"
                "        0514-082 The requested function could only be performed for some\n"
                "                 of the specified paths."
            )
        devices.repository.change("CuDv", f"name='{found['name']}'", {"status": AVAILABLE})
        print(f"{name} Available")
        return 0

    return _run(argv, "l:c:s:t:a:p:w:dRSh", "Usage: mkdev -l Name", work)


def rmdev(argv: list[str]) -> int:
    """``rmdev [-d] -l Name``: a device is defined only, or with -d forgotten until cfgmgr finds it again."""

    def work(options: Options, devices: Devices) -> int:
        name = options.value("l")
        if not name or options.operands:
            raise UsageError("-l")
        devices.find("rmdev", name)
        removable = name.startswith(("hdisk", "en", "ent"))
        if not removable or (name.startswith("hdisk") and _is_busy(devices.root, name)) or _carries(devices, name):
            raise DeviceError(
                "Method error (/usr/lib/methods/ucfgdevice):\n        0514-062 Cannot perform the requested function "
                "because the\n                 specified device is busy."
            )
        if "d" in options:
            devices.repository.rewrite("CuDv", lambda old: [o for o in old if o["name"] != name])
            devices.repository.rewrite("CuAt", lambda old: [o for o in old if o["name"] != name])
            print(f"{name} deleted")
        else:
            devices.repository.change("CuDv", f"name='{name}'", {"status": DEFINED})
            print(f"{name} Defined")
        return 0

    return _run(argv, "l:dSRp:f:hg", "Usage: rmdev [-d] -l Name", work)


def _carries(devices: Devices, name: str) -> bool:
    """An interface that is up, or an adapter with one, is in use."""
    identity = devices.root.identity
    return any(name in (i.name, f"ent{i.name.removeprefix('en')}") for i in identity.interfaces)


def cfgmgr(argv: list[str]) -> int:
    """``cfgmgr [-v] [-l Name]``: every device that is there becomes available; silent, unless -v."""

    def work(options: Options, devices: Devices) -> int:
        if options.operands:
            raise UsageError("operands")
        name = options.value("l")
        faults = Faults(devices.root.identity.lab)
        there = [d.name for d in discovered(devices.root, devices.root.identity.lab)]
        there = [device for device in there if not faults.disk_failed(device)]
        if name:
            devices.find("cfgmgr", name)
            there = [device for device in there if device == name]
        made = configure(devices.root, only=there)
        if "v" in options:
            print("cfgmgr is running in phase 1")
            for device in made:
                print("-" * 24 + f"\nattempting to configure device '{device}'\nreturn code = 0")
        return 0

    return _run(argv, "vl:fspi:h", "Usage: cfgmgr [-v] [-l Name] [-f | -s | -p phase] [-i Device]", work)
