"""The cluster's configuration as one value, read from and written to the HACMP* object classes.

The classes and their fields are those of the product (the published format of a cluster snapshot, and administrators'
``odmget`` listings; the order of fields is inferred where no listing was seen). Three copies exist on a node: the
default directory that configuration commands edit (DCD), the staging one (SCD) and the active one (ACD), which alone
the running daemons and event scripts read.
"""

from daemons.cluster.configuration.customization import (
    CustomMethod,
    EventCustomization,
    FileCollection,
    LogFile,
    NotifyMethod,
    UserDefinedEvent,
)
from daemons.cluster.configuration.model import Configuration, load, load_defined, objects_of, store, undefined
from daemons.cluster.configuration.objects import (
    ACD,
    CHANGE_JOURNAL,
    CHANGE_LOCK,
    CLASSES,
    CLUSTER_VERSION,
    DCD,
    SCD,
    SEEDED_CLASSES,
    ConfigurationFault,
    OdmObject,
    Repository,
    whole_number,
)
from daemons.cluster.configuration.policies import FallbackTimer, GroupDependency, LocationDependency
from daemons.cluster.configuration.resources import ApplicationController, ApplicationMonitor, ResourceGroup, Tape
from daemons.cluster.configuration.topology import Cluster, Label, Network, Node, Site
from daemons.cluster.configuration.user_defined import ResourceType, UserDefinedResource

__all__ = [
    "ACD",
    "CHANGE_JOURNAL",
    "CHANGE_LOCK",
    "CLASSES",
    "CLUSTER_VERSION",
    "DCD",
    "SCD",
    "SEEDED_CLASSES",
    "ApplicationController",
    "ApplicationMonitor",
    "Cluster",
    "Configuration",
    "ConfigurationFault",
    "CustomMethod",
    "EventCustomization",
    "FallbackTimer",
    "FileCollection",
    "GroupDependency",
    "Label",
    "LocationDependency",
    "LogFile",
    "Network",
    "Node",
    "NotifyMethod",
    "OdmObject",
    "Repository",
    "ResourceGroup",
    "ResourceType",
    "Site",
    "Tape",
    "UserDefinedEvent",
    "UserDefinedResource",
    "load",
    "load_defined",
    "objects_of",
    "store",
    "undefined",
    "whole_number",
]
