"""What init does, as a pure machine: which record of /etc/inittab is started, waited for, started again or ended.

Sources: the AIX manual pages inittab, init and telinit. The limit for a command that respawns too rapidly is System V
init's (inferred): ten starts in two minutes put the record to rest for five minutes, or until ``telinit q``.
"""

from __future__ import annotations

from srcctl.commands.record import Record as Value
from srcctl.machine import SECOND, Tick
from srcctl.node.inittab import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

RESPAWN_LIMIT: Final = 10
RESPAWN_WINDOW: Final = 120 * SECOND
RESPAWN_REST: Final = 300 * SECOND
TERMINATE_PATIENCE: Final = 20 * SECOND
"""Between SIGTERM and SIGKILL for a record that the new run level does not have (AIX init: 20 seconds)."""
RESPAWNED: Final = ("respawn", "ondemand")
GATE_PATIENCE: Final = 5 * SECOND
"""How long later records wait for a record that announces its readiness (srcmstr), inferred."""


class ReadTable(Value):
    """The table as it stands now: at boot, at ``telinit q`` and at a change of run level.

    ``demanded``: one of a, b, c, h: the records of that level start, and the run level stays (``telinit a``).
    """

    records: tuple[Record, ...]
    level: str
    demanded: str = ""


class NoRespawn(Value):
    """Nothing is respawned until the table is read again (``telinit N``)."""


class ProcessEnded(Value):
    """The process of a record ended (or could not be started: status -1)."""

    identifier: str
    status: int


class Ready(Value):
    """A record that later ones wait for has announced that it serves."""

    identifier: str


Input: TypeAlias = ReadTable | NoRespawn | ProcessEnded | Ready | Tick


class StartRecord(Value):
    """Start the command of a record."""

    record: Record


class EndRecord(Value):
    """Signal the process of a record: SIGTERM, or SIGKILL when it did not obey."""

    identifier: str
    kill: bool


class Report(Value):
    """A line for the console."""

    text: str


class RunLevelReached(Value):
    """Every record of the run level was processed."""

    level: str


Effect: TypeAlias = StartRecord | EndRecord | Report | RunLevelReached


class _Job:
    """What init knows about one record's process."""

    __slots__ = ("kill_at", "record", "resting_until", "running", "starts")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.running = False
        self.starts: list[int] = []
        self.resting_until: int | None = None
        self.kill_at: int | None = None


class Init:
    """The machine.

    Args:
        gates: programs (first word of a command) that announce their readiness; later records wait for them.
    """

    def __init__(self, gates: frozenset[str] = frozenset()) -> None:
        self._gates = gates
        self._jobs: dict[str, _Job] = {}
        self._queue: list[Record] = []
        self._waiting_for: str = ""
        self._gate: str = ""
        self._gate_until: int | None = None
        self._level = ""
        self._demanded: set[str] = set()
        self._respawning = True
        self._booted = False
        self._reached = True

    @property
    def level(self) -> str:
        """The current run level, "" before the first table."""
        return self._level

    def starts_again(self, identifier: str) -> bool:
        """Whether a record's process is started again whenever it ends, be it after a rest."""
        job = self._jobs.get(identifier)
        return job is not None and self._keeps(job)

    def step(self, now: int, value: Input, /) -> list[Effect]:
        """Take one input at ``now`` (microseconds) and return the effects in order."""
        effects: list[Effect] = []
        if isinstance(value, ReadTable):
            self._read(now, value, effects)
        elif isinstance(value, ProcessEnded):
            self._ended(now, value, effects)
        elif isinstance(value, NoRespawn):
            self._respawning = False
        elif isinstance(value, Ready):
            if self._gate == value.identifier:
                self._gate, self._gate_until = "", None
            if value.identifier in self._jobs:
                # The limit is for what cannot start. What served before it was killed is started again each time.
                self._jobs[value.identifier].starts.clear()
        else:
            self._tick(now, effects)
        self._advance(now, effects)
        return effects

    def next_deadline(self) -> int | None:
        """When a Tick is wanted."""
        times = [job.resting_until for job in self._jobs.values() if job.resting_until is not None]
        times += [job.kill_at for job in self._jobs.values() if job.kill_at is not None]
        if self._gate_until is not None:
            times.append(self._gate_until)
        return min(times, default=None)

    def describe(self) -> dict[str, object]:
        """The whole state as plain values."""
        return {
            "level": self._level,
            "demanded": sorted(self._demanded),
            "respawning": self._respawning,
            "waiting_for": self._waiting_for or self._gate,
            "queue": [record.identifier for record in self._queue],
            "jobs": {
                name: {
                    "action": job.record.action,
                    "running": job.running,
                    "starts": list(job.starts),
                    "resting_until": job.resting_until,
                    "kill_at": job.kill_at,
                }
                for name, job in self._jobs.items()
            },
        }

    def _read(self, now: int, table: ReadTable, effects: list[Effect]) -> None:
        if table.demanded:
            self._demanded |= {r.identifier for r in table.records if table.demanded in r.levels}
        self._respawning = True
        new_level = table.level != self._level
        first = not self._booted
        self._booted = True
        self._level = table.level
        named = {record.identifier: record for record in table.records}
        for name, job in self._jobs.items():
            record = named.get(name)
            stays = record is not None and self._belongs(record) and record.action != "off"
            if job.running and not stays and job.kill_at is None:
                job.kill_at = now + TERMINATE_PATIENCE
                effects.append(EndRecord(name, kill=False))
            if record is None:
                job.record = job.record._replace(action="off")
            job.resting_until = None
            job.starts.clear()
        self._queue = [record for record in table.records if self._wanted(record, first, new_level, table.demanded)]
        self._reached = False
        for record in table.records:
            job = self._jobs.setdefault(record.identifier, _Job(record))
            job.record = record
        for name in [name for name, job in self._jobs.items() if name not in named and not job.running]:
            del self._jobs[name]

    def _wanted(self, record: Record, first: bool, new_level: bool, demanded: str) -> bool:
        job = self._jobs.get(record.identifier)
        if job is not None and job.running:
            return False
        if record.action in ("sysinit", "boot", "bootwait"):
            return first
        if not self._belongs(record):
            return False
        if record.action in ("once", "wait"):
            # Once per entry into a run level or demand; at "telinit q" only what the table did not have before.
            before = None if job is None else (job.record.command, job.record.action)
            asked = bool(demanded) and demanded in record.levels
            return new_level or asked or before != (record.command, record.action)
        return record.action in RESPAWNED

    def _belongs(self, record: Record) -> bool:
        """Whether a record is to be processed now: it is of the run level, or it was demanded (telinit a, b, c)."""
        return record.applies(self._level) or record.identifier in self._demanded

    def _keeps(self, job: _Job) -> bool:
        """Whether a record's process is to run for ever."""
        return self._respawning and job.record.action in RESPAWNED and self._belongs(job.record)

    def _ended(self, now: int, ended: ProcessEnded, effects: list[Effect]) -> None:
        job = self._jobs.get(ended.identifier)
        if job is None:
            return
        job.running = False
        job.kill_at = None
        if self._waiting_for == ended.identifier:
            self._waiting_for = ""
        if self._keeps(job):
            self._respawn(now, job, effects)

    def _respawn(self, now: int, job: _Job, effects: list[Effect]) -> None:
        job.starts = [start for start in job.starts if now - start < RESPAWN_WINDOW]
        if len(job.starts) >= RESPAWN_LIMIT:
            job.resting_until = now + RESPAWN_REST
            job.starts.clear()
            effects.append(
                Report(
                    "INIT: Command is respawning too rapidly. Check for possible errors.\n"
                    f'id: {job.record.identifier:>10} "{job.record.command}"'
                )
            )
            return
        self._start(now, job, effects)

    def _start(self, now: int, job: _Job, effects: list[Effect]) -> None:
        job.running = True
        job.resting_until = None
        if job.record.action in RESPAWNED:
            job.starts.append(now)
        effects.append(StartRecord(job.record))

    def _tick(self, now: int, effects: list[Effect]) -> None:
        if self._gate_until is not None and now >= self._gate_until:
            effects.append(Report(f"INIT: {self._gate} is not ready, going on without it."))
            self._gate, self._gate_until = "", None
        for name, job in self._jobs.items():
            if job.kill_at is not None and now >= job.kill_at:
                job.kill_at = None
                effects.append(EndRecord(name, kill=True))
            if job.resting_until is not None and now >= job.resting_until:
                job.resting_until = None
                if not job.running and self._keeps(job):
                    self._start(now, job, effects)

    def _advance(self, now: int, effects: list[Effect]) -> None:
        while self._queue and not self._waiting_for and not self._gate:
            record = self._queue.pop(0)
            job = self._jobs[record.identifier]
            if job.running:
                continue
            self._start(now, job, effects)
            if record.action in ("wait", "bootwait", "sysinit"):
                self._waiting_for = record.identifier
            elif record.program.split(" ", 1)[0] in self._gates:
                self._gate, self._gate_until = record.identifier, now + GATE_PATIENCE
        if not self._queue and not self._waiting_for and not self._gate and not self._reached:
            self._reached = True
            effects.append(RunLevelReached(self._level))
