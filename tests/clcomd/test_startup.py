"""What cl_rsh loads: the interpreter's start and the conversation, and nothing that takes longer than these."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {"msgspec", "typing", "re", "enum", "socket", "signal", "selectors", "collections", "functools", "contextlib",
         "json", "asyncio", "ssl", "hashlib"}  # fmt: skip


def test_cl_rsh_imports_little() -> None:
    code = (
        f"import sys; sys.path.append({str(Path(__file__).parents[2])!r})\n"
        "from srcctl.commands.launch import postpone; postpone()\n"
        "import daemons.clcomd.commands; print(*(m for m, of in sys.modules.items() if of is not None))"
    )
    done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stdout.split()), HEAVY & set(done.stdout.split())
