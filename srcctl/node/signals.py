"""The module signal without its enumerations: its functions take and return plain numbers here.

To build them it imports enum, collections and more, half a megabyte in each of init and srcmstr.
"""

from __future__ import annotations

__all__ = ["signal"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal
