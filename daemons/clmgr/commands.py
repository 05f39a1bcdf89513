"""clmgr: one request from the command line to its end."""

from __future__ import annotations

import json
import os
import sys

from daemons.caa import client as caa
from daemons.clmgr import edits, grammar, live, queries
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    ClmgrError,
    does_not_exist,
    exists_already,
    missing,
)
from daemons.clmgr.grammar import Block, Request
from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository
from srcctl.storage.disk import disk_names, pvid
from srcctl.storage.volume_groups import VolumeGroups

NO_CLUSTER = "no cluster is defined on this node."
MUST_SYNC = "The configuration must be synchronized to make this change known across the cluster."


def clmgr(argv: list[str]) -> int:
    """``clmgr [flags] ACTION CLASS [NAME] [ATTRIBUTE=VALUE ...]``."""
    try:
        request = grammar.parse(argv[1:])
        if request.help or not request.class_name:
            print("\n".join(grammar.usage_lines(request)))
            return 0 if request.help else 1
        return _carry_out(NodeRoot.current(), request)
    except ClmgrError as error:
        sys.stdout.flush()
        sys.stderr.write(f"\nERROR: {error}\n\n")
        return error.code
    except (OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"\nERROR: {error}\n\n")
        return 1


def _carry_out(root: NodeRoot, request: Request) -> int:
    repository = Repository(root, DCD)
    configuration = configurations.load(repository)
    match request.action:
        case "query":
            _query(root, request, configuration)
        case "add":
            _add(root, request, configuration, repository)
        case "modify" | "delete":
            _change(root, request, _defined(configuration), repository)
        case "sync":
            from daemons.clmgr import synchronize

            synchronize.requested(root, _defined(configuration), request)
        case "verify":
            from daemons.clmgr import synchronize, verify

            return 1 if verify.run(root, _defined(configuration), synchronize.options_of(request)).errors else 0
        case "online" | "offline" | "move":
            if request.class_name == "resource_group":
                from daemons.clmgr import operate

                operate.group(root, _defined(configuration), request)
            else:
                from daemons.clmgr import cluster_services

                cluster_services.services(root, _defined(configuration), request)
        case "discover":
            _discover(root, request)
        case "view":
            _view_log(root, request, _defined(configuration))
        case "recover":
            from daemons.clmgr import cluster_services

            cluster_services.recover(root, _defined(configuration), request)
    return 0


def _defined(configuration: Configuration | None) -> Configuration:
    if configuration is None:
        raise ClmgrError(NO_CLUSTER, MISSING_DEPENDENCY)
    return configuration


# query


def _query(root: NodeRoot, request: Request, configuration: Configuration | None) -> None:
    local_only = ("volume_group", "file_system", "physical_volume")
    if configuration is None:
        if request.class_name not in local_only:
            raise ClmgrError(NO_CLUSTER, 2)
        from daemons.cluster.configuration import Cluster

        configuration = Configuration(cluster=Cluster(id=0, name=""))
    facts = _facts(root, request, configuration)
    blocks = queries.QUERIES[request.class_name](configuration, facts)
    if request.names:
        chosen: list[Block] = []
        for name in request.names:
            found = [block for block in blocks if block[0][1] == name]
            if not found:
                raise does_not_exist(name)
            chosen += found
        blocks = chosen
    blocks = [block for block in blocks if _selected(request, block)]
    names_only = not request.names and request.class_name != "cluster"
    lines = grammar.render(request, blocks, names_only)
    if lines:
        print("\n".join(lines))


def _selected(request: Request, block: Block) -> bool:
    """ATTRIBUTE=VALUE after a query chooses objects."""
    values = dict(block)
    return all(values.get(name, value) == value or name not in values for name, value in request.attributes.items())


def _facts(root: NodeRoot, request: Request, c: Configuration) -> queries.Facts:
    identity = root.identity
    views = {}
    if request.class_name in queries.EVERY_NODE and _needs_nodes(request):
        views = live.pictures(root, c)
    elif request.class_name in queries.LIVE:
        views = {identity.node: live.picture_of(root, identity.node)}
        if not _has_members(views[identity.node]):
            views = live.pictures(root, c)
    unsynchronized, synchronized, tunables, up = False, True, dict[str, str](), True
    if request.class_name in ("cluster", "repository"):
        from daemons.clmgr import synchronize

        unsynchronized, synchronized = synchronize.unsynchronized(root)
        try:
            status = caa.status(root)
            tunables = dict(status.tunables)
            up = status.membership is None or status.membership.repository_up
        except caa.CaaError:
            pass
    return queries.Facts(
        local=identity.node,
        views=views,
        picture=live.best(views, identity.node),
        disks={pvid(identity.lab_id, name): name for name in disk_names(identity.lab)},
        repository_up=up,
        unsynchronized=unsynchronized,
        ever_synchronized=synchronized,
        tunables=tunables,
        volume_groups=_volume_groups(root, c) if request.class_name == "volume_group" else (),
        file_systems=_file_systems(root) if request.class_name == "file_system" else (),
        physical_volumes=_physical_volumes(root) if request.class_name == "physical_volume" else (),
    )


def _needs_nodes(request: Request) -> bool:
    """Whether the attributes that are asked for depend on the nodes' states."""
    if request.class_name == "node" and not request.names and not request.only and not request.verbose:
        return bool(request.delimiter or request.xml)
    return not request.only or any("STATE" in name or "*" in name for name in request.only)


def _has_members(view: object) -> bool:
    return bool(getattr(view, "members", ()))


def _volume_groups(root: NodeRoot, c: Configuration) -> tuple[Block, ...]:
    groups = VolumeGroups(root)
    blocks: list[Block] = []
    for name in groups.known():
        found = groups.find(name)
        if found is None:
            continue
        owner = next((g.name for g in c.groups if name in g.resource("VOLUME_GROUP")), "")
        blocks.append(
            [
                ("NAME", name),
                ("TYPE", "ORIGINAL"),
                ("NODES", " ".join(node.name for node in c.nodes)),
                ("STATE", "ACTIVE" if groups.holders(found) else "INACTIVE"),
                ("LOGICAL_VOLUMES", " ".join(v.name for v in found.volumes)),
                ("PHYSICAL_VOLUMES", " ".join(found.disks)),
                ("MIRROR_POOLS", ""),
                ("RESOURCE_GROUP", owner),
                ("AUTO_ACTIVATE", "false"),
                ("QUORUM", "true"),
                ("CONCURRENT_ACCESS", "false"),
                ("MAJOR_NUMBER", str(found.major)),
                ("IDENTIFIER", found.identifier),
            ]
        )
    return tuple(blocks)


def _file_systems(root: NodeRoot) -> tuple[Block, ...]:
    groups = VolumeGroups(root)
    blocks: list[Block] = []
    for name in groups.known():
        found = groups.find(name)
        blocks += [
            [
                ("NAME", volume.mount_point),
                ("LOGICAL_VOLUME", volume.name),
                ("VOLUME_GROUP", name),
                ("TYPE", volume.type),
                ("SIZE", str(volume.partitions * 16)),
            ]
            for volume in (found.volumes if found else ())
            if volume.mount_point
        ]
    return tuple(blocks)


def _physical_volumes(root: NodeRoot) -> tuple[Block, ...]:
    groups, identity = VolumeGroups(root), root.identity
    blocks: list[Block] = []
    for disk in disk_names(identity.lab):
        try:
            found = groups.on_disk(disk)
        except OSError:
            found = None
        group = "caavg_private" if groups.is_repository(disk) else found.name if found else ""
        blocks.append(
            [
                ("NAME", disk),
                ("PVID", pvid(identity.lab_id, disk)),
                ("VOLUME_GROUP", group),
                ("AVAILABLE", "false" if group else "true"),
                ("NODES", " ".join(node.name for node in identity.nodes)),
            ]
        )
    return tuple(blocks)


# add, modify, delete


def _add(root: NodeRoot, request: Request, configuration: Configuration | None, repository: Repository) -> None:
    if request.class_name in ("volume_group", "file_system"):
        from daemons.clmgr import shared_storage

        (shared_storage.add_volume_group if request.class_name == "volume_group" else shared_storage.add_file_system)(
            root, request, configuration
        )
        return
    if request.class_name == "cluster":
        if configuration is not None:
            raise exists_already(configuration.cluster.name)
        added = edits.add_cluster(request, root.identity, _repository_disk(root, request))
    else:
        added = edits.add(request, _defined(configuration), host_addresses(root), root.identity)
    configurations.store(repository, added, root.identity.node)
    if request.class_name == "cluster":
        _summary(root, added)


def _repository_disk(root: NodeRoot, request: Request) -> str:
    """The PVID of the repository disk that was named, "" with a warning if none was.

    Raises:
        ClmgrError: no such disk, or it is used.
    """
    words = edits.words(request.attribute("REPOSITORIES", "REPOSITORY"))
    if not words:
        print("Warning: to complete this configuration, a repository disk must be defined.\n")
        return ""
    disk = caa.find_disk(root, words[0])
    if disk is None:
        raise does_not_exist(words[0])
    groups = VolumeGroups(root)
    try:
        used = groups.is_repository(disk) or groups.on_disk(disk) is not None
    except OSError as error:
        raise ClmgrError(f"{disk}: {error.strerror}.") from None
    if used:
        raise ClmgrError(f'the disk "{disk}" is a part of a volume group or of another cluster.', INCORRECT_INPUT)
    return pvid(root.identity.lab_id, disk)


def _summary(root: NodeRoot, c: Configuration) -> None:
    """The topology in the form of cltopinfo, as ``add cluster`` ends with it."""
    disk = next((d for d in disk_names(root.identity.lab) if pvid(root.identity.lab_id, d) == c.repository), "None")
    print(f"Cluster Name:    {c.cluster.name}\nCluster Type:    Standard")
    print(f"Heartbeat Type:  {'Multicast' if c.cluster.heartbeat_type == 'C' else 'Unicast'}")
    print(f"Repository Disk: {disk}{f' ({c.repository})' if c.repository else ''}\n")
    print(f"There are {len(c.nodes)} node(s) and {len(c.networks)} network(s) defined\n")
    for node in c.nodes:
        print(f"NODE {node.name}:")
        for network in c.networks:
            print(f"\tNetwork {network.name}")
            for label in c.labels:
                if label.node == node.name and label.network == network.name:
                    print(f"\t\t{label.label}\t{label.address}")
        print()
    print("No resource groups defined")


def host_addresses(root: NodeRoot) -> dict[str, str]:
    """IP labels of /etc/hosts."""
    found: dict[str, str] = {}
    try:
        with open(root.path("/etc/hosts"), encoding="utf-8", errors="replace") as file:
            for line in file:
                address, *names = line.partition("#")[0].split() or [""]
                for name in names:
                    found.setdefault(name, address)
    except OSError:
        pass
    return found


def _change(root: NodeRoot, request: Request, configuration: Configuration, repository: Repository) -> None:
    if request.action == "delete":
        if request.class_name == "cluster":
            _delete_cluster(root, configuration, repository)
            return
        changed = edits.delete(request, configuration)
    elif request.class_name == "log":
        _modify_log(root, request, repository)
        return
    else:
        changed = edits.modify(request, configuration)
        if request.class_name == "cluster":
            _modify_tunables(root, request)
    configurations.store(repository, changed, root.identity.node)


def _modify_log(root: NodeRoot, request: Request, repository: Repository) -> None:
    directory = request.attribute("DIRECTORY")
    if not request.names or not directory:
        raise missing("DIRECTORY")
    if not directory.startswith("/") or not os.path.isdir(root.path(directory)):
        raise ClmgrError(f'"{directory}" is not a directory.', INCORRECT_INPUT)
    if "'" in request.names[0] or not repository.change(
        "HACMPlogs", f"name='{request.names[0]}'", {"value": directory}
    ):
        raise does_not_exist(request.names[0])


def _modify_tunables(root: NodeRoot, request: Request) -> None:
    """Heartbeat settings are CAA's: they take effect at once."""
    names = {
        "HEARTBEAT_FREQUENCY": "node_timeout",
        "GRACE_PERIOD": "node_down_delay",
        "NETWORK_FAILURE_DETECTION_TIME": "network_fdt",
    }
    changes = {names[k]: v for k, v in request.attributes.items() if k in names}
    if not changes:
        return
    from daemons.caa.commands import clctrl

    for name, value in changes.items():
        if not value.isdigit() or clctrl(["clctrl", "-tune", "-o", f"{name}={int(value) * 1000}"]):
            raise ClmgrError(f'an invalid value was specified for "{name}" ("{value}").', INCORRECT_INPUT)


def _delete_cluster(root: NodeRoot, c: Configuration, repository: Repository) -> None:
    """Remove the definition everywhere and the CAA cluster with it; services must be down."""
    views = live.pictures(root, c)
    if any(view is not None and view.services for view in views.values()):
        raise ClmgrError("cluster services are active; stop them before deleting the cluster.")
    from daemons.caa.commands import rmcluster

    try:
        if caa.status(root).membership is not None and rmcluster(["rmcluster", "-f", "-n", c.cluster.name]):
            raise ClmgrError("the CAA cluster cannot be removed.")
    except caa.CaaError:
        pass
    for name in configurations.CLASSES:
        if name not in configurations.SEEDED_CLASSES:
            repository.delete(name)


def _discover(root: NodeRoot, request: Request) -> None:
    print("Initializing..\nGathering cluster information, which may take a few minutes...\nProcessing...")
    print("Storing the following information in file\n/usr/es/sbin/cluster/etc/config/clvg_config")
    folder = root.path("/usr/es/sbin/cluster/etc/config")
    os.makedirs(folder, exist_ok=True)
    blocks = [dict(block) for block in _physical_volumes(root)]
    with open(os.path.join(folder, "clvg_config"), "w", encoding="utf-8") as file:
        json.dump(blocks, file, indent=1)


def _view_log(root: NodeRoot, request: Request, c: Configuration) -> None:
    directories = dict(c.log_directories)
    if not request.names:
        print("\n".join(directories))
        return
    name = request.names[0]
    if name not in directories:
        raise does_not_exist(name)
    tail = request.attribute("TAIL")
    try:
        with open(root.path(f"{directories[name]}/{name}"), encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError as error:
        raise ClmgrError(f"{directories[name]}/{name}: {error.strerror}.", 2) from None
    sys.stdout.writelines(lines[-int(tail) :] if tail.isdigit() and int(tail) else lines)
