"""File systems: /etc/filesystems, mounting shared ones, and how full the node's own are.

A shared file system's contents are a folder beside the disks' files, once, whatever the copies of its volume: it can be
mounted while a good copy of every partition is left. In view mode it is bind-mounted into the node; in
folder mode its mount point is a symbolic link. The node's own file systems have declared sizes, so that df and the
watch over /var measure the node and not the host.
"""

from __future__ import annotations

import errno
import os

from srcctl.commands.record import Record
from srcctl.network.faults import Faults
from srcctl.node.locks import locked
from srcctl.node.mounts import unescape_mount_point
from srcctl.node.root import NodeRoot, replace_file
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.disk import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FILESYSTEMS_FILE, LOCK_FILE = "/etc/filesystems", "/etc/.filesystems.lock"
BLOCK = 512


class Stanza(Record):
    """A stanza of /etc/filesystems. ``size`` (512-byte blocks) is kept here for the node's own file systems."""

    mount_point: str
    attributes: dict[str, str]

    @property
    def device(self) -> str:
        return self.attributes.get("dev", "")

    @property
    def volume(self) -> str:
        """The logical volume's name."""
        return self.device.rpartition("/")[2]


def read_stanzas(root: NodeRoot) -> list[Stanza]:
    """The stanzas, in order; none if the file is missing."""
    try:
        with open(root.path(FILESYSTEMS_FILE), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    stanzas: list[Stanza] = []
    for line in lines:
        if not line.strip() or line.startswith("*"):
            continue
        if not line[0].isspace() and line.rstrip().endswith(":"):
            stanzas.append(Stanza(line.strip()[:-1], {}))
        elif stanzas and "=" in line:
            name, _, value = line.partition("=")
            stanzas[-1].attributes[name.strip()] = value.strip().strip('"')
    return stanzas


def is_mount_point(path: str) -> bool:
    """Whether a new file system can be mounted there: an absolute path without detours, in characters that neither
    /etc/filesystems nor a list of file systems gives a meaning."""
    plain = path.isascii() and path.isprintable() and not set(path) & set(" :=,;\"'#\\*?[]{}()<>|&$`")
    return plain and path[:1] == "/" and path[:2] != "//" and path != "/" and os.path.normpath(path) == path


def rewrite_stanzas(root: NodeRoot, change: Callable[[list[Stanza]], list[Stanza]]) -> None:
    """Change the file, which nobody else changes meanwhile; what stays as it was is not written.

    Args:
        root: the node.
        change: makes the new stanzas of the present ones, which it may change.

    Raises:
        OSError: it cannot be written.
    """
    with locked(root.path(LOCK_FILE)):
        before, stanzas = read_stanzas(root), change(read_stanzas(root))
        if stanzas == before:
            return
        text = ""
        for stanza in stanzas:
            text += f"{stanza.mount_point}:\n"
            text += "".join(f"\t{name:<15} = {value}\n" for name, value in stanza.attributes.items()) + "\n"
        replace_file(root.path(FILESYSTEMS_FILE), text.encode())


CONTROL_BLOCK = {"log": "INLINE", "options": "rw", "quota": "", "agblksize": "4096", "ea": "v1", "efs": "no"}
"""What crfs and chfs put into a volume's control block besides its mount point, and the defaults. The first three stand
in the stanza, the others are the file system's own (``lsfs -q``)."""


def stanza_of(volume: LogicalVolume) -> Stanza:
    """The stanza of a shared file system."""

    def of(name: str) -> str:
        return volume.file_system.get(name, CONTROL_BLOCK[name])

    return Stanza(
        volume.mount_point,
        {
            "dev": f"/dev/{volume.name}",
            "vfs": volume.type,
            "log": of("log"),
            "mount": "false",
            "options": of("options"),
            **({"quota": of("quota")} if of("quota") else {}),
            "check": "false",
            "account": "false",
        },
    )


def is_read_only(options: str) -> bool:
    """Whether mount options say so; of rw and ro the last one counts."""
    words = [word for word in options.split(",") if word in ("rw", "ro")]
    return words[-1:] == ["ro"]


def contents(lab: str, group: VolumeGroup, volume: LogicalVolume) -> str:
    """The folder with the contents of a shared file system: by the identifier of its volume, wherever that lies."""
    return os.path.join(lab, DIRECTORY, f"{group.identifier}.d", str(volume.number))


def forget_contents(lab: str, group: VolumeGroup) -> None:
    """The folder of a volume group that is gone goes, too, unless something is left in it."""
    try:
        os.rmdir(os.path.join(lab, DIRECTORY, f"{group.identifier}.d"))
    except OSError:
        pass


def _adopt(lab: str, group: VolumeGroup, volume: LogicalVolume) -> None:
    """Contents that a lab of an earlier level has beside the volume's first disk."""
    before = os.path.join(lab, DIRECTORY, f"{volume.extents[0].disk}.d", volume.name)
    if os.path.isdir(before) and not os.path.isdir(after := contents(lab, group, volume)):
        os.makedirs(os.path.dirname(after), exist_ok=True)
        os.rename(before, after)


def mounted(root: NodeRoot) -> dict[str, str]:
    """The shared file systems that are mounted on this node: mount point to contents folder."""
    lab = root.identity.lab
    found = {}
    if root.identity.mode == "view":
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.split()
                marker = f"/shared/{DIRECTORY}/"
                if marker in fields[3] and ".d/" in fields[3]:
                    folder = unescape_mount_point(fields[3].rpartition(marker)[2])
                    found[unescape_mount_point(fields[4])] = f"{lab}/{DIRECTORY}/{folder}"
        return found
    for stanza in read_stanzas(root):
        try:
            target = os.readlink(root.path(stanza.mount_point))
        except OSError:
            continue
        if target.startswith(f"{lab}/{DIRECTORY}/"):
            found[stanza.mount_point] = target
    return found


def mount(
    root: NodeRoot, mount_point: str, group: VolumeGroup, volume: LogicalVolume, read_only: bool = False
) -> VolumeGroup:
    """Mount a shared file system. In folder mode, where a mount is a link, a read-only one keeps no writer out.

    Copies on disks that are missing become stale when the volume is opened for writing.

    Returns:
        The volume group, with what it says of stale partitions now.

    Raises:
        OSError: EIO if a partition has no good copy, EBUSY if something is mounted there.
    """
    from srcctl.storage import mirrors
    from srcctl.storage.opened import OpenVolumes, changed_status

    lab = root.identity.lab
    if mount_point in mounted(root):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), mount_point)
    registry = OpenVolumes(lab)
    with registry.locked():
        failed = {disk for disk in group.disks if Faults(lab).disk_failed(disk)}
        if not mirrors.is_readable(group, volume, failed):
            raise OSError(errno.EIO, os.strerror(errno.EIO), mount_point)
        if not read_only:
            registry.add(root.identity, group, volume)
            if gone := failed | group.status.missing:
                group = changed_status(lab, group, lambda group: mirrors.after_loss(group, gone, {volume.number}))
    _adopt(lab, group, volume)
    source, target = contents(lab, group, volume), root.path(mount_point)
    os.makedirs(source, exist_ok=True)
    try:
        _attach(root, source, target, read_only)
    except OSError:
        registry.remove(root.identity, group.volume_identifier(volume))
        raise
    try:
        replace_file(_mark(root, mount_point), b"ro" if read_only else b"")
    except OSError:
        pass  # a full /var does not keep a file system from being mounted
    return group


def _attach(root: NodeRoot, source: str, target: str, read_only: bool) -> None:
    if root.identity.mode == "view":
        from srcctl.node import syscalls

        os.makedirs(target, exist_ok=True)
        syscalls.mount(source, target, "", syscalls.MS_BIND)
        if read_only:
            # In a user namespace the flags that the host's mount has must stay.
            kept = os.statvfs(target).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)
            try:
                syscalls.mount("", target, None, syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY | kept)
            except OSError:
                syscalls.unmount(target)
                raise
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(target) and not os.path.islink(target):
            os.rmdir(target)
        os.symlink(source, target)


def unmount(root: NodeRoot, mount_point: str) -> None:
    """Unmount a shared file system.

    Raises:
        OSError: EINVAL if it is not mounted, EBUSY if a process of the node uses it.
    """
    source = mounted(root).get(mount_point)
    if source is None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), mount_point)
    target = root.path(mount_point)
    if root.identity.mode == "view":
        from srcctl.node import syscalls

        syscalls.unmount(target)
    else:
        if users(root, source):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), mount_point)
        _leave(target)
    from srcctl.storage.opened import OpenVolumes

    folder, number = os.path.split(source)
    OpenVolumes(root.identity.lab).remove(root.identity, f"{os.path.basename(folder).removesuffix('.d')}.{number}")


def _leave(target: str) -> None:
    """Put the empty mount point back in the place of a link to the contents."""
    os.unlink(target)
    os.mkdir(target)


def forget(root: NodeRoot) -> None:
    """Begin a boot with no shared file system mounted: in folder mode a mount would outlive the machine otherwise.

    Raises:
        OSError: the node's root cannot be written.
    """
    if root.identity.mode == "view":
        return
    for mount_point in mounted(root):
        _leave(root.path(mount_point))


def users(root: NodeRoot, directory: str) -> list[int]:
    """The processes of this node whose working directory or an open file lies below a folder."""
    from srcctl.node.processes import MARK_VARIABLE, Membership, members

    view = root.identity.mode == "view"
    membership = Membership.of_this_process(os.environ.get(MARK_VARIABLE, ""), view=view)
    below = os.path.realpath(directory)
    found = []
    for pid in members(membership):
        try:
            links = [f"/proc/{pid}/cwd", *(f"/proc/{pid}/fd/{n}" for n in os.listdir(f"/proc/{pid}/fd"))]
        except OSError:
            continue
        for link in links:
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target == below or target.startswith(below + "/"):
                found.append(pid)
                break
    return found


def usage(root: NodeRoot, mount_point: str) -> tuple[int, int]:
    """Size and bytes used of a file system of this node.

    Raises:
        OSError: there is no such file system.
    """
    stanza = next((s for s in read_stanzas(root) if s.mount_point == mount_point), None)
    if stanza is None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), mount_point)
    size = int(stanza.attributes.get("size", "0")) * BLOCK
    return size, contents_of(root, mount_point)[0]


def contents_of(root: NodeRoot, mount_point: str) -> tuple[int, int]:
    """Bytes that the files of one of the node's own file systems take, and how many files there are."""
    others = {s.mount_point for s in read_stanzas(root)} - {mount_point}
    return _used(root, mount_point, others)


def contents_below(directory: str) -> tuple[int, int]:
    """Bytes that the files below a folder take, and how many files there are."""
    return _tree(directory, set(), NodeRoot())


def mounted_since(root: NodeRoot, mount_point: str) -> float:
    """When a file system was mounted, in seconds since the epoch; the node's own were mounted when it booted."""
    for path in (_mark(root, mount_point), root.path("/var/run/lpar.pid"), root.path(FILESYSTEMS_FILE)):
        try:
            return os.stat(path).st_mtime
        except OSError:
            continue
    return 0.0


def mounted_read_only(root: NodeRoot, mount_point: str) -> bool:
    """Whether a mounted file system was mounted for reading only."""
    try:
        with open(_mark(root, mount_point), "rb") as file:
            return file.read(2) == b"ro"
    except OSError:
        return False


def _mark(root: NodeRoot, mount_point: str) -> str:
    """A file whose time is that of the mount."""
    return root.path(f"/var/run/mount{mount_point.replace('/', '.')}")


def _used(root: NodeRoot, mount_point: str, others: set[str]) -> tuple[int, int]:
    """Bytes and number of the files below a mount point, other file systems left out."""
    top = root.path(mount_point)
    if mount_point == "/":
        # The node's own part of the root: in a view the rest belongs to the host.
        found = [_tree(root.path(path), others, root) for path in ("/etc", "/aha", "/home") if path not in others]
        return sum(size for size, _ in found), sum(files for _, files in found)
    return _tree(top, others, root)


def _tree(top: str, others: set[str], root: NodeRoot) -> tuple[int, int]:
    total, files, waiting = 0, 0, [top]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    total += status.st_blocks * BLOCK
                    files += 1
                    if entry.is_dir(follow_symlinks=False) and root.product_path(entry.path) not in others:
                        waiting.append(entry.path)
        except OSError:
            continue
    return total, files
