"""C-SPOC's cli commands of shared storage: AIX commands where the volume group is varied on; all nodes learn of it.

``cli_mklv`` and its like take the flags of the AIX command they wrap. It runs on the node that has the volume group
varied on, or here, with the group varied on for it; the other nodes then learn the new descriptor area (a lazy update,
``importvg -L``). What was run, where, and how it ended stands in cspoc.log. What the published pages do not say is
inferred.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from daemons.clcomd import client as clcomd
from daemons.clmgr.cspoc.commands import CspocError, defined, log
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.storage.on_node import PROGRAM, on_node
from daemons.cluster.configuration import Configuration
from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.commands.record import Record
from srcctl.node.root import NodeRoot
from srcctl.storage.commands.invocation import disk_of
from srcctl.storage.descriptor_area import StorageError, VolumeGroup
from srcctl.storage.disk import disk_names, pvid
from srcctl.storage.volume_groups import VolumeGroups


class Wrapped(Record):
    """An AIX command: the flags that have a word behind them, and what its volume group is found by.

    ``by`` is "group", "volume", "file_system" or "disk", the kind of the first operand; "-g" and "-v" are flags; ""
    stands for a command of its own.
    """

    flags: str
    by: str
    command: tuple[str, ...] = ()


WRAPPED = {
    "cli_chfs": Wrapped("aAmdnptuv", "file_system"),
    "cli_chlv": Wrapped("abdeLmMnopPrstTuUGvwx", "volume"),
    "cli_chvg": Wrapped("aQhkLMpPrsv", "group"),
    "cli_crfs": Wrapped("vgmaAptdnul", "-g"),
    "cli_crlvfs": Wrapped("vgmaAptdnul", "-g", ("crfs",)),
    "cli_extendlv": Wrapped("aeus", "volume"),
    "cli_extendvg": Wrapped("p", "group"),
    "cli_mirrorvg": Wrapped("cp", "group"),
    "cli_mklv": Wrapped("abcCdeGiLmoOpPrRsStTuUvwxyY", "group"),
    "cli_mklvcopy": Wrapped("aepsu", "volume"),
    "cli_reducevg": Wrapped("", "group"),
    "cli_replacepv": Wrapped("", "disk"),
    "cli_rmfs": Wrapped("", "file_system"),
    "cli_rmlv": Wrapped("p", "volume"),
    "cli_rmlvcopy": Wrapped("p", "volume"),
    "cli_syncvg": Wrapped("P", "-v"),
    "cli_unmirrorvg": Wrapped("cp", "group"),
}


def cli(argv: list[str]) -> int:
    """``cli_COMMAND [flags] [operands]``: as the AIX command of that name, for the whole cluster."""
    name = os.path.basename(argv[0])
    wrapped = WRAPPED[name]
    command = [*(wrapped.command or (name.removeprefix("cli_"),)), *argv[1:]]

    def work(root: NodeRoot, c: Configuration) -> int:
        options = parse(argv, _table(wrapped.flags), intermixed=True)
        groups = VolumeGroups(root)
        group = _group(root, groups, options, wrapped.by)
        if name == "cli_rmlv" and "f" not in options:
            command.insert(1, "-f")  # nobody could be asked on another node
        status = _where_varied_on(root, groups, group, command, name)
        if status == 0:
            point = options.operands[0] if name == "cli_rmfs" else ""
            _tell(root, c, group, point, name)
        return status

    return _answer(argv, work)


def _answer(argv: list[str], work: Callable[[NodeRoot, Configuration], int]) -> int:
    name, root = os.path.basename(argv[0]), NodeRoot.current()
    log(root, f"[========== C_SPOC COMMAND LINE ==========]\n{' '.join([name, *argv[1:]])}")
    try:
        return work(root, defined(root))
    except UsageError:
        return usage(f"Usage: {name} as {name.removeprefix('cli_')}")
    except (CspocError, StorageError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1


def _table(flags: str) -> str:
    """An option table: every letter is a flag, and these have a word behind them."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "".join(letter + ":" * (letter in flags) for letter in letters)


def _group(root: NodeRoot, groups: VolumeGroups, options: Options, by: str) -> VolumeGroup:
    """The volume group that a command is about.

    Raises:
        CspocError: it is not known here.
        UsageError: none is named.
    """
    word = options.operands[0] if options.operands else ""
    if by == "-g":
        by, word = ("group", options.value("g")) if "g" in options else ("volume", options.value("d"))
        word = word.removeprefix("/dev/")
    elif by == "-v":
        by = "group" if "v" in options else "disk" if "p" in options else "volume"
    if not word:
        raise UsageError(by)
    if by == "disk":
        word = groups.known_on(disk_of(root, "", word)) or ""
        by = "group"
    for known in groups.known():
        found = groups.find(known)
        if found is None:
            continue
        volumes = {volume.name for volume in found.volumes} | {found.volume_identifier(v) for v in found.volumes}
        points = {volume.mount_point for volume in found.volumes if volume.mount_point}
        if (
            word
            in {"group": {found.name}, "volume": volumes, "file_system": points | {f"/dev/{v}" for v in volumes}}[by]
        ):
            return found
    raise CspocError(f"{word or 'the disk'} is not a part of a volume group that this node knows.")


def _where_varied_on(root: NodeRoot, groups: VolumeGroups, group: VolumeGroup, command: list[str], name: str) -> int:
    """Run a command on the node that has the group varied on, or here; its output is printed, its exit code returned.

    Raises:
        CspocError: that node cannot be reached, or the group cannot be varied on.
    """
    holders, own = groups.holders(group), root.identity.node
    if holders and own not in holders:
        try:
            result = clcomd.run(root, holders[0], [PROGRAM, *command])
        except clcomd.ClcomdError as error:
            log(root, f"{holders[0]}: FAILED: {' '.join(command)}")
            raise CspocError(f"unable to communicate with {holders[0]}: {error}") from None
        log(root, f"{holders[0]}: {'FAILED' if result.status else 'success'}: {' '.join(command)}")
        sys.stdout.write(result.out.decode(errors="replace"))
        sys.stderr.write(result.err.decode(errors="replace"))
        return result.status
    if not holders and subprocess.run(["varyonvg", group.name], check=False).returncode:
        raise CspocError(f"{group.name} cannot be varied on.")
    try:
        status = subprocess.run(command, check=False).returncode
    finally:
        if not holders and group.name in groups.known():
            subprocess.run(["varyoffvg", group.name], check=False)
    log(root, f"{own}: {'FAILED' if status else 'success'}: {' '.join(command)}")
    return status


def _tell(root: NodeRoot, c: Configuration, group: VolumeGroup, point: str, name: str) -> None:
    """Have all other nodes learn a volume group as it is now, or forget it.

    Raises:
        CspocError: one cannot; the others know.
    """
    now = VolumeGroups(root).find(group.name)
    words = [["learn", group.name, pvid(root.identity.lab_id, now.disks[0])] if now else ["unlearn", group.name]]
    words += [["forget", point]] if point else []
    failed = []
    for node in c.nodes:
        for command in words:
            try:
                on_node(root, node.name, command)
                status = "success"
            except ClmgrError as error:
                sys.stderr.write(f"{name}: {error}\n")
                failed.append(node.name)
                status = "FAILED"
            log(root, f"{node.name}: {status}: {' '.join(command)}")
    if failed:
        raise CspocError(f"{', '.join(dict.fromkeys(failed))} did not learn what {name} has changed; use cli_updatevg.")


def updatevg(argv: list[str]) -> int:
    """``cli_updatevg VG``: every node learns the descriptor area of a volume group as it is."""

    def work(root: NodeRoot, c: Configuration) -> int:
        options = parse(argv, "f")
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        _tell(root, c, _group(root, VolumeGroups(root), options, "group"), "", "cli_updatevg")
        return 0

    return _answer(argv, work)


def importvg(argv: list[str]) -> int:
    """``cli_importvg [flags] [-y VG] PV``: every node makes a volume group known, and varies it on nowhere."""

    def work(root: NodeRoot, c: Configuration) -> int:
        options = parse(argv, "V:y:fcxL:nFR")
        if len(options.operands) != 1:
            raise UsageError("one disk")
        disk = disk_of(root, "importvg", options.operands[0])
        status = subprocess.run(["importvg", "-n", *argv[1:]], check=False).returncode
        if status:
            return status
        name = VolumeGroups(root).known_on(disk)
        group = VolumeGroups(root).find(name) if name else None
        if group is not None:
            _tell(root, c, group, "", "cli_importvg")
        return 0

    return _answer(argv, work)


def mkvg(argv: list[str]) -> int:
    """``cli_mkvg [flags] [-y VG] PV ...``: a volume group that every node knows, and that is varied on nowhere."""

    def work(root: NodeRoot, c: Configuration) -> int:
        options = parse(argv, "fSBCnis:V:y:Id:t:p:v:P:L:M:X:r:k:")
        if not options.operands:
            raise UsageError("disks")
        disk = disk_of(root, "mkvg", options.operands[0])
        status = subprocess.run(["mkvg", *(["-n"] if "n" not in options else []), *argv[1:]], check=False).returncode
        if status:
            return status
        groups = VolumeGroups(root)
        group = groups.on_disk(disk)
        if group is not None:
            if groups.is_varied_on(group):
                subprocess.run(["varyoffvg", group.name], check=False)
            _tell(root, c, group, "", "cli_mkvg")
        return 0

    return _answer(argv, work)


def assign_pvids(argv: list[str]) -> int:
    """``cli_assign_pvids PV ...``: all nodes know the PVIDs of disks; those of a lab have one from the beginning."""

    def work(root: NodeRoot, c: Configuration) -> int:
        options = parse(argv, "")
        if not options.operands:
            raise UsageError("disks")
        shared = disk_names(root.identity.lab)
        for name in options.operands:
            if disk_of(root, "cli_assign_pvids", name) not in shared:
                raise CspocError(f"{name} is not a shared disk.")
        for name in options.operands:
            disk = disk_of(root, "cli_assign_pvids", name)
            log(root, f"{root.identity.node}: success: {disk} {pvid(root.identity.lab_id, disk)}")
        return 0

    return _answer(argv, work)
