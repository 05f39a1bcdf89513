"""The error log: templates, the log's file, and the commands errpt, errclear and errlogger."""

from srcctl.errlog.log import Entry, log_entry, read
from srcctl.errlog.templates import TEMPLATES, Template

__all__ = ["TEMPLATES", "Entry", "Template", "log_entry", "read"]
