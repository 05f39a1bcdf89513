"""Launchers: the executable text files that are a node's commands written in Python.

A launcher names its interpreter on its first line, so the kernel starts it like any other program; ``-I -S`` keeps the
interpreter from looking for anything but what the launcher names. The libraries come last on the path, because almost
everything a command imports is the standard library's.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final

from srcctl.node import view
from srcctl.node.programs import Program

SHEBANG_MAX: Final = 250
"""Bytes that Linux reads of a first line (BINPRM_BUF_SIZE is 256; 127 before Linux 5.1)."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where code, libraries and interpreter are, on the host.

    ``python`` is the interpreter's real file, ``prefix`` the folder that it is installed in, "" when below /usr.
    """

    code: str
    site: str
    python: str
    prefix: str

    @classmethod
    def current(cls) -> Installation:
        """Of the running interpreter and this very source tree."""
        import msgspec

        code = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
        site = os.path.realpath(os.path.join(os.path.dirname(msgspec.__file__), ".."))
        python = os.path.realpath(sys.executable)
        prefix = os.path.realpath(sys.base_prefix)
        if view.lies_below(python, ("/usr", "/bin")):
            prefix = ""
        return cls(code, site, python, prefix)

    def inside(self, mode: str) -> Installation:
        """The same as a node of that mode sees it."""
        if mode != "view":
            return self
        python = self.python
        if self.prefix:
            python = os.path.join(view.VIEW_PYTHON, os.path.relpath(self.python, self.prefix))
        return Installation(view.VIEW_CODE, view.VIEW_SITE, python, self.prefix and view.VIEW_PYTHON)


def shebang(python: str) -> str:
    """The first line for an interpreter; a path that the kernel would not take goes through /bin/sh."""
    line = f"#!{python} -IS\n"
    if " " in python or len(os.fsencode(line)) > SHEBANG_MAX:
        quoted = python.replace("'", "'\\''")
        # The second line is a string to Python and a command to the shell.
        return f"#!/bin/sh\n'''exec' '{quoted}' -IS \"$0\" \"$@\"\n' '''\n"
    return line


def text(program: Program, installation: Installation) -> str:
    """The launcher of a program; ``installation`` as the node sees it."""
    return (
        f"{shebang(installation.python)}"
        f"import sys\n"
        f"sys.path += {[installation.code, installation.site]!r}\n"
        f"from srcctl.commands.launch import launch\n"
        f"launch({program.module!r}, {program.function!r}, {program.path!r})\n"
    )
