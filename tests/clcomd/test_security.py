"""TLS between clcomds: who has the cluster's certificate talks under it, and to nobody who has not."""

from __future__ import annotations

import asyncio
import os
import shutil

import pytest

from daemons.clcomd import client, security
from daemons.runtime.trust import Refused, connect_trusted
from tests.clcomd.conftest import KEY

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="this host has no openssl to make certificates")


@pytest.fixture(scope="module")
def certificates() -> list[tuple[str, str]]:
    return [security.make("cluster_a"), security.make("cluster_b")]


async def test_everything_goes_through_tls(pair, certificates) -> None:  # type: ignore[no-untyped-def]
    first, second, daemon, _ = pair
    for node in (first, second):
        security.install(node.root, certificates[0])
    data = os.urandom(1 << 20) * 8
    result = await asyncio.wait_for(asyncio.to_thread(client.run, first.root, "node2", ["/bin/cat"], data), 120)
    assert (result.status, result.out == data) == (0, True)
    source = first.directory / "tmp/source"
    source.write_bytes(data)

    def copy() -> object:
        with client.Session(first.root, "node2") as session:
            session.put(str(source), "/tmp/copy")
            session.get("/tmp/copy", str(first.directory / "tmp/back"))
            return session._socket.version()  # type: ignore[attr-defined]

    assert await asyncio.to_thread(copy) == "TLSv1.3"
    assert (first.directory / "tmp/back").read_bytes() == data
    assert "Security: TLS" in daemon.long_status()
    assert (second.directory / "etc/cluster/privkey.pem").stat().st_mode & 0o777 == 0o600


async def test_a_secured_node_lets_nobody_in_plainly_or_with_another_certificate(pair, certificates) -> None:  # type: ignore[no-untyped-def]
    first, second, _, port = pair
    security.install(second.root, certificates[0])
    with pytest.raises(Refused):
        await asyncio.to_thread(connect_trusted, second.address, port, KEY, "node1", source=first.address)
    assert "not encrypted" in second.log()
    security.install(first.root, certificates[1])
    with pytest.raises(client.ClcomdError):
        await asyncio.to_thread(client.run, first.root, "node2", ["/bin/true"])
    assert "TLS failed" in second.log()
    security.install(first.root, certificates[0])
    assert (await asyncio.to_thread(client.run, first.root, "node2", ["/bin/true"])).status == 0


async def test_a_node_that_is_not_secured_yet_is_spoken_to_plainly(pair, certificates) -> None:  # type: ignore[no-untyped-def]
    first, second, _, _ = pair
    security.install(first.root, certificates[0])
    assert (await asyncio.to_thread(client.run, first.root, "node2", ["/bin/true"])).status == 0
    assert "this node has no certificate" in second.log()
    security.install(second.root, certificates[0])
    security.install(first.root, None)
    with pytest.raises(client.ClcomdError):
        await asyncio.to_thread(client.run, first.root, "node2", ["/bin/true"])


async def test_a_damaged_certificate_lets_nobody_in(pair, certificates) -> None:  # type: ignore[no-untyped-def]
    first, second, _, _ = pair
    for node in (first, second):
        security.install(node.root, certificates[0])
    security.install(second.root, (certificates[0][0], "rubbish"))
    with pytest.raises(client.ClcomdError):
        await asyncio.to_thread(client.run, first.root, "node2", ["/bin/true"])
    assert "certificate cannot be used" in second.log()


def test_certificates_are_read_and_judged(pair_root, certificates) -> None:  # type: ignore[no-untyped-def]
    folder = pair_root.path("/etc")
    for name, text in (("c", certificates[0][0]), ("k", certificates[0][1]), ("other", certificates[1][1])):
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)
    assert security.read(pair_root, "/etc/c", "/etc/k") == certificates[0]
    for key in ("/etc/other", "/etc/nosuch"):
        with pytest.raises(security.SecurityFault, match="cannot be used"):
            security.read(pair_root, "/etc/c", key)


def test_a_host_without_openssl_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(security.SecurityFault, match="this host has no openssl"):
        security.make("cluster")


@pytest.mark.parametrize(
    ("level", "encrypts"), [("", False), ("Disable", False), ("Low", False), ("Med", True), ("High", True)]
)
def test_levels(level: str, encrypts: bool) -> None:
    assert security.encrypts(level) is encrypts
