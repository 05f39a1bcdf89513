"""Requests to the running cluster: cluster services, resource groups, what the nodes say of themselves."""
