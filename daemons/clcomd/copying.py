"""cl_rcp's work: files and whole trees, from and to nodes, each file by streaming and replaced in one step.

Semantics are those of rcp(1): the last operand is the target; several sources need a target directory; ``-r`` copies
trees, ``-p`` keeps modification times and modes. Between two other nodes the copy goes through this one.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterable

from msgspec import Struct

from daemons.clcomd.client import ClcomdError, Refusal, Session
from daemons.clcomd.incoming import PIECE, Incoming, kept_mode
from srcctl.node.root import NodeRoot


class CopyError(Exception):
    """One source was not copied; ``str()`` says why."""


class Place(Struct, frozen=True):
    """``node:path``, or a path of this node (``node`` is "")."""

    node: str
    path: str

    @classmethod
    def parse(cls, word: str) -> Place:
        """A colon behind a name without slashes marks a node."""
        node, mark, path = word.partition(":")
        return cls(node, path or "/") if mark and node and "/" not in node else cls("", word)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rpartition("/")[2]


class Copier:
    """Copies; connections to nodes stay open until ``close``."""

    def __init__(self, root: NodeRoot, preserve: bool, recursive: bool) -> None:
        self._root = root
        self._preserve = preserve
        self._recursive = recursive
        self._sessions: dict[str, Session] = {}
        self.complaints: list[str] = []
        """What could not be copied out of a tree, a sentence each; all the rest was."""

    def close(self) -> None:
        """End the connections."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def __enter__(self) -> Copier:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _session(self, node: str) -> Session:
        if node not in self._sessions:
            self._sessions[node] = Session(self._root, node)
        return self._sessions[node]

    def is_directory(self, place: Place) -> bool:
        """Whether a place is a directory.

        Raises:
            ClcomdError: its node cannot be asked.
        """
        if not place.node:
            return os.path.isdir(place.path)
        return self._session(place.node).look(place.path).kind == "directory"

    def copy(self, source: Place, target: Place, into: bool) -> None:
        """Copy one source; ``into`` says that the target is a directory which gets it under its own name.

        Raises:
            ClcomdError: a node is lost or refuses.
            CopyError, OSError: it cannot be read or written; of what is in a tree ``complaints`` tell.
        """
        if into:
            target = Place(target.node, f"{target.path.rstrip('/')}/{source.name}")
        here, there = self._on_this_node(source), self._on_this_node(target)
        if here and there and os.path.isdir(here) and _is_below(there, here):
            raise CopyError(f"{source.path}: cannot be copied into itself")
        if source.node and target.node:
            with tempfile.TemporaryDirectory() as folder:
                between = Place("", os.path.join(folder, "copy"))
                self._get(source, between.path)
                self._put(between.path, target)
        elif source.node:
            self._get(source, target.path)
        elif target.node:
            self._put(source.path, target)
        else:
            self._here(source.path, target.path)

    def _each(self, names: Iterable[str], copy: Callable[[str], None]) -> None:
        """Copy what is in a directory: what cannot be copied is said, and keeps nothing else from it."""
        for name in names:
            try:
                copy(name)
            except (CopyError, Refusal) as error:
                self.complaints.append(str(error))
            except OSError as error:
                self.complaints.append(f"{error.filename or name}: {error.strerror}")

    def _get(self, source: Place, target: str) -> None:
        session = self._session(source.node)
        found = session.look(source.path)
        match found.kind:
            case "file":
                session.get(source.path, target, self._preserve)
            case "directory":
                self._tree_wanted(source.path)
                _make_writable(target, found.mode)
                below = source.path.rstrip("/")
                self._each(
                    session.names(source.path),
                    lambda name: self._get(Place(source.node, f"{below}/{name}"), os.path.join(target, name)),
                )
                os.chmod(target, found.mode)
                if self._preserve:
                    os.utime(target, ns=(found.modified_ns, found.modified_ns))
            case "":
                raise CopyError(f"{source.path}: No such file or directory")
            case _:
                raise CopyError(f"{source.path}: not a plain file")

    def _put(self, source: str, target: Place) -> None:
        session = self._session(target.node)
        status = os.stat(source)
        if stat.S_ISREG(status.st_mode):
            session.put(source, target.path, self._preserve)
        elif stat.S_ISDIR(status.st_mode):
            self._tree_wanted(source)
            mode, below = stat.S_IMODE(status.st_mode), target.path.rstrip("/")
            # Until it is full its owner must be able to write there.
            session.make_directory(target.path, mode | stat.S_IRWXU)
            self._each(
                sorted(os.listdir(source)),
                lambda name: self._put(os.path.join(source, name), Place(target.node, f"{below}/{name}")),
            )
            if self._preserve or mode | stat.S_IRWXU != mode:
                session.make_directory(target.path, mode, status.st_mtime_ns if self._preserve else None)
        else:
            raise CopyError(f"{source}: not a plain file")

    def _here(self, source: str, target: str) -> None:
        status = os.stat(source)
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            self._tree_wanted(source)
            _make_writable(target, mode)
            self._each(
                sorted(os.listdir(source)),
                lambda name: self._here(os.path.join(source, name), os.path.join(target, name)),
            )
            os.chmod(target, mode)
            if self._preserve:
                os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
        elif stat.S_ISREG(status.st_mode):
            self._one(source, os.path.realpath(target) if os.path.islink(target) else target, status)
        else:
            raise CopyError(f"{source}: not a plain file")

    def _one(self, source: str, target: str, status: os.stat_result) -> None:
        with open(source, "rb") as original:
            copy = Incoming(target)
            try:
                while data := original.read(PIECE):
                    copy.write(data)
                if self._preserve:
                    copy.keep(stat.S_IMODE(status.st_mode), status.st_mtime_ns)
                else:
                    copy.keep(kept_mode(target, status.st_mode), None)
            finally:
                copy.close()

    def _on_this_node(self, place: Place) -> str:
        """The real path of a place on this node, "" for one that is on another."""
        if place.node == self._root.identity.node:
            return self._root.path(place.path)
        return "" if place.node else place.path

    def _tree_wanted(self, path: str) -> None:
        if not self._recursive:
            raise CopyError(f"{path}: not a plain file")


def _make_writable(directory: str, mode: int) -> None:
    """Make a directory, or take the one that is there; until it is full its owner must be able to write there."""
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, mode | stat.S_IRWXU)


def _is_below(path: str, directory: str) -> bool:
    return f"{os.path.realpath(path)}/".startswith(f"{os.path.realpath(directory)}/")


__all__ = ["ClcomdError", "Copier", "CopyError", "Place"]
