"""clmgr's exit codes and the errors that carry them."""

from __future__ import annotations

SUCCESS = 0
ERROR = 1
NOT_FOUND = 2
MISSING_INPUT = 3
INCORRECT_INPUT = 4
MISSING_DEPENDENCY = 5
SEARCH_FAILED = 6

NO_CLUSTER = "no cluster is defined on this node."


class ClmgrError(Exception):
    """A request that cannot be carried out. The text follows ``ERROR: ``; nothing was changed."""

    def __init__(self, text: str, code: int = ERROR) -> None:
        super().__init__(text)
        self.code = code

    def line(self) -> str:
        """What goes to stderr."""
        return f"ERROR: {self}"


class CommunicationError(ClmgrError):
    """A node whose clcomd does not answer. The product prints this one without blanks, as it was seen."""

    def __init__(self, node: str) -> None:
        super().__init__(f"Comm error found on node:{node}")

    def line(self) -> str:
        """What goes to stderr."""
        return f"ERROR:{self}"


def does_not_exist(name: str) -> ClmgrError:
    """A named object that is not there."""
    return ClmgrError(f'"{name}" does not appear to exist!', NOT_FOUND)


def no_such_disk(name: str) -> ClmgrError:
    """What is named as a shared disk is none of this node's: its own disk, or nothing."""
    from srcctl.storage import rootvg

    if name == rootvg.DISK:
        return ClmgrError(f'the disk "{name}" belongs to the volume group {rootvg.NAME}.', INCORRECT_INPUT)
    return does_not_exist(name)


def exists_already(name: str) -> ClmgrError:
    """A new object whose name is taken."""
    return ClmgrError(f'the specified object already exists: "{name}"', INCORRECT_INPUT)


def invalid(attribute: str, value: str) -> ClmgrError:
    """A value that an attribute cannot have."""
    return ClmgrError(f'an invalid value was specified for "{attribute}" ("{value}").', INCORRECT_INPUT)


def invalid_characters(attribute: str, value: str) -> ClmgrError:
    """A name with characters that names cannot have."""
    return ClmgrError(f'one or more invalid characters were detected in "{attribute}" ("{value}").', INCORRECT_INPUT)


def missing(attribute: str) -> ClmgrError:
    """An input that is needed."""
    return ClmgrError(f'"{attribute}" is required, and was not specified.', MISSING_INPUT)
