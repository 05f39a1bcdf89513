"""What srcmstr's machine is told and what it wants done; see ``srcctl.srcmstr.core``."""

from __future__ import annotations

from srcctl.commands.record import Record
from srcctl.machine import Tick
from srcctl.src import packets
from srcctl.src.packets import Reply, Request, StatusCode, StatusReply
from srcctl.srcmstr.definitions import Catalogue, Definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

ANSWERS_MAX = 64
"""Results of requests that are remembered for askers that may ask again."""


class State:
    """Of an instance: words, of which ``KNOWN`` holds all."""

    STARTING: Final = "starting"
    ACTIVE: Final = "active"
    STOPPING: Final = "stopping"
    WARNED: Final = "warned to stop"
    KNOWN: Final = {word: word for word in (STARTING, ACTIVE, STOPPING, WARNED)}


class Instance(Record):
    """A process of a subsystem.

    ``asker`` is the return address of the request that started it; ``replaces`` is the number of the instance whose
    abnormal end it is the restart of: a srcmstr that sees that end again restarts nothing twice.
    """

    number: int
    definition: Definition
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    state: str = State.STARTING
    pid: int = 0
    asker: str = ""
    abnormal_ends: tuple[int, ...] = ()
    kill_at: int | None = None
    replaces: int = 0


class Result(Record):
    """What became of a request for one instance: a start (59) or a stop (44).

    Kept until newer ones push it out: an asker whose srcmstr died asks again, and is told what took effect already.
    """

    asker: str
    number: int
    name: str
    pid: int
    code: int


# Inputs.


class CatalogueRead(Record):
    """The object classes were read again because they changed."""

    catalogue: Catalogue


class Restored(Record):
    """The first input: instances that lpar and the memory file agree on, and ends that happened meanwhile.

    ``instances`` hold pids and states; ``ended`` maps numbers of instances to wait statuses; ``next_number`` is
    above every number that was ever given, so that what is kept of an instance is never taken for another's.
    """

    instances: tuple[Instance, ...]
    ended: tuple[tuple[int, int], ...] = ()
    results: tuple[Result, ...] = ()
    next_number: int = 1


class Asked(Record):
    """A request arrived."""

    request: Request


class ProcessStarted(Record):
    """lpar made the process."""

    number: int
    pid: int


class ProcessStartFailed(Record):
    """lpar could not make the process; ``error`` is an errno."""

    number: int
    error: int


class ProcessEnded(Record):
    """The process ended with this wait status."""

    number: int
    status: int


Input: TypeAlias = CatalogueRead | Restored | Asked | ProcessStarted | ProcessStartFailed | ProcessEnded | Tick


# Effects.


class Remember(Record):
    """Keep this in the memory file; precedes what must not be forgotten."""

    instances: tuple[Instance, ...]
    results: tuple[Result, ...] = ()
    next_number: int = 1


class StartProcess(Record):
    """Ask lpar for the instance's process."""

    instance: Instance


class SignalProcess(Record):
    """Ask lpar to signal an instance, with ``tree`` all that descends from it."""

    number: int
    signal: int
    tree: bool = False


class Acknowledge(Record):
    """Tell lpar that the end of an instance was taken note of."""

    number: int


class Forward(Record):
    """Pass a request on to an instance's socket."""

    number: int
    request: Request


class Respond(Record):
    """Answer an asker."""

    reply: Reply | StatusReply


class RunNotify(Record):
    """Run a notify method with the subsystem's and the group's name."""

    method: str
    subsystem: str
    group: str


class LogError(Record):
    """An error-log entry: SRC_SVKO, SRC_TRYX or SRC_RSTRT, with the wait status as symptom code.

    ``number`` is the instance's: a srcmstr that died before it could acknowledge an end sees it again.
    """

    label: str
    subsystem: str
    status: int
    number: int


class Console(Record):
    """A message on the console."""

    text: str


Effect: TypeAlias = (
    Remember | StartProcess | SignalProcess | Acknowledge | Forward | Respond | RunNotify | LogError | Console
)


class Answers:
    """What srcmstr itself says to one request, all but the last marked as continued."""

    __slots__ = ("replies", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.replies: list[Reply] = []

    def add(self, code: int, name: str = "", text: str = "") -> None:
        """One more answer: a message number of the 0513 catalogue or a code of ``packets``."""
        self.replies.append(Reply(code, name, text))

    def effects(self) -> list[Effect]:
        """The answers in the form that the action asks for."""
        last = len(self.replies) - 1
        return [
            Respond(self._form(reply, packets.END if number == last else packets.CONTINUED))
            for number, reply in enumerate(self.replies)
        ]

    def _form(self, reply: Reply, cont: int) -> Reply | StatusReply:
        retaddr = self.request.retaddr
        if self.request.action != packets.STATUS:
            return reply._replace(cont=cont, retaddr=retaddr)
        code = StatusCode(reply.rtncode, reply.objname, reply.objtext, packets.ERROR)
        return StatusReply((code,), cont=cont, retaddr=retaddr)
