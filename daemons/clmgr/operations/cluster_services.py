"""online, offline and recover of nodes and of the whole cluster.

A start runs verification once, on the node that is asked, and then rc.cluster on every node at the same time; stops go
one after the other, as in C-SPOC.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass

from daemons.caa import client as caa
from daemons.caa import stopping
from daemons.clcomd import client as clcomd
from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError, CommunicationError, does_not_exist
from daemons.clmgr.operations import live
from daemons.clmgr.syntax.grammar import Request
from daemons.clstrmgr import client as manager
from daemons.clstrmgr import startup
from daemons.clstrmgr.commands.services import SHUTTING_DOWN
from daemons.clstrmgr.messages import Progress
from daemons.cluster.configuration import Configuration
from srcctl.commands.options import is_number
from srcctl.node.root import NodeRoot

CLMGR = "/usr/es/sbin/cluster/utilities/clmgr"
CLRUNCMD = "/usr/es/sbin/cluster/utilities/clruncmd"
VALUES = {
    "WHEN": ("now", "restart", "both"),
    "CLINFO": ("false", "true", "consistent", "no", "yes"),
    "FIX": ("no", "yes", "interactively", "false", "true"),
    "START_CAA": ("no", "yes", "only", "false", "true"),
}

_DEFAULTED = 'Warning: "{}" must be specified. Since it was not, a default of "{}" will be used.\n\n'


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a start or stop; ``seconds`` is the time limit, None for none."""

    online: bool
    when: str
    manage: str
    broadcast: bool
    clinfo: str
    force: bool
    fix: str
    start_caa: str
    stop_caa: bool
    seconds: float | None

    @classmethod
    def of(cls, request: Request) -> Options:
        """The options of a request, with the product's defaults.

        Raises:
            ClmgrError: a value is not one of those that the option has.
        """
        online = request.action == "online"
        manage = ("auto", "manual", "delayed") if online else ("offline", "move", "unmanage")
        limit = request.attribute("TIMEOUT")
        if request.attribute("START_CAA").lower() != "only":
            for name, value in (("WHEN", "now"), ("MANAGE", manage[0])):
                if name not in request.attributes:
                    sys.stderr.write(_DEFAULTED.format(name, value))
        if limit and not is_number(limit):
            raise _invalid("TIMEOUT", limit)
        return cls(
            online=online,
            when=_choice(request, "WHEN", VALUES["WHEN"], "now"),
            manage=_choice(request, "MANAGE", manage, manage[0]),
            broadcast=request.truth("BROADCAST", not online),
            clinfo=_choice(request, "CLINFO", VALUES["CLINFO"], "false"),
            force=request.force or request.truth("FORCE", False),
            fix=_choice(request, "FIX", VALUES["FIX"], "no"),
            start_caa=_choice(request, "START_CAA", VALUES["START_CAA"], "no"),
            stop_caa=request.truth("STOP_CAA", False),
            seconds=float(limit) if limit else None,
        )

    def runs(self, with_clinfo: bool) -> list[list[str]]:
        """The arguments of each run of rc.cluster.

        A delayed start is one without groups, which are placed when all the nodes are there. A node that boots later
        has nobody to wait for: at restart it is an automatic one, and so a run of its own.
        """
        if self.manage != "delayed" or self.when == "restart":
            return [self._flags(self.when, self.manage == "manual", with_clinfo)]
        at_restart = [self._flags("restart", False, with_clinfo)] if self.when == "both" else []
        return [*at_restart, self._flags("now", True, with_clinfo)]

    def _flags(self, when: str, manual: bool, with_clinfo: bool) -> list[str]:
        words = ["-boot", {"now": "-N", "restart": "-R", "both": "-B"}[when], "-M" if manual else "-A"]
        words += ["-b"] if self.broadcast else []
        words += ["-i"] if with_clinfo else []
        words += {"interactively": ["-C", "interactive"], "yes": ["-C", "yes"], "true": ["-C", "yes"]}.get(self.fix, [])
        return [*words, "-P", "cl_rc_cluster"]


def _choice(request: Request, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = request.attribute(name, default=default).lower()
    if value not in allowed:
        raise _invalid(name, value)
    return value


def _invalid(name: str, value: str) -> ClmgrError:
    return ClmgrError(f'an invalid value was specified for "{name}" ("{value}").', INCORRECT_INPUT)


def services(root: NodeRoot, c: Configuration, request: Request) -> None:
    """online or offline for the cluster or for nodes.

    Raises:
        ClmgrError: a node is unknown, verification found errors, or a node did not do it.
    """
    names = request.names
    if request.class_name == "cluster" or names == ["ALL"]:
        names = [node.name for node in c.nodes]
    names = list(dict.fromkeys(names)) or [root.identity.node]
    for name in names:
        if c.node(name) is None:
            raise does_not_exist(name)
    options = Options.of(request)
    whole = request.class_name == "cluster"
    if options.stop_caa and options.manage == "unmanage" and options.when != "restart":
        raise ClmgrError(f"STOP_CAA=yes and MANAGE=unmanage: {stopping.UNMANAGED}", INCORRECT_INPUT)
    if options.online:
        awaits_caa = options.start_caa in ("yes", "true", "only") or options.when == "restart"
        if root.identity.node in names and not awaits_caa and (complaint := startup.stopped_caa(root)):
            raise ClmgrError(complaint)
        verified = [name for name in names if _verified_on_start(c, name)]
        silent = frozenset[str]()
        if options.when != "restart" and options.start_caa != "only" and verified:
            silent = _verify(root, c, options, verified)
        _start(root, options, names, whole, silent)
    else:
        _stop(root, request, options, names, whole)


def _verified_on_start(c: Configuration, name: str) -> bool:
    node = c.node(name)
    return node is None or node.setting("VERIFY_ON_START", "true") != "false"


def _verify(root: NodeRoot, c: Configuration, options: Options, names: list[str]) -> frozenset[str]:
    """Verification before a start: what it finds goes into autoverify.log, errors keep the cluster from starting.

    The nodes that are started may have been powered on a moment ago: their clcomd is waited for. Returns the nodes
    that did not answer even so.
    """
    from daemons.clmgr.verification import verify

    fix = {"true": "yes", "yes": "yes", "interactively": "interactively"}.get(options.fix, "no")
    run = verify.Options(fix=fix, changing=True, quiet=fix != "interactively", awaited=frozenset(names))
    outcome = verify.run(root, c, run)
    found = outcome.findings
    verify.note_automatic_run(root, found)
    errors = [finding.line() for finding in found if finding.error]
    if errors and not options.force:
        sys.stderr.write("".join(f"{line}\n" for line in errors))
        raise ClmgrError(f"verification of the cluster configuration has found errors, see {verify.AUTOVERIFY_LOG}.")
    return outcome.silent


# Start.


class _Start:
    """The start of services on one node, on a thread of its own."""

    def __init__(self, root: NodeRoot, options: Options, name: str, patience: float) -> None:
        self.root = root
        self.patience = patience
        self.options = options
        self.name = name
        self.lines: list[str] = []
        self.complaint: str | None = ""
        self.failed = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            if self.name == self.root.identity.node:
                self._here()
            else:
                self._there()
        except (clcomd.ClcomdError, caa.CaaError, manager.ManagerUnreachable, ClmgrError) as error:
            self._fail(str(error))
        except TimeoutError:
            self._fail(_too_late(self.options))

    def _here(self) -> None:
        if self.options.start_caa in ("yes", "true", "only"):
            caa.join(self.root, "")
        if self.options.start_caa == "only":
            return
        _clcomd_is_up(self.root)
        for words in self.options.runs(self._with_clinfo(startup.restart_flags(self.root) or ())):
            report = startup.StartReport(self.root, words)
            report.run(_flags(words), boot=True, time_limit=self.options.seconds)
            self.lines += report.lines
            if report.status:
                self._fail(report.complaint.removeprefix("clstart: "))
                return

    def _there(self) -> None:
        patience = self.patience
        if self.options.start_caa in ("yes", "true", "only"):
            self._remotely([CLMGR, "online", "node", self.name, "START_CAA=only"], patience)
        if self.options.start_caa == "only" or self.failed:
            return
        consistent: tuple[str, ...] = ()
        if self.options.clinfo == "consistent":
            answer = clcomd.run(self.root, self.name, ["/usr/sbin/lsitab", startup.INITTAB_ID], patience=patience)
            consistent = tuple(answer.out.decode(errors="replace").partition("#")[0].split())
        for words in self.options.runs(self._with_clinfo(consistent)):
            if not self.failed:
                self.lines += self._remotely([startup.RC_CLUSTER, *words], patience)

    def _remotely(self, command: list[str], patience: float) -> list[str]:
        try:
            result = clcomd.run(self.root, self.name, command, patience=patience)
        except clcomd.NotListening:
            self._fail(None)
            return []
        complaint = result.err.decode(errors="replace").strip().removeprefix("ERROR: ").removeprefix("clstart: ")
        if result.status:
            self._fail(complaint or "failed")
        return result.out.decode(errors="replace").splitlines()

    def _with_clinfo(self, restart_flags: tuple[str, ...]) -> bool:
        if self.options.clinfo == "consistent":
            return bool({"-i", "-I"} & set(restart_flags))
        return self.options.clinfo in ("true", "yes")

    def _fail(self, complaint: str | None) -> None:
        """It failed; None: nobody listens there."""
        self.complaint, self.failed = complaint, True


def _flags(words: list[str]) -> dict[str, str]:
    """rc.cluster's flags with their values."""
    flags: dict[str, str] = {}
    last = ""
    for word in words[1:]:
        if word.startswith("-"):
            last = word
            flags[word] = ""
        else:
            flags[last] = word
    return flags


def _start(root: NodeRoot, options: Options, names: list[str], whole: bool, silent: frozenset[str]) -> None:
    # A node that is started may have been powered on a moment ago; verification has waited for it already.
    starts = [_Start(root, options, name, 0.0 if name in silent else clcomd.BOOT_PATIENCE) for name in names]
    alone = names == [root.identity.node] and not whole
    now = options.when != "restart" and options.start_caa != "only"
    for start in starts:
        if now:
            print("start_cluster: Starting PowerHA SystemMirror" if alone else
                  f"{start.name}: start_cluster: Starting PowerHA SystemMirror", flush=True)  # fmt: skip
        start.thread.start()
    for start in starts:
        # Each of them has the whole time: they run side by side.
        start.thread.join(None if options.seconds is None else options.seconds + 1)
        if start.thread.is_alive():
            start.complaint, start.failed = _too_late(options), True
        elif now and not start.failed:
            print(f'"{start.name}" is now online.' if alone else f'{start.name}: "{start.name}" is now online.',
                  flush=True)  # fmt: skip
    online = [start.name for start in starts if not start.failed]
    if now and options.manage == "delayed" and online:
        _manage(root, options, online)
    if failed := next((start for start in starts if start.failed), None):
        if failed.complaint is None:
            raise CommunicationError(failed.name)
        raise ClmgrError(failed.complaint if alone else f'"{failed.name}": {failed.complaint}')
    if not now:
        return
    if whole:
        print("\nThe cluster is now online.")
    for start in starts:
        print(f"\nStarting Cluster Services on node: {start.name}\nThis may take a few minutes.  Please wait...")
        print("".join(f"{start.name}: {line}\n" for line in start.lines), end="")


def _manage(root: NodeRoot, options: Options, names: list[str]) -> None:
    """All nodes that were asked for are there: their groups are placed now, once (what "delayed" means is inferred).

    Raises:
        ClmgrError: no cluster manager could be asked, or the event failed.
    """
    own = root.identity.node
    try:
        if own in names:
            manager.manage_groups(options.seconds, root)
            return
        # On a node whose services are up already, a delayed start is no more than that.
        words = [CLMGR, "online", "node", names[0], "WHEN=now", "MANAGE=delayed", "BROADCAST=false", "FORCE=true"]
        result = clcomd.run(root, names[0], words)
    except (manager.Refused, manager.ManagerUnreachable, clcomd.ClcomdError) as error:
        raise ClmgrError(f"the resource groups have not been placed: {error}") from None
    except TimeoutError:
        raise ClmgrError(_too_late(options)) from None
    if result.status:
        complaint = result.err.decode(errors="replace").strip().removeprefix("ERROR: ")
        raise ClmgrError(f'"{names[0]}": {complaint or "failed"}')


def _too_late(options: Options) -> str:
    return f"not finished within {options.seconds:g} seconds."


def _clcomd_is_up(root: NodeRoot) -> None:
    """Cluster services need clcomd.

    Raises:
        ClmgrError: it is not active.
    """
    try:
        clcomd.Session(root, root.identity.node, clcomd.BOOT_PATIENCE).close()
    except clcomd.ClcomdError:
        raise ClmgrError("clcomd is not active on this node: start it with startsrc -s clcomd.") from None


# Stop.


def _stop(root: NodeRoot, request: Request, options: Options, names: list[str], whole: bool) -> None:
    own = root.identity.node
    given = {**request.attributes, "WHEN": options.when, "MANAGE": options.manage}
    attributes = [f"{name}={value}" for name, value in given.items()]
    failures: list[tuple[str, str | None]] = []
    # The node that is asked goes last: its answers must still be possible while the others stop.
    for name in sorted(names, key=lambda entry: entry == own):
        if name == own:
            try:
                _stop_here(root, options, f"{own}: " if len(names) > 1 or whole else "")
            except ClmgrError as error:
                failures.append((name, str(error)))
            continue
        try:
            result = clcomd.run(root, name, [CLMGR, "offline", "node", name, *attributes])
        except clcomd.NotListening:
            failures.append((name, None))
            continue
        except clcomd.ClcomdError as error:
            failures.append((name, str(error)))
            continue
        lines = [line for line in result.out.decode(errors="replace").splitlines() if line.strip()]
        print("".join(f"{name}: {line}\n" for line in lines), end="", flush=True)
        if result.status:
            failures.append((name, result.err.decode(errors="replace").strip().removeprefix("ERROR: ") or "failed"))
    if failures:
        name, complaint = failures[0]
        if complaint is None:
            raise CommunicationError(name)
        raise ClmgrError(complaint if names == [own] and not whole else f'"{name}": {complaint}')
    if whole and options.when != "restart":
        print(f"\nThe cluster is now {'unmanaged' if options.manage == 'unmanage' else 'offline'}.")


def _stop_here(root: NodeRoot, options: Options, prefix: str) -> None:
    own = root.identity.node
    if options.when == "restart":
        _not_at_restart(root)
        return
    text = SHUTTING_DOWN.format(own)
    told = False

    def shutting_down(progress: Progress | None = None) -> None:
        # Only a stop that is not refused is told, once. Its stages are not shown: the product does that for moves.
        nonlocal told
        if not told:
            print(f"{prefix}{text}", flush=True)
            if options.broadcast and progress is not None:
                startup.broadcast(root, text)
        told = True

    try:
        manager.stop_services(options.manage, "clmgr", options.seconds, shutting_down, root)
    except manager.Refused as refused:
        if refused.done.error not in ("not_active", "already"):
            raise ClmgrError(str(refused)) from None
        known = refused.done.snapshot
        if known is not None and known.members and not known.services and options.manage != "unmanage":
            # They run on, and nothing but a start has them managed again (the words are inferred).
            raise ClmgrError(
                f'cluster services are not active on "{own}", and its resource groups are unmanaged: start them first.'
            ) from None
        shutting_down()
    except manager.ManagerUnreachable as error:
        raise ClmgrError(f'the cluster manager on "{own}" cannot be asked: {error}') from None
    except TimeoutError:
        raise ClmgrError(_too_late(options)) from None
    if options.when == "both":
        _not_at_restart(root)
    print(f'{prefix}"{own}" is now {"unmanaged" if options.manage == "unmanage" else "offline"}.', flush=True)
    if options.stop_caa:
        try:
            stopping.stop(root)
        except caa.CaaError as error:
            raise ClmgrError(str(error)) from None


def _not_at_restart(root: NodeRoot) -> None:
    if not startup.not_at_restart(root):
        raise ClmgrError("/etc/inittab cannot be changed.")


# Recovery.


def recover(root: NodeRoot, c: Configuration, request: Request) -> None:
    """Resume event processing after script failures: on named nodes, or wherever the cluster has one.

    Raises:
        ClmgrError: a node is unknown, none waits for a recovery, or a cluster manager refuses.
    """
    for name in request.names if request.class_name == "node" else []:
        if c.node(name) is None:
            raise does_not_exist(name)
    names = request.names if request.class_name == "node" else []
    if not names:
        views = live.pictures(root, c, everybody=True)
        names = [name for name, view in views.items() if view is not None and view.state == "ST_RP_FAILED"]
    if not names:
        raise ClmgrError("no node waits for a recovery from an event script failure.")
    for name in names:
        try:
            if name == root.identity.node:
                manager.recover(root)
                continue
            result = clcomd.run(root, name, [CLRUNCMD, name])
        except (manager.ManagerUnreachable, manager.Refused, clcomd.ClcomdError) as error:
            raise ClmgrError(f'"{name}": {error}') from None
        if result.status:
            complaint = result.err.decode(errors="replace").strip().removeprefix("clruncmd: ")
            raise ClmgrError(f'"{name}": {complaint or "failed"}')
