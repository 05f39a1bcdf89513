"""clmgr, the front end of the administrator: one request, from the command line to its end.

syntax            the command line and the tables of attributes
queries           query: what is gathered, and the shapes it is printed in
edits             add, modify, delete as pure functions
transactions      their shell: locks, redo journal, what goes beyond the configuration
verification      verify
synchronization   sync, cldare, file collections
snapshots         snapshots, clsnapshot
storage, cspoc    shared storage, commands on many nodes
operations        online, offline, move, recover, manage
views             view, cldisp
"""
