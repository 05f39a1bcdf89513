"""Auditing: who started, stopped and defined what.

As on the product it is off until ``audit start``, and then records the events that /etc/security/audit/config selects
for their user. Of the product's events those of SRC are here (srcmstr's manual page, mkssys's and its like); records
are kept in one trail that ``auditpr`` reads.
"""

from srcctl.audit.trail import record

__all__ = ["record"]
