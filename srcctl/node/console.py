"""/dev/console of a node: a file that keeps its end when it grows beyond its bound."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

CONSOLE: Final = "/dev/console"
SIZE_MAX: Final = 1 << 20
SIZE_KEPT: Final = 1 << 18


class Console:
    """The console of one node. Nothing here fails: a console on a full disk is silent.

    Args:
        path: the file's real path.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self, text: str) -> None:
        """One line, or several."""
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o644)
            try:
                os.write(descriptor, (text + "\n").encode("utf-8", "replace"))
            finally:
                os.close(descriptor)
        except OSError:
            pass

    def bound(self) -> None:
        """Cut the file to its end if it has grown too big. Writers append, so they go on behind what is kept."""
        try:
            if os.path.getsize(self.path) <= SIZE_MAX:
                return
            with open(self.path, "r+b") as file:
                file.seek(-SIZE_KEPT, os.SEEK_END)
                end = file.read()
                file.truncate(0)
                file.seek(0)
                file.write(end)
        except OSError:
            pass
