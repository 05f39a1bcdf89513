"""ctrmc as a pure machine: definitions, the watch over resources, and which response runs when.

Semantics of conditions are those of the RSCT administration guide: a condition is watched while an association with a
response is active; with a rearm expression the two expressions take turns (toggle), without one the event fires again
for every observation that makes it true after one that did not (inferred: the guide speaks of "each time the
expression becomes true").
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from daemons.ctrmc import expression
from daemons.ctrmc.messages import (
    Associate,
    ChangeResponse,
    Define,
    DefineResponse,
    Definition,
    Outcome,
    Remove,
    Resource,
)
from daemons.ctrmc.model import (
    SEVERITIES,
    SEVERITY_IDS,
    Action,
    Association,
    Condition,
    Registry,
    Response,
    applies_now,
    schedule_fault,
)
from srcctl.machine import Tick

CLASSES = (
    "IBM.FileSystem",
    "IBM.Host",
    "IBM.NetworkInterface",
    "IBM.PagingDevice",
    "IBM.Processor",
    "IBM.Program",
)
"""Resource classes that can be measured on a node."""

AUDIT_INFO, AUDIT_ERROR = "Info", "Error"


class Program(Struct, frozen=True):
    """A resource of IBM.Program: it exists because somebody watches it. A filter chooses among its processes."""

    name: str
    filter: str = ""


class Moment(Struct, frozen=True):
    """Wall-clock facts that the shell adds to an observation: epoch microseconds, weekday 1-7, minutes of the day."""

    epoch: int
    weekday: int
    minutes: int
    text: str


class Observed(Struct, frozen=True):
    """Input: resources of classes, measured together. A class that could not be measured is missing."""

    resources: Mapping[str, tuple[Resource, ...]]
    moment: Moment


class Command(Struct, frozen=True):
    """Input: a defining request of client ``requester``."""

    requester: int
    request: Definition
    moment: Moment


class ResponseEnded(Struct, frozen=True):
    """Input: a response script ended with this exit status; ``output`` is kept in the audit log if asked for."""

    condition: str
    response: str
    action: str
    status: int
    output: str
    moment: Moment


Input: TypeAlias = Observed | Command | ResponseEnded | Tick


class Observe(Struct, frozen=True):
    """Effect: measure these classes and feed ``Observed``; ``programs`` are the resources of IBM.Program to measure."""

    classes: tuple[str, ...]
    programs: tuple[Program, ...] = ()


class RunResponse(Struct, frozen=True):
    """Effect: run an action's script with this environment added; feed ``ResponseEnded``."""

    condition: str
    response: str
    action: Action
    environment: tuple[tuple[str, str], ...]


class Store(Struct, frozen=True):
    """Effect: keep the registry; precedes the reply that promises it."""

    registry: Registry


class Reply(Struct, frozen=True):
    """Effect: answer a client."""

    requester: int
    outcome: Outcome


class Audit(Struct, frozen=True):
    """Effect: a record of the audit log."""

    category: str
    description: str
    condition: str = ""
    response: str = ""
    kind: str = ""


Effect: TypeAlias = Observe | RunResponse | Store | Reply | Audit


class _Refused(Exception):
    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class ResourceMonitor:
    """The machine.

    Args:
        registry: what was stored.
        interval: microseconds between observations.
        node: this node's name.
    """

    def __init__(self, registry: Registry, interval: int, node: str) -> None:
        self.registry = registry
        self.interval = interval
        self.node = node
        self.failed: tuple[str, ...] = ()
        self._previous: dict[tuple[str, str], dict[str, expression.Scalar]] = {}
        self._rearming: set[tuple[str, str]] = set()
        self._true: set[tuple[str, str]] = set()
        self._due: int | None = 0 if self._watched() else None

    def next_deadline(self) -> int | None:
        return self._due

    def describe(self) -> dict[str, object]:
        return {
            "watched": [condition.name for condition in self._watched()],
            "rearming": sorted(self._rearming),
            "failed": self.failed,
        }

    def step(self, now: int, value: Input) -> list[Effect]:
        match value:
            case Tick():
                if self._due is None or now < self._due:
                    return []
                watched = self._watched()
                self._due = now + self.interval if watched else None
                classes = sorted({condition.resource_class for condition in watched})
                return [Observe(tuple(classes), programs_of(watched))] if classes else []
            case Observed(resources, moment):
                return self._observe(resources, moment)
            case Command(requester, request, _):
                return self._command(now, requester, request)
            case ResponseEnded():
                return self._response_ended(value)

    # Watching.

    def _watched(self) -> list[Condition]:
        return [condition for condition in self.registry.conditions if self.registry.monitored(condition.name)]

    def _observe(self, resources: Mapping[str, tuple[Resource, ...]], moment: Moment) -> list[Effect]:
        effects: list[Effect] = []
        failed = []
        for condition in self._watched():
            if condition.resource_class not in resources:
                failed.append(condition.name)
                continue
            chosen = [r for r in resources[condition.resource_class] if selects(condition.selection, r)]
            for resource in chosen:
                effects += self._evaluate(condition, resource, moment)
        self.failed = tuple(failed)
        return effects

    def _evaluate(self, condition: Condition, resource: Resource, moment: Moment) -> list[Effect]:
        key = condition.name, resource.name
        current = {**resource.persistent, **resource.dynamic}
        previous = self._previous.get(key)
        self._previous[key] = current
        event = expression.parse(condition.event_expression)
        if condition.rearm_expression and condition.toggle:
            rearming = key in self._rearming
            watched = expression.parse(condition.rearm_expression) if rearming else event
            if not watched.holds(current, previous):
                return []
            if rearming:
                self._rearming.discard(key)
            else:
                self._rearming.add(key)
            return self._fire(condition, resource, watched, moment, rearm=rearming)
        effects: list[Effect] = []
        if event.holds(current, previous):
            if key not in self._true:
                effects += self._fire(condition, resource, event, moment, rearm=False)
            self._true.add(key)
        else:
            self._true.discard(key)
        if condition.rearm_expression:
            rearm = expression.parse(condition.rearm_expression)
            if rearm.holds(current, previous):
                effects += self._fire(condition, resource, rearm, moment, rearm=True)
        return effects

    def _fire(
        self, condition: Condition, resource: Resource, fired: expression.Expression, moment: Moment, rearm: bool
    ) -> list[Effect]:
        kind = "Rearm event" if rearm else "Event"
        seconds, micros = divmod(moment.epoch, 1_000_000)
        text = f"{kind} : {condition.name} occurred at {moment.text} {micros:06d} on {resource.name} on {self.node}."
        effects: list[Effect] = []
        if condition.audit == "ALL":
            effects.append(Audit(AUDIT_INFO, text, condition.name, kind="r" if rearm else "a"))
        attribute = next((name for name in fired.attributes if name in resource.dynamic), "")
        measured = resource.dynamic.get(attribute)
        for association in self.registry.associations:
            if association.condition != condition.name or not association.active:
                continue
            response = self.registry.response(association.response)
            for action in response.actions if response else ():
                if action.event_type not in ("b", "A", "r" if rearm else "a"):
                    continue
                if not applies_now(action, moment.weekday, moment.minutes):
                    continue
                environment = (
                    ("ERRM_COND_NAME", condition.name),
                    ("ERRM_COND_HANDLE", handle("IBM.Condition", condition.name)),
                    ("ERRM_COND_SEVERITY", SEVERITIES[condition.severity]),
                    ("ERRM_COND_SEVERITYID", str(SEVERITY_IDS[condition.severity])),
                    ("ERRM_ER_NAME", association.response),
                    ("ERRM_ER_HANDLE", handle("IBM.EventResponse", association.response)),
                    ("ERRM_RSRC_NAME", resource.name),
                    ("ERRM_RSRC_HANDLE", handle(condition.resource_class, resource.name)),
                    ("ERRM_RSRC_CLASS_NAME", condition.resource_class.removeprefix("IBM.")),
                    ("ERRM_RSRC_CLASS_PNAME", condition.resource_class),
                    ("ERRM_RSRC_TYPE", "0"),
                    ("ERRM_NODE_NAME", self.node),
                    ("ERRM_NODE_NAMELIST", "{" + self.node + "}"),
                    ("ERRM_TIME", f"{seconds},{micros}"),
                    ("ERRM_TYPE", "rearm event" if rearm else "event"),
                    ("ERRM_TYPEID", "1" if rearm else "0"),
                    ("ERRM_EXPR", fired.text),
                    ("ERRM_ATTR_NAME", attribute),
                    ("ERRM_ATTR_PNAME", attribute),
                    ("ERRM_DATA_TYPE", data_type(measured)),
                    ("ERRM_VALUE", "" if measured is None else str(measured)),
                    *((name, value) for name, _, value in (pair.partition("=") for pair in action.environment)),
                )
                effects.append(RunResponse(condition.name, association.response, action, environment))
        return effects

    def _response_ended(self, ended: ResponseEnded) -> list[Effect]:
        response = self.registry.response(ended.response)
        action = next((a for a in response.actions if a.name == ended.action), None) if response else None
        expected = action.return_code if action else None
        good = expected is None or expected == ended.status
        text = (
            f"Response {ended.response} for condition {ended.condition}: action {ended.action} "
            f"{'completed' if good else 'failed'} with return code {ended.status}."
        )
        if action is not None and action.keep_output and ended.output:
            text += f" Output: {ended.output}"
        condition = self.registry.condition(ended.condition)
        recorded = condition.audit if condition is not None else "ALL"
        if recorded == "NONE" or (recorded == "ERRORS" and good):
            return []
        return [Audit(AUDIT_INFO if good else AUDIT_ERROR, text, ended.condition, ended.response, "e")]

    # Definitions.

    def _command(self, now: int, requester: int, request: Definition) -> list[Effect]:
        records: list[str] = []
        try:
            match request:
                case Define():
                    registry = self._define(request)
                case DefineResponse():
                    registry = self._define_response(request)
                case ChangeResponse():
                    registry = self._change_response(request)
                case Remove():
                    registry = self._remove(request)
                case Associate():
                    registry, records = self._associate(request)
        except _Refused as refusal:
            return [Reply(requester, Outcome(str(refusal), refusal.code))]
        self.registry = registry
        names = {condition.name for condition in self._watched()}
        for memory in (self._rearming, self._true):
            memory.intersection_update({key for key in memory if key[0] in names})
        self._previous = {key: value for key, value in self._previous.items() if key[0] in names}
        if names and self._due is None:
            self._due = now
        return [Store(registry), *(Audit(AUDIT_INFO, text) for text in records), Reply(requester, Outcome())]

    def _define(self, request: Define) -> Registry:
        condition, registry = request.condition, self.registry
        existing = registry.condition(condition.name)
        if request.change and existing is None:
            raise _Refused(f'2618-001 The condition "{condition.name}" is not defined.')
        if not request.change and existing is not None:
            raise _Refused(f'2618-201 The condition "{condition.name}" is already defined.')
        if condition.resource_class not in CLASSES:
            raise _Refused(
                f"2639-008 Resource class name {condition.resource_class} is not recognized by this resource manager.",
                4,
            )
        if existing is not None and existing.locked and condition.locked:
            raise _Refused(f'2618-014 The condition "{condition.name}" is locked.')
        if condition.severity not in SEVERITIES:
            raise _Refused(f"2618-010 {condition.severity} is not a severity: c, w or i.", 4)
        for text in (condition.event_expression, condition.rearm_expression, condition.selection):
            if text or text == condition.event_expression:
                try:
                    expression.parse(text)
                except expression.ExpressionError as error:
                    raise _Refused(f"2618-011 The expression {text!r} is not valid: {error}.", 4) from None
        if not request.change:
            return replace(registry, conditions=(*registry.conditions, condition))
        renamed = replace(condition, name=request.new_name or condition.name)
        if renamed.name != condition.name and registry.condition(renamed.name) is not None:
            raise _Refused(f'2618-201 The condition "{renamed.name}" is already defined.')
        return replace(
            registry,
            conditions=tuple(renamed if c.name == condition.name else c for c in registry.conditions),
            associations=tuple(
                replace(a, condition=renamed.name) if a.condition == condition.name else a
                for a in registry.associations
            ),
        )

    def _define_response(self, request: DefineResponse) -> Registry:
        registry = self.registry
        if registry.response(request.name) is not None:
            raise _Refused(f'2618-201 The response "{request.name}" is already defined.')
        for action in request.actions:
            _check(action)
        created = Response(name=request.name, actions=request.actions)
        return replace(registry, responses=(*registry.responses, created))

    def _change_response(self, request: ChangeResponse) -> Registry:
        registry = self.registry
        existing = registry.response(request.name)
        if existing is None:
            raise _Refused(f'2618-002 The response "{request.name}" is not defined.')
        if existing.locked and request.locked is None:
            raise _Refused(f'2618-014 The response "{request.name}" is locked.')
        changed = existing if request.locked is None else replace(existing, locked=request.locked)
        names = [action.name for action in existing.actions]
        if request.add is not None:
            _check(request.add)
            if request.add.name in names:
                raise _Refused(f'2618-202 The response "{request.name}" has that action already.')
            changed = replace(changed, actions=(*existing.actions, request.add))
        if request.delete:
            if request.delete not in names:
                raise _Refused(f'2618-003 The response "{request.name}" has no action "{request.delete}".')
            changed = replace(changed, actions=tuple(a for a in existing.actions if a.name != request.delete))
        if request.new_name:
            if registry.response(request.new_name) is not None:
                raise _Refused(f'2618-201 The response "{request.new_name}" is already defined.')
            changed = replace(changed, name=request.new_name)
        return replace(
            registry,
            responses=tuple(changed if r.name == request.name else r for r in registry.responses),
            associations=tuple(
                replace(a, response=changed.name) if a.response == request.name else a for a in registry.associations
            ),
        )

    def _remove(self, request: Remove) -> Registry:
        registry = self.registry
        condition = request.kind == "condition"
        known = registry.condition(request.name) if condition else registry.response(request.name)
        if known is None:
            raise _Refused(f'2618-00{1 if condition else 2} The {request.kind} "{request.name}" is not defined.')
        if known.locked:
            raise _Refused(f'2618-014 The {request.kind} "{request.name}" is locked.')
        linked = [a for a in registry.associations if (a.condition if condition else a.response) == request.name]
        if linked and not request.force:
            raise _Refused(f'2618-203 The {request.kind} "{request.name}" is linked; use -f to remove the links too.')
        registry = replace(registry, associations=tuple(a for a in registry.associations if a not in linked))
        if condition:
            return replace(registry, conditions=tuple(c for c in registry.conditions if c.name != request.name))
        return replace(registry, responses=tuple(r for r in registry.responses if r.name != request.name))

    def _associate(self, request: Associate) -> tuple[Registry, list[str]]:
        registry, records = self.registry, list[str]()
        if registry.condition(request.condition) is None:
            raise _Refused(f'2618-001 The condition "{request.condition}" is not defined.')
        # Without responses: those that the request changes.
        responses = request.responses or tuple(
            a.response
            for a in registry.associations
            if a.condition == request.condition and a.active != {"start": True, "stop": False}.get(request.state)
        )
        if not responses and any(a.condition == request.condition for a in registry.associations):
            number, word = ("2618-244", "started") if request.state == "start" else ("2618-264", "stopped")
            raise _Refused(f'{number} The condition "{request.condition}" is already {word}.')
        if not responses:
            raise _Refused(f'2618-008 The condition "{request.condition}" is not linked with any response.')
        already: list[str] = []
        was_monitored = registry.monitored(request.condition)
        for name in responses:
            if registry.response(name) is None:
                raise _Refused(f'2618-002 The response "{name}" is not defined.')
            known = registry.association(request.condition, name)
            if known is not None and known.locked and request.state != "unlock":
                raise _Refused(f'2618-014 "{request.condition}" and "{name}" are locked.')
            others = tuple(a for a in registry.associations if a is not known)
            match request.state:
                case "make":
                    if known is not None:
                        raise _Refused(f'2618-201 "{request.condition}" and "{name}" are linked already.')
                    added = Association(condition=request.condition, response=name)
                    registry = replace(registry, associations=(*others, added))
                case "start":
                    if known is not None and known.active:
                        already.append(f'2618-244 "{request.condition}" with "{name}" is already started.')
                        continue
                    added = Association(condition=request.condition, response=name, active=True)
                    registry = replace(registry, associations=(*others, added))
                case "stop" | "remove":
                    if known is None:
                        raise _Refused(f'2618-008 "{request.condition}" and "{name}" are not linked.')
                    if request.state == "stop" and not known.active:
                        already.append(f'2618-264 "{request.condition}" with "{name}" is already stopped.')
                        continue
                    kept = (replace(known, active=False),) if request.state == "stop" else ()
                    registry = replace(registry, associations=(*others, *kept))
                case "lock" | "unlock":
                    if known is None:
                        raise _Refused(f'2618-008 "{request.condition}" and "{name}" are not linked.')
                    changed = replace(known, locked=request.state == "lock")
                    registry = replace(
                        registry, associations=tuple(changed if a is known else a for a in registry.associations)
                    )
        if len(already) == len(responses):
            raise _Refused(already[0])
        if registry.monitored(request.condition) != was_monitored:
            word = "stopped" if was_monitored else "started"
            records.append(f"Monitoring of condition {request.condition} is {word} successfully.")
        return registry, records


_PROGRAM_NAME = re.compile(r"""ProgramName\s*={1,2}\s*(?:"([^"]*)"|'([^']*)')""")
_PROGRAM_FILTER = re.compile(r"""Filter\s*={1,2}\s*(?:"([^"]*)"|'([^']*)')""")


def _check(action: Action) -> None:
    """Refuse an action that could never run."""
    fault = schedule_fault(action.days, action.times)
    if fault or action.event_type not in ("a", "r", "b", "A", "e"):
        raise _Refused(f"2618-012 {fault or f'{action.event_type} is not an event type'}.", 4)
    if not action.script.startswith("/"):
        raise _Refused(f"2618-013 The script {action.script} is not an absolute path.", 4)


def programs_of(conditions: Iterable[Condition]) -> tuple[Program, ...]:
    """The programs that the select strings of conditions on IBM.Program name."""
    found: dict[Program, None] = {}
    for condition in conditions:
        if condition.resource_class == "IBM.Program" and (match := _PROGRAM_NAME.search(condition.selection)):
            chosen = _PROGRAM_FILTER.search(condition.selection)
            found[Program(match[1] or match[2], (chosen[1] or chosen[2] or "") if chosen else "")] = None
    return tuple(found)


def selects(selection: str, resource: Resource) -> bool:
    """Whether a select string (empty: all) chooses a resource, by its persistent attributes."""
    if not selection:
        return True
    try:
        return expression.parse(selection).holds(resource.persistent)
    except expression.ExpressionError:
        return False


def handle(resource_class: str, name: str) -> str:
    """A resource handle: six hex words that stay the same for the same resource (their contents are opaque)."""
    words = [zlib.crc32(f"{resource_class}/{name}/{n}".encode()) for n in range(4)]
    return f"0x60{zlib.crc32(resource_class.encode()) & 0xFF:02x} 0xffff " + " ".join(f"0x{word:08x}" for word in words)


def data_type(value: object) -> str:
    """The name of a value's RMC data type."""
    match value:
        case int():
            return "CT_INT64"
        case float():
            return "CT_FLOAT64"
        case str():
            return "CT_CHAR_PTR"
        case _:
            return "CT_NONE"
