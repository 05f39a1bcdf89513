"""What runs with cluster services only: clevmgrdES, clinfoES, and RMC's watch over user-defined events."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine
from typing import Any

from daemons.clstrmgr import user_events
from daemons.cluster.configuration import Configuration
from daemons.ctrmc.client import NoSession
from srcctl.node.root import NodeRoot


class SubsystemControl:
    """Starts and stops them through SRC.

    Args:
        root: this node.
        spawn: runs a coroutine as a task of the daemon.
        log: takes a line for clstrmgr.debug.
    """

    def __init__(
        self,
        root: NodeRoot,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        log: Callable[[str], None],
    ) -> None:
        self._root = root
        self._spawn = spawn
        self._log = log
        self._work: set[asyncio.Task[None]] = set()
        self._watched = True

    def change(self, start: bool, clinfo: bool, configuration: Configuration | None) -> None:
        """Cluster services start or stop here."""
        for name in ["clevmgrdES", "clinfoES"] if clinfo else ["clevmgrdES"]:
            self._begin(self._subsystem("startsrc" if start else "stopsrc", name))
        self.watch_user_events(configuration if start else None)

    def watch_user_events(self, configuration: Configuration | None) -> None:
        """Have RMC watch the user-defined events of a configuration, and no other ones."""
        self._begin(self._user_events(configuration))

    async def settled(self) -> None:
        """Wait until all that was begun is done."""
        await asyncio.gather(*self._work, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._spawn(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _subsystem(self, command: str, name: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                command, "-s", name, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            self._log(f"{command} -s {name}: {error.strerror}")
            return
        output, _ = await process.communicate()
        self._log(f"{command} -s {name}: {output.decode(errors='replace').strip()}")

    async def _user_events(self, configuration: Configuration | None) -> None:
        defined = configuration.user_events if configuration is not None else ()
        if not defined and not self._watched:
            return  # without any RMC is not asked
        try:
            complaints = await asyncio.to_thread(user_events.watch, self._root, defined)
        except NoSession as error:
            complaints = [str(error)]
        self._watched = bool(defined)
        for complaint in complaints:
            self._log(f"user-defined events: {complaint}")
