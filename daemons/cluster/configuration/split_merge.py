"""The split, merge and action policies that there are, as HACMPsplitmerge spells them. Pure data.

clmgr takes them in any case; who reads them from the object class compares in lower case, since whoever edits it by
hand may write any. The first one of each counts where none is set.
"""

from __future__ import annotations

SPLIT_POLICIES = ("None", "TieBreaker", "Manual", "NFS")
MERGE_POLICIES = ("Majority", "None", "Priority", "TieBreaker", "Manual", "NFS")
ACTION_PLANS = ("Reboot", "Disable_RGs_Autostart", "Disable_Cluster_Services_Autostart")
POLICIES = {"split": SPLIT_POLICIES, "merge": MERGE_POLICIES, "action": ACTION_PLANS}
"""By the name under which each is stored."""
_WITHOUT_SPLIT = ("none", "majority", "priority")
"""Merge policies of clusters whose split policy arbitrates nothing; every other policy is both, or neither."""


def go_together(split: str, merge: str) -> bool:
    """Whether a split policy and a merge policy can be combined; in any case."""
    split, merge = split.lower(), merge.lower()
    return merge in _WITHOUT_SPLIT if split == "none" else split == merge
