"""Object repositories: one self-contained text file a class, replaced by rename under a lock.

A file holds the class description and then the objects, both in the forms that people know from odmcreate and odmget:
``cp``, ``cat`` and ``diff`` of a class always see a whole one. Readers take no lock. Writers lock ``CLASS.lock`` beside
the file, so that changes by many processes follow one another and none is lost.
"""

from __future__ import annotations

import errno
import os
import time

from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import criteria as criteria_module
from srcctl.odm import description, installed, stanza
from srcctl.odm.description import ObjectClass
from srcctl.odm.errors import OdmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_DIRECTORY = "/etc/objrepos"

OdmObject = dict[str, int | str]
_MAGIC = "/* ODM object class */\n"

_Stamp = tuple[int, int, int, int]
_RACY_NS = 20_000_000
"""A file that was written so shortly before it was read may be written again within the same tick of its clock, to the
same size and, once its inode is free, in the same place: nothing would tell the two apart ("racily clean" in git)."""
_remembered: dict[str, tuple[_Stamp, ObjectClass, list[OdmObject]]] | None = None
_descriptions: dict[str, ObjectClass] = {}
"""Class descriptions by their text, while this process remembers: a class has the same one in every repository."""


def remember() -> None:
    """From now on this process parses a class only when its file is another one than the last time.

    For commands that read the same classes again and again, and end soon. A daemon reads a class once in minutes and
    would keep them all in its memory.
    """
    global _remembered
    if _remembered is None:
        _remembered = {}


class Repository:
    """An object repository directory of a node.

    Args:
        root: the node's file tree.
        directory: a product path; by default ODMDIR of the environment, else /etc/objrepos. Several directories
            separated by colons are searched in order; those of ODMPATH follow the default one (inferred). In folder
            mode ODMDIR may be a real path, as it is when the node's scripts use it in paths.
        any_class: take a class as it is, for who asks for no certain fields; otherwise one that was installed must have
            the fields that it was installed with.
    """

    def __init__(self, root: NodeRoot, directory: str | None = None, *, any_class: bool = False) -> None:
        self._root = root
        self._any_class = any_class
        if not directory:
            directory = f"{os.environ.get('ODMDIR') or DEFAULT_DIRECTORY}:{os.environ.get('ODMPATH', '')}"
        self._directories = [root.path(root.product_path(part)) for part in directory.split(":") if part]

    def classes(self) -> list[str]:
        """The names of the classes here, sorted."""
        names = set()
        for directory in self._directories:
            try:
                for name in os.listdir(directory):
                    if not name.startswith(".") and "." not in name and self._is_class(os.path.join(directory, name)):
                        names.add(name)
            except OSError:
                continue
        return sorted(names)

    def describe(self, class_name: str) -> ObjectClass:
        """The description of a class.

        Raises:
            OdmError: ODMI_CLASS_DNE, ODMI_CLASS_PERMS, ODMI_MAGICNO_ERR (the file is no class), ODMI_INVALID_CLASS (it
                is not the installed class of that name).
        """
        return self._read(class_name)[0]

    def get(self, class_name: str, criteria: str | None = None) -> list[OdmObject]:
        """The objects that match, all without criteria, in the order in which they were added.

        Raises:
            OdmError: see ``describe``; ODMI_BAD_CRIT.
        """
        object_class, objects = self._read(class_name)
        if criteria is None:
            return objects
        matches = criteria_module.parse(criteria, object_class)
        return [values for values in objects if matches(values)]

    def add(self, class_name: str, values: OdmObject) -> None:
        """Add one object; missing descriptors are empty or zero.

        Raises:
            OdmError: see ``describe``; ODMI_PARAMS.
        """
        self.add_all(class_name, [values])

    def add_all(self, class_name: str, objects: list[OdmObject]) -> None:
        """Add several objects of one class in one step.

        Raises:
            OdmError: see ``add``; then nothing was added.
        """

        def change(object_class: ObjectClass, present: list[OdmObject]) -> tuple[list[OdmObject], int]:
            return present + [object_class.complete(values) for values in objects], len(objects)

        self._update(class_name, change)

    def change(self, class_name: str, criteria: str | None, changes: OdmObject) -> int:
        """Set descriptors of all matching objects; returns how many there are.

        Raises:
            OdmError: see ``add``; ODMI_BAD_CRIT.
        """

        def change(object_class: ObjectClass, present: list[OdmObject]) -> tuple[list[OdmObject], int]:
            object_class.complete(changes)
            checked = {d.name: d.check(changes[d.name]) for d in object_class.descriptors if d.name in changes}
            matches = criteria_module.parse(criteria, object_class) if criteria is not None else _all
            count = sum(map(matches, present))
            return [{**values, **checked} if matches(values) else values for values in present], count

        return self._update(class_name, change)

    def delete(self, class_name: str, criteria: str | None = None) -> int:
        """Remove all matching objects (all of them without criteria); returns how many.

        Raises:
            OdmError: see ``describe``; ODMI_BAD_CRIT.
        """

        def change(object_class: ObjectClass, present: list[OdmObject]) -> tuple[list[OdmObject], int]:
            matches = criteria_module.parse(criteria, object_class) if criteria is not None else _all
            kept = [values for values in present if not matches(values)]
            return kept, len(present) - len(kept)

        return self._update(class_name, change)

    def rewrite(self, class_name: str, change: Callable[[list[OdmObject]], list[OdmObject]]) -> None:
        """Exchange the population of a class for what a function makes of it, in one step that nobody comes between.

        Raises:
            OdmError: see ``add``; then nothing changed.
        """

        def completed(object_class: ObjectClass, present: list[OdmObject]) -> tuple[list[OdmObject], int]:
            objects = [object_class.complete(values) for values in change(present)]
            return objects, len(objects)

        self._update(class_name, completed)

    def replace_all(self, class_name: str, objects: list[OdmObject]) -> None:
        """Exchange the whole population of a class in one step.

        Raises:
            OdmError: see ``add``; then nothing changed.
        """

        def change(object_class: ObjectClass, present: list[OdmObject]) -> tuple[list[OdmObject], int]:
            return [object_class.complete(values) for values in objects], len(objects)

        self._update(class_name, change)

    def create(self, text: str) -> list[str]:
        """Create the classes of a description in the first directory; returns their names.

        Raises:
            OdmError: ODMI_INVALID_CLASS, ODMI_CLASS_EXISTS (nothing was created), ODMI_CLASS_PERMS.
        """
        classes = description.parse(text)
        # The link to a class that was dropped stays: the new one goes where the old one was.
        paths = [self._file(self._directories[0], object_class.name) for object_class in classes]
        for object_class, path in zip(classes, paths, strict=True):
            _check_absent(object_class.name, path)
        for object_class, path in zip(classes, paths, strict=True):
            with _locked(path):
                _check_absent(object_class.name, path)  # of two at the same time the second must not empty the first's
                self._write(path, object_class, [])
        return [object_class.name for object_class in classes]

    def drop(self, class_name: str) -> None:
        """Remove a class with its objects.

        Raises:
            OdmError: ODMI_CLASS_DNE, ODMI_CLASS_PERMS.
        """
        path = self._path(class_name)
        with _locked(path):
            try:
                os.unlink(path)
            except OSError as error:
                raise OdmError("ODMI_UNLINKCLASS_ERR", f"{class_name}: {error.strerror}") from None

    def check_writable(self, class_name: str) -> None:
        """Nothing, if objects of a class can be changed: for who writes elsewhere first.

        Raises:
            OdmError: ODMI_CLASS_DNE, ODMI_READ_ONLY, ODMI_CLASS_PERMS.
        """
        with _locked(self._path(class_name)):
            pass

    # Files.

    def _path(self, class_name: str) -> str:
        """The real file of a class, links followed: PowerHA's classes are links to another repository."""
        if not class_name or "/" in class_name or class_name.startswith("."):
            raise OdmError("ODMI_CLASS_DNE", f"{class_name} is not a class name")
        for directory in self._directories:
            path = self._file(directory, class_name)
            if os.path.exists(path):
                return path
        raise OdmError("ODMI_CLASS_DNE", f"{class_name} does not exist")

    def _file(self, directory: str, class_name: str) -> str:
        """Where a directory has a class, or would have it."""
        path = os.path.join(directory, class_name)
        if os.path.islink(path):
            target = os.readlink(path)
            path = self._root.path(target) if target.startswith("/") else os.path.join(directory, target)
        return path

    def _is_class(self, path: str) -> bool:
        if os.path.islink(path):
            return True
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.readline() == _MAGIC
        except OSError:
            return False

    def _read(self, class_name: str) -> tuple[ObjectClass, list[OdmObject]]:
        return self._parse(self._path(class_name), class_name)

    def _parse(self, path: str, class_name: str) -> tuple[ObjectClass, list[OdmObject]]:
        try:
            with open(path, encoding="utf-8", newline="\n") as file:
                stamp = _stamp(file.fileno()) if _remembered is not None else None
                if stamp is not None and (known := _known(path, stamp)) is not None:
                    return known[0]._replace(name=os.path.basename(class_name)), [dict(o) for o in known[1]]
                text = file.read()
        except PermissionError:
            raise OdmError("ODMI_CLASS_PERMS", f"{class_name} cannot be read") from None
        except (OSError, UnicodeDecodeError) as error:
            raise OdmError("ODMI_OPEN_ERR", f"{class_name}: {error}") from None
        head, separator, body = text.removeprefix(_MAGIC).partition("};\n")
        if not text.startswith(_MAGIC) or not separator:
            raise OdmError("ODMI_MAGICNO_ERR", f"{class_name} is not an object class")
        try:
            object_class = _described(head)
            # A class that was copied under another name answers to its file's name.
            object_class = object_class._replace(name=os.path.basename(class_name))
        except (OdmError, ValueError) as error:
            raise OdmError("ODMI_MAGICNO_ERR", f"{class_name} is damaged: {error}") from None
        if not self._any_class:
            installed.check(object_class, head)
        try:
            objects = [object_class.complete(s.values) for s in stanza.parse(body.split("\n"))]
        except (OdmError, ValueError) as error:
            raise OdmError("ODMI_MAGICNO_ERR", f"{class_name} is damaged: {error}") from None
        if _remembered is not None and stamp is not None and time.time_ns() - max(stamp[:2]) > _RACY_NS:
            _remembered[path] = stamp, object_class, [dict(o) for o in objects]
        return object_class, objects

    def _update(
        self, class_name: str, change: Callable[[ObjectClass, list[OdmObject]], tuple[list[OdmObject], int]]
    ) -> int:
        path = self._path(class_name)
        with _locked(path):
            object_class, present = self._parse(path, class_name)
            changed, count = change(object_class, present)
            if changed != present:
                self._write(path, object_class, changed)
        return count

    def _write(self, path: str, object_class: ObjectClass, objects: list[OdmObject]) -> None:
        text = _MAGIC + object_class.text() + "".join(stanza.format_object(object_class, values) for values in objects)
        try:
            replace_file(path, text.encode(), temporary=f"{path}.new")
        except OSError as error:
            raise OdmError(_code_of(error), f"{object_class.name}: {error.strerror}") from None


def _check_absent(class_name: str, path: str) -> None:
    if os.path.lexists(path):
        raise OdmError("ODMI_CLASS_EXISTS", f"{class_name} exists")


class _locked:  # noqa: N801 - used like a function
    """The lock of a class file.

    Raises:
        OdmError: there can be none.
    """

    __slots__ = ("_lock", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = locked(path + ".lock", 0o644)

    def __enter__(self) -> None:
        try:
            self._lock.__enter__()
        except OSError as error:
            raise OdmError(_code_of(error), f"{os.path.basename(self._path)}: {error.strerror}") from None

    def __exit__(self, *raised: object) -> None:
        self._lock.__exit__()


def _described(head: str) -> ObjectClass:
    """The class that a description, its end cut off, is about.

    Raises:
        OdmError, ValueError: it is none.
    """
    known = _descriptions.get(head)
    if known is None:
        (known,) = description.parse(head + "};")
        if _remembered is not None:
            _descriptions[head] = known
    return known


def _stamp(descriptor: int) -> _Stamp:
    """What tells a file from any other that has had its name (change times first)."""
    status = os.fstat(descriptor)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _known(path: str, stamp: _Stamp) -> tuple[ObjectClass, list[OdmObject]] | None:
    """What was parsed of this very file before."""
    found = _remembered.get(path) if _remembered is not None else None
    return found[1:] if found is not None and found[0] == stamp else None


def _code_of(error: OSError) -> str:
    """Why a class cannot be written: permissions, a read-only file system, or what else (a full one)."""
    if error.errno == errno.EROFS:
        return "ODMI_READ_ONLY"
    return "ODMI_CLASS_PERMS" if error.errno in (errno.EACCES, errno.EPERM) else "ODMI_INTERNAL_ERR"


def _all(values: OdmObject) -> bool:
    return True
