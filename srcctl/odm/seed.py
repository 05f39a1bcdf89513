"""The classes and objects of a fresh node, from the class descriptions and stanzas of the installed components."""

from __future__ import annotations

import os
from collections.abc import Callable

from srcctl.node.root import NodeRoot
from srcctl.odm import description, stanza
from srcctl.odm.errors import OdmError
from srcctl.odm.repository import DEFAULT_DIRECTORY, Repository

_DIRECTIVE = "/* repository:"


def load(root: NodeRoot, components: str, wanted: Callable[[str], bool] = bool) -> None:
    """Create the classes of ``COMPONENT.cre`` and add the objects of ``COMPONENT.add``, for every component.

    A description may begin with ``/* repository: DIRECTORY */``; its classes then live there, with symbolic links from
    the default repository, as PowerHA's do. Classes that exist already are left alone with their objects.

    Args:
        root: the node's file tree.
        components: the folder with the files.
        wanted: whether a component, by its name, is taken.

    Raises:
        OdmError: a file is faulty; the text names it.
        OSError: the node's root cannot be written.
    """
    created: set[str] = set()
    names = sorted(name for name in os.listdir(components) if wanted(name.partition(".")[0]))
    os.makedirs(root.path(DEFAULT_DIRECTORY), exist_ok=True)
    for name in (name for name in names if name.endswith(".cre")):
        with open(os.path.join(components, name), encoding="utf-8") as file:
            text = file.read()
        directory = DEFAULT_DIRECTORY
        if text.startswith(_DIRECTIVE):
            directory = text[len(_DIRECTIVE) :].partition("*/")[0].strip()
        os.makedirs(root.path(directory), exist_ok=True)
        repository = Repository(root, directory, any_class=True)
        try:
            for object_class in description.parse(text):
                if os.path.lexists(os.path.join(root.path(directory), object_class.name)):
                    continue
                repository.create(object_class.text())
                created.add(object_class.name)
                if directory != DEFAULT_DIRECTORY:
                    link = os.path.join(root.path(DEFAULT_DIRECTORY), object_class.name)
                    if not os.path.lexists(link):
                        # Relative, so that it leads there in folder mode, too.
                        os.symlink(f"{os.path.relpath(directory, DEFAULT_DIRECTORY)}/{object_class.name}", link)
        except OdmError as error:
            raise OdmError(error.code, f"{name}: {error}") from None
    repository = Repository(root, DEFAULT_DIRECTORY, any_class=True)
    objects: dict[str, list[dict[str, int | str]]] = {}
    for name in (name for name in names if name.endswith(".add")):
        with open(os.path.join(components, name), encoding="utf-8") as file:
            try:
                for entry in stanza.parse(file):
                    if entry.class_name in created:
                        objects.setdefault(entry.class_name, []).append(entry.values)
                    else:
                        repository.describe(entry.class_name)
            except OdmError as error:
                raise OdmError(error.code, f"{name}: {error}") from None
    for class_name, values in objects.items():
        repository.add_all(class_name, values)
