"""The lock of a volume group: one command at a time changes it.

AIX keeps it in the ODM, where it outlives a command that dies, until ``chvg -u``. Here it is a lock on a file of the
lab, for all nodes, which ends with its process; ``chvg -u`` takes it from a command that hangs. A second lock guards
names and disks, which volume groups have in common: whoever needs both has that of the volume group first.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time

from srcctl.storage.descriptor_area import StorageError

DIRECTORY = "volume_group_locks"
DEFINITIONS = "+definitions"
"""The lock of names and disks; no volume group can be called so."""
RETRY = 0.02
"""Seconds between attempts: of a lock that ``chvg -u`` takes away no wait for the file would tell."""
DEFINITIONS_PATIENCE = 60.0
"""Seconds for others to make their definitions (patience with real work)."""


class GroupLocks:
    """The locks that a process holds: of one volume group at most, and of the definitions.

    Args:
        lab: the lab's shared folder.
    """

    def __init__(self, lab: str) -> None:
        self._directory = os.path.join(lab, DIRECTORY)
        self._held: dict[str, int] = {}

    def lock(self, name: str, command: str) -> None:
        """Have the lock of a volume group, and of no other one; who must wait for it says so (the use of 0516-1201, and
        that it is said once, are inferred).

        Args:
            name: of the volume group.
            command: stands in the message.

        Raises:
            OSError: the lab cannot be written.
        """
        if name in self._held:
            return
        self.unlock()
        waiting = False
        while not self._take(name):
            if not waiting:
                waiting = True
                sys.stderr.write(
                    f"0516-1201 {command}: Warning: Volume group {name} is locked. This command\n\twill continue "
                    "retries until lock is free. If lock is inadvertent\n\tand needs to be removed, execute "
                    f"'chvg -u {name}'.\n"
                )
                sys.stderr.flush()
            time.sleep(RETRY)

    def lock_definitions(self, command: str) -> None:
        """Have the lock of names and disks besides.

        Raises:
            StorageError: 0514-516, others have it for too long (its use is inferred).
            OSError: the lab cannot be written.
        """
        deadline = time.monotonic() + DEFINITIONS_PATIENCE
        while DEFINITIONS not in self._held and not self._take(DEFINITIONS):
            if time.monotonic() > deadline:
                raise StorageError(
                    f"0514-516 {command}: Device configuration database lock service timed out.\n\tWait a few "
                    "minutes and retry the command."
                )
            time.sleep(RETRY)

    def prepare(self, name: str) -> None:
        """Make the file of a lock, so that it can be had on a disk that is full, or read-only, later.

        Raises:
            OSError: the lab cannot be written.
        """
        os.close(self._open(name))

    def unlock(self) -> None:
        """Give up whatever is held."""
        while self._held:
            os.close(self._held.popitem()[1])

    def remove(self, name: str) -> None:
        """Take the lock of a volume group from whoever has it (``chvg -u``).

        Raises:
            OSError: the lab cannot be written.
        """
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            pass

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, f"{name}.lock")

    def _open(self, name: str) -> int:
        os.makedirs(self._directory, exist_ok=True)
        return os.open(self._path(name), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _take(self, name: str) -> bool:
        """Have a lock if nobody else has it."""
        path = self._path(name)
        descriptor = self._open(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == os.stat(path).st_ino:  # else the lock was removed meanwhile
                self._held[name], descriptor = descriptor, -1
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return name in self._held
