"""cldare, clver and clconfig: the programs behind SMIT's "Verify and Synchronize".

Their flags are not published; these are the ones that scripts use (inferred where no use was seen).
"""

from __future__ import annotations

import dataclasses
import sys

from daemons.clmgr.errors import NO_CLUSTER, ClmgrError
from daemons.clmgr.synchronization import after_synchronization, dare, synchronize
from daemons.clmgr.verification import verify
from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault
from srcctl.commands.options import Options, UsageError, is_number, parse
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository, remember

FLAGS = "rtnfiuvV:C:bm:e:o:"
CLDARE_USAGE = (
    "Usage: cldare [-r] [-t] [-n] [-f] [-v] [-V normal | modify | fix] [-C yes | interactive | no] "
    "[-m methods]\n              [-e errors]\n       cldare -u"
)
CLVER_USAGE = "Usage: {} [-v] [-r] [-t] [-C yes | interactive | no] [-m methods] [-e errors]"
AUTOVERIFY_USAGE = "Usage: autoverify [-s [-l] [-C yes | interactive | no]]"
CORRECTIONS = {"yes": "yes", "interactive": "interactively", "no": "no"}


def cldare(argv: list[str]) -> int:
    """``cldare``: verify and synchronize; with ``-n`` verify only, with ``-u`` release the locks."""
    try:
        options = parse(argv, FLAGS)
        verification = _verification(options)
    except UsageError as error:
        sys.stderr.write(f"cldare: {error}\n{CLDARE_USAGE}\n")
        return 1
    root = NodeRoot.current()
    remember()
    try:
        c = _configuration(root)
        if "u" in options:
            lost = dare.release_all_locks(root, tuple(node.name for node in c.nodes))
            for node in lost:
                print(f"WARNING: Unable to communicate with the remote node: {node}.")
            return 0
        if "n" in options:
            return 1 if verify.run(root, c, verification).errors else 0
        after_synchronization.precede(root, c)
        synchronize.synchronize(root, c, "f" in options, dataclasses.replace(verification, changing=True))
        after_synchronization.follow(root, c)
    except (ClmgrError, OdmError, ConfigurationFault) as error:
        sys.stdout.flush()
        text = str(error)
        sys.stderr.write(f"\n{text if text.startswith('cldare: ') else f'cldare: {text}'}\n")
        return 1
    return 0


def clver(argv: list[str]) -> int:
    """``clver`` and ``clconfig -v``: verify."""
    name = argv[0].rpartition("/")[2]
    try:
        options = parse(argv, FLAGS)
        verification = _verification(options)
    except UsageError as error:
        sys.stderr.write(f"{name}: {error}\n{CLVER_USAGE.format(name)}\n")
        return 1
    root = NodeRoot.current()
    remember()
    try:
        return 1 if verify.run(root, _configuration(root), verification).errors else 0
    except (ClmgrError, OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1


def autoverify(argv: list[str]) -> int:
    """``autoverify``: verification that nobody has asked for.

    Without flags it is the daily run, started by clconfd on the node that verifies; its result goes to every node.
    With ``-s`` it is the run before cluster services start on this node, by rc.cluster: errors go to standard error,
    and what ``-C`` allows is corrected first; with ``-l`` it looks at this node only. Exit code 0: no error; 1: errors,
    or no verification.
    """
    try:
        options = parse(argv, "slC:")
        fix = _verification(options).fix
    except UsageError as error:
        sys.stderr.write(f"autoverify: {error}\n{AUTOVERIFY_USAGE}\n")
        return 1
    root = NodeRoot.current()
    remember()
    try:
        c = _configuration(root)
    except (ClmgrError, OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"autoverify: {error}\n")
        return 1
    if "s" in options:
        return _verify_before_start(root, c, fix, alone="l" in options)
    outcome = verify.run(root, c, verify.Options(quiet=True))
    verify.note_automatic_run(root, outcome.findings)
    verify.tell_all_nodes(root, c, outcome)
    return 1 if outcome.errors else 0


def _verify_before_start(root: NodeRoot, c: Configuration, fix: str, alone: bool) -> int:
    node = c.node(root.identity.node)
    if node is not None and node.setting("VERIFY_ON_START", "true") == "false":
        return 0
    run = verify.Options(fix=fix, changing=True, quiet=fix != "interactively", starting=True, alone=alone)
    outcome = verify.run(root, c, run)
    verify.note_automatic_run(root, outcome.findings)
    errors = [finding.line() for finding in outcome.findings if finding.error]
    sys.stderr.write("".join(f"{line}\n" for line in errors))
    return 1 if errors else 0


def _configuration(root: NodeRoot) -> Configuration:
    found = configurations.load(Repository(root, DCD))
    if found is None:
        raise ClmgrError(NO_CLUSTER)
    return found


def _verification(options: Options) -> verify.Options:
    fix, errors = options.value("C", "no"), options.value("e", "0")
    if fix not in CORRECTIONS:
        raise UsageError(f"-C takes yes, interactive or no, not {fix}")
    if not is_number(errors):
        raise UsageError(f"-e takes a number, not {errors}")
    if options.value("V", "normal") not in ("normal", "modify", "fix"):
        raise UsageError(f"-V takes normal, modify or fix, not {options.value('V')}")
    if options.operands:
        raise UsageError(f"{options.operands[0]} is no flag")
    methods = options.value("m").replace(",", " ").split()
    return verify.Options(
        fix=CORRECTIONS["yes" if options.value("V") == "fix" else fix],
        verbose="v" in options,
        errors_max=int(errors),
        changes_only=options.value("V") == "modify",
        methods=tuple(methods) if methods else None,
    )
