"""The quarantine policies that a scenario may have."""

from __future__ import annotations

DISABLE, NODE_HALT, FENCING, BOTH = "disable", "node_halt", "fencing", "halt_with_fencing"
QUARANTINES = (DISABLE, NODE_HALT, FENCING, BOTH)
