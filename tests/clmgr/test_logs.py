"""Which files a log has, on this node and on others."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.views import logs
from daemons.cluster.configuration import Configuration, LogFile
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import IDENTITY, asked, sample


def with_daily() -> Configuration:
    from msgspec.structs import replace

    daily = LogFile(name="cluster.mmddyyyy", directory="/var/hacmp/adm/history")
    return replace(sample(), logs=(*sample().logs, daily))


def test_the_logs_of_a_node_with_their_old_copies() -> None:
    folders = {
        "/var/hacmp/log": ["hacmp.out", "hacmp.out.1", "clutils.log"],
        "/var/hacmp/adm/history": ["cluster.11272026", "cluster.11282026", "notes"],
        "/var/ct": ["IW", "haes_cluster", "cthags.sock"],
        **{f"/var/ct/{domain}": ["log"] for domain in ("IW", "haes_cluster")},
        "/var/ct/IW/log": ["mc"],
        "/var/ct/haes_cluster/log": ["cthags"],
        "/var/ct/IW/log/mc": ["default"],
        "/var/ct/haes_cluster/log/cthags": ["cthags.default"],
    }

    def names_in(path: str) -> list[str]:
        assert not path.startswith("/var/ct/cthags.sock/"), "a socket has nothing below it"
        return folders.get(path, [])

    found = list(logs.wanted_logs(with_daily(), names_in, True))
    assert found == [
        ("/var/hacmp/log/hacmp.out", "hacmp.out"),
        ("/var/hacmp/log/hacmp.out.1", "hacmp.out.1"),
        ("/var/hacmp/adm/history/cluster.11272026", "cluster.11272026"),
        ("/var/hacmp/adm/history/cluster.11282026", "cluster.11282026"),
        ("/var/ct/IW/log/mc/default", "rsct/IW/mc/default"),
        ("/var/ct/haes_cluster/log/cthags/cthags.default", "rsct/haes_cluster/cthags/cthags.default"),
    ]
    without = list(logs.wanted_logs(with_daily(), lambda path: folders.get(path, []), False))
    assert without == found[:4]


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    made = NodeRoot(str(tmp_path))
    made._identity = IDENTITY
    return made


def test_the_log_with_a_file_a_day_is_its_last_day(root: NodeRoot, capsys: pytest.CaptureFixture[str]) -> None:
    request = asked("view", "log", "cluster.mmddyyyy")
    with pytest.raises(ClmgrError) as refused:
        logs.view(root, request, with_daily())
    assert refused.value.code == 2
    history = Path(root.path("/var/hacmp/adm/history"))
    history.mkdir(parents=True)
    for day in ("12312025", "01022026", "01012026"):
        (history / f"cluster.{day}").write_text(f"{day}\n")
    logs.view(root, request, with_daily())
    assert capsys.readouterr().out == "01022026\n"


def test_what_is_no_directory_takes_no_logs(root: NodeRoot) -> None:
    (Path(root.directory) / "file").touch()
    with pytest.raises(ClmgrError, match="is not a directory") as refused:
        logs.collect(root, asked("manage", "logs", "collect", "DIRECTORY=/file"), sample())
    assert refused.value.code == 4
    with pytest.raises(ClmgrError, match='"node9" does not appear') as refused:
        logs.collect(root, asked("manage", "logs", "collect", "NODES=node9"), sample())
    assert refused.value.code == 2
