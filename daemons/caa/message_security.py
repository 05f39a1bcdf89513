"""``clctrl -sec``: the cluster's certificate comes to all of its nodes, or is taken from them.

Heartbeats are authenticated under any level. With ``medium`` and ``high``, or ``-e``, what the nodes' clcomds say to
each other is encrypted besides, under one certificate (the levels are those of the product's wizard; what each letter
does beyond its name in the published syntax is inferred). A later synchronization does what the cluster's
SECURITY_LEVEL says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from daemons.caa import client
from daemons.caa.changes import own_last
from daemons.caa.client import CaaError, Definition
from daemons.clcomd import client as clcomd
from daemons.clcomd import security
from daemons.clcomd.security import SecurityFault
from srcctl.commands.options import UsageError, parse
from srcctl.commands.record import Record
from srcctl.node.root import NodeRoot

LEVELS = ("none", "low", "medium", "high")
SYNONYMS = {"disable": "none", "med": "medium"}
ALGORITHMS = ("DES", "3DES", "AES")
DATA_MAX = 4 * security.PEM_MAX
"""Bytes of what a node is told; no certificate is longer."""
SELF_SIGNED, OPENSSL = "self-signed", "openssl"


class Security(Record):
    """What a ``clctrl -sec`` command line asks for. ``certificate`` and ``key`` are product paths, "" to make one."""

    encrypts: bool
    certificate: str
    key: str


def parse_security(words: Sequence[str]) -> Security:
    """The command line behind ``-sec``.

    Raises:
        UsageError: it is not one.
        CaaError: a value means nothing.
    """
    options = parse(["clctrl", *words], "l:s:et:c:f:")
    if options.operands or "l" not in options or ("c" in options) != ("f" in options):
        raise UsageError("-l")
    level = options.value("l").lower()
    level = SYNONYMS.get(level, level)
    if level not in LEVELS:
        raise CaaError(f"{options.value('l')} is not a security level: it must be one of {', '.join(LEVELS)}.")
    if level == "none":
        if len(options.values) > 1:
            raise CaaError("security level none takes no other property.")
        return Security(False, "", "")
    if "s" not in options:
        raise UsageError("-s")
    algorithm = options.value("s").upper().removeprefix("MD5_")
    if algorithm not in ALGORITHMS:
        raise CaaError(f"{options.value('s')} is not a security algorithm: it must be one of {', '.join(ALGORITHMS)}.")
    kind = options.value("t", SELF_SIGNED).lower()
    if kind not in (SELF_SIGNED, OPENSSL):
        raise CaaError(f"{options.value('t')} is not a certificate type: it must be {SELF_SIGNED} or {OPENSSL}.")
    if "c" in options and kind != OPENSSL:
        raise UsageError("-t")
    if kind == OPENSSL and "c" not in options:
        raise UsageError("-c")
    return Security("e" in options or security.encrypts(level), options.value("c"), options.value("f"))


def secure(root: NodeRoot, definition: Definition, alive: Sequence[int], wanted: Security) -> None:
    """Give all nodes a certificate or take it from them; this node last.

    Raises:
        CaaError: a node is down, or cannot be told; those told before it keep what they have got.
        OSError: this node cannot write.
    """
    down = [node.name for node in definition.nodes if node.number not in alive]
    if down:
        raise CaaError(f"{' '.join(down)}: the security of a cluster is changed with all of its nodes up.")
    try:
        pair = _certificate(root, definition, wanted)
    except SecurityFault as fault:
        raise CaaError(str(fault)) from None
    for node in own_last(root.identity.node, [node.name for node in definition.nodes]):
        if node == root.identity.node:
            security.install(root, pair)
            continue
        _tell(root, node, pair)


def hand_over(root: NodeRoot, node: str) -> None:
    """Give a node that has just joined the certificate that this one has: without it no other would answer it.

    Raises:
        CaaError: it cannot be told.
    """
    pair = security.installed(root)
    if pair is not None:
        _tell(root, node, pair)


def leave(root: NodeRoot) -> None:
    """This node is no longer a member of its cluster, and has its certificate no more.

    Raises:
        CaaError: it could not leave.
        OSError: this node cannot write.
    """
    client.leave(root, forget=True)
    security.install(root, None)


def _certificate(root: NodeRoot, definition: Definition, wanted: Security) -> tuple[str, str] | None:
    if not wanted.encrypts:
        return None
    if wanted.certificate:
        return security.read(root, wanted.certificate, wanted.key)
    return security.installed(root) or security.make(definition.name)


def _tell(root: NodeRoot, node: str, pair: tuple[str, str] | None) -> None:
    text = json.dumps(pair).encode()
    try:
        result = clcomd.run(root, node, ("/usr/sbin/clusterconf", "-k"), text)
    except clcomd.ClcomdError as error:
        raise CaaError(f"{node}: {error}") from None
    if result.status:
        raise CaaError(f"{node}: {result.err.decode(errors='replace').strip() or f'exit code {result.status}'}")


def take(root: NodeRoot, data: bytes) -> None:
    """On a node that is told: install what ``secure`` sends, the certificate and its key or null.

    Raises:
        CaaError: it is neither.
        OSError: this node cannot write.
    """
    try:
        value = json.loads(data)
        if value is not None:
            certificate, key = value
            if "CERTIFICATE-----" not in certificate or "PRIVATE KEY-----" not in key:
                raise ValueError
            value = str(certificate), str(key)
    except (ValueError, TypeError):
        raise CaaError("no certificate and key came.") from None
    security.install(root, value)
