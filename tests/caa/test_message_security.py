"""``clctrl -sec`` and ``-commit``: their command lines, and what a node that is told takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemons.caa.client import CaaError
from daemons.caa.message_security import Security, parse_security, take
from daemons.clcomd import security
from srcctl.commands.options import UsageError
from srcctl.node.root import NodeRoot


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-l none", Security(False, "", "")),
        ("-l Disable", Security(False, "", "")),
        ("-l low -s DES", Security(False, "", "")),
        ("-l low -s md5_3des -e", Security(True, "", "")),
        ("-l Med -s AES", Security(True, "", "")),
        ("-s aes -l high -t OpenSSL -c /c.pem -f /k.pem", Security(True, "/c.pem", "/k.pem")),
    ],
)
def test_a_command_line(words: str, expected: Security) -> None:
    assert parse_security(words.split()) == expected


@pytest.mark.parametrize(
    "words",
    ["", "-l", "-s AES", "-l high", "-l high -s AES x", "-l high -s AES -c /c", "-l high -s AES -c /c -f /k", "-z",
     "-l high -s AES -t openssl"],
)  # fmt: skip
def test_what_is_none(words: str) -> None:
    with pytest.raises(UsageError):
        parse_security(words.split())


@pytest.mark.parametrize("words", ["-l extreme -s AES", "-l high -s RC4", "-l none -s AES", "-l high -s AES -t ssh"])
def test_what_means_nothing(words: str) -> None:
    with pytest.raises(CaaError):
        parse_security(words.split())


def test_a_node_takes_a_certificate_with_its_key_and_nothing_else(tmp_path: Path) -> None:
    root = NodeRoot(str(tmp_path))
    pair = ["-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n"]
    for rubbish in (
        b"",
        b"\xff",
        b"[]",
        b"7",
        b'"text"',
        json.dumps(pair[::-1]).encode(),
        json.dumps(pair[:1]).encode(),
    ):
        with pytest.raises(CaaError):
            take(root, rubbish)
        assert not security.is_secured(root)
    take(root, json.dumps(pair).encode())
    assert security.installed(root) == tuple(pair)
    assert (tmp_path / "etc/cluster/privkey.pem").stat().st_mode & 0o777 == 0o600
    take(root, b"null")
    assert not security.is_secured(root)
