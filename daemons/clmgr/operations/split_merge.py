"""``cl_sm``: the split and merge policies, shown and changed; what SMIT calls behind its panels.

The output is that of a call which was seen; of the options only those for NFS are, the others are inferred. As clmgr
knows the policies, this changes them by the same edit.
"""

from __future__ import annotations

import sys

from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.syntax import grammar
from daemons.cluster.configuration import DCD, Configuration, load
from srcctl.commands.options import Options, UsageError, parse
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

USAGE = (
    "Usage: cl_sm [-s split_policy] [-m merge_policy] [-a action_plan] [-t tiebreaker_disk]\n"
    "             [-k nfs_server -g local_directory -p export_directory]\n"
)
ATTRIBUTES = {
    "s": "SPLIT_POLICY",
    "m": "MERGE_POLICY",
    "a": "ACTION_PLAN",
    "t": "TIEBREAKER",
    "k": "NFS_QUORUM_SERVER",
    "g": "LOCAL_QUORUM_DIRECTORY",
    "p": "REMOTE_QUORUM_DIRECTORY",
}
WORDS = {"tie breaker": "tiebreaker"}
PARTNERS = {"none": "majority"}
"""The merge policy that goes with a split policy; any other goes with itself."""
PLANS = {"Reboot": "Restart"}
"""Action plans as cl_sm prints them, where that is seen."""


def cl_sm(argv: list[str]) -> int:
    """``cl_sm``; without options it only shows the policies."""
    try:
        options = parse(argv, "s:m:a:t:k:g:p:h")
        if options.operands:
            raise UsageError("operands")
    except UsageError as error:
        sys.stderr.write(f"cl_sm: {error}\n{USAGE}")
        return 1
    if "h" in options:
        sys.stdout.write(USAGE)
        return 0
    root = NodeRoot.current()
    try:
        if changes := _changes(options):
            from daemons.clmgr.transactions import changes as transactions

            words = [f"{name}={value}" for name, value in changes.items()]
            transactions.change(root, grammar.parse(["modify", "cluster", *words]))
        configuration = load(Repository(root, DCD))
    except (ClmgrError, OdmError) as error:
        sys.stderr.write(f"cl_sm: {error}\n")
        return 1
    if configuration is None:
        sys.stderr.write("cl_sm: no cluster is defined.\n")
        return 1
    if changes:
        print("The PowerHA SystemMirror split and merge policies have been updated.")
    print("\n".join(report(configuration)))
    if changes:
        print("The configuration must be synchronized to make this change known across the cluster.")
    return 0


def _changes(options: Options) -> dict[str, str]:
    changes = {name: options.value(flag) for flag, name in ATTRIBUTES.items() if flag in options}
    for name in ("SPLIT_POLICY", "MERGE_POLICY", "ACTION_PLAN"):
        if name in changes:
            word = changes[name].strip().lower()
            changes[name] = WORDS.get(word, word)
    if "SPLIT_POLICY" in changes and "MERGE_POLICY" not in changes:
        split = changes["SPLIT_POLICY"]
        changes["MERGE_POLICY"] = PARTNERS.get(split, split)
    elif "MERGE_POLICY" in changes and "SPLIT_POLICY" not in changes:
        merge = changes["MERGE_POLICY"]
        changes["SPLIT_POLICY"] = merge if merge in ("tiebreaker", "nfs", "manual") else "none"
    return changes


def report(configuration: Configuration) -> list[str]:
    """The lines that tell the policies."""
    policies = dict(configuration.split_merge)
    split, merge = policies.get("split", "None"), policies.get("merge", "Majority")
    plan = policies.get("action", "Reboot")
    lines = [
        "Current policies are:",
        f"Split Handling Policy :             {split}",
        f"Merge Handling Policy :             {merge}",
    ]
    if "NFS" in (split, merge):
        lines += [
            f"NFS Export Server : {configuration.setting('NFS_QUORUM_SERVER')}",
            f"Local Mount Directory   : {configuration.setting('LOCAL_QUORUM_DIRECTORY')}",
            f"NFS Export Directory : {configuration.setting('REMOTE_QUORUM_DIRECTORY')}",
        ]
    if "TieBreaker" in (split, merge):
        lines.append(f"Tie Breaker :                       {policies.get('tiebreaker', '')}")
    return [*lines, f"Split and Merge Action Plan :       {PLANS.get(plan, plan)}"]
