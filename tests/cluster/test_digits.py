"""Characters that are digits and no number ("²") end no command in a traceback."""

from __future__ import annotations

import pytest

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
