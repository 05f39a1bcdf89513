"""The accelerator alone does what json does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srcctl.commands import plain_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine it draws slowly
@given(VALUES)
def test_what_is_written_and_read(value: object) -> None:
    assert plain_json.dumps(value) == json.dumps(value)
    assert plain_json.loads(" \n" + json.dumps(value, indent=1) + "\r\n") == value
    assert plain_json.loads(plain_json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text", ["", "{", "[1 2]", '{"a": 1,}', "nul", '"\x01"', "1 2", '"', "{1: 2}", "[" * 100_000, b"\xff", b"1\x00"]
)
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        plain_json.loads(text)


def test_what_is_no_json_where_json_was_never_imported() -> None:
    code = (
        "from srcctl.commands.plain_json import loads\n"
        "import sys\n"
        "if 'json' in sys.modules or 're' in sys.modules: sys.exit('imported')\n"
        "for text in ('{', '[1 2]', 'nul', '\"', '', '{\"a\":}'):\n"
        "    try: loads(text)\n"
        "    except ValueError: continue\n"
        "    sys.exit(text)\n"
    )
    assert (
        subprocess.run([sys.executable, "-IS", "-c", f"import sys; sys.path += {sys.path!r}\n{code}"]).returncode == 0
    )


def test_what_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        plain_json.dumps({"a": object()})
