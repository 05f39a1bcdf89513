"""Devices of a node: what cfgmgr finds, and the commands over the object classes CuDv, CuAt, PdDv and PdAt."""
