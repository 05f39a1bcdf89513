"""What a boot writes into the node's error log."""

from __future__ import annotations

from collections.abc import Callable

from srcctl.node.root import NodeRoot


def log_boot(root: NodeRoot, kind: str, reason: str, console: Callable[[str], None]) -> None:
    """ERRLOG_ON, and REBOOT_ID or KERNEL_PANIC when the last end of the node was a halt or a panic."""
