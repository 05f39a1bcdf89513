"""What can go wrong with a lab, each with the exit code that ``srcctl`` ends with."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


class LabError(Exception):
    """The lab cannot do what it was asked; the text is one clear sentence."""

    exit_code = 1


class WrongUse(LabError):
    """What was asked makes no sense whatever the lab is."""

    exit_code = 2


class UnknownName(LabError):
    """There is no such node, network, disk or process in this lab."""

    exit_code = 3


class NotRunning(LabError):
    """There is no lab here, or the node is powered off."""

    exit_code = 4


class AddressInUse(LabError):
    """Another program holds an address and port that a node needs."""

    exit_code = 5


class NoRoom(LabError):
    """The disk that holds the lab is full."""

    exit_code = 6


class NotWritable(LabError):
    """The lab's folder is read-only, or belongs to somebody else."""

    exit_code = 7


class NotStarted(LabError):
    """A node did not come up, or the sample cluster could not be defined or started."""

    exit_code = 8


@contextmanager
def file_errors(what: str) -> Iterator[None]:
    """Turn an OSError of working with the lab's files into a LabError that names ``what``."""
    try:
        yield
    except OSError as error:
        raise lab_error(error, what) from None


def lab_error(error: OSError, what: str) -> LabError:
    """The LabError of an OSError."""
    reason = error.strerror or os.strerror(error.errno or 0)
    text = f"{error.filename or what}: {reason}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"no room on the disk: {text}")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return NotWritable(f"the lab cannot be written: {text}")
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(f"address in use: {text}")
    return LabError(text)
