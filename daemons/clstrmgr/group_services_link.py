"""The cluster manager's session with Group Services: found, listened to, lost, and found again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from daemons.clstrmgr.inputs import GroupServicesLost, Input, Notified
from daemons.cthags import messages as cthags
from daemons.cthags.client import GroupServices
from daemons.cthags.query import Unreachable
from daemons.runtime.daemon import Daemon

PROBE_INTERVAL = 30.0
"""Product seconds between Group Services' probes of this client."""

PROBE_PATIENCE = 5.0
"""Seconds of patience, at least, with an answer to a probe."""

CONNECT_AGAIN = 0.1
"""Seconds between attempts of a start that waits (patience)."""


class GroupServicesLink:
    """One session at a time.

    Args:
        daemon: the cluster manager's process.
        feed: takes what Group Services say.
        found: is told the node's number when a session begins.
    """

    def __init__(self, daemon: Daemon, feed: Callable[[Input], None], found: Callable[[int], None]) -> None:
        self._daemon = daemon
        self._feed = feed
        self._found = found
        self.session: GroupServices | None = None

    async def connect_within(self, seconds: float) -> bool:
        """At boot RSCT and the request to start services race."""
        deadline = time.monotonic() + seconds
        while not await self.connect():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(CONNECT_AGAIN)
        return True

    async def connect(self) -> bool:
        """Have a session; False while Group Services cannot be reached."""
        if self.session is not None:
            return True
        scale = self._daemon.scale
        interval = scale.schedule(PROBE_INTERVAL)
        limit = max(interval, scale.patience(PROBE_PATIENCE))
        try:
            session = await GroupServices.init(
                self._daemon.root, "clstrmgr", interval_us=interval, limit_us=limit, critical=True
            )
        except Unreachable:
            return False
        if self.session is not None:
            # A refresh and a start of services connect at the same moment: one client, or probes of the other one
            # would be answered on the wrong connection, and we be killed as hung.
            session.quit()
            return True
        self.session = session
        self._found(session.node)
        self._daemon.spawn(self._receive(session))
        return True

    async def _receive(self, session: GroupServices) -> None:
        while not isinstance(notification := await session.receive(), cthags.Died):
            self._feed(Notified(notification))
        session.quit()
        if self.session is session:
            self.session = None
            self._feed(GroupServicesLost(notification.reason))

    def send(self, request: cthags.Request) -> None:
        """Send a request, if there is a session."""
        if self.session is not None:
            self.session.send(request)

    async def quit(self, group: str = "") -> None:
        """End the session; leave the group before, if one is named."""
        if self.session is None:
            return
        session, self.session = self.session, None
        if group:
            session.send(cthags.Leave(group))
            await asyncio.sleep(0)
        session.quit()
