"""Edits of the cluster itself: its object, split and merge policies, and dynamic settings."""

from __future__ import annotations

import time

from msgspec.structs import replace

from daemons.clmgr.edits.parts import Surroundings, named
from daemons.clmgr.edits.topology import with_node
from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError, invalid, invalid_characters, missing
from daemons.clmgr.settings import ORDERS, SETTINGS, TUNABLES
from daemons.clmgr.syntax.attributes import is_name
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Cluster, Configuration
from daemons.cluster.configuration.split_merge import POLICIES, go_together


def add_cluster(request: Request, base: Configuration, here: Surroundings) -> Configuration:
    """A new cluster with its nodes, the networks that they have, and their boot interfaces.

    ``base`` is what the node has without a cluster. The default name is the local node's with ``_cluster``.

    Raises:
        ClmgrError: a name or value is wrong, a node or disk is not there.
    """
    if len(request.names) > 1:
        raise ClmgrError("a cluster has one name.", INCORRECT_INPUT)
    name = request.names[0] if request.names else f"{here.identity.node}_cluster"
    if not is_name(name):
        raise invalid_characters("CLUSTER_NAME", name)
    c = replace(
        base,
        cluster=Cluster(id=int(time.time()), name=name),
        split_merge=tuple((policy, POLICIES[policy][0]) for policy in ("action", "split", "merge")),
    )
    nodes = request.words("NODES") or [here.identity.node]
    if here.identity.node not in nodes:
        # It could never be synchronized from here, nor be known elsewhere (inferred).
        raise ClmgrError(f'the local node ("{here.identity.node}") must be one of NODES.', INCORRECT_INPUT)
    for node in nodes:
        c = with_node(c, here.identity, node, node)
    return _attributes(request, c, here)


def modify_cluster(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify cluster``."""
    if request.names and request.names != [c.cluster.name]:
        from daemons.clmgr.errors import does_not_exist

        raise does_not_exist(request.names[0])
    if not request.attributes:
        raise missing("NAME")
    return _attributes(request, c, here)


def _attributes(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    given = request.attributes
    changes: dict[str, object] = {}
    if name := given.get("NAME"):
        changes["name"] = name
    if "HEARTBEAT_TYPE" in given:
        changes["heartbeat_type"] = "C" if given["HEARTBEAT_TYPE"] == "multicast" else "U"
    if "RG_SETTLING_TIME" in given:
        changes["settling_time"] = int(given["RG_SETTLING_TIME"] or 0)
    if "RG_DIST_POLICY" in given:
        changes["distribution_policy"] = given["RG_DIST_POLICY"] or "node"
    if "DAILY_VERIFICATION" in given:
        changes["automatic_verification"] = given["DAILY_VERIFICATION"] in ("Enabled", "yes", "true")
    if "VERIFICATION_HOUR" in given:
        changes["verification_hour"] = int(given["VERIFICATION_HOUR"] or 0)
    if node := given.get("VERIFICATION_NODE"):
        changes["verification_node"] = "" if node.lower() == "default" else named(node, c.nodes).name
    if level := given.get("SECURITY_LEVEL"):
        changes["message_authentication"] = "" if level == "Disable" else level
    c = replace(c, cluster=replace(c.cluster, **changes))
    if "CLUSTER_IP" in given:
        if given["CLUSTER_IP"] and c.cluster.heartbeat_type != "C":
            raise ClmgrError('"CLUSTER_IP" is the address of HEARTBEAT_TYPE=multicast.', INCORRECT_INPUT)
        c = replace(c, multicast_address=given["CLUSTER_IP"])
    if given.get("TYPE") == "LC":
        raise ClmgrError(
            'the cluster type "LC" is not available: the sites of a linked cluster have a repository disk each.',
            INCORRECT_INPUT,
        )
    if "TYPE" in given:
        c = c.with_setting("CLUSTER_TYPE", "" if given["TYPE"] == "NSC" else given["TYPE"])
    if "REPOSITORIES" in given:
        disks = tuple(dict.fromkeys(here.disk(word) for word in request.words("REPOSITORIES")))
        c = replace(c, repository=disks[0] if disks else "", backup_repositories=disks[1:])
    return _settings(request, _split_merge(request, c, here))


def _split_merge(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    policies, given = dict(c.split_merge), request.attributes
    for attribute, policy in (("SPLIT_POLICY", "split"), ("MERGE_POLICY", "merge"), ("ACTION_PLAN", "action")):
        if given.get(attribute):
            policies[policy] = given[attribute]
    if "TIEBREAKER" in given:
        policies["tiebreaker"] = here.disk(given["TIEBREAKER"]) if given["TIEBREAKER"] else ""
    split, merge = (policies.get(policy, POLICIES[policy][0]) for policy in ("split", "merge"))
    if ("SPLIT_POLICY" in given or "MERGE_POLICY" in given) and not go_together(split, merge):
        raise invalid("SPLIT_POLICY" if "SPLIT_POLICY" in given else "MERGE_POLICY", f"split {split}, merge {merge}")
    if "TieBreaker" in (split, merge) and not policies.get("tiebreaker"):
        raise missing("TIEBREAKER")
    if "NFS" in (split, merge):
        for attribute in ("NFS_QUORUM_SERVER", "LOCAL_QUORUM_DIRECTORY", "REMOTE_QUORUM_DIRECTORY"):
            if not given.get(attribute, c.setting(attribute)):
                raise missing(attribute)
    return replace(c, split_merge=tuple((name, value) for name, value in policies.items() if value))


def _settings(request: Request, c: Configuration) -> Configuration:
    given = dict(request.attributes)
    if "SKIP_EVENT_PROCESSING_MANAGE_NODE" in given:
        given["SKIP_EVENT_PROCESSING_MANAGE_MODE"] = given["SKIP_EVENT_PROCESSING_MANAGE_NODE"]
    if "CAA_AUTO_START_DR" in given:
        given["CAA_AUTO_START_DR"] = {"yes": "Enabled", "no": "Disabled"}.get(
            given["CAA_AUTO_START_DR"], given["CAA_AUTO_START_DR"]
        )
    if given.get("CRITICAL_RG"):
        named(given["CRITICAL_RG"], c.groups)
    for order in ORDERS:
        if order in given:
            names = list(dict.fromkeys(request.words(order)))
            for name in names:
                named(name, c.groups)
            c = c.with_setting(order, " ".join(names))
    if given.get("DEFAULT_SURVIVING_SITE"):
        named(given["DEFAULT_SURVIVING_SITE"], c.sites)
    for name in TUNABLES:
        if name in given:
            c = c.with_setting(name, given[name])
    for name, default in SETTINGS.items():
        if name in given:
            c = c.with_setting(name, "" if given[name] == default else given[name])
    return c


ADD = {"cluster": add_cluster}
MODIFY = {"cluster": modify_cluster}
