"""The device classes of a node, as all device commands see them.

Layouts and message ids as published listings have them: columns are as wide as what stands in them. Which of the method
messages a case has is inferred where no listing shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.devices.catalogue import Catalogue
from srcctl.devices.configuration import DIRECTORY
from srcctl.network.faults import Faults
from srcctl.node.root import IdentityError, NodeRoot
from srcctl.odm import OdmError, OdmObject, Repository
from srcctl.storage import rootvg
from srcctl.storage.device_names import lab_disk
from srcctl.storage.volume_groups import VolumeGroups


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
                up = Faults(identity.lab).interface_up(identity.node, interface.network)
                return {"state": "up" if up else "down"}
        disk = lab_disk(self.root, device) if device != rootvg.DISK else None
        if disk is not None and VolumeGroups(self.root).is_repository(disk):
            return {"reserve_policy": "no_reserve"}  # as CAA sets it
        return {}


def run(argv: list[str], flags: str, usage_text: str, work: Callable[[Options, Devices], int]) -> int:
    """Parse the command line and do the work, which returns the exit code; what goes wrong is said on stderr."""
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
