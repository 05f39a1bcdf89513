"""Whether a node's object classes are still what was synchronized last."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.configuration import OdmObject
from daemons.cluster.verification.findings import Case, Correction, Finding, error, warning

DRIFT_MAX = 20
"""Sentences that one node reports; a node that is off entirely is not listed object by object."""
KEYS = (
    "name", "group", "ip_label", "object", "policy", "key", "policy_name", "group_parent", "group_child", "group_name",
    "set_id", "fc_name", "fc_file", "fc_id", "filename", "value",
)  # fmt: skip
"""Fields that say which object is meant, in this order."""


def nodes_are_in_step(case: Case) -> Iterator[Finding]:
    """Object classes edited on a node beside the cluster's commands; a synchronization overwrites them (inferred)."""
    for node, known in case.answering():
        for sentence in known.drift:
            yield warning(f"The configuration on node '{node}' is not the one that was synchronized: {sentence}.")


def object_classes_can_be_read(case: Case) -> Iterator[Finding]:
    """Object classes that were removed, or are no object classes any more: the node can take no configuration.

    They are made anew, with what was synchronized last (inferred).
    """
    for node, known in case.answering():
        for sentence in known.damaged:
            yield error(
                f"The configuration on node '{node}' cannot be read: {sentence}.",
                Correction(
                    node, "classes", (), "cl_restore_object_classes",
                    f"Restoring the object classes of PowerHA SystemMirror on node {node}",
                ),
            )  # fmt: skip


def differences(committed: dict[str, list[OdmObject]], here: dict[str, list[OdmObject]]) -> list[str]:
    """How the objects of a node differ from the committed ones, a sentence without its period each."""
    found: list[str] = []
    for name in committed:
        there, own = committed[name], here.get(name, [])
        if there == own:
            continue
        missing, added = _without(there, own), _without(own, there)
        if not missing and not added:
            found.append(f"the objects of {name} are in another order")
        for o in missing:
            twin = next((other for other in added if _same(o, other)), None)
            if twin is None:
                found.append(f"{name} lacks the object {_name(o)}")
                continue
            added.remove(twin)
            changed = [
                f"{field} is {twin[field]!r} instead of {o[field]!r}" for field in o if o[field] != twin.get(field)
            ]
            found.append(f"{name}, object {_name(o)}: {', '.join(changed)}")
        found += [f"{name} has the object {_name(o)}, which is new" for o in added]
    if len(found) > DRIFT_MAX:
        found = [*found[: DRIFT_MAX - 1], f"and {len(found) - DRIFT_MAX + 1} more differences"]
    return found


def _without(objects: list[OdmObject], others: list[OdmObject]) -> list[OdmObject]:
    left = list(others)
    kept = []
    for o in objects:
        if o in left:
            left.remove(o)
        else:
            kept.append(o)
    return kept


def _same(one: OdmObject, other: OdmObject) -> bool:
    """Whether two objects are one, edited: all fields but one or two agree, or the first key does."""
    equal = sum(one[field] == other.get(field) for field in one)
    first = next((key for key in KEYS if key in one), "")
    return equal >= len(one) - 1 or (
        len(one) > 3 and bool(first) and one[first] == other.get(first) and equal * 2 >= len(one)
    )


def _name(o: OdmObject) -> str:
    words = [f"{key} = {str(o[key]).strip()!r}" for key in KEYS if key in o and str(o[key]).strip()]
    return " ".join(words[:2]) or "without a name"
