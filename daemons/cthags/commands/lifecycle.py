"""The commands that make, change and end a peer domain, as far as they have a meaning under CAA.

There the domain is the cluster: it is created, started and changed with it, PowerHA and CAA do that. ``stoprpdomain``
and ``stoprpnode`` do nothing, ``rmrpdomain`` removes the CAA cluster, too, and ``rmrpnode`` takes nodes out of it,
which must be offline unless ``-f`` is given (RSCT manual pages of all four). The others end with the family's exit
codes; the words of their refusals are inferred.
"""

from __future__ import annotations

import os
import subprocess
import sys

from daemons.cthags.commands.domain import (
    BAD_FLAG,
    BAD_PARAMETER,
    NO_SESSION,
    OK,
    RMC_ERROR,
    Domain,
    ask,
    node_states,
    operational_state,
)
from daemons.cthags.node_identity import make, node_id, stored
from daemons.cthags.query import Unreachable
from srcctl.commands.options import Options, UsageError, parse
from srcctl.node.root import IdentityError, NodeRoot

SCRIPT_ERROR, INPUT_ERROR, NO_NODE = 2, 5, 6
"""Exit codes beside those of the ls commands; the last is rmrpnode's for a node that is none of the domain."""

USAGES = {
    "preprpnode": "preprpnode [-k] [-h] [-TV] node_name1 [node_name2 ...]",
    "mkrpdomain": "mkrpdomain [-t TS_port] [-g GS_port] [-Q quorum_type] [-c] [-m fanout] [-C cluster_type] [-R disk] "
    "[-h] [-TV] peer_domain node_name1 [node_name2 ...]",
    "startrpdomain": "startrpdomain [-A | -L] [-t timeout] [-Q quorum_type] [-m fanout] [-h] [-w [-s Seconds]] [-TV] "
    "peer_domain",
    "stoprpdomain": "stoprpdomain [-f] [-h] [-w [-s Seconds]] [-TV] peer_domain",
    "rmrpdomain": "rmrpdomain [-f] [-q] [-h] [-TV] peer_domain",
    "addrpnode": 'addrpnode [-c] [-h] [-TV] { node_name1 [node_name2 ...] | -f | -F { file_name | "-" } }',
    "startrpnode": "startrpnode [-h] [-w [-s Seconds]] [-TV] "
    '{ node_name1 [node_name2 ...] | -f | -F { file_name | "-" } }',
    "stoprpnode": "stoprpnode [-f] [-h] [-w [-s Seconds]] [-TV] "
    '{ node_name1 [node_name2 ...] | -F { file_name | "-" } }',
    "rmrpnode": 'rmrpnode [-f] [-q] [-h] [-TV] { node_name1 [node_name2 ...] | -F { file_name | "-" } }',
}
FLAGS = {
    "preprpnode": "khTV",
    "mkrpdomain": "t:g:Q:cm:C:R:f:hTV",
    "startrpdomain": "ALt:Q:m:hws:TV",
    "stoprpdomain": "fhws:TV",
    "rmrpdomain": "fqhTV",
    "addrpnode": "cf:F:MhTV",
    "startrpnode": "f:F:hws:TV",
    "stoprpnode": "fF:hws:TV",
    "rmrpnode": "fqF:hTV",
}
_DOMAINS = ("startrpdomain", "stoprpdomain", "rmrpdomain")
_NODES_FILE_MAX = 64 * 1024

RECFGCT_REFUSAL = """\
Cannot run if an online Peer Domain exists (see output of lsrpdomain).
For assistance with removing domains, refer to the rmrpnode and rmrpdomain commands.
"""


def lifecycle(argv: list[str]) -> int:
    """All commands of ``USAGES``, by the name they are called with."""
    command = os.path.basename(argv[0])
    try:
        options = parse(argv, FLAGS[command])
        names = options.operands if "h" in options else _names(command, options)
        if "h" not in options and (not names or (command in _DOMAINS and len(names) > 1)):
            raise UsageError("a name must be given" if not names else "too many operands")
        if "A" in options and "L" in options:
            raise UsageError("only one of -A and -L may be given")
        if not (wait := options.value("s", "0")).isascii() or not wait.isdigit():
            raise UsageError(f"{options.value('s')} is no number of seconds")
    except UsageError as error:
        sys.stderr.write(f"{command}: {error}\nUsage: {USAGES[command]}\n")
        return BAD_FLAG
    if "h" in options:
        sys.stdout.write(f"Usage: {USAGES[command]}\n")
        return OK
    try:
        domain = ask(NodeRoot.current())
    except (OSError, Unreachable, IdentityError):
        sys.stderr.write(f"{command}: {NO_SESSION}\n")
        return RMC_ERROR
    return _run(command, options, names, domain)


def _names(command: str, options: Options) -> list[str]:
    """The names on the command line, or in the file that ``-F`` (and of some commands ``-f``) names, one a line.

    A number sign begins a comment; "-" is standard input.

    Raises:
        UsageError: the file cannot be read.
    """
    path = options.get("F") or (options.get("f") if "f:" in FLAGS[command] and command != "mkrpdomain" else None)
    if not path:
        return options.operands
    try:
        text = sys.stdin.read(_NODES_FILE_MAX) if path == "-" else _read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    return [words[0] for line in text.splitlines() if (words := line.partition("#")[0].split())]


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read(_NODES_FILE_MAX)


def _run(command: str, options: Options, names: list[str], domain: Domain | None) -> int:
    if command == "preprpnode":
        return OK  # nodes of a CAA cluster trust each other by its key
    if command == "mkrpdomain":
        if domain is not None:
            return _refuse(command, f"This node is already in the peer domain {domain.cluster.cluster_name}.")
        return _refuse(command, "A peer domain of a CAA cluster is created with the cluster: use clmgr add cluster.")
    name = names[0]
    if command in _DOMAINS:
        if domain is None or name != domain.cluster.cluster_name:
            sys.stderr.write(f"{command}: 2632-020 The peer domain {name} is not defined.\n")
            return BAD_PARAMETER
        if command == "startrpdomain" and operational_state(domain) == "Offline":
            return _ran(command, ["/usr/bin/startsrc", "-s", "cthags"])
        if command == "rmrpdomain":
            return _ran(command, ["/usr/sbin/rmcluster", "-n", name, *(["-f"] if "f" in options else [])])
        return OK
    if domain is None:
        return _refuse(command, "This node is not online in a peer domain.")
    known = {node.name for node in domain.cluster.nodes}
    if command == "rmrpnode":
        return _remove(domain, [name for name in names if not ("q" in options and name not in known)], "f" in options)
    for node in names:
        if command == "addrpnode" and node in known:
            return _refuse(command, f"The node {node} is already defined in the peer domain.")
        if command != "addrpnode" and node not in known:
            sys.stderr.write(f"{command}: 2632-021 The node {node} is not defined in the peer domain.\n")
            return BAD_PARAMETER
    if command == "stoprpnode":
        return OK
    if command == "addrpnode":
        return _refuse(command, "The nodes of a CAA cluster are changed with the cluster: use clmgr or chcluster.")
    return _refuse(command, "A node of a CAA cluster is started with CAA: use clctrl -start.")


def _remove(domain: Domain, names: list[str], force: bool) -> int:
    """``rmrpnode``: the nodes leave the CAA cluster; all of them are checked before."""
    states = node_states(domain)
    for name in names:
        if name not in states:
            sys.stderr.write(f"rmrpnode: 2632-021 The node {name} is not defined in the peer domain.\n")
            return NO_NODE
        if states[name] == "Online" and not force:
            return _refuse("rmrpnode", f"The node {name} is online in the peer domain.")
    changes = ",".join(f"-{name}" for name in names)
    return _ran("rmrpnode", ["/usr/sbin/chcluster", "-m", changes]) if names else OK


def _refuse(command: str, text: str) -> int:
    sys.stderr.write(f"{command}: {text}\n")
    return INPUT_ERROR


def _ran(command: str, words: list[str]) -> int:
    """Run another command of the node; its complaints are shown, its success is silent."""
    root = NodeRoot.current()
    try:
        done = subprocess.run(
            [root.path(words[0]), *words[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        sys.stderr.write(f"{command}: {words[0]}: {error.strerror}\n")
        return SCRIPT_ERROR
    if done.returncode:
        sys.stderr.write(done.stderr or done.stdout)
        return SCRIPT_ERROR
    return OK


def lsnodeid(argv: list[str]) -> int:
    """``lsnodeid``: the node's RSCT id, in a domain or not."""
    try:
        root = NodeRoot.current()
        domain = ask(root)
        if domain is None:
            found = stored(root) or make(root)
        else:
            found = node_id(next(n.uuid for n in domain.cluster.nodes if n.number == domain.cluster.own))
    except (OSError, Unreachable, IdentityError) as error:
        sys.stderr.write(f"lsnodeid: {error}\n")
        return RMC_ERROR
    sys.stdout.write(found + "\n")
    return OK


def recfgct(argv: list[str]) -> int:
    """``recfgct``: another node id, for a node that was cloned; refused while the node is in a domain."""
    try:
        root = NodeRoot.current()
        if ask(root) is None:
            make(root)
            return OK
    except (OSError, Unreachable, IdentityError) as error:
        sys.stderr.write(f"recfgct: {error}\n")
        return RMC_ERROR
    sys.stderr.write(RECFGCT_REFUSAL)
    return 1
