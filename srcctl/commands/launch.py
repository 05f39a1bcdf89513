"""The one entry of every command and program: call its function, leave by its exit code, never with a traceback."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


RARELY_USED = ("inspect", "msgspec.inspect", "textwrap", "platform")
"""Modules that libraries import for what few programs need: dataclasses for the documentation of classes that have
none, msgspec for JSON schemas, uuid for the name of the system. Together they take as long as Python's own start."""


class _Later(type(sys)):  # type: ignore[misc]
    """A module that is imported when something of it is wanted for the first time."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)  # the import machinery looks whether the module is whole
        own = str(self.__name__)
        if own == "platform" and name == "system":
            import os

            return lambda: os.uname().sysname
        if sys.modules.get(own) is self:
            del sys.modules[own]
        __import__(own)
        real = sys.modules[own]
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


def postpone() -> None:
    """Leave out what libraries import for what few programs need, until it is needed."""
    # msgspec asks for it and has all it needs in typing: importing it takes half as long as Python's own start.
    sys.modules.setdefault("typing_extensions", None)  # type: ignore[arg-type]
    for name in RARELY_USED:
        sys.modules.setdefault(name, _Later(name))


def launch(module: str, function: str, path: str) -> None:
    """Run ``module:function`` with the command line of this process and exit.

    Args:
        module: where the function is.
        function: takes argv (argv[0] is the program's product path) and returns the exit code.
        path: the program's product path.
    """
    postpone()
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        open_closed_streams()
    gc.disable()  # until everything is imported, see call
    _leave(call(module, function, [path, *sys.argv[1:]]))


def open_closed_streams() -> None:
    """Let what the caller has closed (``lssrc -a >&-``) lead nowhere; else the next file takes its place."""
    import os

    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115 - to the end
            setattr(sys, name, stream)


def _leave(status: int) -> NoReturn:
    """End without the interpreter's own clean-up, which takes a fifth of the time that a short command runs.

    What a command has written is flushed; it has no other debts, unless it runs threads or left something for atexit.
    """
    import atexit

    if "threading" in sys.modules or atexit._ncallbacks():
        sys.exit(status)
    import os

    try:
        sys.stderr.flush()
    except (OSError, AttributeError):
        pass
    os._exit(status & 0xFF)


def call(module: str, function: str, argv: list[str]) -> int:
    """Import and call the function; what the host refuses (a full or read-only disk) becomes one sentence."""
    name = argv[0].rpartition("/")[2]
    try:
        __import__(module)
        gc.enable()
        status = getattr(sys.modules[module], function)(argv)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except BrokenPipeError:
        # The reader has gone (``lssrc -a | head -1``); what is buffered must not be complained about at exit.
        sys.stdout = None
        return 0
    except KeyboardInterrupt:
        return 130
    except UnicodeError:
        # A word of the command line that is no text (os.fsdecode lets such bytes through), or a file that is none.
        complain(f"{name}: the input is not text in UTF-8")
        return 1
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        complain(f"{name}: {what}{error.strerror or error}")
        return 1
    except RecursionError:
        complain(f"{name}: the input is nested too deeply")
        return 1
    except Exception as error:
        odm = sys.modules.get("srcctl.odm.errors")
        if odm is None or not isinstance(error, odm.OdmError):
            raise
        complain(f"{name}: {error}")  # an object class is gone, damaged, or another one of the same name
        return 1


def complain(text: str) -> None:
    """A line on stderr, if anybody still reads it."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, AttributeError):
        pass
