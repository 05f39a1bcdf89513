"""Verification of a configuration: pure checks over the configuration and what the nodes say of themselves.

Forms of the messages are those that verification of the product prints (ERROR:, WARNING:); the texts of checks for
which no output is published are inferred.
"""

from daemons.cluster.verification.findings import (
    Case,
    Correction,
    FileSystemFacts,
    Finding,
    InterfaceFacts,
    NodeFacts,
    VolumeGroupFacts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    # A node that only says what it is like needs none of the checks.
    from daemons.cluster.verification.checks import CHECKS, Check, Step, steps, verify
    from daemons.cluster.verification.groups import FALLBACK, FALLOVER, STARTUP

__all__ = [
    "CHECKS",
    "FALLBACK",
    "FALLOVER",
    "STARTUP",
    "Case",
    "Check",
    "Correction",
    "FileSystemFacts",
    "Finding",
    "InterfaceFacts",
    "NodeFacts",
    "Step",
    "VolumeGroupFacts",
    "steps",
    "verify",
]


def __getattr__(name: str) -> object:
    if name in ("CHECKS", "Check", "Step", "steps", "verify"):
        from daemons.cluster.verification import checks

        return getattr(checks, name)
    if name in ("FALLBACK", "FALLOVER", "STARTUP"):
        from daemons.cluster.verification import groups

        return getattr(groups, name)
    raise AttributeError(name)
