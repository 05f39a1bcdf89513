"""``loads`` and ``dumps`` of json for what stays small or starts often: the standard library's accelerator alone.

All the work of these two functions is done in C. The module json adds in Python what its other functions need, and
imports re, enum and collections for it: a megabyte in each of init and srcmstr, and of a short command a third of its
time. Where the interpreter has no such accelerator, json itself is here under these names.
"""

from __future__ import annotations

__all__ = ["dumps", "loads"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    def loads(text: str | bytes) -> Any: ...
    def dumps(value: object) -> str: ...
else:
    try:
        from _json import encode_basestring_ascii, make_encoder, make_scanner

        class _Defaults:
            """What json.JSONDecoder tells the scanner."""

            strict = True
            object_hook = object_pairs_hook = None
            parse_float, parse_int = float, int
            parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__

        def _refuse(value):
            raise TypeError(f"a {type(value).__name__} cannot be written as JSON")

        _scan = make_scanner(_Defaults)
        _encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)
    except (ImportError, TypeError):
        from json import dumps, loads
    else:

        def loads(text):
            """As json.loads; bytes are UTF-8.

            Raises:
                ValueError: it is no JSON.
                RecursionError: it is nested too deeply.
            """
            text = (text if isinstance(text, str) else str(text, "utf-8")).strip(" \t\n\r")
            try:
                value, end = _scan(text, 0)
            except StopIteration as stop:
                raise ValueError(f"a value is expected at character {stop.value}") from None
            except SystemError:  # it looks for its exception in json.decoder, which is not there
                raise ValueError("the value does not follow the grammar") from None
            if end != len(text):
                raise ValueError(f"there is more behind the value, at character {end}")
            return value

        def dumps(value):
            """As json.dumps.

            Raises:
                TypeError: a value is none that JSON has.
                RecursionError: it contains itself.
            """
            return "".join(_encode(value, 0))
