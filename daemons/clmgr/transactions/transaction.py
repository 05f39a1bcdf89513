"""One change of the configuration: nobody else's comes between, and all of its classes are written, or none.

Changes on one node follow one another under a lock. The classes are files of their own, so what is to be written stands
in a journal before the first of them is touched (redo logging): a change that was interrupted is completed by the next
one, and by the next clmgr that finds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import CHANGE_JOURNAL, CHANGE_LOCK, CLASSES, DCD, Configuration, OdmObject
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import Repository


class Transaction:
    """A change under way.

    Args:
        root: the node.
        repository: its DCD.
        configuration: what is defined, None if no cluster is.
    """

    def __init__(self, root: NodeRoot, repository: Repository, configuration: Configuration | None) -> None:
        self._root = root
        self._repository = repository
        self.configuration = configuration

    def base(self) -> Configuration:
        """What is defined, or what a node has without a cluster."""
        return self.configuration or configurations.undefined(self._repository)

    def commit(self, changed: Configuration) -> None:
        """Write the changed configuration.

        Raises:
            OdmError: a value does not fit into its class; nothing was changed.
        """
        own = self._root.identity.node
        objects = configurations.objects_of(changed, own)
        self._check(objects)
        staged = Staged(self._repository)
        configurations.store(staged, changed, own)
        self._write(staged.classes)

    def replace(self, objects: dict[str, list[OdmObject]]) -> None:
        """Write whole classes.

        Raises:
            OdmError: a value does not fit into its class; nothing was changed.
        """
        self._check(objects)
        self._write(objects)

    def _check(self, objects: dict[str, list[OdmObject]]) -> None:
        for name, members in objects.items():
            description = self._repository.describe(name)
            for o in members:
                description.complete(o)

    def _write(self, objects: dict[str, list[OdmObject]]) -> None:
        import json

        journal = self._root.path(CHANGE_JOURNAL)
        replace_file(journal, json.dumps(objects).encode(), 0o600)
        for name, members in objects.items():
            self._repository.replace_all(name, members)
        os.unlink(journal)


class Staged:
    """A repository in memory over another one: what would be written."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.classes: dict[str, list[OdmObject]] = {}

    def get(self, class_name: str, criteria: str | None = None) -> list[OdmObject]:
        """The objects of a class, without criteria."""
        return self.classes[class_name] if class_name in self.classes else self._repository.get(class_name, criteria)

    def replace_all(self, class_name: str, objects: list[OdmObject]) -> None:
        """Keep the objects of a class for later."""
        self.classes[class_name] = objects


@contextmanager
def change(root: NodeRoot) -> Iterator[Transaction]:
    """A change of this node's configuration; waits for others to end.

    Raises:
        ConfigurationFault: the classes contradict each other.
        OdmError, OSError: they cannot be read or written.
    """
    with locked(root.path(CHANGE_LOCK)):
        repository = Repository(root, DCD)
        _complete(root, repository)
        yield Transaction(root, repository, configurations.load(repository))


def read(root: NodeRoot) -> Configuration | None:
    """This node's configuration; an interrupted change is completed first.

    Raises:
        ConfigurationFault: the classes contradict each other.
        OdmError, OSError: they cannot be read or written.
    """
    if os.path.exists(root.path(CHANGE_JOURNAL)):
        with change(root) as transaction:
            return transaction.configuration
    try:
        return configurations.load(Repository(root, DCD))
    except configurations.ConfigurationFault:
        # Another process may be between two classes of its change: it is waited for.
        with change(root) as transaction:
            return transaction.configuration


def _complete(root: NodeRoot, repository: Repository) -> None:
    import json

    path = root.path(CHANGE_JOURNAL)
    try:
        with open(path, encoding="utf-8") as file:
            objects = json.load(file)
    except FileNotFoundError:
        return
    for name in CLASSES:
        if name in objects:
            repository.replace_all(name, objects[name])
    os.unlink(path)
