"""Where a disk keeps an area of its volume group: two slots that are written in turns, each with a checksum.

An update that is interrupted leaves the other slot, which is the older one.
"""

from __future__ import annotations

import errno
import os
import zlib

from srcctl.commands import plain_json as json
from srcctl.storage.disk import SECTOR, Disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SLOT_BYTES = 64 * SECTOR
HEADER_BYTES = 12


def encode(magic: bytes, fields: dict[str, Any]) -> bytes:
    """The slot of an area.

    Args:
        magic: four bytes that tell its kind.
        fields: what it says; values that JSON has.

    Raises:
        OSError: it is too large (EFBIG).
    """
    body = json.dumps(fields).encode()
    if HEADER_BYTES + len(body) > SLOT_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    header = magic + len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big")
    return (header + body).ljust(SLOT_BYTES, b"\0")


def decode(magic: bytes, data: bytes) -> dict[str, Any] | None:
    """The fields of the area in a slot, None if there is no whole one of that kind."""
    length, checksum = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:HEADER_BYTES], "big")
    body = data[HEADER_BYTES : HEADER_BYTES + length]
    if data[:4] != magic or len(body) != length or zlib.crc32(body) != checksum:
        return None
    try:
        fields = json.loads(body)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def erase(device: Disk, offsets: tuple[int, ...]) -> None:
    """No slot at these offsets holds anything any more.

    Raises:
        OSError: the disk has failed.
    """
    for offset in offsets:
        device.write(offset, bytes(SECTOR))
