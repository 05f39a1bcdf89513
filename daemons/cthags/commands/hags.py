"""hagsns, hagsvote, hagsgr, hagscl and hagspbs: what Group Services' name server, votes, groups and links are doing;
hags_stopdms and hags_disable_client_kill, before an orderly stop.

Syntax: the manual pages of hagsns and hagsvote (the others share it). The head of hagsns and the local part of hagsvote
are laid out as printed examples show; of the rest no output is published: inferred from those.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from daemons.cthags.messages import (
    ENET_MEMBERSHIP,
    HOST_MEMBERSHIP,
    Ballots,
    Disarm,
    DomainStatus,
    GroupStatus,
    Provider,
)
from daemons.cthags.query import Unreachable, disarm, query_status
from srcctl.commands.options import Options, UsageError, parse
from srcctl.node.root import IdentityError, NodeRoot
from srcctl.src.catalogue import message

SUBSYSTEM = "cthags"
RULE = "-" * 63
DIRECTORY = "/usr/sbin/rsct/bin"
CODE_LEVEL = 8
"""The "DRL" of the published example."""

NO_VALUE = "No vote value"
VOTES = {"approve": "Approve", "continue": "Continue", "reject": "Reject", "": NO_VALUE}
PROTOCOLS = {
    "join": "Join",
    "leave": "Leave",
    "failure_leave": "Failure Leave",
    "expel": "Expel",
    "cast_out": "Cast Out",
    "state_change": "State Value Change",
    "message": "Provider Message",
    "attribute_change": "Attribute Change",
    "source_reflection": "Source State Reflection",
}

Render = Callable[[DomainStatus, Options], str]


def hagsns(argv: list[str]) -> int:
    """``hagsns``: the name server."""
    return _command("hagsns", argv, "", lambda status, options: name_server(status, time.time()))


def hagsvote(argv: list[str]) -> int:
    """``hagsvote``: the votes of all groups, or of one (-a)."""
    return _command("hagsvote", argv, "la:", votes)


def hagsgr(argv: list[str]) -> int:
    """``hagsgr``: all groups, or one (-a)."""
    return _command("hagsgr", argv, "la:", group_table)


def hagscl(argv: list[str]) -> int:
    """``hagscl``: the clients of this node; each of them with -l."""
    from daemons.cthags.commands.hagscl import clients

    return _command("hagscl", argv, "l", clients)


def hagspbs(argv: list[str]) -> int:
    """``hagspbs``: the reliable links to the other members of the view."""
    return _command("hagspbs", argv, "l", lambda status, options: broadcast(status))


def hags_stopdms(argv: list[str]) -> int:
    """``hags_stopdms -s cthags``: silence on success (inferred), as of the next one."""
    return _command("hags_stopdms", argv, "", lambda status, options: _disarmed(Disarm(dead_mans_switch=True)))


def hags_disable_client_kill(argv: list[str]) -> int:
    """``hags_disable_client_kill -s cthags``."""
    return _command("hags_disable_client_kill", argv, "", lambda status, options: _disarmed(Disarm(client_kill=True)))


def _disarmed(request: Disarm) -> str:
    disarm(NodeRoot.current(), request)
    return ""


def _command(name: str, argv: list[str], flags: str, render: Render) -> int:
    extra = "".join(f" [-{flag}{' group' if flag == 'a' else ''}]" for flag in flags.replace(":", ""))
    try:
        options = parse(argv, f"h:cg:s:p:{flags}")
        if sum(flag in options for flag in "gsp") != 1 or options.operands:
            raise UsageError("one of -g, -s and -p")
    except UsageError:
        sys.stderr.write(f"Usage: {name} [-h host]{extra} [-c] {{ -g group_name | -s subsystem | -p subsystem_pid }}\n")
        return 1
    if "h" in options:
        return _on_host(name, options)
    for flag, number in (("s", 85), ("g", 86)):
        if options.value(flag, SUBSYSTEM) != SUBSYSTEM:
            sys.stderr.write(message(number, options.value(flag)) + "\n")
            return 1
    try:
        status = query_status(NodeRoot.current())
    except (Unreachable, IdentityError):
        sys.stderr.write(message(36, SUBSYSTEM) + "\n")
        return 1
    if options.value("p", str(status.pid)) != str(status.pid):
        sys.stderr.write(message(84) + "\n")
        return 1
    wanted = options.get("a")
    if wanted is not None and all(group.name != wanted for group in known_groups(status)):
        sys.stderr.write(f"{name}: the group {wanted} is not known on this node.\n")
        return 1
    try:
        sys.stdout.write(render(status, options))
    except Unreachable:
        sys.stderr.write(message(36, SUBSYSTEM) + "\n")
        return 1
    return 0


def _on_host(name: str, options: Options) -> int:
    """The same command on another node, through its clcomd (the product asks the other daemon's SRC: inferred)."""
    from daemons.clcomd import client as clcomd

    words = [f"{DIRECTORY}/{name}"]
    for flag, values in options.values.items():
        if flag != "h":
            words += [f"-{flag}", values[-1]] if flag in "gspa" else [f"-{flag}"]
    try:
        result = clcomd.run(NodeRoot.current(), options.value("h"), words)
    except clcomd.ClcomdError as error:
        sys.stderr.write(f"{name}: {options.value('h')}: {error}.\n")
        return 1
    except IdentityError:
        sys.stderr.write(message(36, SUBSYSTEM) + "\n")
        return 1
    sys.stdout.write(result.out.decode(errors="replace"))
    sys.stderr.write(result.err.decode(errors="replace"))
    return result.status


# hagsns --------------------------------------------------------------------------------------------------------------


def name_server(status: DomainStatus, now: float) -> str:
    """The text of hagsns. NodeID and domainID are incarnation and node, of this daemon and of the name server."""
    if status.established:
        word, state = "NS established", "kCertain"
    elif status.view:
        word, state = "NS recovering", "kBecomeNS" if status.leader == status.node else "kDeferring"
    else:
        word, state = "NS not established", "kGrovel" if min(status.alive, default=0) == status.node else "kDeferring"
    protocol = "kMembershipProtocol" if status.proposing else "kNoProtocol"
    domain = f"{status.leader_incarnation}.{status.leader}" if status.view else "0.Nil"
    lines = [
        "HA GS NameServer Status",
        f"NodeID={status.incarnation}.{status.node}, pid={status.pid}, domainID={domain}, {word},"
        f"CodeLevel=GSLevel(DRL={CODE_LEVEL})",
        f"NS state={state}, protocolInProgress={protocol},outstandingBroadcast=KNoBcast",
        f"Process started on {_moment(status.started_at)}, ({_span(now - status.started_at)}) ago, "
        f"HB connection took ({_span(status.connected_after)}).",
    ]
    if status.first_certain_at:
        since, took = now - status.first_certain_at, status.first_certain_at - status.started_at
        lines.append(
            f"Initial NS certainty on {_moment(status.first_certain_at)}, ({_span(since)}) ago, taking ({_span(took)})."
        )
        if status.established:
            lines.append(
                f"Our current epoch of certainty started on {_moment(status.certain_at)}, "
                f"({_span(now - status.certain_at)}) ago."
            )
    lines.append(f"Number of UP nodes: {len(status.alive)}")
    lines.append(f"List of UP nodes: {' '.join(map(str, status.alive))}")
    return "\n".join(lines) + "\n"


def _moment(at: float) -> str:
    return time.strftime("%b %d %H:%M:%S", time.localtime(at))


def _span(seconds: float) -> str:
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86400)
    clock = f"{rest // 3600}:{rest // 60 % 60}:{rest % 60}"
    return f"{days}d {clock}" if days else clock


# hagsvote ------------------------------------------------------------------------------------------------------------


def known_groups(status: DomainStatus) -> list[GroupStatus]:
    """All groups in the order of their slots, the system groups first."""
    hosts = tuple(Provider(node, 0) for node in status.alive)
    return [
        GroupStatus(HOST_MEMBERSHIP, 0, hosts, 0, len(status.host_subscribers), subscribers=status.host_subscribers),
        GroupStatus(ENET_MEMBERSHIP, 0, status.adapters, 0, 0),
        *status.groups,
    ]


def votes(status: DomainStatus, options: Options) -> str:
    """The text of hagsvote; -l adds who has voted."""
    groups = known_groups(status)
    lines = [f"Number of groups: {len(groups)}"]
    for slot, group in enumerate(groups):
        if options.get("a", group.name) != group.name:
            continue
        leader = str(group.leader) if group.leader else "Unknown"
        lines.append(f"Group slot #[{slot}] Group name [{group.name}] GL node [{leader}] voting data:")
        if not group.protocol:
            lines += ["No protocol is currently executing in the group.", RULE]
            continue
        kind = PROTOCOLS.get(group.protocol, group.protocol)
        lines.append(f"GL in phase [{group.phase}] of n-phase protocol of type [{kind}].")
        if "l" in options:
            lines += _local_votes(status, group)
            if group.leader == status.node:
                lines += _global_votes(group)
        lines.append(RULE)
    return "\n".join(lines) + "\n"


def _local_votes(status: DomainStatus, group: GroupStatus) -> list[str]:
    local = [ballot for ballot in group.ballots if ballot.provider.node == status.node]
    waiting = [ballot for ballot in local if not ballot.vote and not ballot.failed]
    submitted = "vote submitted" if not waiting else "vote not submitted"
    lines = [
        "Local voting data:",
        f"Number of local providers: {len(local)}",
        f"Number of local providers not yet voted: {len(waiting)} ({submitted}).",
        _given(group, local),
        "ProviderId      Voted?  Failed? Conditional?",
    ]
    for ballot in local:
        conditional = group.protocol == "join" and ballot.provider not in group.providers
        lines.append(f"{ballot.provider!s:<16}{_yes(bool(ballot.vote)):<8}{_yes(ballot.failed):<8}{_yes(conditional)}")
    return lines


def _global_votes(group: GroupStatus) -> list[str]:
    nodes = sorted({ballot.provider.node for ballot in group.ballots})
    late = sorted({ballot.provider.node for ballot in group.ballots if not ballot.vote and not ballot.failed})
    return [
        "Global voting data:",
        f"Number of nodes in group: {len(nodes)}",
        f"Number of global nodes not yet voted: {len(late)}",
        _given(group, list(group.ballots)),
        *([f"Nodes that have not voted: {' '.join(map(str, late))}"] if late else []),
    ]


def _given(group: GroupStatus, ballots: list[Ballots]) -> str:
    cast = {ballot.vote for ballot in ballots if ballot.vote}
    given = next((VOTES[vote] for vote in ("reject", "continue", "approve") if vote in cast), NO_VALUE)
    failed = any(ballot.failed for ballot in ballots)
    return f"Given vote:[{given}] Default vote:[{VOTES[group.default_vote] if failed else NO_VALUE}]"


def _yes(value: bool) -> str:
    return "Yes" if value else "No"


# hagsgr --------------------------------------------------------------------------------------------------------------


def group_table(status: DomainStatus, options: Options) -> str:
    """The text of hagsgr."""
    groups = known_groups(status)
    lines = [f"Number of: groups: {len(groups)}"]
    for slot, group in enumerate(groups):
        if options.get("a", group.name) != group.name:
            continue
        state = "Running" if group.protocol else "Idle"
        lines.append(f"Group slot # [{slot}] Group name [{group.name}] group state [Inserted |{state} |]")
        lines.append(f"Providers [{''.join(map(str, group.providers))}]")
        lines.append(f"Local subscribers [{''.join(group.subscribers)}]")
        if group.source_group:
            lines.append(f"Source group [{group.source_group}]")
    return "\n".join(lines) + "\n"


# hagspbs -------------------------------------------------------------------------------------------------------------


def broadcast(status: DomainStatus) -> str:
    """The text of hagspbs."""
    lines = [
        "HA GS Broadcast Status",
        f"NodeID={status.incarnation}.{status.node}, view=({status.view},{status.leader}), "
        f"operations={status.position}, stable={status.stable}",
        "Node  Sent        Acknowledged  Waiting",
    ]
    lines += [f"{link.node:<6}{link.sent:<12}{link.acknowledged:<14}{link.waiting}" for link in status.links]
    return "\n".join(lines) + "\n"
