"""Every output form of the machine's commands: ODM, error log, boot and halt, levels, devices, disks, file systems."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.commands.sessions import GOLDEN, Run, Session, read_sessions, replay


@pytest.mark.parametrize("session", read_sessions(GOLDEN / "machine"), ids=lambda session: session.name)
def test_session(session: Session, shell: Run) -> None:
    if session.name == "odm_preprocessed" and shutil.which("cpp") is None:
        pytest.skip("this host has no C preprocessor")
    text = replay(session, shell)
    if "HAES_WRITE_GOLDEN" in os.environ:
        session.path.write_text(text)
    assert text == session.path.read_text()
