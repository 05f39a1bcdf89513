"""clsnapshot, clconvert_snapshot and clsnapshotinfo: the older commands for the same."""

from __future__ import annotations

import sys
from collections.abc import Callable

from daemons.clmgr.errors import ClmgrError, missing
from daemons.clmgr.snapshots import snapshots
from daemons.cluster.configuration import DCD, ConfigurationFault
from daemons.cluster.snapshot import SnapshotError, description_of
from srcctl.commands.options import Options, UsageError, is_number, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError

CLSNAPSHOT = (
    "Usage: clsnapshot [-a] [-c] [-C] [-d description] [-e] [-f true|false] [-g] [-h]\n"
    "       [-i] [-l] [-m methodlist] -n filename [-N filename] [-o odmdir]\n"
    "       [-q] [-r] [-R] [-s] [-t]"
)
CONVERT = "Usage: clconvert_snapshot -v release -s snapshotfile"


def _complaining(name: str, work: Callable[[], None]) -> int:
    try:
        work()
    except (ClmgrError, OdmError, ConfigurationFault, SnapshotError) as error:
        sys.stdout.flush()
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    except OSError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{name}: {error.filename or 'the snapshots'}: {error.strerror}\n")
        return 1
    return 0


def clsnapshot(argv: list[str]) -> int:
    """``clsnapshot {-c | -a | -l | -s | -r | -R} -n name``: create, apply, list, show, remove, replace."""
    try:
        options = parse(argv, "acCd:ef:ghilm:n:N:o:qrRst")
        if options.operands or sum(flag in options for flag in "aclsrR") != 1 or "h" in options:
            raise UsageError("one action")
        if "l" not in options and not options.value("n"):
            raise UsageError("-n")
        if "o" in options and "c" not in options:
            raise UsageError("-o")
        if options.value("f", "false") not in ("true", "false"):
            raise UsageError("-f")
    except UsageError:
        return usage(CLSNAPSHOT)
    return _complaining("clsnapshot", lambda: _clsnapshot(NodeRoot.current(), options))


def _clsnapshot(root: NodeRoot, options: Options) -> None:
    name = options.value("n")
    if "l" in options:
        for found in snapshots.names(root):
            print(found)
    elif "c" in options:
        methods = options.value("m").replace(",", " ").split()
        snapshots.create(
            root, name, options.value("d"), methods, "e" in options, "q" in options, "i" in options or bool(methods),
            options.value("o") or DCD,
        )  # fmt: skip
    elif "a" in options:
        from daemons.clmgr.snapshots import applying

        applying.apply(root, name, options.value("f") == "true", "C" not in options)
    elif "s" in options:
        print(f"{name}: {description_of(snapshots.content(root, name))}")
    elif "r" in options:
        snapshots.remove(root, name)
    else:
        if not options.value("N") and "d" not in options:
            raise missing("-N")
        snapshots.modify(root, name, options.value("N"), options.get("d"))


def clconvert_snapshot(argv: list[str]) -> int:
    """``clconvert_snapshot -v release -s snapshotfile``."""
    try:
        options = parse(argv, "Cv:s:")
        if options.operands or not options.value("v") or not options.value("s"):
            raise UsageError("-v and -s")
        if not is_number(options.value("v").replace(".", "")):
            raise UsageError("-v")
    except UsageError:
        return usage(CONVERT)
    name = options.value("s").rpartition("/")[2].removesuffix(".odm")
    return _complaining("clconvert_snapshot", lambda: snapshots.convert(NodeRoot.current(), name))


def clsnapshotinfo(argv: list[str]) -> int:
    """``clsnapshotinfo [-l] [program ...]``: what a snapshot's information file holds of this node."""
    words = argv[1:]
    with_logs = words[:1] == ["-l"]
    programs = words[1:] if with_logs else words
    if any(word.startswith("-") for word in programs):
        return usage("Usage: clsnapshotinfo [-l] [program ...]")
    sys.stdout.write(snapshots.report_of_node(NodeRoot.current(), programs, with_logs))
    return 0
