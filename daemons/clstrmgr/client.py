"""How commands ask the cluster manager of their own node: plain blocking calls, no event loop.

Requests of an operator return when the cluster is stable again; ``progress`` hears of their stages meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from daemons.clstrmgr import messages
from daemons.clstrmgr.messages import ClusterSnapshot, Done, GroupView, NodeView, Progress, Request
from daemons.runtime.codec import Codec
from daemons.runtime.local_client import LocalClient
from srcctl.machine import RemoteFault
from srcctl.node.root import NodeRoot

ProgressListener = Callable[[Progress], None]

QUERY_PATIENCE = 10.0
"""Seconds within which the cluster manager answers a question."""

request_codec: Codec[Request] = Codec(messages.Request)
answer_codec: Codec[messages.Answer] = Codec(messages.Answer)


class ManagerUnreachable(Exception):
    """clstrmgrES does not run here, or does not answer; the text says which."""


class Refused(Exception):
    """A request was not carried out. ``done.error`` is the word for it, the text the sentence."""

    def __init__(self, done: Done) -> None:
        super().__init__(done.message or done.error)
        self.done = done


def query_state(root: NodeRoot | None = None) -> ClusterSnapshot:
    """The cluster as this node's cluster manager sees it.

    Raises:
        ManagerUnreachable: it does not run or does not answer.
    """
    answer = _exchange(messages.QueryState(), root)
    if not isinstance(answer, ClusterSnapshot):
        raise ManagerUnreachable("the cluster manager gave an unexpected answer")
    return answer


def start_services(
    manage: str = "auto",
    clinfo: bool = False,
    caller: str = "",
    time_limit: float | None = None,
    progress: ProgressListener | None = None,
    root: NodeRoot | None = None,
) -> Done:
    """Start cluster services on this node. ``manage``: auto, manual. ``time_limit`` in seconds, None: no limit.

    Raises:
        ManagerUnreachable, Refused, TimeoutError.
    """
    request = messages.StartServices("manual" if manage == "manual" else "auto", clinfo, caller)
    return _request(request, time_limit, progress, root)


def stop_services(
    mode: str = "offline",
    caller: str = "",
    time_limit: float | None = None,
    progress: ProgressListener | None = None,
    root: NodeRoot | None = None,
) -> Done:
    """Stop cluster services on this node. ``mode``: offline, move, unmanage.

    Raises:
        ManagerUnreachable, Refused, TimeoutError.
    """
    word = "move" if mode == "move" else "unmanage" if mode == "unmanage" else "offline"
    return _request(messages.StopServices(word, caller), time_limit, progress, root)  # type: ignore[arg-type]


def manage_groups(time_limit: float | None = None, root: NodeRoot | None = None) -> Done:
    """Have groups acquired that nodes left alone when they were started (a delayed start).

    Raises:
        ManagerUnreachable, Refused, TimeoutError.
    """
    return _request(messages.ManageGroups(), time_limit, None, root)


def move_group(
    group: str,
    node: int,
    time_limit: float | None = None,
    progress: ProgressListener | None = None,
    root: NodeRoot | None = None,
    secondary: bool = False,
) -> Done:
    """Move a group to a node (its id; 0: let the policy choose).

    Raises:
        ManagerUnreachable, Refused, TimeoutError.
    """
    return _request(messages.MoveGroup(group, node, secondary), time_limit, progress, root)


def online_group(
    group: str,
    node: int = 0,
    time_limit: float | None = None,
    progress: ProgressListener | None = None,
    root: NodeRoot | None = None,
    secondary: bool = False,
) -> Done:
    """Bring a group online on a node (0: where its policy says).

    Raises:
        ManagerUnreachable, Refused, TimeoutError.
    """
    return _request(messages.OnlineGroup(group, node, secondary), time_limit, progress, root)


def offline_group(
    group: str,
    node: int = 0,
    time_limit: float | None = None,
    progress: ProgressListener | None = None,
    root: NodeRoot | None = None,
    secondary: bool = False,
) -> Done:
    """Bring a group offline on a node (0: everywhere).

    Raises:
        ManagerUnreachable, Refused, TimeoutError.
    """
    return _request(messages.OfflineGroup(group, node, secondary), time_limit, progress, root)


def recover(root: NodeRoot | None = None) -> Done:
    """Resume after a script failure on this node.

    Raises:
        ManagerUnreachable, Refused.
    """
    return _request(messages.RecoverFromScriptFailure(), QUERY_PATIENCE, None, root)


def reconfigure(
    generation: int,
    time_limit: float | None = None,
    progress: ProgressListener | None = None,
    root: NodeRoot | None = None,
) -> Done:
    """Have the running cluster take the configuration in the staging directories (see ``messages.Reconfigure``).

    Raises:
        ManagerUnreachable, Refused, TimeoutError.
    """
    return _request(messages.Reconfigure(generation), time_limit, progress, root)


def reload_configuration(root: NodeRoot | None = None) -> Done:
    """Tell the cluster manager that the object classes changed.

    Raises:
        ManagerUnreachable, Refused.
    """
    return _request(messages.ReloadConfiguration(), QUERY_PATIENCE, None, root)


def ask(request: Request, root: NodeRoot | None = None) -> messages.Answer:
    """One request, one answer (for requests that are answered at once).

    Raises:
        ManagerUnreachable: the cluster manager does not run or does not answer.
    """
    return _exchange(request, root)


def node_named(picture: ClusterSnapshot, name: str) -> NodeView | None:
    """The node of that name."""
    return next((node for node in picture.nodes if node.name == name), None)


def node_name(picture: ClusterSnapshot, number: int) -> str:
    """The name of a node id."""
    return next((node.name for node in picture.nodes if node.number == number), str(number))


def group_named(picture: ClusterSnapshot, name: str) -> GroupView | None:
    """The resource group of that name."""
    return next((group for group in picture.groups if group.name == name), None)


def _open(root: NodeRoot | None, time_limit: float | None) -> LocalClient[Request, messages.Answer]:
    root = root or NodeRoot.current()
    try:
        return LocalClient(root.path(messages.SOCKET_PATH), request_codec, answer_codec, time_limit)
    except OSError:
        raise ManagerUnreachable("clstrmgrES is not running on this node") from None


def _exchange(request: Request, root: NodeRoot | None) -> messages.Answer:
    try:
        with _open(root, QUERY_PATIENCE) as client:
            return client.request(request)
    except TimeoutError:
        raise ManagerUnreachable("clstrmgrES does not answer") from None
    except (OSError, EOFError, RemoteFault):
        raise ManagerUnreachable("clstrmgrES ended before it answered") from None


def _request(
    request: Request, time_limit: float | None, progress: ProgressListener | None, root: NodeRoot | None
) -> Done:
    try:
        with _open(root, time_limit) as client:
            client.send(request)
            while True:
                answer = client.receive()
                if isinstance(answer, Progress):
                    if progress is not None:
                        progress(answer)
                elif isinstance(answer, Done):
                    if answer.error:
                        raise Refused(answer)
                    return answer
    except TimeoutError:
        raise
    except (OSError, EOFError, RemoteFault):
        raise ManagerUnreachable("clstrmgrES ended before it answered") from None
