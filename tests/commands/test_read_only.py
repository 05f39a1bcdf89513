"""A node whose disk is read-only: every command that writes says so, ends with 1 and leaves all as it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srcctl.node.root import NodeRoot
from srcctl.odm import Repository
from tests.commands.conftest import INITTAB
from tests.commands.sessions import GOLDEN
from tests.storage.conftest import ENTRIES
from tests.storage.machine import Node, entries, make_template

pytestmark = pytest.mark.namespaces

COMMANDS = (
    "mkssys -s new -p /bin/new -u 0", "chssys -s old -a -x", "rmssys -s old", "mknotify -n old -m /bin/notify",
    "rmnotify -n group", "mkserver -c 9 -s old -t nine", "chserver -t one -c 8", "rmserver -t one",
    "odmadd {files}/friends.add", "odmchange -o Fictional_Characters {files}/older.add",
    "odmdelete -o Fictional_Characters", "odmcreate -c {files}/new.cre", "odmdrop -o Fictional_Characters",
    "mkitab own:2:once:/bin/own", "chitab srcmstr:2:once:/bin/own", "rmitab srcmstr",
    "errlogger message", "errclear 0", "errdemon -s 8192", "errstop",
    "chdev -l hdisk1 -a queue_depth=20", "mkdev -l hdisk1", "rmdev -l hdisk1", "rmdev -dl hdisk1", "cfgmgr",
    "mkvg -y new hdisk1", "chvg -a n datavg", "extendvg datavg hdisk1", "exportvg offvg", "importvg -n -y third hdisk3",
    "reducevg -df datavg hdisk2",
    "mklv -y new datavg 1", "rmlv -f rawlv", "crfs -v jfs2 -g datavg -m /new -a size=16M", "chfs -A yes /sharedfs",
    "rmfs /sharedfs", "exportfs -i /var",
)  # fmt: skip
REASONS = {
    "odmdrop": "Check path name and permissions.",
    "errlogger": "the message is not logged, /var/adm/ras/errlog cannot be written.",
}
"""Where it is not the file system's own words."""
DRIVER = """
import contextlib, io, json, sys
from srcctl.commands.launch import call
results = {}
for line, entry in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = call(*entry, line.split())
    results[line] = (status, out.getvalue(), err.getvalue())
json.dump(results, sys.stdout)
"""


def contents(directory: Path) -> dict[str, str]:
    """Every file below a folder, by its digest."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """What each command says on a node that was mounted read-only, in a mount namespace of its own."""
    base = tmp_path_factory.mktemp("read_only")
    files = base / "files"
    shutil.copytree(GOLDEN / "machine" / "files", files)
    (files / "new.cre").write_text("class New { long number; };")
    node = Node(base, "node1", make_template(tmp_path_factory.mktemp("objrepos")))
    known = {**ENTRIES, **entries("src")}
    environment = {**os.environ, "HAES_ROOT": node.root.directory, "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(lines: list[str], prefix: list[str]) -> dict[str, tuple[int, str, str]]:
        done = subprocess.run(
            [*prefix, sys.executable, "-c", DRIVER],
            input=json.dumps([(line, known[line.split()[0]]) for line in lines]),
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"no mount namespace: {done.stderr.strip()}") if prefix else pytest.fail(done.stderr)
        return {line: tuple(answer) for line, answer in json.loads(done.stdout).items()}

    Path(node.root.path("/etc/inittab")).write_text(INITTAB)
    repository = Repository(NodeRoot(node.root.directory), "/etc/objrepos")
    repository.create((files / "friends.cre").read_text())
    made = run(
        ["mkssys -s old -p /bin/old -u 0 -G group", "mkserver -c 1 -s old -t one", "mknotify -n group -m /bin/notify",
         f"odmadd {files}/friends.add", "errlogger before", "mkvg -y datavg hdisk2",
         "crfs -v jfs2 -g datavg -m /sharedfs -a size=16M", "mklv -y rawlv datavg 1",
         "mkvg -y offvg hdisk3", "varyoffvg offvg"],
        [],
    )  # fmt: skip
    assert {status for status, _, _ in made.values()} == {0}, made
    before = contents(base)
    mount = 'mount --make-rprivate / && mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    own_user = ["--map-root-user"] if os.geteuid() else []
    unshare = ["unshare", "--mount", *own_user, "sh", "-c", mount, node.root.directory]
    found = run([line.format(files=files) for line in COMMANDS], unshare)
    after = contents(base)
    assert [name for name in {**before, **after} if before.get(name) != after.get(name)] == []
    return {line: found[line.format(files=files)] for line in COMMANDS}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_that_cannot_write_says_so_and_changes_nothing(
    line: str, answers: dict[str, tuple[int, str, str]]
) -> None:
    status, out, err = answers[line]
    assert status == 1
    assert out == ""
    assert REASONS.get(line.split()[0], "Read-only file system") in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 3
