"""Errors of the Object Data Manager, under the names of its C interface (odmerrno)."""

from __future__ import annotations


class OdmError(Exception):
    """An ODM operation failed.

    Attributes:
        code: the ODMI_ name, for example ``ODMI_CLASS_DNE``.
        number: the value of odmerrno as commands print it (5904 is published for bad criteria, the rest is inferred).
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def number(self) -> int:
        return NUMBERS.get(self.code, 5800)


NUMBERS = {
    "ODMI_OPEN_ERR": 5800,
    "ODMI_MALLOC_ERR": 5801,
    "ODMI_MAGICNO_ERR": 5802,
    "ODMI_NO_OBJECT": 5803,
    "ODMI_BAD_CRIT": 5904,
    "ODMI_INTERNAL_ERR": 5806,
    "ODMI_TOOMANYCLASSES": 5807,
    "ODMI_LINK_NOT_FOUND": 5808,
    "ODMI_INVALID_CLASS": 5809,
    "ODMI_CLASS_EXISTS": 5810,
    "ODMI_CLASS_DNE": 5811,
    "ODMI_BAD_CLASSNAME": 5812,
    "ODMI_UNLINKCLASS_ERR": 5813,
    "ODMI_CLASS_PERMS": 5822,
    "ODMI_READ_ONLY": 5823,
    "ODMI_INVALID_PATH": 5818,
    "ODMI_PARAMS": 5827,
}
