"""Many nodes on one host: the lab, its power switch and its faults, and the ``srcctl`` command."""
