"""The operating system's side: what AIX gives a daemon.

What every node has running all the time (lpar, srcmstr) and what starts often (the commands) takes a few things of the
interpreter by their inner names: ``_socket``, ``_thread``, ``_operator``. Their public modules import enum, selectors,
collections and more, which a process keeps: socket and json 1.0 MB each, signal 0.8, threading 0.7, hashlib 0.6,
operator 0.1 (measured, of 8.0 MB of lpar and srcmstr together), and a command starts the longer for them. For json,
signal and hashlib that is done in one module each: ``commands.plain_json``, ``node.signals``, ``digest``. Where nothing
is gained (struct) the public module is taken.
"""
