"""The same configuration on every node: cldare and clmgr sync, what follows them, file collections."""
