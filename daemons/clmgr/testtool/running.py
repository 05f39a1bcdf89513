"""The Cluster Test Tool at work: carries out tests, waits for the cluster to become stable, and says how they ended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from daemons.clcomd import client as clcomd
from daemons.clmgr.operations import live
from daemons.clmgr.testtool import on_node, outcome
from daemons.clmgr.testtool.outcome import Seen
from daemons.clmgr.testtool.plan import ALL, ANY, OTHER, RESTORE, Test, interfaces
from daemons.clmgr.testtool.record import Record, elapsed
from daemons.clstrmgr.render import node_words
from daemons.cluster.configuration import Configuration
from daemons.runtime.scale import Scale
from srcctl.machine import SECOND
from srcctl.node.root import NodeRoot

TOOL = "/usr/es/sbin/cluster/utilities/cl_testtool"
CLMGR = "/usr/es/sbin/cluster/utilities/clmgr"
CLRGMOVE = "/usr/es/sbin/cluster/utilities/clRGmove"
CLRGINFO = "/usr/es/sbin/cluster/utilities/clRGinfo"
STABLE_LIMIT = 300.0
"""Seconds of real work within which the cluster becomes stable after a test (patience)."""
DETECTION = 120.0
"""Product seconds within which a failure is noticed."""
QUIET = 20.0
"""Seconds of real work after which a stable cluster in which nothing happens is as it will be."""
POLL = 0.25
"""Seconds between two looks at the cluster; what a test wants must hold at two of them."""


class Failed(Exception):
    """A test failed; ``str()`` says why."""


class Runner:
    """Runs tests on this node, the control node.

    Args:
        root: this node.
        c: the configuration.
        record: the log.
        verbose: log also what commands print, and where the groups are after each test.
    """

    def __init__(self, root: NodeRoot, c: Configuration, record: Record, verbose: bool) -> None:
        self._root = root
        self._c = c
        self._record = record
        self._verbose = verbose
        self._scale = Scale(root.identity.speed)

    def look(self) -> Seen:
        """The cluster now."""
        views = live.pictures(self._root, self._c)
        words = {
            node: node_words(str(view.state), view.services)[0] if view is not None else "UNKNOWN"
            for node, view in views.items()
        }
        picture = live.best(views, self._root.identity.node)
        return Seen.of(words, picture if picture is not None and picture.members else None)

    def run(self, number: int, test: Test) -> bool:
        """Carry out a test; whether it passed."""
        since = time.monotonic()
        self._record.test(f"Starting Test {number} - {test.line}")
        try:
            self._run(test)
            status = "PASSED"
        except Failed as error:
            self._record.line(f"ERROR: {error}")
            status = "FAILED"
        if self._verbose:
            self._shown(subprocess.run([self._root.path(CLRGINFO)], capture_output=True, check=False).stdout)
        self._record.line(f"Elapsed: {elapsed(since)}")
        title = f"Test {number} Complete - {test.name}: {test.comment}".rstrip(": ")
        self._record.test(title, f"Test Completion Status: {status}")
        return status == "PASSED"

    def _run(self, test: Test) -> None:
        before = self._stable()
        if reason := outcome.objection(test, self._c, before, self._root.identity.node):
            raise Failed(f"the test cannot be run: {reason}")
        if test.name == "WAIT":
            self._record.line(f"Waiting {test.parameters[0]} seconds.")
            time.sleep(self._scale.schedule(int(test.parameters[0])) / SECOND)
            return
        after = self._strike(test, before)
        try:
            self._until(test, before)
        finally:
            for node, words in after:
                self._on_node(node, words)

    def _stable(self) -> Seen:
        """The cluster once nothing goes on in it.

        Raises:
            Failed: something goes on for too long.
        """
        deadline = time.monotonic() + STABLE_LIMIT
        while True:
            seen = self.look()
            if seen.stable:
                return seen
            if time.monotonic() > deadline:
                raise Failed(f"the cluster did not become stable within {STABLE_LIMIT:g} seconds.")
            time.sleep(POLL)

    def _until(self, test: Test, before: Seen) -> None:
        """Wait until a test has passed.

        Raises:
            Failed: it has not, within the time, or nothing happens any more.
        """
        self._record.line("Waiting for the cluster to stabilize.")
        detection = self._scale.schedule(DETECTION) / SECOND
        deadline = quiet = time.monotonic() + STABLE_LIMIT + detection
        good, last = 0, None
        while True:
            now = self.look()
            lacking = outcome.lacking(test, self._c, before, now)
            good = good + 1 if now.stable and not lacking else 0
            if good > 1:
                return
            if now != last:
                quiet, last = time.monotonic() + QUIET + detection, now
            if time.monotonic() > (min(deadline, quiet) if now.stable else deadline):
                raise Failed(" ".join(lacking) or "the cluster did not become stable.")
            time.sleep(POLL)

    def _strike(self, test: Test, before: Seen) -> list[tuple[str, list[str]]]:
        """Do what a test does to the cluster; what is to be done on nodes when it is over.

        Raises:
            Failed: it could not be done.
        """
        nodes = outcome.targets(test, self._c, before)
        match test.name:
            case "NODE_UP" | "SITE_UP":
                if nodes:
                    self._here([CLMGR, "online", "node", ",".join(nodes), "WHEN=now", "MANAGE=auto"])
            case "NODE_DOWN_GRACEFUL" | "SITE_DOWN_GRACEFUL":
                self._stop(nodes, "offline")
            case "NODE_DOWN_TAKEOVER" | "SITE_DOWN_TAKEOVER":
                self._stop(nodes, "move")
            case "NODE_DOWN_FORCED":
                self._stop(nodes, "unmanage")
            case "CLSTRMGR_KILL":
                self._on_node(test.node, ["kill"])
            case "RG_ONLINE" | "RG_OFFLINE" | "RG_MOVE" | "RG_MOVE_SITE":
                self._group(test, before)
            case "SERVER_DOWN":
                self._on_node(nodes[0], ["run", *test.parameters[2].split()])
            case "VG_DOWN":
                for node in nodes:
                    self._on_node(node, ["lost", test.parameters[0]])
                return [(node, ["back", test.parameters[0]]) for node in nodes]
            case _:
                state = "up" if test.name.startswith(("NETWORK_UP", "JOIN")) else "down"
                for node, interface in interfaces(test, self._c):
                    self._on_node(node, [state, interface])
        return []

    def _stop(self, nodes: Sequence[str], manage: str) -> None:
        self._here([CLMGR, "offline", "node", ",".join(nodes), "WHEN=now", f"MANAGE={manage}"])

    def _group(self, test: Test, before: Seen) -> None:
        where = [f"NODES={test.node}"] if test.node not in (ALL, ANY, RESTORE) else []
        match test.name:
            case "RG_MOVE_SITE":
                site = test.site
                if site == OTHER:
                    at = self._c.site_of(before.holders(test.group)[0])
                    site = next((each.name for each in self._c.sites if each.name != at), "")
                self._here([CLMGR, "move", "resource_group", test.group, f"SITE={site}"])
            case "RG_MOVE" if test.node == RESTORE:
                self._here([CLRGMOVE, "-g", test.group, "-r", "-m"])
            case "RG_MOVE":
                node = outcome.other_node(test, self._c, before) if test.node == ANY else test.node
                self._here([CLMGR, "move", "resource_group", test.group, f"NODE={node}"])
            case "RG_ONLINE":
                self._here([CLMGR, "online", "resource_group", test.group, *where])
            case _:
                self._here([CLMGR, "offline", "resource_group", test.group, *where])

    def _here(self, command: list[str]) -> None:
        self._record.line(f"Running: {' '.join(command)}")
        done = subprocess.run(
            [self._root.path(command[0]), *command[1:]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if self._verbose or done.returncode:
            self._shown(done.stdout)
        if done.returncode:
            raise Failed(f"{command[0]} ended with {done.returncode}.")

    def _on_node(self, node: str, words: list[str]) -> None:
        self._record.line(f"On node {node}: {' '.join(words)}")
        try:
            if node == self._root.identity.node:
                self._shown(on_node.carry_out(self._root, words).encode())
                return
            done = clcomd.run(self._root, node, [TOOL, "-x", *words])
        except (clcomd.ClcomdError, on_node.Failed) as error:
            raise Failed(f"{node}: {error}") from None
        self._shown(done.out)
        if done.status:
            raise Failed(f"{node}: {done.err.decode(errors='replace').strip()}")

    def _shown(self, output: bytes) -> None:
        if text := output.decode(errors="replace").strip("\n"):
            self._record.line(text)
