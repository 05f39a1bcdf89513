"""What clcomd does for those it trusts: streams in both directions, signals, trees of files, many at once."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daemons.clcomd import client, core
from daemons.clcomd.copying import Copier, CopyError, Place
from daemons.clcomd.incoming import Incoming
from daemons.clcomd.messages import INPUTS_MAX, Input, Put, Run, Taken
from srcctl.network.faults import Faults

MEGABYTES = os.urandom(1 << 20) * 24


def command(pair, *words: str, **options: object) -> subprocess.Popen[bytes]:  # type: ignore[no-untyped-def]
    """A client's command as a process of its own, as on node1."""
    first = pair[0]
    code = f"import sys; from daemons.clcomd.commands import {words[0]}; sys.exit({words[0]}(sys.argv[1:]))"
    environment = {**os.environ, "HAES_ROOT": str(first.directory)}
    return subprocess.Popen([sys.executable, "-c", code, *words], env=environment, **options)  # type: ignore[call-overload,no-any-return]


async def eventually(look: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not look():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


async def test_more_goes_through_a_command_than_any_buffer_holds(pair) -> None:  # type: ignore[no-untyped-def]
    result = await asyncio.wait_for(asyncio.to_thread(client.run, pair[0].root, "node2", ["/bin/cat"], MEGABYTES), 60)
    assert (result.status, result.out == MEGABYTES) == (0, True)


async def test_patience_with_a_command_can_end(pair) -> None:  # type: ignore[no-untyped-def]
    def impatient() -> None:
        client.run(pair[0].root, "node2", ["/bin/sleep", "600"], limit=0.3)

    with pytest.raises(client.ClcomdError, match=r"no answer within 0\.3 seconds"):
        await asyncio.wait_for(asyncio.to_thread(impatient), 20)
    assert (await asyncio.to_thread(client.run, pair[0].root, "node2", ["/bin/true"], limit=20)).status == 0


async def test_a_command_that_does_not_read_is_ended_with_its_client(pair) -> None:  # type: ignore[no-untyped-def]
    marker = pair[1].directory / "tmp/pid"
    script = f"echo $$ > {marker}; exec sleep 600"
    with open("/dev/zero", "rb") as endless:
        process = command(pair, "cl_rsh", "node2", script, stdin=endless)
    await eventually(lambda: marker.exists() and marker.read_text(), "the command runs")
    process.kill()
    await asyncio.to_thread(process.wait, 20)
    pid = int(marker.read_text())
    await eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the command is ended")


async def test_what_a_command_left_does_not_hold_the_session_of_a_client_that_has_gone(
    pair, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(core, "TERMINATION_GRACE_US", 100_000)
    marker = pair[1].directory / "tmp/pid"
    process = command(
        pair, "cl_rsh", "node2", f"setsid sh -c 'echo $$ > {marker}; exec sleep 600' &", stdin=subprocess.DEVNULL
    )
    await eventually(lambda: marker.exists() and marker.read_text(), "the command has left something")
    pid = int(marker.read_text())
    process.kill()
    await asyncio.to_thread(process.wait, 20)
    await eventually(lambda: not pair[2].sessions, "the session ends")
    os.kill(pid, signal.SIGKILL)  # and what has a session of its own goes on, as after rsh


async def test_nul_bytes_are_refused_in_words(pair) -> None:  # type: ignore[no-untyped-def]
    first = pair[0]
    result = await asyncio.to_thread(client.run, first.root, "node2", ["/bin/echo", "a\0b"])
    assert (result.status, result.err) == (127, b"clcomd: embedded null byte\n")

    def refusals() -> list[str]:
        found = []
        with client.Session(first.root, "node2") as session:
            source = first.directory / "tmp/source"
            source.write_text("text")
            for ask in (
                lambda: session.look("/tmp/a\0b"),
                lambda: session.make_directory("/tmp/a\0b", 0o755),
                lambda: session.get("/tmp/a\0b", str(first.directory / "tmp/x")),
                lambda: session.put(str(source), "/tmp/a\0b"),
            ):
                try:
                    ask()
                except client.ClcomdError as error:
                    found.append(str(error))
        return found

    assert await asyncio.to_thread(refusals) == ["a path holds no NUL byte"] * 4


async def test_names_and_arguments_may_be_of_any_code_set(pair) -> None:  # type: ignore[no-untyped-def]
    first, second = pair[0], pair[1]
    latin = os.fsdecode("Müller".encode("latin-1"))
    result = await asyncio.to_thread(client.run, first.root, "node2", ["/bin/echo", latin])
    assert (result.status, result.out) == (0, os.fsencode(latin) + b"\n")
    source = first.directory / "tmp/tree"
    source.mkdir()
    (source / latin).write_text("text")

    def there_and_back() -> None:
        with Copier(first.root, preserve=False, recursive=True) as copier:
            copier.copy(Place("", str(source)), Place("node2", "/tmp/copy"), into=False)
            copier.copy(Place("node2", "/tmp/copy"), Place("", str(first.directory / "tmp/back")), into=False)

    await asyncio.to_thread(there_and_back)
    assert tree(second.directory / "tmp/copy") == tree(source) == tree(first.directory / "tmp/back")


async def test_signals_go_to_the_command_and_its_end_is_the_clients(pair) -> None:  # type: ignore[no-untyped-def]
    marker = pair[1].directory / "tmp/pid"
    script = f"trap 'echo caught; exit 9' TERM; echo $$ > {marker}; while :; do sleep 0.05; done"
    process = command(pair, "cl_rsh", "node2", script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    await eventually(lambda: marker.exists() and marker.read_text(), "the command runs")
    process.send_signal(signal.SIGTERM)
    out, _ = await asyncio.to_thread(process.communicate, None, 20)
    assert (out, process.returncode) == (b"caught\n", 9)


async def test_nobody_who_reads_ends_the_command_quietly(pair) -> None:  # type: ignore[no-untyped-def]
    process = command(
        pair, "cl_rsh", "node2", "yes", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    await asyncio.to_thread(process.stdout.read, 4)
    process.stdout.close()
    assert await asyncio.to_thread(process.wait, 20) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


async def test_more_input_than_is_taken_is_cut_off(pair) -> None:  # type: ignore[no-untyped-def]
    def flood() -> str:
        with client.Session(pair[0].root, "node2") as session:
            session.send(Run(("/bin/sleep", "600"), stdin=True))
            try:
                for _ in range(INPUTS_MAX + 4):
                    session.send(Input(b"x" * 200_000))
                while isinstance(session.receive(), Taken):
                    pass
            except client.ClcomdError as error:
                return str(error)
            return "served"

    assert "lost" in await asyncio.wait_for(asyncio.to_thread(flood), 30)
    assert "more input" in (pair[1].directory / "var/hacmp/clcomd/clcomddiag.log").read_text()


async def test_a_hundred_sessions_at_once(pair) -> None:  # type: ignore[no-untyped-def]
    def open_all() -> list[bytes]:
        sessions = [client.Session(pair[0].root, "node2") for _ in range(100)]
        outputs = [bytearray() for _ in sessions]
        for session in sessions:
            session.send(Run(("/bin/echo", "here")))
        for session, output in zip(sessions, outputs, strict=True):
            while not isinstance(answer := session.receive(), client.Ended):
                output += getattr(answer, "data", b"")
            session.close()
        return [bytes(output) for output in outputs]

    assert await asyncio.wait_for(asyncio.to_thread(open_all), 60) == [b"here\n"] * 100


def tree(top: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(top)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes() if path.is_file() else b"")
        for path in sorted(top.rglob("*"))
    }


async def test_trees_go_there_and_back_with_modes_and_times(pair) -> None:  # type: ignore[no-untyped-def]
    first, second = pair[0], pair[1]
    source = first.directory / "tmp/tree"
    (source / "deep/er").mkdir(parents=True)
    (source / "deep").chmod(0o750)
    for number in range(520):
        (source / "deep" / f"f{number}").write_bytes(b"x" * number)
    (source / "deep/er/run").write_text("#!/bin/sh\n")
    (source / "deep/er/run").chmod(0o755)
    os.utime(source / "deep/er/run", (1e9, 1e9))

    def there_and_back() -> None:
        with Copier(first.root, preserve=True, recursive=True) as copier:
            copier.copy(Place("", str(source)), Place("node2", "/tmp"), into=True)
            copier.copy(Place("node2", "/tmp/tree"), Place("node2", "/tmp/twin"), into=False)
            copier.copy(Place("node2", "/tmp/twin"), Place("", str(first.directory / "tmp/back")), into=False)

    await asyncio.to_thread(there_and_back)
    assert tree(second.directory / "tmp/tree") == tree(source) == tree(first.directory / "tmp/back")
    assert (second.directory / "tmp/twin/deep/er/run").stat().st_mtime == 1e9
    assert not [name for name in os.listdir(second.directory / "tmp") if "clcomd" in name]


async def test_modes_and_links_are_those_of_rcp(pair) -> None:  # type: ignore[no-untyped-def]
    first, second = pair[0], pair[1]
    source = first.directory / "tmp/tree"
    source.mkdir()
    (source / "new").write_text("new")
    (source / "new").chmod(0o777)
    (source / "old").write_text("new")
    (source / "dangling").symlink_to("nosuch")
    (source / "linked").write_text("new")
    os.mkfifo(source / "pipe")
    source.chmod(0o555)
    os.utime(source, (1e9, 1e9))
    for target in (second.directory / "tmp/tree", first.directory / "tmp/back", first.directory / "tmp/here"):
        target.mkdir()
        (target / "old").write_text("old")
        (target / "old").chmod(0o600)
        (target / "link").write_text("old")
        (target / "linked").symlink_to("link")
    places = [
        (Place("", str(source)), Place("node2", "/tmp/tree")),
        (Place("", str(source)), Place("", str(first.directory / "tmp/here"))),
        (Place("node2", "/tmp/tree"), Place("", str(first.directory / "tmp/back"))),
    ]

    def copy(preserve: bool) -> list[list[str]]:
        found = []
        for origin, target in places:
            with Copier(first.root, preserve, recursive=True) as copier:
                copier.copy(origin, target, into=False)
                found.append(copier.complaints)
        return found

    complaints = await asyncio.to_thread(copy, False)
    assert [len(each) for each in complaints] == [2, 2, 0]
    assert all("dangling: No such file or directory" in each[0] for each in complaints[:2])
    assert all("pipe: not a plain file" in each[1] for each in complaints[:2])
    targets = [second.directory / "tmp/tree", first.directory / "tmp/here", first.directory / "tmp/back"]
    for target in targets:
        assert stat.S_IMODE(target.stat().st_mode) == 0o555
        modes = [stat.S_IMODE((target / name).stat().st_mode) for name in ("new", "old")]
        assert modes == [0o755, 0o600], "what is there keeps its mode, what is new has not more than the mask leaves"
        assert (target / "linked").is_symlink()
        assert (target / "link").read_text() == "new"
        assert target.stat().st_mtime != 1e9
    await asyncio.to_thread(copy, True)
    for target in targets:
        assert stat.S_IMODE((target / "new").stat().st_mode) == 0o777
        assert target.stat().st_mtime == 1e9
        target.chmod(0o755)
    source.chmod(0o755)


async def test_a_tree_is_not_copied_into_itself(pair) -> None:  # type: ignore[no-untyped-def]
    first = pair[0]
    (first.directory / "tmp/tree/below").mkdir(parents=True)

    def into(target: Place) -> str:
        with Copier(first.root, preserve=False, recursive=True) as copier:
            try:
                copier.copy(Place("", str(first.directory / "tmp/tree")), target, into=True)
            except CopyError as error:
                return str(error)
        return ""

    for target in (Place("", str(first.directory / "tmp/tree/below")), Place("node1", "/tmp/tree")):
        assert "cannot be copied into itself" in await asyncio.to_thread(into, target)


@pytest.mark.parametrize("named", [False, True], ids=["without a name", "with a name"])
def test_of_a_file_that_did_not_come_whole_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    if named:  # a file system that has no files without names
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_WRONLY)
    target = tmp_path / "target"
    target.write_text("old")
    file = Incoming(str(target))
    file.write(b"half of it")
    assert len(os.listdir(tmp_path)) == 1 + named
    file.close()
    assert (os.listdir(tmp_path), target.read_text()) == (["target"], "old")
    file = Incoming(str(target))
    file.write(b"all of it")
    file.keep(0o640, 10**18)
    file.close()
    assert (os.listdir(tmp_path), target.read_text()) == (["target"], "all of it")
    assert (stat.S_IMODE(target.stat().st_mode), target.stat().st_mtime) == (0o640, 1e9)


async def test_a_command_ends_and_its_client_learns_it_when_the_nodes_are_cut_off(pair) -> None:  # type: ignore[no-untyped-def]
    first, second = pair[0], pair[1]
    marker = second.directory / "tmp/pid"
    process = command(
        pair, "cl_rsh", "node2", f"echo $$ > {marker}; exec sleep 600", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    await eventually(lambda: marker.exists() and marker.read_text(), "the command runs")
    Faults(first.root.identity.lab).partition(["node1"], ["node2"], keep_disk=False)
    _, complaint = await asyncio.to_thread(process.communicate, None, 20)
    assert (process.returncode, complaint) == (1, b"Communication error, see logfile\n")
    pid = int(marker.read_text())
    await eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the command is ended")


async def test_a_copy_that_is_cut_off_leaves_the_old_file(pair) -> None:  # type: ignore[no-untyped-def]
    first, second = pair[0], pair[1]
    target = second.directory / "tmp/target"
    target.write_text("old")

    def begin() -> str:
        with client.Session(first.root, "node2") as session:
            session.send(Put("/tmp/target", 100_000_000, 0o644, 0, False))
            session._socket.sendall(b"x" * 1_000_000)
            Faults(first.root.identity.lab).partition(["node1"], ["node2"], keep_disk=False)
            try:
                session.receive()
            except client.ClcomdError as error:
                return str(error)
            return "served"

    assert "the connection was lost" in await asyncio.wait_for(asyncio.to_thread(begin), 20)
    await eventually(lambda: pair[2].sessions == 0, "the session ends")
    assert target.read_text() == "old"
    assert os.listdir(target.parent) == ["target"]


async def test_what_cannot_be_copied_is_said(pair) -> None:  # type: ignore[no-untyped-def]
    first, second = pair[0], pair[1]
    (second.directory / "tmp/folder").mkdir()
    os.mkfifo(second.directory / "tmp/pipe")

    def get(path: str) -> str:
        with Copier(first.root, preserve=False, recursive=False) as copier:
            try:
                copier.copy(Place("node2", path), Place("", str(first.directory / "tmp/x")), into=False)
            except (CopyError, client.ClcomdError) as error:
                return str(error)
        return ""

    for path, complaint in (
        ("/tmp/folder", "/tmp/folder: not a plain file"),
        ("/tmp/pipe", "/tmp/pipe: not a plain file"),
        ("/tmp/nosuch", "/tmp/nosuch: No such file or directory"),
        ("tmp", "tmp is not an absolute path"),
    ):
        assert await asyncio.wait_for(asyncio.to_thread(get, path), 20) == complaint
    assert not (first.directory / "tmp/x").exists()


@pytest.mark.parametrize(
    ("word", "node", "path"),
    [
        ("node2:/a", "node2", "/a"),
        ("/a:b", "", "/a:b"),
        ("plain", "", "plain"),
        ("./x:y", "", "./x:y"),
        (":x", "", ":x"),
    ],
)
def test_places(word: str, node: str, path: str) -> None:
    assert Place.parse(word) == Place(node, path)
