"""Letters: datagrams over the repository disk."""

from __future__ import annotations

from daemons.caa import core
from daemons.caa.letters import LETTER_BEATS
from daemons.caa.messages import RELAY_MAX
from tests.caa.ring import BEAT, Ring


def test_letters_arrive_whatever_the_receiver_thinks_of_the_networks() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.network_one_way.add((1, 2))
    ring.step(2, core.Post(1, b"from the deaf end"))
    ring.step(1, core.Post(2, b"from the other"))
    ring.run(2 * BEAT)
    assert ring.delivered == {1: [b"from the deaf end"], 2: [b"from the other"]}
    ring.step(1, core.Post(2, bytes(RELAY_MAX + 1)))
    ring.step(1, core.Post(7, b"to nobody"))
    assert not ring.mail


def test_a_letter_lives_no_longer_than_a_datagram() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.step(1, core.Post(2, b"to a life that ends"))
    to_former_life = ring.mail.pop(2)
    ring.crash(2)
    ring.run(10 * BEAT)
    ring.boot(2, incarnation=2)
    ring.run(5 * BEAT)
    ring.step(2, core.DiskSeen((), tuple(to_former_life)))
    ring.step(1, core.Post(2, b"waits for too long"))
    waiting = ring.mail.pop(2)
    ring.run(BEAT)
    ring.step(2, core.DiskSeen((), tuple(waiting)))
    assert ring.delivered == {2: [b"waits for too long"]}, "not yet"
    ring.run((LETTER_BEATS + 1) * BEAT)
    ring.step(2, core.DiskSeen((), tuple(waiting)))
    ring.step(1, core.Post(2, b"of a life that ends"))
    of_former_life = ring.mail.pop(2)
    ring.crash(1)
    ring.boot(1, incarnation=2)
    ring.run(5 * BEAT)
    ring.step(2, core.DiskSeen((), tuple(of_former_life)))
    assert ring.delivered == {2: [b"waits for too long"]}
