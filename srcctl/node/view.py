"""The view: a node's own root directory, in which the product's absolute paths are true.

A new root on a small tmpfs holds recursive binds of the host's top level, overlays on /usr and /etc whose upper layers
are the node's own, and the node's own /var, /tmp, /dev, /run, /aha and /audit. Where the lab's owner is not root all of
it happens in a user namespace in which the owner is root.

Sources: mount_namespaces(7), user_namespaces(7), pivot_root(2), and the kernel's overlayfs documentation
(``userxattr`` for overlays mounted inside a user namespace).
"""

from __future__ import annotations

import os
import stat

from srcctl.commands.record import Record
from srcctl.node import syscalls
from srcctl.node.mounts import current_mount_points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

OVERLAID: Final = ("etc", "usr")
OWN: Final = ("var", "tmp", "aha", "audit", "dev")
DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
HAES: Final = "haes"
BUILD_SITE: Final = "/tmp"
"""Where the new root is put together. The host's /tmp is not part of a view, so nothing is bound into itself."""

RUN_KEPT: Final = ("systemd/resolve", "resolvconf", "NetworkManager/resolv.conf", "connman", "nscd", "user")
"""What of the host's /run a node sees. The rest holds the sockets through which a host is shut down."""

VIEW_CODE: Final = "/haes/code"
VIEW_SITE: Final = "/haes/site"
VIEW_PYTHON: Final = "/haes/python"
VIEW_LAB: Final = "/haes/lab"
VIEW_KEY: Final = "/haes/key"
VIEW_PS: Final = "/haes/ps"


class ViewError(Exception):
    """The view cannot be built here; the text says why in one sentence."""


class ViewPlan(Record):
    """What a view is made of. All are real paths of the host.

    ``root`` and ``work`` are the node's folders, ``shared`` the lab's shared folder, ``key`` its key file, ``code`` the
    checkout, ``site`` the libraries, ``python`` the prefix of the interpreter ("" when it lies below /usr).
    """

    node: str
    root: str
    work: str
    shared: str
    key: str
    code: str
    site: str
    python: str


def lies_below(path: str, directories: tuple[str, ...]) -> str:
    """The first of the directories that contains ``path``, or ""."""
    real = os.path.realpath(path)
    return next((d for d in directories if real == d or real.startswith(d.rstrip("/") + "/")), "")


def is_initial_user_namespace() -> bool:
    """True if root here is the host's root (user_namespaces(7): the initial map is the identity on all ids)."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return file.read().split() == ["0", "0", "4294967295"]
    except OSError:
        return True


def enter_namespaces() -> bool:
    """Give this process a mount and a UTS namespace, and when it is not root a user namespace in which it is.

    Returns:
        True if we are in a user namespace then (one made here, or a container's).

    Raises:
        ViewError: this host gives us no namespaces.
    """
    user = os.geteuid()
    group = os.getegid()
    flags = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS
    own_user = user != 0 or not is_initial_user_namespace()
    try:
        if user != 0:
            syscalls.unshare(flags | syscalls.CLONE_NEWUSER)
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
        else:
            syscalls.unshare(flags)
        syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    except OSError as error:
        raise ViewError(f"namespaces are not to be had: {error.strerror}") from None
    return own_user


def _bind(source: str, target: str, *, recursive: bool = True, read_only: bool = False) -> None:
    syscalls.mount(source, target, None, syscalls.MS_BIND | (syscalls.MS_REC if recursive else 0))
    if read_only:
        flags = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY
        try:
            syscalls.mount("none", target, None, flags)
        except OSError:
            # In a user namespace flags that the host has set (nosuid, nodev) are locked and must be named again.
            held = os.statvfs(target).f_flag
            syscalls.mount("none", target, None, flags | (held & 0xE))


def _directory(path: str) -> str:
    os.makedirs(path, exist_ok=True)
    return path


def _file(path: str) -> str:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    return path


class _Held:
    """Folders of the host by descriptor: still reachable after the build site hides their paths."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def path(self, real_path: str) -> str:
        descriptor = os.open(real_path, os.O_PATH | os.O_CLOEXEC)
        self.descriptors.append(descriptor)
        return f"/proc/self/fd/{descriptor}"

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


def _overlay(lower: str, upper: str, work: str, target: str, own_user: bool) -> None:
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    syscalls.mount("overlay", target, "overlay", 0, options + (",userxattr" if own_user else ""))


def _meet(lower: str, upper: str, target: str) -> None:
    """Look at every folder of an overlay that both layers have.

    At the first look the kernel notes in the upper one where the lower one is. If that cannot be written (a disk that
    became read-only), the folder and all in it cannot be reached: a PATH with it would start no program any more.
    """
    with os.scandir(upper) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and os.path.isdir(f"{lower}/{entry.name}"):
                os.path.isdir(f"{target}/{entry.name}")
                _meet(f"{lower}/{entry.name}", entry.path, f"{target}/{entry.name}")


def _bind_top_level(base: str) -> None:
    """The host's top level, as it is: folders bound, links copied."""
    skipped = {*OVERLAID, *OWN, "proc", "sys", "run", HAES, "lost+found"}
    with os.scandir("/") as entries:
        for entry in entries:
            if entry.name in skipped:
                continue
            target = f"{base}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), target)
            elif entry.is_dir():
                os.mkdir(target)
                try:
                    _bind(entry.path, target)
                except OSError:
                    os.rmdir(target)


def _bind_submounts_again(base: str, own_root: str, held_root: str) -> None:
    """An overlay's lower layer is one file system: what the host mounts below /etc and /usr is bound on top of it.

    The node's own files (hosts and others that a container's host mounts) win.
    """
    for point in current_mount_points():
        top = point.split("/", 2)[1]
        if top not in OVERLAID or point == f"/{top}":
            continue
        if os.path.lexists(held_root + point):
            continue
        try:
            _bind(point, base + point)
        except OSError as error:
            raise ViewError(f"{point} of the host cannot be bound: {error.strerror}") from None


def _build_terminals(target: str, own_user: bool) -> None:
    """The host's terminals; in a user namespace new ones, because only the host's root may open the host's there."""
    if own_user:
        try:
            syscalls.mount("devpts", target, "devpts", 0, "newinstance,ptmxmode=0666,mode=620")
        except OSError:
            pass
        else:
            return
    if os.path.isdir("/dev/pts"):
        _bind("/dev/pts", target)


def _build_devices(base: str, own_user: bool) -> None:
    device_directory = f"{base}/dev"
    for name in DEVICES:
        if os.path.exists(f"/dev/{name}"):
            target = f"{device_directory}/{name}"
            if os.path.islink(target):
                os.unlink(target)
            _bind(f"/dev/{name}", _file(target))
    _build_terminals(_directory(f"{device_directory}/pts"), own_user)
    if os.path.isdir("/dev/shm"):
        _bind("/dev/shm", _directory(f"{device_directory}/shm"))
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                         ("stderr", "fd/2")):  # fmt: skip
        link = f"{device_directory}/{name}"
        if not os.path.lexists(link):
            os.symlink(target, link)


def _build_src_directory(base: str) -> None:
    """The sockets for answers of SRC: in memory, so that the commands work on a disk that is full or read-only.

    Anybody may ask for a status and makes a socket here; nobody but root sees the others' names.
    """
    syscalls.mount("tmpfs", _directory(f"{base}/dev/.SRC-unix"), "tmpfs", syscalls.MS_NOSUID, "mode=1733,size=1m")


def _build_run(base: str) -> None:
    run = _directory(f"{base}/run")
    _directory(f"{run}/lock")
    for name in RUN_KEPT:
        source = f"/run/{name}"
        if not os.path.lexists(source) or os.path.islink(source):
            continue
        target = f"{run}/{name}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            _bind(source, _directory(target) if os.path.isdir(source) else _file(target))
        except OSError:
            pass


def _protect_host(base: str) -> None:
    """No file through which root could stop or reconfigure the host stays writable."""
    trigger = f"{base}/proc/sysrq-trigger"
    if os.path.exists(trigger):
        _bind("/dev/null", trigger, recursive=False)
    for name in ("proc/sys", "sys"):
        target = f"{base}/{name}"
        if name == "proc/sys":
            _bind(target, target)
        try:
            syscalls.mount(
                "none", target, None,
                syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY | syscalls.MS_NOSUID | 0xC,
            )  # fmt: skip
        except OSError:
            pass


def build(plan: ViewPlan, own_user: bool) -> None:
    """Make the view and move this process into it. Call after ``enter_namespaces``.

    Raises:
        ViewError: a mount that the view cannot do without was refused.
    """
    held = _Held()
    try:
        root = held.path(plan.root)
        work = held.path(plan.work)
        sources = {
            "code": held.path(plan.code),
            "site": held.path(plan.site),
            "lab": held.path(plan.shared),
            "key": held.path(plan.key),
        }
        if plan.python:
            sources["python"] = held.path(plan.python)
        base = BUILD_SITE
        syscalls.mount("tmpfs", base, "tmpfs", 0, "mode=755,size=4m")
        _bind_top_level(base)
        for name in OVERLAID:
            _overlay(f"/{name}", f"{root}/{name}", f"{work}/{name}", _directory(f"{base}/{name}"), own_user)
            _meet(f"/{name}", f"{root}/{name}", f"{base}/{name}")
        _bind_submounts_again(base, plan.root, root)
        for name in OWN:
            _bind(_directory(f"{root}/{name}"), _directory(f"{base}/{name}"))
        _build_devices(base, own_user)
        _build_src_directory(base)
        _build_run(base)
        for name in ("proc", "sys"):
            _bind(f"/{name}", _directory(f"{base}/{name}"))
        if not own_user:
            _protect_host(base)
        haes = _directory(f"{base}/{HAES}")
        for name, source in sources.items():
            target = f"{haes}/{name}"
            is_file = stat.S_ISREG(os.stat(source).st_mode)
            _bind(source, _file(target) if is_file else _directory(target), read_only=name in ("code", "site"))
        if os.path.exists("/dev/fuse"):
            # Not below /dev: a node has no device of that name. CAA mounts /aha with it.
            _bind("/dev/fuse", _file(f"{haes}/fuse"), recursive=False)
        if os.path.exists("/usr/bin/ps"):
            _bind("/usr/bin/ps", _file(f"{haes}/ps"), recursive=False)
        os.mkdir(f"{base}/.old")
        held.close()
        os.chdir(base)
        syscalls.pivot_root(".", ".old")
        os.chdir("/")
        syscalls.unmount("/.old", syscalls.MNT_DETACH)
        os.rmdir("/.old")
        syscalls.set_host_name(plan.node)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise ViewError(f"the view cannot be mounted: {where}{error.strerror}") from None
    finally:
        held.close()


def _try(lab_dir: str) -> str:
    """Really mount an overlay whose upper layer lies in the lab, and exchange the root, in a process of our own."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".probe-", dir=lab_dir) as probe_dir:
        for name in ("upper", "work"):
            os.mkdir(f"{probe_dir}/{name}")
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            reason = "the probe failed"
            try:
                own_user = enter_namespaces()
                held = _Held()
                upper, work = held.path(f"{probe_dir}/upper"), held.path(f"{probe_dir}/work")
                syscalls.mount("tmpfs", BUILD_SITE, "tmpfs", 0, "mode=755,size=1m")
                _overlay("/etc", upper, work, _directory(f"{BUILD_SITE}/etc"), own_user)
                _bind("/proc", _directory(f"{BUILD_SITE}/proc"))
                _file(f"{BUILD_SITE}/etc/haes.probe")
                os.mkdir(f"{BUILD_SITE}/.old")
                os.chdir(BUILD_SITE)
                syscalls.pivot_root(".", ".old")
                os.chdir("/")
                syscalls.unmount("/.old", syscalls.MNT_DETACH)
                reason = ""
            except ViewError as error:
                reason = str(error)
            except OSError as error:
                reason = f"an overlay in {lab_dir} is refused: {error.strerror}"
            finally:
                os.write(write_end, reason.encode())
                os._exit(0)
        os.close(write_end)
        with open(read_end, "rb") as pipe:
            reason = pipe.read().decode()
        os.waitpid(pid, 0)
        # The kernel leaves its own folder in there with no permissions at all; the owner may remove it all the same.
        inner = os.path.join(probe_dir, "work", "work")
        if os.path.isdir(inner):
            os.chmod(inner, 0o700)
        return reason


def probe(lab_dir: str) -> tuple[str, str]:
    """Which mode a lab in ``lab_dir`` (an existing folder) can have: ("view", "") or ("folder", reason).

    The probe really mounts and really exchanges a root, in a process that ends afterwards.
    """
    below = lies_below(lab_dir, tuple(f"/{name}" for name in OVERLAID))
    if below:
        return "folder", f"the lab lies below {below}, which a view overlays"
    import shutil  # not above: lpar has no use for it, and it brings the libraries of four ways to compress

    if shutil.which("nsenter") is None:
        return "folder", "nsenter (package util-linux) is missing"
    if not os.path.isdir("/proc/self/ns"):
        return "folder", "/proc is not mounted"
    reason = _try(lab_dir)
    return ("folder", reason) if reason else ("view", "")
