"""How a command ends: at once, but with all that it has written and everybody's work done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys

def plain(argv):
    print("x" * 100000)
    sys.stderr.write("said")
    return 3

def silent(argv):
    return 256 + 7

def with_atexit(argv):
    import atexit
    atexit.register(print, "at exit")
    return 0

def with_thread(argv):
    import threading, time
    threading.Thread(target=lambda: (time.sleep(0.2), print("by a thread"))).start()
    return 0

def with_closed_streams(argv):
    file = open(argv[1], "w")
    print("into the void", flush=True)
    sys.stdout.write("too")
    sys.stderr.write("here, too")
    import subprocess
    subprocess.run(["echo", "of a child"], check=True)
    file.write(repr(sys.stdin.read()))
    return 0

def with_file(argv):
    file = open(argv[1], "w")
    file.write("kept")
    return 0
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def run(directory: Path, function: str, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
    script = (
        f"import sys; sys.path += [{str(Path(__file__).parents[2])!r}, {str(directory)!r}]\n"
        f"from srcctl.commands.launch import launch\nlaunch('program', {function!r}, '/usr/bin/program')"
    )
    defaults = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "check": False}
    return subprocess.run([sys.executable, "-c", script, *words], **{**defaults, **options})  # type: ignore[call-overload, no-any-return]


def test_output_and_status(directory: Path) -> None:
    done = run(directory, "plain")
    assert (done.returncode, done.stdout, done.stderr) == (3, "x" * 100000 + "\n", "said")
    assert run(directory, "silent").returncode == 7


def test_others_finish_their_work(directory: Path) -> None:
    assert run(directory, "with_atexit").stdout == "at exit\n"
    assert run(directory, "with_thread").stdout == "by a thread\n"
    run(directory, "with_file", str(directory / "file"))
    assert (directory / "file").read_text() == "kept"


def test_a_full_disk_is_told(directory: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run(directory, "plain", stdout=full)
    assert done.returncode == 1
    assert "program: No space left on device" in done.stderr


def test_a_reader_who_has_gone_is_no_complaint(directory: Path) -> None:
    process = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    process.wait()
    done = run(directory, "plain", stdout=process.stdin)
    assert (done.returncode, done.stderr) == (0, "")
    assert process.stdin is not None
    process.stdin.close()


def test_streams_that_the_caller_has_closed_lead_nowhere(directory: Path) -> None:
    file = directory / "file"
    done = run(directory, "with_closed_streams", str(file), preexec_fn=lambda: os.closerange(0, 3))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert file.read_text() == "''"


DEFERRED = """
import sys

def light(argv):
    import dataclasses, uuid, msgspec

    @dataclasses.dataclass
    class Documented:
        '''Has words of its own.'''
        number: int

    print(sorted({"inspect", "ast", "dis", "tokenize"} & {n for n, m in sys.modules.items() if hasattr(m, "__file__")}))
    return 0

def heavy(argv):
    import dataclasses, inspect, textwrap, platform
    from inspect import Parameter

    @dataclasses.dataclass
    class Bare:
        number: int

    def written(a, b=2): pass

    print(Bare.__doc__, inspect.signature(written), Parameter is inspect.Parameter, textwrap.indent("a", "b"),
          platform.system(), bool(platform.machine()), inspect.getsource(written).count("pass"))
    import msgspec
    print(type(msgspec.inspect.type_info(int)).__name__, msgspec.json.schema(int))
    return 0
"""


def test_modules_that_few_need_are_imported_when_they_are_needed(directory: Path) -> None:
    (directory / "program.py").write_text(DEFERRED)
    light, heavy = run(directory, "light"), run(directory, "heavy")
    assert (light.returncode, light.stdout, light.stderr) == (0, "[]\n", "")
    assert (heavy.returncode, heavy.stderr) == (0, "")
    assert heavy.stdout == ("Bare(number: int) (a, b=2) True ba Linux True 1\nIntType {'type': 'integer'}\n")
