"""The lines of syslog.caa, and that the cluster configuration follows the repository."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from daemons.caa.replacement import CLASS, CONFIGURATIONS, follow
from daemons.caa.syslog import CaaLog
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository
from srcctl.storage.disk import pvid

SEEN = re.compile(
    r"[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d node1 caa:(info|err\|error) cluster\[(\d+)\]: "
    r"(\S+) +(\S+) +(\d+) +(\d+) +(.*)\n"
)


def test_lines_are_those_of_syslogd(tmp_path: Path) -> None:
    log = CaaLog(str(tmp_path / "ras" / "syslog.caa"), "node1")
    log.write("START '/usr/sbin/chdev'")
    log.error("two\nlines")
    lines = (tmp_path / "ras" / "syslog.caa").read_text().splitlines(keepends=True)
    found = [match.groups() for line in lines if (match := SEEN.fullmatch(line))]
    here = ("test_syslog.py", "test_lines_are_those_of_syslogd")
    assert [(g[0], g[1], g[2:4], g[5], g[6]) for g in found] == [
        ("info", str(os.getpid()), here, "1", "START '/usr/sbin/chdev'"),
        ("err|error", str(os.getpid()), here, "1", "two lines"),
    ]
    assert int(found[1][4]) == int(found[0][4]) + 1, "the line of the source"


def sircol(root: NodeRoot, directory: str, repository: str, backups: str) -> None:
    os.makedirs(root.path(directory), exist_ok=True)
    catalogue = Repository(root, directory)
    catalogue.create(
        f"class {CLASS} {{ char name[64]; short id; vchar uuid[40]; vchar ip_address[64]; "
        "vchar repository[64]; vchar backup_repository[256]; };"
    )
    values = {"name": "c_sircol", "id": 0, "uuid": "0", "ip_address": ""}
    catalogue.add(CLASS, {**values, "repository": repository, "backup_repository": backups})


def test_the_configuration_follows_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = NodeRoot(str(tmp_path))
    (tmp_path / "etc").mkdir()
    identity = "lab1"
    disks = {name: pvid(identity, name) for name in ("hdisk1", "hdisk2", "hdisk3")}
    sircol(root, CONFIGURATIONS[0], disks["hdisk1"], f"{disks['hdisk2']} {disks['hdisk3']}")
    sircol(root, CONFIGURATIONS[1], disks["hdisk1"], f"{disks['hdisk2']} {disks['hdisk3']}")
    monkeypatch.setattr(NodeRoot, "identity", type("Named", (), {"lab_id": identity})())
    assert follow(root, "hdisk2")
    for directory in CONFIGURATIONS:
        (entry,) = Repository(root, directory).get(CLASS)
        assert (entry["repository"], entry["backup_repository"]) == (disks["hdisk2"], disks["hdisk3"])
    assert not follow(root, "hdisk2"), "it names it already"
