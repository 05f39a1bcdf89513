"""A run of verification: data of all nodes, the checks, corrective actions, custom methods, and what is kept of it."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

import msgspec

from daemons.caa import client as caa
from daemons.clcomd import client as clcomd
from daemons.clconfd import agent, collector
from daemons.clconfd.agents import Agents
from daemons.clmgr.verification import methods
from daemons.clmgr.verification.record import Record
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import SystemEvent
from daemons.cluster.configuration import Configuration
from daemons.cluster.verification import Case, Correction, Finding, NodeFacts, applications, steps, verify
from daemons.cluster.verification.applications import program
from daemons.cluster.verification.levels import client_hosts
from daemons.cluster.verification.storage import IMPORT, automatic_imports
from daemons.runtime.log import DaemonLog
from srcctl.node.root import NodeRoot

PATIENCE = 15.0
"""Seconds between two lines that say for which nodes verification still waits."""
AUTOVERIFY_LOG = "/var/hacmp/log/autoverify.log"


@dataclass(frozen=True, slots=True)
class Options:
    """How verification is run.

    Attributes:
        fix: no, yes or interactively: whether corrective actions are taken, and whether they are asked for.
        verbose: name every check (LOGGING=verbose).
        log_file: a product path that gets a copy of the output, "" for none.
        errors_max: end after so many errors, 0 for never.
        default_tests: run the product's own checks.
        methods: names of custom methods; None runs all that are defined.
        changing: a synchronization or start follows, which prints the closing line itself.
        quiet: print nothing (the log has it all).
        changes_only: leave out what the configuration that was synchronized last would have been told as well.
        awaited: nodes that may be booting, whose clcomd is waited for within a bound.
        starting: this node is about to start: other nodes that do not answer are a warning, as if they were down,
            because a node must be able to start without them.
        alone: look at this node only. All nodes of a cluster may boot at the same moment, and on one host it would be
            too much if each asked all the others.
    """

    fix: str = "no"
    verbose: bool = False
    log_file: str = ""
    errors_max: int = 0
    default_tests: bool = True
    methods: tuple[str, ...] | None = None
    changing: bool = False
    quiet: bool = False
    changes_only: bool = False
    awaited: frozenset[str] = frozenset()
    starting: bool = False
    alone: bool = False


@dataclass(slots=True)
class Outcome:
    """What a run found; ``active`` says that cluster services run somewhere, ``silent`` which nodes did not answer."""

    findings: list[Finding] = field(default_factory=list)
    active: bool = False
    silent: frozenset[str] = frozenset()

    @property
    def errors(self) -> int:
        return sum(finding.error for finding in self.findings)


def run(
    root: NodeRoot, c: Configuration, options: Options, agents: Agents | None = None, own_changes: bool = True
) -> Outcome:
    """Verify a configuration: print what the product prints, keep logs and data, return what was found.

    ``agents`` are those of the synchronization that follows, if one does. ``own_changes``: what is changed on this node
    and was not synchronized is named as well, unless a synchronization or start follows, which is the reason for it.
    """
    if agents is None:
        with Agents(root) as own:
            return run(root, c, options, own, own_changes)
    record = Record(root, options.log_file, options.quiet)
    outcome, finished = Outcome(), False
    try:
        if collector.services_state(root)[0]:
            record.say("Verifying additional prerequisites for Dynamic Reconfiguration...\n...completed.\n")
        record.say("Verification to be performed on the following:\n\tCluster Topology\n\tCluster Resources\n")
        corrected: set[Correction] = set()
        before = _committed(root) if options.changes_only else None
        while True:
            facts = _gather(root, c, record, options, agents, own_changes and not options.changing)
            case = Case(c, facts)
            outcome.active = case.active
            outcome.silent = frozenset(name for name, known in facts.items() if not known.reachable)
            outcome.findings = _check(case, options, record, before) if options.default_tests else []
            if not _corrective(case, outcome.findings, options, corrected, record, agents):
                break
            record.block("Verification is run again after corrective actions.")
        outcome.findings += methods.custom(root, c, options.methods, record, agents, outcome.silent)
        if options.default_tests:
            outcome.findings += methods.of_resource_types(root, c, record, agents, outcome.silent)
        if outcome.errors:
            record.apart(f"Verification exiting with error count: {outcome.errors}")
        else:
            record.apart("Remember to redo automatic error notification if configuration has changed.")
            if not options.changing:
                record.apart("Verification has completed normally.")
        finished = True
    finally:
        record.close(passed=not outcome.errors if finished else None)
    return outcome


def note_automatic_run(root: NodeRoot, findings: list[Finding]) -> None:
    """Warnings and errors of a run that nobody watched (at a start, once a day) stand in autoverify.log."""
    log = DaemonLog(root.path(AUTOVERIFY_LOG), stamp="")
    log.write(f"{time.ctime()}: automatic verification on node {root.identity.node}")
    for finding in findings:
        log.write(finding.line())


def tell_all_nodes(root: NodeRoot, c: Configuration, outcome: Outcome) -> None:
    """The result of the daily run goes into clutils.log of every node.

    Errors are broadcast, and a running cluster runs a cluster_notify event.
    """
    own = root.identity.node
    result = f"found {outcome.errors} error(s)" if outcome.errors else "completed normally"
    line = f"{time.ctime()}: clver: Automatic cluster configuration verification on node {own} {result}"
    with Agents(root) as agents:
        for node in c.nodes:
            if node.name == own:
                agent.note(root, line, outcome.errors > 0)
                continue
            try:
                agents.ask(node.name, ["note", "error" if outcome.errors else "passed", line])
            except clcomd.ClcomdError:
                continue
    if outcome.errors:
        try:
            manager.ask(SystemEvent("verification_errors", f"{outcome.errors} error(s)"), root)
        except (manager.ManagerUnreachable, manager.Refused, TimeoutError):
            pass  # services are down: there is nobody to run an event


# Data of the nodes.


def files_of(c: Configuration) -> list[str]:
    """Programs and files that the configuration names, whose presence on the nodes counts."""
    commands = [command for controller in c.controllers for command in (controller.start, controller.stop)]
    commands += [command for monitor in c.monitors for _, command in applications.monitor_methods(monitor)]
    commands += [c.setting(key) for key in applications.SETTING_METHODS]
    commands += [event.program for event in c.user_events]
    commands += [method for group in c.groups for _, _, method in group.notified if method]
    commands += [method for kind in c.resource_types for method in (*kind.methods, kind.verification)]
    commands += [command for event in c.events for _, command in event.commands(c.methods)]
    commands += [method.program for method in c.methods]
    commands += [event.command for event in c.events]
    collected = [path for collection in c.collections for path in collection.files]
    return sorted({program(command) for command in commands if program(command)} | set(collected))


def _gather(
    root: NodeRoot, c: Configuration, record: Record, options: Options, agents: Agents, own_changes: bool
) -> dict[str, NodeFacts]:
    """What every node says of itself, all asked at the same time."""
    files, own = files_of(c), root.identity.node
    down = nodes_down(root)
    record.say("Retrieving data from available cluster nodes.  This could take a few minutes.\n")
    facts: dict[str, NodeFacts] = {}

    def ask(node: str) -> NodeFacts:
        if node == own:
            known = collector.collect(root, files)
            return known if own_changes else msgspec.structs.replace(known, drift=())
        patience = clcomd.BOOT_PATIENCE if node in options.awaited else 0.0
        try:
            result = agents.ask(node, ["facts", *files], patience)
            if result.status == 0:
                return msgspec.json.decode(result.out, type=NodeFacts)
        except (clcomd.ClcomdError, msgspec.DecodeError):
            pass
        return NodeFacts(False, down=options.starting or node in down)

    names = [node.name for node in c.nodes if node.name == own or not options.alone]
    for name in names:
        record.say(f"\tStart data collection on node {name}")
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        waiting = {pool.submit(ask, name): name for name in names}
        elapsed = 0
        while waiting:
            try:
                for future in as_completed(list(waiting), timeout=PATIENCE):
                    name = waiting.pop(future)
                    facts[name] = future.result()
                    if facts[name].reachable:
                        record.say(f"\tCollector on node {name} completed")
                    record.data(name, facts[name])
            except TimeoutError:
                elapsed += int(PATIENCE)
                for name in waiting.values():
                    record.say(f"\tWaiting on node {name} data collection, {elapsed} seconds elapsed")
    record.say("\tData collection complete")
    return facts


def nodes_down(root: NodeRoot) -> frozenset[str]:
    """The members of the CAA cluster that are down; none while there is no cluster."""
    try:
        membership = caa.status(root).membership
    except caa.CaaError:
        membership = None
    if membership is None:
        return frozenset()
    return frozenset(node.name for node in membership.nodes if node.number not in membership.up)


# Checks.


def _committed(root: NodeRoot) -> Configuration | None:
    """The configuration that was synchronized last; None if there is none that can be read."""
    from daemons.cluster import configuration as configurations
    from daemons.cluster import synchronization
    from daemons.cluster.snapshot import Memory

    try:
        repository = caa.repository(root)
        commit = repository.read_commit()
        archive = repository.read_archive(commit) if commit is not None else None
        if archive is None:
            return None
        return configurations.load(Memory(synchronization.unpack(archive)))
    except (caa.CaaError, caa.RepositoryError, synchronization.ArchiveError, configurations.ConfigurationFault):
        return None


def _check(case: Case, options: Options, record: Record, before: Configuration | None) -> list[Finding]:
    found: list[Finding] = []
    known = frozenset(finding.line() for finding in verify(Case(before, case.facts))) if before is not None else None
    area, told = "", 0
    for step in steps(case, options.errors_max, known or frozenset()):
        if step.area != area:
            area = step.area
            record.block(f"Verifying {area}...")
        (record.say if options.verbose else record.note)(f"\tRunning check {step.name}")
        for finding in step.findings:
            record.block(finding.line())
        found += step.findings
        while told + 10 <= step.percent:
            told += 10
            record.say(f"\tCompleted {told} percent of the verification checks")
    return found


# Corrective actions.


def _corrective(
    case: Case, findings: list[Finding], options: Options, done: set[Correction], record: Record, agents: Agents
) -> bool:
    """Correct what can be corrected, once a condition; returns whether anything was."""
    known = [finding.correction for finding in findings if finding.correction is not None]
    # Groups with VG_AUTO_IMPORT have their volume groups imported at a synchronization, without being asked for.
    imports = {name for group in case.configuration.groups for name in automatic_imports(group)}
    automatic = [c for c in known if options.changing and c.function == IMPORT and c.arguments[0] in imports]
    wanted = [correction for correction in (automatic if options.fix == "no" else known) if correction not in done]
    if case.active:
        if options.fix != "no" and wanted:
            record.block("Corrective actions are not taken while cluster services are active.")
        wanted = [correction for correction in wanted if correction in automatic]
    elif options.fix != "no":
        wanted += [correction for correction in client_hosts(case) if correction not in done]
    corrected = False
    for number, correction in enumerate(wanted, 1):
        done.add(correction)
        record.say(f"Starting Corrective Action: {correction.function}.")
        asked = options.fix == "interactively" and correction not in automatic
        if asked and not _confirmed(correction, record):
            continue
        complaint = _carry_out(correction, agents)
        record.say(f"<{number:02}> {correction.text}: {'FAIL' if complaint else 'PASS'}")
        if complaint:
            record.say(complaint)
        # What no check looks at needs none again.
        corrected = corrected or not (complaint or correction.kind == "clhosts")
    return corrected


def _confirmed(correction: Correction, record: Record) -> bool:
    record.say(f"{correction.question or f'Do you want to do this: {correction.text}'} [Yes / No]: ", end="")
    answer = sys.stdin.readline()
    # A terminal shows what is typed; of other input this does.
    (record.note if sys.stdin.isatty() else record.say)(answer.rstrip())
    return answer.strip().lower() in ("y", "yes")


def _carry_out(correction: Correction, agents: Agents) -> str:
    """Have a node correct itself; returns a complaint."""
    try:
        result = agents.ask(correction.node, ["correct", correction.kind, *correction.arguments])
    except clcomd.ClcomdError as error:
        return f"{correction.node}: {error}"
    return result.err.decode(errors="replace").strip() or f"exit code {result.status}" if result.status else ""


__all__ = [
    "AUTOVERIFY_LOG",
    "Options",
    "Outcome",
    "files_of",
    "nodes_down",
    "note_automatic_run",
    "run",
    "tell_all_nodes",
]
