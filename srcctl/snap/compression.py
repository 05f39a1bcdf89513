"""The format of compress(1), ``.Z``: adaptive Lempel-Ziv-Welch coding with codes of 9 to 16 bits. Pure.

Welch, A Technique for High-Performance Data Compression (IEEE Computer 17(6), 1984), in the file format that compress
made common: two magic bytes, a byte with the greatest width of a code and the flag of block mode, then the codes, the
lowest bit first. Codes are written in groups of eight; a group that a change of width or a clear code cuts short is
filled up. Code 256 clears the table in block mode; what is written here never does, as its table just stays full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MAGIC = b"\x1f\x9d"
BLOCK_MODE = 0x80
BITS_MIN, BITS_MAX = 9, 16
CLEAR, FIRST = 256, 257
"""The code that clears the table, and the first one of a string, in block mode."""
GROUP = 8
"""Codes that are written together."""
CHUNK = 1 << 16


class NotCompressed(Exception):
    """What is no file of compress, or a damaged one; ``str()`` says which."""


def compress(data: Iterable[bytes]) -> Iterator[bytes]:
    """The compressed form of some bytes, piece by piece."""
    yield MAGIC + bytes((BITS_MAX | BLOCK_MODE,))
    table: dict[int, int] = {}
    free, width, limit = FIRST, BITS_MIN, 1 << BITS_MIN
    pending, bits = 0, 0
    out = bytearray()
    prefix = -1
    for piece in data:
        for byte in piece:
            if prefix < 0:
                prefix = byte
                continue
            key = prefix << 8 | byte
            code = table.get(key)
            if code is not None:
                prefix = code
                continue
            pending |= prefix << bits
            bits += width
            while bits >= 8:
                out.append(pending & 0xFF)
                pending >>= 8
                bits -= 8
            # The width grows when the next free code has no room in it; so the reader does.
            if free >= limit and width < BITS_MAX:
                width, limit = width + 1, limit << 1
            if free < 1 << BITS_MAX:
                table[key] = free
                free += 1
            prefix = byte
        if len(out) > CHUNK:
            yield bytes(out)
            out.clear()
    if prefix >= 0:
        pending |= prefix << bits
        bits += width
    while bits > 0:
        out.append(pending & 0xFF)
        pending >>= 8
        bits -= 8
    yield bytes(out)


def decompress(data: bytes) -> Iterator[bytes]:
    """The bytes that were compressed, piece by piece.

    Raises:
        NotCompressed: it is no file of compress, or a damaged one.
    """
    if data[:2] != MAGIC or len(data) < 3:
        raise NotCompressed("it is no file of compress")
    widest, block = data[2] & 0x1F, bool(data[2] & BLOCK_MODE)
    if not BITS_MIN <= widest <= BITS_MAX:
        raise NotCompressed(f"codes of {widest} bits are not known")
    strings: list[bytes] = [bytes((byte,)) for byte in range(256)]
    if block:
        strings.append(b"")  # the place of the clear code
    first = len(strings)
    width, limit = BITS_MIN, (1 << BITS_MIN) - 1
    place = start = 24  # bits: the next code, and where its group began
    end = len(data) * 8
    previous = b""
    out = bytearray()
    while True:
        if len(strings) > limit and width < widest:
            place = _after_group(place, start, width)
            start = place
            width += 1
            limit = (1 << width) - 1
        if place + width > end:
            break
        byte = place >> 3
        code = int.from_bytes(data[byte : byte + 3], "little") >> (place & 7) & ((1 << width) - 1)
        place += width
        if block and code == CLEAR:
            place = _after_group(place, start, width)
            start = place
            del strings[first:]
            width, limit, previous = BITS_MIN, (1 << BITS_MIN) - 1, b""
            continue
        if code < len(strings):
            found = strings[code]
        elif code == len(strings) and previous:
            found = previous + previous[:1]
        else:
            raise NotCompressed("it is damaged")
        out += found
        if previous and len(strings) < 1 << widest:
            strings.append(previous + found[:1])
        previous = found
        if len(out) > CHUNK:
            yield bytes(out)
            out.clear()
    yield bytes(out)


def _after_group(place: int, start: int, width: int) -> int:
    """Where the next group begins after one that ends early, in bits."""
    codes = (place - start) // width
    return place + (-codes) % GROUP * width
