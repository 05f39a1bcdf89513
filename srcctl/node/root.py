"""The node root: product paths (``/etc/objrepos``) become real paths in exactly one place.

In view mode a node runs under a root of its own and the two are the same; in folder mode the node's root is a folder
of the host, named by ``HAES_ROOT`` in the environment of every process of the node.
"""

from __future__ import annotations

import os

# Every command imports this module and most never ask who the node is: the identity is imported when it is wanted,
# and typing's own TYPE_CHECKING would import typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from srcctl.node.identity import IDENTITY_FILE, Identity, IdentityError, Interface, LabNode

__all__ = ["IDENTITY_FILE", "Identity", "IdentityError", "Interface", "LabNode", "NodeRoot", "replace_file"]


def __getattr__(name: str) -> object:
    if name in ("IDENTITY_FILE", "Identity", "IdentityError", "Interface", "LabNode"):
        from srcctl.node import identity

        return getattr(identity, name)
    raise AttributeError(name)


class NodeRoot:
    """A node's file tree, addressed by product paths.

    Args:
        directory: the real folder that is the node's ``/`` (``"/"`` itself inside a view).
    """

    __slots__ = ("_identity", "directory")

    def __init__(self, directory: str = "/") -> None:
        self.directory = directory.rstrip("/")
        self._identity: Identity | None = None

    @classmethod
    def current(cls, environment: Mapping[str, str] | None = None) -> NodeRoot:
        """The root of the node that this process runs on."""
        environment = os.environ if environment is None else environment
        return cls(environment.get("HAES_ROOT") or "/")

    def path(self, product_path: str) -> str:
        """The real path of an absolute product path such as ``/etc/objrepos``."""
        return self.directory + product_path

    def product_path(self, real_path: str) -> str:
        """The product path of a real path below this root (or the path itself if it lies elsewhere)."""
        if self.directory and real_path.startswith(self.directory + "/"):
            return real_path[len(self.directory) :]
        return real_path

    @property
    def identity(self) -> Identity:
        """Who this node is, read once.

        Raises:
            IdentityError: the identity file is missing or damaged, so this is no node.
        """
        if self._identity is None:
            self._identity = self._read_identity()
        return self._identity

    def _read_identity(self) -> Identity:
        from srcctl.node.identity import IDENTITY_FILE, Identity, IdentityError

        try:
            with open(self.path(IDENTITY_FILE), encoding="utf-8") as file:
                return Identity.parse(file.read())
        except OSError as error:
            raise IdentityError(f"{self.path(IDENTITY_FILE)}: {error.strerror}") from None

    def __repr__(self) -> str:
        return f"NodeRoot({self.directory or '/'!r})"


def replace_file(path: str, data: bytes, mode: int = 0o644, temporary: str = "") -> None:
    """Replace a file atomically: a reader sees the old or the new contents, never a part.

    Args:
        path: the file.
        data: its new contents.
        mode: its permissions.
        temporary: the name under which the contents are written first, by default one of this process. Whoever holds a
            lock gives one that is always the same, so that the rest of a killed writer is written over.

    Raises:
        OSError: the folder cannot be written; the old file is untouched.
    """
    temporary = temporary or f"{path}.{os.getpid()}.new"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    except OSError as error:
        error.filename = path
        raise
    try:
        try:
            os.fchmod(descriptor, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        raise
