"""Who may talk to clcomd: a stranger, an unlisted address and a listed one without the key are refused and logged."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import socket
from pathlib import Path

import pytest

from daemons.clcomd import client, service
from daemons.clcomd.access import parse_rhosts
from daemons.clcomd.client import ClcomdError
from daemons.clcomd.diagnostics import DiagnosticLog
from daemons.clcomd.service import reachable_by_others
from daemons.runtime.trust import Refused, connect_trusted
from srcctl.node.root import Identity, LabNode
from tests.clcomd.conftest import KEY

OTHER = b"o" * 32


async def test_a_listed_node_with_the_key_runs_commands_and_copies_files(pair) -> None:  # type: ignore[no-untyped-def]
    first, second, _, _ = pair
    result = await asyncio.to_thread(
        client.run, first.root, "node2", ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]
    )
    assert result == client.Result(7, b"out\n", b"err\n")
    assert await asyncio.to_thread(client.run, first.root, "node2", ["/bin/cat"], b"input") == (0, b"input", b"")
    assert (await asyncio.to_thread(client.run, first.root, "node2", ["/nosuch"])).status == 127
    killed = await asyncio.to_thread(client.run, first.root, "node2", ["/bin/sh", "-c", "kill -9 $$"])
    assert killed.status == 137
    source = first.directory / "tmp/source"
    source.write_bytes(os.urandom(3_000_000))
    source.chmod(0o640)

    def copy() -> None:
        with client.Session(first.root, "node2") as session:
            session.put(str(source), "/tmp/copy")
            session.get("/tmp/copy", str(first.directory / "tmp/back"))

    await asyncio.to_thread(copy)
    assert (first.directory / "tmp/back").read_bytes() == source.read_bytes()
    assert (second.directory / "tmp/copy").stat().st_mode & 0o777 == 0o640
    lines = [line for line in second.log().splitlines() if "CONNECTION" in line]
    form = (
        rf"\w{{3}} \w{{3}} \d\d \d\d:\d\d:\d\d \d{{4}}: CONNECTION: ACCEPTED: node1: {first.address}->{second.address}"
    )
    assert lines
    assert all(re.fullmatch(form, line) for line in lines), lines
    trace = (second.directory / "var/hacmp/clcomd/clcomddiag.log").read_text().splitlines()
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\(\d+\): service\.py: log_command: \d+: node1 runs: /bin/cat"
    assert any(re.fullmatch(form, line) for line in trace), trace

    def refused() -> None:
        with client.Session(first.root, "node2") as session:
            session.put(str(source), "/nosuch/folder/file")

    with pytest.raises(ClcomdError, match="No such file"):
        await asyncio.to_thread(refused)


async def test_a_listed_address_without_the_key_is_refused_and_logged(pair) -> None:  # type: ignore[no-untyped-def]
    first, second, _, port = pair
    with pytest.raises(Refused):
        await asyncio.to_thread(connect_trusted, second.address, port, OTHER, "node1", source=first.address)
    assert f"CONNECTION: REJECTED(the key challenge failed): node1: {first.address}->{second.address}" in second.log()


async def test_an_unlisted_address_is_refused_although_it_holds_the_key(pair) -> None:  # type: ignore[no-untyped-def]
    first, second, daemon, port = pair
    second.rhosts(second.address)
    assert await daemon.refresh() is None
    with pytest.raises(Refused):
        await asyncio.to_thread(connect_trusted, second.address, port, KEY, "node1", source=first.address)
    assert "neither rhosts nor the configuration" in second.log()
    assert (second.directory / "var/hacmp/clcomd/clcomd.log.1").exists(), "refresh moves the log"
    second.rhosts(first.address)
    await daemon.refresh()
    (await asyncio.to_thread(connect_trusted, second.address, port, KEY, "node1", source=first.address)).close()


async def test_rhosts_that_others_can_read_is_ignored(pair) -> None:  # type: ignore[no-untyped-def]
    first, second, daemon, port = pair
    second.rhosts(first.address, mode=0o644)
    await daemon.refresh()
    with pytest.raises(Refused):
        await asyncio.to_thread(connect_trusted, second.address, port, KEY, "node1", source=first.address)
    assert "its mode must be 0600" in second.log()


async def test_a_stranger_and_one_node_in_anothers_name_are_refused(pair) -> None:  # type: ignore[no-untyped-def]
    first, second, _, port = pair
    with pytest.raises(Refused):
        await asyncio.to_thread(connect_trusted, second.address, port, OTHER, "stranger", source="127.0.0.1")

    def pretend() -> bytes:
        with connect_trusted(second.address, port, KEY, "node2", source=first.address) as sock:
            return sock.recv(1)

    assert await asyncio.to_thread(pretend) == b"", "the connection just ends"
    assert "it claims to be node2" in second.log()


@pytest.mark.parametrize("first_bytes", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 500, b"HAES1" + b"\xff" * 60])
async def test_what_arrives_before_trust_costs_a_bounded_read(pair, first_bytes: bytes) -> None:  # type: ignore[no-untyped-def]
    first, second, _, port = pair

    def knock() -> bytes:
        with socket.create_connection((second.address, port), 5, (first.address, 0)) as sock:
            sock.sendall(first_bytes)
            sock.shutdown(socket.SHUT_WR)
            received = b""
            while part := sock.recv(1000):
                received += part
            return received

    assert len(await asyncio.to_thread(knock)) in (0, 32), "a nonce at most"
    assert (await asyncio.to_thread(client.run, first.root, "node2", ["/bin/true"])).status == 0


async def test_who_only_knocks_keeps_nobody_out(pair, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    first, second, daemon, port = pair
    monkeypatch.setattr(service, "KNOCKING_MAX", 4)
    # Nobody has to go because the time for the challenge is over.
    monkeypatch.setattr(service, "challenge_server", functools.partial(service.challenge_server, time_limit=600))
    idle = [
        await asyncio.open_connection(second.address, port, local_addr=(first.address, 0))
        for _ in range(2 * service.KNOCKING_MAX)
    ]
    try:
        assert await asyncio.wait_for(idle[0][0].read(1), 20) == b"", "the first had to make room"
        async with asyncio.timeout(20):
            assert (await asyncio.to_thread(client.run, first.root, "node2", ["/bin/true"])).status == 0
        assert len(daemon.knocking) <= service.KNOCKING_MAX
    finally:
        for _, writer in idle:
            writer.close()


async def test_the_command_of_a_lost_connection_is_ended(pair) -> None:  # type: ignore[no-untyped-def]
    first, second, _, _ = pair
    marker = second.directory / "tmp/pid"

    def begin_and_leave() -> None:
        session = client.Session(first.root, "node2")
        session.send(client.Run(("/bin/sh", "-c", f"echo $$ > {marker}; exec sleep 600")))
        while not marker.exists() or not marker.read_text():
            pass
        session.close()

    await asyncio.wait_for(asyncio.to_thread(begin_and_leave), 30)
    pid = int(marker.read_text())
    async with asyncio.timeout(30):
        while os.path.exists(f"/proc/{pid}"):  # noqa: ASYNC110 - a process that ends makes no event here
            await asyncio.sleep(0.01)


def test_rhosts_grammar() -> None:
    identity = Identity("", "", "", "", "", "", "a", 1, 1.0, "", "", (), (LabNode("nodeb", 2, ("127.1.1.2",)),))
    found = parse_rhosts("# comment\n\n127.1.1.1\nnodeb\nnosuch\n", identity)
    assert parse_rhosts("127.1.1.²\n", identity).faults == ("/etc/cluster/rhosts, line 1: 127.1.1.² is not known",)
    assert found.addresses == {"127.1.1.1", "127.1.1.2"}
    assert "line 5" in found.faults[0]
    named = parse_rhosts("nosuch\n", identity, {"nosuch": "127.1.1.3"})
    assert (named.addresses, named.faults) == ({"127.1.1.3"}, ())


async def test_names_in_rhosts_are_those_of_etc_hosts(pair) -> None:  # type: ignore[no-untyped-def]
    second, daemon = pair[1], pair[2]
    (second.directory / "etc/hosts").write_text("127.1.1.9\tjump box # of the operators\n127.1.1.8 jump\n")
    second.rhosts("jump")
    assert await daemon.refresh() is None
    assert daemon.access.admits("127.1.1.9")
    assert not daemon.access.admits("127.1.1.8")
    assert daemon.access.faults == ()


def test_another_user_is_taken_only_where_he_can_reach_the_node(tmp_path: Path) -> None:
    outer, inner = tmp_path / "home", tmp_path / "home" / "lab"
    inner.mkdir(parents=True)
    for folder in (outer, inner):
        folder.chmod(0o755)
    assert reachable_by_others("/")
    assert reachable_by_others(str(inner)) == reachable_by_others(str(tmp_path))
    outer.chmod(0o700)
    assert not reachable_by_others(str(inner))


def test_the_trace_is_bounded(tmp_path: Path) -> None:
    trace = DiagnosticLog(str(tmp_path / "clcomddiag.log"))
    for number in range(3000):
        trace.write(f"{number} " + "x" * 1000)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["clcomddiag.log", "clcomddiag.log.1", "clcomddiag.log.2", "clcomddiag.log.3"]
    assert all(path.stat().st_size <= 1 << 20 for path in tmp_path.iterdir())
    last = (tmp_path / "clcomddiag.log").read_text().splitlines()[-1]
    assert ": test_trust.py: test_the_trace_is_bounded: " in last
    assert ": 2999 xxx" in last
