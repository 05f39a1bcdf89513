"""Shared storage: disks, volume groups, logical volumes, file systems, mirror pools, repository disks."""
