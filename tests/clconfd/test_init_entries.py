"""The cluster's entries in /etc/inittab come and go with what the configuration has for a node."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.caa import client as caa
from daemons.clconfd import collector, corrections, init_entries, installation
from daemons.clconfd.init_entries import takes_addresses
from daemons.cluster.configuration import Configuration, Label
from tests.clconfd.test_installation import Node
from tests.clconfd.test_installation import node as node2  # noqa: F401
from tests.cluster.test_configuration import SAMPLE

HACMP, HARC = (f"{record}\n" for record in init_entries.RECORDS.values())
START = "hacmp6000:2:wait:/usr/es/sbin/cluster/etc/rc.cluster -boot -A\n"
NODE1, SERVICE = SAMPLE.labels
NODE2 = Label(label="node2", function="boot", address="127.9.9.2", network=NODE1.network, node="node2", interface="en0")
WITH = replace(SAMPLE, labels=(NODE1, NODE2, SERVICE))
WITHOUT = replace(WITH, labels=(NODE1, NODE2), groups=tuple(replace(g, resources=()) for g in SAMPLE.groups))


@pytest.fixture
def node(node2: Node, monkeypatch: pytest.MonkeyPatch) -> Node:  # noqa: F811
    node = node2
    programs = Path(node.root.path("/usr/sbin"))
    programs.mkdir(parents=True)
    for name in ("mkitab", "rmitab"):
        (programs / name).write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
            f"from srcctl.node.commands.itab import {name}\nsys.exit({name}(sys.argv))\n"
        )
        (programs / name).chmod(0o755)
    monkeypatch.setenv("HAES_ROOT", node.root.directory)
    monkeypatch.setattr(installation.security, "install", lambda root, pair: None)
    monkeypatch.setattr(caa, "follow_repository", lambda root, disk: None)
    monkeypatch.setattr(installation, "start_on_boot", lambda root: None)
    table(node).write_text(HACMP + START)
    return node


def table(node: Node) -> Path:
    return Path(node.root.path("/etc/inittab"))


def test_harc_comes_and_goes_with_the_service_labels_that_a_node_can_take(node: Node) -> None:
    node.commit(2, WITH)
    assert installation.bring_in_step(node.root) == 2, "clconfd brings what the node missed"
    assert table(node).read_text() == HACMP + HARC + START, "behind hacmp, before cluster services"
    node.commit(3, WITHOUT)
    installation.install_committed(node.root)
    assert table(node).read_text() == HACMP + START
    # What somebody has removed comes with the next synchronization.
    table(node).write_text(START)
    node.commit(4, WITH)
    installation.install_committed(node.root)
    assert table(node).read_text() == START + HACMP + HARC
    installation.forget(node.root)
    assert table(node).read_text() == START + HACMP, "a node without a cluster prepares for one still"


def test_what_is_there_and_what_cannot_be_told_is_left_alone(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    table(node).write_text(HACMP + HARC.replace(":wait:", ":off:"))
    node.commit(2, WITH)
    installation.install_committed(node.root)
    assert table(node).read_text() == HACMP + HARC.replace(":wait:", ":off:"), "the administrator's own"
    monkeypatch.setattr(init_entries, "needed", lambda root: None)
    init_entries.follow_configuration(node.root)
    assert "harc:" in table(node).read_text()
    table(node).unlink()
    init_entries.follow_configuration(node.root)
    assert collector.missing_init_entries(node.root, in_step=True) == ()


def test_one_look_at_the_table_decides(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, present = [], init_entries.present
    monkeypatch.setattr(init_entries, "present", lambda root: looks.append(root) or present(root))
    table(node).write_text(START)
    node.commit(2, WITH)
    installation.install_committed(node.root)
    assert len(looks) == 1, "what is added and what is taken out could be decided by two different tables"
    assert table(node).read_text() == START + HACMP + HARC


def test_verification_names_a_missing_entry_and_puts_it_back(node: Node) -> None:
    node.commit(2, WITH)
    installation.install_committed(node.root)
    table(node).write_text(START)
    assert collector.missing_init_entries(node.root, in_step=True) == ("hacmp", "harc")
    assert collector.missing_init_entries(node.root, in_step=False) == ("hacmp",), "harc comes with a synchronization"
    for name in ("hacmp", "harc"):
        corrections.correct(node.root, "inittab", [name])
    assert table(node).read_text() == START + HACMP + HARC
    assert collector.missing_init_entries(node.root, in_step=True) == ()
    with pytest.raises(corrections.CorrectionFailed):
        corrections.correct(node.root, "inittab", ["srcmstr"])


@pytest.mark.parametrize(
    ("configuration", "taken"),
    [
        (WITH, True),
        (WITHOUT, False),
        (replace(WITH, labels=(NODE1, SERVICE)), False),
        (replace(WITH, groups=tuple(replace(g, nodes=("node1",)) for g in WITH.groups)), False),
        (replace(WITH, settings=(("LABEL.app_svc.SITE", "siteA"),)), False),
        (replace(WITH, settings=(("LABEL.app_svc.SITE", "siteB"),)), True),
        (replace(WITH, groups=WITH.groups[1:]), False),
    ],
    ids=["yes", "no label", "no boot interface", "no node of the group", "other site", "own site", "no group has it"],
)
def test_a_node_takes_addresses_where_a_group_may_hold_a_label(configuration: Configuration, taken: bool) -> None:
    assert takes_addresses(configuration, "node2") is taken
