"""Network options (no): what there are, and which values a node has now and from its next boot on.

Values for the next boot are in /etc/tunables/nextboot, where a machine takes them from when it boots; those of now end
with the life of the node. The emulated kernel has no stack of its own: an option is what a node says of itself. Names,
defaults and ranges are those of AIX 7.2 as administrators know them (inferred).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from srcctl.commands.options import is_number
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot, replace_file

NEXT_BOOT = "/etc/tunables/nextboot"
CURRENT = "/var/run/network_options"
STANZA = "no"
_HUGE = (1 << 63) - 1


class NetworkOption(NamedTuple):
    """An option. ``kind`` is D (at once), C (for new connections) or R (at boot only)."""

    name: str
    default: int
    minimum: int
    maximum: int
    unit: str
    kind: str = "D"
    depends_on: str = ""


_K, _M = 1 << 10, 1 << 20
_TABLE = (
    NetworkOption("arpqsize", _K, 1, 32 * _K - 1, "numeric", "D", "tcp_pmtu_discover"),
    NetworkOption("arpt_killc", 20, 0, 255, "minute"),
    NetworkOption("arptab_bsiz", 7, 1, 32 * _K - 1, "bucket_size", "R"),
    NetworkOption("arptab_nb", 149, 1, 32 * _K - 1, "buckets", "R"),
    NetworkOption("bcastping", 0, 0, 1, "boolean"),
    NetworkOption("clean_partial_conns", 0, 0, 1, "boolean"),
    NetworkOption("delayack", 0, 0, 3, "boolean"),
    NetworkOption("directed_broadcast", 0, 0, 1, "boolean"),
    NetworkOption("extendednetstats", 0, 0, 1, "boolean", "R"),
    NetworkOption("fasttimo", 200, 50, 200, "millisecond"),
    NetworkOption("icmp6_errmsg_rate", 10, 1, 255, "msg/second"),
    NetworkOption("icmpaddressmask", 0, 0, 1, "boolean"),
    NetworkOption("ifsize", 256, 8, _K, "numeric", "R"),
    NetworkOption("ip6_defttl", 64, 1, 255, "numeric"),
    NetworkOption("ip6forwarding", 0, 0, 1, "boolean"),
    NetworkOption("ip6srcrouteforward", 1, 0, 1, "boolean"),
    NetworkOption("ipforwarding", 0, 0, 1, "boolean"),
    NetworkOption("ipfragttl", 2, 1, 255, "halfsecond"),
    NetworkOption("ipignoreredirects", 0, 0, 1, "boolean"),
    NetworkOption("ipqmaxlen", 100, 100, (1 << 31) - 1, "numeric", "R"),
    NetworkOption("ipsendredirects", 1, 0, 1, "boolean"),
    NetworkOption("ipsrcrouteforward", 1, 0, 1, "boolean"),
    NetworkOption("ipsrcrouterecv", 0, 0, 1, "boolean"),
    NetworkOption("ipsrcroutesend", 1, 0, 1, "boolean"),
    NetworkOption("maxttl", 255, 1, 255, "second"),
    NetworkOption("multi_homed", 1, 0, 3, "boolean"),
    NetworkOption("nonlocsrcroute", 0, 0, 1, "boolean"),
    NetworkOption("passive_dgd", 0, 0, 1, "boolean"),
    NetworkOption("pmtu_default_age", 10, 0, 32 * _K - 1, "minute"),
    NetworkOption("pmtu_rediscover_interval", 30, 0, 32 * _K - 1, "minute"),
    NetworkOption("rfc1122addrchk", 0, 0, 1, "boolean"),
    NetworkOption("rfc1323", 0, 0, 1, "boolean", "C"),
    NetworkOption("rfc2414", 1, 0, 1, "boolean", "C"),
    NetworkOption("route_expire", 1, 0, 1, "boolean"),
    NetworkOption("routerevalidate", 0, 0, 1, "boolean"),
    NetworkOption("sack", 0, 0, 1, "boolean", "C"),
    NetworkOption("sb_max", _M, 4 * _K, _HUGE, "byte"),
    NetworkOption("somaxconn", _K, 0, 32 * _K - 1, "numeric", "C"),
    NetworkOption("subnetsarelocal", 1, 0, 1, "boolean"),
    NetworkOption("tcp_ecn", 0, 0, 1, "boolean", "C"),
    NetworkOption("tcp_ephemeral_high", 65535, 32769, 65535, "numeric", "D", "tcp_ephemeral_low"),
    NetworkOption("tcp_ephemeral_low", 32 * _K, _K, 65534, "numeric", "D", "tcp_ephemeral_high"),
    NetworkOption("tcp_finwait2", 1200, 0, 65535, "halfsecond"),
    NetworkOption("tcp_keepcnt", 8, 0, _HUGE, "numeric"),
    NetworkOption("tcp_keepidle", 14400, 1, _HUGE, "halfsecond", "C"),
    NetworkOption("tcp_keepinit", 150, 1, _HUGE, "halfsecond"),
    NetworkOption("tcp_keepintvl", 150, 1, 32 * _K - 1, "halfsecond", "C"),
    NetworkOption("tcp_mssdflt", 1460, 1, 65535, "byte", "C"),
    NetworkOption("tcp_nagle_limit", 65535, 0, 65535, "byte"),
    NetworkOption("tcp_newreno", 1, 0, 1, "boolean"),
    NetworkOption("tcp_nodelayack", 0, 0, 1, "boolean"),
    NetworkOption("tcp_pmtu_discover", 1, 0, 1, "boolean", "C"),
    NetworkOption("tcp_recvspace", 16 * _K, 4 * _K, _HUGE, "byte", "C", "sb_max"),
    NetworkOption("tcp_sendspace", 16 * _K, 4 * _K, _HUGE, "byte", "C", "sb_max"),
    NetworkOption("tcp_timewait", 1, 1, 5, "15_second"),
    NetworkOption("tcp_ttl", 60, 1, 255, "0.6_second", "C"),
    NetworkOption("udp_ephemeral_high", 65535, 32769, 65535, "numeric", "D", "udp_ephemeral_low"),
    NetworkOption("udp_ephemeral_low", 32 * _K, _K, 65534, "numeric", "D", "udp_ephemeral_high"),
    NetworkOption("udp_pmtu_discover", 1, 0, 1, "boolean"),
    NetworkOption("udp_recvspace", 42080, 4 * _K, _HUGE, "byte", "C", "sb_max"),
    NetworkOption("udp_sendspace", 9 * _K, 4 * _K, _HUGE, "byte", "C", "sb_max"),
    NetworkOption("udp_ttl", 30, 1, 255, "second", "C"),
    NetworkOption("udpcksum", 1, 0, 1, "boolean"),
    NetworkOption("use_isno", 1, 0, 1, "boolean"),
)
OPTIONS = {option.name: option for option in _TABLE}
"""By name, in the order in which they are listed."""


class Values:
    """The options of a node: ``now``, and ``at_boot`` from its next boot on; only those that are not the defaults."""

    def __init__(self, now: dict[str, int], at_boot: dict[str, int]) -> None:
        self.now = now
        self.at_boot = at_boot

    def value(self, name: str) -> int:
        """The value now."""
        return self.now.get(name, OPTIONS[name].default)

    def boot_value(self, name: str) -> int:
        """The value from the next boot on."""
        return self.at_boot.get(name, OPTIONS[name].default)


def read(root: NodeRoot) -> Values:
    """The options of a node; what is damaged counts as the defaults, as for a machine that boots."""
    at_boot = _next_boot(root)
    try:
        with open(root.path(CURRENT), encoding="ascii") as file:
            kept = json.load(file)
        if kept["boot"] == root.identity.boot_id:
            return Values({name: int(value) for name, value in kept["values"].items() if name in OPTIONS}, at_boot)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return Values(dict(at_boot), at_boot)


@contextmanager
def changing(root: NodeRoot) -> Iterator[Values]:
    """The options of a node, written back when the body ends without an exception; one change at a time.

    Raises:
        OSError: they cannot be written.
    """
    os.makedirs(os.path.dirname(root.path(NEXT_BOOT)), exist_ok=True)
    with locked(root.path(CURRENT) + ".lock"):
        values = read(root)
        before = dict(values.at_boot)
        yield values
        if values.at_boot != before:
            lines = [f'\t{name} = "{values.at_boot[name]}"\n' for name in sorted(values.at_boot)]
            replace_file(root.path(NEXT_BOOT), "".join((_others(root), f"{STANZA}:\n", *lines)).encode())
        kept = {"boot": root.identity.boot_id, "values": values.now}
        replace_file(root.path(CURRENT), json.dumps(kept).encode())


def _stanzas(root: NodeRoot) -> Iterator[tuple[str, str]]:
    """The lines of the file, each with the stanza that it belongs to."""
    try:
        with open(root.path(NEXT_BOOT), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    stanza = ""
    for line in lines:
        if line and not line[0].isspace() and line.rstrip().endswith(":"):
            stanza = line.rstrip()[:-1]
        yield stanza, line


def _next_boot(root: NodeRoot) -> dict[str, int]:
    found = {}
    for stanza, line in _stanzas(root):
        name, separator, text = (part.strip() for part in line.partition("="))
        text = text.strip('"')
        if stanza == STANZA and separator and name in OPTIONS and is_number(text):
            found[name] = int(text)
    return found


def _others(root: NodeRoot) -> str:
    """The stanzas of other commands, as they are."""
    return "".join(f"{line}\n" for stanza, line in _stanzas(root) if stanza != STANZA)
