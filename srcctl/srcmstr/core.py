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
restarted srcmstr begins with both, and answers a request that is sent to it again as if it had never been away: what
it started or stopped for the same asker before is not done twice, and the answer is the same. An end that it had
not acknowledged yet is taken note of again: the error log knows the entry, a notify method may run a second time.

A subserver belongs to a subsystem, which does all the work: srcmstr looks up the type and passes the request on. A
start of a subserver starts its subsystem first.
"""

from __future__ import annotations

from srcctl.machine import SECOND, Tick
from srcctl.node.signals import signal
from srcctl.src import packets
from srcctl.src.packets import Reply, Request, StatusCode, StatusReply
from srcctl.srcmstr.definitions import (
    RESPAWN,
    SIGNALS,
    Catalogue,
    Definition,
    split_arguments,
    split_environment,
)
from srcctl.srcmstr.exchange import (
    ANSWERS_MAX,
    Acknowledge,
    Answers,
    Asked,
    CatalogueRead,
    Console,
    Effect,
    Forward,
    Input,
    Instance,
    LogError,
    ProcessEnded,
    ProcessStarted,
    ProcessStartFailed,
    Remember,
    Respond,
    Restored,
    Result,
    RunNotify,
    SignalProcess,
    StartProcess,
    State,
)
from srcctl.srcmstr.status import TITLE, selected_rows

PASSED_ON_MAX = 16
"""Requests that are remembered of those that an instance was to answer itself."""
RESTARTS_MAX = 2
"""Restarts within waittime."""


class SystemResourceController:
    """The machine."""

    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.instances: dict[int, Instance] = {}
        self.results: tuple[Result, ...] = ()
        self._passed_on: dict[int, tuple[Request, ...]] = {}
        """The last requests that each instance was to answer itself."""
        self._next_number = 1

    def describe(self) -> dict[str, object]:
        return {
            "instances": [
                {"number": i.number, "name": i.definition.subsysname, "state": i.state, "pid": i.pid}
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
            case Restored():
                return self._restore(now, value)
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

    def _restore(self, now: int, restored: Restored) -> list[Effect]:
        self.results = restored.results
        self._next_number = max(self._next_number, restored.next_number)
        for instance in restored.instances:
            deadline = now + instance.definition.waittime * SECOND if instance.state == State.WARNED else None
            self.instances[instance.number] = instance._replace(kill_at=deadline)
            self._next_number = max(self._next_number, instance.number + 1)
        effects: list[Effect] = [self._started_reply(i) for i in restored.instances if i.pid and i.asker]
        for number, status in restored.ended:
            self._next_number = max(self._next_number, number + 1)
            effects += self._ended(now, number, status)
        return effects

    def _launch(
        self,
        definition: Definition,
        arguments: tuple[str, ...],
        environment: tuple[tuple[str, str], ...],
        asker: str = "",
        abnormal_ends: tuple[int, ...] = (),
        replaces: int = 0,
    ) -> list[Effect]:
        instance = Instance(
            self._next_number,
            definition,
            arguments,
            environment,
            asker=asker,
            abnormal_ends=abnormal_ends,
            replaces=replaces,
        )
        self._next_number += 1
        self.instances[instance.number] = instance
        return [self._remember(), StartProcess(instance)]

    def _remember(self) -> Remember:
        return Remember(tuple(self.instances.values()), self.results, self._next_number)

    def _started(self, number: int, pid: int) -> list[Effect]:
        instance = self.instances.get(number)
        if instance is None:
            return []
        state = State.ACTIVE if instance.state == State.STARTING else instance.state
        instance = instance._replace(pid=pid, state=state)
        self.instances[number] = instance
        # Nothing to remember: a successor finds the process in lpar's table, and takes it for active.
        return [self._started_reply(instance)] if instance.asker else []

    @staticmethod
    def _started_reply(instance: Instance) -> Respond:
        reply = Reply(
            59, instance.definition.subsysname, str(instance.pid), retaddr=instance.asker, tag=instance.number
        )
        return Respond(reply)

    def _result(self, asker: str, instance: Instance, code: int) -> None:
        """Remember what became of a request; a subsystem that has come and gone must not be started again."""
        if asker:
            name = instance.definition.subsysname
            result = Result(asker, instance.number, name, instance.pid, code)
            if result not in self.results:  # a request that is repeated twice has still one answer
                self.results = (*self.results, result)[-ANSWERS_MAX:]

    def _start_failed(self, number: int, error: int) -> list[Effect]:
        instance = self.instances.pop(number, None)
        if instance is None:
            return []
        effects: list[Effect] = [self._remember(), Acknowledge(number)]
        name = instance.definition.subsysname
        if instance.asker:
            effects.append(Respond(Reply(15, name, retaddr=instance.asker, tag=number)))
        else:
            effects += self._give_up(instance, "SRC_TRYX", error << 8)
        return effects

    def _ended(self, now: int, number: int, status: int) -> list[Effect]:
        return [*self._unanswered(number), *self._end(now, number, status)]

    def _unanswered(self, number: int) -> list[Effect]:
        """An instance that has ended answers nobody any more: who still waits for it is told at once.

        Who was answered knows, and takes no second answer of the same instance.
        """
        effects: list[Effect] = []
        instance = self.instances.get(number)
        for request in self._passed_on.pop(number, ()):
            answers = Answers(request)
            stopped = request.action == packets.STOP and request.kind != packets.BY_TYPE
            answers.add(packets.OK if stopped else 36, instance.definition.subsysname if instance is not None else "")
            effects += [Respond(e.reply._replace(tag=number)) for e in answers.effects() if isinstance(e, Respond)]
        return effects

    def _end(self, now: int, number: int, status: int) -> list[Effect]:
        instance = self.instances.get(number)
        if instance is None:
            return [Acknowledge(number)]
        self._result(instance.asker, instance, 59)
        # With the instance: until lpar has heard the acknowledgement, a successor sees this end, too, and must know
        # that a stop was requested. What is remembered next forgets it.
        remembered = self._remember()
        del self.instances[number]
        if instance.state in (State.STOPPING, State.WARNED) or status == 0:
            return [remembered, Acknowledge(number)]
        definition = instance.definition
        ends = (*(at for at in instance.abnormal_ends if now - at <= definition.waittime * SECOND), now)
        if definition.action == RESPAWN and len(ends) <= RESTARTS_MAX:
            return [
                *self._restart(instance, ends),
                LogError("SRC_RSTRT", definition.subsysname, status, number),
                Console(
                    f"0513-017 The {definition.subsysname} Subsystem ended abnormally.\nSRC will try and restart it."
                ),
                Acknowledge(number),
            ]
        label = "SRC_TRYX" if definition.action == RESPAWN else "SRC_SVKO"
        return [*self._give_up(instance, label, status), remembered, Acknowledge(number)]

    def _restart(self, instance: Instance, ends: tuple[int, ...]) -> list[Effect]:
        if any(other.replaces == instance.number for other in self.instances.values()):
            return [self._remember()]  # by a srcmstr that died before it could acknowledge the end
        return self._launch(
            instance.definition,
            instance.arguments,
            instance.environment,
            abnormal_ends=ends,
            replaces=instance.number,
        )

    def _give_up(self, instance: Instance, label: str, status: int) -> list[Effect]:
        definition = instance.definition
        effects: list[Effect] = [LogError(label, definition.subsysname, status, instance.number)]
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
                self.instances[number] = instance._replace(kill_at=None)
                effects.append(SignalProcess(number, signal.SIGKILL, tree=True))
        return effects

    # Requests.

    def _asked(self, now: int, request: Request) -> list[Effect]:
        answers = Answers(request)
        effects: list[Effect] = []
        if request.kind == packets.BY_TYPE:
            effects = self._subserver(request, answers)
        elif request.action == packets.STATUS and request.parm1 == packets.SHORTSTAT:
            return self._short_status(request, answers)
        elif request.action == packets.START:
            effects = self._start(request, answers)
        elif request.action in (packets.STOP, packets.REFRESH, packets.TRACE, packets.STATUS):
            effects = self._to_running(now, request, answers)
        else:
            answers.add(packets.NOT_SUPPORTED)
        # What must not be forgotten first; then what was asked for; the asker learns of it when it has been done.
        # Whoever hears nothing, because srcmstr died in between, asks again.
        memory = [effect for effect in effects if isinstance(effect, Remember)][-1:]
        return [*memory, *(e for e in effects if not isinstance(e, Remember)), *answers.effects()]

    def _start(self, request: Request, answers: Answers) -> list[Effect]:
        effects: list[Effect] = []
        for definition in self._addressed(request, answers):
            effects += self._start_one(definition, request, answers)
        return effects

    def _start_one(self, definition: Definition, request: Request, answers: Answers) -> list[Effect]:
        name, asker = definition.subsysname, request.retaddr
        mine = [i for i in self.instances.values() if i.definition.subsysname == name]
        again = next((i for i in mine if i.asker == asker and asker), None)
        if again is not None:
            # The same request came again after srcmstr was restarted: it took effect already.
            answers.add(packets.FORWARDED, name, str(again.number))
            return [self._started_reply(again)] if again.pid else []
        done = next((r for r in self.results if (r.asker, r.name, r.code) == (asker, name, 59) and asker), None)
        if done is not None:
            answers.add(59, name, str(done.pid))
            return []
        if mine and not definition.multi:
            answers.add(29, name)
            return []
        answers.add(packets.FORWARDED, name, str(self._next_number))
        arguments, environment = packets.decode_start_body(request.body)
        return self._launch(
            definition,
            (*split_arguments(definition.cmdargs), *split_arguments(arguments)),
            tuple(split_environment(environment).items()),
            asker,
        )

    def _to_running(self, now: int, request: Request, answers: Answers) -> list[Effect]:
        effects: list[Effect] = []
        done: set[int] = set()
        if request.action == packets.STOP:
            for result in self.results:
                if result.asker == request.retaddr and result.code == 44 and result.number not in self.instances:
                    answers.add(44, result.name)
                    done.add(result.number)
        # A repeated stop that has stopped all it meant is no complaint about what does not run.
        complaints = Answers(request) if done else answers
        for instance in self._addressed_instances(request, complaints):
            name = instance.definition.subsysname
            if request.action == packets.STOP:
                effects += self._stop(now, instance, request, answers)
            elif instance.definition.contact == SIGNALS:
                answers.add(5, name)
            else:
                effects.append(self._pass_on(instance, request._replace(objname=name), answers))
        if not answers.replies:
            answers.add(4, self._subject(request))
        return effects

    def _pass_on(self, instance: Instance, request: Request, answers: Answers) -> Forward:
        """Let the subsystem answer; the asker knows its answers by the instance's number."""
        answers.add(packets.FORWARDED, instance.definition.subsysname, str(instance.number))
        if request.retaddr:
            earlier = self._passed_on.get(instance.number, ())
            self._passed_on[instance.number] = (*earlier, request)[-PASSED_ON_MAX:]
        return Forward(instance.number, request._replace(tag=instance.number, cont=packets.END))

    def _subserver(self, request: Request, answers: Answers) -> list[Effect]:
        kind = request.subsystem
        found = self.catalogue.subserver(kind)
        if found is None:
            answers.add(87, kind)
            return []
        name, code = found
        request = request._replace(object=code)
        running = [
            i
            for i in self.instances.values()
            if i.definition.subsysname == name and (i.pid == request.pid or not request.pid)
        ]
        effects: list[Effect] = []
        definition = self.catalogue.named(name)
        if definition is not None and definition.contact == SIGNALS:
            answers.add(5, name)
            return []
        if not running and request.action == packets.START and definition is not None and not request.pid:
            number = self._next_number
            effects = self._launch(definition, tuple(split_arguments(definition.cmdargs)), ())
            running = [self.instances[number]]
        if not running:
            answers.add(36, name)
        return [*effects, *(self._pass_on(instance, request, answers) for instance in running)]

    def _stop(self, now: int, instance: Instance, request: Request, answers: Answers) -> list[Effect]:
        definition, name = instance.definition, instance.definition.subsysname
        self._result(request.retaddr, instance, 44)
        if request.parm1 == packets.CANCEL:
            deadline = now + definition.waittime * SECOND if instance.kill_at is None else instance.kill_at
            self.instances[instance.number] = instance._replace(state=State.WARNED, kill_at=deadline)
            answers.add(44, name)
            return [self._remember(), SignalProcess(instance.number, signal.SIGTERM)]
        state = instance.state if instance.state == State.WARNED else State.STOPPING
        self.instances[instance.number] = instance._replace(state=state)
        if definition.contact != SIGNALS:
            return [self._remember(), self._pass_on(instance, request._replace(objname=name), answers)]
        number = definition.sigforce if request.parm1 == packets.FORCED else definition.signorm
        answers.add(44, name)
        return [self._remember(), SignalProcess(instance.number, number or signal.SIGTERM)]

    def _addressed(self, request: Request, answers: Answers) -> tuple[Definition, ...]:
        """The definitions that a start request means; complaints go to ``answers``."""
        if request.kind == packets.BY_GROUP:
            group = request.subsystem
            members = self.catalogue.group(group)
            if not members:
                answers.add(86, group)
            return members
        definition = self.catalogue.named(request.subsystem)
        if definition is None:
            answers.add(85, request.subsystem)
            return ()
        return (definition,)

    def _addressed_instances(self, request: Request, answers: Answers) -> list[Instance]:
        """The instances that a request means; complaints go to ``answers``."""
        running = list(self.instances.values())
        if request.pid:
            found = [i for i in running if i.pid == request.pid]
            if not found:
                answers.add(4, str(request.pid))
            return found
        if request.kind == packets.ALL_SUBSYSTEMS:
            return running
        if request.kind == packets.BY_GROUP:
            group = request.subsystem
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
        if request.kind == packets.ALL_SUBSYSTEMS:
            return "*"
        return request.subsystem or str(request.pid)

    # Short status.

    def _short_status(self, request: Request, answers: Answers) -> list[Effect]:
        if request.pid:
            found = self._addressed_instances(request, answers)
            rows = selected_rows((), found, show_hidden=True)
        else:
            wanted = self._selected(request, answers)
            everything = request.kind == packets.ALL_SUBSYSTEMS
            one = request.kind == packets.BY_NAME
            names = {definition.subsysname for definition in wanted}
            found = [i for i in self.instances.values() if everything or i.definition.subsysname in names]
            rows = selected_rows(wanted, found, show_hidden=one)
        if answers.replies:
            return answers.effects()
        return self._status_replies(request, (TITLE, *rows))

    @staticmethod
    def _status_replies(request: Request, codes: tuple[StatusCode, ...]) -> list[Effect]:
        starts = range(0, len(codes), packets.CODES_MAX)
        return [
            Respond(
                StatusReply(
                    codes[start : start + packets.CODES_MAX],
                    cont=packets.END if start == starts[-1] else packets.STATCONTINUED,
                    retaddr=request.retaddr,
                )
            )
            for start in starts
        ]

    def _selected(self, request: Request, answers: Answers) -> tuple[Definition, ...]:
        if request.kind == packets.ALL_SUBSYSTEMS:
            return self.catalogue.definitions
        if request.kind == packets.BY_GROUP:
            return self._addressed(request, answers)
        definition = self.catalogue.named(request.subsystem)
        if definition is not None:
            return (definition,)
        running = [i.definition for i in self.instances.values() if i.definition.answers_to(request.subsystem)]
        if not running:
            answers.add(85, request.subsystem)
        return tuple(running[:1])
