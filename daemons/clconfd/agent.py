"""What a node does when it is told to stage or to install a configuration, and how it reports facts about itself.

These are the node's own steps of a synchronization (``cl_config``), run on every node through clcomd, and by clconfd
when the node missed one.
"""

from __future__ import annotations

import json
import os
import sys

import msgspec

from daemons.caa import client as caa
from daemons.clconfd import collector, installation
from daemons.cluster.synchronization import (
    ArchiveError,
    Locked,
    staging,
)
from daemons.runtime.log import DaemonLog
from srcctl.commands.options import usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, remember

USAGE = (
    "Usage: cl_config lock OWNER GENERATION | stage GENERATION DISK | install | unlock [OWNER SINCE] | keep | running "
    "| forget | facts [FILE ...] | method COMMAND [NAME=VALUE ...] | correct KIND [ARGUMENT ...] "
    "| note error|passed LINE | serve"
)


CLUTILS_LOG = "/var/hacmp/log/clutils.log"
LOCKED = 3
"""The exit code of ``cl_config lock`` when another synchronization has the lock, which it prints."""
NOT_RUNNING = 4
"""The exit code of ``cl_config running`` when no synchronization runs on the node."""


def note(root: NodeRoot, line: str, failed: bool) -> None:
    """A line of clutils.log about an automatic verification; one that failed is broadcast."""
    DaemonLog(root.path(CLUTILS_LOG), stamp="").write(line)
    if failed:
        try:
            with open(root.path("/dev/console"), "a", encoding="utf-8") as file:
                file.write(f"\nBroadcast message from root@{root.identity.node}:\n\n{line}\n")
        except OSError:
            pass


def cl_config(argv: list[str]) -> int:
    """``cl_config``: this node's part of verification and synchronization."""
    words = argv[1:]
    root = NodeRoot.current()
    remember()
    if words == ["serve"]:
        return serve(root)
    try:
        status, out, err = carry_out(root, words)
    except ValueError:
        return usage(USAGE)
    if out:
        print(out)
    if err:
        sys.stderr.write(f"cl_config: {err}\n")
    return status


def serve(root: NodeRoot) -> int:
    """``cl_config serve``: one step after the other, asked for by a node that verifies or synchronizes.

    A line of standard input is a JSON array of the words of a step, a line of standard output its exit code, output and
    complaint. It ends with its input.
    """
    # What a program prints that a step runs is no answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        try:
            result = carry_out(root, [str(word) for word in json.loads(line)])
        except ValueError:
            result = (2, "", USAGE)
        answers.write(json.dumps(result).encode() + b"\n")
        answers.flush()
    return 0


def carry_out(root: NodeRoot, words: list[str]) -> tuple[int, str, str]:
    """One step: exit code, output and complaint.

    Raises:
        ValueError: the words are no step.
    """
    try:
        return 0, _step(root, words), ""
    except Locked as error:
        return LOCKED, msgspec.json.encode(error.held).decode(), f"{error} has the lock"
    except _Fails as error:
        return error.status, "", str(error)
    except (caa.CaaError, caa.RepositoryError, ArchiveError, OdmError) as error:
        return 1, "", str(error)
    except OSError as error:
        return 1, "", f"{error.filename or 'disk'}: {error.strerror}"


class _Fails(Exception):
    """A step ends with an exit code that says something by itself."""

    def __init__(self, status: int, complaint: str = "") -> None:
        super().__init__(complaint)
        self.status = status


def _correct(root: NodeRoot, kind: str, arguments: list[str]) -> None:
    from daemons.clconfd import corrections

    try:
        corrections.correct(root, kind, arguments)
    except corrections.CorrectionFailed as error:
        raise _Fails(1, str(error)) from None


METHOD_LIMIT = 600.0
"""Seconds that a verification method may take."""


def _method(root: NodeRoot, command: str, variables: list[str]) -> str:
    """Run a verification method; ``variables`` are NAME=VALUE of its environment.

    Raises:
        _Fails: its exit code is not 0; what it printed is the complaint.
    """
    import shlex
    import subprocess

    environment = {**os.environ, **dict(variable.partition("=")[::2] for variable in variables)}
    try:
        words = shlex.split(command)
        done = subprocess.run(
            [root.path(words[0]), *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=METHOD_LIMIT, check=False, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _Fails(124, f"no end within {METHOD_LIMIT:g} seconds") from None
    except (OSError, IndexError, ValueError) as error:
        raise _Fails(127, getattr(error, "strerror", "") or "no program") from None
    said = done.stdout.decode(errors="replace").rstrip()
    if done.returncode:
        raise _Fails(done.returncode if done.returncode > 0 else 128 - done.returncode, said)
    return said


def _step(root: NodeRoot, words: list[str]) -> str:
    match words:
        case ["stage", generation, disk] if generation.isdecimal():
            installation.stage(root, int(generation), disk)
        case ["lock", owner, generation] if generation.isdecimal():
            staging.lock(root, owner, int(generation))
        case ["install"]:
            generation = str(installation.install_committed(root))
            installation.tell_manager(root)
            return generation
        case ["unlock"]:
            staging.release(root)
        case ["unlock", owner, since] if since.replace(".", "", 1).isdecimal():
            staging.release_abandoned(root, owner, float(since))
        case ["keep"]:
            staging.keep(root)
        case ["running"]:
            if not staging.is_running(root):
                raise _Fails(NOT_RUNNING)
        case ["forget"]:
            installation.forget(root)
            installation.tell_manager(root)
        case ["facts", *files]:
            return msgspec.json.encode(collector.collect(root, files)).decode()
        case ["note", result, line]:
            note(root, line, result == "error")
        case ["method", command, *variables]:
            return _method(root, command, variables)
        case ["correct", kind, *arguments]:
            _correct(root, kind, arguments)
        case _:
            raise ValueError(words)
    return ""
