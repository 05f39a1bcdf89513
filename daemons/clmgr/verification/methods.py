"""Verification methods: programs of the administrator's that say whether a configuration is sound.

A custom method (HACMPcustom, type verify) is run once; the method of a user-defined resource type once for every
resource of that type in a group, with the resource's attributes in its environment. All of them run on the node that
verifies; what they print is a part of the output, and exit code 0 is good (inferred, as that a resource of groups which
this node is no part of is passed over here).
"""

from __future__ import annotations

import os
import shlex
import subprocess

from daemons.clmgr.verification.record import Record
from daemons.cluster.configuration import Configuration
from daemons.cluster.verification import Finding
from srcctl.node.root import NodeRoot

LIMIT = 600.0
"""Seconds that a method may take."""


def custom(root: NodeRoot, c: Configuration, chosen: tuple[str, ...] | None, record: Record) -> list[Finding]:
    """The custom methods: those that were chosen, or all."""
    defined = {method.name: method.program for method in c.methods if method.kind == "verify"}
    found = []
    for name in chosen if chosen is not None else tuple(defined):
        if name not in defined:
            found.append(Finding(True, f"The custom verification method '{name}' is not defined."))
            record.block(found[-1].line())
            continue
        record.say(f"\nRunning the custom verification method {name}...")
        found += _run(root, defined[name], {}, f"The custom verification method '{name}'", record)
    return found


def of_resource_types(root: NodeRoot, c: Configuration, record: Record) -> list[Finding]:
    """The methods of user-defined resource types, for the resources in groups of this node."""
    found = []
    for group in c.groups:
        if root.identity.node not in group.nodes:
            continue
        for name in group.resource("USERDEFINED_RESOURCES"):
            resource = c.user_resource(name)
            kind = c.resource_type(resource.type) if resource is not None else None
            if resource is None or kind is None or not kind.verification:
                continue
            record.say(f"\nRunning the verification method of the resource type {kind.name} for {name}...")
            what = f"The verification method of the user-defined resource '{name}'"
            found += _run(root, kind.verification, dict(resource.environment), what, record)
    return found


def _run(root: NodeRoot, command: str, variables: dict[str, str], what: str, record: Record) -> list[Finding]:
    try:
        words = shlex.split(command)
        done = subprocess.run(
            [root.path(words[0]), *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=LIMIT, check=False, env={**os.environ, **variables},
        )  # fmt: skip
        said, status = done.stdout.decode(errors="replace").rstrip(), done.returncode
    except subprocess.TimeoutExpired:
        said, status = f"no end within {LIMIT:g} seconds", 124
    except (OSError, IndexError, ValueError) as error:
        said, status = getattr(error, "strerror", "") or "no program", 127
    if said:
        record.say(said)
    if not status:
        return []
    finding = Finding(True, f"{what} failed with exit code {status if status > 0 else 128 - status}.")
    record.block(finding.line())
    return [finding]
