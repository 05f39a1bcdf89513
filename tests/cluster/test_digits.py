"""Characters that are digits and no number ("²") end no command in a traceback."""

from __future__ import annotations

import pytest

from daemons.caa.tunables import TUNABLES
from daemons.cluster.configuration import ApplicationMonitor, ConfigurationFault, whole_number
from daemons.cluster.configuration.topology import prefix_length
from daemons.cluster.listing.pinging import cl_ping
from srcctl.network.options import OPTIONS
from srcctl.network.tuning import _change
from srcctl.node.root import NodeRoot


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
