"""The reliable links of this node, one for each session (a proposed or installed view) and peer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from daemons.cthags.link import Link
from daemons.cthags.wire import Ack, Data, PeerMessage, ViewId, peer_codec
from srcctl.machine import earliest

Key = tuple[ViewId, int]


class Sessions:
    """Links by session and node; those that have something to send are noted until ``transmit``."""

    def __init__(self) -> None:
        self._links: dict[Key, Link] = {}
        self._touched: dict[Key, None] = {}

    def __iter__(self) -> Iterator[Key]:
        return iter(self._links)

    def get(self, session: ViewId, node: int) -> Link | None:
        """The link to a node within a session."""
        return self._links.get((session, node))

    def open(self, session: ViewId, node: int, source: int, target: int) -> Link:
        """Make a link between two lives (incarnations) of this node and another one."""
        link = self._links[session, node] = Link(session, source, target)
        return link

    def keep(self, wanted: Callable[[ViewId, int], bool]) -> None:
        """Drop all links but those wanted."""
        self._links = {key: link for key, link in self._links.items() if wanted(*key)}

    def drop(self, session: ViewId) -> None:
        """Drop all links of a session."""
        self.keep(lambda other, _: other != session)

    def send(self, session: ViewId, node: int, message: PeerMessage) -> None:
        """Queue a message; without a link it is lost."""
        link = self._links.get((session, node))
        if link is not None:
            link.send(peer_codec.encode(message))
            self._touched[session, node] = None

    def touch(self, session: ViewId, node: int) -> None:
        """A link may have something to send."""
        self._touched[session, node] = None

    def next_deadline(self) -> int | None:
        """When ``expire`` is due."""
        return earliest(*[link.resend_at for link in self._links.values()])

    def expire(self, now: int) -> None:
        """Time has passed: links whose packets are to be sent again have something to send."""
        for key, link in self._links.items():
            if link.resend_at is not None and now >= link.resend_at:
                self._touched[key] = None

    def transmit(self, now: int) -> Iterator[tuple[int, Data | Ack]]:
        """The packets to send now, with their nodes."""
        if not self._touched:
            return
        touched, self._touched = self._touched, {}
        for key in touched:
            link = self._links.get(key)
            if link is not None:
                for packet in link.transmit(now):
                    yield key[1], packet
