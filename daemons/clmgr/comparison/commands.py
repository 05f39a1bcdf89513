"""cl_ccv_collector and cl_ccv_comparator.

Flags and file names are the manual pages'. What is printed, and the exit codes, are inferred: 0 also where the clusters
differ, for the report is what was asked for.
"""

from __future__ import annotations

import getopt
import json
import os
import sys
from typing import Any

from daemons.clmgr.comparison.sections import SECTIONS, collected, compared
from daemons.cluster import configuration as configurations
from daemons.cluster import snapshot
from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault
from daemons.cluster.verification.levels import FILESETS
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.commands.software import installed
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError, Repository

COLLECTED = "/var/hacmp/log/ccv_collector_data.json"
COMPARED = "/var/hacmp/log/ccv_comparison_data.json"
SNAPSHOTS = "/usr/es/sbin/cluster/snapshots"
COLLECTOR_USAGE = "Usage: cl_ccv_collector [-f] [-s snapshot_name] [-h]"
COMPARATOR_USAGE = (
    "Usage: cl_ccv_comparator --f1 filename_1 --f2 filename_2\n"
    "       [-d cluster|rg|ifix|version|resource|network|bp|gui|all] [-o output_file]"
)


class ComparisonError(Exception):
    """The request cannot be carried out; ``str()`` says why."""


def cl_ccv_collector(argv: list[str]) -> int:
    """``cl_ccv_collector [-f] [-s snapshot]``: the cluster of this node, or of a snapshot, into ``COLLECTED``.

    A cluster with changes that were not synchronized is collected with ``-f`` only.
    """
    try:
        options = parse(argv, "fs:h")
        if options.operands:
            raise UsageError("operands")
    except UsageError:
        return usage(COLLECTOR_USAGE)
    if "h" in options:
        print(COLLECTOR_USAGE)
        return 0
    root = NodeRoot.current()
    try:
        if "s" in options:
            sections = collected(_of_snapshot(root, options.value("s")), ())
        else:
            filesets = [(f.name, f.level) for f in installed(root) if f.name.startswith(FILESETS)]
            sections = collected(_of_node(root, "f" in options), filesets)
    except (ComparisonError, OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"cl_ccv_collector: {error}\n")
        return 1
    replace_file(root.path(COLLECTED), _text(sections))
    print(f"The cluster information has been written to {COLLECTED}.")
    return 0


def _text(value: object) -> bytes:
    return (json.dumps(value, indent=4) + "\n").encode()


def _of_node(root: NodeRoot, force: bool) -> Configuration:
    c = configurations.load(Repository(root, DCD))
    if c is None:
        raise ComparisonError("no cluster is defined on this node.")
    if not force:
        from daemons.clmgr.synchronization import unsynchronized

        if unsynchronized.state(root)[0]:
            raise ComparisonError("the cluster has changes that are not synchronized; synchronize it, or use -f.")
    return c


def _of_snapshot(root: NodeRoot, name: str) -> Configuration:
    """A snapshot by its name, or by the path of its file."""
    path = name if name.startswith("/") else f"{os.environ.get('SNAPSHOTPATH') or SNAPSHOTS}/{name}"
    try:
        with open(root.path(path.removesuffix(".odm") + ".odm"), encoding="utf-8", errors="replace") as file:
            _, objects = snapshot.parse(file.read())
        objects = snapshot.fitting(objects, Repository(root, DCD).describe)
        found = configurations.load(snapshot.Memory(objects))
    except OSError as error:
        raise ComparisonError(f"{name}: {error.strerror}.") from None
    except snapshot.SnapshotError as error:
        raise ComparisonError(str(error)) from None
    if found is None:
        raise ComparisonError(f"{name} holds no cluster.")
    return found


def cl_ccv_comparator(argv: list[str]) -> int:
    """``cl_ccv_comparator --f1 file --f2 file [-d section] [-o file]``: the report to ``COMPARED`` or that file."""
    # The manual page writes the flags with one hyphen, too.
    words = [f"-{word}" if word in ("-f1", "-f2") else word for word in argv[1:]]
    try:
        pairs, operands = getopt.gnu_getopt(words, "d:o:h", ["f1=", "f2="])
        options = dict(pairs)
        section = options.get("-d", "all")
        if operands or ("-h" not in options and not {"--f1", "--f2"} <= options.keys()):
            raise UsageError("--f1 and --f2")
        if section not in (*SECTIONS, "all"):
            raise UsageError("-d")
    except (getopt.GetoptError, UsageError):
        return usage(COMPARATOR_USAGE)
    if "-h" in options:
        print(COMPARATOR_USAGE)
        return 0
    root = NodeRoot.current()
    target = options.get("-o", COMPARED)
    try:
        first, second = (_read(root, options[flag]) for flag in ("--f1", "--f2"))
        report = compared(first, second, SECTIONS if section == "all" else (section,))
        replace_file(_real(root, target), _text(report))
    except ComparisonError as error:
        sys.stderr.write(f"cl_ccv_comparator: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"cl_ccv_comparator: {target}: {error.strerror}\n")
        return 1
    for name, found in report.items():
        print(f"{name:<10} {found['result']}")
    print(f"The comparison has been written to {target}.")
    return 0


def _real(root: NodeRoot, path: str) -> str:
    return root.path(path) if path.startswith("/") else os.path.abspath(path)


def _read(root: NodeRoot, path: str) -> dict[str, Any]:
    """What cl_ccv_collector wrote.

    Raises:
        ComparisonError: it is not to be read, or something else.
    """
    try:
        with open(_real(root, path), encoding="utf-8") as file:
            found = json.load(file)
    except OSError as error:
        raise ComparisonError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ComparisonError(f"{path} is no file of cl_ccv_collector.") from None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), dict) for name in SECTIONS):
        raise ComparisonError(f"{path} is no file of cl_ccv_collector.")
    return found
