"""Starting and stopping cluster services of this node, as rc.cluster, clstop and clmgr do: what all of them share.

Flags are those of rc.cluster: ``-N`` now, ``-R`` at system restart (an entry of /etc/inittab), ``-B`` both; ``-A``
resource groups are acquired, ``-M`` they are not; ``-b`` with a broadcast; ``-i`` and ``-I`` with clinfoES.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from daemons.clstrmgr import client
from daemons.clstrmgr.messages import ClusterSnapshot
from srcctl.node.inittab import Inittab
from srcctl.node.root import NodeRoot

INITTAB: Final = "/etc/inittab"
INITTAB_ID: Final = "hacmp6000"
RC_CLUSTER: Final = "/usr/es/sbin/cluster/etc/rc.cluster"
CLSTART: Final = "/usr/es/sbin/cluster/utilities/clstart"
START_ON_BOOT: Final = " (START_ON_BOOT)"
MANAGER_PATIENCE: Final = 5.0
"""Seconds within which the cluster manager of a booting node answers."""
CONSOLE: Final = "/dev/console"


def restart_flags(root: NodeRoot) -> tuple[str, ...] | None:
    """The flags with which cluster services start at system restart, None if they do not."""
    command = _at_restart(root)
    if command is None:
        return None
    return tuple(command.partition(RC_CLUSTER)[2].partition(">")[0].partition("#")[0].split())


def _at_restart(root: NodeRoot) -> str | None:
    """The command with which inittab starts cluster services, None if it does not."""
    try:
        with open(root.path(INITTAB), encoding="utf-8", errors="replace") as file:
            record = Inittab.parse(file.read()).find(INITTAB_ID)
    except OSError:
        return None
    return record.command if record is not None else None


def start_at_restart(root: NodeRoot, flags: Iterable[str], why: str = "") -> bool:
    """Have services start when the node boots, with these flags of -b, -i, -I, -A, -M; False if inittab refuses."""
    shown = " ".join(["-boot", *(flag for flag in ("-b", "-i", "-I", "-M", "-A") if flag in set(flags))])
    record = f"{INITTAB_ID}:2:wait:{RC_CLUSTER} {shown} >>/dev/console 2>&1 # Bring up Cluster{why}"
    command = "mkitab" if restart_flags(root) is None else "chitab"
    return _run(root, f"/usr/sbin/{command}", record)


def follow_start_on_boot(root: NodeRoot, wanted: bool, flags: Iterable[str]) -> bool:
    """Make /etc/inittab what the configuration's START_ON_BOOT says of this node; False if inittab refuses.

    An entry that ``online ... WHEN=restart`` made is the operator's and stays; ours says what made it (inferred).
    """
    command = _at_restart(root)
    ours = command is not None and command.endswith(START_ON_BOOT)
    if not wanted:
        return not_at_restart(root) if ours else True
    if command is not None and not ours:
        return True
    return start_at_restart(root, flags, START_ON_BOOT)


def not_at_restart(root: NodeRoot) -> bool:
    """Have services no longer start when the node boots; False if inittab refuses."""
    if restart_flags(root) is None:
        return True
    return _run(root, "/usr/sbin/rmitab", INITTAB_ID)


def _run(root: NodeRoot, program: str, argument: str) -> bool:
    import subprocess  # seldom: who only looks at inittab is spared it

    return subprocess.run([root.path(program), argument], check=False).returncode == 0


def broadcast(root: NodeRoot, text: str) -> None:
    """Tell everybody who is logged in: the node's only terminal is its console."""
    now = time.strftime("%H:%M:%S")
    try:
        with open(root.path(CONSOLE), "a", encoding="utf-8") as file:
            file.write(f"\nBroadcast message from root@{root.identity.node} (console) at {now}...\n\n{text}\n")
    except OSError:
        return


def broadcast_start(root: NodeRoot) -> None:
    """Tell everybody that services start here."""
    broadcast(root, f"Starting PowerHA SystemMirror on {root.identity.node}.")


def wait_for_manager(root: NodeRoot, patience: float = MANAGER_PATIENCE) -> ClusterSnapshot:
    """The cluster manager of a node that is booting needs a moment; one that is stopped is not waited for long.

    Returns what it says of the cluster.

    Raises:
        client.ManagerUnreachable: it does not answer.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return client.query_state(root)
        except client.ManagerUnreachable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def stopped_caa(root: NodeRoot) -> str:
    """What to say where CAA, and so Group Services, was stopped by hand: nobody would ever answer. "" if it was not."""
    from daemons.caa import client as caa

    if not caa.is_stopped(root):
        return ""
    return f"CAA and RSCT have been stopped on this node: clmgr online node {root.identity.node} START_CAA=yes."


class StartReport:
    """What rc.cluster says while it works: ``lines`` for standard output, ``complaint`` for standard error, "" if none.

    Args:
        root: the node.
        words: rc.cluster's arguments, as they were given.
        program: how it was called.
    """

    def __init__(self, root: NodeRoot, words: list[str], program: str = RC_CLUSTER) -> None:
        self.root = root
        self.program = program
        self.words = words
        self.lines: list[str] = []
        self.complaint = ""
        self.status = 0

    def run(self, flags: dict[str, str], boot: bool, time_limit: float | None = None) -> None:
        """Do what the flags say.

        Args:
            flags: flags with their values.
            boot: with -boot services that are active already are no failure.
            time_limit: seconds to wait for a stable cluster, None for ever.

        Raises:
            TimeoutError: the cluster is not stable within the time limit.
        """
        self._say(f"{_stamp()} Starting execution of {self.program}", f"with parameters: {' '.join(self.words)}")
        if flags.keys() & {"-R", "-B"} and not start_at_restart(self.root, flags):
            self._fail("rc.cluster: /etc/inittab cannot be changed.")
        elif "-R" not in flags:
            self._start(flags, boot, time_limit)
        self._say(_stamp(), f"Completed execution of {self.program}", f"with parameters: {' '.join(self.words)}.")
        self._say(f"Exit status = {self.status}")

    def _start(self, flags: dict[str, str], boot: bool, time_limit: float | None) -> None:
        caller = flags.get("-P", "rc.cluster")
        self._say(f"{_stamp()} Checking for srcmstr active...", f"{_stamp()} complete.")
        shown = ["-m", "-G", *(flag for flag in ("-b", "-i", "-I") if flag in flags), "-P", caller]
        shown += [flag for flag in ("-B", "-M", "-A") if flag in flags]
        self._say(_stamp(), f"{CLSTART}: called with flags {' '.join(shown)}", "")
        if "-b" in flags:
            broadcast_start(self.root)
        try:
            wait_for_manager(self.root)
            if complaint := stopped_caa(self.root):
                self._fail(f"clstart: {complaint}")
                return
            manage = "manual" if "-M" in flags else "auto"
            client.start_services(manage, bool(flags.keys() & {"-i", "-I"}), caller, time_limit, None, self.root)
        except client.Refused as refused:
            if not (boot and refused.done.error == "active"):
                self._fail(f"clstart: {refused}")
        except client.ManagerUnreachable as error:
            self._fail(f"clstart: {error}")

    def _say(self, *lines: str) -> None:
        self.lines += lines

    def _fail(self, complaint: str) -> None:
        self.complaint, self.status = complaint, 1


def _stamp() -> str:
    return time.strftime("%b %d %Y %H:%M:%S")
