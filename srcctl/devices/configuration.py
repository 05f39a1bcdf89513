"""What a node's hardware is, and how it becomes CuDv and CuAt objects (cfgmgr).

The processors and the memory are the host's; the disks, adapters and interfaces are the lab's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from srcctl.node.hardware import MODEL, system_id
from srcctl.node.root import Identity, Interface, NodeRoot
from srcctl.odm import OdmError, OdmObject, Repository
from srcctl.storage import rootvg
from srcctl.storage.disk import disk_bytes, disk_names, pvid, unique_identifier

DIRECTORY = "/etc/objrepos"
AVAILABLE, DEFINED, STOPPED = 1, 0, 2
STATES = {DEFINED: "Defined", AVAILABLE: "Available", STOPPED: "Stopped"}
MEGABYTE = 1 << 20


class Device(NamedTuple):
    """A device that is there, with the attributes that are not the defaults of its type."""

    name: str
    type: str
    parent: str = ""
    where: str = ""
    attributes: tuple[tuple[str, str], ...] = ()

    def object(self) -> OdmObject:
        """Its CuDv object."""
        return {
            "name": self.name, "status": AVAILABLE, "chgstatus": 2, "parent": self.parent,
            "connwhere": self.where, "PdDvLn": self.type,
        }  # fmt: skip


def discovered(root: NodeRoot, shared: str) -> list[Device]:
    """Every device of the node.

    Args:
        root: the node.
        shared: the lab's shared folder as this process sees it.
    """
    identity = root.identity
    devices = [
        Device("sys0", "sys/node/chrp", attributes=(("modelname", MODEL), ("systemid", system_id(identity)),
                                                    ("realmem", str(memory_bytes() // 1024)), ("maxuproc", "2048"))),
        Device("mem0", "memory/sys/totmem", "sysplanar0",
               attributes=(("goodsize", str(memory_bytes() // MEGABYTE)), ("size", str(memory_bytes() // MEGABYTE)))),
    ]  # fmt: skip
    devices += [Device(f"proc{n}", "processor/sys/proc_rspc", "sysplanar0", f"{n}",
                       (("frequency", "2750000000"),)) for n in range(os.cpu_count() or 1)]  # fmt: skip
    devices.append(Device("vscsi0", "adapter/vdevice/IBM,v-scsi", "vio0", "V1-C2-T1"))
    renamed = _renamed(root)
    for disk in (rootvg.DISK, *disk_names(shared)):
        found = _disk(identity, shared, disk)
        devices.append(found._replace(name=renamed.get(dict(found.attributes)["unique_id"], disk)))
    for number, interface in enumerate(identity.interfaces):
        devices += _network(interface, number)
    devices += [
        Device("lo0", "if/LO/lo"),
        Device("inet0", "tcpip/TCPIP/inet", attributes=(("hostname", identity.node),)),
        Device("lvdd", "lvm/lvm/lvdd"),
    ]
    return devices


def _renamed(root: NodeRoot) -> dict[str, str]:
    """The names of disks that the node knows, by unique identifier: what rendev has renamed is not found anew."""
    try:
        found = Repository(root, DIRECTORY).get("CuAt", "attribute=unique_id")
    except OdmError:  # a node that is just installed has no devices yet
        return {}
    return {str(o["value"]): str(o["name"]) for o in found}


def memory_bytes() -> int:
    """The host's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _disk(identity: Identity, shared: str, disk: str) -> Device:
    number = int(disk[5:])
    owner = f"{identity.lab_id}/{identity.node}" if disk == rootvg.DISK else identity.lab_id
    size = rootvg.DISK_BYTES if disk == rootvg.DISK else disk_bytes(shared, disk)
    return Device(disk, "disk/vscsi/vdisk", "vscsi0", f"8{number + 1:x}".ljust(12, "0"), (
        ("pvid", pvid(owner, disk).ljust(32, "0")),
        ("size_in_mb", str(size // MEGABYTE)),
        ("unique_id", unique_identifier(owner, disk)),
    ))  # fmt: skip


def _network(interface: Interface, number: int) -> list[Device]:
    digits = f"fa16{int.from_bytes(bytes(map(int, interface.address.split('.')))):08x}"
    unit = interface.name.removeprefix("en")
    addresses = (("netaddr", interface.address), ("netmask", interface.netmask), ("state", "up"))
    slot = f"V1-C{number + 3}-T1"
    return [
        Device(f"ent{unit}", "adapter/vdevice/IBM,l-lan", "vio0", slot, (("mac_addr", f"0x{digits}"),)),
        Device(interface.name, "if/EN/en", f"ent{unit}", slot, addresses),
    ]


def configure(root: NodeRoot, shared: str = "", only: Iterable[str] | None = None) -> list[str]:
    """Make every device that is there available; returns the names of those that were not.

    What an administrator has customized stays as it is.

    Args:
        root: the node.
        shared: the lab's shared folder, if not where the node sees it.
        only: names of the devices to look for; None for all.

    Raises:
        OdmError: the object classes cannot be written.
    """
    repository = Repository(root, DIRECTORY)
    found = discovered(root, shared or root.identity.lab)
    if only is not None:
        wanted = set(only)
        found = [device for device in found if device.name in wanted]
    made: list[str] = []

    def devices(present: list[OdmObject]) -> list[OdmObject]:
        states = {str(o["name"]): o["status"] for o in present}
        made.extend(d.name for d in found if states.get(d.name) != AVAILABLE)
        waiting = {d.name for d in found}
        known = [{**o, "status": AVAILABLE} if o["name"] in waiting else o for o in present]
        return known + [device.object() for device in found if device.name not in states]

    def attributes(present: list[OdmObject]) -> list[OdmObject]:
        known = {(str(o["name"]), str(o["attribute"])) for o in present}
        return present + [
            attribute(device.name, name, value)
            for device in found
            for name, value in device.attributes
            if (device.name, name) not in known
        ]

    repository.rewrite("CuDv", devices)
    repository.rewrite("CuAt", attributes)
    return made


def configure_new_node(root: NodeRoot, shared: str) -> None:
    """The devices and rootvg of a node that is just installed.

    Raises:
        OdmError: the object classes cannot be written.
    """
    from srcctl.storage.volume_groups import odm_objects

    configure(root, shared)
    identity = root.identity
    group = rootvg.volume_group(root)
    devices, attributes = odm_objects(group, {rootvg.DISK: pvid(f"{identity.lab_id}/{identity.node}", rootvg.DISK)})
    repository = Repository(root, DIRECTORY)
    names = {device["name"] for device in devices}
    repository.rewrite("CuDv", lambda old: [o for o in old if o["name"] not in names] + devices)
    repository.rewrite("CuAt", lambda old: [o for o in old if o["name"] not in names] + attributes)


def attribute(device: str, name: str, value: str) -> OdmObject:
    """A CuAt object."""
    return {"name": device, "attribute": name, "value": value, "type": "R", "generic": "D", "rep": "s", "nls_index": 0}
