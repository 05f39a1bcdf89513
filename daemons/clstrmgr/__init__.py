"""clstrmgrES, the cluster manager: events, recovery programs and resource groups."""
