"""SRC's object classes: what everybody who reads them relies on.

An administrator may drop a class and make another one of its name (odmdrop, odmcreate). The descriptors that SRC needs
are looked at whenever the class is read, so that nobody meets an object that lacks one.
"""

from __future__ import annotations

from srcctl.odm import OdmError, Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from srcctl.node.root import NodeRoot
    from srcctl.odm.description import ObjectClass

DIRECTORY = "/etc/objrepos"
CLASSES = ("SRCsubsys", "SRCnotify", "SRCsubsvr")
STRINGS = {
    "SRCsubsys": "subsysname synonym cmdargs path standin standout standerr grpname",
    "SRCsubsvr": "sub_type subsysname",
    "SRCnotify": "notifyname notifymethod",
}
NUMBERS = {
    "SRCsubsys": "uid auditid action multi contact svrkey svrmtype priority signorm sigforce display waittime",
    "SRCsubsvr": "sub_code",
    "SRCnotify": "",
}


class SrcRepository(Repository):
    """The object repository that holds SRC's classes."""

    def __init__(self, root: NodeRoot) -> None:
        super().__init__(root, DIRECTORY)

    def _check(self, object_class: ObjectClass) -> None:
        for wanted, is_integer in ((STRINGS, False), (NUMBERS, True)):
            for name in wanted.get(object_class.name, "").split():
                descriptor = object_class.descriptor(name)
                if descriptor is None or descriptor.is_integer != is_integer:
                    raise OdmError(
                        "ODMI_INVALID_CLASS",
                        f"{object_class.name} is not the class of SRC: {name} "
                        f"{'is missing' if descriptor is None else 'is of another type'}",
                    )
