"""snmpinfo: reads an agent's objects by name or number.

Usage, flags and the layout of a line are those of the AIX manual; messages and exit codes are inferred. Names come
from files in the form that mosy writes (``-o``, may be repeated): name, ``parent.arc``, syntax.
"""

from __future__ import annotations

import getopt
import sys
from collections.abc import Sequence

from daemons.snmpd import configuration
from daemons.snmpd.mib import CLSMUXPD
from daemons.snmpd.values import END, Oid, Value, dotted
from srcctl.commands.options import is_number
from srcctl.node.root import IdentityError, NodeRoot
from srcctl.src.remote import UnknownHost, host_addresses

USAGE = """\
Usage: snmpinfo [-m get|next|dump] [-v] [-c Community] [-d Level] [-h HostName] [-o ObjectsFile] ... [-t Tries]
       [-w Waittime] Variable.Instance ..."""
ENTERPRISES: Oid = (1, 3, 6, 1, 4, 1)
NAMES: dict[str, Oid] = {"iso": (1,), "internet": (1, 3, 6, 1), "enterprises": ENTERPRISES}


class Refused(Exception):
    """Why the command ends with 1."""


class Objects:
    """Names of object types and back."""

    def __init__(self) -> None:
        self._numbers = dict(NAMES)
        self._folded = {name.lower(): name for name in NAMES}

    def read(self, text: str, source: str) -> None:
        """Take the objects of a file.

        Raises:
            Refused: a line names a parent that is not known.
        """
        for number, line in enumerate(text.splitlines(), 1):
            fields = line.partition("--")[0].split()
            if not fields:
                continue
            parent, _, arc = fields[1].rpartition(".") if len(fields) > 1 else ("", "", "")
            if parent not in self._numbers or not is_number(arc):
                raise Refused(f"{source}, line {number}: {' '.join(fields[:2])} is no object below a known one")
            self._numbers[fields[0]] = (*self._numbers[parent], int(arc))
            self._folded[fields[0].lower()] = fields[0]

    def resolve(self, variable: str) -> Oid:
        """The number of ``name.instance`` or ``1.3.6...``; upper and lower case are the same.

        Raises:
            Refused: the name is not known.
        """
        first, _, rest = variable.partition(".")
        name = self._folded.get(first.lower())
        try:
            tail = tuple(int(arc) for arc in rest.split(".")) if rest else ()
            return (*self._numbers[name], *tail) if name is not None else (int(first), *tail)
        except ValueError:
            raise Refused(f"{variable}: no such object; -o names a file with more objects") from None

    def name(self, oid: Oid) -> str:
        """``name.instance`` as far as the name is known."""
        best, length = "", 0
        for name, number in self._numbers.items():
            if length < len(number) <= len(oid) and oid[: len(number)] == number:
                best, length = name, len(number)
        return ".".join((best, *map(str, oid[length:]))) if best else dotted(oid)


def rendered(value: Value) -> str:
    """A value as snmpinfo prints it: strings quoted."""
    if value.syntax == "string":
        return f'"{value.data}"'
    return dotted(value.data) if isinstance(value.data, tuple) else str(value.data)


def snmpinfo(argv: list[str]) -> int:
    """``snmpinfo [-m get|next|dump] [-v] [-c Community] [-h HostName] [-o ObjectsFile] ... Variable.Instance ...``."""
    try:
        pairs, operands = getopt.getopt(argv[1:], "m:vc:d:h:o:t:w:")
        options = dict(pairs)
        mode = options.get("-m", "get")
        tries, wait = int(options.get("-t", "3")), float(options.get("-w", "5"))
        int(options.get("-d", "0"))
    except (getopt.GetoptError, ValueError) as error:
        print(f"snmpinfo: {error}\n{USAGE}", file=sys.stderr)
        return 1
    if mode not in ("get", "next", "dump", "set") or tries < 1 or wait <= 0 or (mode != "dump" and not operands):
        print(USAGE, file=sys.stderr)
        return 1
    try:
        if mode == "set":
            raise Refused("every object of this agent is read-only")
        root = NodeRoot.current()
        objects = Objects()
        for path in (value for flag, value in pairs if flag == "-o"):
            try:
                with open(root.path(path) if path.startswith("/") else path, encoding="utf-8") as file:
                    objects.read(file.read(), path)
            except (OSError, UnicodeDecodeError) as error:
                raise Refused(f"{path}: {getattr(error, 'strerror', None) or 'not a text'}") from None
        names = [objects.resolve(operand) for operand in operands] or [(1, 3, 6, 1)]
        host = options.get("-h", root.identity.node)
        found = _read(root, host, options.get("-c", "public"), mode, names, tries, wait)
    except (Refused, IdentityError) as error:
        print(f"snmpinfo: {error}", file=sys.stderr)
        return 1
    for oid, value in found:
        print(f"{objects.name(oid) if '-v' in options else dotted(oid)} = {rendered(value)}")
    return 0


def address_of(root: NodeRoot, host: str) -> str:
    """The address at which the agent of a node is asked; the loopback address means this node's own.

    Raises:
        Refused: the name is not known.
    """
    node = root.identity.node_by_name(host)
    if host in ("127.0.0.1", "localhost", "loopback"):
        return root.identity.interfaces[0].address
    if node is not None:
        return node.addresses[0]
    try:
        return host_addresses(root, host)[0]
    except UnknownHost:
        raise Refused(f"{host}: no such host") from None


def community(root: NodeRoot) -> str:
    """The first community of the node's own agent that is neither private nor system, "public" if there is none."""
    try:
        with open(root.path(configuration.CONFIGURATION_FILE), encoding="utf-8", errors="replace") as file:
            return configuration.parse(file.read()).public_community or "public"
    except OSError:
        return "public"


def cluster_objects(root: NodeRoot, host: str, tries: int = 3, wait: float = 1.0) -> list[tuple[Oid, Value]]:
    """All instances below risc6000clsmuxpd of a host's agent.

    Raises:
        Refused: no agent answers.
    """
    return _read(root, host, community(root), "dump", [CLSMUXPD], tries, wait)


def _read(
    root: NodeRoot, host: str, name: str, mode: str, names: Sequence[Oid], tries: int, wait: float
) -> list[tuple[Oid, Value]]:
    import asyncio

    from daemons.runtime.ports import UnknownService, port
    from daemons.snmpd import client

    try:
        address, number = address_of(root, host), port(root, "snmp", "udp")
        if mode == "dump":
            walks = (client.walk(address, number, name, prefix, tries, wait) for prefix in names)
            return [row for walk in walks for row in asyncio.run(walk)]
        found = asyncio.run(client.ask(address, number, name, mode, names, tries, wait))
    except UnknownService as error:
        raise Refused(str(error)) from None
    except (client.NoAnswer, OSError) as error:
        raise Refused(f"{host}: {error}") from None
    for oid, value in found:
        if value == END or value.syntax == "absent":
            raise Refused(f"{dotted(oid)}: there is no such variable")
    return found
