"""What identifies the machine that a node runs on: a partition of a Power server that there is not."""

from __future__ import annotations

import zlib

from srcctl.node.root import Identity

MODEL = "IBM,9009-42A"
FIRMWARE = "VL950_124"
"""The level of the server's firmware (inferred: one that this model had)."""


def machine_id(identity: Identity) -> str:
    """Twelve digits in the form of a machine identifier (``uname -m``), the same at every boot of the node."""
    return f"00F{zlib.crc32(f'{identity.lab_id}/{identity.node}'.encode()) & 0xFFFFFFF:07X}"[:10] + "00"


def system_id(identity: Identity) -> str:
    """The server's identifier (``uname -u``), one for all nodes of a lab: they are partitions of one machine."""
    return f"IBM,02{zlib.crc32(identity.lab_id.encode()):08X}"[:13]


def serial_number(identity: Identity) -> str:
    """The server's serial number, the last seven characters of its identifier."""
    return system_id(identity)[-7:]
