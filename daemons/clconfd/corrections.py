"""Corrective actions of verification, each on the node that it concerns."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

from daemons.caa import client as caa
from daemons.clconfd import init_entries, installation, persistent_labels
from daemons.clconfd.collector import CLIENT_HOSTS, unreadable
from daemons.cluster.configuration import DCD
from daemons.cluster.synchronization import ArchiveError, installed_generation, mark_incomplete
from srcctl.commands.options import is_number
from srcctl.network import options
from srcctl.network.addresses import AddressRegistry
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError, seed
from srcctl.storage.filesystems import Stanza, rewrite_stanzas
from srcctl.storage.volume_groups import VolumeGroups

SMUX_ENTRY = "smux            1.3.6.1.4.1.2.3.1.2.1.5         clsmuxpd_password # PowerHA SystemMirror clsmuxpd"


class CorrectionFailed(Exception):
    """It could not be done; ``str()`` says why."""


def correct(root: NodeRoot, kind: str, arguments: list[str]) -> None:
    """Carry out one correction on this node (see ``verification.Correction``).

    Raises:
        CorrectionFailed, OSError: it could not be done.
    """
    match kind, arguments:
        case "hosts", [address, label]:
            _add_host(root, address, label)
        case "services", [name, number]:
            _append(root, "/etc/services", f"{name}\t\t{number}")
        case "volume_group", [name]:
            _import(root, name)
        case "auto_on", [name]:
            _run("varyonvg", name)
            _run("chvg", "-a", "n", name)
            _run("varyoffvg", name)
        case "varyoff", [name]:
            _run("varyoffvg", name)
        case "snmp", []:
            _append(root, "/etc/snmpd.conf", SMUX_ENTRY)
            _run("refresh", "-s", "snmpd")
        case "community", []:
            _append(root, "/etc/snmpd.conf", "community       public")
            _run("refresh", "-s", "snmpd")
        case "persistent", []:
            persistent_labels.configure(root)
        case "mount", [mount_point]:
            _clear_mount(root, mount_point)
        case "option", [name, value] if name in options.OPTIONS and is_number(value):
            with options.changing(root) as values:
                values.now[name] = values.at_boot[name] = int(value)
        case "classes", []:
            _restore_classes(root)
        case "inittab", [name] if name in init_entries.RECORDS:
            _add_init_entry(root, name)
        case "clhosts", labels:
            _write_client_hosts(root, labels)
        case "alias", [address]:
            AddressRegistry(root.identity.lab).remove(root.identity, address)
        case _:
            raise CorrectionFailed(f"{kind} with {len(arguments)} arguments is no corrective action")


def _add_host(root: NodeRoot, address: str, label: str) -> None:
    """Add the label: to the address's own line where there is one, else as a new line.

    The old file is kept, once a day, as /etc/hosts.<date>.
    """
    path = root.path("/etc/hosts")
    kept = f"{path}.{time.strftime('%Y%m%d')}"
    if os.path.exists(path) and not os.path.exists(kept):
        shutil.copy2(path, kept)
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines):
        entry, mark, comment = line.partition("#")
        if entry.split()[:1] == [address]:
            if label not in entry.split():
                lines[number] = f"{entry.rstrip()} {label}" + (f" {mark}{comment}" if mark else "")
            break
    else:
        lines.append(f"{address}\t{label}")
    replace_file(path, ("\n".join(lines) + "\n").encode(errors="surrogateescape"), 0o644)


def _add_init_entry(root: NodeRoot, name: str) -> None:
    try:
        init_entries.add(root, frozenset({name}))
    except init_entries.EntryRefused as error:
        raise CorrectionFailed(str(error)) from None


def _restore_classes(root: NodeRoot) -> None:
    """Make object classes that cannot be read anew, with what was synchronized last.

    Raises:
        CorrectionFailed: they cannot be made, or CAA cannot tell what was synchronized.
    """
    try:
        if installed_generation(root):
            mark_incomplete(root)
        for name in unreadable(root):
            path = os.path.join(root.path(DCD), name)
            if os.path.lexists(path):
                os.rename(path, f"{path}.damaged")  # no class is looked for under such a name
        seed.load(root, os.path.join(os.environ["HAES_CODE"], "etc", "objrepos"), lambda name: name.startswith("hacmp"))
        installation.install_committed(root)
    except (KeyError, OdmError, caa.CaaError, caa.RepositoryError, ArchiveError) as error:
        raise CorrectionFailed(str(error)) from None


def _write_client_hosts(root: NodeRoot, labels: list[str]) -> None:
    """The file that administrators copy to clients of clinfoES, from lines of address and label."""
    lines = [
        "#Created by HACMP Verification / Synchronization Corrective Actions",
        time.strftime("#Date Created: %m/%d/%Y at %H:%M:%S"),
        *(f"{address:<16}#{label}" for address, _, label in (line.partition(" ") for line in labels)),
    ]
    replace_file(root.path(CLIENT_HOSTS), ("\n".join(lines) + "\n").encode())


def _append(root: NodeRoot, product_path: str, line: str) -> None:
    path = root.path(product_path)
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    if text and not text.endswith("\n"):
        text += "\n"
    replace_file(path, f"{text}{line}\n".encode(errors="surrogateescape"), 0o644)


def _import(root: NodeRoot, name: str) -> None:
    groups = VolumeGroups(root)
    found = groups.find(name)
    if found is None:
        raise CorrectionFailed(f"no disk of this node holds the volume group {name}")
    # Known with its file systems, and not varied on; -L learns what has changed of a known one.
    flag = "-L" if name in groups.known() else "-y"
    _run("importvg", "-n", flag, name, found.disks[0])


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise CorrectionFailed(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")


def _clear_mount(root: NodeRoot, mount_point: str) -> None:
    def cleared(stanzas: list[Stanza]) -> list[Stanza]:
        for stanza in stanzas:
            if stanza.mount_point == mount_point:
                stanza.attributes["mount"] = "false"
        return stanzas

    rewrite_stanzas(root, cleared)
