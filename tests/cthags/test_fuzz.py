"""Random and mutated packets at Group Services' datagram socket: strangers form no view, and nonsense crashes nothing.

10,000 packets of strangers through seal and codec, beside two nodes that form their view; 4,000 bodies that hold the
key but no sense. Bounded by packets, so that it says the same on every machine.
"""

from __future__ import annotations

import random

from daemons.cthags.inputs import Received
from daemons.cthags.wire import packet_codec
from daemons.runtime.seal import Seal
from srcctl.machine import RemoteFault
from tests.caa.test_fuzz import bent, mutated
from tests.cthags.ring import Ring

KEY, HERE = b"k" * 32, ("127.0.0.1", 12348)
STRANGERS, INSIDERS = 10_000, 4_000


def recorded(ring: Ring) -> list[bytes]:
    """Packets of nodes that form a view, as they travel."""
    packets: list[bytes] = []

    def listen(_sender: int, _receiver: int, packet: object) -> bool:
        packets.append(packet_codec.encode(packet))  # type: ignore[arg-type]
        return False

    ring.drop = listen
    ring.start(*ring.numbers)
    ring.run(5)
    return packets


def test_strangers_make_no_view() -> None:
    ring, dice = Ring(2), random.Random(1)
    packets = recorded(ring)
    assert all(core._membership.view is not None for core in ring.cores.values())
    views = {node: [view.id for view in seen] for node, seen in ring.views.items()}
    receiver, sender = Seal(KEY, 1), Seal(KEY, 2)
    for number in range(STRANGERS):
        data = packets[number % len(packets)]
        packet = Seal(b"x" * 32, 2).seal(data, HERE) if number % 5 == 0 else mutated(dice, sender.seal(data, HERE))
        try:
            node, payload = receiver.open(packet, HERE)
        except RemoteFault:
            continue
        ring.step(1, Received(node, packet_codec.decode(payload)))
        raise AssertionError("a stranger was taken for a member")
    ring.run(10)
    assert {node: [view.id for view in seen] for node, seen in ring.views.items()} == views


def test_nonsense_of_a_member_crashes_nothing() -> None:
    ring, dice, taken = Ring(2), random.Random(2), 0
    packets = recorded(ring)
    ring.drop = None
    for number in range(INSIDERS):
        try:
            packet = packet_codec.decode(bent(dice, packets[number % len(packets)]))
        except RemoteFault:
            continue
        taken += 1
        ring.step(1, Received(2, packet))
        if number % 50 == 0:
            ring.run(0.01)
    assert taken > INSIDERS // 10
    ring.run(5)
