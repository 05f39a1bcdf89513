"""Snapshots of the configuration: clmgr's class, and clsnapshot."""
