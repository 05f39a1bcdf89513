"""Asking the operator what a split or a merge has left undecided (policy Manual): the event script split_merge_prompt,
which tells all that watch the node, and after it the configured notify method until somebody answers."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from daemons.runtime.dynamic_settings import dynamic_settings
from daemons.runtime.scale import Scale
from srcctl.node.root import NodeRoot

EVENTS = "/usr/es/sbin/cluster/events"
SCRIPT = f"{EVENTS}/split_merge_prompt"
HACMP_OUT = "/var/hacmp/log/hacmp.out"
CONFIGURATION = "/etc/es/objrepos"
PATIENCE = 30.0
"""Seconds that one notification may take."""
INTERVAL, MAXIMUM = 30, 3
"""Product seconds between notifications and how many there are, where the configuration does not say (inferred)."""


class OperatorPrompt:
    """At most one open question.

    Args:
        root: the node's root.
        scale: of the lab.
        spawn: runs a coroutine beside.
        log: a line for the daemon's log.
    """

    def __init__(
        self,
        root: NodeRoot,
        scale: Scale,
        spawn: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        log: Callable[[str], None],
    ) -> None:
        self._root = root
        self._scale = scale
        self._spawn = spawn
        self._log = log
        self._asking: asyncio.Task[Any] | None = None
        self.open = False

    def ask(self, kind: str, action: str, here: Iterable[str], there: Iterable[str]) -> None:
        """Put a question in place of the last one.

        Args:
            kind: "split" or "merge".
            action: what becomes of a side that gives way, in clmgr's words.
            here, there: the nodes of this side, and the others.
        """
        self.withdraw()
        self.open = True
        words = (kind, action, " ".join(here), " ".join(there))
        self._log(
            f"{kind}: nodes {words[2]} wait for an operator: cl_sm_continue or cl_sm_recover (others: {words[3]})"
        )
        self._asking = self._spawn(self._tell(words))

    def withdraw(self) -> None:
        """Nobody needs to answer any more."""
        self.open = False
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _tell(self, words: tuple[str, ...]) -> None:
        await self._run(self._root.path(SCRIPT), words)
        settings = await asyncio.to_thread(self._settings)
        method = settings.get("NOTIFY_METHOD", "")
        interval = self._scale.schedule(float(settings.get("NOTIFY_INTERVAL") or INTERVAL)) / 1_000_000
        for _ in range(int(settings.get("MAXIMUM_NOTIFICATIONS") or MAXIMUM) if method else 0):
            own = self._root.path(method)
            await self._run(own if os.path.exists(own) else method, words)
            await asyncio.sleep(interval)

    async def _run(self, program: str, words: tuple[str, ...]) -> None:
        directories = [self._root.path(EVENTS), self._root.path(f"{EVENTS}/utils")]
        path = ":".join([*directories, os.environ.get("PATH", "/usr/bin:/bin")])
        environment = {
            **os.environ,
            "PATH": path,
            "LOCALNODENAME": self._root.identity.node,
            "HACMP_LOG": self._root.path(HACMP_OUT),
        }
        try:
            process = await asyncio.create_subprocess_exec(
                program, *words, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except (OSError, TimeoutError) as error:
            self._log(f"{program}: {error or 'takes too long'}")

    def _settings(self) -> dict[str, str]:
        from srcctl.odm import OdmError

        try:
            return dynamic_settings(self._root, CONFIGURATION)
        except OdmError:
            return {}
