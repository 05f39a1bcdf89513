"""What a boot writes into the node's error log.

Source: the boot after a halt in the reference's errpt listing: error logging on, then the entry about the shutdown. A
node that a watchdog killed logs a panic instead, as after a dead man's switch.
"""

from __future__ import annotations

import os

from srcctl.errlog import log_entry
from srcctl.errlog.notification import forget_temporary
from srcctl.errlog.settings import STOPPED_MARK
from srcctl.node.root import NodeRoot

_SHUTDOWN_KIND = {"reboot": "0", "halt": "1"}


def log_boot(root: NodeRoot, kind: str, reason: str) -> None:
    """ERRLOG_ON, then REBOOT_ID after a halt or reboot, KERNEL_PANIC after a panic, nothing after a loss of power.

    Args:
        kind: how the node ended: halt, reboot, panic, reset or dump (a watchdog), or "" if nobody left word.
        reason: the words that were left.
    """
    forget_temporary(root)
    try:
        os.unlink(root.path(STOPPED_MARK))
    except OSError:
        pass
    log_entry(root, "ERRLOG_ON", "errdemon")
    if kind in _SHUTDOWN_KIND:
        details = [
            ("USER ID", "0"),
            ("0=SOFT IPL 1=HALT 2=TIME REBOOT", _SHUTDOWN_KIND[kind]),
            ("TIME TO REBOOT (FOR TIMED REBOOT ONLY)", "0"),
        ]
        log_entry(root, "REBOOT_ID", "SYSPROC", details)
    elif kind == "reset":
        log_entry(root, "SYS_RESET", "SYSPROC", [("REASON", reason)])
    elif kind == "dump":
        reason, _, name = reason.partition("\n")
        log_entry(root, "KERNEL_PANIC", "PANIC", [("PANIC STRING", reason)])
        if name:
            log_entry(root, "DUMP_STATS", "SYSDUMP", [("DUMP FILE", f"/var/adm/ras/{name}")])
    elif kind == "panic":
        log_entry(root, "KERNEL_PANIC", "PANIC", [("PANIC STRING", reason)])
