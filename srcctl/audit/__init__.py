"""Auditing: who started, stopped and defined what.

As on the product it is off until ``audit start``, and then records the events that /etc/security/audit/config selects
for their user. Of the product's events those of SRC are here (srcmstr's manual page, mkssys's and its like); records
are kept in one trail that ``auditpr`` reads.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from srcctl.node.root import NodeRoot

__all__ = ["STATE", "record"]

STATE = "/var/run/audit"
"""``on`` or ``off`` and the life of the node in which that was said: a node boots with auditing disabled."""


def record(root: NodeRoot, event: str, tail: str, command: str, login: int, *, failed: bool = False) -> bool:
    """As ``trail.record``; while auditing is disabled it costs a look at one file, and nothing is imported."""
    if not os.path.exists(root.path(STATE)):
        return False
    from srcctl.audit import trail

    return trail.record(root, event, tail, command, login, failed=failed)
