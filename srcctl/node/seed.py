"""Seeding: a fresh node root from the repository's ``etc/``, and keeping its launchers in step with the source tree."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from typing import Final

from srcctl.commands.options import is_number
from srcctl.node import inventory, programs, selection, view
from srcctl.node.launcher import Installation
from srcctl.node.launcher import text as launcher_text
from srcctl.node.root import IDENTITY_FILE, Identity, Interface, LabNode, NodeRoot, replace_file

TOP_LEVEL: Final = frozenset({"usr", "var", "opt", "home"})
"""Folders of the repository's ``etc/`` that are not the node's /etc."""
NOT_COPIED: Final = frozenset({"objrepos", "programs"})

DIRECTORIES: Final = (
    "/etc/objrepos", "/etc/es/objrepos", "/etc/cluster", "/etc/es", "/etc/security", "/etc/rc.d/rc2.d", "/etc/programs",
    "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib/objrepos", "/usr/local/bin", "/usr/share",
    "/usr/es/sbin/cluster/etc/objrepos", "/usr/es/sbin/cluster/events/utils", "/usr/es/sbin/cluster/utilities",
    "/usr/es/sbin/cluster/sbin", "/usr/es/sbin/cluster/cspoc", "/usr/es/lib", "/usr/sbin/rsct/bin",
    "/var/adm/SRC", "/var/adm/ras", "/var/adm/cluster", "/var/adm/nim", "/var/hacmp/adm", "/var/hacmp/log",
    "/var/hacmp/clcomd", "/var/hacmp/clverify", "/var/hacmp/utilities", "/var/ct/cfg", "/var/ct/IW/log",
    "/var/spool/cron/crontabs",
    "/var/spool/mail", "/var/tmp", "/var/run", "/var/lib", "/var/log", "/var/clcomd", "/var/cluster", "/tmp", "/aha",
    "/audit", "/etc/tunables", "/dev/.SRC-unix", "/dev/pts", "/dev/shm",
)  # fmt: skip
"""Made beforehand: in a user namespace an overlay cannot copy up a folder that belongs to the host's root."""

STICKY: Final = ("/tmp", "/var/tmp")
LINKS: Final = (("/usr/sbin/cluster", "/usr/es/sbin/cluster"),)
FOLDER_LINKS: Final = (("/bin", "/usr/bin"), ("/sbin", "/usr/sbin"))
"""In folder mode; a view has the host's own."""
SOURCE_FILE: Final = "source"
SOFTWARE_FILE: Final = "software"
FOLDER_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")
UNPRIVILEGED_SHIFT: Final = 10000


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to be seeded.

    ``labels`` are further lines of /etc/hosts: (address, names), for service labels. ``source`` is the folder that a
    root is seeded from, "" for the repository's ``etc``; ``software`` says how much of it (``selection``).
    """

    name: str
    number: int
    lab_id: str
    mode: str
    speed: float
    interfaces: tuple[Interface, ...]
    nodes: tuple[LabNode, ...]
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    source: str = ""
    software: str = selection.ALL
    installation: Installation | None = field(default=None, compare=False)


def root_directory(lab: str, node: str) -> str:
    """The node's root folder on the host."""
    return os.path.join(lab, "nodes", node, "root")


def work_directory(lab: str, node: str) -> str:
    """The node's overlay work folders (view mode)."""
    return os.path.join(lab, "nodes", node, "work")


def open_work(lab: str, node: str) -> None:
    """Give the overlays' work folders back to their owner: the kernel leaves them without any permission, so that an
    ordinary user could not remove the lab."""
    for name in view.OVERLAID:
        try:
            os.chmod(os.path.join(work_directory(lab, node), name, "work"), 0o700)
        except OSError:
            pass


def source_of(lab: str, node: str, installation: Installation) -> str:
    """The folder that the node was seeded from."""
    try:
        with open(os.path.join(lab, "nodes", node, SOURCE_FILE), encoding="utf-8") as file:
            named = file.read()
    except FileNotFoundError:
        named = ""
    return named or os.path.join(installation.code, "etc")


def software_of(lab: str, node: str) -> str:
    """How much software the node was seeded with (``selection``)."""
    try:
        with open(os.path.join(lab, "nodes", node, SOFTWARE_FILE), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return selection.ALL


def hosts_text(nodes: tuple[LabNode, ...], labels: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """A node's /etc/hosts: every node's boot addresses (the first one has the node's name), then service labels."""
    lines = ["127.0.0.1\tlocalhost loopback"]
    for node in nodes:
        for index, address in enumerate(node.addresses):
            lines.append(f"{address}\t{node.name if index == 0 else f'{node.name}_en{index}'}")
    lines += [f"{address}\t{' '.join(names)}" for address, names in labels]
    return "\n".join(lines) + "\n"


def shifted_services(text: str) -> str:
    """/etc/services with the ports below 1024 moved up by 10000, for an owner who may not bind them."""
    lines = [f"# Ports below 1024 are shifted by {UNPRIVILEGED_SHIFT}: this node does not run as root."]
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and not line.startswith("#"):
            port, slash, protocol = words[1].partition("/")
            if slash and is_number(port) and int(port) < 1024:
                line = line.replace(words[1], f"{int(port) + UNPRIVILEGED_SHIFT}/{protocol}", 1)
        lines.append(line)
    return "\n".join(lines) + "\n"


def seed_node(lab: str, spec: NodeSpec) -> None:
    """Make the root of a new node in ``LAB/nodes/NODE/root``.

    Raises:
        OSError: the lab cannot be written.
        srcctl.node.programs.ProgramMapError: a program map is damaged.
        ValueError: an object class or stanza file of ``etc/objrepos`` is damaged.
    """
    installation = spec.installation or Installation.current()
    source = spec.source or os.path.join(installation.code, "etc")
    root = NodeRoot(root_directory(lab, spec.name))
    for path in DIRECTORIES:
        if not selection.has_directory(spec.software, path):
            continue
        os.makedirs(root.path(path), exist_ok=True)
    for path in STICKY:
        os.chmod(root.path(path), 0o1777)
    if spec.mode == "view":
        for name in view.OVERLAID:
            os.makedirs(os.path.join(work_directory(lab, spec.name), name), exist_ok=True)
    for name in sorted(os.listdir(source)):
        if name in NOT_COPIED:
            continue
        top = "" if name in TOP_LEVEL else "/etc"
        _copy(source, name, root.path(f"{top}/{name}"), spec.software)
    for name, text in ((SOURCE_FILE, spec.source), (SOFTWARE_FILE, spec.software)):
        with open(os.path.join(lab, "nodes", spec.name, name), "w", encoding="utf-8") as file:
            file.write(text)
    for link, target in LINKS if spec.mode == "view" else LINKS + FOLDER_LINKS:
        if selection.has_directory(spec.software, target):
            _link(root.path(link), os.path.relpath(target, os.path.dirname(link)))
    _own_files(root, spec, installation)
    write_identity(root, identity_of(lab, spec, installation))
    if spec.mode == "view":
        _interpreter_library(root, installation)
    install_programs(root, source, spec.mode, installation, spec.software)
    _load_object_classes(root, source, os.path.join(lab, "shared"), spec.software)
    inventory.record(root, source, files_of(source, spec.mode, spec.software))


def files_of(source: str, mode: str, software: str = selection.ALL) -> list[str]:
    """The files that a fresh node has from the folder it is seeded from: copies, and launchers of programs."""
    found = list(programs.load(os.path.join(source, "programs"), mode, software))
    for name in os.listdir(source):
        if name in NOT_COPIED:
            continue
        top = "" if name in TOP_LEVEL else "/etc"
        paths = [name] if not os.path.isdir(os.path.join(source, name)) else []
        for directory, _, names in os.walk(os.path.join(source, name)):
            paths += [os.path.relpath(os.path.join(directory, entry), source) for entry in names]
        found += [f"{top}/{path}" for path in paths if selection.has_file(software, path)]
    return found


def _copy(source: str, path: str, target: str, software: str) -> None:
    if not selection.has_file(software, path):
        return
    real = os.path.join(source, path)
    if os.path.islink(real):
        _link(target, os.readlink(real))
    elif os.path.isdir(real):
        os.makedirs(target, exist_ok=True)
        for name in os.listdir(real):
            _copy(source, f"{path}/{name}", f"{target}/{name}", software)
    else:
        shutil.copyfile(real, target)
        executable = os.stat(real).st_mode & stat.S_IXUSR
        os.chmod(target, 0o755 if executable else 0o644)


def _link(path: str, target: str) -> None:
    try:
        os.symlink(target, path)
    except FileExistsError:
        pass


def _own_files(root: NodeRoot, spec: NodeSpec, installation: Installation) -> None:
    replace_file(root.path("/etc/hosts"), hosts_text(spec.nodes, spec.labels).encode())
    replace_file(root.path("/etc/hostname"), f"{spec.name}\n".encode())
    # Every node of the lab may talk to this one's clcomd, as an administrator arranges before configuring.
    addresses = [address for node in spec.nodes for address in node.addresses]
    if selection.has_directory(spec.software, "/etc/cluster"):
        replace_file(root.path("/etc/cluster/rhosts"), "".join(f"{a}\n" for a in addresses).encode(), 0o600)
    services = root.path("/etc/services")
    if (os.geteuid() != 0 or not view.is_initial_user_namespace()) and os.path.exists(services):
        with open(services, encoding="utf-8") as file:
            replace_file(services, shifted_services(file.read()).encode())
    table = root.path("/etc/inittab")
    if spec.software != selection.ALL and os.path.exists(table):
        with open(table, encoding="utf-8") as file:
            replace_file(table, selection.inittab(spec.software, file.read()).encode())
    for name in ("passwd", "group"):
        # The host's users, copied: a node's own file can be changed, the host's (another owner's, below) cannot.
        if not os.path.exists(root.path(f"/etc/{name}")) and os.path.exists(f"/etc/{name}"):
            with open(f"/etc/{name}", "rb") as file:
                replace_file(root.path(f"/etc/{name}"), file.read())
    for path in ("/dev/console", "/var/adm/ras/errlog"):
        if path == "/dev/console":
            os.close(os.open(root.path(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    if spec.mode != "view":
        for name in FOLDER_DEVICES:
            _link(root.path(f"/dev/{name}"), f"/dev/{name}")
        for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
            _link(root.path(f"/dev/{name}"), target)


def _interpreter_library(root: NodeRoot, installation: Installation) -> None:
    """An interpreter that needs its shared library by a path that other users cannot walk finds it in /usr/lib too."""
    if not installation.prefix:
        return
    library = os.path.join(installation.prefix, "lib")
    for name in os.listdir(library) if os.path.isdir(library) else ():
        if name.startswith("libpython") and ".so" in name:
            _link(root.path(f"/usr/lib/{name}"), f"{view.VIEW_PYTHON}/lib/{name}")


def identity_of(lab: str, spec: NodeSpec, installation: Installation) -> Identity:
    """The node's identity, in the words of its own mode."""
    inside = installation.inside(spec.mode)
    in_view = spec.mode == "view"
    return Identity(
        lab_id=spec.lab_id,
        lab=view.VIEW_LAB if in_view else os.path.join(lab, "shared"),
        key=view.VIEW_KEY if in_view else os.path.join(lab, "key"),
        code=inside.code,
        python=inside.python,
        site=inside.site,
        node=spec.name,
        number=spec.number,
        speed=spec.speed,
        mode=spec.mode,
        boot_id="",
        interfaces=spec.interfaces,
        nodes=spec.nodes,
    )


def write_identity(root: NodeRoot, identity: Identity) -> None:
    """Write the node's identity file."""
    replace_file(root.path(IDENTITY_FILE), identity.text().encode())


def install_programs(
    root: NodeRoot, source: str, mode: str, installation: Installation, software: str = selection.ALL
) -> None:
    """Copy the program maps into the node and write a launcher for every line; files that are right stay untouched.

    Raises:
        OSError: the node's root cannot be written.
        srcctl.node.programs.ProgramMapError: a map is damaged.
    """
    maps = os.path.join(source, "programs")
    os.makedirs(root.path(programs.DIRECTORY), exist_ok=True)
    for name in sorted(os.listdir(maps)) if os.path.isdir(maps) else ():
        if not selection.has_component(software, name):
            continue
        with open(os.path.join(maps, name), encoding="utf-8") as file:
            text = selection.programs(software, file.read())
        _install(root.path(f"{programs.DIRECTORY}/{name}"), text.encode(), 0o644)
    inside = installation.inside(mode)
    for program in programs.load(root.path(programs.DIRECTORY), mode).values():
        path = root.path(program.path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _install(path, launcher_text(program, inside).encode(), 0o755)


def _install(path: str, data: bytes, mode: int) -> None:
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except FileNotFoundError:
        pass
    replace_file(path, data, mode)


def _load_object_classes(root: NodeRoot, source: str, shared: str, software: str) -> None:
    directory = os.path.join(source, "objrepos")
    if not os.path.isdir(directory):
        return
    from srcctl.odm import Repository, seed

    seed.load(root, directory, lambda component: selection.has_component(software, component))
    if software != selection.ALL:
        installed = Repository(root, inventory.DIRECTORY)
        installed.rewrite(
            "lpp", lambda present: [o for o in present if selection.has_fileset(software, str(o["name"]))]
        )
    if os.path.exists(os.path.join(directory, "devices.cre")):
        from srcctl.devices.configuration import configure_new_node

        configure_new_node(root, shared)
