"""Tunables."""

from __future__ import annotations

from daemons.caa import tunables


def test_tunables_have_their_ranges() -> None:
    assert tunables.TUNABLES["node_timeout"].fault("30000") is None
    for value in ("9999", "600001", "x", "-1", ""):
        assert tunables.TUNABLES["node_timeout"].fault(value)
    assert tunables.TUNABLES["deadman_mode"].fault("z")
    assert tunables.seconds((("network_fdt", "5000"),), "network_fdt") == 5.0
