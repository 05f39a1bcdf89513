"""cl_rcp's work: files and whole trees, from and to nodes, each file by streaming and replaced in one step.

Semantics are those of rcp(1): the last operand is the target; several sources need a target directory; ``-r`` copies
trees, ``-p`` keeps modification times and modes. Between two other nodes the copy goes through this one.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile

from msgspec import Struct

from daemons.clcomd.client import ClcomdError, Session
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
            CopyError, OSError: it cannot be read or written.
        """
        if into:
            target = Place(target.node, f"{target.path.rstrip('/')}/{source.name}")
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

    def _get(self, source: Place, target: str) -> None:
        session = self._session(source.node)
        found = session.look(source.path)
        match found.kind:
            case "file":
                session.get(source.path, target, self._preserve)
            case "directory":
                self._tree_wanted(source.path)
                os.makedirs(target, exist_ok=True)
                for name in session.names(source.path):
                    self._get(Place(source.node, f"{source.path.rstrip('/')}/{name}"), os.path.join(target, name))
                os.chmod(target, found.mode)
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
            session.make_directory(target.path, stat.S_IMODE(status.st_mode))
            for name in sorted(os.listdir(source)):
                self._put(os.path.join(source, name), Place(target.node, f"{target.path.rstrip('/')}/{name}"))
        else:
            raise CopyError(f"{source}: not a plain file")

    def _here(self, source: str, target: str) -> None:
        if os.path.isdir(source):
            self._tree_wanted(source)
            shutil.copytree(source, target, dirs_exist_ok=True, copy_function=self._one)
        else:
            self._one(source, target)

    def _one(self, source: str, target: str) -> object:
        return (shutil.copy2 if self._preserve else shutil.copy)(source, target)

    def _tree_wanted(self, path: str) -> None:
        if not self._recursive:
            raise CopyError(f"{path}: not a plain file")


__all__ = ["ClcomdError", "Copier", "CopyError", "Place"]
