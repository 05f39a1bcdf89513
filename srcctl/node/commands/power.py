"""halt, reboot, shutdown, and the host's names for them, which must never reach the host.

Sources: the AIX manual pages halt, reboot and shutdown, which have the flags, what happens in which order, and what
halt says at its end. The other lines of shutdown and what reboot says are as administrators know them (inferred).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from srcctl.commands.options import UsageError, is_number, parse, usage
from srcctl.node import control
from srcctl.node.processes import Membership, kill_all
from srcctl.node.root import IdentityError, NodeRoot, replace_file

LPAR_PATIENCE: Final = 0.5
"""Seconds until a lpar that does not answer is killed together with the node."""
STOP_PATIENCE: Final = 20.0
"""Seconds that ``shutdown`` gives the subsystems to end."""
MINUTES_DIGITS: Final = 7
SHUTDOWN_MARK: Final = "/var/run/shutdown"
"""Which process shuts the node down, and whether it is to boot again."""

TELINIT_FLAGS: Final = ""
SHUTDOWN_FLAGS: Final = "dFhiklmprt:uv"
HALT_FLAGS, REBOOT_FLAGS = "lnpqy", "lnqt:"
_NO_CLOCK: Final = "{name}: -t is not supported; nothing powers a node on at a time, see srcctl boot."
SHUTDOWN_LOG: Final = "/etc/shutdown.log"
_HALT_USAGE: Final = {
    "halt": "Usage: {name} [-l] [-n] [-p] [-q] [-y]",
    "reboot": "Usage: {name} [-l] [-n] [-q] [-t mmddHHMM[yy]]",
}
LAST_WORDS: Final = {"halt": "....Halt completed....", "reboot": "Rebooting . . ."}
"""What the last process of a node says, by what it is asked for."""
_SHUTDOWN_USAGE: Final = (
    "Usage: shutdown [-d] [-F] [-h] [-i] [-k] [-l] [-m] [-p] [-r] [-t mmddHHMM[yy]] [-u] [-v] [+Time [Message]]"
)
_DAY_MINUTES: Final = 24 * 60


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


def _request(kind: str, mode: str, reason: str) -> dict[str, str]:
    return {"type": kind, "mode": mode, "reason": reason}


def _end_node(root: NodeRoot, request: dict[str, str], name: str, say: Callable[[str], None] | None = None) -> int:
    """Ask lpar; if it does not answer (stopped, stuck) kill the node from here. Returns only on a refusal.

    ``say`` takes what is said, by default to stdout.
    """
    try:
        identity = root.identity
    except IdentityError as error:
        _complain(f"{name}: {error}")
        return 1
    path = root.path("/dev/lpar")
    if os.access(path, os.W_OK):
        # Before it is so: nobody of this node lives to say it afterwards.
        (say or _Log())(LAST_WORDS[request["type"]])
    try:
        reply = control.exchange(path, request, LPAR_PATIENCE)
    except control.LparUnreachable as error:
        _complain(f"{name}: {error}")
        return 1
    except control.LparSilent:
        from srcctl.node import guard

        guard.write_end_marker(root.path(guard.END_MARKER), "halt", request["reason"])
        mark = f"{identity.lab_id}/{identity.node}"
        kill_all(Membership.of_this_process(mark, identity.mode == "view"), spare={os.getpid()})
        return 0
    if reply["error"]:
        _complain(f"{name}: {reply['error']}")
        return 1
    # lpar kills this process among all others.
    time.sleep(STOP_PATIENCE)
    return 1


def halt(argv: list[str]) -> int:
    """``halt [-q]``: the node stops at once; also ``poweroff`` and ``fasthalt``."""
    return _halt(argv, _request("halt", "q", f"{os.path.basename(argv[0])} by process {os.getppid()}"))


def reboot(argv: list[str]) -> int:
    """``reboot [-q]``: the node stops at once and boots again; also ``fastboot``."""
    return _halt(argv, _request("reboot", "q", f"{os.path.basename(argv[0])} by process {os.getppid()}"))


def _halt(argv: list[str], request: dict[str, str]) -> int:
    name, kind = os.path.basename(argv[0]), request["type"]
    try:
        options = parse(argv, HALT_FLAGS if kind == "halt" else REBOOT_FLAGS)
        if options.operands:
            raise UsageError("operands")
    except UsageError:
        return usage(_HALT_USAGE[kind].format(name=name))
    if "t" in options:
        _complain(_NO_CLOCK.format(name=name))
        return 1
    root = NodeRoot.current()
    if shutdown_reboots(root):
        # A subsystem that does not survive the shutdown halts the node (clexit.rc): what was asked for stays asked for.
        request = _request("reboot", "q", f"{request['reason']} during shutdown -r")
    return _end_node(root, request, name)


def shutdown_reboots(root: NodeRoot) -> bool:
    """Whether a shutdown that is under way is to boot the node again."""
    try:
        with open(root.path(SHUTDOWN_MARK), encoding="ascii") as file:
            pid, kind = file.read().split()
        os.kill(int(pid), 0)
    except PermissionError:
        return kind == "reboot"
    except (OSError, ValueError):
        return False
    return kind == "reboot"


def systemctl(argv: list[str]) -> int:
    """The host's ``systemctl`` is out of reach; its words for power end the node, everything else is refused."""
    words = [word for word in argv[1:] if not word.startswith("-")]
    reason = f"systemctl by process {os.getppid()}"
    if words[:1] in (["poweroff"], ["halt"]):
        return _end_node(NodeRoot.current(), _request("halt", "q", reason), "systemctl")
    if words[:1] in (["reboot"], ["kexec"], ["soft-reboot"]):
        return _end_node(NodeRoot.current(), _request("reboot", "q", reason), "systemctl")
    _complain("systemctl: not available on a node; see startsrc, stopsrc and lssrc.")
    return 1


def shutdown(argv: list[str]) -> int:
    """``shutdown [-F] [-r] [+Time [Message]]``: subsystems are stopped in order, then the node halts or boots again."""
    try:
        options = parse(argv, SHUTDOWN_FLAGS, intermixed=True)
        # With -F a time and a message are ignored.
        operands = options.operands if "F" not in options else []
        minutes = _minutes_until(operands[0]) if operands else 0 if "F" in options else 1
    except UsageError:
        return usage(_SHUTDOWN_USAGE)
    if "t" in options:
        _complain(_NO_CLOCK.format(name="shutdown"))
        return 1
    root, kind = NodeRoot.current(), "reboot" if "r" in options else "halt"
    if not os.access(root.path("/dev/lpar"), os.W_OK):
        _complain("shutdown: only root may shut the node down.")  # before scripts run and anything is stopped
        return 1
    # Who only warns (-k) does nothing else: nothing is logged, no script runs.
    say = _Log(root.path(SHUTDOWN_LOG) if "l" in options and "k" not in options else "")
    say("\nSHUTDOWN PROGRAM")
    say(time.strftime("%a %b %e %H:%M:%S %Z %Y"))
    if operands[1:]:
        say(" ".join(operands[1:]))
    if minutes:
        say(f"\nshutdown: THE SYSTEM IS BEING SHUT DOWN IN {minutes} MINUTE{'S' if minutes != 1 else ''}")
        time.sleep(60 * minutes)
    if "k" in options:
        return 0
    if not _run_scripts(root):
        return 1
    say(f"\nWait for '{'Rebooting...' if kind == 'reboot' else LAST_WORDS[kind]}' before stopping.")
    if "m" in options:
        return _to_level("S", "shutdown")
    try:
        replace_file(root.path(SHUTDOWN_MARK), f"{os.getpid()} {kind}\n".encode())
    except OSError:
        pass  # a full disk keeps no node from being shut down
    if _stop_error_logging(root):
        say("Error reporting has stopped.")
    _stop_subsystems(root, say)
    request = _request(kind, "normal", f"shutdown {' '.join(argv[1:])}".strip())
    return _end_node(root, request, "shutdown", say)


def _minutes_until(word: str) -> int:
    """Minutes until ``now``, ``+number`` or ``hour:minute`` (which may be tomorrow's).

    Raises:
        UsageError: it is no time.
    """
    if word == "now":
        return 0
    hour, colon, minute = word.partition(":")
    if colon:
        if not (is_number(hour) and is_number(minute) and int(hour) < 24 and int(minute) < 60):
            raise UsageError(word)
        now = time.localtime(time.time())
        return (int(hour) * 60 + int(minute) - now.tm_hour * 60 - now.tm_min) % _DAY_MINUTES
    number = word.removeprefix("+")
    if not is_number(number) or len(number) > MINUTES_DIGITS:
        raise UsageError(word)
    return int(number)


class _Log:
    """What is said: on stdout, and with ``-l`` in /etc/shutdown.log, which is written anew each time.

    The node goes down, whether anybody can be told or not: its console may be on a disk that has become read-only.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        if path:
            with suppress(OSError):
                replace_file(path, b"")

    def __call__(self, text: str) -> None:
        with suppress(OSError):
            print(text, flush=True)
        if self._path:
            # Line by line, as the node dies at the end; a full disk keeps none from it.
            with suppress(OSError), open(self._path, "a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"{text}\n")


def _run_scripts(root: NodeRoot) -> bool:
    import subprocess

    script = root.path("/etc/rc.shutdown")
    if os.access(script, os.X_OK) and subprocess.run([script], check=False).returncode != 0:
        _complain("shutdown: /etc/rc.shutdown returned an error. The shutdown is cancelled.")
        return False
    directory = root.path("/etc/rc.d/rc2.d")
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        path = os.path.join(directory, name)
        if name.startswith("K") and os.access(path, os.X_OK):
            subprocess.run([path, "stop"], check=False)
    return True


def _stop_subsystems(root: NodeRoot, say: _Log) -> None:
    """Every subsystem gets a normal stop, which SRC does not take for a failure."""
    import subprocess

    stopsrc = root.path("/usr/bin/stopsrc")
    if not os.path.exists(stopsrc):
        return
    done = subprocess.run(
        [stopsrc, "-a"], check=False, stdout=subprocess.PIPE, encoding="utf-8", errors="surrogateescape"
    )
    if done.stdout:
        say(done.stdout.rstrip("\n"))
    deadline = time.monotonic() + STOP_PATIENCE
    while time.monotonic() < deadline:
        try:
            reply = control.exchange(root.path("/dev/lpar"), {"type": "status"}, LPAR_PATIENCE)
        except (control.LparSilent, control.LparUnreachable):
            return
        if not reply["processes"].keys() - {"lpar", "caa", "srcmstr"}:
            return
        time.sleep(0.05)


def _stop_error_logging(root: NodeRoot) -> bool:
    """What ends first, as documented for AIX: errpt tells an orderly shutdown by it. Whether it was on."""
    from srcctl.errlog import settings
    from srcctl.errlog.commands import errstop

    return not settings.is_stopped(root) and errstop(["errstop"]) == 0


def _to_level(level: str, name: str) -> int:
    root = NodeRoot.current()
    try:
        reply = control.exchange(root.path("/dev/lpar"), {"type": "telinit", "level": level}, STOP_PATIENCE)
    except control.LparSilent:
        _complain(f"{name}: init does not answer.")
        return 1
    except control.LparUnreachable as error:
        _complain(f"{name}: {error}")
        return 1
    if reply["error"]:
        _complain(f"{name}: {reply['error']}")
        return 1
    return 0


def telinit(argv: list[str]) -> int:
    """``telinit q`` reads /etc/inittab again, ``telinit N`` changes the run level; also ``init``."""
    name = os.path.basename(argv[0])
    if len(argv) != 2 or len(argv[1]) != 1 or argv[1] not in "0123456789abchMmNQqSs":
        _complain(
            f"Usage: {name} {{0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | a | b | c | h | M | m | N | Q | q | S | s}}"
        )
        return 1
    return _to_level(argv[1], name)
