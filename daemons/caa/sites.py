"""Sites of a CAA cluster: their names, shorthand ids and uuids, as mkcluster, chcluster and a synchronization set them.

The cluster is a stretched one: all sites share its repository disk (one site with a repository of its own would be a
linked cluster). Syntax: the AIX commands reference, mkcluster and chcluster; a site that is named for the first time
with ``-m`` and without ``-r`` comes into being with that node (inferred).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence

import msgspec

from daemons.caa.client import CaaError, Definition
from daemons.caa.messages import Site

NAME_MAX = 63
CREATED = ("cle_uuid", "cle_globid", "cle_prio")
CHANGED = ("cle_name", "cle_prio")
"""The attributes of a site in braces: of a new one, and of one that is changed."""


def split_entity(word: str, allowed: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A name and what stands behind it in braces: ``left{cle_prio=1,cle_globid=2}``.

    Raises:
        CaaError: it is no such word.
    """
    name, brace, rest = word.partition("{")
    if not is_name(name) or (brace and not rest.endswith("}")):
        raise CaaError(f"{word} is not a valid site name.")
    attributes: dict[str, str] = {}
    for pair in rest[:-1].split(",") if brace else ():
        key, mark, value = pair.strip().partition("=")
        if not mark or key not in allowed or not _fits(key, value):
            raise CaaError(f"{pair.strip()} is not a valid attribute of a site.")
        attributes[key] = value
    return name, attributes


def is_name(name: str) -> bool:
    """Whether that may be the name of a cluster or a site."""
    letters = all(c.isascii() and (c.isalnum() or c in "-._") for c in name)
    return 0 < len(name) <= NAME_MAX and name[0] != "-" and letters


def _fits(key: str, value: str) -> bool:
    match key:
        case "cle_uuid":
            try:
                return str(uuid.UUID(value)) == value.lower()
            except ValueError:
                return False
        case "cle_name":
            return is_name(value)
    return value.isascii() and value.isdigit() and len(value) <= 10 and 0 < int(value) < 1 << 31


def created(word: str, nodes: Sequence[str], present: Sequence[Site] = ()) -> Site:
    """A new site with those nodes, by its word on the command line.

    Raises:
        CaaError: the word is wrong, or a site has that shorthand id or uuid already.
    """
    name, attributes = split_entity(word, CREATED)
    number = int(attributes.get("cle_globid", _next(present)))
    identity = attributes.get("cle_uuid", "").lower() or str(uuid.uuid4())
    if any(site.number == number or site.uuid == identity for site in present):
        raise CaaError(f"{word}: a site has that id already.")
    return Site(name, number, identity, tuple(nodes), int(attributes.get("cle_prio", "0")))


def _next(present: Sequence[Site]) -> int:
    return max((site.number for site in present), default=0) + 1


def placed(sites: Sequence[Site], node: str, site: str) -> tuple[Site, ...]:
    """The sites when a node is at that one, which is made if need be; "" takes the node from its site.

    Raises:
        CaaError: the word for a new site is wrong.
    """
    found = tuple(
        msgspec.structs.replace(each, nodes=tuple(name for name in each.nodes if name != node)) for each in sites
    )
    if site and any(each.name == site for each in found):
        found = tuple(
            msgspec.structs.replace(each, nodes=(*each.nodes, node)) if each.name == site else each for each in found
        )
    elif site:
        found = (*found, created(site, (node,), found))
    return tuple(each for each in found if each.nodes)


def changed(word: str) -> Callable[[Definition], Definition]:
    """The change that ``chcluster -S sitename{cle_name=new,cle_prio=priority}`` makes.

    Raises:
        CaaError: a value is wrong; of the change: there is no such site, or nothing to change.
    """
    name, attributes = split_entity(word, CHANGED)

    def change(definition: Definition) -> Definition:
        if name not in (site.name for site in definition.sites):
            raise CaaError(f"{name} is not a site of the cluster.")
        if not attributes:
            raise CaaError(f"{name}: nothing to change.")
        new = attributes.get("cle_name", name)
        if new != name and any(site.name == new for site in definition.sites):
            raise CaaError(f"{new} is a site of the cluster already.")
        sites = tuple(
            msgspec.structs.replace(site, name=new, priority=int(attributes.get("cle_prio", site.priority)))
            if site.name == name
            else site
            for site in definition.sites
        )
        return msgspec.structs.replace(definition, sites=sites)

    return change


def assigned(wanted: Mapping[str, Sequence[str]]) -> Callable[[Definition], Definition]:
    """The change after which a cluster has those sites (names, and nodes at each); one keeps its ids by its name."""

    def change(definition: Definition) -> Definition:
        members = {node.name for node in definition.nodes}
        old = {site.name: site for site in definition.sites}
        sites: list[Site] = []
        for name, nodes in wanted.items():
            here = tuple(node for node in nodes if node in members)
            if not here:
                continue
            if name in old:
                sites.append(msgspec.structs.replace(old[name], nodes=here))
            else:
                sites.append(Site(name, _next([*old.values(), *sites]), str(uuid.uuid4()), here))
        return msgspec.structs.replace(definition, sites=tuple(sites))

    return change
