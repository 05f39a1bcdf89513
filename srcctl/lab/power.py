"""The power switch: which nodes are on, and running commands on them.

The lab's side of ``srcctl.node.power`` and ``srcctl.node.enter``: names of the lab in, errors of the lab out.
"""
