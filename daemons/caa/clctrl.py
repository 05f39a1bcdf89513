"""``clctrl``: CAA is started and stopped on nodes, its tunables are shown and set, and the cluster is secured."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from daemons.caa import changes, client, stopping, tunables
from daemons.caa.client import CaaError, Definition, RepositoryError
from daemons.caa.formation import carry_out
from daemons.caa.messages import Status
from srcctl.commands.options import UsageError, usage
from srcctl.node.root import NodeRoot

USAGE = """\
Usage: clctrl [-n clustername] {-start | -stop} {-m node[,...] | -a}
       clctrl -tune -h [tunable]
       clctrl -tune [-n name | -u uuid] (-a | {-L | -x} [tunable] | {-o tunable})
       clctrl -tune [-n name | -u uuid] (-D | {-d tunable} | {-o tunable=value})
       clctrl -sec { -l sec_level -s sec_alg } [-e] [-t certificate_type [-c certificate_file -f privkey_file]]
       clctrl [-n clustername] -commit"""
RULE = "-" * 80
FILESET = "bos.cluster.rte"


def complain(command: str, text: str) -> int:
    """Say on standard error what was wrong; the exit code of failure."""
    sys.stderr.write(f"{command}: {text}\n")
    return 1


def clctrl(argv: list[str]) -> int:
    """The command."""
    words = argv[1:]
    root = NodeRoot.current()
    try:
        if "-tune" in words:
            words.remove("-tune")
            return _tune(root, parse_tune(words))
        if "-start" in words or "-stop" in words:
            return _power(root, words)
        if "-sec" in words:
            words.remove("-sec")
            return _secure(root, words)
        if "-commit" in words:
            words.remove("-commit")
            return _commit(root, words)
        raise UsageError("what to do")
    except UsageError:
        return usage(USAGE)
    except (CaaError, RepositoryError) as error:
        return complain("clctrl", str(error))
    except OSError as error:
        return complain("clctrl", f"the repository disk: {error.strerror}.")


# Start and stop.


def _power(root: NodeRoot, words: list[str]) -> int:
    start, wanted, name = "-start" in words, None, ""
    if start == ("-stop" in words):
        raise UsageError("start or stop")
    rest = iter(word for word in words if word not in ("-start", "-stop"))
    everybody = False
    for word in rest:
        match word:
            case "-a":
                everybody = True
            case "-m":
                wanted = next(rest, "").split(",")
            case "-n":
                name = next(rest, "")
            case _:
                raise UsageError(word)
    if everybody == (wanted is not None) or wanted == [""]:
        raise UsageError("-m or -a")
    _, definition = client.own_repository(root)
    if name not in ("", definition.name):
        raise CaaError(f"{name} is not the name of this node's cluster.")
    members = [node.name for node in definition.nodes]
    chosen = members if wanted is None else wanted
    unknown = [node for node in chosen if node not in members]
    if unknown:
        raise CaaError(f"{unknown[0]} is not a node of the cluster.")
    status = 0
    own = root.identity.node
    for node in changes.own_last(own, chosen):
        try:
            failed = carry_out(root, changes.power(start, [node], own))
        except stopping.Refused as error:
            status |= complain("clctrl", str(error))
            continue
        for _, complaint in failed:
            if node == own:
                status |= complain("clctrl", complaint)
            else:
                complain("clctrl", f"{complaint}: the order waits until {node} boots.")
    return status


# Security, and the level of the cluster.


def _secure(root: NodeRoot, words: list[str]) -> int:
    from daemons.caa.message_security import parse_security, secure

    wanted = parse_security(words)
    _, definition = client.own_repository(root)
    membership = client.status(root).membership
    if membership is None:
        raise CaaError(client.INACTIVE)
    try:
        secure(root, definition, membership.alive, wanted)
    except OSError as error:
        raise CaaError(f"{error.filename or 'certificate'}: {error.strerror}.") from None
    return 0


def _commit(root: NodeRoot, words: list[str]) -> int:
    """After an update of CAA on all nodes the cluster goes over to its level: all nodes must be up, and have the same.

    The nodes of a lab are never at levels between which the cluster would have to change (inferred): there is nothing
    left to do then.
    """
    if words and (len(words) != 2 or words[0] != "-n"):
        raise UsageError("-commit")
    membership = client.status(root).membership
    if membership is None:
        raise CaaError(client.INACTIVE)
    if words and words[1] != membership.cluster_name:
        raise CaaError(f"{words[1]} is not the name of this node's cluster.")
    down = [node.name for node in membership.nodes if node.number not in membership.alive]
    if down:
        raise CaaError(f"{' '.join(down)}: the level of a cluster is committed with all of its nodes up.")
    levels = {node.name: _level(root, node.name) for node in membership.nodes}
    if len(set(levels.values())) > 1:
        told = ", ".join(f"{node} has {level}" for node, level in levels.items())
        raise CaaError(f"the nodes are at different levels of {FILESET}: {told}.")
    return 0


def _level(root: NodeRoot, node: str) -> str:
    """The level of CAA's fileset on a node.

    Raises:
        CaaError: it cannot be told.
    """
    from daemons.clcomd import client as clcomd

    try:
        result = clcomd.run(root, node, ["/usr/bin/lslpp", "-Lqc", FILESET])
    except clcomd.ClcomdError as error:
        raise CaaError(f"{node}: {error}") from None
    fields = result.out.decode(errors="replace").split(":")
    if result.status or len(fields) < 3:
        raise CaaError(f"{node}: {result.err.decode(errors='replace').strip() or f'{FILESET} is not installed'}")
    return fields[2]


# Tunables.


@dataclass(slots=True)
class Tune:
    """A ``clctrl -tune`` command line."""

    view: str = ""
    """One of a, L, x, h, o (show), or "" for changes."""
    names: list[str] = field(default_factory=list)
    changes: dict[str, str | None] = field(default_factory=dict)
    """New values; None for the default."""
    all_defaults: bool = False
    cluster: str = ""
    uuid: str = ""


def parse_tune(words: list[str]) -> Tune:
    """The command line behind ``-tune``.

    Raises:
        UsageError: it is not one.
    """
    tune, rest = Tune(), list(words)
    while rest:
        word = rest.pop(0)
        match word:
            case "-n" | "-u" if rest:
                value = rest.pop(0)
                if word == "-n":
                    tune.cluster = value
                else:
                    tune.uuid = value
            case "-a" | "-L" | "-x" | "-h" if not tune.view:
                tune.view = word[1]
                while word != "-a" and rest and not rest[0].startswith("-"):
                    tune.names.append(rest.pop(0))
            case "-D":
                tune.all_defaults = True
            case "-d" if rest:
                tune.changes[rest.pop(0)] = None
            case "-o" if rest:
                name, mark, value = rest.pop(0).partition("=")
                if mark:
                    tune.changes[name] = value
                else:
                    tune.view = tune.view or "o"
                    tune.names.append(name)
            case _:
                raise UsageError(word)
    changing = bool(tune.changes) or tune.all_defaults
    if changing == bool(tune.view) or (tune.cluster and tune.uuid) or (tune.all_defaults and tune.changes):
        raise UsageError("one thing at a time")
    return tune


def _tune(root: NodeRoot, tune: Tune) -> int:
    for name in (*tune.names, *tune.changes):
        if name not in tunables.TUNABLES:
            return complain("clctrl", f"{name} is not a tunable.")
    if tune.view == "h":
        _help(tune.names or sorted(tunables.TUNABLES))
        return 0
    status = client.status(root)
    membership = status.membership
    if membership is None:
        raise CaaError(client.INACTIVE)
    if tune.cluster not in ("", membership.cluster_name) or tune.uuid not in ("", membership.cluster_id):
        raise CaaError(f"{tune.cluster or tune.uuid} is not this node's cluster.")
    if tune.view:
        _show(tune, status, f"{membership.cluster_name}({membership.cluster_id})")
        return 0
    values = {name: t.default for name, t in tunables.TUNABLES.items()} if tune.all_defaults else {}
    for name, value in tune.changes.items():
        values[name] = tunables.TUNABLES[name].default if value is None else value
        fault = tunables.TUNABLES[name].fault(values[name])
        if fault:
            return complain("clctrl", f"{value} is not valid for {name}: it {fault}.")
    told = 0
    for text in carry_out(root, changes.change(lambda definition: _tuned(definition, values))):
        told |= complain("clctrl", text)
    count = len(values)
    print(f"{count} tunable{'' if count == 1 else 's'} updated on cluster {membership.cluster_name}.")
    return told


def _tuned(definition: Definition, values: Mapping[str, str]) -> Definition:
    merged = tuple(sorted({**dict(definition.tunables), **values}.items()))
    return msgspec.structs.replace(definition, tunables=merged)


def _help(names: list[str]) -> None:
    for name in names:
        t = tunables.TUNABLES[name]
        limits = ", ".join(t.choices) or f"{t.low}-{t.high} {t.unit}".rstrip()
        print(f"Help for tunable {name}:\n     {tunables.PURPOSES[name]}\n     Values: {limits}. Default: {t.default}.")


def _show(tune: Tune, status: Status, entity: str) -> None:
    values = dict(status.tunables)
    names = tune.names or sorted(values)
    if tune.view in ("a", "o"):
        # One that is named stands at the margin (PowerHA V7.2 Redbook), in the list of all there are blanks (inferred).
        margin = "     " if tune.view == "a" else ""
        for name in names:
            print(f"{margin}{entity}.{name} = {values[name]}")
        return
    if tune.view == "x":
        print("name,default,minimum,maximum,unit,scope,entity_name(uuid),current")
    else:
        print(f"{'NAME':<30}{'DEF':<7}{'MIN':<7}{'MAX':<7}{'UNIT':<16}SCOPE")
        print(f"     {'ENTITY_NAME(UUID)':<65}CUR\n{RULE}")
    for name in names:
        t = tunables.TUNABLES[name]
        low, high = ("", "") if t.choices else (str(t.low), str(t.high))
        if tune.view == "x":
            print(f"{name},{t.default},{low},{high},{t.unit},{t.scope},{entity},{values[name]}")
        else:
            # A value that is wider than its column moves what follows (inferred).
            print(f"{name:<29} {t.default:<6} {low:<6} {high:<6} {t.unit:<15} {t.scope}")
            print(f"     {entity:<65}{values[name]}\n{RULE}")
