"""clconfd: keeps this node's copy of the cluster configuration in step, and watches /var."""

from __future__ import annotations

import asyncio
import getopt
import time

from daemons.caa import client as caa
from daemons.clconfd import core, installation, schedule
from daemons.cluster import configuration
from daemons.cluster.synchronization import ArchiveError, installed_generation
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.pump import Pump, monotonic_microseconds
from srcctl.errlog import log_entry
from srcctl.odm import OdmError, Repository
from srcctl.storage.filesystems import usage

WAKE = 600.0
"""Product seconds between comparisons with the repository disk."""
THRESHOLD, INTERVAL = 75, 15
"""Defaults of -t (percent) and -i (product minutes)."""
INTERVAL_MAX = 10_080
"""Product minutes: a week."""
VAR = "/var"
AUTOVERIFY = "/usr/es/sbin/cluster/diag/autoverify"
CLMGR = "/usr/es/sbin/cluster/utilities/clmgr"
CLFILEPROP = "/usr/es/sbin/cluster/utilities/clfileprop"
RESOURCE = "CAA (for RSCT)"


class Clconfd(Daemon):
    """clconfd's shell."""

    name = "clconfd"
    log_file = "/var/adm/ras/clconfd.log"

    async def start(self) -> None:
        threshold, interval = self._options()
        self.machine = core.ConfigurationDaemon(
            installed_generation(self.root), self.scale.schedule(WAKE), self.scale.schedule(interval * 60.0), threshold,
            self.scale.schedule(schedule.DAY),
        )  # fmt: skip
        self.interval = interval
        self.propagated = 0
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        self.log.write(f"started, {VAR} threshold {threshold} %, interval {interval} min")
        self.pump.start()

    async def stop(self, forced: bool) -> int:
        self.pump.close()
        self.log.write("stopped")
        return 0

    async def refresh(self) -> str | None:
        self.pump.feed(core.Wake())
        return None

    def long_status(self) -> str:
        machine = self.machine
        percent = "not measured yet" if machine.percent is None else f"{machine.percent} %"
        return "\n".join(
            (
                f"Configuration generation: {installed_generation(self.root) or 'none'}",
                f"Last comparison: {machine.error or 'in step'}",
                f"{VAR} used: {percent}   threshold: {machine.threshold} %   interval: {self.interval} minutes",
            )
        )

    def _options(self) -> tuple[int, int]:
        try:
            pairs, operands = getopt.getopt(self.arguments, "t:i:")
        except getopt.GetoptError as error:
            raise CannotStart(f"clconfd: {error}") from None
        options = dict(pairs)
        threshold = configuration.whole_number(options.get("-t", str(THRESHOLD)), 0)
        interval = configuration.whole_number(options.get("-i", str(INTERVAL)), 0)
        if operands or not 1 <= threshold <= 100 or not 1 <= interval <= INTERVAL_MAX:
            raise CannotStart(
                f"clconfd: -t takes a percentage from 1 to 100, -i a number of minutes from 1 to {INTERVAL_MAX}."
            )
        return threshold, interval

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.BringInStep():
                self.spawn(self._bring_in_step())
            case core.TellManager():
                self.spawn(asyncio.to_thread(installation.tell_manager, self.root))
            case core.MeasureVar():
                self.spawn(self._measure())
            case core.ReportVar(percent, threshold):
                self.log.write(f"{VAR} is {percent} % full, threshold {threshold} %")
                details = (("PERCENT FULL", f"{percent:>12}"), ("THRESHOLD", f"{threshold:>12}"))
                log_entry(self.root, "CL_VAR_FULL", RESOURCE, details)
            case core.Verify():
                self.spawn(self._verify())
            case core.Log(text):
                self.log.write(text)

    async def _bring_in_step(self) -> None:
        try:
            generation = await asyncio.to_thread(installation.bring_in_step, self.root)
        except installation.Removed:
            self.pump.feed(core.InStep(0))
        except caa.CaaError:
            # Without a cluster, or with CAA stopped, there is nothing to be in step with.
            self.pump.feed(core.InStep(self.machine.generation))
        except (caa.RepositoryError, ArchiveError, OdmError, OSError) as error:
            words = (
                f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
            )
            self.pump.feed(core.InStep(self.machine.generation, words))
        else:
            self.pump.feed(core.InStep(generation or self.machine.generation))
            await self._push_outstanding()
        await self._plan()

    async def _push_outstanding(self) -> None:
        """Changes that were committed, but never reached the running cluster."""
        try:
            outstanding = await asyncio.to_thread(installation.is_outstanding, self.root)
        except (caa.CaaError, caa.RepositoryError, ArchiveError, OdmError, OSError):
            return
        if outstanding:
            error = await self._run(CLMGR, "sync", "cluster", "VERIFY=no")
            self.log.write(f"outstanding changes pushed to the running cluster: {error or 'done'}")

    async def _plan(self) -> None:
        """When this node verifies the cluster next, if it is the one that does."""
        try:
            c = await asyncio.to_thread(configuration.load, Repository(self.root, configuration.DCD))
        except (OdmError, configuration.ConfigurationFault, OSError):
            c = None
        node = schedule.verifying_node(c) if c is not None else ""
        hour = c.cluster.verification_hour if c is not None else 0
        at = None
        if node == self.identity.node:
            now = time.localtime()
            midnight = now.tm_hour * 3600.0 + now.tm_min * 60 + now.tm_sec
            left = schedule.seconds_until(midnight, hour, self.identity.speed)
            at = monotonic_microseconds() + round(left * 1_000_000)
        self.pump.feed(core.Planned(f"{node} {hour}", at))
        if c is not None and any(collection.when_changed for collection in c.collections):
            await self._propagate(c)

    async def _propagate(self, c: configuration.Configuration) -> None:
        """File collections that go to the nodes when they change: every FC_SYNC_INTERVAL minutes the newest come here.

        This is called at every wake-up, so what is asked for is met within half of one.
        """
        minutes = configuration.whole_number(c.setting("FC_SYNC_INTERVAL", "10"), -1)
        interval = self.scale.schedule(minutes * 60.0 if minutes >= 0 else WAKE)
        now = monotonic_microseconds()
        if self.propagated and now - self.propagated < interval - self.scale.schedule(WAKE) // 2:
            return
        self.propagated = now
        error = await self._run(CLFILEPROP, "-a")
        if error:
            self.log.write(f"clfileprop: {error}")

    async def _verify(self) -> None:
        error = await self._run(AUTOVERIFY)
        self.pump.feed(core.Verified(f"{error}, see clverify.log" if error.startswith("exit code") else error))

    async def _run(self, program: str, *arguments: str) -> str:
        """Run a program of the node to its end; why it failed, "" if it did not."""
        try:
            process = await asyncio.create_subprocess_exec(
                self.root.path(program),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            status = await process.wait()
        except OSError as fault:
            return f"{program}: {fault.strerror}"
        return "" if status == 0 else f"exit code {status}"

    async def _measure(self) -> None:
        try:
            size, used = await asyncio.to_thread(usage, self.root, VAR)
        except OSError as error:
            self.log.write(f"{VAR} cannot be measured: {error.strerror}")
            size = used = 0
        self.pump.feed(core.Measured(size, used))


def main(argv: list[str]) -> int:
    """The process entry of clconfd."""
    return run(Clconfd, argv)
