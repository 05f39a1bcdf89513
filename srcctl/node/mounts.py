"""What is mounted where the calling process lives: /proc/self/mountinfo (proc(5))."""

from __future__ import annotations

import os


def unescape_mount_point(text: str) -> str:
    """A path as /proc/self/mountinfo writes it (octal escapes) as a path."""
    if "\\" not in text:
        return text
    result = bytearray()
    data = os.fsencode(text)
    index = 0
    while index < len(data):
        if data[index] == 0x5C and data[index + 1 : index + 4].isdigit():
            result.append(int(data[index + 1 : index + 4], 8))
            index += 4
        else:
            result.append(data[index])
            index += 1
    return os.fsdecode(bytes(result))


def mount_points(mountinfo: str) -> list[str]:
    """The mount points listed in the text of /proc/self/mountinfo, in order."""
    return [unescape_mount_point(line.split()[4]) for line in mountinfo.splitlines() if line]


def current_mount_points() -> list[str]:
    """The mount points of the calling process."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return mount_points(file.read())
