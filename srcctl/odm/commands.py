"""odmcreate, odmdrop, odmshow, odmget, odmadd, odmchange, odmdelete.

Message ids of odmget and odmdelete are the product's; the blocks of the other commands were not found, their texts
follow the same pattern (inferred). Exit status 0 on success, 1 otherwise (inferred).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import groupby
from typing import TextIO

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import description, stanza
from srcctl.odm.errors import OdmError
from srcctl.odm.repository import Repository

_BLOCKS = {"odmadd": 0, "odmchange": 1, "odmcreate": 2, "odmdelete": 3, "odmdrop": 4, "odmget": 5, "odmshow": 6}
"""The hundreds of message numbers 0518-xyy; odmdelete's and odmget's are known, the others inferred."""

Work = Callable[[str, Options], int]


def _command(argv: list[str], flags: str, usage_text: str, work: Work) -> int:
    name = argv[0].rpartition("/")[2]
    try:
        return work(name, parse(argv, flags, intermixed=True))
    except UsageError:
        return usage(usage_text)


def _cannot_open(name: str, class_name: str) -> int:
    sys.stderr.write(
        f"0518-{_BLOCKS[name]}06 {name}: Cannot open object class {class_name}\n\tCheck path name and permissions.\n"
    )
    return 1


def _failed(name: str, what: str, class_name: str, error: OdmError) -> int:
    if error.code in ("ODMI_CLASS_DNE", "ODMI_CLASS_PERMS", "ODMI_OPEN_ERR", "ODMI_MAGICNO_ERR"):
        return _cannot_open(name, class_name)
    number = 8 if name == "odmdelete" else 7  # 0518-307 is what it says of success
    sys.stderr.write(
        f"0518-{_BLOCKS[name]}{number:02d} {name}: Could not {what} object for {class_name}, odm errno {error.number}\n"
    )
    if error.code in ("ODMI_INTERNAL_ERR", "ODMI_READ_ONLY", "ODMI_PARAMS"):
        sys.stderr.write(f"\t{error}.\n")
    return 1


def _repository() -> Repository:
    return Repository(NodeRoot.current(), any_class=True)


def odmget(argv: list[str]) -> int:
    """``odmget [-q Criteria] ObjectClass ...``: objects as stanzas; no match prints nothing."""

    def work(name: str, options: Options) -> int:
        if not options.operands:
            raise UsageError
        repository, status = _repository(), 0
        for class_name in options.operands:
            try:
                object_class = repository.describe(class_name)
                for values in repository.get(class_name, options.get("q")):
                    sys.stdout.write(stanza.format_object(object_class, values))
            except OdmError as error:
                status = _failed(name, "retrieve", class_name, error)
        return status

    return _command(argv, "q:", "usage: odmget [-q criteria] class_name ...", work)


def odmadd(argv: list[str]) -> int:
    """``odmadd [InputFile ...]``: add the objects of stanza files, or of the standard input."""

    def work(name: str, options: Options) -> int:
        return _each_file(name, options.operands, _add)

    return _command(argv, "", "usage: odmadd [file ...]", work)


def _add(name: str, file: TextIO) -> int:
    repository = _repository()
    try:
        entries = stanza.parse(file)
    except OdmError as error:
        sys.stderr.write(f"0518-{_BLOCKS[name]}03 {name}: {error}\n")
        return 1
    status = 0
    for class_name, group in groupby(entries, key=lambda entry: entry.class_name):
        objects = [entry.values for entry in group]
        try:
            repository.add_all(class_name, objects)  # a class is written once, not once an object
            continue
        except OdmError as error:
            if error.code != "ODMI_PARAMS":
                status = _failed(name, "add", class_name, error)
                if error.code == "ODMI_READ_ONLY":
                    break  # the others could not be added either
                continue
        for values in objects:
            try:
                repository.add(class_name, values)
            except OdmError as error:
                status = _failed(name, "add", class_name, error)
    return status


def odmchange(argv: list[str]) -> int:
    """``odmchange -o ObjectClass [-q Criteria] [InputFile]``: set descriptors of all matching objects."""

    def work(name: str, options: Options) -> int:
        class_name = options.get("o")
        if class_name is None or len(options.operands) > 1:
            raise UsageError

        def change(name: str, file: TextIO) -> int:
            try:
                entries = stanza.parse(file)
            except OdmError as error:
                sys.stderr.write(f"0518-{_BLOCKS[name]}03 {name}: {error}\n")
                return 1
            if len(entries) != 1 or entries[0].class_name != class_name:
                sys.stderr.write(f"0518-{_BLOCKS[name]}03 {name}: one object of class {class_name} is expected\n")
                return 1
            try:
                _repository().change(class_name, options.get("q"), entries[0].values)
            except OdmError as error:
                return _failed(name, "change", class_name, error)
            return 0

        return _each_file(name, options.operands, change)

    return _command(argv, "o:q:", "usage: odmchange -o class_name [-q criteria] [file]", work)


def odmdelete(argv: list[str]) -> int:
    """``odmdelete -o ObjectClass [-q Criteria]``: without criteria all objects."""

    def work(name: str, options: Options) -> int:
        class_name = options.get("o")
        if class_name is None or options.operands:
            raise UsageError
        try:
            count = _repository().delete(class_name, options.get("q"))
        except OdmError as error:
            return _failed(name, "delete", class_name, error)
        print(f"0518-307 odmdelete: {count} objects deleted.")
        return 0

    return _command(argv, "o:q:", "usage: odmdelete -o class_name [-q criteria]", work)


def odmcreate(argv: list[str]) -> int:
    """``odmcreate [-p] [-c | -h] ClassDescriptionFile``: makes classes (not with -h) and C sources (not with -c)."""

    def work(name: str, options: Options) -> int:
        if len(options.operands) != 1 or ("c" in options and "h" in options):
            raise UsageError
        path = options.operands[0]
        if not path.endswith(".cre") and not os.path.exists(path):
            path += ".cre"
        try:
            text = _preprocessed(path) if "p" in options else _text_of(path)
            classes = description.parse(text)
            if "c" not in options:
                from srcctl.odm import c_sources

                c_sources.write(os.path.basename(path).removesuffix(".cre"), classes)
            created = [] if "h" in options else _repository().create(text)
        except OSError as error:
            what = error.filename or path
            sys.stderr.write(f"0518-{_BLOCKS[name]}02 {name}: Cannot open {what}: {error.strerror}\n")
            return 1
        except UnicodeDecodeError:
            sys.stderr.write(f"0518-{_BLOCKS[name]}03 {name}: {path} is not text\n")
            return 1
        except OdmError as error:
            sys.stderr.write(f"0518-{_BLOCKS[name]}03 {name}: {path}: {error}\n")
            return 1
        for class_name in created:
            print(class_name)
        return 0

    return _command(argv, "pch", "usage: odmcreate [-p] [-c|-h] class_description_file", work)


def _text_of(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _preprocessed(path: str) -> str:
    """The file as the host's C preprocessor leaves it.

    Raises:
        OSError: it cannot be read, or there is no preprocessor.
        OdmError: ODMI_INVALID_CLASS, the preprocessor complains.
    """
    import subprocess

    _text_of(path)
    done = subprocess.run(["cpp", "-P", path], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OdmError("ODMI_INVALID_CLASS", (done.stderr.strip().splitlines() or ["cpp failed"])[0])
    return done.stdout


def odmdrop(argv: list[str]) -> int:
    """``odmdrop -o ClassName``: remove a class with all its objects."""

    def work(name: str, options: Options) -> int:
        class_name = options.get("o")
        if class_name is None or options.operands:
            raise UsageError
        try:
            _repository().drop(class_name)
        except OdmError:
            return _cannot_open(name, class_name)
        return 0

    return _command(argv, "o:", "usage: odmdrop -o class_name", work)


def odmshow(argv: list[str]) -> int:
    """``odmshow ObjectClass``: the class description with offsets, and the population."""

    def work(name: str, options: Options) -> int:
        if len(options.operands) != 1:
            raise UsageError
        class_name = options.operands[0]
        repository = _repository()
        try:
            object_class, population = repository.describe(class_name), len(repository.get(class_name))
        except OdmError:
            return _cannot_open(name, class_name)
        offsets, size = object_class.offsets()
        lines = [f"class {object_class.name} {{"]
        for descriptor, offset in zip(object_class.descriptors, offsets, strict=True):
            declaration = f"{descriptor.declaration()};"
            # A link's name alone is padded, not the whole declaration.
            width = 36 if not descriptor.link_class else len(declaration.rpartition(" ")[0]) + 18
            lines.append(f"\t{declaration:<{width}} /* offset: {offset:#x} ({offset:3d}) */")
        lines += [
            "\t};",
            "/*",
            f"\tdescriptors:\t{len(object_class.descriptors)}",
            f"\tstructsize:\t{size:#x} ({size}) bytes",
            "\tdata offset:\t0x20001cd8",
            f"\tpopulation:\t{population} objects ({population} active, 0 deleted)",
            "*/",
        ]
        print("\n".join(lines))
        return 0

    return _command(argv, "", "usage: odmshow class_name", work)


def _standard_input() -> TextIO:
    """Lines end in a newline only: a string may hold a carriage return."""
    from io import TextIOWrapper

    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="strict", newline="\n")
    return sys.stdin


def _each_file(name: str, paths: list[str], work: Callable[[str, TextIO], int]) -> int:
    if not paths:
        return work(name, _standard_input())
    status = 0
    for path in paths:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(open(path, encoding="utf-8", newline="\n"))
            except OSError as error:
                sys.stderr.write(f"0518-{_BLOCKS[name]}02 {name}: Cannot open {path}: {error.strerror}\n")
                status = 1
                continue
            try:
                status = work(name, file) or status
            except UnicodeDecodeError:
                sys.stderr.write(f"0518-{_BLOCKS[name]}03 {name}: {path} is not text\n")
                status = 1
    return status
