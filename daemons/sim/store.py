"""A node's object classes and its staging directory, as they are on its disk: whole, half installed, or staged."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from daemons.caa.repository import Commit
from daemons.cluster.configuration import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping


def pack(configuration: Configuration) -> bytes:
    """The archive of a configuration."""
    return msgspec.msgpack.encode(configuration)


@lru_cache(256)
def unpack(archive: bytes) -> Configuration:
    """The configuration in an archive.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.msgpack.decode(archive, type=Configuration)


def classes(configuration: Configuration) -> dict[str, object]:
    """What is replaced class by class when a configuration is installed."""
    return {name: getattr(configuration, name) for name in configuration.__struct_fields__}


class Lock(msgspec.Struct, frozen=True):
    """The lock of dynamic reconfiguration: its owner, the generation, when it was taken in which boot, and whether its
    run left it for the administrator."""

    owner: str
    generation: int
    since: int
    boot: int
    kept: bool = False


class Store:
    """The disk of one node. It survives the loss of power.

    Args:
        configuration: what is installed; None: the node is in no cluster.
        generation: of which commit.
    """

    def __init__(self, configuration: Configuration | None, generation: int) -> None:
        self.default = classes(configuration) if configuration is not None else {}
        self.generation = generation
        """The generation that is installed as a whole; 0: none, or the classes are half of one and half of another."""
        self.kept: tuple[Commit, bytes] | None = None
        """The commit that was installed last, with its archive."""
        self.lock: Lock | None = None
        self.staged: Configuration | None = None
        self.installer: object = None
        """Who installs; ends with its process."""
        self._loaded: Configuration | None = configuration

    @property
    def half_installed(self) -> bool:
        """The classes are half of one configuration and half of another."""
        return bool(self.default) and not self.generation

    @property
    def has_all_classes(self) -> bool:
        """Every class is there: not while a node that never had a configuration installs its first."""
        return set(self.default) == set(Configuration.__struct_fields__)

    def load(self) -> Configuration | None:
        """The configuration in the default object classes, whatever that is; None if no cluster is defined there."""
        if self._loaded is None and "cluster" in self.default:
            self._loaded = Configuration(**self.default)  # type: ignore[arg-type]
        return self._loaded

    def forget(self) -> None:
        """The node was taken out of its cluster: it has no configuration any more."""
        self.default, self._loaded, self.generation = {}, None, 0
        self.release()

    def replace(self, name: str, objects: object) -> None:
        """Replace one class."""
        self.default[name] = objects
        self._loaded = None

    def edit(self, configuration: Configuration) -> None:
        """An administrator changes the default classes; this is not synchronized."""
        self.default = classes(configuration)
        self._loaded = configuration

    def behind(self, wanted: Mapping[str, object]) -> list[str]:
        """The classes that differ from those wanted."""
        return [name for name, objects in wanted.items() if name not in self.default or self.default[name] != objects]

    def release(self) -> None:
        """Give the lock back, and with it what is staged."""
        self.lock = self.staged = None
