"""What defines: mkcondition, chcondition, rmcondition, the same of responses, and their links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from daemons.ctrmc.client import ask
from daemons.ctrmc.frame import BAD_PARAMETER, RMC_ERROR, Usage, check_scope, finish, rmc_command
from daemons.ctrmc.messages import (
    Associate,
    ChangeResponse,
    Define,
    DefineResponse,
    ListRegistry,
    Outcome,
    RegistryReply,
    Remove,
)
from daemons.ctrmc.model import Action, Condition
from srcctl.commands.options import is_number

_AUDIT = {"0": "ALL", "1": "ERRORS", "2": "NONE"}
_TOGGLE = ("qtoggle", "qnotoggle")
_ATTRIBUTES = (
    '[-E "rearm_expression"] [-d "event_description"] [-D "rearm_description"] [-s "selection_string"] [-S c|w|i] '
    "[-g 0|1|2] [-m l] [--qnotoggle|--qtoggle]"
)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is defined, as the daemon tells, and the node that was asked."""

    reply: RegistryReply

    def condition(self, name: str) -> Condition:
        """The condition ``name`` or ``name:node``.

        Raises:
            _Missing: there is none.
        """
        found = self.reply.registry.condition(_plain(name))
        if found is None:
            raise _Missing(f'2618-001 The condition "{_plain(name)}" is not defined.')
        return found


class _Missing(Exception):
    pass


def _plain(name: str) -> str:
    """A name without the ``:node`` behind it."""
    return name.partition(":")[0]


def _known() -> _Known:
    return _Known(ask(ListRegistry(), RegistryReply))


@rmc_command(
    f'-r resource_class -e "event_expression" {_ATTRIBUTES} [-h] condition | -c existing_condition [...] condition',
    "r:e:E:d:D:s:S:c:g:b:hVTm:n:p:",
    _TOGGLE,
)
def mkcondition(name: str, options: dict[str, str], operands: list[str]) -> int:
    """mkcondition: define a condition, from nothing or like another one."""
    if len(operands) != 1 or ("-c" not in options and ("-r" not in options or "-e" not in options)):
        raise Usage("2612-002 One condition, its resource class (-r) and its event expression (-e) are needed.")
    try:
        known = _known()
        base = known.condition(options["-c"]) if "-c" in options else None
        defined = _condition(operands[0], options, base, known.reply.node)
    except _Missing as missing:
        return finish(name, Outcome(str(missing), RMC_ERROR))
    return finish(name, ask(Define(replace(defined, locked=False)), Outcome))


@rmc_command(
    f'[-r resource_class] [-e "event_expression"] {_ATTRIBUTES} [-c new_condition] [-h] condition | '
    "{-L|-U} condition",
    "r:e:E:d:D:s:S:c:g:b:hVTm:n:p:LU",
    _TOGGLE,
)
def chcondition(name: str, options: dict[str, str], operands: list[str]) -> int:
    """chcondition: change, rename, lock or unlock a condition."""
    if len(operands) != 1:
        raise Usage("2612-002 One condition is needed.")
    if ("-L" in options or "-U" in options) and len(set(options) - {"-V", "-T"}) > 1:
        raise Usage("2612-002 -L and -U allow no other flag.")
    try:
        known = _known()
        existing = known.condition(operands[0])
    except _Missing as missing:
        return finish(name, Outcome(str(missing), RMC_ERROR))
    changed = _condition(existing.name, options, existing, known.reply.node)
    if "-L" in options or "-U" in options:
        if existing.locked == ("-L" in options):
            return 0
        changed = replace(existing, locked="-L" in options)
    return finish(name, ask(Define(changed, change=True, new_name=options.get("-c", "")), Outcome))


def _condition(name: str, options: dict[str, str], base: Condition | None, node: str) -> Condition:
    check_scope(options, node)
    base = base or Condition(name=name, resource_class="", event_expression="")
    if "-g" in options and options["-g"] not in _AUDIT:
        raise Usage(f"2612-004 {options['-g']} is not valid for the flag -g: 0, 1 or 2.", BAD_PARAMETER)
    toggle = base.toggle
    if "--qtoggle" in options or "--qnotoggle" in options:
        toggle = "--qtoggle" in options
    return Condition(
        name=name,
        resource_class=options.get("-r", base.resource_class),
        event_expression=options.get("-e", base.event_expression),
        event_description=options.get("-d", base.event_description),
        rearm_expression=options.get("-E", base.rearm_expression),
        rearm_description=options.get("-D", base.rearm_description),
        selection=options.get("-s", base.selection),
        severity=options.get("-S", base.severity),
        toggle=toggle,
        audit=_AUDIT.get(options.get("-g", ""), base.audit),
        locked=base.locked,
    )


@rmc_command("[-f] [-q] [-h] condition[:node]", "fqhVT")
def rmcondition(name: str, options: dict[str, str], operands: list[str]) -> int:
    """rmcondition: remove a condition."""
    return _remove(name, "condition", options, operands)


@rmc_command("[-f] [-q] [-h] response[:node]", "fqhVT")
def rmresponse(name: str, options: dict[str, str], operands: list[str]) -> int:
    """rmresponse: remove a response."""
    return _remove(name, "response", options, operands)


def _remove(name: str, kind: str, options: dict[str, str], operands: list[str]) -> int:
    if len(operands) != 1:
        raise Usage(f"2612-002 One {kind} is needed.")
    outcome = ask(Remove(kind, _plain(operands[0]), "-f" in options), Outcome)
    if "-q" in options and "not defined" in outcome.error:
        return 0
    return finish(name, outcome)


_RESPONSE_FLAGS = "n:d:t:s:r:e:oE:uhVTb"
_ACTION = "-n action [-d days] [-t times] -s script [-r return_code] [-e a|A|b|e|r] [-o] [-E variable=value,...] [-u]"


def _action(options: dict[str, str]) -> Action | None:
    if "-n" not in options:
        return None
    if "-s" not in options:
        raise Usage("2612-002 An action (-n) needs a script (-s).")
    code = options.get("-r")
    if code is not None and not is_number(code.removeprefix("-")):
        raise Usage(f"2612-004 {code} is not a return code.", BAD_PARAMETER)
    return Action(
        name=options["-n"],
        script=options["-s"],
        days=options.get("-d", "1-7"),
        times=options.get("-t", "0000-2400"),
        return_code=int(code) if code is not None else None,
        event_type=options.get("-e", "a"),
        keep_output="-o" in options,
        environment=tuple(options["-E"].split(",")) if "-E" in options else (),
        undefined_resource="-u" in options,
    )


@rmc_command(f"[{_ACTION}] [-h] response | -c existing_response [-h] response", _RESPONSE_FLAGS + "c:p:")
def mkresponse(name: str, options: dict[str, str], operands: list[str]) -> int:
    """mkresponse: define a response, with one action or none, or like another one."""
    if len(operands) != 1 or ("-c" in options and "-n" in options):
        raise Usage("2612-002 One response is needed, and an action (-n) or a response to copy (-c).")
    action = _action(options)
    actions: tuple[Action, ...] = (action,) if action is not None else ()
    if "-c" in options or "-p" in options:
        reply = ask(ListRegistry(), RegistryReply)
        check_scope({flag: text for flag, text in options.items() if flag == "-p"}, reply.node)
        if "-c" in options:
            existing = reply.registry.response(_plain(options["-c"]))
            if existing is None:
                missing = f'2618-002 The response "{_plain(options["-c"])}" is not defined.'
                return finish(name, Outcome(missing, RMC_ERROR))
            actions = existing.actions
    return finish(name, ask(DefineResponse(operands[0], actions), Outcome))


@rmc_command(
    f"-a {_ACTION} [-h] response | -p -n action response | -c new_response response | {{-L|-U}} response",
    "apc:LU" + _RESPONSE_FLAGS,
)
def chresponse(name: str, options: dict[str, str], operands: list[str]) -> int:
    """chresponse: add an action to a response, delete one, rename the response, lock or unlock it."""
    ways = [flag for flag in ("-a", "-p", "-c", "-L", "-U") if flag in options]
    if len(operands) != 1 or len(ways) != 1:
        raise Usage("2612-002 One response and one of -a, -p, -c, -L and -U are needed.")
    if ways[0] in ("-a", "-p") and "-n" not in options:
        raise Usage("2612-002 The action (-n) is needed.")
    response = _plain(operands[0])
    match ways[0]:
        case "-a":
            change = ChangeResponse(response, add=_action(options))
        case "-p":
            change = ChangeResponse(response, delete=options["-n"])
        case "-c":
            change = ChangeResponse(response, new_name=options["-c"])
        case lock:
            change = ChangeResponse(response, locked=lock == "-L")
    return finish(name, ask(change, Outcome))


def _associate(state: str, least: int) -> Callable[[list[str]], int]:
    locks = "" if state == "make" else "LU"
    usage = "[-h] condition[:node] response..." if least > 1 else "[-h] condition[:node] [response...]"

    @rmc_command(usage + (" | {-L|-U} condition[:node] response" if locks else ""), "hqVT" + locks)
    def command(name: str, options: dict[str, str], operands: list[str]) -> int:
        if len(operands) < least or (("-L" in options or "-U" in options) and len(operands) != 2):
            raise Usage(
                "2612-002 A condition and a response are needed." if least > 1 else "2612-002 A condition is needed."
            )
        asked = "lock" if "-L" in options else "unlock" if "-U" in options else state
        outcome = ask(Associate(_plain(operands[0]), tuple(operands[1:]), asked), Outcome)
        if "-q" in options and ("not linked" in outcome.error or "not defined" in outcome.error):
            return 0
        return finish(name, outcome)

    return command


mkcondresp = _associate("make", 2)
startcondresp = _associate("start", 1)
stopcondresp = _associate("stop", 1)
rmcondresp = _associate("remove", 1)
