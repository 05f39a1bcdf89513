"""SRC's object classes, and where they are."""

DIRECTORY = "/etc/objrepos"
CLASSES = ("SRCsubsys", "SRCnotify", "SRCsubsvr")
