"""What lpar's children share: the measurable parts of how it leaves its memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from srcctl.node import preload
from srcctl.node.programs import Program

REPOSITORY = Path(__file__).parents[2]

NEW_BESIDE_OLD = """
import sys
from srcctl.node import preload
PAGE = 4096
kept = [bytes(size - 33) for _ in range(3000) for size in (64, 128, 336)]
# Every other object goes: its block lies among the others.
old = {id(one) // PAGE for one in kept[::2]}
kept = kept[::2]
if "settled" in sys.argv:
    preload.settle(crowd=True)
fresh = [bytes(size - 33) for _ in range(500) for size in (64, 128, 336)]
print(sum(id(one) // PAGE in old for one in fresh))
"""

PIECES_BESIDE_OLD = """
import ctypes, sys
from srcctl.node import preload
PAGE = 4096
libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype, libc.free.argtypes = [ctypes.c_size_t], ctypes.c_void_p, [ctypes.c_void_p]
kept = [libc.malloc(size) for _ in range(300) for size in (600, 1500, 3000)]
old = {one // PAGE for one in kept}
for one in kept[::2]:
    libc.free(one)
if "settled" in sys.argv:
    preload.settle(crowd=True)
fresh = [libc.malloc(size) for _ in range(100) for size in (600, 1500, 3000)]
print(sum(one // PAGE in old for one in fresh))
"""

PAGES_OF_FILES = """
import ssl, sys, uvloop
from srcctl.node import preload
if "settled" in sys.argv:
    preload.settle(crowd=True)
ssl.create_default_context(), uvloop.new_event_loop().close()
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("RssFile:")))
"""

LATE_IMPORT = """
import sys
from srcctl.node import preload
from srcctl.node.programs import Program
names = {"/usr/sbin/srcmstr": ("srcctl.srcmstr.service", "main"), "/usr/sbin/clcomd": ("srcctl.src.outbox", "Outbox")}
preload.entry_points([Program(path, *names[path], True) for path in sys.argv[1:]], print)
print("stringprep" in sys.modules)
"""


def beside_old(program: str, *words: str) -> int:
    answer = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return int(answer.stdout)


def test_new_objects_of_a_child_lie_in_pages_of_their_own() -> None:
    assert beside_old(NEW_BESIDE_OLD) > 1000
    # A few of 1500 meet pages that the interpreter took for itself; how many hangs on the environment's size.
    assert beside_old(NEW_BESIDE_OLD, "settled") < 50


def test_new_pieces_of_the_heap_lie_in_pages_of_their_own() -> None:
    assert beside_old(PIECES_BESIDE_OLD) > 200
    assert beside_old(PIECES_BESIDE_OLD, "settled") < 10


def test_pages_of_libraries_that_only_imports_used_are_given_back() -> None:
    """And what the libraries do then works: what relocations had made of a page is still there."""
    assert beside_old(PAGES_OF_FILES, "settled") < 0.8 * beside_old(PAGES_OF_FILES)


def test_a_program_that_cannot_be_loaded_is_told_and_the_others_are_there() -> None:
    broken = Program("/usr/sbin/broken", "srcctl.node.no_such_module", "main", True)
    whole = Program("/usr/sbin/srcmstr", "srcctl.srcmstr.service", "main", True)
    command = Program("/usr/bin/lssrc", "srcctl.node.no_such_module", "main", False)
    complaints = []
    entries = preload.entry_points([broken, whole, command], lambda program, error: complaints.append(program.path))
    assert list(entries) == ["/usr/sbin/srcmstr"]
    assert complaints == ["/usr/sbin/broken"]


@pytest.mark.parametrize(
    ("daemons", "wanted"),
    [(["/usr/sbin/srcmstr", "/usr/sbin/clcomd"], "True\n"), (["/usr/sbin/srcmstr"], "False\n"), ([], "True\n")],
    ids=["a node of a cluster", "a base node", "nothing known"],
)
def test_what_the_socket_module_imports_late_is_there_before_the_fork(daemons: list[str], wanted: str) -> None:
    """Unless nobody is forked who asks for names of hosts: it is a megabyte."""
    answer = subprocess.run(
        [sys.executable, "-c", LATE_IMPORT, *daemons], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert answer.stdout == wanted


def test_init_and_src_import_nothing_that_they_can_do_without() -> None:
    """Each of these modules would be in the memory of every node twice; see plain_json, signals, readers, Record."""
    program = (
        "import sys; sys.path += sys.argv[1:3]\n"
        "import srcctl.node.lpar, srcctl.srcmstr.service\n"
        "print(*sorted({'collections', 'contextlib', 'dataclasses', 'enum', 'functools', 'json', 'msgspec', 're', "
        "'selectors', 'shlex', 'signal', 'socket', 'srcctl.node.view', 'srcctl.storage', 'traceback', 'typing'} "
        "& sys.modules.keys()))\n"
    )
    site = Path(msgspec.__file__).parents[1]
    answer = subprocess.run(
        [sys.executable, "-IS", "-c", program, REPOSITORY, site], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "\n"
