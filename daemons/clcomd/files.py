"""The files of a node in clcomd's hands: received and replaced in one step, sent by streaming, looked at."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat

from daemons.clcomd.incoming import PIECE, Incoming, kept_mode
from daemons.clcomd.messages import NAMES_MAX, Done, Entry, File, Look, MakeDirectory, Put, answer_codec
from daemons.runtime.local import Closed
from srcctl.node.root import NodeRoot

NOT_ABSOLUTE = "is not an absolute path"


def _complaint(path: str) -> str:
    """Why a path is none of a file here, "" if it may be."""
    if not path.startswith("/"):
        return f"{path} {NOT_ABSOLUTE}"
    return "a path holds no NUL byte" if "\0" in path else ""


def _followed(root: NodeRoot, path: str) -> str:
    """The real path of a file that is written: a symbolic link stays, and what it names is replaced."""
    real = root.path(path)
    if os.path.islink(real):
        named = os.path.realpath(real)
        if f"{named}/".startswith(f"{root.directory}/"):
            return named
    return real


async def receive(root: NodeRoot, reader: asyncio.StreamReader, request: Put) -> str:
    """Take the bytes that follow a ``Put`` and replace the file; returns an error text.

    The bytes are taken also when they cannot be kept, so that the connection can go on.

    Raises:
        Closed: the client went away; nothing was changed.
    """
    target = _followed(root, request.path)
    error, left, file = "", request.size, None
    with contextlib.ExitStack() as stack:
        if complaint := _complaint(request.path):
            error = complaint
        elif os.path.isdir(target):
            error = f"{request.path} is a directory"
        else:
            try:
                file = Incoming(target)
                stack.callback(file.close)
            except OSError as fault:
                error = f"{request.path}: {fault.strerror}"
        while left > 0:
            data = await reader.read(min(left, PIECE))
            if not data:
                raise Closed
            left -= len(data)
            if file is not None and not error:
                try:
                    file.write(data)
                except OSError as fault:
                    error = f"{request.path}: {fault.strerror}"
        if file is not None and not error:
            try:
                mode = request.mode & 0o7777 if request.preserve else kept_mode(target, request.mode)
                file.keep(mode, request.modified_ns if request.preserve else None)
            except OSError as fault:
                error = f"{request.path}: {fault.strerror}"
    return error


async def send(root: NodeRoot, writer: asyncio.StreamWriter, path: str) -> Done | None:
    """Send a file, announced by a ``File``; returns the refusal if it cannot be read.

    Raises:
        Closed: it became shorter meanwhile, so that the client must see the connection end.
    """
    if complaint := _complaint(path):
        return Done(complaint)
    try:
        # Not to hang on a pipe that somebody left there.
        descriptor = os.open(root.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Done(f"{path}: {error.strerror}")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Done(f"{path}: not a plain file")
        announced = File(status.st_size, stat.S_IMODE(status.st_mode), status.st_mtime_ns)
        writer.write(answer_codec.frame(announced))
        left = status.st_size
        while left > 0:
            data = os.read(descriptor, min(left, PIECE))
            if not data:
                raise Closed
            writer.write(data)
            await writer.drain()
            left -= len(data)
    except OSError:
        raise Closed from None
    finally:
        os.close(descriptor)
    return None


def look(root: NodeRoot, request: Look) -> Entry | Done:
    """What a path is. Symbolic links are followed, as by rcp."""
    if complaint := _complaint(request.path):
        return Done(complaint)
    real = root.path(request.path)
    try:
        status = os.stat(real)
        mode = status.st_mode
        if stat.S_ISREG(mode):
            return Entry("file", stat.S_IMODE(mode))
        if not stat.S_ISDIR(mode):
            return Entry("other", stat.S_IMODE(mode))
        names = sorted(name for name in os.listdir(real) if name > request.after)
    except FileNotFoundError:
        return Entry("")
    except OSError as error:
        return Done(f"{request.path}: {error.strerror}")
    modified = status.st_mtime_ns
    return Entry("directory", stat.S_IMODE(mode), modified, tuple(names[:NAMES_MAX]), len(names) > NAMES_MAX)


def make_directory(root: NodeRoot, request: MakeDirectory) -> Done:
    """Make a directory, or set the mode of the one that is there."""
    if complaint := _complaint(request.path):
        return Done(complaint)
    real = root.path(request.path)
    try:
        if not os.path.isdir(real):
            os.mkdir(real)
        os.chmod(real, request.mode & 0o7777)
        if request.preserve:
            os.utime(real, ns=(request.modified_ns, request.modified_ns))
    except OSError as error:
        return Done(f"{request.path}: {error.strerror}")
    return Done()
