"""The sample application: real processes, a real database, real requests."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from srcctl.lab import addresses
from srcctl.lab.sample.store import CounterStore
from srcctl.node.root import Identity, Interface, LabNode

REPOSITORY = Path(__file__).parents[2]


class Service:
    """A node's root with counterd in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = addresses.free_block(random.SystemRandom()) + ".33"
        (root / "etc").mkdir()
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{self.address}\tapp_svc # the service\n")
        interfaces = (Interface("en0", "net_ether_01", "127.0.0.1", "255.0.0.0"),)
        nodes = (LabNode("node7", 7, ("127.0.0.1",)),)
        identity = Identity("id", "", "", "", "", "", "node7", 7, 1.0, "folder", "", interfaces, nodes)
        (root / "etc/lpar.json").write_text(identity.text())

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        code = "import sys; from srcctl.lab.sample.counterd import main; sys.exit(main(sys.argv))"
        return subprocess.run(
            [sys.executable, "-c", code, *words],
            env={**os.environ, "HAES_ROOT": str(self.root)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self) -> subprocess.CompletedProcess[str]:
        return self.command("start", "-a", "app_svc", "-p", "8080", "-d", "/sharedfs/counter")

    def ask(self, path: str = "/") -> dict[str, object]:
        with urllib.request.urlopen(f"http://{self.address}:8080{path}", timeout=10) as answer:
            value: dict[str, object] = json.load(answer)
            return value

    def pid(self) -> int:
        return int((self.root / "var/run/counterd.pid").read_text())


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.command("stop")


def test_every_request_counts_and_names_the_node(service: Service) -> None:
    assert service.start().returncode == 0
    assert [service.ask() for _ in range(3)] == [{"node": "node7", "counter": n} for n in (1, 2, 3)]


def test_the_counter_survives_kill_9(service: Service) -> None:
    service.start()
    service.ask()
    pidfd = os.pidfd_open(service.pid())
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    while service.command("status").returncode == 0:
        pass
    assert service.start().returncode == 0
    assert service.ask()["counter"] == 2


def test_start_and_stop_may_be_repeated(service: Service) -> None:
    assert service.command("stop").returncode == 0
    assert service.start().returncode == 0
    first = service.pid()
    assert service.start().returncode == 0
    assert service.pid() == first
    assert service.command("status").returncode == 0
    assert service.command("stop").returncode == 0
    assert service.command("status").returncode == 1


def test_a_stale_pid_is_never_signalled(service: Service) -> None:
    (service.root / "var/run").mkdir(parents=True)
    (service.root / "var/run/counterd.pid").write_text(f"{os.getpid()}\n")
    assert service.command("stop").returncode == 0
    assert service.command("status").returncode == 1


def test_an_address_that_another_program_has_is_said(service: Service) -> None:
    with socket.create_server((service.address, 8080)):
        answer = service.start()
    assert answer.returncode == 1
    assert "Address already in use" in answer.stderr


def test_in_a_split_brain_both_halves_listen(service: Service) -> None:
    service.start()
    other = service.root / "other"
    other.mkdir()
    second = Service(other)
    (other / "etc/hosts").write_text(f"{service.address} app_svc\n")
    try:
        assert second.start().returncode == 0
        assert service.pid() != second.pid()
    finally:
        second.command("stop")


def test_other_paths_do_not_count(service: Service) -> None:
    service.start()
    with pytest.raises(urllib.error.HTTPError) as refused:
        service.ask("/nothing")
    assert refused.value.code == 404
    refused.value.close()
    assert service.ask()["counter"] == 1


def test_what_is_no_request_is_refused_and_does_not_count(service: Service) -> None:
    service.start()
    many = b"GET / HTTP/1.0\r\n" + b"a: b\r\n" * 200 + b"\r\n"
    for text, status in (
        (b"HEAD / HTTP/1.1\r\n\r\n", 501),
        (b"GET\r\n\r\n", 400),
        (b"GET / now\r\n\r\n", 400),
        (many, 431),
    ):
        with socket.create_connection((service.address, 8080), timeout=10) as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1 << 12).startswith(b"HTTP/1.0 %d " % status)
    with socket.create_connection((service.address, 8080), timeout=10):
        pass  # and who goes away at once is no harm
    assert service.ask("/?who=me")["counter"] == 1
    assert not (service.root / "var/adm/ras/counterd.log").read_text().count("Traceback")


def test_its_start_imports_little() -> None:
    """The time until it runs is a part of every takeover."""
    code = "import sys; before = set(sys.modules); import srcctl.lab.sample.counterd, srcctl.lab.sample.server"
    code += "; print(*sys.modules.keys() - before)"
    loaded = subprocess.run(
        [sys.executable, "-IS", "-c", f"import sys; sys.path.append({str(REPOSITORY)!r}); {code}"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert "sqlite3" in loaded
    assert not set(loaded) & {"http", "email", "ssl", "re", "json", "getopt", "argparse"}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["start"],
        ["start", "-a", "x", "-d"],
        ["start", "-a", "x", "-d", "/x", "-q", "1"],
        ["start", "-a", "x", "-p", "many", "-d", "/x"],
        ["stop", "now"],
    ],
)
def test_wrong_usage(service: Service, words: list[str]) -> None:
    answer = service.command(*words)
    assert answer.returncode == 2
    assert answer.stderr.startswith("usage: counterd")


def test_a_value_is_stored_before_it_is_told(tmp_path: Path) -> None:
    store = CounterStore(str(tmp_path))
    store.increase()
    connection = sqlite3.connect(tmp_path / "counter.db")
    assert connection.execute("SELECT value FROM counter").fetchone() == (1,)
    connection.close()
    store.close()
