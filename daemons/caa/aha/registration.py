"""What a consumer writes to a monitor file: when and how it wants to be told (AIX Event Infrastructure)."""

from __future__ import annotations

import re

from msgspec import Struct

ROOM = 4096
"""Bytes of events that are kept for a consumer that names no BUF_SIZE."""
ROOM_MAX = 1 << 20

_NUMBER = "[1-9][0-9]{0,8}"
_ALLOWED = {
    "CHANGED": "YES",
    "CLUSTER": "YES|NO",
    "WAIT_TYPE": "WAIT_IN_SELECT|WAIT_IN_READ",
    "INFO_LVL": "[123]",
    "NOTIFY_CNT": f"-1|{_NUMBER}",
    "BUF_SIZE": _NUMBER,
    "THRESHOLD_HI": "[0-9]{1,9}",
    "THRESHOLD_LO": "[0-9]{1,9}",
}
_OTHER_NAMES = {"THRESH_HI": "THRESHOLD_HI", "THRESH_LO": "THRESHOLD_LO"}
"""Both spellings are in the documentation."""


class BadRegistration(Exception):
    """What was written to a monitor file is no registration."""


class Registration(Struct, frozen=True):
    """What a consumer wants.

    ``count``: events until it must register again, -1 for no end; ``low`` and ``high``: thresholds of a value;
    ``room``: bytes of events that are kept for it; ``cluster``: events of other nodes, too.
    """

    level: int = 2
    count: int = 1
    cluster: bool = False
    low: int | None = None
    high: int | None = None
    room: int = ROOM


def parse(text: str, values: bool = False) -> Registration:
    """A registration from the text that was written: ``KEY=VALUE``, separated by ``;`` or white space.

    Args:
        text: what was written.
        values: whether the producer has values, which take thresholds, and not states, which change.

    Raises:
        BadRegistration: an unknown key or value, or nothing to wait for.
    """
    found: dict[str, str] = {}
    for word in text.replace(";", " ").split():
        key, mark, value = word.partition("=")
        key = _OTHER_NAMES.get(key, key)
        if not mark or key in found:
            raise BadRegistration(word)
        found[key] = value
    for key, value in found.items():
        if key not in _ALLOWED or not re.fullmatch(_ALLOWED[key], value):
            raise BadRegistration(f"{key}={value}")
    thresholds = {key: int(found[key]) for key in ("THRESHOLD_HI", "THRESHOLD_LO") if key in found}
    if values == ("CHANGED" in found) or values != bool(thresholds):
        raise BadRegistration("a threshold is missing" if values else "CHANGED=YES is missing")
    # The way to wait makes no difference here: a read that finds nothing blocks, and select works.
    return Registration(
        int(found.get("INFO_LVL", "2")),
        int(found.get("NOTIFY_CNT", "1")),
        found.get("CLUSTER") == "YES",
        thresholds.get("THRESHOLD_LO"),
        thresholds.get("THRESHOLD_HI"),
        min(ROOM_MAX, int(found.get("BUF_SIZE", ROOM))),
    )
