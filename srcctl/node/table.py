"""lpar's table of the subsystems' processes: the truth that a restarted srcmstr begins with.

An instance is born by ``started``, ends by ``ended``, and is forgotten when srcmstr has acknowledged its end: no
exit is lost, whoever was away. Pure.
"""

from __future__ import annotations

from srcctl.commands import plain_json as json
from srcctl.node.messages import Entry


class Instance:
    """One process that srcmstr asked for. ``status`` is the wait status once it ended, None before."""

    __slots__ = ("definition", "instance", "pid", "status")

    def __init__(self, instance: int, pid: int, definition: str) -> None:
        self.instance = instance
        self.pid = pid
        self.definition = definition
        self.status: int | None = None

    @property
    def name(self) -> str:
        """The subsystem's name in the definition that srcmstr handed over, "" if it holds none."""
        try:
            value = json.loads(self.definition)
        except ValueError:
            return ""
        while isinstance(value, dict):
            for key in ("subsysname", "name", "subsystem"):
                found = value.get(key)
                if isinstance(found, str):
                    return found
                if isinstance(found, dict):
                    value = found
                    break
            else:
                value = value.get("definition")
        return ""


class ProcessTable:
    """Instances by number and by pid."""

    def __init__(self) -> None:
        self._instances: dict[int, Instance] = {}
        self._by_pid: dict[int, Instance] = {}

    def started(self, instance: int, pid: int, definition: str) -> None:
        """A process exists."""
        entry = Instance(instance, pid, definition)
        self._instances[instance] = entry
        self._by_pid[pid] = entry

    def ended(self, pid: int, status: int) -> Instance | None:
        """A process ended; returns its instance, None if the pid is no subsystem's."""
        entry = self._by_pid.pop(pid, None)
        if entry is not None:
            entry.status = status
        return entry

    def acknowledged(self, instance: int) -> None:
        """srcmstr knows of the end; the instance is forgotten (a running one is not)."""
        entry = self._instances.get(instance)
        if entry is not None and entry.status is not None:
            del self._instances[instance]

    def running(self, instance: int) -> Instance | None:
        """The instance if its process exists."""
        entry = self._instances.get(instance)
        return entry if entry is not None and entry.status is None else None

    def pids(self) -> set[int]:
        """Of all that runs."""
        return set(self._by_pid)

    def known(self, instance: int) -> bool:
        """True if the number is in use."""
        return instance in self._instances

    def entries(self) -> list[Entry]:
        """The table as a srcmstr gets it."""
        return [
            Entry(i.instance, i.pid, i.definition, ended=i.status is not None, status=i.status or 0)
            for i in self._instances.values()
        ]

    def names(self) -> dict[str, int]:
        """Running subsystems by name; several instances of one name are told apart by ``name:pid``."""
        result: dict[str, int] = {}
        for entry in self._instances.values():
            if entry.status is None:
                name = entry.name or f"instance {entry.instance}"
                result[name if name not in result else f"{name}:{entry.pid}"] = entry.pid
        return result
