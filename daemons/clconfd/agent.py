"""What a node does when it is told to stage or to install a configuration, and how it reports facts about itself.

These are the node's own steps of a synchronization (``cl_config``), run on every node through clcomd, and by clconfd
when the node missed one.
"""

from __future__ import annotations

import sys

import msgspec

from daemons.caa import client as caa
from daemons.clconfd import collector, corrections
from daemons.cluster.synchronization import (
    ArchiveError,
    install,
    installed_generation,
    release_stage,
    staging_path,
)
from srcctl.commands.options import usage
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError

USAGE = "Usage: cl_config stage GENERATION DISK | install | unstage | facts [FILE ...] | correct KIND [ARGUMENT ...]"


def stage(root: NodeRoot, generation: int, disk: str) -> None:
    """Read the archive of a generation that is about to be committed and keep it.

    Raises:
        caa.RepositoryError: it is not whole.
        OSError: the disk or this node's own cannot be used.
    """
    repository = caa.RepositoryDisk(root.identity.lab, disk)
    archive = repository.read_staged(generation)
    if archive is None:
        raise caa.RepositoryError(f"the archive of generation {generation} on {disk} is not whole")
    replace_file(staging_path(root, generation), archive, 0o600)


def install_committed(root: NodeRoot) -> int:
    """Install the committed configuration if this node has not yet; returns its generation, 0 if there is none.

    Raises:
        caa.CaaError: CAA is not active.
        caa.RepositoryError, ArchiveError, OdmError, OSError: it cannot be installed now.
    """
    repository = caa.repository(root)
    commit = repository.read_commit()
    if commit is None:
        return 0
    if installed_generation(root) != commit.generation:
        archive = repository.read_archive(commit)
        if archive is None:
            raise caa.RepositoryError(f"the archive of generation {commit.generation} is not whole")
        install(root, archive, commit.generation)
    release_stage(root)
    return commit.generation


def tell_manager(root: NodeRoot) -> None:
    """Have the cluster manager read the configuration again; one that does not run reads it when it starts."""
    from daemons.clstrmgr import client

    try:
        client.reload_configuration(root=root)
    except (client.ManagerUnreachable, client.Refused, TimeoutError):
        pass


def cl_config(argv: list[str]) -> int:
    """``cl_config``: this node's part of verification and synchronization."""
    words = argv[1:]
    root = NodeRoot.current()
    try:
        match words:
            case ["stage", generation, disk] if generation.isdigit():
                stage(root, int(generation), disk)
            case ["install"]:
                print(install_committed(root))
                tell_manager(root)
            case ["unstage"]:
                release_stage(root)
            case ["facts", *files]:
                print(msgspec.json.encode(collector.collect(root, files)).decode())
            case ["correct", kind, *arguments]:
                corrections.correct(root, kind, arguments)
            case _:
                return usage(USAGE)
    except (caa.CaaError, caa.RepositoryError, ArchiveError, OdmError, corrections.CorrectionFailed) as error:
        sys.stderr.write(f"cl_config: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"cl_config: {error.filename or 'disk'}: {error.strerror}\n")
        return 1
    return 0
