"""SRCsubsys objects as values, and how their argument and environment strings are split."""

from __future__ import annotations

from srcctl.commands.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from srcctl.odm import OdmObject

ONCE, RESPAWN = 1, 2
"""SRCsubsys.action."""
MESSAGE_QUEUE, SIGNALS, SOCKETS = 1, 2, 3
"""SRCsubsys.contact."""


class Definition(Record):
    """A subsystem's definition. ``waittime`` in seconds; ``auditid`` is the user whom auditing charges."""

    subsysname: str
    path: str
    synonym: str = ""
    cmdargs: str = ""
    uid: int = 0
    auditid: int = 0
    standin: str = "/dev/console"
    standout: str = "/dev/console"
    standerr: str = "/dev/console"
    action: int = ONCE
    multi: int = 0
    contact: int = SOCKETS
    priority: int = 20
    signorm: int = 0
    sigforce: int = 0
    display: int = 1
    waittime: int = 20
    grpname: str = ""

    @classmethod
    def from_object(cls, values: Mapping[str, object]) -> Definition:
        """The definition in an SRCsubsys object (or in its JSON form)."""
        fields = {name: values[name] for name in cls._fields if name in values}
        return cls(**fields)  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, object]:
        """The definition as plain values."""
        return self._asdict()

    def answers_to(self, name: str) -> bool:
        """Whether ``name`` is its name or its synonym."""
        return name in (self.subsysname, self.synonym) and name != ""


class Catalogue(Record):
    """Everything that is defined: subsystems in the order of the object class, notify methods by name, and
    subservers (type, subsystem, code point)."""

    definitions: tuple[Definition, ...] = ()
    notify: tuple[tuple[str, str], ...] = ()
    subservers: tuple[tuple[str, str, int], ...] = ()

    def named(self, name: str) -> Definition | None:
        """The definition of a subsystem by name or synonym."""
        return next((d for d in self.definitions if d.answers_to(name)), None)

    def group(self, name: str) -> tuple[Definition, ...]:
        """The members of a group."""
        return tuple(d for d in self.definitions if name and d.grpname == name)

    def subserver(self, kind: str) -> tuple[str, int] | None:
        """The subsystem of a subserver type and the type's code point."""
        return next(((name, code) for known, name, code in self.subservers if known == kind), None)

    def notify_method(self, definition: Definition) -> str:
        """The subsystem's own notify method, else its group's; never both."""
        methods = dict(self.notify)
        return methods.get(definition.subsysname) or methods.get(definition.grpname or "\0", "")


def catalogue(objects: Mapping[str, list[OdmObject]]) -> Catalogue:
    """What the objects of SRC's classes define, by the name of the class; a class that is missing is empty."""
    return Catalogue(
        tuple(Definition.from_object(values) for values in objects.get("SRCsubsys", ())),
        tuple((str(values["notifyname"]), str(values["notifymethod"])) for values in objects.get("SRCnotify", ())),
        tuple(
            (str(values["sub_type"]), str(values["subsysname"]), int(values["sub_code"]))
            for values in objects.get("SRCsubsvr", ())
        ),
    )


def split_arguments(text: str) -> list[str]:
    """Split by shell-like rules; an unbalanced quote stands for itself (inferred).

    Without a quote or a backslash blanks separate words. In single quotes everything is itself, in double quotes a
    backslash takes its meaning from a double quote and a backslash only. The words are those of shlex.split, which
    srcmstr cannot afford: shlex imports regular expressions.
    """
    if not any(character in text for character in "'\"\\"):
        return text.split()
    words: list[str] = []
    word: str | None = None
    quote = ""
    rest = iter(text)
    for character in rest:
        if character == "\\" and quote != "'":
            escaped = next(rest, "")
            if not escaped:
                return text.split()
            kept = "\\" if quote and escaped not in '"\\' else ""
            word = (word or "") + kept + escaped
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "'\"":
            quote = character
            word = word or ""
        elif character in " \t\r\n":
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + character
    if quote:
        return text.split()
    return words if word is None else [*words, word]


def split_environment(text: str) -> dict[str, str]:
    """``NAME=value`` pairs of ``startsrc -e``; other words are ignored."""
    return {
        name: value for name, mark, value in (word.partition("=") for word in split_arguments(text)) if mark and name
    }
