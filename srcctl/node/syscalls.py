"""Linux system calls that the standard library of Python 3.11 has no name for.

Loaded only where a node is built or powered off; commands never import this.
Sources: mount(2), unshare(2), pivot_root(2), setns(2), capabilities(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWUSER: Final = 0x10000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MNT_DETACH: Final = 2

PR_SET_PDEATHSIG: Final = 1
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

CAP_SYS_MODULE: Final = 16
CAP_SYS_RAWIO: Final = 17
CAP_SYS_BOOT: Final = 22
CAP_SYS_TIME: Final = 25
CAP_MKNOD: Final = 27
CAP_MAC_OVERRIDE: Final = 32
CAP_MAC_ADMIN: Final = 33
CAP_WAKE_ALARM: Final = 35
CAP_BLOCK_SUSPEND: Final = 36
CAP_LAST: Final = 63

HOST_CAPABILITIES: Final = (
    CAP_SYS_MODULE,
    CAP_SYS_RAWIO,
    CAP_SYS_BOOT,
    CAP_SYS_TIME,
    CAP_MKNOD,
    CAP_MAC_OVERRIDE,
    CAP_MAC_ADMIN,
    CAP_WAKE_ALARM,
    CAP_BLOCK_SUSPEND,
)
"""What a node gives up for good, so that nothing in it can stop, re-clock or reprogram the host."""

PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2

_KILL_BY_ARCHITECTURE: Final = {"x86_64": (0xC000003E, 62), "aarch64": (0xC00000B7, 129)}
"""Machine: (AUDIT_ARCH of the kernel's headers, number of kill(2))."""

_HARMLESS: Final = (errno.EINVAL, errno.EPERM)
"""A capability that this kernel does not know, or a container that owns too little to give anything up."""
_SYS_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217, "i686": 217}
_CAPABILITY_VERSION_3: Final = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """mount(2).

    Raises:
        OSError: with the target as its file name.
    """
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        os.fsencode(data) if data else None,
    )
    _check(result, target)


def unmount(target: str, flags: int = 0) -> None:
    """umount2(2).

    Raises:
        OSError: it is no mount point, or busy.
    """
    _check(_libc.umount2(os.fsencode(target), flags), target)


def unshare(flags: int) -> None:
    """unshare(2).

    Raises:
        OSError: namespaces of that kind are not to be had.
    """
    _check(_libc.unshare(flags), "unshare")


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2).

    Raises:
        OSError: the root is not a mount point that can be exchanged (an initial ram file system, for one).
    """
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, "pivot_root is not known for this machine type", os.uname().machine)
    _check(_libc.syscall(number, os.fsencode(new_root), os.fsencode(put_old)), "pivot_root")


def set_host_name(name: str) -> None:
    """sethostname(2).

    Raises:
        OSError: this is not an own UTS namespace.
    """
    data = name.encode()
    _check(_libc.sethostname(data, len(data)), "sethostname")


def become_subreaper() -> None:
    """Adopt every orphan among the descendants (PR_SET_CHILD_SUBREAPER)."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def die_with_parent(signal_number: int) -> None:
    """Receive a signal when the parent ends (PR_SET_PDEATHSIG)."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilityData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def drop_capabilities(numbers: Iterable[int]) -> None:
    """Give up capabilities for this process and for everything that it will ever start.

    Raises:
        OSError: the process is not allowed to change its bounding set.
    """
    dropped = 0
    for number in numbers:
        if _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0 and ctypes.get_errno() not in _HARMLESS:
            _check(-1, f"capability {number}")
        dropped |= 1 << number
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)()
    _check(_libc.capget(ctypes.byref(header), ctypes.byref(data)), "capget")
    for word in range(2):
        keep = ~(dropped >> (32 * word)) & 0xFFFFFFFF
        data[word].effective &= keep
        data[word].permitted &= keep
        data[word].inheritable &= keep
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")
    _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


class _Filter(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    ]


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter))]


def spare_the_host() -> None:
    """Refuse ``kill -9 -1`` and signals to process 1 from here on, for everything started from here.

    Process ids are the host's, so that root's "kill everything" in a shutdown script of a node would reach every
    process of the host. Linux seccomp(2); a machine whose numbers are not listed goes without.

    Raises:
        OSError: the kernel has no seccomp filters.
    """
    numbers = _KILL_BY_ARCHITECTURE.get(os.uname().machine)
    if numbers is None:
        return
    load, equal, give_back = 0x20, 0x15, 0x06
    refuse, allow = 0x00050000 | 1, 0x7FFF0000
    lines = [
        (load, 0, 0, 4),
        (equal, 0, 8, numbers[0]),
        (load, 0, 0, 0),
        (equal, 0, 6, numbers[1]),
        (load, 0, 0, 16),
        (equal, 3, 0, 0xFFFFFFFF),
        (equal, 0, 3, 1),
        (load, 0, 0, 24),
        (equal, 1, 0, 0),
        (give_back, 0, 0, refuse),
        (give_back, 0, 0, allow),
    ]
    filters = (_Filter * len(lines))(*(_Filter(*line) for line in lines))
    program = _FilterProgram(len(lines), filters)
    if _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0:
        return
    # Root in a container that may not administer it: a filter is then for processes that gain no more privileges.
    _check(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0), "seccomp")
