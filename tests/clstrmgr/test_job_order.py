"""In which order the shipped scripts acquire what a group has."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemons.clstrmgr.events import Stage
from tests.clstrmgr.test_scripts import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_file_systems_come_before_addresses_where_a_group_wants_it(node: Node) -> None:
    (entry,) = node.configuration.groups
    changed = msgspec.structs.replace(
        entry, resources=(*entry.resources, ("FS_BEFORE_IPADDR", "true"), ("FORCED_VARYON", "true"))
    )
    node.configuration = msgspec.structs.replace(node.configuration, groups=(changed,))
    varyon = node.bin / "varyonvg"
    varyon.write_text(f'#!/bin/bash\necho "varyonvg $*" >>{node.calls}\n[[ $1 == -f ]]\n')
    assert node.run(Stage.ACQUIRE, "node_up", "node1") == 0
    assert node.calls.read_text().splitlines() == [
        "varyonvg rg1vg",
        "lsvg -o",
        "varyonvg -O rg1vg",
        "varyonvg -f rg1vg",
        "mount /rg1",
        "ifconfig en0 alias 127.0.0.33 netmask 255.255.255.0 up",
    ]
