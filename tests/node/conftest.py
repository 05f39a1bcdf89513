"""Real nodes in labs of their own: booted, halted, and looked after so that nothing stays behind."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from srcctl.node import view

sys.path.append(str(Path(__file__).parents[2]))

from tests.node.machine import Machine, lab_directory


@pytest.fixture(params=["view", "folder"])
def mode(request: pytest.FixtureRequest) -> str:
    """Both modes; view mode only where a real probe finds namespaces."""
    if request.param == "view":
        directory = lab_directory()
        try:
            possible, reason = view.probe(directory)
        finally:
            shutil.rmtree(directory)
        if possible != "view":
            pytest.skip(reason)
    return str(request.param)


def mounts_of_the_host() -> list[str]:
    """All mounts but those inside temporary folders, which tests that run beside this one make."""
    temporary = tempfile.gettempdir() + "/"
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line for line in lines if not line.split()[1].startswith(temporary)]


@pytest.fixture
def new_machine(mode: str) -> Iterator[Callable[..., Machine]]:
    """Makes a machine that is not powered on; afterwards nothing of it may be left."""
    made: list[Machine] = []

    def make(**options: Any) -> Machine:
        machine = Machine(lab_directory(), mode, **options)
        made.append(machine)
        return machine

    mounts = mounts_of_the_host()
    yield make
    for machine in made:
        machine.halt()
        assert machine.left() == []
        assert machine.lab not in Path("/proc/self/mounts").read_text()
        shutil.rmtree(machine.lab)
    assert mounts_of_the_host() == mounts


@pytest.fixture
def machine(new_machine: Callable[..., Machine]) -> Machine:
    """A machine that is powered on."""
    machine = new_machine()
    machine.boot()
    return machine
