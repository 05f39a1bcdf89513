"""CAA's commands: mkcluster, rmcluster, chcluster, clusterconf, lscluster, clctrl."""

from __future__ import annotations

import sys

import msgspec

from daemons.caa import client, formation, tunables
from daemons.caa.client import CaaError, RepositoryDisk, RepositoryError
from daemons.caa.formation import make, on_node
from daemons.caa.render import configuration, disks, interfaces, nodes, statistics
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot

LSCLUSTER_USAGE = "Usage: lscluster { -c | -d | -i | -m | -s } [-n clustername]"
MKCLUSTER_USAGE = (
    "Usage: mkcluster [-n clustername] [-m node[,...]] -r reposdisk [-d shareddisk[,...]] [-s multicastaddr]"
)
RMCLUSTER_USAGE = "Usage: rmcluster { -n clustername | -r reposdisk } [-f] [-v]"
CHCLUSTER_USAGE = "Usage: chcluster [-n clustername] -m { + | - }node[,...]"
CLCTRL_USAGE = """\
Usage: clctrl [-n clustername] {-start | -stop} {-m node[,...] | -a}
       clctrl -tune -h [tunable]
       clctrl -tune [-n name | -u uuid] (-a | {-L | -x} [tunable] | {-o tunable})
       clctrl -tune [-n name | -u uuid] (-D | {-d tunable} | {-o tunable=value})"""
NAME_MAX = 63


def lscluster(argv: list[str]) -> int:
    """``lscluster -m | -i | -d | -s | -c``: the cluster as CAA sees it; non-zero when CAA is not active."""
    try:
        options = parse(argv, "cdimsn:")
        views = [flag for flag in "cdims" if flag in options]
        if len(views) != 1 or options.operands:
            raise UsageError("one view")
    except UsageError:
        return usage(LSCLUSTER_USAGE)
    root = NodeRoot.current()
    try:
        status = client.status(root)
    except CaaError as error:
        return _complain("lscluster", str(error))
    membership = status.membership
    if membership is None or options.value("n", membership.cluster_name) != membership.cluster_name:
        return _complain("lscluster", client.INACTIVE)
    view = {"c": configuration, "d": disks, "i": interfaces, "m": nodes, "s": statistics}[views[0]]
    sys.stdout.write(view(status, membership, root.identity))
    return 0


def _complain(command: str, text: str) -> int:
    sys.stderr.write(f"{command}: {text}\n")
    return 1


def mkcluster(argv: list[str]) -> int:
    """``mkcluster -n name -m nodes -r disk``: make the repository, its key, and have every node join."""
    try:
        options = parse(argv, "n:m:r:d:s:S:")
        if "r" not in options or options.operands:
            raise UsageError("-r")
    except UsageError:
        return usage(MKCLUSTER_USAGE)
    root = NodeRoot.current()
    identity = root.identity
    name = options.value("n", "SIRCOL_" + identity.node)
    if not name or len(name) > NAME_MAX or name[0] == "-" or not all(c.isalnum() or c in "-._" for c in name):
        return _complain("mkcluster", f"{name} is not a valid cluster name.")
    try:
        make(root, name, options.value("m", identity.node).split(","), options.value("r"))
    except (CaaError, RepositoryError) as error:
        return _complain("mkcluster", str(error))
    except OSError as error:
        return _complain("mkcluster", f"{options.value('r')}: {error.strerror}.")
    print(
        "mkcluster: Cluster shared disks are automatically renamed to names such as\n"
        "\tcldisk1, [cldisk2, ...] on all cluster nodes."
    )
    return 0


def clusterconf(argv: list[str]) -> int:
    """``clusterconf [-r disk | -s | -u]``: this node joins a cluster (``-r``), stops CAA (``-s``), leaves for good
    (``-u``), or reads the definition again (no flag)."""
    try:
        options = parse(argv, "r:su")
        if options.operands:
            raise UsageError("operands")
    except UsageError:
        return usage("Usage: clusterconf [-r reposdisk | -s | -u]")
    root = NodeRoot.current()
    try:
        if "r" in options:
            client.join(root, options.value("r"))
        elif "s" in options or "u" in options:
            client.leave(root, forget="u" in options)
        else:
            client.reread(root)
    except CaaError as error:
        return _complain("clusterconf", str(error))
    return 0


def rmcluster(argv: list[str]) -> int:
    """``rmcluster -n name | -r disk``: all nodes leave and the repository is wiped."""
    try:
        options = parse(argv, "n:r:fv")
        if ("n" in options) == ("r" in options) or options.operands:
            raise UsageError("-n or -r")
    except UsageError:
        return usage(RMCLUSTER_USAGE)
    root = NodeRoot.current()
    status = 0
    try:
        disk = client.find_disk(root, options.value("r")) if "r" in options else client.status(root).disk
        if not disk:
            raise CaaError(client.INACTIVE if "n" in options else f"{options.value('r')} is not a disk of this node.")
        repository = RepositoryDisk(root.identity.lab, disk)
        definition = repository.read_definition()
        if definition is None or options.value("n", definition.name) != definition.name:
            raise CaaError(f"{disk} is not the repository of that cluster.")
        # The local node goes last: with its membership it forgets the key that the others ask for.
        for node in sorted(definition.nodes, key=lambda member: member.name == root.identity.node):
            try:
                on_node(root, node.name, ["/usr/sbin/clusterconf", "-u"], lambda: client.leave(root, forget=True))
            except CaaError as error:
                if "f" not in options:
                    raise
                status |= _complain("rmcluster", str(error))
        repository.erase()
    except CaaError as error:
        return _complain("rmcluster", str(error))
    except OSError as error:
        return _complain("rmcluster", f"{error.filename or 'disk'}: {error.strerror}.")
    print(
        "rmcluster: Removed cluster shared disks are automatically renamed to names such\n"
        "\tas hdisk10, [hdisk11, ...] on all cluster nodes."
    )
    return status


def chcluster(argv: list[str]) -> int:
    """``chcluster -m +node | -node``: add or remove nodes."""
    try:
        options = parse(argv, "n:m:")
        if "m" not in options or options.operands:
            raise UsageError("-m")
        changes = options.value("m").split(",")
        if not all(change[:1] in "+-" and change[1:] for change in changes):
            raise UsageError("+ or -")
    except UsageError:
        return usage(CHCLUSTER_USAGE)
    root = NodeRoot.current()
    try:
        for change in changes:
            (formation.add_node if change[0] == "+" else formation.remove_node)(root, change[1:])
    except (CaaError, RepositoryError) as error:
        return _complain("chcluster", str(error))
    except OSError as error:
        return _complain("chcluster", f"the repository disk: {error.strerror}.")
    return 0


def clctrl(argv: list[str]) -> int:
    """``clctrl -start | -stop | -tune``."""
    words = argv[1:]
    root = NodeRoot.current()
    try:
        if "-tune" in words:
            return _tune(root, [word for word in words if word != "-tune"])
        if "-start" in words or "-stop" in words:
            return _power(root, words)
    except CaaError as error:
        return _complain("clctrl", str(error))
    except OSError as error:
        return _complain("clctrl", f"the repository disk: {error.strerror}.")
    return usage(CLCTRL_USAGE)


def _power(root: NodeRoot, words: list[str]) -> int:
    start = "-start" in words
    names = words[words.index("-m") + 1].split(",") if "-m" in words and words[-1] != "-m" else None
    if names is None and "-a" not in words:
        return usage(CLCTRL_USAGE)
    status = 0
    for node in names or [node.name for node in root.identity.nodes]:
        command = ["/usr/sbin/clusterconf", "-r", ""] if start else ["/usr/sbin/clusterconf", "-s"]
        try:
            on_node(root, node, command, lambda: client.join(root, "") if start else client.leave(root))
        except CaaError as error:
            status |= _complain("clctrl", str(error))
    return status


def _tune(root: NodeRoot, words: list[str]) -> int:
    if "-h" in words:
        chosen = words[words.index("-h") + 1 :] or list(tunables.TUNABLES)
        for name in chosen:
            tunable = tunables.TUNABLES.get(name)
            if tunable is None:
                return _complain("clctrl", f"{name} is not a tunable.")
            limits = ", ".join(tunable.choices) or f"{tunable.low}-{tunable.high} {tunable.unit}".rstrip()
            print(f"{name}: default {tunable.default}, {limits}")
        return 0
    status = client.status(root)
    membership = status.membership
    if membership is None:
        raise CaaError(client.INACTIVE)
    entity = f"{membership.cluster_name}({membership.cluster_id})"
    values = dict(status.tunables)
    if "-L" in words or "-x" in words:
        flag = "-L" if "-L" in words else "-x"
        chosen = [word for word in words[words.index(flag) + 1 :] if not word.startswith("-")] or sorted(values)
        return _long_list(chosen, values, entity, flag == "-x")
    if "-a" in words:
        for name, value in sorted(values.items()):
            print(f"     {entity}.{name} = {value}")
        return 0
    changes: dict[str, str] = {}
    if "-D" in words:
        changes = {name: tunable.default for name, tunable in tunables.TUNABLES.items()}
    for flag in ("-d", "-o"):
        for place, word in enumerate(words[:-1]):
            if word == flag:
                name, mark, value = words[place + 1].partition("=")
                tunable = tunables.TUNABLES.get(name)
                if tunable is None:
                    return _complain("clctrl", f"{name} is not a tunable.")
                if flag == "-o" and not mark:
                    print(f"     {entity}.{name} = {values[name]}")
                    return 0
                changes[name] = tunable.default if flag == "-d" else value
    if not changes:
        return usage(CLCTRL_USAGE)
    for name, value in changes.items():
        fault = tunables.TUNABLES[name].fault(value)
        if fault:
            return _complain("clctrl", f"{value} is not valid for {name}: it {fault}.")
    repository = client.repository(root)
    definition = repository.read_definition()
    if definition is None:
        raise CaaError(client.INACTIVE)
    merged = tuple(sorted({**dict(definition.tunables), **changes}.items()))
    definition = msgspec.structs.replace(definition, tunables=merged)
    repository.write_definition(definition)
    failed = 0
    for node in definition.nodes:
        if node.number in membership.alive:
            try:
                on_node(root, node.name, ["/usr/sbin/clusterconf"], lambda: client.reread(root))
            except CaaError as error:
                failed |= _complain("clctrl", str(error))
    print(f"1 tunable updated on cluster {membership.cluster_name}.")
    return failed


def _long_list(chosen: list[str], values: dict[str, str], entity: str, comma: bool) -> int:
    unknown = [name for name in chosen if name not in tunables.TUNABLES]
    if unknown:
        return _complain("clctrl", f"{unknown[0]} is not a tunable.")
    rule = "-" * 80
    if comma:
        print("name,default,minimum,maximum,unit,scope,entity,current")
    else:
        print(f"{'NAME':<30}{'DEF':<7}{'MIN':<7}{'MAX':<7}{'UNIT':<16}SCOPE")
        print(f"     {'ENTITY_NAME(UUID)':<65}CUR\n{rule}")
    for name in chosen:
        t = tunables.TUNABLES[name]
        low, high = ("", "") if t.choices else (str(t.low), str(t.high))
        if comma:
            print(f"{name},{t.default},{low},{high},{t.unit},{t.scope},{entity},{values[name]}")
        else:
            print(f"{name:<30}{t.default:<7}{low:<7}{high:<7}{t.unit:<16}{t.scope}")
            print(f"     {entity:<65}{values[name]}\n{rule}")
    return 0
