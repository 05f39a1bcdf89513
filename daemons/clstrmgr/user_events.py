"""User-defined events (HACMPude): RMC watches their expressions while cluster services are active on the node.

Each becomes a condition of this node with a response that reports the event to the cluster manager; both carry the
event's name behind a prefix. They are taken away when services stop. That the registrations are visible to
``lscondition`` is inferred.
"""

from __future__ import annotations

from collections.abc import Iterable

from daemons.cluster.configuration import UserDefinedEvent
from daemons.ctrmc import client
from daemons.ctrmc.messages import Associate, Define, DefineResponse, ListRegistry, Outcome, RegistryReply, Remove
from daemons.ctrmc.model import Action, Condition
from srcctl.node.root import NodeRoot

PREFIX = "HACMPude:"
REPORT = "/usr/es/sbin/cluster/events/utils/cl_ude_event"


def watch(root: NodeRoot, events: Iterable[UserDefinedEvent]) -> list[str]:
    """Have RMC watch exactly these events; returns complaints, one a line.

    Raises:
        client.NoSession: RMC is not active.
    """
    complaints: list[str] = []

    def ask(*requests: Define | DefineResponse | Associate | Remove) -> None:
        for request in requests:
            outcome = client.ask(request, Outcome, root, contact="")
            if outcome.error:
                complaints.append(outcome.error)

    registry = client.ask(ListRegistry(), RegistryReply, root, contact="").registry
    for condition in registry.conditions:
        if condition.name.startswith(PREFIX):
            ask(Remove("condition", condition.name, force=True))
    for response in registry.responses:
        if response.name.startswith(PREFIX):
            ask(Remove("response", response.name, force=True))
    for event in events:
        name = PREFIX + event.name
        ask(
            Define(
                Condition(
                    name=name,
                    resource_class=event.resource_class,
                    event_expression=event.expression,
                    rearm_expression=event.rearm,
                    selection=event.selection,
                    severity="w",
                )
            ),
            DefineResponse(name, (Action(name=name, script=f"{REPORT} {event.name}"),)),
            Associate(name, (name,), "start"),
        )
    return complaints
