"""clmixver and clcheck_server: questions of scripts that the exit code answers."""

from __future__ import annotations

import subprocess
import sys

from daemons.cluster.configuration import DCD, ConfigurationFault, load_defined
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository


def clmixver(argv: list[str]) -> int:
    """``clmixver``: 1, printed and as the exit code, if nodes of the cluster have different levels; else 0."""
    try:
        if parse(argv, "").operands:
            raise UsageError("operands")
    except UsageError:
        return usage("Usage: clmixver")
    try:
        configuration = load_defined(Repository(NodeRoot.current(), DCD))
    except (OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"clmixver: {error}\n")
        return 2
    mixed = len({node.version for node in configuration.nodes}) > 1
    print(int(mixed))
    return int(mixed)


def clcheck_server(argv: list[str]) -> int:
    """``clcheck_server subsystem``: 1 if SRC has the subsystem active and it can be used, else 0.

    Backwards for an exit code, as on the product. A cluster manager without a configuration cannot be used (inferred).
    """
    try:
        options = parse(argv, "")
        if len(options.operands) != 1:
            raise UsageError("one subsystem")
    except UsageError:
        usage("Usage: clcheck_server subsystem")
        return 2
    name = options.operands[0]
    if _lssrc("-s", name).split()[-1:] != ["active"]:
        return 0
    return int(name != "clstrmgrES" or "Current state: NOT_CONFIGURED" not in _lssrc("-ls", name))


def _lssrc(*words: str) -> str:
    program = NodeRoot.current().path("/usr/bin/lssrc")
    done = subprocess.run([program, *words], check=False, capture_output=True, text=True, errors="replace")
    return done.stdout if done.returncode == 0 else ""
