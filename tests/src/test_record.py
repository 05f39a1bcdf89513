"""The named tuples of the packets behave as ``typing.NamedTuple``, and nothing slow is imported for them."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest

from srcctl.src.packets import Reply, Request

SLOW = ("typing", "re", "socket", "enum", "selectors", "contextlib", "dataclasses")


def test_fields_defaults_and_replacement() -> None:
    request = Request(1, "clcomd", parm1=2)
    assert (request.action, request.subsystem, request.pid, request.parm1) == (1, "clcomd", 0, 2)
    assert request == Request(subsystem="clcomd", action=1, parm1=2) != request._replace(pid=7)
    assert hash(request) == hash(Request(1, "clcomd", parm1=2))
    assert copy.copy(request) == request
    assert repr(Reply(3, "x")).startswith("Reply(rtncode=3, objname='x', objtext='', ")
    for wrong in (lambda: Request(), lambda: Request(1, nothing=2), lambda: Request(1, action=1)):  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(AttributeError):
        request.pid = 3  # type: ignore[misc]


def test_lssrc_imports_nothing_slow() -> None:
    code = (
        "import sys; sys.path.append('.'); import srcctl.src.commands.listing\n"
        f"print([m for m in {SLOW} if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-IS", "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"
