"""The same machine for somebody who is not root: a user namespace in view mode, shifted ports."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

HERE = Path(__file__).parent
SITE = Path(msgspec.__file__).parents[1]

pytestmark = pytest.mark.end_to_end


def interpreter_for(user: str) -> str | None:
    """An interpreter of our version that the user can run and that finds code and libraries."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        probe = [candidate, "-c", "import msgspec, srcctl.node.root"]
        if as_user(user, probe).returncode == 0:
            return candidate
    return None


def as_user(user: str, argv: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHONPATH": f"{HERE.parents[1]}:{SITE}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **{name: value for name, value in os.environ.items() if name == "HAES_TEST_LABS"},
    }
    try:
        return subprocess.run(
            argv, user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=[], env=environment, cwd="/",
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
    except PermissionError:
        return subprocess.CompletedProcess(argv, 126, "", "")


@pytest.mark.parametrize("mode", ["view", "folder"])
def test_a_node_of_an_ordinary_user(mode: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    try:
        pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("no user nobody")
    python = interpreter_for("nobody")
    if python is None:
        pytest.skip("user nobody can reach no interpreter or not this checkout")
    done = as_user("nobody", [python, str(HERE / "as_user.py"), mode])
    if done.stdout.startswith("skip: "):
        pytest.skip(done.stdout[6:])
    assert done.stdout.endswith("fine\n"), done.stdout + done.stderr
