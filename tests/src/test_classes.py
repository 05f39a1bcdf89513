"""Classes of SRC that are damaged, gone, or others of the same name: nobody falls over them, nothing good is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from srcctl.odm import Repository
from tests.src.node import Run, SrcNode

OTHER = {
    "SRCsubsys": "class SRCsubsys { char other[10]; };",
    "SRCnotify": "class SRCnotify { char notifyname[30]; };",
    "SRCsubsvr": "class SRCsubsvr { char sub_type[30]; char subsysname[30]; char sub_code[9]; };",
}
OBJECTS: dict[str, dict[str, int | str]] = {
    "SRCsubsys": {"other": "x"}, "SRCnotify": {"notifyname": "x"}, "SRCsubsvr": {"sub_type": "x", "sub_code": "y"},
}  # fmt: skip


def damage(node: SrcNode, name: str) -> None:
    Path(node.root.path(f"/etc/objrepos/{name}")).write_text("garbage\n")


def describe_otherwise(node: SrcNode, name: str) -> None:
    repository = Repository(node.root, "/etc/objrepos", any_class=True)
    repository.drop(name)
    repository.create(OTHER[name])
    repository.add(name, OBJECTS[name])


def remove(node: SrcNode, name: str) -> None:
    Path(node.root.path(f"/etc/objrepos/{name}")).unlink()


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("spoil", [damage, describe_otherwise, remove], ids=lambda spoil: spoil.__name__)
def test_what_was_defined_stays_in_force_and_commands_say_what_is_wrong(
    node: SrcNode, run: Run, name: str, spoil: Callable[[SrcNode, str], None]
) -> None:
    assert run(["mkssys", "-s", "inetd", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    assert run(["mkserver", "-s", "inetd", "-t", "telnet", "-c", "1"])[0] == 0
    assert run(["mknotify", "-n", "inetd", "-m", "/bin/true"])[0] == 0
    assert run(["lssrc", "-s", "inetd"])[0] == 0
    path = Path(node.root.path(f"/etc/objrepos/{name}"))
    good = path.read_bytes()
    spoil(node, name)
    assert run(["startsrc", "-t", "telnet"])[:2] == (0, "0513-124 The telnet subserver has been started.\n")
    assert run(["lssrc", "-a"])[1].count("\n inetd ") == 1
    commands = {
        "SRCsubsys": ["mkssys -s x -p /x -u 0", "chssys -s x -w 3", "rmssys -s x", "mknotify -n x -m /x", "lssrc -S",
                      "mkserver -s x -t x -c 3"],
        "SRCnotify": ["mknotify -n inetd -m /x", "rmnotify -n x", "lssrc -N"],
        "SRCsubsvr": ["mkserver -s inetd -t x -c 3", "chserver -t x -c 3", "rmserver -t x", "lssrc -T"],
    }[name]  # fmt: skip
    for line in commands:
        status, out, err = run(line.split())
        assert (status, out) == (1, ""), line
        assert err.startswith(f"{line.split()[0]}: {name} "), line
        assert err.count("\n") == 1, line
    console = Path(node.root.path("/dev/console")).read_text()
    assert console.count(f"srcmstr: {name} ") == 1
    path.write_bytes(good)
    assert run(["mkssys", "-s", "after", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    assert run(["startsrc", "-s", "after"])[0] == 0
