"""ifconfig and netstat -i, true to the lab's interfaces and aliases.

What only some forms need they import themselves: ``ifconfig -l`` is run at every boot.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from srcctl.commands.options import UsageError, parse, usage
from srcctl.network import hosts
from srcctl.network.faults import Faults
from srcctl.node.root import Identity, Interface, NodeRoot

IFCONFIG_USAGE = (
    "Usage: ifconfig -a [-d | -u]\n"
    "       ifconfig -l [-d | -u]\n"
    "       ifconfig interface\n"
    "       ifconfig interface [inet] address [netmask mask] [up] {alias | delete}\n"
    "       ifconfig interface [[inet] address [netmask mask]] {up | down}"
)
UP_FLAGS = (
    "1e084863,480<UP,BROADCAST,NOTRAILERS,RUNNING,SIMPLEX,MULTICAST,GROUPRT,64BIT,CHECKSUM_OFFLOAD(ACTIVE),CHAIN>"
)
DOWN_FLAGS = "1e084822,480<BROADCAST,NOTRAILERS,SIMPLEX,MULTICAST,GROUPRT,64BIT,CHECKSUM_OFFLOAD(ACTIVE),CHAIN>"
LOOPBACK = """\
lo0: flags=e08084b,c0<UP,BROADCAST,LOOPBACK,RUNNING,SIMPLEX,MULTICAST,GROUPRT,64BIT,LARGESEND,CHAIN>
\tinet 127.0.0.1 netmask 0xff000000 broadcast 127.255.255.255
\t tcp_sendspace 131072 tcp_recvspace 131072 rfc1323 1
"""
IFCONFIG_FLAGS, NETSTAT_FLAGS = "aldu", "inI:rf:v"
_WORDS = ("inet", "up", "firstalias", "alias", "delete", "-alias", "netmask", "broadcast", "down", "detach")


def ifconfig(argv: list[str]) -> int:
    """``ifconfig``: show interfaces; configure and remove aliases."""
    identity = NodeRoot.current().identity
    flags = "".join(word[1:] for word in argv[1:])
    if len(argv) > 1 and all(word.startswith("-") for word in argv[1:]) and set(flags) <= set(IFCONFIG_FLAGS):
        return _all(identity, flags)
    if len(argv) == 1 or argv[1].startswith("-"):
        return _usage()
    name, words = argv[1], argv[2:]
    if name == "lo0":
        if words:
            sys.stderr.write("ifconfig: lo0 is the host's, and is not changed from a node.\n")
            return 1
        sys.stdout.write(LOOPBACK)
        return 0
    interface_found = next((i for i in identity.interfaces if i.name == name), None)
    if interface_found is None:
        sys.stderr.write(f"ifconfig: 0821-323 The interface {name} does not exist.\n")
        return 1
    if not words:
        sys.stdout.write(_shown(identity, interface_found))
        return 0
    return _configure(identity, interface_found, words)


def _all(identity: Identity, flags: str) -> int:
    """``-a`` shows all interfaces, ``-l`` names them; with -u or -d only those that are up or down."""
    if ("a" in flags) == ("l" in flags) or {"u", "d"} <= set(flags):
        return _usage()
    faults = Faults(identity.lab)
    shown = [
        interface
        for interface in identity.interfaces
        if not set(flags) & set("ud") or faults.link_up(identity.node, interface.network) == ("u" in flags)
    ]
    loopback = "d" not in flags
    if "l" in flags:
        print(" ".join([*(interface.name for interface in shown), *(("lo0",) if loopback else ())]))
    else:
        sys.stdout.write("".join(_shown(identity, interface) for interface in shown) + (LOOPBACK if loopback else ""))
    return 0


def _configure(identity: Identity, interface: Interface, words: list[str]) -> int:
    import ipaddress

    from srcctl.network.addresses import AddressRegistry

    netmask, address, action, state = interface.netmask, "", "", ""
    place = 0
    while place < len(words):
        word = words[place]
        if word in ("netmask", "broadcast"):
            place += 1
            if place == len(words):
                return _usage()
            if word == "netmask":
                netmask = words[place]
        elif word in ("alias", "firstalias"):
            action = "alias"
        elif word in ("delete", "-alias"):
            action = "delete"
        elif word in ("up", "down"):
            state = word
        elif word not in _WORDS and not address:
            address = word
        elif word not in _WORDS:
            return _usage()
        place += 1
    registry = AddressRegistry(identity.lab)
    if not action and state and address in ("", interface.address):
        Faults(identity.lab).set_interface(identity.node, interface.network, up=state == "up")
        return 0
    if not action or not address:
        return _usage()
    word = address
    try:
        number = ipaddress.IPv4Address(address)
        word = netmask
        netmask = str(ipaddress.IPv4Address(netmask if not netmask.startswith("0x") else int(netmask, 16)))
    except ValueError:
        sys.stderr.write(f"ifconfig: 0821-324 {word} is not a valid address.\n")
        return 1
    if number not in ipaddress.IPv4Network("127.0.0.0/8"):
        sys.stderr.write(f"ifconfig: {address} is not an address of this lab.\n")
        return 1
    if action == "alias":
        for other in registry.configure(identity, interface.name, address, netmask):
            # AIX logs a duplicate address when it hears one; both keep it.
            sys.stderr.write(f"ifconfig: duplicate IP address {address} detected, {other.node} has it too.\n")
        return 0
    if not registry.remove(identity, address):
        sys.stderr.write("ifconfig: 0821-222 ioctl (SIOCDIFADDR): The requested address is not configured.\n")
        return 1
    return 0


def _usage() -> int:
    sys.stderr.write(IFCONFIG_USAGE + "\n")
    return 1


def _shown(identity: Identity, interface: Interface) -> str:
    import ipaddress

    from srcctl.network.addresses import AddressRegistry, Alias

    up = Faults(identity.lab).link_up(identity.node, interface.network)
    aliases = [a for a in AddressRegistry(identity.lab).of_node(identity.node) if a.interface == interface.name]
    own = Alias(interface.address, identity.node, "", interface.name, interface.netmask)
    lines = [f"{interface.name}: flags={UP_FLAGS if up else DOWN_FLAGS}"]
    for alias in (own, *aliases):
        network = ipaddress.IPv4Network(f"{alias.address}/{alias.netmask}", strict=False)
        mask = int(ipaddress.IPv4Address(alias.netmask))
        lines.append(f"\tinet {alias.address} netmask {mask:#010x} broadcast {network.broadcast_address}")
    lines.append("\t tcp_sendspace 262144 tcp_recvspace 262144 rfc1323 1")
    return "\n".join(lines) + "\n"


MTU = 1500
HEADING = "Name   Mtu   Network     Address                 Ipkts     Ierrs        Opkts     Oerrs  Coll"
NETSTAT_USAGE = "Usage: netstat -i [-n] [-I Interface]\n       netstat -r [-n] [-f inet]\n       netstat -v"


def netstat(argv: list[str]) -> int:
    """``netstat -i`` and ``-I``, ``-r`` and ``-v``: interfaces and their routes; any other form is the host's netstat.

    A lab's packets go over the host's loopback interface, which counts for no node: the counters stay 0.
    """
    words = "".join(word for word in argv[1:] if word.startswith("-"))
    if not set(words) & set("iIrv"):
        return _host_netstat(argv[1:])
    try:
        options = parse(argv, NETSTAT_FLAGS)
        if options.operands or ("v" in options and len(options.values) > 1) or options.value("f", "inet") != "inet":
            raise UsageError("an interval, or flags that do not go together")
        if ("r" in options and {"i", "I"} & set(options.values)) or ("f" in options and "r" not in options):
            raise UsageError("interfaces or routes")
    except UsageError:
        return usage(NETSTAT_USAGE)
    identity = NodeRoot.current().identity
    if "v" in options:
        from srcctl.network.statistics import netstat_v

        return netstat_v(identity)
    shown = str if "n" in options else _name
    if "r" in options:
        from srcctl.network.routes import routing_table

        print("\n".join(routing_table(identity, shown)))
        return 0
    return _interfaces(identity, options.get("I"), shown)


def _host_netstat(words: list[str]) -> int:
    for path in ("/usr/bin/netstat.host", "/bin/netstat.host"):
        if os.access(path, os.X_OK):
            import subprocess

            return subprocess.run([path, *words], check=False).returncode
    sys.stderr.write("netstat: only -i, -r and -v are supported on this node.\n")
    return 1


def _interfaces(identity: Identity, wanted: str | None, shown: Callable[[str], str]) -> int:
    """The table of interfaces, or the lines of one (that it must be there is inferred)."""
    import ipaddress

    from srcctl.network.addresses import AddressRegistry

    if wanted is not None and wanted not in ("lo0", *(interface.name for interface in identity.interfaces)):
        sys.stderr.write(f"netstat: The interface {wanted} does not exist.\n")
        return 1
    faults, registry = Faults(identity.lab), AddressRegistry(identity.lab)
    print(HEADING)
    for number, interface in enumerate(identity.interfaces, 2):
        if wanted not in (None, interface.name):
            continue
        star = "" if faults.link_up(identity.node, interface.network) else "*"
        mac = ".".join(f"{part:x}" for part in (0xFA, 0x16, *map(int, interface.address.split("."))))
        rows = [(f"link#{number}", mac)]
        addresses = [(interface.address, interface.netmask)]
        addresses += [(a.address, a.netmask) for a in registry.of_node(identity.node) if a.interface == interface.name]
        for address, netmask in addresses:
            network = ipaddress.IPv4Network(f"{address}/{netmask}", strict=False)
            rows.append((str(network.network_address).removesuffix(".0"), shown(address)))
        _print_interface(interface.name + star, _mtu(interface.name), rows)
    if wanted in (None, "lo0"):
        _print_interface("lo0", 16896, [("link#1", ""), ("127", "loopback" if shown is _name else "127.0.0.1")])
    return 0


def _mtu(interface: str) -> int:
    """The MTU that chdev gave an interface, or the default; loopback itself does not care."""
    from srcctl.odm import OdmError, Repository

    try:
        found = Repository(NodeRoot.current(), "/etc/objrepos").get("CuAt", f"name = {interface} AND attribute = mtu")
        return int(str(found[0]["value"])) if found else MTU
    except (OdmError, ValueError):
        return MTU


def _print_interface(name: str, mtu: int, rows: list[tuple[str, str]]) -> None:
    for network, address in rows:
        print(f"{name:<6} {mtu:<5} {network:<11} {address:<16} {0:>16} {0:>5} {0:>16} {0:>5} {0:>5}")


def _name(address: str) -> str:
    """The name of an address in /etc/hosts, as the resolver would find it."""
    return next((names[0] for each, names in hosts.entries(NodeRoot.current()) if each == address and names), address)
