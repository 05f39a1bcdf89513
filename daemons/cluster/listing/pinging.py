"""cl_ping: whether nodes and labels of the cluster answer over its networks, by the names that it has for them.

That the command exists is known, its flags and output are not (inferred: the words of AIX's ping). An echo needs no
daemon on the other side, so what answers is the machine, if it is on, over an interface of the address's network that
is up on both sides and not cut.
"""

from __future__ import annotations

import sys

from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault, load_defined
from srcctl.commands.options import UsageError, is_number, parse, usage
from srcctl.network.addresses import AddressRegistry
from srcctl.network.faults import Faults
from srcctl.network.liveness import is_alive
from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import OdmError, Repository

USAGE = "Usage: cl_ping [-q] [-c count] [node | label | address ...]"
COUNT_MAX = 64
DATA_BYTES = 56


def addresses_of(c: Configuration, word: str) -> list[str]:
    """The addresses that a word means: all boot addresses of a node, the one of a label, the address itself."""
    if c.node(word) is not None:
        return [label.address for label in c.labels if label.node == word and label.function == "boot"]
    return list(dict.fromkeys(label.address for label in c.labels if word in (label.label, label.address)))


def answers(identity: Identity, address: str) -> bool:
    """Whether a node has the address, and a packet goes there from this one and back."""
    faults = Faults(identity.lab)
    for node in identity.nodes:
        if address in node.addresses:
            holder, place = node.name, node.addresses.index(address)
            break
    else:
        holders = AddressRegistry(identity.lab).holders(address)
        if not holders:
            return False
        holder = holders[0].node
        names = [interface.name for interface in identity.interfaces]
        place = names.index(holders[0].interface) if holders[0].interface in names else 0
    if place >= len(identity.interfaces) or not is_alive(identity.lab, holder):
        return False
    return holder == identity.node or faults.reachable(identity.node, holder, identity.interfaces[place].network)


def report(name: str, address: str, count: int, answered: bool) -> list[str]:
    """What is printed of one address."""
    lines = [f"PING {name} ({address}): {DATA_BYTES} data bytes"]
    if answered:
        lines += [f"{DATA_BYTES + 8} bytes from {address}: icmp_seq={n} ttl=255 time=0 ms" for n in range(count)]
    received = count if answered else 0
    lines += [
        "",
        f"--- {name} ping statistics ---",
        f"{count} packets transmitted, {received} packets received, {0 if answered else 100}% packet loss",
    ]
    return [*lines, "round-trip min/avg/max = 0/0/0 ms"] if answered else lines


def cl_ping(argv: list[str]) -> int:
    """``cl_ping [-q] [-c count] [name ...]``: ping nodes, labels or addresses, all nodes without a name.

    A node answers if one of its addresses does. With ``-q`` only the names of those that answer are printed. Exit code
    0 if all answer, 1 if one does not or is not known.
    """
    try:
        options = parse(argv, "qc:", intermixed=True)
        count = options.value("c") or "1"
        if not is_number(count) or not 0 < int(count) <= COUNT_MAX:
            raise UsageError("count")
    except UsageError:
        return usage(USAGE)
    root = NodeRoot.current()
    try:
        c = load_defined(Repository(root, DCD))
    except (OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"cl_ping: {error}\n")
        return 1
    status, blocks = 0, []
    for word in options.operands or [node.name for node in c.nodes]:
        addresses = addresses_of(c, word)
        if not addresses:
            sys.stderr.write(f"cl_ping: {word} is no node, label or address of the cluster.\n")
            status = 1
            continue
        answered = {address: answers(root.identity, address) for address in addresses}
        if not any(answered.values()):
            status = 1
        if "q" in options:
            blocks += [[word]] if any(answered.values()) else []
            continue
        blocks += [report(word, address, int(count), answered[address]) for address in addresses]
    separator = "\n" if "q" in options else "\n\n"
    if blocks:
        print(separator.join("\n".join(lines) for lines in blocks))
    return status
