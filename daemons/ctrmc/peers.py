"""ctrmc's place in the peer domain: it is a provider of the group rmc_peers for as long as Group Services run.

The group's membership is what says which nodes' RMC daemons are there (rmcdomainstatus).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from daemons.cthags.gsapi import Callbacks, GroupServicesError, GroupServicesInterface
from daemons.cthags.messages import RMC_PEERS, Announcement, DelayedError, GroupAttributes
from srcctl.node.root import NodeRoot

PROGRAM = "rmcd"
AGAIN = 0.5
"""Seconds between attempts to become a client: nothing tells that Group Services have come."""
ATTRIBUTES = GroupAttributes(batch="both", default_vote="approve", merge="dontcare")
"""Joins and failures are told, never voted (inferred)."""


async def take_part(root: NodeRoot, log: Callable[[str], None]) -> None:
    """Be a provider whenever there is a domain; ends only when it is cancelled."""
    while True:
        try:
            services = await GroupServicesInterface.init(root, PROGRAM)
        except GroupServicesError:
            await asyncio.sleep(AGAIN)
            continue
        try:
            await _belong(services)
        except GroupServicesError as error:
            log(f"{RMC_PEERS}: {error.code}")
            await asyncio.sleep(AGAIN)
        finally:
            services.quit()


async def _belong(services: GroupServicesInterface) -> None:
    """Join, and again whenever the group was dissolved, until Group Services end."""
    services.join(RMC_PEERS, ATTRIBUTES, Callbacks())
    while not services.died:
        told = await services.dispatch()
        if isinstance(told, DelayedError):
            raise GroupServicesError(told.code)
        if isinstance(told, Announcement) and "group_dissolved" in told.summary and not services.died:
            services.join(RMC_PEERS, ATTRIBUTES, Callbacks())
