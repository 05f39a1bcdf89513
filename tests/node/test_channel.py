"""What srcmstr said with its last breath is heard."""

from __future__ import annotations

import select
from pathlib import Path

from srcctl.node import messages
from srcctl.node.channel import SrcmstrChannel
from srcctl.node.console import Console


def test_last_words_are_heard_though_srcmstr_died_with_unread_messages(tmp_path: Path) -> None:
    channel = SrcmstrChannel(select.poll(), Console(str(tmp_path / "console")))
    theirs = channel.open()
    assert channel.send(messages.Started(1, 100))
    theirs.send(messages.encode(messages.Signal(1, 15, False)))
    theirs.send(messages.encode(messages.Acknowledge(2)))
    theirs.close()
    assert [message for message, _ in channel.receive()] == [messages.Signal(1, 15, False), messages.Acknowledge(2)]
    assert channel.descriptor == -1
