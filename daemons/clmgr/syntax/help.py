"""clmgr's help: the actions, the classes of an action, the syntax of an action on a class. Pure.

Required inputs stand by themselves, optional ones in brackets, as in the product's syntax; the kinds of dependencies
have a line each.
"""

from __future__ import annotations

from collections.abc import Iterable

from daemons.clmgr.syntax.attribute_tables import REQUIRED
from daemons.clmgr.syntax.catalogue import ACTIONS, CLASSES, OPERATIONS, refusal
from daemons.clmgr.syntax.grammar import Request

_ONE, _SEVERAL, _ANY = "<name>", "<name>[,...]", "{<name>[,...]|ALL}"
_OPTIONAL, _OPTIONAL_LIST, _NONE = "[ <name> ]", "[ <name>[,...] ]", ""
_NAMES = {
    "add": _ONE, "query": _OPTIONAL_LIST, "modify": _ONE, "delete": _ANY, "online": _SEVERAL, "offline": _SEVERAL,
    "move": _SEVERAL, "replace": _ONE, "sync": _OPTIONAL_LIST, "verify": _OPTIONAL_LIST, "view": _OPTIONAL,
    "manage": _ONE, "discover": _NONE, "recover": _ONE,
}  # fmt: skip
_NAMES_OF = {
    ("add", "cluster"): _OPTIONAL, ("modify", "cluster"): _OPTIONAL, ("delete", "cluster"): _OPTIONAL,
    ("query", "cluster"): "[ ALL | {CORE,SECURITY,SPLIT-MERGE,HMC,ROHA} ]",
    ("online", "cluster"): _NONE, ("offline", "cluster"): _NONE, ("recover", "cluster"): _NONE,
    ("sync", "cluster"): _NONE, ("verify", "cluster"): _NONE, ("manage", "cluster"): _NONE,
    ("online", "node"): "[ {<name>[,...]|ALL} ]", ("offline", "node"): "[ {<name>[,...]|ALL} ]",
    ("manage", "node"): _NONE,
    ("online", "resource_group"): _ANY, ("offline", "resource_group"): _ANY,
    ("add", "dependency"): _NONE, ("delete", "dependency"): "{<id>[,...]|ALL}", ("modify", "dependency"): "<id>",
    ("add", "repository"): _SEVERAL, ("manage", "log"): _NONE, ("modify", "log"): "{<name>|ALL}",
    ("view", "log"): "[ {<name>|EVENTS} ]", ("view", "snapshot"): _ONE, ("query", "hosts"): _NONE,
    ("delete", "user"): _SEVERAL, ("delete", "group"): _SEVERAL,
    ("discover", "cluster"): _OPTIONAL, ("manage", "application_controller"): _SEVERAL, ("recover", "site"): _SEVERAL,
    ("view", "report"): "{cluster|status|topology|applications|availability|events|nodeinfo|rginfo|lvinfo|fsinfo|"
                        "vginfo|dependencies|repository|roha}",
}  # fmt: skip
"""Names in the syntax, where they are others than those of the action."""
_DEPENDENCIES = (
    "PARENT=<name> CHILD=<name>[,...]",
    "{STOP|START}=<name>[,...] AFTER=<name>",
    "SAME={NODE|SITE} GROUPS=<name>,<name>[,...]",
    "[ HIGH=<name>[,...] ] [ INTERMEDIATE=<name>[,...] ] [ LOW=<name>[,...] ]",
)


def usage_lines(request: Request) -> list[str]:
    """Help at each level: the actions; the classes of an action; the syntax and the aliases of both."""
    if not request.action or request.action == "help":
        title = ["The following operations (ACTIONs) are available:", ""]
        if not request.verbose:
            return [*title, *(f"    {name}" for name in ACTIONS)]
        return title + [
            f"    {name:<10}{' '.join(c for c in CLASSES if not refusal(name, c))}".rstrip() for name in ACTIONS
        ]
    if not request.class_name:
        classes = [name for name in CLASSES if not refusal(request.action, name)]
        return [f"The following classes are available for the {request.action} operation:", ""] + [
            f"    {name}" for name in classes
        ]
    action, class_name = request.action, request.class_name
    return [
        *_syntax(action, class_name),
        "",
        *_aliases(action, ACTIONS[action]),
        *_aliases(class_name, CLASSES[class_name].aliases),
    ]


def _syntax(action: str, class_name: str) -> list[str]:
    from daemons.clmgr.syntax.attributes import accepted

    operations = OPERATIONS.get(class_name, ()) if action == "manage" else ()
    which = f"{{{'|'.join(operations)}}}" if len(operations) > 1 else "".join(operations)
    names = _NAMES_OF.get((action, class_name), _NAMES[action])
    head = " ".join(word for word in ("clmgr", action, class_name, which, names) if word)
    if (action, class_name) == ("add", "dependency"):
        return [f"{head} {way}" for way in _DEPENDENCIES]
    required = REQUIRED.get((action, class_name), ())
    chosen = {name for way in required for name in way.split("|")}
    inputs = {name: f"{name}={_placeholder(domain)}" for name, domain in accepted(action, class_name).items()}
    wanted = [" | ".join(inputs[name] for name in way.split("|")) for way in required]
    lines = [f"{{ {way} }}" if " | " in way else way for way in wanted]
    lines += [f"[ {text} ]" for name, text in inputs.items() if name not in chosen]
    return [" \\\n".join([head, *(f"    {line}" for line in lines)])]


def _aliases(name: str, aliases: Iterable[str]) -> list[str]:
    listed = ", ".join(aliases)
    return [f"    {name} => {listed}"] if listed else []


def _placeholder(domain: str) -> str:
    known = {
        "text": "<text>", "name": "<name>", "names": "<name>[,...]", "path": "<path>", "paths": "<path>[,...]",
        "paths|ALL": "{<path>[,...]|ALL}", "mounts": "<path>;<path>[,...]", "address": "<IP_address>",
        "netmask": "<netmask>", "multicast": "<IP_address>", "truth": "{true|false}",
    }  # fmt: skip
    if domain in known:
        return known[domain]
    return f"<{domain}>" if domain[0].isdigit() and "|" not in domain else f"{{{domain}}}"
