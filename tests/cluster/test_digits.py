"""Characters that are digits and no number ("²") end no command in a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemons.caa.tunables import TUNABLES
from daemons.clcomd import access
from daemons.clmgr import commands as clmgr
from daemons.clmgr import queries
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.snapshots.commands import clconvert_snapshot
from daemons.clmgr.synchronization.commands import cldare
from daemons.clmgr.views import reports
from daemons.cluster.configuration import ApplicationMonitor, ConfigurationFault, whole_number
from daemons.cluster.configuration.topology import prefix_length
from daemons.cluster.listing.pinging import cl_ping
from srcctl.accounts.files import parse_groups, parse_users
from srcctl.network.options import OPTIONS
from srcctl.network.tuning import _change
from srcctl.node.root import NodeRoot
from srcctl.node.seed import shifted_services
from srcctl.src.client import _passed_on
from srcctl.src.packets import ERROR, FORWARDED, StatusCode, StatusReply
from srcctl.storage.disk import disk_names
from tests.clmgr.sample import asked, facts, sample


def test_a_netmask() -> None:
    assert prefix_length("255.255.255.²") == ""
    assert prefix_length("255.255.255.0") == "24"


def test_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert cl_ping(["cl_ping", "-c", "²"]) != 0
    assert capsys.readouterr().err.startswith("Usage: ")
    name = next(iter(OPTIONS))
    assert _change(NodeRoot("/nowhere"), "o", [f"{name}=²"], False, False) == 1
    assert capsys.readouterr().err == f"no: ² is an invalid value for tunable {name}\n"


@pytest.mark.parametrize("text", ["²", "٣", "9" * 5000, "", "-1", "1.5"])
def test_a_setting_that_is_no_number_counts_as_not_set(text: str) -> None:
    assert whole_number(text, 60) == 60
    assert TUNABLES["node_timeout"].fault(text) is not None
    if text:
        with pytest.raises(ConfigurationFault):
            _ = ApplicationMonitor(name="m", attributes=(("MONITOR_INTERVAL", text),)).interval


def test_a_setting_that_is_one() -> None:
    assert whole_number(" 30 ", 60) == 30


NO_NUMBERS = ("²", "9" * 5000)


@pytest.mark.parametrize("text", NO_NUMBERS, ids=("superscript", "long"))
def test_what_others_wrote(text: str, tmp_path: Path) -> None:
    assert [user.name for user in parse_users(f"bad:x:{text}:1::/:/bin/sh\ngood:x:7:1::/:/bin/sh\n")] == ["good"]
    assert parse_groups(f"bad:x:{text}:\n") == []
    assert shifted_services(f"odd {text}/tcp\nsnmp 161/udp\n").splitlines()[1:] == [f"odd {text}/tcp", "snmp 10161/udp"]
    assert not access._is_address(f"127.0.0.{text}")
    (tmp_path / "disks").mkdir()
    for name in ("hdisk²", "hdisk10", "hdisk2"):
        (tmp_path / "disks" / name).touch()
    assert disk_names(str(tmp_path)) == ["hdisk2", "hdisk10"]
    answer = StatusReply((StatusCode(FORWARDED, "", text[:60], ERROR),))
    assert _passed_on(answer) is None, "an answer that names no instance is the answer itself"


@pytest.mark.parametrize("text", NO_NUMBERS, ids=("superscript", "long"))
def test_arguments_of_commands(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [(cl_ping, ["-c", text]), (cldare, ["-e", text]), (clconvert_snapshot, ["-v", text, "-s", "name"])]
    for command, words in commands:
        assert command([command.__name__, *words]) == 1
        assert "Usage: " in capsys.readouterr().err
    clmgr._limit_time(text)  # what is no limit limits nothing
    with pytest.raises(ClmgrError, match="BEGIN_TIME"):
        reports._moment(asked("view", "report", "events", f"BEGIN_TIME={text}:1:1"), "BEGIN_TIME")


def test_a_tunable_that_is_no_number_is_shown_as_its_default() -> None:
    found = queries.query("cluster", sample(), facts(tunables={"node_timeout": "²"}))
    assert dict(found[0])["HEARTBEAT_FREQUENCY"] == "30"
