"""What other daemons ask of clconfd's knowledge: that this node is on the committed configuration before it acts."""

from __future__ import annotations

from daemons.caa import client as caa
from daemons.cluster.configuration import DCD
from daemons.cluster.synchronization import ArchiveError, half_installed
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError

__all__ = ["bring_in_step", "classes_to_start", "half_installed"]


def bring_in_step(root: NodeRoot) -> str:
    """Install the committed configuration if this node missed it; returns why that is not possible now, "" if it is.

    Without a CAA cluster there is nothing to be in step with. Blocks; runs no event loop.
    """
    from daemons.clconfd import installation

    try:
        installation.bring_in_step(root)
    except installation.Removed as removed:
        return str(removed)
    except caa.CaaError:
        return ""
    except (caa.RepositoryError, ArchiveError, OdmError) as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or 'the repository disk'}: {error.strerror}"
    return ""


def classes_to_start(root: NodeRoot) -> str:
    """The directory of object classes to start cluster services with; this node's own if it cannot be told. Blocks."""
    from daemons.clconfd import installation

    try:
        return installation.classes_to_start(root)
    except (caa.CaaError, caa.RepositoryError, ArchiveError, OdmError, OSError):
        return DCD
