"""What an operation on a running cluster begins with: its attributes and the configuration, without what edits need."""

from __future__ import annotations

from daemons.clmgr.errors import INCORRECT_INPUT, MISSING_DEPENDENCY, NO_CLUSTER, ClmgrError, does_not_exist
from daemons.clmgr.syntax import attributes
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.transaction import read
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot


def checked(request: Request) -> dict[str, str]:
    """The request's attributes under their full names.

    Raises:
        ClmgrError: one that the action does not take, or whose value it cannot have.
    """
    return attributes.checked(request.action, request.class_name, request.attributes)


def defined(root: NodeRoot) -> Configuration:
    """The configuration of this node.

    Raises:
        ClmgrError: no cluster is defined.
    """
    c = read(root)
    if c is None:
        raise ClmgrError(NO_CLUSTER, MISSING_DEPENDENCY)
    return c


def about_cluster(request: Request, c: Configuration | None) -> None:
    """A cluster that is named must be this one.

    Raises:
        ClmgrError: it is another one.
    """
    for name in request.names if request.class_name == "cluster" else ():
        if c is None or name != c.cluster.name:
            raise does_not_exist(name)


def without_names(request: Request) -> None:
    """For what is done to no object in particular.

    Raises:
        ClmgrError: one was named.
    """
    if request.names:
        what = f"{request.action} {request.class_name}"
        raise ClmgrError(f'"{request.names[0]}" is not expected: "{what}" takes no name.', INCORRECT_INPUT)


def of_nodes(request: Request, c: Configuration) -> Request:
    """A request for sites as one for the nodes of them.

    Raises:
        ClmgrError: no site was named, or it does not exist.
    """
    if request.class_name != "site":
        return request
    from msgspec.structs import replace

    from daemons.clmgr.edits.parts import named, required_names

    nodes = [node for name in required_names(request) for node in named(name, c.sites).nodes]
    return replace(request, class_name="node", names=nodes)
