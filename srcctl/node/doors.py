"""The host's init listens on sockets: root who reaches one of them can stop the host, whatever capabilities he gave up.

So a node that runs as root does not see them. (Its own reboot, halt and shutdown are found first on its search path; a
script that names the host's by an absolute path in folder mode is told that there is no init to talk to.)
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from srcctl.node import syscalls

DOORS: Final = ("/run/systemd/private", "/run/dbus/system_bus_socket", "/run/initctl", "/dev/initctl")
"""systemd's own socket, its way over D-Bus, and the FIFO of System V init (systemd(1), systemctl(1), init(8))."""


def close(doors: Iterable[str] = DOORS) -> None:
    """Put /dev/null over what is there of them, in this mount namespace.

    Raises:
        OSError: this process may not mount.
    """
    for door in doors:
        if os.path.exists(door):
            syscalls.mount("/dev/null", door, None, syscalls.MS_BIND)


def close_in_own_namespace(doors: Iterable[str] = DOORS) -> bool:
    """For a node in folder mode: a mount namespace of its own, in which nothing but the doors differs from the host's.

    Returns False where the host gives us none (a container that may not mount: its init is no host's).
    """
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
        close(doors)
    except OSError:
        return False
    return True
