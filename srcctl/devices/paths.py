"""lspath: the paths to the disks of a node. Each has one, as a virtual disk without MPIO to a second server has.

Sources: the AIX manual page; the table and its words are as published listings have them.
"""

from __future__ import annotations

import sys

from srcctl.commands.options import Options, UsageError
from srcctl.devices.configuration import STATES
from srcctl.devices.devices import Devices, run
from srcctl.devices.listing import order, table
from srcctl.network.faults import Faults, root_disk
from srcctl.odm import OdmObject
from srcctl.storage import rootvg
from srcctl.storage.device_names import lab_disk

LSPATH_FLAGS = "F:Hl:p:s:w:i:"
LSPATH_USAGE = "Usage: lspath [-F Format] [-H] [-l Name] [-p Parent] [-s Status] [-w Connection] [-i PathID]"
STATUSES = ("enabled", "disabled", "failed", "defined", "missing", "detected", "available")
"""What -s takes, in any case; available paths are all but the defined ones."""
_SHOWN = ("status", "name", "parent")
_COLUMNS = (*_SHOWN, "connection", "path_id", "path_status")


def lspath(argv: list[str]) -> int:
    """``lspath``: the state of the path to each disk."""

    def work(options: Options, devices: Devices) -> int:
        wanted = options.value("s").lower()
        if options.operands or ("s" in options and wanted not in STATUSES):
            raise UsageError("operands, or no status")
        if "l" in options:
            devices.find("lspath", options.value("l"))
        paths = [_path(devices, o) for o in devices.repository.get("CuDv") if str(o["PdDvLn"]).startswith("disk/")]
        for flag, column in zip("lpwi", ("name", "parent", "connection", "path_id"), strict=True):
            if flag in options:
                paths = [path for path in paths if path[column] == options.value(flag)]
        if wanted == "available":
            paths = [path for path in paths if path["status"] != "Defined"]
        elif wanted:
            paths = [path for path in paths if path["status"].lower() == wanted]
        paths.sort(key=lambda path: order(path["name"]))
        return _print(options, paths)

    return run(argv, LSPATH_FLAGS, LSPATH_USAGE, work)


def _path(devices: Devices, o: OdmObject) -> dict[str, str]:
    name = str(o["name"])
    state = STATES.get(int(o["status"]), "")
    return {
        "status": ("Failed" if _has_failed(devices, name) else "Enabled") if state == "Available" else "Defined",
        "name": name,
        "parent": str(o["parent"]),
        "connection": str(o["connwhere"]),
        "path_id": "0",
        "path_status": state,
    }


def _has_failed(devices: Devices, name: str) -> bool:
    identity = devices.root.identity
    disk = root_disk(identity.node) if name == rootvg.DISK else lab_disk(devices.root, name)
    return disk is not None and Faults(identity.lab).disk_failed(disk)


def _print(options: Options, paths: list[dict[str, str]]) -> int:
    text = options.value("F", " ".join(_SHOWN))
    names = text.replace(":", " ").replace(",", " ").split()
    if not names or any(name not in _COLUMNS for name in names):
        raise UsageError("no such column")
    if "F" in options:
        mark = next((mark for mark in ":," if mark in text), " ")
        if "H" in options:
            print(mark.join(names))
        for path in paths:
            print(mark.join(path[name] for name in names))
        return 0
    rows = [[path[name] for name in names] for path in paths]
    sys.stdout.write(table(rows, names if "H" in options else None) if rows else "")
    return 0
