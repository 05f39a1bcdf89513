"""What one node contributes to a snap: its logs, its object classes and settings, and what its commands say.

Below the node's folder a file has the path that it has on the node, so that the folder can be read as the node's own
root (``clanalyze -d``); the output of commands is in ``commands``. Which files and commands belong to it is inferred.
"""

from __future__ import annotations

import glob
import io
import os
import tarfile
from collections.abc import Iterator
from typing import IO

from daemons.clmgr.collection.log_files import files_of_log
from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import ACD, DCD, Configuration, ConfigurationFault
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository
from srcctl.snap.answers import answer

COMMANDS = (
    "date", "hostname", "uname -a", "oslevel -s", "halevel -s", "lslpp -L", "cltopinfo", "cllscf", "cllsif", "cllsnode",
    "cllsnw", "cllsgrp", "cllsserv", "cllsappmon", "cllssite", "clshowres", "cldisp", "clshowsrv -v", "clRGinfo -v",
    "clRGinfo -p", "clmgr -v query cluster", "lssrc -a", "lssrc -ls clstrmgrES", "lssrc -ls cthags",
    "lssrc -ls clcomd", "lscluster -c", "lscluster -m", "lscluster -i", "lscluster -d", "lscluster -s",
    "clctrl -tune -a", "lsrpdomain", "lsrpnode", "lspv", "lsvg", "lsvg -o", "lsfs", "df -k", "mount", "ifconfig -a",
    "netstat -in", "netstat -rn", "no -a", "ps -ef", "errpt -a",
)  # fmt: skip
COMMAND_LIMIT = 20.0
"""Seconds that a command may take (patience)."""
FILES = (
    "/etc/hosts", "/etc/services", "/etc/inittab", "/etc/filesystems", "/etc/snmpd.conf", "/etc/netsvc.conf",
    "/usr/es/sbin/cluster/netmon.cf", "/usr/es/sbin/cluster/etc/clhosts", "/usr/es/sbin/cluster/etc/clinfo.rc",
    "/usr/es/sbin/cluster/etc/rc.cluster", "/usr/es/sbin/cluster/etc/config/*", "/usr/es/sbin/cluster/snapshots/*",
    "/var/adm/ras/errlog", "/var/adm/ras/syslog.caa*", "/var/adm/ras/clconfd.log*", "/var/adm/ras/snmpd.log*",
    "/var/hacmp/clcomd/*.log*", "/var/hacmp/adm/cluster.log*", "/var/hacmp/clverify/clverify.log*",
    f"{DCD}/HACMP*", f"{ACD}/HACMP*",
)  # fmt: skip
RSCT_LOGS = ("/var/ct/IW/log/mc/*", "/var/ct/*/log/cthags/*")
FILE_MAX = 64 << 20
"""Bytes of a file that are taken: the last ones."""


def paths(root: NodeRoot, with_rsct: bool = True) -> list[str]:
    """The product paths of the files, sorted, each once."""
    try:
        c: Configuration | None = configurations.load(Repository(root, DCD))
    except (OdmError, ConfigurationFault):
        c = None
    found: set[str] = set()
    for pattern in (*FILES, *(RSCT_LOGS if with_rsct else ())):
        found.update(path for path in glob.glob(root.path(pattern)) if os.path.isfile(path))
    for log in c.logs if c is not None else ():
        directory = root.path(log.directory)
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        found.update(os.path.join(directory, name) for name in files_of_log(log, names))
    return sorted(root.product_path(path) for path in found)


def write(root: NodeRoot, target: IO[bytes], with_rsct: bool = True) -> None:
    """Write this node's part into a stream, as an archive in the format of ustar.

    Raises:
        OSError: the stream is closed.
    """
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        for path in paths(root, with_rsct):
            try:
                with open(root.path(path), "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    file.seek(max(0, size - FILE_MAX))
                    data = file.read(FILE_MAX)
                    modified = os.fstat(file.fileno()).st_mtime
            except OSError:
                continue  # it has been rotated away since
            _add(archive, path.lstrip("/"), data, modified)
        for name, said in _answers():
            _add(archive, f"commands/{name}.out", said.encode(errors="replace"), 0)


def _add(archive: tarfile.TarFile, name: str, data: bytes, modified: float) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), int(modified), 0o600
    archive.addfile(member, io.BytesIO(data))


def _answers() -> Iterator[tuple[str, str]]:
    for command in COMMANDS:
        yield command.replace(" ", "_"), answer(command, COMMAND_LIMIT)
