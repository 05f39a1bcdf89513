"""clmgr's command line: actions, classes, their aliases and abbreviations, attributes, flags. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError

ACTIONS: dict[str, tuple[str, ...]] = {
    "add": ("a", "create", "make", "mk"),
    "query": ("q", "ls", "get", "show", "list"),
    "modify": ("mod", "ch", "set"),
    "delete": ("rm", "remove", "de", "er", "erase"),
    "online": ("on", "start"),
    "offline": ("off", "stop"),
    "move": ("mov", "mv"),
    "sync": ("sy", "synchronize"),
    "verify": ("ve",),
    "view": ("vi",),
    "discover": ("di",),
    "recover": ("rec",),
    "help": ("hp",),
}
CLASSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cluster": (
        ("cl",),
        ("add", "query", "modify", "delete", "discover", "sync", "verify", "online", "offline", "recover"),
    ),
    "node": (("no", "nodes"), ("add", "query", "modify", "delete", "online", "offline", "recover")),
    "network": (("ne", "nw", "networks"), ("add", "query", "modify", "delete")),
    "interface": (("in", "if", "interfaces"), ("query", "discover")),
    "service_ip": (("se", "si", "serviceip", "service_ips"), ("add", "query", "modify", "delete")),
    "application_controller": (
        ("ac", "app", "appctl", "application", "application_controllers"),
        ("add", "query", "modify", "delete"),
    ),
    "application_monitor": (("am", "mon", "appmon", "application_monitors"), ("add", "query", "modify", "delete")),
    "resource_group": (("rg", "resource_groups"), ("add", "query", "modify", "delete", "online", "offline", "move")),
    "volume_group": (("vg", "volume_groups"), ("add", "query", "discover")),
    "file_system": (("fs", "file_systems"), ("add", "query")),
    "physical_volume": (("pv", "physical_volumes"), ("query", "discover")),
    "repository": (("rp", "repo", "repositories"), ("query",)),
    "log": (("lo", "logs"), ("query", "modify", "view")),
    "event": (("ev", "events"), ("query", "modify")),
}
"""Class: aliases and the actions that it has here."""
KNOWN_BUT_ABSENT = (
    "site",
    "fallback_timer",
    "persistent_ip",
    "tape",
    "dependency",
    "file_collection",
    "snapshot",
    "method",
    "logical_volume",
    "mirror_pool",
    "user",
    "group",
    "ldap_server",
    "ldap_client",
    "storage_agent",
    "storage_system",
    "mirror_pair",
    "mirror_group",
    "report",
    "hmc",
    "cod",
    "smart_assist",
)
"""Classes of the product that this release does not have."""
UNNAMED = ("cluster",)
LEVELS = ("error", "standard", "low", "med", "high", "max")


@dataclass(slots=True)
class Request:
    """What one invocation asks for. ``attributes`` have upper-case names."""

    action: str = ""
    class_name: str = ""
    names: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    only: list[str] = field(default_factory=list)
    delimiter: str = ""
    header: bool = True
    xml: bool = False
    verbose: bool = False
    force: bool = False
    help: bool = False

    def attribute(self, *names: str, default: str = "") -> str:
        """The value of an attribute, by any of its names."""
        for name in names:
            if name in self.attributes:
                return self.attributes[name]
        return default

    def truth(self, name: str, default: bool) -> bool:
        """A yes/no attribute.

        Raises:
            ClmgrError: neither.
        """
        value = self.attributes.get(name, "").lower()
        if not value:
            return default
        if value in ("yes", "true", "1", "on"):
            return True
        if value in ("no", "false", "0", "off"):
            return False
        raise ClmgrError(f'an invalid value was specified for "{name}" ("{value}").', INCORRECT_INPUT)


def parse(words: list[str]) -> Request:
    """The request in a command line without the program's name.

    Raises:
        ClmgrError: unknown flags, actions, classes.
    """
    request = Request()
    rest = _flags(words, request)
    if not rest:
        return request
    request.action = _resolve(rest[0], ACTIONS, "operation")
    if request.action == "help":
        request.help = True
        return request
    if len(rest) < 2:
        return request
    request.class_name = resolve_class(rest[1])
    if request.action not in CLASSES[request.class_name][1]:
        raise ClmgrError(
            f'the "{request.action}" operation is not supported for the "{request.class_name}" class.', INCORRECT_INPUT
        )
    for word in rest[2:]:
        name, mark, value = word.partition("=")
        if mark and name.replace("_", "a").isalnum():
            request.attributes[name.upper()] = value.strip("\"'")
        elif word in ("-h", "-?"):
            request.help = True
        else:
            request.names += [part for part in word.split(",") if part]
    return request


def resolve_class(word: str) -> str:
    """A class by name, alias, unambiguous abbreviation, in any case.

    Raises:
        ClmgrError: none, or one that this release does not have.
    """
    table = {name: aliases for name, (aliases, _) in CLASSES.items()}
    lower = word.lower()
    if lower in KNOWN_BUT_ABSENT or lower.rstrip("s") in KNOWN_BUT_ABSENT:
        raise ClmgrError(f'the "{lower}" class is not supported by this release.', INCORRECT_INPUT)
    return _resolve(word, table, "class")


def _resolve(word: str, table: dict[str, tuple[str, ...]], what: str) -> str:
    lower = word.lower()
    for name, aliases in table.items():
        if lower == name or lower in aliases:
            return name
    found = [name for name in table if name.startswith(lower) or name.replace("_", "").startswith(lower)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ClmgrError(f'an invalid {what} was requested: "{word}"', INCORRECT_INPUT)
    raise ClmgrError(f'the {what} "{word}" is ambiguous: {", ".join(found)}', INCORRECT_INPUT)


def _flags(words: list[str], request: Request) -> list[str]:
    rest, place = list(words), 0
    while place < len(rest) and rest[place].startswith("-") and len(rest[place]) > 1:
        letters, place = rest[place][1:], place + 1
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in "adlTtg":
                value = letters
                if not value:
                    if place == len(rest):
                        raise ClmgrError(f'the "-{letter}" flag needs an argument.', INCORRECT_INPUT)
                    value, place = rest[place], place + 1
                letters = ""
                if letter == "a":
                    request.only += [name.strip().upper() for name in value.split(",") if name.strip()]
                elif letter == "d":
                    request.delimiter = value
                elif letter == "l" and value not in LEVELS:
                    raise ClmgrError(f'an invalid log level was specified: "{value}"', INCORRECT_INPUT)
            elif letter == "c":
                request.delimiter = ":"
            elif letter == "S":
                request.header = False
            elif letter == "x":
                request.xml = True
            elif letter == "v":
                request.verbose = True
            elif letter == "f":
                request.force = True
            elif letter in "h?":
                request.help = True
            elif letter not in "DM":
                raise ClmgrError(f'an invalid flag was specified: "-{letter}"', INCORRECT_INPUT)
    return rest[place:]


def usage_lines(request: Request) -> list[str]:
    """Help at each level: the actions, the classes of an action, the aliases of both."""
    if not request.action or request.action == "help":
        return ["The following operations (ACTIONs) are available:", "", *(f"    {name}" for name in ACTIONS)]
    if not request.class_name:
        classes = [name for name, (_, actions) in CLASSES.items() if request.action in actions]
        return [f"The following classes are available for the {request.action} operation:", ""] + [
            f"    {name}" for name in classes
        ]
    aliases = CLASSES[request.class_name][0]
    return [
        f"clmgr {request.action} {request.class_name} [<NAME>] [<ATTRIBUTE>=<VALUE> ...]",
        "",
        f"    {request.action} => {', '.join(ACTIONS[request.action])}",
        f"    {request.class_name} => {', '.join(aliases)}",
    ]


Block = list[tuple[str, str]]


def render(request: Request, blocks: Iterable[Block], names_only: bool) -> list[str]:
    """Query output in the shape that the flags ask for.

    Args:
        request: the flags.
        blocks: attributes of each object, in display order; the first attribute is the name.
        names_only: list names, one a line, unless attributes or a delimited form are asked for.

    Raises:
        ClmgrError: an attribute that the class does not have.
    """
    found = [_only(request, block) for block in blocks]
    if request.delimiter:
        lines = []
        mark = request.delimiter
        if request.header and found:
            lines.append("# " + mark.join(name for name, _ in found[0]))
        escaped = [[value.replace(mark, "\\" + mark) for _, value in block] for block in found]
        return lines + [mark.join(values) for values in escaped]
    if request.xml:
        tag = request.class_name.upper()
        lines = []
        for block in found:
            lines += [f"<{tag}>", *(f"  <{name}>{_xml(value)}</{name}>" for name, value in block), f"</{tag}>"]
        return lines
    if names_only and not request.only and not request.verbose:
        return [block[0][1] for block in found if block]
    lines = []
    for number, block in enumerate(found):
        if number and (request.verbose or len(found) > 1) and not request.only:
            lines.append("")
        lines += [f'{name}="{value}"' for name, value in block]
    return lines


def _only(request: Request, block: Block) -> Block:
    if not request.only:
        return block
    chosen: Block = []
    for wanted in request.only:
        matches = [(name, value) for name, value in block if _matches(name, wanted)]
        if not matches:
            raise ClmgrError(f'an invalid attribute was requested: "{wanted}"', INCORRECT_INPUT)
        chosen += [pair for pair in matches if pair not in chosen]
    return chosen


def _matches(name: str, wanted: str) -> bool:
    if "*" not in wanted:
        return name == wanted
    import fnmatch

    return fnmatch.fnmatchcase(name, wanted)


def _xml(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
