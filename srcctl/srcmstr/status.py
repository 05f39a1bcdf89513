"""The rows of the short status, which srcmstr answers itself."""

from __future__ import annotations

from srcctl.src import packets
from srcctl.src.packets import StatusCode
from srcctl.srcmstr.definitions import Definition
from srcctl.srcmstr.exchange import Instance, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TITLE = StatusCode(objname="Subsystem", objtext=f"{'Group':<16} {'PID':<12}")
"""The title line, the first statcode of a short status."""

_CODES = {
    State.STARTING: packets.STARTING,
    State.ACTIVE: packets.ACTIVE,
    State.STOPPING: packets.STOPPING,
    State.WARNED: packets.WARNED,
}


def selected_rows(
    wanted: tuple[Definition, ...], instances: Iterable[Instance], *, show_hidden: bool
) -> list[StatusCode]:
    """Active ones first, in the order of their start, then the inoperative ones in that of the object class.

    A definition that was changed since its subsystem was started has a row of its own, inoperative until the subsystem
    is stopped and started again (manual page of lssrc).

    Args:
        wanted: the definitions; none of them means that the instances alone are asked for.
        instances: what runs of them.
        show_hidden: also what display=0 hides while it is inoperative.
    """
    shown = list(instances)
    running = {i.definition for i in shown}
    return [_row(i.definition, i) for i in shown] + [
        _row(definition, None)
        for definition in wanted
        if definition not in running and (definition.display or show_hidden)
    ]


def _row(definition: Definition, instance: Instance | None) -> StatusCode:
    pid = str(instance.pid or "") if instance is not None else ""
    status = packets.INOPERATIVE if instance is None else _CODES[instance.state]
    return StatusCode(status, definition.subsysname, f"{definition.grpname:<16} {pid:<12}")
