"""cl_sm_continue and cl_sm_recover: an operator's answer to a split or a merge under policy Manual.

The names are the product's; their words are inferred.
"""

from __future__ import annotations

import sys

from daemons.caa import client as caa
from daemons.cthags import query as cthags
from srcctl.node.root import NodeRoot


def cl_sm_continue(argv: list[str]) -> int:
    """The nodes of this side go on; run on one of them."""
    return _decide(argv, "cl_sm_continue", True)


def cl_sm_recover(argv: list[str]) -> int:
    """The action plan is taken on the nodes of this side; run on one of them."""
    return _decide(argv, "cl_sm_recover", False)


def _decide(argv: list[str], name: str, go_on: bool) -> int:
    if len(argv) != 1:
        print(f"Usage: {name}", file=sys.stderr)
        return 1
    root = NodeRoot.current()
    what = "goes on" if go_on else "takes the action plan"
    try:
        caa.decide(root, go_on)
    except caa.CaaError as error:
        try:
            if not cthags.decide(root, go_on):
                print(f"{name}: {error}.", file=sys.stderr)
                return 1
        except cthags.Unreachable:
            print(f"{name}: {error}.", file=sys.stderr)
            return 1
    print(f"{name}: this side of the cluster {what}.")
    return 0
