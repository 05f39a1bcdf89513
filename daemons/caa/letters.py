"""Letters: datagrams of Group Services that the repository disk carries to nodes to which they know no network path.

Their receiver may have another opinion of the networks, so mailboxes are looked through with every beat. A letter is as
short-lived as a datagram: one of a former life of its sender, or to a former life of its receiver, or one that has
waited for some of the sender's beats, is not delivered (the lifetime of RFC 791, in beats instead of hops).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from daemons.caa.inputs import Deliver, Effect, Settings, WriteLetter
from daemons.caa.messages import RELAY_MAX, Letter
from daemons.caa.peers import Peer

LETTER_BEATS = 5
"""A letter that waits longer, in beats of its sender, is too old to be delivered."""


class Letters:
    """The letters that this life of the node writes."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        """The number of the last letter to each node: they name the slots of its mailbox."""

    def post(self, settings: Settings, beat: int, node: int, peer: Peer | None, payload: bytes) -> list[Effect]:
        """Write a letter; one to nobody, or one that is too long, is lost as a datagram would be."""
        if peer is None or len(payload) > RELAY_MAX:
            return []
        number = self._numbers[node] = self._numbers.get(node, 0) + 1
        letter = Letter(settings.own, settings.incarnation, number, peer.incarnation, beat, payload)
        return [WriteLetter(node, letter)]


def delivered(settings: Settings, peers: Mapping[int, Peer], letters: Iterable[Letter]) -> list[Effect]:
    """What becomes of letters that were found in the mailboxes for this node."""
    return [
        Deliver(letter.sender, letter.payload)
        for letter in letters
        if letter.target == settings.incarnation
        and (peer := peers.get(letter.sender)) is not None
        and letter.incarnation == peer.incarnation
        and peer.newest - letter.beat <= LETTER_BEATS
    ]
