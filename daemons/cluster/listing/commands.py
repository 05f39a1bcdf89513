"""The listing commands: cltopinfo, cllscf, cllsif, cllsnode, cllsnw, cllsclstr, cllsgrp, cllsres, clshowres and more.

Each reads the node's DCD, or the directory that ``-o`` or ``-d`` names, and prints what the pure side makes of it. On a
node without a cluster they say so on stderr and end with 1, their standard output being empty.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault, ResourceGroup, load_defined
from daemons.cluster.listing import resources, topology
from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from srcctl.storage.volume_groups import VolumeGroups

Work = Callable[[Options, Configuration, NodeRoot], list[str]]


class Unknown(Exception):
    """An object that was named is not there; ``str()`` says so."""


def _command(argv: list[str], flags: str, syntax: str, work: Work, operands: int = 0) -> int:
    name = argv[0].rpartition("/")[2]
    # Some know another directory by -o, some by -d: both are taken wherever the letter is free.
    flags += "".join(f"{letter}:" for letter in "od" if letter not in flags)
    try:
        options = parse(argv, flags + "h", intermixed=True)
        if "h" in options:
            print(f"Usage: {name} {syntax}".rstrip())
            return 0
        if len(options.operands) > operands:
            raise UsageError("operands")
    except UsageError:
        return usage(f"Usage: {name} {syntax}".rstrip())
    try:
        root = NodeRoot.current()
        directory = options.value("o") or options.value("d") or DCD
        lines = work(options, load_defined(Repository(root, directory)), root)
    except UsageError:
        return usage(f"Usage: {name} {syntax}".rstrip())
    except (Unknown, OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    if lines:
        print("\n".join(lines))
    return 0


def _disks(root: NodeRoot) -> dict[str, str]:
    from srcctl.storage.device_names import by_pvid

    return by_pvid(root)


def _node(c: Configuration, name: str) -> str:
    if name and c.node(name) is None:
        raise Unknown(f"the node {name} is not defined.")
    return name


def _group(c: Configuration, name: str) -> str:
    if name and c.group(name) is None:
        raise Unknown(f"the resource group {name} is not defined.")
    return name


def cltopinfo(argv: list[str]) -> int:
    """``cltopinfo [-c] [-i] [-m] [-n] [-w]``."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        if "c" in options:
            return topology.head(c, _disks(root))
        if "i" in options:
            return topology.interface_table(c)
        if "n" in options:
            return topology.nodes_block(c)[:-1]
        if "w" in options:
            return topology.network_block(c)
        if "m" in options:
            # Heartbeat rings went with CAA.
            return []
        return topology.summary(c, _disks(root))

    return _command(argv, "cimnw", "[-c] [-i] [-m] [-n] [-w]", work)


def cllscf(argv: list[str]) -> int:
    """``cllscf``."""
    return _command(argv, "", "", lambda options, c, root: topology.connections(c, _disks(root)))


def cllsif(argv: list[str]) -> int:
    """``cllsif [-c] [-S] [-i node] [-n label] [-p] [-J label]``."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        label = options.value("n") or options.value("J")
        if label and c.label(label) is None:
            raise Unknown(f"the adapter {label} is not defined.")
        function = "service" if "p" in options else ""
        from srcctl.network.addresses import AddressRegistry

        aliases = AddressRegistry(root.identity.lab).interfaces_of(root.identity.node)
        rows = topology.interfaces(c, _node(c, options.value("i")), label, function, aliases)
        return topology.interface_lines(rows, "c" in options, "S" not in options)

    return _command(argv, "cSi:n:pJ:", "[-c] [-S] [-i node] [-n label] [-p] [-J label]", work)


def cllsnode(argv: list[str]) -> int:
    """``cllsnode [-c] [-S] [-i node | node]``."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        names = [_node(c, name) for name in (options.value("i"), *options.operands) if name]
        return topology.node_lines(c, names, "c" in options, "S" not in options)

    return _command(argv, "cSi:", "[-c] [-S] [-i node]", work, operands=1)


def cllsnw(argv: list[str]) -> int:
    """``cllsnw [-c] [-S] [-n network | network]``."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        names = [name for name in (options.value("n"), *options.operands) if name]
        for name in names:
            if c.network(name) is None:
                raise Unknown(f"the network {name} is not defined.")
        return topology.network_lines(c, names, "c" in options, "S" not in options)

    return _command(argv, "cSn:", "[-c] [-S] [-n network]", work, operands=1)


def cllsclstr(argv: list[str]) -> int:
    """``cllsclstr [-c] [-S] [-i id] [-n name]``: the cluster, which an id or a name may be asked of."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        for flag, own in (("i", str(c.cluster.id)), ("n", c.cluster.name)):
            if options.value(flag, own) != own:
                raise Unknown(f"the cluster {options.value(flag)} is not defined.")
        disk = _disks(root).get(c.repository, c.repository)
        return topology.cluster_lines(c, disk, "c" in options, "S" not in options)

    return _command(argv, "cSi:n:", "[-c] [-S] [-i id] [-n name]", work)


def cllssite(argv: list[str]) -> int:
    """``cllssite [-c] [-S]``."""
    return _command(argv, "cS", "[-c] [-S]",
                    lambda options, c, root: topology.site_lines(c, "c" in options, "S" not in options))  # fmt: skip


def cllsnim(argv: list[str]) -> int:
    """``cllsnim [-c] [-S]``."""
    return _command(argv, "cSn:", "[-c] [-S]",
                    lambda options, c, root: topology.kind_lines("c" in options, "S" not in options))  # fmt: skip


def cllsparam(argv: list[str]) -> int:
    """``cllsparam [-n node] [-c] [-s]``: ``-s`` leaves the header out."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        names = [_node(c, options.value("n"))] if "n" in options else []
        return topology.parameter_lines(c, names, "c" in options, "s" not in options and "S" not in options)

    return _command(argv, "n:csS", "[-n node] [-c] [-s]", work)


def cllsgrp(argv: list[str]) -> int:
    """``cllsgrp [-c] [-S] [-g group]``."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        return resources.group_lines(c, _group(c, options.value("g")), "c" in options, "S" not in options)

    return _command(argv, "cSg:", "[-c] [-S] [-g group]", work)


def cllsres(argv: list[str]) -> int:
    """``cllsres [-g group] [-e] [-c] [-s] [-d odmdir] [-q query]``.

    ``-s`` names the fields of the colon form in the user's language, of which there is one; ``-q`` takes what criteria
    choose from HACMPresource.
    """

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        chosen = None
        if "q" in options:
            directory = options.value("o") or options.value("d") or DCD
            objects = Repository(root, directory).get("HACMPresource", options.value("q"))
            chosen = {(str(o["group"]), str(o["name"]), str(o["value"])) for o in objects}
        return resources.resource_lines(c, _group(c, options.value("g")), "c" in options, "S" not in options, chosen)

    return _command(argv, "g:csSeq:", "[-g group] [-e] [-c] [-s] [-d odmdir] [-q query]", work)


def clshowres(argv: list[str]) -> int:
    """``clshowres [-g group] [-n nodename] [-d odmdir]``."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        return resources.show(c, _group(c, options.value("g")), _node(c, options.value("n")))

    return _command(argv, "g:n:", "[-g group] [-n nodename] [-d odmdir]", work)


def cllsserv(argv: list[str]) -> int:
    """``cllsserv [-n name] [-c] [-S]``."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        name = options.value("n")
        if name and c.controller(name) is None:
            raise Unknown(f"the application controller {name} is not defined.")
        return resources.controller_lines(c, name, "c" in options, "S" not in options)

    return _command(argv, "n:cS", "[-n name] [-c] [-S]", work)


def cllsappmon(argv: list[str]) -> int:
    """``cllsappmon [monitor] [-c] [-S]``."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        name = options.operands[0] if options.operands else options.value("n")
        if name and all(monitor.name != name for monitor in c.monitors):
            raise Unknown(f"the application monitor {name} is not defined.")
        return resources.monitor_lines(c, name, "c" in options, "S" not in options)

    return _command(argv, "n:cS", "[monitor] [-c] [-S]", work, operands=1)


def cllsvg(argv: list[str]) -> int:
    """``cllsvg {-g group} [-n] [-v] [-s | -c]``: the volume groups of a resource group, of all without ``-g``.

    ``-n`` adds the nodes of the group, ``-v`` leaves out what is not varied on here; ``-s`` shared ones only, ``-c``
    concurrent ones only.
    """

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        from srcctl.storage.volume_groups import VolumeGroups

        if {"s", "c"} <= options.values.keys():
            raise UsageError("-s or -c")
        kinds = ["CONCURRENT_VOLUME_GROUP"] if "c" in options else ["VOLUME_GROUP"]
        kinds += [] if {"s", "c"} & options.values.keys() else ["CONCURRENT_VOLUME_GROUP"]
        storage = VolumeGroups(root)
        return _shared(
            c, options, lambda group: [n for k in kinds for n in group.resource(k) if _counts(storage, options, n)]
        )

    return _command(argv, "g:nvsc", "{-g group} [-n] [-v] [-s | -c]", work)


def cllsfs(argv: list[str]) -> int:
    """``cllsfs {-g group} [-n]``: the shared file systems of a resource group; ALL is what its volume groups have.

    ``-n`` adds the nodes that share them.
    """

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        from srcctl.storage.volume_groups import VolumeGroups

        storage = VolumeGroups(root)
        return _shared(c, options, lambda group: _mount_points(storage, group))

    return _command(argv, "g:n", "{-g group} [-n]", work)


def _mount_points(storage: VolumeGroups, group: ResourceGroup) -> list[str]:
    named = [point for point in group.resource("FILESYSTEM") if point != "ALL"]
    found = [] if named else [storage.find(name) for name in group.resource("VOLUME_GROUP")]
    return named + [v.mount_point for vg in found if vg is not None for v in vg.volumes if v.mount_point]


def cl_showfs2(argv: list[str]) -> int:
    """``cl_showfs2``: the shared file systems with logical volume, volume group, group and the nodes that have them on.

    The columns are inferred; scripts keep the whole of it.
    """

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        from srcctl.storage.volume_groups import VolumeGroups

        storage = VolumeGroups(root)
        rows = [("File System", "Logical Volume", "Volume Group", "Resource Group", "State", "Node")]
        for group in c.groups:
            groups = [found for name in group.resource("VOLUME_GROUP") if (found := storage.find(name)) is not None]
            for point in _mount_points(storage, group):
                volume, owner = next(
                    ((v, vg) for vg in groups for v in vg.volumes if v.mount_point == point), (None, None)
                )
                nodes = storage.holders(owner) if owner is not None else []
                state = "ONLINE" if nodes else "OFFLINE"
                names = volume.name if volume is not None else "", owner.name if owner is not None else ""
                rows.append((point, *names, group.name, state, " ".join(nodes)))
        return [" ".join(f"{value:<{width}}" for value, width in zip(row, (24, 15, 15, 20, 8, 0), strict=True)).rstrip()
                for row in rows]  # fmt: skip

    return _command(argv, "", "", work)


def cllslv(argv: list[str]) -> int:
    """``cllslv [-g group] [-n] [-v]``: the shared logical volumes of a resource group.

    ``-n`` adds the nodes that share them, ``-v`` leaves out those of volume groups that are not varied on here.
    """

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        from srcctl.storage.volume_groups import VolumeGroups

        storage = VolumeGroups(root)

        def volumes(group: ResourceGroup) -> list[str]:
            names = [n for k in ("VOLUME_GROUP", "CONCURRENT_VOLUME_GROUP") for n in group.resource(k)]
            found = [storage.find(name) for name in names if _counts(storage, options, name)]
            return [volume.name for vg in found if vg is not None for volume in vg.volumes]

        return _shared(c, options, volumes)

    return _command(argv, "g:nv", "[-g group] [-n] [-v]", work)


def _counts(storage: VolumeGroups, options: Options, name: str) -> bool:
    """With ``-v`` only what is varied on counts."""
    if "v" not in options:
        return True
    found = storage.find(name)
    return found is not None and bool(storage.mode(found))


def _shared(c: Configuration, options: Options, of: Callable[[ResourceGroup], list[str]]) -> list[str]:
    """Group and resource, one pair a line, as the fields that scripts take; with ``-n`` the nodes after them.

    The nodes are separated by commas, so that they stay one field (inferred).
    """
    wanted = _group(c, options.value("g"))
    return [
        f"{group.name} {name}{' ' + ','.join(group.nodes) if 'n' in options else ''}"
        for group in c.groups
        if wanted in ("", group.name)
        for name in of(group)
    ]


def cllsdisk(argv: list[str]) -> int:
    """``cllsdisk {-g group}``: PVIDs and names of the disks that the nodes of a group share."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        _group(c, options.value("g"))
        reserved = {c.repository, *c.backup_repositories}
        return [f"{pvid} {name}" for pvid, name in _disks(root).items() if pvid not in reserved]

    return _command(argv, "g:", "{-g group}", work)


def clgetaddr(argv: list[str]) -> int:
    """``clgetaddr [-o odmdir] nodename``: an address of a node that can be pinged: its first boot address."""

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        if not options.operands:
            raise Unknown("a node name is needed.")
        name = _node(c, options.operands[0])
        found = [entry.address for entry in c.labels if entry.node == name and entry.function == "boot"]
        if not found:
            raise Unknown(f"the node {name} has no address.")
        return found[:1]

    return _command(argv, "", "[-o odmdir] nodename", work, operands=1)


def clhandle(argv: list[str]) -> int:
    """``clhandle [-a] [-c] [node]``: number and name of a node, of this one without a name, of all with ``-a``.

    The number is the product's node id, as in the messages of daemons; ``-c`` with a colon in between (form inferred).
    """

    def work(options: Options, c: Configuration, root: NodeRoot) -> list[str]:
        if "a" in options and options.operands:
            raise UsageError("a name and -a")
        wanted = "" if "a" in options else _node(c, (options.operands or [root.identity.node])[0])
        return topology.handle_lines(c, wanted, "c" in options)

    return _command(argv, "ac", "[-c] [-a | node]", work, operands=1)


def clodmget(argv: list[str]) -> int:
    """``clodmget [-n] [-q criteria] [-f field,...] [-d delimiter] class``: values without stanzas.

    Without ``-n`` a first line names the class; without ``-f`` all fields are printed (both inferred).
    """
    syntax = "Usage: clodmget [-n] [-q criteria] [-f field[,field ...]] [-d delimiter] class"
    try:
        options = parse(argv, "nq:f:d:", intermixed=True)
        if len(options.operands) != 1:
            raise UsageError("one class")
    except UsageError:
        return usage(syntax)
    try:
        repository, name = Repository(NodeRoot.current(), any_class=True), options.operands[0]
        known = [descriptor.name for descriptor in repository.describe(name).descriptors]
        fields = [field for field in options.value("f").split(",") if field] or known
        unknown = next((field for field in fields if field not in known), "")
        if unknown:
            sys.stderr.write(f"clodmget: {name} has no descriptor {unknown}\n")
            return 1
        objects = repository.get(name, options.get("q"))
    except OdmError as error:
        sys.stderr.write(f"clodmget: {error}\n")
        return 1
    if "n" not in options:
        print(f"#{name}")
    for o in objects:
        print(options.value("d", ":").join(str(o[field]) for field in fields))
    return 0
