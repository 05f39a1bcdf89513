"""The Object Data Manager: object classes, stanzas, criteria and storage, and the odm* commands."""

from srcctl.odm.errors import OdmError
from srcctl.odm.repository import OdmObject, Repository, remember

__all__ = ["OdmError", "OdmObject", "Repository", "remember"]
