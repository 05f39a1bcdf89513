"""Who runs each command of a line: PowerHA's own as root, the others without privileges."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.clcomd import command_line

TRUSTED = "/usr/es/sbin/cluster/utilities/"
DROP = ("drop", "--")


def identity(program: str, arguments: Sequence[str]) -> tuple[str, bool]:
    """PowerHA's commands are found below TRUSTED by their first letters; ifconfig is trusted where it only shows."""
    if program == "ifconfig":
        return "/usr/sbin/ifconfig", command_line.only_shows_interfaces(arguments)
    name = program.rpartition("/")[2]
    if program.startswith("/"):
        return program, program.startswith(TRUSTED)
    return (TRUSTED + name, True) if name.startswith(("cl", "get_")) else (f"/usr/bin/{name}", False)


def rewritten(line: str) -> str | None:
    return command_line.rewritten(line, identity, DROP)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clRGinfo -s", f"{TRUSTED}clRGinfo -s"),
        ("clRGinfo -s | grep ONLINE", f"{TRUSTED}clRGinfo -s | drop -- /usr/bin/grep ONLINE"),
        (
            "clRGinfo -c 2>/dev/null | awk -F: '{print $1\":\"$2}' | sort -u",
            f"{TRUSTED}clRGinfo -c 2>/dev/null | drop -- /usr/bin/awk -F: '{{print $1\":\"$2}}' | "
            "drop -- /usr/bin/sort -u",
        ),
        ("LC_ALL=C cltopinfo -c", f"LC_ALL=C {TRUSTED}cltopinfo -c"),
        ("id && clRGinfo", f"drop -- /usr/bin/id && {TRUSTED}clRGinfo"),
        ("id; cltopinfo >/dev/null 2>&1 || echo 'no cluster'",
         f"drop -- /usr/bin/id ; {TRUSTED}cltopinfo >/dev/null 2>&1 || drop -- /usr/bin/echo 'no cluster'"),
        ("cllsif;", f"{TRUSTED}cllsif ;"),
        ("clodmget -q \"name like *\" HACMPnode", f"{TRUSTED}clodmget -q \"name like *\" HACMPnode"),
        (f"'{TRUSTED}my tool' x", f"'{TRUSTED}my tool' x"),
        ("ifconfig -a | grep inet", "/usr/sbin/ifconfig -a | drop -- /usr/bin/grep inet"),
        ("ifconfig -a; ifconfig en0 'alias' 127.1.1.1",
         "/usr/sbin/ifconfig -a ; drop -- /usr/sbin/ifconfig en0 'alias' 127.1.1.1"),
    ],
)  # fmt: skip
def test_each_command_has_its_own_identity(line: str, expected: str) -> None:
    assert rewritten(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "", "id", "ls | wc -l", "clRGinfo >/etc/passwd", "clRGinfo >> /tmp/x", "clRGinfo </etc/shadow",
        "clRGinfo $(id)",
        "clRGinfo `id`", "clRGinfo $HOME", "clRGinfo \"$(id)\"", "clRGinfo & id", "(clRGinfo)", "{ clRGinfo; }",
        "clRGinfo\nid", "PATH=/tmp clRGinfo", "LD_PRELOAD=/tmp/x clRGinfo", "clRGinfo |", "clRGinfo &&", "| clRGinfo",
        "clRGinfo ;; id", "clRGinfo \\; id", "clRGinfo 'open", "cl* -s", "for n in 1 2; do clRGinfo; done",
        "cd /tmp; clRGinfo", "exec clRGinfo", "'exec' clRGinfo", "! clRGinfo", "clRGinfo # id", "LC_ALL=C",
        "clRGinfo 3>/dev/null", "clRGinfo >/dev/nullx", "clRGinfo >/dev/null/../../etc/x", "eval clRGinfo",
        "LC_ALL='x' clRGinfo", "clRGinfo <<E", "clRGinfo >&3", "clRGinfo ~root", "clRGinfo {a,b}", ". clRGinfo",
    ],
)  # fmt: skip
def test_what_is_not_plain_to_read_or_not_ours_runs_without_privileges_as_a_whole(line: str) -> None:
    assert rewritten(line) is None


@pytest.mark.parametrize("arguments", [["-a"], ["-l", "-u"], ["-ad"], ["en0"], ["lo0"]])
def test_an_ifconfig_that_shows(arguments: list[str]) -> None:
    assert command_line.only_shows_interfaces(arguments)


@pytest.mark.parametrize(
    "arguments",
    [[], ["en0", "up"], ["en0", "inet", "127.1.1.1", "alias"], ["-a", "en0"], ["e*"], ["-*"], ["--"], ["-"], [""]],
)
def test_an_ifconfig_that_may_change_something(arguments: list[str]) -> None:
    assert not command_line.only_shows_interfaces(arguments)


WORDS = st.sampled_from(
    ["clA", "id", "x", "2", "'a b'", '"c"', "*", "|", "||", "&&", ";", "&", "2>&1", ">/dev/null", "</dev/null", ">x",
     "$y", "`id`", "(", ")", "{", "}", "#", "!", "\\", "~", "=", "LC_ALL=C", "A=1", "if", "cd",
     "\n", "<", ">", "'", '"']
)  # fmt: skip


@given(
    st.lists(st.tuples(WORDS, st.sampled_from(["", " "])), max_size=8).map(lambda parts: "".join(map("".join, parts)))
)
def test_the_shell_reads_the_same_commands(line: str) -> None:
    """What is taken apart is executed by the shell as read: each program is one that was looked up, in its identity."""
    made = command_line.rewritten(line, lambda program, words: (f"/{program}", program.startswith("cl")), DROP)
    if made is None:
        return
    commands = command_line.read(line)
    assert commands is not None
    # The shell itself says how it reads the line: functions stand for what would be executed.
    script = (
        "drop() { printf 'drop %s\\n' \"$2\" >&9; }\n"
        + "".join(
            f"function /{command.program} {{ printf 'root %s\\n' '/{command.program}' >&9; }}\n"
            for command in commands
            if command.program.startswith("cl") and command.program.isalnum()
        )
        + made
    )
    answer = subprocess.run(
        ["bash", "--norc", "-c", f"exec 9>&1\n{script}"], capture_output=True, text=True, check=False, cwd="/",
        timeout=20,
    )  # fmt: skip
    said = {line.split(" ", 1)[1] for line in answer.stdout.splitlines() if line.startswith(("drop ", "root "))}
    assert said <= {f"/{command.program}" for command in commands}
    assert all(line.startswith("root ") or not line.startswith("root") for line in answer.stdout.splitlines())
    for spoken in answer.stdout.splitlines():
        word, _, program = spoken.partition(" ")
        if word in ("root", "drop"):
            assert (word == "root") == program.startswith("/cl")
