"""How lpar makes a process: by fork alone for a program that it has imported, by fork and exec for any other.

A child begins as a program begins: default signals, its own session, standard descriptors as asked, nothing else open.
"""

from __future__ import annotations

import errno
import os
import sys

from srcctl.commands.record import Record
from srcctl.node.processes import mark_instance
from srcctl.node.root import NodeRoot
from srcctl.node.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, NoReturn

    EntryPoint = Callable[[list[str]], int]

_DEFAULTED: Final = (
    signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGUSR1,
    signal.SIGUSR2, signal.SIGALRM, signal.SIGQUIT,
)  # fmt: skip
EVERY_SIGNAL: Final = signal.valid_signals()
NICE_NEUTRAL: Final = 20
"""The SRC priority that stands for nice 0 (mkssys -E)."""
TITLE_MAX: Final = 4096
READ: Final = os.O_RDONLY
WRITE: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT
"""How standard input is opened, and how output and error are."""
_DISK_TAKES_NOTHING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class Request(Record):
    """A process to be made.

    ``path`` is a product path and becomes argv[0]; ``stdin``, ``stdout`` and ``stderr`` are product paths or
    descriptors; ``keep`` are further descriptors that the program inherits under the same number. ``instance`` is the
    number of a subsystem's instance, 0 for any other program.
    """

    path: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}  # nobody changes it
    stdin: str | int = "/dev/null"
    stdout: str | int = "/dev/console"
    stderr: str | int = "/dev/console"
    keep: tuple[int, ...] = ()
    uid: int = 0
    nice: int = NICE_NEUTRAL
    dies_with_parent: bool = True
    instance: int = 0


def open_file(root: NodeRoot, path: str, flags: int) -> int:
    """Open a file for a program's standard input or output; no path is /dev/null.

    The machine never waits in it: a pipe that nobody reads is an error (ENXIO).

    Raises:
        OSError: it cannot be opened, for another reason than that its disk takes nothing more.
    """
    real = root.path(os.path.join("/", path or "dev/null"))
    try:
        descriptor = os.open(real, flags | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in _DISK_TAKES_NOTHING:
            raise
        # What ran before the disk became full or read-only has to be restarted all the same.
        return os.open("/dev/null", flags & os.O_ACCMODE | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    return descriptor


def _open_standard(root: NodeRoot, where: str | int, flags: int) -> int:
    if isinstance(where, int):
        return where
    try:
        return open_file(root, where, flags)
    except OSError:
        return os.open("/dev/null", os.O_RDWR)


def _arrange_descriptors(root: NodeRoot, request: Request) -> None:
    sources = [
        _open_standard(root, request.stdin, READ),
        _open_standard(root, request.stdout, WRITE),
        _open_standard(root, request.stderr, WRITE),
    ]
    # Out of the way of 0..2 first, so that no source is overwritten before it is used.
    high = [os.dup(source) if source < 3 else source for source in sources]
    for number, source in enumerate(high):
        os.dup2(source, number, inheritable=True)
    last = 3
    for kept in sorted(request.keep):
        os.closerange(last, kept)
        os.set_inheritable(kept, True)
        last = kept + 1
    os.closerange(last, 1 << 20)


def own_user_namespace() -> bool:
    """Whether this process sees no user but its own (user_namespaces(7)): the host gives us no other."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split()[2:] == ["1"]


def _set_user(uid: int) -> None:
    """Become another user. An owner who is not root has no other users: the program then runs as the owner."""
    if uid == 0 or uid == os.geteuid() or os.geteuid() != 0:
        return
    if own_user_namespace():
        # This host gives us no other user: the owner without any privilege comes nearest.
        from srcctl.node.syscalls import CAP_LAST, drop_capabilities

        drop_capabilities(range(CAP_LAST + 1))
        return
    try:
        import pwd

        entry = pwd.getpwuid(uid)
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
    except KeyError:
        os.setgroups([])
        os.setgid(uid)
    os.setuid(uid)


def _prepare(root: NodeRoot, request: Request) -> None:
    signal.set_wakeup_fd(-1)
    for number in _DEFAULTED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.setsid()
    _arrange_descriptors(root, request)
    os.chdir(root.path("/") if root.directory else "/")
    os.umask(0o022)
    if request.nice != NICE_NEUTRAL:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, max(-20, min(19, request.nice - NICE_NEUTRAL)))
        except OSError:
            pass
    if request.instance:
        mark_instance(request.instance)
    _set_user(request.uid)
    if request.dies_with_parent:
        # Last, because a change of user takes it back.
        from srcctl.node.syscalls import die_with_parent

        die_with_parent(signal.SIGKILL)


def _title_setter() -> Callable[[str], None]:
    """setproctitle's function, without the logging that it imports to complain: a tenth of what lpar takes."""
    if "setproctitle" not in sys.modules and "logging" not in sys.modules:
        silent = type(sys)("logging")
        silent.getLogger = lambda name: silent  # type: ignore[attr-defined]
        silent.debug = lambda *words: None  # type: ignore[attr-defined]
        sys.modules["logging"] = silent
        try:
            import setproctitle
        finally:
            del sys.modules["logging"]
    import setproctitle

    return setproctitle.setproctitle


def set_title(path: str, arguments: tuple[str, ...] | list[str]) -> None:
    """Show path and arguments as ``ps`` does for a program that was executed."""
    _title_setter()(" ".join([path, *arguments])[:TITLE_MAX])
    try:
        with open("/proc/self/comm", "w", encoding="utf-8", errors="replace") as file:
            file.write(os.path.basename(path)[:15])
    except OSError:
        pass


def _call(root: NodeRoot, request: Request, entry: EntryPoint) -> int:
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = [request.path, *request.arguments]
    # What the interpreter itself arranges when it starts: a closed connection is an error, not the end.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    set_title(request.path, request.arguments)
    if "random" in sys.modules:
        sys.modules["random"].seed()
    try:
        return entry([request.path, *request.arguments])
    except SystemExit as end:
        if end.code is None:
            return 0
        if isinstance(end.code, int):
            return end.code & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BaseException:
        _print_traceback()
        return 1


def _print_traceback() -> None:
    import traceback  # which lpar would carry for all

    traceback.print_exc()


def _leave(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status & 0xFF)


def _fork() -> int:
    """fork(2) with all signals held back in the child until it has a program's dispositions.

    lpar ignores SIGTERM. A stop that came before the child does not would be ignored, too, and never come again.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, EVERY_SIGNAL)
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def fork_entry(root: NodeRoot, request: Request, entry: EntryPoint) -> int:
    """Fork and call an entry point that is imported already; returns the child's pid.

    Raises:
        OSError: no more processes.
    """
    pid = _fork()
    if pid:
        return pid
    status = 1
    try:
        _prepare(root, request)
        status = _call(root, request, entry)
    except BaseException:
        _print_traceback()
    finally:
        _leave(status)


def describe_status(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def real_program(root: NodeRoot, path: str) -> str:
    """The real path of a program: the node's own file if there is one, else the host's (folder mode)."""
    own = root.path(path)
    return own if not root.directory or os.path.exists(own) else path


def fork_exec(root: NodeRoot, request: Request, argv: list[str] | None = None) -> int:
    """Fork and execute; returns the pid once the program runs.

    Args:
        argv: what is executed instead of path and arguments (``["/bin/sh", "-c", line]``).

    Raises:
        OSError: the program cannot be executed, or no more processes.
    """
    words = argv or [request.path, *request.arguments]
    program = real_program(root, words[0])
    read_end, write_end = os.pipe()
    pid = _fork()
    if pid == 0:
        number = errno.ENOEXEC
        try:
            keep = Request(
                request.path, request.arguments, request.environment, request.stdin, request.stdout, request.stderr,
                (*request.keep, write_end), request.uid, request.nice, request.dies_with_parent, request.instance,
            )  # fmt: skip
            _prepare(root, keep)
            os.set_inheritable(write_end, False)
            environment = dict(request.environment)
            try:
                os.execve(program, words, environment)
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                os.execve("/bin/sh", ["sh", program, *words[1:]], environment)
        except OSError as error:
            number = error.errno or errno.ENOEXEC
        finally:
            os.write(write_end, str(number).encode())
            os._exit(127)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        failure = pipe.read()
    if failure:
        os.waitpid(pid, 0)
        number = int(failure)
        raise OSError(number, os.strerror(number), program)
    return pid
