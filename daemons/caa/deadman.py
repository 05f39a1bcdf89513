"""The dead man's switches: who must not go on.

The node's own: whoever could not tell the others that it lives for ``node_timeout`` must not go on, because they will
take over after ``node_timeout + node_down_delay``. A machine that was paused finds this out before it does anything
else; one that has neither a working link nor the repository finds it out by waiting. With deadman_mode ``a`` it halts,
with ``e`` it says so in an event.

That of Group Services: while critical clients (the cluster manager) depend on them, they set it again with each of
their beats. A node on which they have died or hang goes down, and so takes with it what a client holds that hangs as
well; without clients that hang it is down long before, by the clients' own end.
"""

from __future__ import annotations

from daemons.caa.inputs import Settings
from daemons.caa.interfaces import Interfaces

GOING_DOWN = "this node goes down: CAA has left what Group Services protect"
LAST_WORDS = 1
"""Seconds between CAA's leaving and the end of a node on which a critical client is left: who ordered it is told. Far
less than the time after which others give up a node."""
CRITICAL_RESOURCE_PROTECTION = "RSCT reboot caused by critical resource protection - Group Services"
"""The panic string of the product."""


class NodeSwitch:
    """The node's own switch, which each of its turns sets again."""

    def __init__(self) -> None:
        self._last_turn: int | None = None
        self._isolated_since: int | None = None
        self._is_told = False

    def fault(self, now: int, settings: Settings, interfaces: Interfaces, repository_up: bool) -> str | None:
        """Why this node must not go on, if so."""
        if self._last_turn is None:
            return None
        # Alone as well: while it was away others may have been switched on and have taken over.
        if len(settings.nodes) > 1 and now - self._last_turn >= settings.node_timeout_us:
            return "dead man's switch: this node was silent for longer than node_timeout"
        if (repository_up and settings.disk) or not settings.networks or interfaces.sending(settings):
            self._isolated_since = None
            return None
        if self._isolated_since is None:
            self._isolated_since = now
        if now - self._isolated_since >= settings.node_timeout_us:
            return "dead man's switch: neither a network nor the repository disk is left"
        return None

    def turn(self, now: int) -> None:
        """The node has looked at its switch and goes on."""
        self._last_turn = now

    def is_news(self, isolated: bool) -> bool:
        """Whether the node is isolated and has not been told of since it was not."""
        told, self._is_told = self._is_told, isolated
        return isolated and not told


class GroupServicesSwitch:
    """The switch of Group Services, of this life or a former one."""

    def __init__(self) -> None:
        self.armed = False
        """They have critical clients: without them the node goes down."""
        self._silent_beats = 0

    def turn(self, armed: bool) -> None:
        """Group Services turn."""
        self.armed = armed
        self._silent_beats = 0

    def is_due(self, settings: Settings) -> bool:
        """Whether they have been silent for too long; to be asked once with every beat.

        Counted in this machine's own turns: a machine that was paused has missed none.
        """
        if not self.armed:
            return False
        self._silent_beats += 1
        return self._silent_beats * settings.heartbeat_us >= settings.group_services_us
