"""What outlives a srcmstr: /var/adm/SRC/active_list, and the words that lpar keeps with each process.

The formats are our own; on the product both files are documented as internal.
"""

from __future__ import annotations

from srcctl.commands import plain_json as json
from srcctl.node.messages import Entry
from srcctl.node.slots import SlotFile
from srcctl.srcmstr.definitions import Definition
from srcctl.srcmstr.exchange import Instance, Remember, Result, State


def text(remember: Remember) -> str:
    """The memory file."""
    return json.dumps(
        {
            "instances": [
                {"number": i.number, "name": i.definition.subsysname, "pid": i.pid, "state": i.state}
                for i in remember.instances
            ],
            "results": [[r.asker, r.number, r.name, r.pid, r.code] for r in remember.results],
            "next": remember.next_number,
        }
    ) + "\n"  # fmt: skip


def read(path: str) -> tuple[dict[int, str], tuple[Result, ...], int]:
    """States by number of instance, results, the next number; nothing if the file is missing or damaged."""
    try:
        found = json.loads(SlotFile(path).read())
        states = {int(entry["number"]): State.KNOWN[entry["state"]] for entry in found["instances"]}
        results = tuple(
            Result(str(asker), int(number), str(name), int(pid), int(code))
            for asker, number, name, pid, code in found["results"]
        )
        return states, results, int(found["next"])
    except (OSError, ValueError, TypeError, KeyError):
        return {}, (), 1


def kept(instance: Instance) -> str:
    """What lpar keeps with the process of an instance for a srcmstr to come."""
    return json.dumps(
        {
            "subsysname": instance.definition.subsysname,
            "definition": instance.definition.as_dict(),
            "arguments": instance.arguments,
            "environment": instance.environment,
            "asker": instance.asker,
            "abnormal_ends": instance.abnormal_ends,
            "replaces": instance.replaces,
        }
    )


def instance(entry: Entry, state: str | None) -> Instance:
    """An instance of lpar's table; ``state`` is what the memory file says of it.

    Raises:
        ValueError, KeyError, TypeError: lpar kept something else.
    """
    values = json.loads(entry.definition)
    if state is None or state == State.STARTING:
        state = State.ACTIVE
    return Instance(
        entry.instance,
        Definition.from_object(values["definition"]),
        tuple(values["arguments"]),
        tuple((name, value) for name, value in values["environment"]),
        state,
        entry.pid,
        str(values["asker"]),
        tuple(values["abnormal_ends"]),
        replaces=int(values["replaces"]),
    )
