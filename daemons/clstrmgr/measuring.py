"""Measures this node for dynamic node priority policies: through RMC, and by the administrator's own scripts."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable

from daemons.cluster import node_priority
from daemons.cluster.configuration import Configuration
from daemons.ctrmc import client as rmc
from daemons.ctrmc.messages import ListResources, ResourcesReply
from srcctl.node.root import NodeRoot

HOST_VALUES = {"mem": "TotalPgSpFree", "cpu": "PctTotalTimeIdle"}
"""Policies and the attributes of IBM.Host; nodes of one host differ little in them."""


async def measure(
    root: NodeRoot, configuration: Configuration, real_path: Callable[[str], str]
) -> tuple[tuple[str, float], ...]:
    """The values that can be had; what cannot be measured is left out, and list order counts instead."""
    values: dict[str, float] = await asyncio.to_thread(_host_values, root)
    for group, (script, limit) in node_priority.scripts(configuration).items():
        code = await _exit_code(real_path(script), limit)
        if code is not None:
            values[f"script/{group}"] = code
    return tuple(values.items())


def _host_values(root: NodeRoot) -> dict[str, float]:
    try:
        reply = rmc.ask(ListResources("IBM.Host"), ResourcesReply, root, contact="")
    except rmc.NoSession:
        return {}
    values: dict[str, float] = {"disk": 0.0}
    for resource in reply.resources[:1]:
        for word, attribute in HOST_VALUES.items():
            value = resource.dynamic.get(attribute)
            if isinstance(value, int | float):
                values[word] = float(value)
    return values


async def _exit_code(program: str, limit: float) -> int | None:
    try:
        process = await asyncio.create_subprocess_exec(
            program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return None
    try:
        return await asyncio.wait_for(process.wait(), limit)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
