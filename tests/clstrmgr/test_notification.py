"""Remote notifications: what a message file says, and who is told of which event."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemons.clstrmgr.commands import notification
from daemons.cluster.configuration import NotifyMethod
from tests.storage.conftest import nodes, template
from tests.storage.machine import Node

__all__ = ["nodes", "template"]


def test_letters_of_a_message_file_are_replaced() -> None:
    text = notification.message("%e on %n: %a, %d 100%p %x %", "node1", "network_down", "node1 net_ether_01", "today")
    assert text == "network_down on node1: node1 net_ether_01, today 100% %x %"


def box(node: Node) -> str:
    path = Path(node.root.path(f"{notification.MAILBOXES}/a@b"))
    return path.read_text() if path.exists() else ""


METHOD = NotifyMethod(name="mail", program="/etc/message", contact="a@b", nodes=("node1",), events=("node_down",))


@pytest.fixture
def asked(nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch) -> Node:
    node = nodes[0]
    monkeypatch.setenv("HAES_ROOT", node.root.directory)
    monkeypatch.setattr(notification, "load_notify_methods", lambda objects: (METHOD,))
    monkeypatch.setattr(notification.Repository, "get", lambda *_: [])
    Path(node.root.path("/etc/message")).write_text("From %n: %e %a\n")
    return node


def test_notification_is_delivered_for_its_events_only(asked: Node) -> None:
    assert notification.main(["cl_remote_notify", "node_up", "node1"]) == 0
    assert box(asked) == ""
    assert notification.main(["cl_remote_notify", "node_down", "node2"]) == 0
    assert "Subject: PowerHA SystemMirror event node_down on node node1\n\n>From node1: node_down node2\n" in box(asked)


def test_mail_program_is_tried_again(asked: Node) -> None:
    program = Path(asked.root.path(notification.MAIL))
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho $3 $(cat) >>{program}.log\n[ $(wc -l <{program}.log) -ge 2 ]\n")
    program.chmod(0o755)
    assert notification.main(["cl_remote_notify", "node_down", "node2"]) == 1
    assert Path(f"{program}.log").read_text() == "a@b From node1: node_down node2\n"
    assert notification.main(["cl_remote_notify", "node_down", "node2"]) == 0


def test_missing_message_file_and_a_pager_are_said(
    asked: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(asked.root.path("/etc/message")).unlink()
    assert notification.main(["cl_remote_notify", "node_down"]) == 1
    assert "the message file /etc/message" in capsys.readouterr().err
    pager = NotifyMethod(
        name="page", program="/etc/message", contact="5551234", nodes=("node1",), events=("node_down",)
    )
    monkeypatch.setattr(notification, "load_notify_methods", lambda objects: (pager,))
    assert notification.main(["cl_remote_notify", "node_down"]) == 1
    assert "no modem" in capsys.readouterr().err
