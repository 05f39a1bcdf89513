"""System classes made anew with other descriptors (odmdrop, odmcreate): who reads them says so in one sentence."""

from __future__ import annotations

import shlex
from pathlib import Path

from srcctl.odm import Repository
from srcctl.odm.description import Descriptor
from tests.commands.sessions import Run
from tests.storage.machine import Node

READERS = {
    "CuDv": ("lsdev", "lspv", "lsvg datavg", "lsattr -El hdisk2", "cfgmgr", "mklv -y one datavg 1", "lscfg"),
    "CuAt": ("lsattr -El hdisk2", "chdev -l hdisk1 -a queue_depth=9", "lspv hdisk2", "rendev -l hdisk1 -n other"),
    "PdDv": ("lsdev -P",),
    "PdAt": ("lsattr -El hdisk2",),
    "SWservAt": ("errdemon -s 2097152",),
    "lpp": ("lslpp -l", "oslevel -l 7.2.0.0", "halevel"),
    "inventory": ("lslpp -w /usr/bin/lssrc", "lslpp -f bos.rte"),
}


def other_type(descriptor: Descriptor) -> str:
    return f"char {descriptor.name}[8]" if descriptor.is_integer else f"long {descriptor.name}"


def test_a_class_that_is_another_one_is_told_of(machine: Node, shell: Run) -> None:
    repository = Repository(machine.root, "/etc/objrepos", any_class=True)
    for name, lines in READERS.items():
        path = Path(machine.root.path(f"/etc/objrepos/{name}")).resolve()
        good = path.read_bytes()
        installed = repository.describe(name)
        first = installed.descriptors[0].name
        others = "".join(f"{d.declaration()};" for d in installed.descriptors[1:])
        for description, complaint in (
            (f"class {name} {{ char other[8]; }};", "is missing"),
            (f"class {name} {{ {other_type(installed.descriptors[0])}; {others} }};", "is of another type"),
        ):
            repository.drop(name)
            repository.create(description)
            repository.add(name, {})
            for line in lines:
                status, out, err = shell(shlex.split(line))
                command = line.split()[0]
                assert (status, out) == (1, ""), (line, out, err)
                assert err.startswith(f"{command}: {name} is not the class that was installed: {first} "), (line, err)
                assert err.endswith(f"{complaint}\n"), (line, err)
            assert shell(["odmget", name])[0] == 0, "who asks for no certain fields is answered"
            assert path.exists(), "a class is made where the dropped one was"
        path.write_bytes(good)
        status, _, err = shell(shlex.split(lines[0]))
        assert (status, err) == (0, ""), name


def test_a_class_with_more_fields_serves_as_well(machine: Node, shell: Run) -> None:
    repository = Repository(machine.root, "/etc/objrepos")
    objects = repository.get("CuDv")
    text = repository.describe("CuDv").text()
    repository.drop("CuDv")
    repository.create(text.replace("};", "char more[8]; };"))
    repository.add_all("CuDv", objects)
    assert shell(["lsdev", "-c", "disk"])[:2] == (0, "".join(DISKS))


DISKS = [f"hdisk{number} Available  Virtual SCSI Disk Drive\n" for number in range(4)]
