"""A reliable, ordered link to one peer within one session, over datagrams that may be lost, doubled or reordered.

A sliding window with cumulative acknowledgements and exponential back-off (RFC 9293, section 3.8, without its
congestion control: the links of a cluster are few and their windows small). Messages larger than a packet are cut.
"""

from __future__ import annotations

from collections import deque

from daemons.cthags.wire import Ack, Data, ViewId
from srcctl.machine import MILLISECOND, RemoteFault

FRAGMENT_BYTES = 7_500
"""So that every packet also fits on the path over the repository disk (caa.messages.RELAY_MAX)."""
WINDOW = 64
"""Packets in flight, and packets kept that came too early."""

QUEUE_MAX = 8192
"""Packets that may wait for a peer; a peer for which more wait has failed."""

BURST = 8
"""Packets sent again at once."""

MESSAGE_BYTES_MAX = 32 << 20

RETRANSMIT_US = 40 * MILLISECOND
RETRANSMIT_US_MAX = 640 * MILLISECOND


class Link:
    """One end of a link.

    Args:
        session: what the link belongs to; packets of another session are not given to it.
        source: this end's incarnation.
        target: the other end's.
    """

    __slots__ = (
        "_acknowledged",
        "_early",
        "_expected",
        "_next",
        "_partial",
        "_partial_bytes",
        "_queue",
        "_resend_us",
        "_sent",
        "acknowledge_due",
        "resend_at",
        "session",
        "source",
        "target",
    )

    def __init__(self, session: ViewId, source: int, target: int) -> None:
        self.session = session
        self.source = source
        self.target = target
        self.acknowledge_due = False
        self._queue: deque[tuple[int, bool, bytes]] = deque()
        self._sent = 0
        self._next = 0
        self._acknowledged = 0
        self.resend_at: int | None = None
        """When ``transmit`` wants to be called again."""
        self._resend_us = RETRANSMIT_US
        self._expected = 0
        self._early: dict[int, Data] = {}
        self._partial: list[bytes] = []
        self._partial_bytes = 0

    @property
    def overflowed(self) -> bool:
        """The peer takes nothing and too much waits for it."""
        return len(self._queue) > QUEUE_MAX

    @property
    def next_number(self) -> int:
        """The number of the next packet; what was sent before has arrived once ``acknowledged`` reaches it."""
        return self._next

    @property
    def acknowledged(self) -> int:
        """The peer has processed all packets before this number."""
        return self._acknowledged

    def send(self, message: bytes) -> None:
        """Queue a message; ``transmit`` hands out its packets."""
        for start in range(0, len(message) or 1, FRAGMENT_BYTES):
            more = start + FRAGMENT_BYTES < len(message)
            self._queue.append((self._next, more, message[start : start + FRAGMENT_BYTES]))
            self._next += 1

    def transmit(self, now: int) -> list[Data | Ack]:
        """The packets to send now: new ones that fit into the window, old ones whose time has come, or an Ack."""
        packets: list[Data | Ack] = []
        if self.resend_at is not None and now >= self.resend_at:
            packets += [self._data(entry) for entry in list(self._queue)[: min(self._sent, BURST)]]
            self._resend_us = min(2 * self._resend_us, RETRANSMIT_US_MAX)
            self.resend_at = now + self._resend_us
        if self._sent < len(self._queue) and self._sent < WINDOW:
            fresh = [self._queue[index] for index in range(self._sent, min(len(self._queue), WINDOW))]
            packets += [self._data(entry) for entry in fresh]
            self._sent += len(fresh)
            if self.resend_at is None:
                self.resend_at = now + self._resend_us
        if self.acknowledge_due and not packets:
            packets.append(Ack(self.session, self.source, self.target, self._expected))
        self.acknowledge_due = False
        return packets

    def acknowledge(self, now: int, number: int) -> None:
        """The peer has all packets before ``number``.

        Raises:
            RemoteFault: it acknowledges what was never sent.
        """
        if number > self._next:
            raise RemoteFault("acknowledgement of packets that were never sent")
        if number <= self._acknowledged:
            return
        while self._queue and self._queue[0][0] < number:
            self._queue.popleft()
            self._sent = max(0, self._sent - 1)
        self._acknowledged = number
        self._resend_us = RETRANSMIT_US
        self.resend_at = now + self._resend_us if self._sent else None

    def receive(self, now: int, data: Data) -> list[bytes]:
        """Take a packet; the messages that are complete with it, in order.

        Raises:
            RemoteFault: it breaks the rules of the link.
        """
        self.acknowledge(now, data.acknowledged)
        self.acknowledge_due = True
        if data.number < self._expected:
            return []
        if data.number >= self._expected + WINDOW:
            raise RemoteFault("packet beyond the window")
        self._early[data.number] = data
        messages: list[bytes] = []
        while (following := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            self._partial.append(following.payload)
            self._partial_bytes += len(following.payload)
            if self._partial_bytes > MESSAGE_BYTES_MAX:
                self._partial, self._partial_bytes = [], 0
                raise RemoteFault("message without end")
            if not following.more:
                messages.append(b"".join(self._partial) if len(self._partial) > 1 else self._partial[0])
                self._partial, self._partial_bytes = [], 0
        return messages

    def _data(self, entry: tuple[int, bool, bytes]) -> Data:
        number, more, payload = entry
        return Data(self.session, self.source, self.target, number, self._expected, more, payload)
