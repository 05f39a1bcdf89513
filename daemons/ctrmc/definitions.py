"""What is defined, as resources: IBM.Condition, IBM.EventResponse and IBM.Association, and audit records as attributes.

Attribute names are those that scripts read with lsrsrc; the stored form of an action is that of the shipped responses.
"""

from __future__ import annotations

from collections.abc import Mapping

from daemons.ctrmc.messages import Attribute, Resource
from daemons.ctrmc.model import (
    SEVERITY_IDS,
    Action,
    Association,
    AuditRecord,
    Condition,
    Registry,
    Response,
    day_groups,
)
from daemons.ctrmc.render import value

CLASSES = ("IBM.Association", "IBM.Condition", "IBM.EventResponse")
LOCAL_SCOPE = 1
_EVENT_TYPES = {"a": 1, "r": 2, "b": 3, "e": 4, "A": 7}
"""Event types as bits: event, rearm event, error event (3, both, was seen; the others are inferred)."""


def resources(resource_class: str, registry: Registry, common: Mapping[str, Attribute]) -> tuple[Resource, ...]:
    """The resources of one of ``CLASSES``; ``common`` are the attributes with which each listing ends."""
    from daemons.ctrmc.core import handle

    found: list[tuple[str, dict[str, Attribute]]] = []
    if resource_class == "IBM.Condition":
        found = [(c.name, _condition(c)) for c in registry.conditions]
    elif resource_class == "IBM.EventResponse":
        found = [(r.name, _response(r)) for r in registry.responses]
    else:
        for a in registry.associations:
            handles = handle("IBM.Condition", a.condition), handle("IBM.EventResponse", a.response)
            found.append((f"{a.condition}/{a.response}", _association(a, *handles)))
    return tuple(Resource(name, {**attributes, **common}, {}) for name, attributes in found)


def _condition(c: Condition) -> dict[str, Attribute]:
    return {
        "Name": c.name,
        "ResourceClass": c.resource_class,
        "EventExpression": c.event_expression,
        "EventDescription": c.event_description,
        "RearmExpression": c.rearm_expression,
        "RearmDescription": c.rearm_description,
        "SelectionString": c.selection,
        "ManagementScope": LOCAL_SCOPE,
        "Severity": SEVERITY_IDS[c.severity],
        "NoToggleExprFlag": int(not c.toggle),
        "Locked": int(c.locked),
    }


def _response(r: Response) -> dict[str, Attribute]:
    return {"Name": r.name, "Locked": int(r.locked), "Actions": "{" + ",".join(map(_stored, r.actions)) + "}"}


def _association(a: Association, condition: str, response: str) -> dict[str, Attribute]:
    return {
        "ConditionHandle": condition,
        "EventResponseHandle": response,
        "ActiveFlag": int(a.active),
        "Locked": int(a.locked),
    }


def _stored(action: Action) -> str:
    """``[name,{day bitmasks},{starts},{ends},script,event type,check rc,rc,stdout,{environment},undefined]``."""
    groups = day_groups(action)
    masks = ",".join(str(sum(1 << (day - 1) for day in days)) for days, _, _ in groups)
    starts = ",".join(str(60 * start) for _, start, _ in groups)
    ends = ",".join(str(60 * end) for _, _, end in groups)
    environment = ",".join(value(variable) for variable in action.environment)
    fields = (
        action.name, f"{{{masks}}}", f"{{{starts}}}", f"{{{ends}}}", action.script, _EVENT_TYPES[action.event_type],
        int(action.return_code is not None), action.return_code or 0, int(action.keep_output), f"{{{environment}}}",
        int(action.undefined_resource),
    )  # fmt: skip
    return "[" + ",".join(map(str, fields)) + "]"


def audit_fields(record: AuditRecord, node: str) -> dict[str, Attribute]:
    """A record of the audit log as the attributes that select strings of lsaudrec and rmaudrec name."""
    return {
        "Time": record.time,
        "Subsystem": record.subsystem,
        "Category": record.category,
        "SequenceNumber": record.number,
        "NodeName": node,
        "Description": record.description,
    }
