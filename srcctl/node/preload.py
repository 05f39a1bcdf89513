"""What lpar imports before it forks, and how it leaves its memory so that its children share most of it.

A child of fork(2) shares every page that neither side writes to, but the interpreter writes a lot: each reference to
an object is counted inside of it. Found by comparing the pages of running daemons with lpar's, and held here:

- What a daemon imports on its own is its own. So lpar imports it, also what libraries import when they first need it.
- The cache of type attributes holds a reference to each name in it. What an import left there is replaced bit by bit in
  every child, and each time the page of the old name is copied. An empty cache has no old names.
- Blocks that imports freed again lie in pages full of objects. A child's first objects would go there, page by page a
  copy for a few bytes. Filled blocks send them to new pages, where they lie close together. The same holds for the
  holes in the C library's heap.
- Code and tables of libraries that only the imports used stay in lpar's memory, nobody's but its own. It gives them
  back; what it does use comes again from the kernel's page cache.
"""

from __future__ import annotations

import codecs
import ctypes
import gc
import mmap
import sys

from srcctl.node.programs import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Final

    from srcctl.node.spawn import EntryPoint

CODECS: Final = ("idna", "ascii")
"""Codecs that the socket module and the daemons look up; idna brings a megabyte of tables with it."""
SUPERVISOR: Final = "/usr/sbin/srcmstr"
POOL: Final = 1 << 14
"""Bytes that the interpreter's allocator carves into blocks of one size (CPython's Objects/obmalloc.c)."""
BLOCK_STEP: Final = 16
BLOCK_MAX: Final = 512
BLOCKS_MAX: Final = 1 << 16
"""Blocks of one size to fill at most, should the allocator work otherwise than described."""
HOLE_MAX: Final = 4096
HOLE_STEP: Final = 16
HOLES_BYTES_MAX: Final = 1 << 20
"""What is spent on holes of the heap at most, should the C library put new memory elsewhere than above all old."""

_fillers: list[bytes] = []


def entry_points(
    programs: Iterable[Program], complain: Callable[[Program, Exception], object]
) -> dict[str, EntryPoint]:
    """Import the daemons among the programs; entry points by product path. ``complain`` hears of those that fail."""
    entries = {}
    for program in programs:
        if not program.daemon:
            continue
        try:
            entries[program.path] = getattr(_imported(program.module), program.function)
        except Exception as error:
            complain(program, error)
    if entries.keys() != {SUPERVISOR}:  # which alone asks for no names of hosts
        for name in CODECS:
            codecs.lookup(name)
    return entries


def _imported(name: str) -> ModuleType:
    __import__(name)
    return sys.modules[name]


def settle(crowd: bool) -> None:
    """Arrange the memory for the forks to come; last of all imports.

    Args:
        crowd: whether many daemons will be forked. To fill the free blocks costs three quarters of a megabyte once, and
            saves each daemon a part of that; of srcmstr alone it would save less than it costs.
    """
    gc.collect()
    sys._clear_type_cache()  # before the free blocks are filled: it frees names
    if crowd:
        _fill_blocks()
        _fill_heap()
    gc.freeze()
    _release_files()


def _fill_blocks() -> None:
    """Use up the free blocks of pools that are in use, for every block size."""
    empty = sys.getsizeof(b"")
    for size in range((empty + BLOCK_STEP) // BLOCK_STEP * BLOCK_STEP, BLOCK_MAX + 1, BLOCK_STEP):
        fresh = POOL // size - 2
        run = last = 0
        for _ in range(BLOCKS_MAX):
            filler = bytes(size - empty)
            _fillers.append(filler)
            # Blocks side by side throughout a pool: it was unused, so that there are no others left.
            run = run + 1 if id(filler) - last == size else 0
            last = id(filler)
            if run >= fresh:
                break
        del _fillers[-(run + 1) :]


def _fill_heap() -> None:
    """Use up the free pieces of malloc(3) that lie among pieces in use, the larger ones first."""
    allocate = ctypes.CDLL(None).malloc
    allocate.argtypes, allocate.restype = [ctypes.c_size_t], ctypes.c_void_p
    # Larger than any hole and smaller than what is mapped by itself: it comes from the untouched top of the heap.
    top = allocate(1 << 16) or 0
    spent = 0
    for size in range(HOLE_MAX, HOLE_STEP, -HOLE_STEP):
        while spent < HOLES_BYTES_MAX and (allocate(size) or top) < top:
            spent += size


def _release_files() -> None:
    """Give back the pages of files that cannot have been written to (madvise(2), MADV_DONTNEED)."""
    advise = ctypes.CDLL(None).madvise
    advise.argtypes, advise.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int], ctypes.c_int
    start = end = 0
    with open("/proc/self/smaps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split()
            if not fields[0].endswith(":"):
                addresses, permissions, _, _, inode = fields[:5]
                start, end = (int(word, 16) for word in addresses.split("-"))
                if permissions[1] == "w" or inode == "0":
                    start = end
            # Relocations make pages of a read-only mapping anonymous: these would be lost.
            elif fields[0] == "Anonymous:" and fields[1] == "0" and start < end:
                advise(start, end - start, mmap.MADV_DONTNEED)
