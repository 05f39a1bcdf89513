"""What each flag of snap gathers: files of command output, and copies of files. Data.

The folders, and the names of the files whose readers were seen, are AIX's; which commands stand in them is inferred, as
far as they are commands that a node has.
"""

from __future__ import annotations

from typing import NamedTuple

VOLUME_GROUP = "VG"
"""In a command: it is run for each volume group."""


class Part(NamedTuple):
    """A part of a snap.

    ``reports`` are file names with the commands whose output they get, ``copies`` paths of files, which may have
    wildcards; ``what`` is what the administrator reads.
    """

    folder: str
    what: str
    reports: tuple[tuple[str, tuple[str, ...]], ...]
    copies: tuple[str, ...] = ()


PARTS = {
    "g": Part(
        "general", "general system information",
        (
            ("general.snap", ("date", "uname -a", "oslevel -s", "env", "lsdev -C", "lsattr -El sys0", "lspv", "lsvg",
                              "lsps -a", "no -a", "lssrc -a")),
            ("errpt.out", ("errpt -a",)),
            ("oslevel.info", ("oslevel -s",)),
            ("lsdev.disk", ("lsdev -Cc disk",)),
            ("lsdev.adapter", ("lsdev -Cc adapter",)),
            ("lparstat.out", ("lparstat -i",)),
        ),
        ("/etc/objrepos/Cu*", "/etc/objrepos/SRC*", "/etc/inittab", "/etc/environment", "/var/adm/ras/errlog"),
    ),
    "f": Part(
        "filesys", "file system information", (("filesys.snap", ("lsfs", "df -k", "mount")),), ("/etc/filesystems",)
    ),
    "i": Part("install", "installation information", (("install.snap", ("lslpp -L", "oslevel -s")),)),
    "k": Part("kernel", "kernel information", (("kernel.snap", ("ps -ef", "no -a")),)),
    "L": Part(
        "lvm", "LVM information",
        (("lvm.snap", ("lspv", "lsvg", "lsvg -o", *(f"lsvg{flag} {VOLUME_GROUP}" for flag in ("", " -l", " -p")))),),
    ),
    "n": Part("nfs", "NFS information", (("nfs.snap", ("exportfs", "showmount -e")),), ("/etc/exports",)),
    "t": Part(
        "tcpip", "TCP/IP information",
        (("tcpip.snap", ("ifconfig -a", "netstat -in", "netstat -rn", "no -a")),),
        ("/etc/hosts", "/etc/services", "/etc/hosts.equiv", "/etc/snmpd.conf", "/etc/netsvc.conf"),
    ),
}  # fmt: skip
"""Flag: part, in the order in which they are gathered."""
CLUSTER = "hacmp"
"""The folder of what snap -e gathers."""
ARCHIVE = "snap.pax"
