"""Error record templates: what the error log knows about each label.

Labels and identifiers are the published ones; texts marked inferred follow the pattern of their neighbours.
"""

from __future__ import annotations

from srcctl.commands.record import Record


class Template(Record):
    """One error record template."""

    identifier: str
    error_class: str
    type: str
    description: str
    probable: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    failure: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


_SRC_CAUSES = (("APPLICATION PROGRAM",), (), ("SOFTWARE PROGRAM",))
_OPERATOR = ((), ("ERRLOGGER COMMAND",), ())
_REVIEW = ("REVIEW DETAILED DATA",)
_DISK = (("DASD DEVICE", "STORAGE DEVICE CABLE"), (), ("DASD DEVICE", "STORAGE DEVICE CABLE"))
_DIAGNOSE = ("PERFORM PROBLEM DETERMINATION PROCEDURES",)

TEMPLATES: dict[str, Template] = {
    "OPMSG": Template("AA8AB241", "O", "TEMP", "OPERATOR NOTIFICATION", *_OPERATOR, _REVIEW),
    "SRC_SVKO": Template(
        "BC3BE5A3", "S", "PERM", "SOFTWARE PROGRAM ERROR", *_SRC_CAUSES, ("MANUALLY RESTART SUBSYSTEM IF NEEDED",)
    ),
    "SRC_TRYX": Template(
        "1BA7DF4E", "S", "PERM", "SOFTWARE PROGRAM ERROR", *_SRC_CAUSES, ("MANUALLY RESTART SUBSYSTEM IF NEEDED",)
    ),
    "SRC_RSTRT": Template(
        "CB4A951F", "S", "INFO", "SOFTWARE PROGRAM ERROR", *_SRC_CAUSES, ("VERIFY SUBSYSTEM RESTARTED AUTOMATICALLY",)
    ),
    "SRC": Template("E18E984F", "S", "PERM", "SOFTWARE PROGRAM ERROR", *_SRC_CAUSES, _DIAGNOSE),
    "SYSLOG": Template("C6ACA566", "S", "INFO", "MESSAGE REDIRECTED FROM SYSLOG", (), (), (), _REVIEW),
    "REBOOT_ID": Template(
        "2BFA76F6", "S", "TEMP", "SYSTEM SHUTDOWN BY USER", ("SYSTEM SHUTDOWN",), ("SYSTEM SHUTDOWN",)
    ),
    "ERRLOG_ON": Template("9DBCFDEE", "O", "TEMP", "ERROR LOGGING TURNED ON", ("ERRDEMON STARTED AUTOMATICALLY",)),
    "ERRLOG_OFF": Template(
        "192AC071", "O", "TEMP", "ERROR LOGGING TURNED OFF", ("ERRSTOP COMMAND",), ("ERRSTOP COMMAND",)
    ),
    "SYS_RESET": Template("1104AA28", "S", "TEMP", "SYSTEM RESET INTERRUPT RECEIVED", ("SYSTEM RESET INTERRUPT",)),
    # inferred: label, identifier and texts as remembered of AIX's own listings
    "DUMP_STATS": Template("67145A39", "S", "UNKN", "SYSTEM DUMP", ("UNEXPECTED SYSTEM HALT",)),
    "KERNEL_PANIC": Template(
        "225E3B63", "S", "TEMP", "SOFTWARE PROGRAM ABNORMALLY TERMINATED", ("SOFTWARE PROGRAM",), (), (), _DIAGNOSE
    ),
    "CORE_DUMP": Template(
        "A924A5FC", "S", "PERM", "SOFTWARE PROGRAM ABNORMALLY TERMINATED", ("SOFTWARE PROGRAM",), (), (), _DIAGNOSE
    ),
    "GS_START_ST": Template("AFA89905", "O", "INFO", "Group Services daemon started"),
    "GS_STOP_ST": Template("C8E1C2B4", "O", "INFO", "Group Services daemon stopped"),
    "GS_DOM_MERGE_ER": Template("9DEC29E1", "O", "PERM", "Group Services daemon exit to merge domains"),
    "GS_ERROR_ER": Template("463A893D", "O", "PERM", "Group Services daemon logic error"),
    "GS_DEACT_FAIL_ST": Template("972EA1F1", "O", "INFO", "Group Services deactivate script failed"),
    "RMCD_INFO_0_ST": Template("A6DF45AA", "O", "INFO", "The daemon is started."),
    "CONFIGRM_STARTED_ST": Template("DE84C4DB", "O", "INFO", "IBM.ConfigRM daemon has started."),
    "CONFIGRM_ONLINE_ST": Template(
        "3B16518D", "S", "INFO", "The node is online in the domain indicated in the detail data."
    ),
    "CONFIGRM_HASQUORUM_ST": Template(
        "4BDDFBCC",
        "S",
        "INFO",
        "The operational quorum state of the active peer domain has changed to HAS_QUORUM.",
    ),
    "STORAGERM_STARTED_ST": Template("EDFF8E9B", "O", "INFO", "IBM.StorageRM daemon has started."),
    "LVM_SA_PVMISS": Template("F7DDA124", "H", "UNKN", "PHYSICAL VOLUME DECLARED MISSING", *_DISK, _DIAGNOSE),
    "LVM_SA_QUORCLOSE": Template("CAD234BE", "H", "UNKN", "QUORUM LOST, VOLUME GROUP CLOSING", *_DISK, _DIAGNOSE),
    "LVM_SA_WRTERR": Template("52715FA5", "H", "UNKN", "FAILED TO WRITE VOLUME GROUP STATUS AREA", *_DISK, _DIAGNOSE),
    "LVM_SA_STALEPP": Template("EAA3D429", "S", "UNKN", "PHYSICAL PARTITION MARKED STALE", *_DISK, _DIAGNOSE),
    "LVM_IO_FAIL": Template("E86653C3", "H", "PERM", "I/O ERROR DETECTED BY LVM", *_DISK, _DIAGNOSE),
    "LVM_GS_RLEAVE": Template("AB59ABFF", "U", "UNKN", "Remote node Concurrent Volume Group failure detected"),
    "LVM_GS_LLEAVE": Template("C84C68D4", "U", "UNKN", "Local node Concurrent Volume Group failure detected"),
    "LVM_GS_CONNECTIVITY": Template("DB14100E", "U", "UNKN", "Group Services detected a failure"),
    "LVM_FORCEOFF_VG": Template("66206E7B", "S", "INFO", "VOLUME GROUP FORCED OFF-LINE"),
    "DISK_ERR1": Template("B6267342", "H", "PERM", "DISK OPERATION ERROR", *_DISK, _DIAGNOSE),
    "GOENT_LINK_DOWN": Template("EC0BCCD4", "H", "TEMP", "ETHERNET DOWN", ("CABLE",), (), (), _DIAGNOSE),
    "CL_VAR_FULL": Template(
        "E5899EEB",
        "S",
        "PERM",
        "/var filesystem is running low on space",
        ("FILE SYSTEM FULL",),
        (),
        (),
        ("INCREASE THE SIZE OF THE ASSOCIATED FILE SYSTEM",),
    ),
    "CL_ARU_PASSED": Template("92EE81A5", "H", "INFO", "Automatic repository update succeeded"),
    "CL_ARU_FAILED": Template(
        "F63D60A2",
        "H",
        "INFO",
        "Automatic Repository Update failed.",
        (),
        (),
        (),
        ("Try manual replacement of cluster repository disk.",),
    ),
    "CL_REPOS_DISK_DOWN": Template(
        "5B1C9A3E",
        "H",
        "PERM",
        "Local node cannot access cluster repository disk.",
        ("Cluster repository disk is down or not reachable.",),
        (),
        (),
        ("Correct hardware problem that caused loss of access to cluster repository disk.",),
    ),
    "CL_REPOS_INACCESS": Template(
        "C7D2A9F4", "H", "PERM", "Repository disk was not found. Hence CAA is not loaded on local node."
    ),
    "CL_DEADMAN_LIMIT": Template(
        "98F89493",
        "S",
        "PERM",
        "Deadman detected heartbeat loss and triggered.",
        ("Heartbeat not detected.",),
        (),
        (),
        ("Establish connections so that heartbeats can reach the node.",),
    ),
    "CL_AST_PANIC": Template(
        "3F4E6D18",
        "S",
        "PERM",
        "Asymmetric Topology reconciliation detected inconsistency of Cluster node states.",
        ("Local node cannot contact all nodes that are known to be UP.",),
        (),
        (),
        ("Correct Hardware or Network problem that caused loss of contact.",),
    ),
    "CL_NODE_DOWN": Template("7A2D0C41", "S", "INFO", "Cluster node is down"),
    "CL_NODE_UP": Template("E1F7B2D5", "S", "INFO", "Cluster node is up"),
    "TS_LOC_DOWN_ST": Template("173C787F", "S", "INFO", "Possible malfunction on local adapter"),
}
"""Templates by label. The id of LVM_SA_STALEPP is as administrators know it; those of GS_STOP_ST, GS_ERROR_ER,
GS_DEACT_FAIL_ST, CL_NODE_* and of CAA's entries but those of the automatic repository update are inferred; the texts of
CAA's are those of its message catalogue, which label has which of them is inferred."""
