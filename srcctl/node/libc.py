"""Functions of the C library that the standard library has no name for, as init needs them: whole numbers in and out.

They are called by the extension below ctypes, as ctypes does it. ctypes itself defines a Python type for every type of
C, a quarter of a megabyte in each of init and srcmstr; where structures are needed (``syscalls``) it is imported.
"""

from __future__ import annotations

import _ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
ARGUMENTS_MAX: Final = 5


class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "i"


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "l"


class _Library:
    """What is linked into this process already."""

    _handle = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _argtypes_ = (_Long,) * ARGUMENTS_MAX
    _restype_ = _Int


class _Allocator(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL
    _argtypes_ = (_Long,)
    _restype_ = _Long


def _function(kind: Any, name: str) -> Callable[..., int]:
    found: Callable[..., int] = kind((name, _Library))
    return found


_prctl = _function(_Function, "prctl")
_madvise = _function(_Function, "madvise")
allocate = _function(_Allocator, "malloc")
"""malloc(3): bytes to an address, 0 if there is no memory."""


def _call(function: Callable[..., int], *arguments: int) -> None:
    # Registers that a function does not look at may hold anything: the same call for all of them.
    if function(*arguments, *(0,) * (ARGUMENTS_MAX - len(arguments))) < 0:
        number = _ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_subreaper() -> None:
    """Adopt every orphan among the descendants (PR_SET_CHILD_SUBREAPER).

    Raises:
        OSError: as of prctl(2).
    """
    _call(_prctl, PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(signal_number: int) -> None:
    """Receive a signal when the parent ends (PR_SET_PDEATHSIG).

    Raises:
        OSError: as of prctl(2).
    """
    _call(_prctl, PR_SET_PDEATHSIG, signal_number)


def advise(address: int, size: int, advice: int) -> None:
    """madvise(2).

    Raises:
        OSError: the range is not mapped, or the advice is unknown.
    """
    _call(_madvise, address, size, advice)
