"""query: the attributes of every class, from the configuration and the running cluster; a module a family of classes.

The names and their order are the product's as far as they are published; values without a field in a published class
come from the dynamic settings.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from daemons.clmgr.queries.facts import Facts
from daemons.clmgr.queries.shapes import Block
from daemons.cluster.configuration import Configuration

__all__ = ["CLASSES", "EVERY_NODE", "LIVE", "Facts", "Query", "of", "query"]

Query = Callable[[Configuration, Facts], list[Block]]

_FAMILIES = {
    "cluster": ("cluster",),
    "topology": ("site", "node", "network", "interface", "persistent_ip", "service_ip", "repository"),
    "resources": ("resource_group", "application_controller", "application_monitor", "tape", "dependency",
                  "fallback_timer", "udresource_type", "udresource"),
    "customization": ("file_collection", "method", "event", "log"),
}  # fmt: skip
CLASSES = tuple(name for classes in _FAMILIES.values() for name in classes)
"""Those whose objects are in the configuration."""
LIVE = ("cluster", "node", "site", "resource_group", "service_ip")
"""Classes whose attributes need the running cluster."""
EVERY_NODE = ("cluster", "node", "site")
"""Classes that need every node's own state."""


def of(class_name: str) -> Query | None:
    """The query of a class; None for those that are made by the storage side or from files."""
    family = next((family for family, classes in _FAMILIES.items() if class_name in classes), "")
    if not family:
        return None
    module = f"daemons.clmgr.queries.{family}"
    __import__(module)
    found: Query = sys.modules[module].QUERIES[class_name]
    return found


def query(class_name: str, c: Configuration, facts: Facts) -> list[Block]:
    """The blocks of all objects of a class."""
    found = of(class_name)
    return found(c, facts) if found is not None else list(facts.storage)
