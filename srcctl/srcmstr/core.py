"""srcmstr as a pure machine.

A *definition* is an object of SRCsubsys; an *instance* is a process (or one about to exist) that keeps the definition
with which it was started: chssys changes what the next start does. A *group* is a label that definitions share and
nothing more.

An instance passes through these states:

    starting  -- lpar was asked for a process
    active    -- the process exists
    stopping  -- a normal or forced stop was requested (a signal, or a packet that the subsystem answers)
    warned    -- a cancel stop was requested: SIGTERM was sent, SIGKILL follows after waittime seconds

An end after a requested stop is never abnormal, whatever the status: no restart, no error entry, no notify method. Any
other end with a status other than 0 is abnormal. A subsystem with action RESPAWN is then restarted at once, at most
twice within waittime seconds counted back from this end; otherwise, and for action ONCE, SRC gives it up: error entry,
and the notify method of the subsystem or else of its group. An end with status 0 and without a stop request just ends
(inferred).

srcmstr itself may die at any moment. lpar keeps processes and their ends; what lpar cannot know (a stop was requested,
earlier abnormal ends, who asked for a start) is remembered in a file *before* the effect that depends on it. A
restarted srcmstr begins with both, and answers a request that is sent to it again as if it had never been away.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeAlias

from srcctl.machine import SECOND, Tick
from srcctl.src import packets
from srcctl.src.packets import Reply, Request
from srcctl.srcmstr.definitions import (
    RESPAWN,
    SIGNALS,
    Catalogue,
    Definition,
    split_arguments,
    split_environment,
)

RESTARTS_MAX = 2
"""Restarts within waittime."""

ROWS_FORMAT = " %-16s %-16s %-12s %s"


class State(Enum):
    """Of an instance."""

    STARTING = "starting"
    ACTIVE = "active"
    STOPPING = "stopping"
    WARNED = "warned to stop"


@dataclass(frozen=True, slots=True)
class Instance:
    """A process of a subsystem. ``asker`` is the reply address and serial number of the request that started it."""

    number: int
    definition: Definition
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    state: State = State.STARTING
    pid: int = 0
    asker: tuple[str, int] = ("", 0)
    abnormal_ends: tuple[int, ...] = ()
    kill_at: int | None = None


# Inputs.


@dataclass(frozen=True, slots=True)
class CatalogueRead:
    """The object classes were read again because they changed."""

    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Restored:
    """The first input: instances that lpar and the memory file agree on, and ends that happened meanwhile.

    ``instances`` hold pids and states; ``ended`` maps numbers of instances to wait statuses.
    """

    instances: tuple[Instance, ...]
    ended: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request arrived."""

    request: Request


@dataclass(frozen=True, slots=True)
class ProcessStarted:
    """lpar made the process."""

    number: int
    pid: int


@dataclass(frozen=True, slots=True)
class ProcessStartFailed:
    """lpar could not make the process; ``error`` is an errno."""

    number: int
    error: int


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """The process ended with this wait status."""

    number: int
    status: int


Input: TypeAlias = CatalogueRead | Restored | Asked | ProcessStarted | ProcessStartFailed | ProcessEnded | Tick


# Effects.


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep these instances in the memory file; precedes what must not be forgotten."""

    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class StartProcess:
    """Ask lpar for the instance's process."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class SignalProcess:
    """Ask lpar to signal an instance, with ``tree`` all that descends from it."""

    number: int
    signal: int
    tree: bool = False


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell lpar that the end of an instance was taken note of."""

    number: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Pass a request on to an instance's socket."""

    number: int
    request: Request


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer an asker."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class RunNotify:
    """Run a notify method with the subsystem's and the group's name."""

    method: str
    subsystem: str
    group: str


@dataclass(frozen=True, slots=True)
class LogError:
    """An error-log entry: SRC_SVKO, SRC_TRYX or SRC_RSTRT, with the wait status as symptom code."""

    label: str
    subsystem: str
    status: int


@dataclass(frozen=True, slots=True)
class Console:
    """A message on the console."""

    text: str


Effect: TypeAlias = (
    Remember | StartProcess | SignalProcess | Acknowledge | Forward | Respond | RunNotify | LogError | Console
)


@dataclass(slots=True)
class _Answers:
    """The replies to one request, all but the last marked as continued."""

    request: Request
    replies: list[Reply] = field(default_factory=list)

    def add(self, code: int, name: str = "", pid: int = 0, text: str = "") -> None:
        self.replies.append(Reply(code, name, pid, text, retaddr=self.request.retaddr, serial=self.request.serial))

    def effects(self) -> list[Effect]:
        last = len(self.replies) - 1
        return [
            Respond(reply._replace(cont=packets.END if number == last else packets.CONTINUED))
            for number, reply in enumerate(self.replies)
        ]


class SystemResourceController:
    """The machine."""

    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.instances: dict[int, Instance] = {}
        self._next_number = 1

    def describe(self) -> dict[str, object]:
        return {
            "instances": [
                {"number": i.number, "name": i.definition.subsysname, "state": i.state.value, "pid": i.pid}
                for i in self.instances.values()
            ]
        }

    def next_deadline(self) -> int | None:
        return min((i.kill_at for i in self.instances.values() if i.kill_at is not None), default=None)

    def step(self, now: int, value: Input) -> list[Effect]:
        match value:
            case CatalogueRead(catalogue):
                self.catalogue = catalogue
                return []
            case Restored(instances, ended):
                return self._restore(now, instances, ended)
            case Asked(request):
                return self._asked(now, request)
            case ProcessStarted(number, pid):
                return self._started(number, pid)
            case ProcessStartFailed(number, error):
                return self._start_failed(number, error)
            case ProcessEnded(number, status):
                return self._ended(now, number, status)
            case Tick():
                return self._tick(now)

    # Life of instances.

    def _restore(self, now: int, instances: tuple[Instance, ...], ended: tuple[tuple[int, int], ...]) -> list[Effect]:
        for instance in instances:
            deadline = now + instance.definition.waittime * SECOND if instance.state is State.WARNED else None
            self.instances[instance.number] = replace(instance, kill_at=deadline)
            self._next_number = max(self._next_number, instance.number + 1)
        effects: list[Effect] = [self._started_reply(i) for i in instances if i.pid and i.asker[0]]
        for number, status in ended:
            self._next_number = max(self._next_number, number + 1)
            effects += self._ended(now, number, status)
        return effects

    def _launch(
        self,
        definition: Definition,
        arguments: tuple[str, ...],
        environment: tuple[tuple[str, str], ...],
        asker: tuple[str, int] = ("", 0),
        abnormal_ends: tuple[int, ...] = (),
    ) -> list[Effect]:
        instance = Instance(
            self._next_number, definition, arguments, environment, asker=asker, abnormal_ends=abnormal_ends
        )
        self._next_number += 1
        self.instances[instance.number] = instance
        return [self._remember(), StartProcess(instance)]

    def _remember(self) -> Remember:
        return Remember(tuple(self.instances.values()))

    def _started(self, number: int, pid: int) -> list[Effect]:
        instance = self.instances.get(number)
        if instance is None:
            return []
        state = State.ACTIVE if instance.state is State.STARTING else instance.state
        instance = replace(instance, pid=pid, state=state)
        self.instances[number] = instance
        effects: list[Effect] = [self._remember()]
        if instance.asker[0]:
            effects.append(self._started_reply(instance))
        return effects

    @staticmethod
    def _started_reply(instance: Instance) -> Respond:
        retaddr, serial = instance.asker
        name = instance.definition.subsysname
        return Respond(Reply(59, name, instance.pid, retaddr=retaddr, serial=serial))

    def _start_failed(self, number: int, error: int) -> list[Effect]:
        instance = self.instances.pop(number, None)
        if instance is None:
            return []
        effects: list[Effect] = [self._remember(), Acknowledge(number)]
        name = instance.definition.subsysname
        if instance.asker[0]:
            retaddr, serial = instance.asker
            effects.append(Respond(Reply(15, name, error, retaddr=retaddr, serial=serial)))
        else:
            effects += self._give_up(instance, "SRC_TRYX", error << 8)
        return effects

    def _ended(self, now: int, number: int, status: int) -> list[Effect]:
        instance = self.instances.pop(number, None)
        if instance is None:
            return [Acknowledge(number)]
        if instance.state in (State.STOPPING, State.WARNED) or status == 0:
            return [self._remember(), Acknowledge(number)]
        definition = instance.definition
        ends = (*(at for at in instance.abnormal_ends if now - at <= definition.waittime * SECOND), now)
        if definition.action == RESPAWN and len(ends) <= RESTARTS_MAX:
            return [
                *self._launch(definition, instance.arguments, instance.environment, abnormal_ends=ends),
                Acknowledge(number),
                LogError("SRC_RSTRT", definition.subsysname, status),
                Console(
                    f"0513-017 The {definition.subsysname} Subsystem ended abnormally.\nSRC will try and restart it."
                ),
            ]
        label = "SRC_TRYX" if definition.action == RESPAWN else "SRC_SVKO"
        return [*self._give_up(instance, label, status), self._remember(), Acknowledge(number)]

    def _give_up(self, instance: Instance, label: str, status: int) -> list[Effect]:
        definition = instance.definition
        effects: list[Effect] = [LogError(label, definition.subsysname, status)]
        if label == "SRC_TRYX":
            effects.append(
                Console(
                    f"0513-020 The {definition.subsysname} Subsystem did not end normally.\n"
                    "The subsystem respawn limit was exceeded. Check the Subsystem and restart it manually."
                )
            )
        method = self.catalogue.notify_method(definition)
        if method:
            effects.append(RunNotify(method, definition.subsysname, definition.grpname))
        return effects

    def _tick(self, now: int) -> list[Effect]:
        effects: list[Effect] = []
        for number, instance in self.instances.items():
            if instance.kill_at is not None and now >= instance.kill_at:
                self.instances[number] = replace(instance, kill_at=None)
                effects.append(SignalProcess(number, signal.SIGKILL, tree=True))
        return effects

    # Requests.

    def _asked(self, now: int, request: Request) -> list[Effect]:
        if request.action == packets.STATUS and request.parm1 == packets.SHORTSTAT:
            return self._short_status(request)
        answers = _Answers(request)
        effects: list[Effect] = []
        if request.action == packets.START:
            effects = self._start(request, answers)
        elif request.action in (packets.STOP, packets.REFRESH, packets.TRACE, packets.STATUS):
            effects = self._to_running(now, request, answers)
        else:
            answers.add(packets.NOT_SUPPORTED)
        # What must not be forgotten first; then the asker learns who will answer, before anybody does.
        memory = [effect for effect in effects if isinstance(effect, Remember)][-1:]
        return [*memory, *answers.effects(), *(e for e in effects if not isinstance(e, Remember))]

    def _start(self, request: Request, answers: _Answers) -> list[Effect]:
        definitions = self._addressed(request, answers)
        asker = (request.retaddr, request.serial)
        arguments, environment = packets.decode_start_body(request.body)
        effects: list[Effect] = []
        for definition in definitions:
            name = definition.subsysname
            mine = [i for i in self.instances.values() if i.definition.subsysname == name]
            again = next((i for i in mine if i.asker == asker and asker[0]), None)
            if again is not None:
                # The same request came again after srcmstr was restarted: it took effect already.
                answers.add(packets.FORWARDED, name)
                if again.pid:
                    effects.append(self._started_reply(again))
                continue
            if mine and not definition.multi:
                answers.add(29, name)
                continue
            answers.add(packets.FORWARDED, name)
            effects += self._launch(
                definition,
                (*split_arguments(definition.cmdargs), *split_arguments(arguments)),
                tuple(split_environment(environment).items()),
                asker,
            )
        return effects

    def _to_running(self, now: int, request: Request, answers: _Answers) -> list[Effect]:
        effects: list[Effect] = []
        for instance in self._addressed_instances(request, answers):
            name = instance.definition.subsysname
            if instance.definition.contact == SIGNALS and request.action != packets.STOP:
                answers.add(5, name)
                continue
            if request.action != packets.STOP:
                answers.add(packets.FORWARDED, name)
                effects.append(Forward(instance.number, request._replace(subsystem=name)))
                continue
            effects += self._stop(now, instance, request, answers)
        if not answers.replies:
            answers.add(4, self._subject(request))
        return effects

    def _stop(self, now: int, instance: Instance, request: Request, answers: _Answers) -> list[Effect]:
        definition, name = instance.definition, instance.definition.subsysname
        if request.parm1 == packets.CANCEL:
            deadline = now + definition.waittime * SECOND
            self.instances[instance.number] = replace(instance, state=State.WARNED, kill_at=deadline)
            answers.add(44, name)
            return [self._remember(), SignalProcess(instance.number, signal.SIGTERM)]
        state = instance.state if instance.state is State.WARNED else State.STOPPING
        self.instances[instance.number] = replace(instance, state=state)
        if definition.contact != SIGNALS:
            answers.add(packets.FORWARDED, name)
            return [self._remember(), Forward(instance.number, request._replace(subsystem=name))]
        number = definition.sigforce if request.parm1 == packets.FORCED else definition.signorm
        answers.add(44, name)
        return [self._remember(), SignalProcess(instance.number, number or signal.SIGTERM)]

    def _addressed(self, request: Request, answers: _Answers) -> tuple[Definition, ...]:
        """The definitions that a start request means; complaints go to ``answers``."""
        if request.subsystem.startswith(packets.GROUP_PREFIX):
            group = request.subsystem[1:]
            members = self.catalogue.group(group)
            if not members:
                answers.add(86, group)
            return members
        definition = self.catalogue.named(request.subsystem)
        if definition is None:
            answers.add(85, request.subsystem)
            return ()
        return (definition,)

    def _addressed_instances(self, request: Request, answers: _Answers) -> list[Instance]:
        """The instances that a request means; complaints go to ``answers``."""
        running = list(self.instances.values())
        if request.pid:
            found = [i for i in running if i.pid == request.pid]
            if not found:
                answers.add(4, str(request.pid))
            return found
        if request.subsystem == packets.ALL_SUBSYSTEMS:
            return running
        if request.subsystem.startswith(packets.GROUP_PREFIX):
            group = request.subsystem[1:]
            found = [i for i in running if i.definition.grpname == group and group]
            if not found and not self.catalogue.group(group):
                answers.add(86, group)
            return found
        found = [i for i in running if i.definition.answers_to(request.subsystem)]
        if not found and self.catalogue.named(request.subsystem) is None:
            answers.add(85, request.subsystem)
        return found

    @staticmethod
    def _subject(request: Request) -> str:
        return request.subsystem.removeprefix(packets.GROUP_PREFIX) if request.subsystem else str(request.pid)

    # Short status.

    def _short_status(self, request: Request) -> list[Effect]:
        answers = _Answers(request)
        instances = self._addressed_instances(request, answers) if not request.subsystem or request.pid else None
        rows: list[str] = []
        if instances is not None:
            rows = [self._row(i.definition, i) for i in instances]
        else:
            wanted = self._selected(request, answers)
            if not answers.replies:
                rows = self._rows(wanted, show_hidden=self._names_one(request))
        if answers.replies:
            return answers.effects()
        parts = packets.chunks(rows)
        return [
            Respond(
                Reply(
                    packets.OK,
                    text=text,
                    cont=packets.END if number == len(parts) else packets.STATCONTINUED,
                    retaddr=request.retaddr,
                    serial=request.serial,
                )
            )
            for number, text in enumerate(parts, 1)
        ]

    @staticmethod
    def _names_one(request: Request) -> bool:
        return request.subsystem != packets.ALL_SUBSYSTEMS and not request.subsystem.startswith(packets.GROUP_PREFIX)

    def _selected(self, request: Request, answers: _Answers) -> tuple[Definition, ...]:
        if request.subsystem == packets.ALL_SUBSYSTEMS:
            return self.catalogue.definitions
        if self._names_one(request):
            definition = self.catalogue.named(request.subsystem)
            if definition is not None:
                return (definition,)
            running = [i.definition for i in self.instances.values() if i.definition.answers_to(request.subsystem)]
            if not running:
                answers.add(85, request.subsystem)
            return tuple(running[:1])
        return self._addressed(request, answers)

    def _rows(self, wanted: tuple[Definition, ...], show_hidden: bool) -> list[str]:
        """Active ones first, in the order of their start, then the inoperative ones in that of the object class."""
        names = {definition.subsysname for definition in wanted}
        rows = [self._row(i.definition, i) for i in self.instances.values() if i.definition.subsysname in names]
        running = {i.definition.subsysname for i in self.instances.values()}
        rows += [
            self._row(definition, None)
            for definition in wanted
            if definition.subsysname not in running and (definition.display or show_hidden)
        ]
        return rows

    @staticmethod
    def _row(definition: Definition, instance: Instance | None) -> str:
        if instance is None:
            words = ("", "inoperative")
        else:
            state = State.ACTIVE if instance.state is State.STARTING else instance.state
            words = (str(instance.pid or ""), state.value)
        return ROWS_FORMAT % (definition.subsysname, definition.grpname, *words)
