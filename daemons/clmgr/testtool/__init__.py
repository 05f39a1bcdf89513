"""The Cluster Test Tool: nodes, networks, resource groups and applications fail on purpose, one after the other, and it
looks whether the cluster does what it should."""
