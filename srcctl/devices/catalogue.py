"""Texts of device types and attributes: on AIX in message catalogs, here in one file of lines ``key: text``."""

from __future__ import annotations

from srcctl.node.root import NodeRoot

PATH = "/usr/lib/nls/msg/en_US/devices"


class Catalogue:
    """The descriptions of a node.

    Args:
        root: the node; a missing file describes nothing.
    """

    def __init__(self, root: NodeRoot) -> None:
        self._texts: dict[str, str] = {}
        try:
            with open(root.path(PATH), encoding="utf-8") as file:
                for line in file:
                    key, separator, text = line.rstrip("\n").partition(": ")
                    if separator and not line.startswith("#"):
                        self._texts[key] = text
        except OSError:
            pass

    def device(self, device_type: str) -> str:
        """What a type of devices is called."""
        return self._texts.get(device_type, "N/A")

    def attribute(self, device_type: str, name: str) -> str:
        """What an attribute is called."""
        return self._texts.get(f"{device_type} {name}", "N/A")
