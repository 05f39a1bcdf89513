"""What mklv, chlv, mkvg and chvg set besides names and sizes: flags, their values, and what the listings call them.

Only what differs from the default stands in a descriptor area. The words are those of lslv and lsvg; those that no
published listing has are inferred.
"""

from __future__ import annotations

from srcctl.commands.options import Options, UsageError, is_number
from srcctl.commands.record import Record

ANY: dict[str, str] = {}


class Characteristic(Record):
    """One of them.

    ``values`` maps the values that a flag takes to the words of the listings; without any the value is a number from
    ``lowest`` to ``highest``, or a text if ``highest`` is 0.
    """

    flag: str
    default: str
    values: dict[str, str] = ANY
    lowest: int = 0
    highest: int = 0

    def word(self, value: str) -> str:
        """What a flag's value is called.

        Raises:
            UsageError: it takes no such value.
        """
        if self.values:
            if value not in self.values:
                raise UsageError(f"-{self.flag}")
            return self.values[value]
        if self.highest and not (is_number(value) and self.lowest <= int(value) <= self.highest):
            raise UsageError(f"-{self.flag}")
        return value


VOLUME = {
    "intra_policy": Characteristic("a", "middle", {
        "m": "middle", "c": "center", "e": "edge", "ie": "inner edge", "im": "inner middle",
    }),
    "inter_policy": Characteristic("e", "minimum", {"m": "minimum", "x": "maximum"}),
    "upper_bound": Characteristic("u", "", lowest=1, highest=1024),
    "max_partitions": Characteristic("x", "512", lowest=1, highest=65535),
    "relocatable": Characteristic("r", "yes", {"y": "yes", "n": "no"}),
    "write_verify": Characteristic("v", "off", {"y": "on", "n": "off"}),
    "scheduling": Characteristic("d", "parallel", {
        "p": "parallel", "s": "sequential", "ps": "parallel/sequential", "pr": "parallel/round robin",
    }),
    "write_consistency": Characteristic("w", "on/ACTIVE", {
        "a": "on/ACTIVE", "y": "on/ACTIVE", "p": "on/PASSIVE", "n": "off",
    }),
    "strictness": Characteristic("s", "yes", {"y": "yes", "n": "no", "s": "yes (superstrict)"}),
    "bad_blocks": Characteristic("b", "relocatable", {"y": "relocatable", "n": "non-relocatable"}),
    "serialize": Characteristic("o", "NO", {"y": "YES", "n": "NO"}),
    "label": Characteristic("L", ""),
    "first_block": Characteristic("T", "", {"O": "available", "F": ""}),
    "permission": Characteristic("p", "read/write", {"w": "read/write", "r": "read only"}),
}  # fmt: skip
"""Of logical volumes. ``permission`` is chlv's alone: mklv -p chooses a mirror pool."""

GROUP = {
    "critical": Characteristic("r", "no", {"y": "yes", "n": "no"}),
    "hot_spare": Characteristic("h", "no", {
        "y": "yes (one to one)", "Y": "yes (one to many)", "r": "no (remove)", "n": "no",
    }),
    "automatic_synchronization": Characteristic("s", "no", {"y": "yes", "n": "no"}),
    "track_group": Characteristic("L", "256", {"128": "128", "256": "256", "512": "512", "1024": "1024"}),
    "max_partitions": Characteristic("P", "", lowest=32, highest=2048),
    "max_volumes": Characteristic("v", "", lowest=256, highest=4096),
    "strict_pools": Characteristic("M", "off", {"y": "on", "n": "off", "s": "super"}),
    "preferred_read": Characteristic("p", "", {"r": "roundrobin", "f": "favorcopy", "s": "siteaffinity"}),
    "encryption": Characteristic("k", "no", {"y": "yes", "n": "no"}),
}  # fmt: skip
"""Of volume groups. The flags ``p`` and ``k`` are inferred."""

MAKING_A_GROUP = ("max_partitions", "max_volumes", "strict_pools", "track_group", "critical", "encryption")
"""What mkvg takes, too."""


def given(options: Options, table: dict[str, Characteristic], known: dict[str, str]) -> dict[str, str]:
    """The characteristics after a command: those that were known, with what its flags say.

    Raises:
        UsageError: a flag has a value that it does not take.
    """
    result = dict(known)
    for name, one in table.items():
        value = options.get(one.flag)
        if value is None:
            continue
        word = one.word(value)
        result.pop(name, None)
        if word != one.default:
            result[name] = word
    return result


def of_volume(characteristics: dict[str, str], name: str) -> str:
    """A characteristic of a logical volume."""
    return characteristics.get(name, VOLUME[name].default)


def of_group(characteristics: dict[str, str], name: str) -> str:
    """A characteristic of a volume group."""
    return characteristics.get(name, GROUP[name].default)
