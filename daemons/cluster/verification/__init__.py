"""Verification of a configuration: pure checks over the configuration and what the nodes say of themselves.

Forms of the messages are those that verification of the product prints (ERROR:, WARNING:); the texts of checks for
which no output is published are inferred.
"""

from daemons.cluster.verification.checks import CHECKS, Check, Step, steps, verify
from daemons.cluster.verification.findings import (
    Case,
    Correction,
    FileSystemFacts,
    Finding,
    InterfaceFacts,
    NodeFacts,
    VolumeGroupFacts,
)
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
