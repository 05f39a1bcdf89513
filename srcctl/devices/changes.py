"""chdev, mkdev, rmdev, cfgmgr: devices are changed, made available, taken away and found."""

from __future__ import annotations

from srcctl.commands.options import Options, UsageError, is_number
from srcctl.devices.configuration import AVAILABLE, DEFINED, attribute, configure, discovered
from srcctl.devices.devices import Attribute, DeviceError, Devices, run
from srcctl.network.faults import Faults
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmObject
from srcctl.storage import rootvg
from srcctl.storage.device_names import is_cluster_name, lab_disk, own_names, rename
from srcctl.storage.disk import disk_names
from srcctl.storage.volume_groups import VolumeGroups

CHDEV_USAGE = "Usage: chdev -l Name [-p Parent] [-w Location] [-P | -T | -U] -a Attribute=Value ..."


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
        if "pv" in changes and _is_disk(devices, name):
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
        if "P" not in options and _is_disk(devices, name) and _is_busy(devices.root, name):
            immediate = "U" in options and all(known[key].settable == "True+" for key in changes)
            if changes and not immediate:
                raise DeviceError(
                    f"{_method(name)}\n        0514-062 Cannot perform the requested function because the\n"
                    "                 specified device is busy."
                )
        _store(devices, name, changes)
        print(f"{name} changed")
        return 0

    return run(argv, "l:a:p:w:PTUqf:h", CHDEV_USAGE, work)


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
    if dash and is_number(low) and is_number(high):
        return is_number(value) and int(low) <= int(value) <= int(high)
    return value in known.values.split(",")


def _is_disk(devices: Devices, name: str) -> bool:
    found = [o for o in devices.repository.get("CuDv") if o["name"] == name]
    return bool(found) and str(found[0]["PdDvLn"]).startswith("disk/")


def _is_busy(root: NodeRoot, name: str) -> bool:
    groups, disk = VolumeGroups(root), name if name == rootvg.DISK else lab_disk(root, name) or name
    return disk == rootvg.DISK or is_cluster_name(name) or groups.is_repository(disk) or groups.is_in_use_here(disk)


def _store(devices: Devices, name: str, changes: dict[str, str]) -> None:
    identity = devices.root.identity
    for interface in identity.interfaces:
        if interface.name == name and "state" in changes:
            Faults(identity.lab).set_interface(identity.node, interface.network, up=changes["state"] == "up")

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
        if (disk := lab_disk(devices.root, name)) and VolumeGroups(devices.root).has_failed(disk):
            raise DeviceError(
                "Method error (/usr/lib/methods/cfgscsidisk -l " + name + " ):\n"
                "        0514-082 The requested function could only be performed for some\n"
                "                 of the specified paths."
            )
        devices.repository.change("CuDv", f"name='{found['name']}'", {"status": AVAILABLE})
        print(f"{name} Available")
        return 0

    return run(argv, "l:c:s:t:a:p:w:dRSh", "Usage: mkdev -l Name", work)


def rmdev(argv: list[str]) -> int:
    """``rmdev [-d] -l Name``: a device is defined only, or with -d forgotten until cfgmgr finds it again."""

    def work(options: Options, devices: Devices) -> int:
        name = options.value("l")
        if not name or options.operands:
            raise UsageError("-l")
        devices.find("rmdev", name)
        disk = _is_disk(devices, name)
        removable = disk or name.startswith(("en", "ent"))
        if not removable or (disk and _is_busy(devices.root, name)) or _carries(devices, name):
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

    return run(argv, "l:dSRp:f:hg", "Usage: rmdev [-d] -l Name", work)


def _carries(devices: Devices, name: str) -> bool:
    """An interface that is up, or an adapter with one, is in use."""
    identity = devices.root.identity
    return any(name in (i.name, f"ent{i.name.removeprefix('en')}") for i in identity.interfaces)


NAME_MAX = 15


def rendev(argv: list[str]) -> int:
    """``rendev -l Name [-n NewName] [-u]``: a disk gets another name on this node; its PVID tells which one it is.

    Disks can be renamed that no varied-on volume group and no cluster uses; -u leaves it defined. (What is said of
    other devices and of names in use is inferred; so is that only CAA calls a disk cldiskN.)
    """

    def work(options: Options, devices: Devices) -> int:
        name, new = options.value("l"), options.value("n")
        if not name or options.operands:
            raise UsageError("-l")
        devices.find("rendev", name)
        taken = {str(o["name"]) for o in devices.repository.get("CuDv")}
        new = new or next(f"hdisk{n}" for n in range(1000) if f"hdisk{n}" not in taken)
        valid = len(new) <= NAME_MAX and new[:1].isalpha() and new.replace("_", "a").isalnum()
        if not valid or is_cluster_name(new):
            raise DeviceError(f"rendev: 0514-013 {new} is not a valid name for a device.")
        disk = lab_disk(devices.root, name)
        # A name by which the lab knows another disk stays free for that one.
        if new in taken or (new in disk_names(devices.root.identity.lab) and new != disk):
            raise DeviceError(f"rendev: 0514-520 The name {new} is already in use.")
        if disk is None or _is_busy(devices.root, name):
            raise DeviceError(
                "Method error (/usr/lib/methods/ucfgdevice):\n        0514-062 Cannot perform the requested function "
                "because the\n                 specified device is busy."
            )
        rename(devices.root, {name: new}, {"status": DEFINED} if "u" in options else {})
        print(new)
        return 0

    return run(argv, "l:n:u", "Usage: rendev -l Name [-n NewName] [-u]", work)


def cfgmgr(argv: list[str]) -> int:
    """``cfgmgr [-v] [-l Name]``: every device that is there becomes available; silent, unless -v."""

    def work(options: Options, devices: Devices) -> int:
        if options.operands:
            raise UsageError("operands")
        name = options.value("l")
        faults = Faults(devices.root.identity.lab)
        there = [d.name for d in discovered(devices.root, devices.root.identity.lab)]
        failed = {own for disk, own in own_names(devices.root).items() if faults.disk_failed(disk)}
        there = [device for device in there if device not in failed]
        if name:
            devices.find("cfgmgr", name)
            there = [device for device in there if device == name]
        made = configure(devices.root, only=there)
        if "v" in options:
            print("cfgmgr is running in phase 1")
            for device in made:
                print("-" * 24 + f"\nattempting to configure device '{device}'\nreturn code = 0")
        return 0

    return run(argv, "vl:fsp:i:h", "Usage: cfgmgr [-v] [-l Name] [-f | -s | -p phase] [-i Device]", work)
