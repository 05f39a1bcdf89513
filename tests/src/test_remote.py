"""Requests between nodes: only with ``srcmstr -r``, from hosts that hosts.equiv trusts, under the lab's key."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from srcctl.src import packets, remote
from srcctl.srcmstr import remote as remote_requests
from srcctl.srcmstr.remote import Relay, RemoteRequests, allowed
from tests.src.node import Inetd, Run, SrcNode

OURS, THEIRS = "127.77.1.1", "127.77.1.2"
HOSTS = f"{OURS} node1\n{THEIRS} node2 other\n"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((THEIRS, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SrcNode]:
    """node2, with -r; the commands run on node1."""
    port = free_port()
    near, node = SrcNode(tmp_path, OURS, port=port), SrcNode(tmp_path, THEIRS, "node2", remote=True, port=port)
    # The subsystems of both live in this process, which has one root only to send answers in.
    Path(node.root.path("/dev/.SRC-unix")).mkdir()
    Path(near.root.path("/dev/.SRC-unix")).symlink_to(node.root.path("/dev/.SRC-unix"))
    with node, near:
        for one in (near, node):
            Path(one.root.path("/etc/hosts")).write_text(HOSTS)
        Path(node.root.path("/etc/hosts.equiv")).write_text("node1\n")
        monkeypatch.setenv("HAES_ROOT", node.root.directory)
        monkeypatch.setenv("SRC_TIME_LIMIT", "20")
        yield node


def test_commands_reach_another_node(far: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["mkssys", "-s", "inetd", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    assert run(["mkserver", "-c", "1", "-s", "inetd", "-t", "telnet"])[0] == 0
    monkeypatch.setenv("HAES_ROOT", far.root.directory.replace("node2", "node1"))
    assert run(["startsrc", "-s", "inetd"])[2].startswith("0513-085"), "not on file on this node"
    assert run(["startsrc", "-h", "node2", "-s", "inetd"]) == (
        0, "0513-059 The inetd Subsystem has been started. Subsystem PID is 4456846.\n", "",
    )  # fmt: skip
    assert run(["startsrc", "-h", "OTHER", "-t", "telnet"])[1].startswith("0513-124")
    assert run(["lssrc", "-h", THEIRS, "-ls", "inetd"])[1].endswith("Debug         Not active\n")
    assert run(["traceson", "-h", "node2", "-s", "inetd"])[0] == 0
    assert run(["tracesoff", "-h", "node2", "-s", "inetd"])[0] == 0
    assert run(["refresh", "-h", "node2", "-s", "inetd"])[0] == 0
    assert " inetd                             4456846      active" in run(["lssrc", "-h", "node2", "-a"])[1]
    assert run(["stopsrc", "-h", "node2", "-s", "inetd"])[0] == 0
    assert run(["lssrc", "-h", "nowhere", "-a"]) == (1, "0513-050 The host nowhere is not known.\n", "")


def test_a_request_with_which_srcmstr_ended_is_answered_by_its_successor(
    far: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done once, and the caller is told what came of it."""
    assert run(["mkssys", "-s", "inetd", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    monkeypatch.setenv("HAES_ROOT", far.root.directory.replace("node2", "node1"))
    pass_back = RemoteRequests._pass_back
    lost: list[bytes] = []

    def end_first(self: RemoteRequests, relay: Relay) -> None:
        """The first answer of a request ends with srcmstr, and what it knew of the request."""
        if lost:
            pass_back(self, relay)
            return
        lost.append(relay.local.recv(packets.PACKET_MAX))
        self._readers.unregister(relay.local)
        relay.local.close()
        self._relays.clear()
        self._seen.clear()

    monkeypatch.setattr(RemoteRequests, "_pass_back", end_first)
    started = "0513-059 The inetd Subsystem has been started. Subsystem PID is 4456846.\n"
    assert run(["startsrc", "-h", "node2", "-s", "inetd"]) == (0, started, "")
    lost.clear()
    assert run(["stopsrc", "-h", "node2", "-s", "inetd"])[:2] == (
        0, "0513-044 The inetd Subsystem was requested to stop.\n"
    )  # fmt: skip


def test_a_request_to_a_srcmstr_that_is_just_being_started(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    near = SrcNode(tmp_path, OURS, port=port)
    Path(near.root.path("/etc/hosts")).write_text(HOSTS)
    monkeypatch.setenv("HAES_ROOT", near.root.directory)
    monkeypatch.setenv("SRC_TIME_LIMIT", "20")
    answers: list[tuple[int, str, str]] = []
    asker = threading.Thread(target=lambda: answers.append(run(["lssrc", "-h", "node2", "-a"])))
    with near, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dying:
        dying.bind((THEIRS, port))
        dying.settimeout(20)
        asker.start()
        dying.recv(remote.SEALED_MAX)
    far = SrcNode(tmp_path, THEIRS, "node2", remote=True, port=port)
    Path(far.root.path("/etc/hosts")).write_text(HOSTS)
    Path(far.root.path("/etc/hosts.equiv")).write_text("node1\n")
    Path(far.root.path("/dev/.SRC-unix")).mkdir()
    with far:
        asker.join(20)
    assert answers == [(0, "Subsystem         Group            PID          Status \n", "")]


def test_a_request_for_whose_answer_there_is_no_room_yet(
    far: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, too many open files: srcmstr lives, says so once, and carries it out when it comes again."""
    monkeypatch.setenv("HAES_ROOT", far.root.directory.replace("node2", "node1"))
    refused: list[str] = []
    bind = remote_requests.sockets.bind

    def full(path: str, kind: int) -> socket.socket:
        if len(refused) < 2:
            refused.append(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return bind(path, kind)

    monkeypatch.setattr(remote_requests, "sockets", SimpleNamespace(bind=full))
    assert run(["lssrc", "-h", "node2", "-a"])[0] == 0
    assert len(refused) == 2
    complaint = f"srcmstr: a request from {OURS} cannot be answered: No space left on device\n"
    assert Path(far.root.path("/dev/console")).read_text().count(complaint) == 1


@pytest.mark.usefixtures("slow_asker")
def test_a_long_status_arrives_whole_over_the_network(far: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{number:06d} {'x' * 90}" for number in range(5_000)]
    monkeypatch.setattr(Inetd, "long_status", lambda self: lines)
    assert run(["mkssys", "-s", "inetd", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    assert run(["startsrc", "-s", "inetd"])[0] == 0
    monkeypatch.setenv("HAES_ROOT", far.root.directory.replace("node2", "node1"))
    status, out, err = run(["lssrc", "-h", "node2", "-ls", "inetd"])
    assert (status, err) == (0, "")
    assert out.splitlines()[2:] == lines


def test_only_root_asks_another_node(far: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the manual pages of all commands with -h say: the local user must be root."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    for words in (["lssrc", "-a"], ["startsrc", "-s", "inetd"], ["stopsrc", "-a"], ["refresh", "-s", "inetd"],
                  ["traceson", "-s", "inetd"], ["tracesoff", "-s", "inetd"], ["nlssrc", "-a"]):  # fmt: skip
        status, out, err = run([words[0], "-h", "node2", *words[1:]])
        assert (status, out + err) == (1, "0513-053 Only root may ask another host (-h).\n")


def test_a_host_that_is_not_trusted_and_one_without_r_time_out(
    far: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAES_ROOT", far.root.directory.replace("node2", "node1"))
    monkeypatch.setenv("SRC_TIME_LIMIT", "0.4")
    Path(far.root.path("/etc/hosts.equiv")).write_text("-node1\n+\n")
    status, out, err = run(["lssrc", "-h", "node2", "-a"])
    assert (status, out) == (1, "")
    assert err.startswith("0513-056 Timeout waiting for command response. If you specified a foreign host,\n")
    assert "refused" in Path(far.root.path("/dev/console")).read_text()
    assert run(["lssrc", "-h", "node1", "-a"])[2].startswith("0513-056"), "this node's srcmstr runs without -r"


def test_what_is_not_sealed_or_sealed_twice_or_for_something_else_is_dropped(far: SrcNode) -> None:
    key = remote.lab_key(far.root)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((OURS, 0))
        own.settimeout(20)
        address = (THEIRS, remote.port(far.root))
        packet = packets.encode_request(
            packets.Request(packets.STATUS, kind=packets.ALL_SUBSYSTEMS, retaddr="{}:{}".format(*own.getsockname()))
        )
        good = remote.seal(key, remote.REQUEST, packet)
        for bad in (
            packet,
            b"",
            good[:-1],
            remote.seal(b"another", remote.REQUEST, packet),
            remote.seal(key, remote.ANSWER, packet),
            remote.seal(key, remote.REQUEST, packets.encode_request(packets.Request(2, kind=3, retaddr=f"{THEIRS}:9"))),
        ):
            own.sendto(bad, address)
        own.sendto(good, address)
        assert remote.unseal(key, remote.ANSWER, own.recv(9000)) is not None
        own.settimeout(0.3)
        own.sendto(good, address)
        with pytest.raises(TimeoutError):
            own.recv(9000)


@pytest.mark.parametrize(
    ("text", "trusted"),
    [("node1", True), ("", False), ("node2\n+", True), ("-node1\n+", False), ("# node1", False), ("node1 root", True)],
)
def test_hosts_equiv(text: str, trusted: bool) -> None:
    assert allowed(text, {"node1", OURS}) is trusted
