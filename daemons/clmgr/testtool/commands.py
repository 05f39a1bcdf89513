"""cl_testtool: the command line of the Cluster Test Tool.

SMIT gives the tool a test plan, a variables file, and three choices; the flags for them are inferred but for -c, -e and
-v, with which the product's log shows it called.
"""

from __future__ import annotations

import contextlib
import os
import sys

from daemons.clmgr.testtool import automatic, plan
from daemons.clmgr.testtool.plan import Test
from daemons.clmgr.testtool.record import Record, read
from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault
from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

USAGE = (
    "Usage: cl_testtool -a [-i] [-l] [-n]\n"
    "       cl_testtool -c -e TestPlan [-v VariablesFile] [-i] [-l] [-n]\n"
    "       -a  the automated test procedure    -i  stop at the first test that fails\n"
    "       -c  the tests of a test plan        -l  verbose log    -n  go on in the old log"
)
LOCK = "/var/hacmp/.cl_testtool"
NOT_RUN = 2
"""The exit code when no test was run because the plan or the cluster is not as it must be."""


def cl_testtool(argv: list[str]) -> int:
    """``cl_testtool -a`` or ``-c -e plan [-v variables]``. Exit code 0: all tests passed, 1: not all, 2: none was run.

    With ``-x`` it does one action of a test on its own node, for the tool on another one.
    """
    root = NodeRoot.current()
    if argv[1:2] == ["-x"]:
        return _on_node(root, argv[2:])
    try:
        options = parse(argv, "ace:v:iln")
        if options.operands or ("a" in options) == ("c" in options) or ("e" in options) != ("c" in options):
            raise UsageError("-a or -c -e")
        if "v" in options and "c" not in options:
            raise UsageError("-v")
    except UsageError:
        return usage(USAGE, NOT_RUN)
    try:
        c = configurations.load(Repository(root, DCD))
        if c is None or c.node(root.identity.node) is None:
            raise plan.PlanError("this node belongs to no cluster.")
        tests = _tests(root, c, options)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_alone(root))
            except BlockingIOError:
                raise plan.PlanError("another run of the tool is going on on this node.") from None
            return _run(root, c, options, tests, " ".join(argv[1:]))
    except (OdmError, ConfigurationFault, plan.PlanError) as error:
        sys.stderr.write(f"cl_testtool: {error}\n")
    except BrokenPipeError:
        raise  # nobody reads the output any more, which is no complaint of ours
    except OSError as error:
        sys.stderr.write(f"cl_testtool: {error.filename}: {error.strerror}\n")
    return NOT_RUN


def _alone(root: NodeRoot) -> contextlib.AbstractContextManager[None]:
    """One run at a time on this node; that it goes on ends with it, whatever happens to it.

    Raises:
        BlockingIOError: when it is entered: another run goes on.
        OSError: the file cannot be opened.
    """
    path = root.path(LOCK)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return locked(path, wait=False)


def _tests(root: NodeRoot, c: Configuration, options: Options) -> list[Test]:
    if "a" in options:
        return plan.parse(automatic.whole(c, root.identity.node), {})
    values = plan.variables(read(root, options.value("v"))) if "v" in options else dict(os.environ)
    return plan.parse(read(root, options.value("e")), values)


def _run(root: NodeRoot, c: Configuration, options: Options, tests: list[Test], called: str) -> int:
    from daemons.clmgr.testtool.running import Runner

    record = Record(root, c, cycle="n" not in options)
    record.heading("Reading Static Configuration Data")
    for line in (
        f"Cluster Name: {c.cluster.name}",
        f"Local Node Name: {root.identity.node}",
        f"Cluster Nodes: {' '.join(node.name for node in c.nodes)}",
        *(f"Cluster Network: {network.name}" for network in c.networks),
        *(f"Resource Group: {group.name} ({' '.join(group.nodes)})" for group in c.groups),
    ):
        record.line(line)
    record.heading("Building Test Queue")
    record.line(f"Test Plan: {options.value('e', 'automated test procedure')}")
    wrong = 0
    for number, test in enumerate(tests, 1):
        record.line(f"Event {number}: {test.name}: {test.line}")
        if reason := plan.unknown(test, c):
            record.line(f"ERROR: {reason}")
            wrong += 1
    if wrong:
        record.banner(f"Cluster Testing Complete: Exit Code {NOT_RUN}")
        return NOT_RUN
    record.banner(f"Starting Cluster Test Tool: {called}")
    runner = Runner(root, c, record, "l" in options)
    passed: list[bool] = []
    for number, test in enumerate(tests, 1):
        passed.append(runner.run(number, test))
        if not passed[-1] and "i" in options:
            record.line("The tests end here, since one has failed.")
            break
    code = 0 if all(passed) else 1
    record.line(f"Tests: {len(tests)}, passed: {sum(passed)}, failed: {len(passed) - sum(passed)}, "
                f"not run: {len(tests) - len(passed)}")  # fmt: skip
    record.banner(f"Cluster Testing Complete: Exit Code {code}")
    return code


def _on_node(root: NodeRoot, words: list[str]) -> int:
    from daemons.clmgr.testtool import on_node

    try:
        said = on_node.carry_out(root, words)
    except ValueError:
        return usage(USAGE, NOT_RUN)
    except on_node.Failed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if said:
        print(said)
    return 0
