"""Disks, volume groups and file systems of a lab's nodes."""
