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


def test_what_is_no_message_is_named_and_harms_nobody(tmp_path: Path) -> None:
    console = tmp_path / "console"
    channel = SrcmstrChannel(select.poll(), Console(str(console)))
    theirs = channel.open()
    for packet in (
        b"\xff", b"[]", b"{", b'{"type": "halt", "mode": "q"}', b'{"type": "signal", "instance": 1}',
        b'{"type": "signal", "instance": "1", "signal": 15}', b'{"type": ["ready"]}', b"[" * 60000,
    ):  # fmt: skip
        theirs.send(packet)
    theirs.send(messages.encode(messages.Ready()))
    theirs.close()
    assert [message for message, _ in channel.receive()] == [messages.Ready()]
    assert console.read_text().count("srcmstr sent something else") == 8


def test_every_message_comes_back_as_it_was_sent() -> None:
    entry = messages.Entry(1, 2, "{}", ended=True, status=9)
    start = messages.Start(1, "/p", ["a"], {"A": "ä"}, 0, 20, "", "", "", True, "{}")
    for to in (start, messages.Signal(1, 9, True), messages.Acknowledge(1), messages.Ready()):
        assert messages.decode_to_lpar(messages.encode(to)) == to
    for back in (messages.Table([entry]), messages.Started(1, 2), messages.StartFailed(1, 2), messages.Ended(1, 9)):
        decoded = messages.decode_from_lpar(messages.encode(back))
        assert decoded == back
        assert type(decoded) is type(back)
    reply = messages.ControlReply("", {"lpar": 1}, "2", "", 1.5, True)
    assert messages.decode_reply(messages.encode(reply)) == reply
