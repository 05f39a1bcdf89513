"""The environment of event scripts: where the node's programs and logs are, and what is wrapped around events."""

from __future__ import annotations

import os

from daemons.clstrmgr.eventlog import LogFiles
from daemons.clstrmgr.object_classes import EVENTS
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot

UTILITIES = "/usr/es/sbin/cluster/utilities"


def script_environment(
    root: NodeRoot,
    configuration: Configuration | None,
    files: LogFiles,
    variables: tuple[tuple[str, str], ...],
    level: str,
) -> dict[str, str]:
    """The whole environment; ``variables`` are those of the event, ``level`` that of the installed product."""
    environment = dict(os.environ)
    directories = [root.path(f"{EVENTS}"), root.path(f"{EVENTS}/utils"), root.path(UTILITIES)]
    node = root.identity.node
    environment.update(variables)
    environment.update(
        PATH=":".join([*directories, environment.get("PATH", "/usr/bin:/bin")]),
        LOCALNODENAME=node,
        CLUSTER_LEVEL=level,
        CLUSTER_NAME=configuration.cluster.name if configuration is not None else "",
        HACMP_LOG=files.hacmp_out,
        CLUSTER_LOG=files.cluster_log,
        HISTORY_DIR=files.history,
        VERBOSE_LOGGING=_verbose(configuration, node),
        QUARANTINE_POLICY=configuration.setting("QUARANTINE_POLICY") if configuration is not None else "",
        CUSTOMIZED_EVENTS=" ".join(
            event.name
            for event in (configuration.events if configuration is not None else ())
            if event.notify or event.pre or event.post or event.recovery
        ),
        NOTIFIED_EVENTS=" ".join(
            event
            for method in (configuration.notify_methods if configuration is not None else ())
            if node in method.nodes
            for event in method.events
        ),
    )
    return environment


def _verbose(configuration: Configuration | None, node: str) -> str:
    own = configuration.node(node) if configuration is not None else None
    return dict(own.settings).get("VERBOSE_LOGGING", "high") if own is not None else "high"
