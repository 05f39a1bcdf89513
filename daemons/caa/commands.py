"""CAA's commands: mkcluster, rmcluster, chcluster, clusterconf, lscluster, clctrl."""

from __future__ import annotations

import os
import sys

import msgspec

from daemons.caa import client, formation, sites
from daemons.caa.changes import own_last
from daemons.caa.clctrl import clctrl, complain
from daemons.caa.client import CaaError, RepositoryDisk, RepositoryError
from daemons.caa.formation import make, on_node
from daemons.caa.multicast import is_group
from daemons.caa.render import configuration, disks, interfaces, nodes, statistics
from daemons.caa.sites import is_name
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.storage.device_names import own_name

__all__ = ["chcluster", "chrepos", "clctrl", "clras", "clusterconf", "lscluster", "mkcluster", "rmcluster"]

LSCLUSTER_USAGE = "Usage: lscluster { -c | -d | -i | -m | -s } [-n clustername]"
MKCLUSTER_USAGE = (
    "Usage: mkcluster -r reposdisk [-S sitename[{cle_uuid=UUID,cle_globid=id,cle_prio=prio}]] [-m node[,...]]\n"
    "                 [-d shareddisk[,...]] [-n clustername] [-s multicastaddr] [-v]"
)
RMCLUSTER_USAGE = "Usage: rmcluster { -n clustername | -r reposdisk } [-f] [-v]"
CHCLUSTER_USAGE = (
    "Usage: chcluster [-n clustername] { -m { + | - }node[,...] | -d { + | - }shareddisk[,...] } [-v]\n"
    "       chcluster [-n clustername] -S sitename -m { + | - }node[,...] [-v]\n"
    "       chcluster [-n clustername] -S sitename{cle_name=newname,cle_prio=prio} [-v]"
)
CHREPOS_USAGE = "Usage: chrepos [-n clustername] -r { +newdisk[,-olddisk] }"
CLRAS_USAGE = "Usage: clras { dpcomm_status | sancomm_status | lscluster { -c | -d | -i | -m | -s } [-n clustername] }"


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
        return complain("lscluster", str(error))
    membership = status.membership
    if membership is None:
        return complain("lscluster", client.STOPPED if client.is_stopped(root) else client.INACTIVE)
    if options.value("n", membership.cluster_name) != membership.cluster_name:
        return complain("lscluster", f"{options.value('n')} is not the name of this node's cluster.")
    # Every disk by this node's name of it, also below another node (inferred: no node tells how it calls its disks).
    status = msgspec.structs.replace(status, disk=own_name(root, status.disk))
    view = {"c": configuration, "d": disks, "i": interfaces, "m": nodes, "s": statistics}[views[0]]
    sys.stdout.write(view(status, membership, root.identity))
    return 0


def mkcluster(argv: list[str]) -> int:
    """``mkcluster -n name -m nodes -r disk``: make the repository, its key, and have every node join."""
    try:
        options = parse(argv, "n:m:r:d:s:S:v")
        if "r" not in options or options.operands:
            raise UsageError("-r")
        if not all((*options.value("m", "own").split(","), *options.value("d", "none").split(","))):
            raise UsageError("an empty name")
    except UsageError:
        return usage(MKCLUSTER_USAGE)
    root = NodeRoot.current()
    identity = root.identity
    name = options.value("n", "SIRCOL_" + identity.node)
    if not is_name(name):
        return complain("mkcluster", f"{name} is not a valid cluster name.")
    try:
        shared = options.value("d").split(",") if "d" in options else []
        members, site, group = options.value("m", identity.node).split(","), options.value("S"), options.value("s")
        if group and not is_group(group):
            raise CaaError(f"{group} is not a multicast address.")
        make(root, name, members, options.value("r"), shared, site, group)
    except (CaaError, RepositoryError) as error:
        return complain("mkcluster", str(error))
    except OSError as error:
        return complain("mkcluster", f"{options.value('r')}: {error.strerror}.")
    print(
        "mkcluster: Cluster shared disks are automatically renamed to names such as\n"
        "\tcldisk1, [cldisk2, ...] on all cluster nodes."
    )
    return 0


def clusterconf(argv: list[str]) -> int:
    """``clusterconf [-r disk | -R disk | -s | -u | -k]``: this node joins a cluster (``-r``), uses another repository
    disk (``-R``), stops CAA (``-s``), leaves for good (``-u``), takes the certificate on standard input (``-k``), or
    reads the definition again (no flag). Exit codes: 0, 1 for a failure, 2 where cluster services keep CAA (``-s``).
    """
    try:
        options = parse(argv, "r:R:suk")
        if options.operands:
            raise UsageError("operands")
    except UsageError:
        return usage("Usage: clusterconf [-r reposdisk | -R reposdisk | -s | -u | -k]")
    root = NodeRoot.current()
    try:
        if "r" in options:
            client.join(root, options.value("r"))
        elif "R" in options:
            client.move(root, options.value("R"))
        elif "s" in options:
            from daemons.caa import stopping

            try:
                stopping.stop(root)
            except stopping.Refused as error:
                complain("clusterconf", str(error))
                return stopping.REFUSED
        elif "u" in options:
            from daemons.caa import message_security

            message_security.leave(root)
        elif "k" in options:
            from daemons.caa import message_security

            message_security.take(root, sys.stdin.buffer.read(message_security.DATA_MAX))
        else:
            client.reread(root)
    except CaaError as error:
        return complain("clusterconf", str(error))
    except OSError as error:
        return complain("clusterconf", f"{error.filename or 'certificate'}: {error.strerror}.")
    return 0


def rmcluster(argv: list[str]) -> int:
    """``rmcluster -n name | -r disk``: all nodes leave and the repository is wiped.

    ``-f``, or CAA_FORCE_ENABLED=1 in the environment, goes on where a node cannot be told or runs cluster services
    (it halts then), and wipes a disk that was left as a repository by another cluster, damaged or old. On a node that
    was off meanwhile, ``-f -r`` of the disk that was its repository ends its membership (the product's way: the forced
    removal is run on every node).
    """
    try:
        options = parse(argv, "n:r:fv")
        if ("n" in options) == ("r" in options) or options.operands:
            raise UsageError("-n or -r")
    except UsageError:
        return usage(RMCLUSTER_USAGE)
    from daemons.caa.device import ClusterDevice
    from daemons.caa.message_security import leave
    from daemons.caa.stopping import refuse_where_active

    root = NodeRoot.current()
    status = 0
    try:
        disk = client.find_disk(root, options.value("r")) if "r" in options else client.status(root).disk
        if not disk:
            raise CaaError(client.INACTIVE if "n" in options else f"{options.value('r')} is not a disk of this node.")
        repository = RepositoryDisk(root.identity.lab, disk)
        definition = repository.read_definition()
        force, leftover = "f" in options or os.environ.get("CAA_FORCE_ENABLED") in ("1", "true"), False
        now = client.status(root)
        left = now.membership is not None and now.disk != disk
        if definition is None or options.value("n", definition.name) != definition.name:
            leftover = definition is None and now.membership is None and ClusterDevice(root).disk == disk
            if not (force and "r" in options and (leftover or repository.is_repository())):
                raise CaaError(f"{disk} is not the repository of that cluster.")
        elif left and not force:
            raise CaaError(f"{disk} is not the repository that this node's cluster uses; use -f to wipe it.")
        members = [node.name for node in definition.nodes] if definition is not None and not left else []
        if not force:
            refuse_where_active(root, members)
        for name in own_last(root.identity.node, members):
            try:
                on_node(root, name, ["/usr/sbin/clusterconf", "-u"], lambda: leave(root))
            except CaaError as error:
                if not force:
                    raise
                status |= complain("rmcluster", str(error))
        if leftover:
            leave(root)
        repository.erase()
    except CaaError as error:
        return complain("rmcluster", str(error))
    except OSError as error:
        return complain("rmcluster", f"{error.filename or 'disk'}: {error.strerror}.")
    print(
        "rmcluster: Removed cluster shared disks are automatically renamed to names such\n"
        "\tas hdisk10, [hdisk11, ...] on all cluster nodes."
    )
    return status


def chcluster(argv: list[str]) -> int:
    """``chcluster -m +node | -node``, ``-d +disk | -disk``: add or remove nodes and shared disks; with ``-S`` at a
    site, which ``-S sitename{cle_name=newname,cle_prio=prio}`` changes. A node with active cluster services stays."""
    try:
        options = parse(argv, "n:m:d:S:v")
        site = options.value("S")
        if not ("m" in options or "d" in options or site) or options.operands or (site and "d" in options):
            raise UsageError("-m or -d")
        nodes = options.value("m").split(",") if "m" in options else []
        disks = options.value("d").split(",") if "d" in options else []
        if not all(change[:1] in ("+", "-") and change[1:] for change in (*nodes, *disks)):
            raise UsageError("+ or -")
    except UsageError:
        return usage(CHCLUSTER_USAGE)
    root = NodeRoot.current()
    try:
        _of_this_cluster(root, options.value("n"))
        if site and not nodes:
            formation.change_definition(root, sites.changed(site))
        if gone := [change[1:] for change in nodes if change[0] == "-"]:
            from daemons.caa.stopping import refuse_where_active

            refuse_where_active(root, gone)
        for change in nodes:
            if change[0] == "+":
                formation.add_node(root, change[1:], site)
            else:
                formation.remove_node(root, change[1:], site)
        if disks:
            formation.change_disks(
                root, [d[1:] for d in disks if d[0] == "+"], [d[1:] for d in disks if d[0] == "-"]
            )  # fmt: skip
    except (CaaError, RepositoryError) as error:
        return complain("chcluster", str(error))
    except OSError as error:
        return complain("chcluster", f"the repository disk: {error.strerror}.")
    return 0


def chrepos(argv: list[str]) -> int:
    """``chrepos [-n name] -r +new[,-old]``: another repository disk for the running cluster."""
    try:
        options = parse(argv, "n:r:")
        words = options.value("r").split(",") if "r" in options else []
        added = [word[1:] for word in words if word[:1] == "+"]
        removed = [word[1:] for word in words if word[:1] == "-"]
        if options.operands or len(added) != 1 or len(removed) > 1 or len(words) != len(added) + len(removed):
            raise UsageError("-r")
    except UsageError:
        return usage(CHREPOS_USAGE)
    root = NodeRoot.current()
    try:
        _of_this_cluster(root, options.value("n"))
        errors = formation.replace_repository(root, added[0], removed[0] if removed else "")
    except (CaaError, RepositoryError) as error:
        return complain("chrepos", str(error))
    for text in errors:
        complain("chrepos", text)
    print("chrepos: Successfully modified repository disk or disks.")
    return 1 if errors else 0


def _of_this_cluster(root: NodeRoot, name: str) -> None:
    """Check the name that a command was given for this node's cluster; "" is any.

    Raises:
        CaaError: CAA is not active, or the cluster has another name.
    """
    membership = client.status(root).membership
    if membership is None:
        raise CaaError(client.INACTIVE)
    if name not in ("", membership.cluster_name):
        raise CaaError(f"{name} is not the name of this node's cluster.")


def clras(argv: list[str]) -> int:
    """``clras dpcomm_status | sancomm_status | lscluster``: the states of the path over the repository disk, those over
    the SAN, or what lscluster shows.

    The tables' columns are those of a published monitor of them; there is no SAN path here, so its table is empty.
    """
    if argv[1:2] == ["lscluster"]:
        return lscluster(argv[1:])
    if argv[1:] not in (["dpcomm_status"], ["sancomm_status"]):
        return usage(CLRAS_USAGE)
    root = NodeRoot.current()
    try:
        membership = client.status(root).membership
    except CaaError as error:
        return complain("clras", str(error))
    if membership is None:
        return complain("clras", client.INACTIVE)
    rule = "-" * 79
    print(f"{rule}\n{'NODE_NAME':<20} | {'INTERFACE':<9} | {'UUID':<36} | STATUS\n{rule}")
    for node in membership.nodes if argv[1] == "dpcomm_status" else ():
        up = node.number in membership.up and node.number not in membership.repositories_down
        print(f"{node.name:<20} | {'dpcom':<9} | {node.uuid:<36} | {'UP' if up else 'DOWN'}")
    print(rule)
    return 0
