"""lsrpdomain, lsrpnode and lscomg: the peer domain, which under CAA is the cluster (the RSCT manual pages)."""

from __future__ import annotations

import sys
from typing import NamedTuple, TypeAlias

from daemons.caa import messages as caa
from daemons.cthags.commands.tables import render
from daemons.cthags.messages import DomainStatus
from daemons.cthags.node_identity import node_id
from daemons.cthags.query import QUERY_PATIENCE, Unreachable, query_status
from daemons.runtime.local_client import LocalClient
from srcctl.commands.options import Options, UsageError, parse
from srcctl.machine import RemoteFault
from srcctl.node.root import IdentityError, NodeRoot

RSCT_VERSION = "3.2.4.0"
"""The RSCT level that is emulated."""

TS_PORT = 12347
GS_PORT = 12348

OK, RMC_ERROR, BAD_FLAG, BAD_PARAMETER = 0, 1, 3, 4
"""Exit codes of the family."""

NO_SESSION = '2612-022 A session could not be established with the RMC daemon on "local_node".'
"""What the family says where the daemons do not answer. Of its other messages (2632-020, -021, -025) the numbers and
words are inferred."""

_FORMS = "ltd"

LSRPDOMAIN_USAGE = "Usage: lsrpdomain [-o | -O] [-l | -t | -d | -D delimiter] [-x] [-h] [-TV] [peer_domain]\n"
LSRPNODE_USAGE = (
    "Usage: lsrpnode [-o | -O | -L] [-l | -t | -d | -D delimiter] [-x] [-i] [-P] [-Q] [-B] [-h] [-TV] [node_name]\n"
    "       lsrpnode [-l | -t | -d | -D delimiter] [-x] [-h] [-TV] -p peer_domain\n"
)


CAA_CONFIG_USAGE = "Usage: caa_config -s peer_domain\n"
LSCOMG_USAGE = "Usage: lscomg [-l | -t | -d | -D delimiter] [-x] [-i] [-h] [-TV] [communication_group]\n"
SENSITIVITY, PERIOD, PRIORITY = "4", "1", "1"
"""What a communication group has by default (inferred; under CAA no heartbeat goes by it)."""


class Domain(NamedTuple):
    """What the two daemons say. ``group_services`` is None while cthags does not run here."""

    cluster: caa.Membership
    group_services: DomainStatus | None


def ask(root: NodeRoot) -> Domain | None:
    """The domain as this node sees it; None if it is in none.

    Raises:
        Unreachable: CAA does not answer.
    """
    try:
        with LocalClient(root.path(caa.SOCKET_PATH), caa.request_codec, caa.answer_codec, QUERY_PATIENCE) as client:
            answer = client.request(caa.Query())
    except FileNotFoundError:
        return None
    except ConnectionRefusedError:
        return None
    except (OSError, EOFError, RemoteFault) as error:
        raise Unreachable(str(error)) from None
    if not isinstance(answer, caa.Status) or answer.membership is None:
        return None
    try:
        status = query_status(root)
    except Unreachable:
        status = None
    return Domain(answer.membership, status)


def operational_state(domain: Domain) -> str:
    """OpState of the domain on this node."""
    status = domain.group_services
    if status is None:
        return "Offline"
    return "Online" if status.established else "Pending online"


Begun: TypeAlias = tuple[Options, str, str, Domain | None]
"""Options, form, delimiter and what the daemons say, None if CAA does not run here."""


def _begin(name: str, argv: list[str], flags: str, usage_text: str) -> Begun | int:
    """What the command line asks for; or the exit code with which the command ends already."""
    try:
        options = parse(argv, flags)
        form, delimiter = _form(options)
        if len(options.operands) > 1:
            raise UsageError("too many operands")
    except UsageError as error:
        return _usage(name, usage_text, error)
    if "h" in options:
        sys.stdout.write(usage_text)
        return OK
    domain = _domain(name)
    return domain if isinstance(domain, int) else (options, form, delimiter, domain)


def lsrpdomain(argv: list[str]) -> int:
    """``lsrpdomain``."""
    begun = _begin("lsrpdomain", argv, "oOltdD:xhTV", LSRPDOMAIN_USAGE)
    if isinstance(begun, int):
        return begun
    options, form, delimiter, domain = begun
    state = "Offline" if domain is None else operational_state(domain)
    name = _own_cluster(NodeRoot.current()) if domain is None else domain.cluster.cluster_name
    if not name:
        return OK
    if options.operands and options.operands[0] not in name:
        sys.stderr.write(f"lsrpdomain: 2632-020 The peer domain {options.operands[0]} is not defined.\n")
        return BAD_PARAMETER
    shown = not (("o" in options and state != "Online") or ("O" in options and state != "Offline"))
    header = ("Name", "OpState", "RSCTActiveVersion", "MixedVersions", "TSPort", "GSPort")
    rows = [(name, state, RSCT_VERSION, "No", str(TS_PORT), str(GS_PORT))] if shown else []
    sys.stdout.write(render(header, rows, form, delimiter, "x" not in options))
    return OK


def lsrpnode(argv: list[str]) -> int:
    """``lsrpnode``."""
    begun = _begin("lsrpnode", argv, "oOLltdD:xiPQBp:hTV", LSRPNODE_USAGE)
    if isinstance(begun, int):
        return begun
    options, form, delimiter, domain = begun
    if domain is None:
        return OK
    wanted = options.get("p")
    if wanted is not None and wanted != domain.cluster.cluster_name:
        sys.stderr.write(f"lsrpnode: 2632-020 The peer domain {wanted} is not defined.\n")
        return BAD_PARAMETER
    rows = _node_rows(domain, options)
    if not rows and options.operands:
        sys.stderr.write(f"lsrpnode: 2632-021 The node {options.operands[0]} is not defined in the peer domain.\n")
        return BAD_PARAMETER
    header = ["Name", "OpState", "RSCTVersion"]
    for flag, names in (("i", ["NodeNum", "NodeID"]), ("P", ["Preferred"]), ("Q", ["Quorum"]), ("B", ["Tiebreaker"])):
        header += names if flag in options else []
    sys.stdout.write(render(header, rows, form, delimiter, "x" not in options))
    return OK


def lscomg(argv: list[str]) -> int:
    """``lscomg``: the communication groups, one for each network (CG1, CG2, ... in their order: inferred)."""
    begun = _begin("lscomg", argv, "ltdD:xihTV", LSCOMG_USAGE)
    if isinstance(begun, int):
        return begun
    options, form, delimiter, domain = begun
    if domain is None:
        return OK
    networks = list(dict.fromkeys(network for node in domain.cluster.nodes for network, _ in node.addresses))
    names = {network: f"CG{number}" for number, network in enumerate(networks, 1)}
    wanted = options.operands[0] if options.operands else ""
    if wanted and wanted not in names.values():
        sys.stderr.write(f"lscomg: 2632-025 The communication group {wanted} is not defined.\n")
        return BAD_PARAMETER
    chosen = {network: name for network, name in names.items() if wanted in ("", name)}
    if "i" in options:
        header = ["Name", "NodeName", "IPAddress", "SubnetMask", "Subnet"]
        rows = [
            [chosen[network], node.name, address, "255.255.255.0", f"{address.rpartition('.')[0]}.0"]
            for node in domain.cluster.nodes
            for network, address in node.addresses
            if network in chosen
        ]
        rows.sort(key=lambda row: row[0])
    else:
        header = ["Name", "Sensitivity", "Period", "Priority", "Broadcast", "SourceRouting", "NIMPath", "NIMParameters"]
        rows = [[name, SENSITIVITY, PERIOD, PRIORITY, "Yes", "Yes", "-1", ""] for name in chosen.values()]
    sys.stdout.write(render(tuple(header), rows, form, delimiter, "x" not in options))
    return OK


def caa_config(argv: list[str]) -> int:
    """``caa_config -s peer_domain``: the sites of the cluster, by which a script finds the one with a priority.

    That a line ``site_priority(1)`` is followed by one with the site's name is known, the rest is inferred.
    """
    try:
        options = parse(argv, "s:")
        if "s" not in options or options.operands:
            raise UsageError("-s must be given")
    except UsageError as error:
        return _usage("caa_config", CAA_CONFIG_USAGE, error)
    domain = _domain("caa_config")
    if domain is None or isinstance(domain, int):
        return domain or OK
    cluster = domain.cluster
    if options.value("s") != cluster.cluster_name:
        sys.stderr.write(f"caa_config: 2632-020 The peer domain {options.value('s')} is not defined.\n")
        return BAD_PARAMETER
    ranks = dict(cluster.priorities)
    for site in cluster.sites or (caa.LOCAL_SITE,):
        ranked = [ranks[n.number] for n in cluster.nodes if n.number in ranks and cluster.site_of(n.name) == site]
        print(f"site_priority({min(ranked, default=site.priority)})\nsite_name({site.name})")
        print(f"site_id({site.number})\nsite_uuid({site.uuid})")
    return OK


def ct_clusterinfo(argv: list[str]) -> int:
    """``ct_clusterinfo -c``: the name of the peer domain that the node is in, IW where it is in none.

    Scripts ask it before they take a node down (APAR IV71572); its other flags are not known.
    """
    if argv[1:] != ["-c"]:
        sys.stderr.write("Usage: ct_clusterinfo -c\n")
        return BAD_FLAG
    domain = _domain("ct_clusterinfo")
    if isinstance(domain, int):
        return domain
    print("IW" if domain is None else domain.cluster.cluster_name)
    return OK


def node_states(domain: Domain) -> dict[str, str]:
    """OpState of the nodes by name: who is in the domain is Online."""
    status = domain.group_services
    inside = status.members if status is not None and status.established else ()
    return {node.name: "Online" if node.number in inside else "Offline" for node in domain.cluster.nodes}


def _node_rows(domain: Domain, options: Options) -> list[list[str]]:
    rows, states = [], node_states(domain)
    for node in domain.cluster.nodes:
        state = states[node.name]
        if (
            ("o" in options and state != "Online")
            or ("O" in options and state != "Offline")
            or ("L" in options and node.number != domain.cluster.own)
            or (options.operands and options.operands[0] != node.name)
        ):
            continue
        row = [node.name, state, RSCT_VERSION]
        row += [str(node.number), node_id(node.uuid)] if "i" in options else []
        row += ["Yes"] if "P" in options else []
        row += ["Yes"] if "Q" in options else []
        row += ["Yes"] if "B" in options else []
        rows.append(row)
    return rows


def _form(options: Options) -> tuple[str, str]:
    chosen = [letter for letter in (*_FORMS, "D") if letter in options]
    if len(chosen) > 1:
        raise UsageError("only one of -l, -t, -d and -D may be given")
    delimiter = options.get("D", ":") or ":"
    return ("d" if chosen == ["D"] else chosen[0] if chosen else "t"), delimiter


def _domain(command: str) -> Domain | int | None:
    try:
        return ask(NodeRoot.current())
    except (OSError, Unreachable, IdentityError):
        sys.stderr.write(f"{command}: {NO_SESSION}\n")
        return RMC_ERROR


def _own_cluster(root: NodeRoot) -> str:
    """The name of the cluster that this node belongs to though CAA was stopped on it; "" if there is none."""
    from daemons.caa import client

    try:
        return client.own_repository(root)[1].name
    except (client.CaaError, OSError):
        return ""


def _usage(command: str, text: str, error: UsageError) -> int:
    sys.stderr.write(f"{command}: {error}\n{text}")
    return BAD_FLAG
