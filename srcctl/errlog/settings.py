"""What errdemon is set to: its attributes in the object class SWservAt, and whether logging is on.

The names of the attributes are inferred. Absent or damaged settings are the defaults: the log must go on.
"""

from __future__ import annotations

import os

from srcctl.commands.record import Record
from srcctl.node.root import NodeRoot

CLASS = "SWservAt"
STOPPED_MARK = "/var/run/errdemon.stopped"
"""There while errstop has ended error logging."""


class Settings(Record):
    """Sizes in bytes, the interval in milliseconds."""

    log_size: int = 1 << 20
    buffer_size: int = 32768
    remove_duplicates: bool = True
    duplicate_interval: int = 10000
    duplicate_maximum: int = 1000


ATTRIBUTES = {
    "log_size": "errlog_logsize",
    "buffer_size": "errlog_bufsize",
    "remove_duplicates": "errlog_duprem",
    "duplicate_interval": "errlog_duptime",
    "duplicate_maximum": "errlog_dupmax",
}
LOG_SIZE_MIN, BUFFER_SIZE_MIN = 4096, 8192


def load(root: NodeRoot) -> Settings:
    """The settings in force."""
    try:
        with open(root.path(f"/etc/objrepos/{CLASS}"), encoding="utf-8") as file:
            if "attribute = " not in file.read():
                return Settings()
    except (OSError, UnicodeDecodeError):
        return Settings()
    from srcctl.odm import OdmError, Repository

    try:
        values = {str(o["attribute"]): str(o["value"]) for o in Repository(root, "/etc/objrepos").get(CLASS)}
    except OdmError:
        return Settings()
    found: dict[str, int] = {}
    for field, attribute in ATTRIBUTES.items():
        word = values.get(attribute, "")
        if field == "remove_duplicates" and word in ("true", "false"):
            found[field] = word == "true"
        elif word.isascii() and word.isdigit():
            found[field] = int(word)
    settings = Settings(**found)  # type: ignore[arg-type]
    return settings._replace(log_size=max(LOG_SIZE_MIN, settings.log_size))


def store(root: NodeRoot, changes: dict[str, str]) -> None:
    """Change settings; keys are the fields of ``Settings``.

    Raises:
        OdmError: the class cannot be written.
    """
    from srcctl.odm import OdmObject, Repository

    named = {ATTRIBUTES[field]: value for field, value in changes.items()}

    def changed(present: list[OdmObject]) -> list[OdmObject]:
        kept = [o for o in present if o["attribute"] not in named]
        return kept + [{"attribute": attribute, "value": value} for attribute, value in named.items()]

    Repository(root, "/etc/objrepos").rewrite(CLASS, changed)


def is_stopped(root: NodeRoot) -> bool:
    """Whether errstop has ended error logging."""
    return os.path.exists(root.path(STOPPED_MARK))
