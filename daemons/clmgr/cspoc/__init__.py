"""C-SPOC: AIX commands on many nodes at the same time."""
