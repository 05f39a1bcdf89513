"""srcctl without any node: help, usage, and what it says where there is no lab."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from srcctl.lab import lifecycle
from srcctl.lab.cli import _try_next, cli
from srcctl.node import inventory


def srcctl(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, words, env=environment, prog_name="srcctl")


def test_every_command_has_help() -> None:
    for name in cli.commands:
        answer = srcctl(name, "--help")
        assert answer.exit_code == 0, answer.output
        assert "Examples:\n  " in answer.output


def test_the_commands_are_those_of_the_design() -> None:
    assert list(cli.commands) == [
        "up", "exec", "shell", "status", "halt", "boot", "kill", "hang", "resume", "link", "partition", "heal", "disk",
        "down", "destroy", "completion",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["exec", "node1", "--", "true"], ["shell", "node1"], ["status"], ["halt", "node1"], ["boot", "node1"],
        ["kill", "node1", "caa"], ["hang", "node1", "caa"], ["resume", "node1", "caa"],
        ["link", "node1", "en0", "down"], ["partition", "node1", "node2"], ["heal"], ["disk", "hdisk1", "fail"],
        ["down"], ["destroy"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_no_lab_is_exit_code_4_and_makes_nothing(tmp_path: Path, words: list[str]) -> None:
    answer = srcctl("--lab", str(tmp_path / "lab"), *words)
    assert answer.exit_code == 4, answer.output
    assert answer.stderr.startswith("srcctl: there is no lab in ")
    assert os.listdir(tmp_path) == []


def test_the_lab_is_named_before_after_or_by_the_environment(tmp_path: Path) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert first in srcctl("--lab", first, "status").stderr
    assert second in srcctl("status", "--lab", second).stderr
    assert first in srcctl("status", SRCCTL_LAB=first).stderr
    assert second in srcctl("--lab", second, "status", SRCCTL_LAB=first).stderr
    assert second in srcctl("status", "--lab", second, SRCCTL_LAB=first).stderr


@pytest.mark.parametrize(
    "words",
    [["up", "--nodes", "17"], ["up", "--speed", "0"], ["up", "--mode", "cloud"], ["exec", "node1"], ["exec"],
     ["link", "node1", "en0", "sideways"], ["nothing"]],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(tmp_path: Path, words: list[str]) -> None:
    answer = srcctl("--lab", str(tmp_path / "lab"), *words)
    assert answer.exit_code == 2
    assert os.listdir(tmp_path) == []


def test_no_room_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle.disks, "ROOM_NEEDED", 1 << 60)
    answer = srcctl("--lab", str(tmp_path / "lab"), "up")
    assert answer.exit_code == 6
    assert "no room on the disk" in answer.stderr
    assert os.listdir(tmp_path) == []


def test_a_colon_in_the_path_is_refused_in_folder_mode(tmp_path: Path) -> None:
    answer = srcctl("--lab", str(tmp_path / "a:b"), "up", "--mode", "folder")
    assert answer.exit_code == 1
    assert "colon" in answer.stderr
    assert os.listdir(tmp_path) == []


def test_a_folder_with_other_files_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    answer = srcctl("--lab", str(tmp_path), "destroy")
    assert answer.exit_code == 4
    assert (tmp_path / "letter").read_text() == "dear"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    assert "_SRCCTL_COMPLETE" in srcctl("completion", shell).output


def test_a_folder_left_without_permissions_is_removed(tmp_path: Path) -> None:
    inner = tmp_path / "tree" / "work" / "work"
    inner.mkdir(parents=True)
    inner.chmod(0)
    lifecycle.remove_tree(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []


def test_an_interrupt_while_the_lab_is_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("srcctl.lab.seeding.seed_node", interrupted)
    answer = srcctl("up", "--lab", str(tmp_path / "lab"), "--mode", "folder")
    assert answer.exit_code == 130
    assert "interrupted" in answer.output
    assert not (tmp_path / "lab").exists()


def test_an_interrupt_later_keeps_the_lab_for_the_next_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("srcctl.lab.lifecycle.boot", interrupted)
    lab = str(tmp_path / "lab")
    assert srcctl("up", "--lab", lab, "--mode", "folder").exit_code == 130
    assert lifecycle.exists(lab)
    assert srcctl("destroy", "--lab", lab).exit_code == 0
    assert not (tmp_path / "lab").exists()


def test_what_to_try_next_names_no_node_that_is_not_there() -> None:
    assert "node2" not in _try_next(["node1"], "http://127.1.2.33:8080/")
    assert "and node2 takes over\n  srcctl exec node2 -- tail" in _try_next(["node1", "node2", "node3"], "http://x/")


def test_a_damaged_data_file_of_the_seed_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*words: object) -> None:
        raise inventory.OwnersError("objrepos/inventory.owners, line 3: expected PATTERN FILESET")

    monkeypatch.setattr(inventory, "record", damaged)
    lab = tmp_path / "lab"
    answer = srcctl("--lab", str(lab), "up", "--base", "--nodes", "1", "--mode", "folder")
    assert answer.exit_code == 1
    assert answer.stderr.endswith(
        "srcctl: node1 cannot be seeded: objrepos/inventory.owners, line 3: expected PATTERN FILESET\n"
    )
    assert not lab.exists()
