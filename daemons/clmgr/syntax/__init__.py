"""clmgr's command line: actions, classes, attributes, their names and the domains of their values."""
