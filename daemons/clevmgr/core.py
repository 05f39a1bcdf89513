"""clevmgrdES as a pure machine: from what the system says to what the cluster manager is told.

Reports are kept in order and sent again until the cluster manager took them; a report that is overtaken by its opposite
before it was sent is dropped together with it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias

from daemons.caa.messages import Event
from daemons.clstrmgr.messages import SystemEvent
from srcctl.machine import MILLISECOND, Tick

RETRY = 500 * MILLISECOND
"""Microseconds before a report is sent again (patience with a cluster manager that is being started)."""
WAITING_MAX = 256

Kind: TypeAlias = Literal[
    "interface_down",
    "interface_up",
    "repository_lost",
    "repository_back",
    "disk_lost",
    "disk_back",
    "volume_group_lost",
]
_OPPOSITE: dict[str, str] = {
    "interface_down": "interface_up",
    "interface_up": "interface_down",
    "repository_lost": "repository_back",
    "repository_back": "repository_lost",
    "disk_lost": "disk_back",
    "disk_back": "disk_lost",
}


@dataclass(frozen=True, slots=True)
class Happened:
    """Input: an event of CAA. ``addresses`` map interface names of this node to boot addresses."""

    event: Event


@dataclass(frozen=True, slots=True)
class Disks:
    """Input: the shared disks of volume groups that are varied on here, which of them failed, and their groups."""

    failed: tuple[tuple[str, str], ...]
    """Pairs of disk and volume group."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Input: the cluster manager took the report with this serial number."""

    serial: int


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Input: the cluster manager could not be told."""

    serial: int


Input: TypeAlias = Happened | Disks | Taken | NotTaken | Tick


@dataclass(frozen=True, slots=True)
class Tell:
    """Effect: tell the cluster manager; exactly one ``Taken`` or ``NotTaken`` answers it."""

    report: SystemEvent


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Effect: an entry of the error log."""

    label: str
    resource: str
    detail: str


@dataclass(frozen=True, slots=True)
class Log:
    """Effect: a line of the log."""

    text: str


Effect: TypeAlias = Tell | LogEntry | Log


class EventManager:
    """The machine.

    Args:
        own: this node's number.
        uuid: this node's uuid.
        addresses: interface names of this node and their boot addresses.
    """

    def __init__(self, own: int, uuid: str, addresses: dict[str, str]) -> None:
        self.own = own
        self.uuid = uuid.replace("-", "").upper()
        self.addresses = addresses
        self.waiting: deque[SystemEvent] = deque()
        self.told = 0
        self.lost_disks: frozenset[tuple[str, str]] = frozenset()
        self._serial = 0
        self._sending = False
        self._sent = 0
        self._retry_at: int | None = None

    def next_deadline(self) -> int | None:
        return self._retry_at

    def describe(self) -> dict[str, object]:
        return {"waiting": [report.kind for report in self.waiting], "told": self.told}

    def step(self, now: int, value: Input) -> list[Effect]:
        match value:
            case Happened(event):
                return self._happened(event)
            case Disks(failed):
                return self._disks(frozenset(failed))
            case Taken(serial):
                self._sending = False
                if self.waiting and self.waiting[0].serial == serial:
                    self.waiting.popleft()
                    self.told += 1
                return self._send()
            case NotTaken():
                self._sending = False
                self._retry_at = now + RETRY
                return []
            case Tick():
                if self._retry_at is None or now < self._retry_at:
                    return []
                self._retry_at = None
                return self._send()

    def _happened(self, event: Event) -> list[Effect]:
        if event.node != self.own:
            return []
        match event.kind:
            case "ADAPTER_DOWN" | "ADAPTER_UP":
                address = self.addresses.get(event.subject, event.subject)
                return self._report("interface_down" if event.kind == "ADAPTER_DOWN" else "interface_up", address)
            case "REP_DOWN":
                text = f"Error: Node 0x{self.uuid} has lost access to repository disk {event.subject}."
                entry = LogEntry("OPMSG", "clevmgrd", text)
                return [entry, *self._report("repository_lost", event.subject, self.uuid)]
            case "REP_UP":
                return self._report("repository_back", event.subject, self.uuid)
        return []

    def _disks(self, failed: frozenset[tuple[str, str]]) -> list[Effect]:
        effects: list[Effect] = []
        for disk, group in sorted(failed - self.lost_disks):
            effects.append(LogEntry("LVM_SA_PVMISS", "LVDD", disk))
            effects.append(LogEntry("LVM_SA_QUORCLOSE", "LVDD", group))
            effects += self._report("disk_lost", disk, group)
        for disk, group in sorted(self.lost_disks - failed):
            effects += self._report("disk_back", disk, group)
        self.lost_disks = failed
        return effects

    def _report(self, kind: Kind, subject: str, detail: str = "") -> list[Effect]:
        last = self.waiting[-1] if self.waiting else None
        # A report that was sent once may have been taken although no answer came: its opposite must follow it.
        if (
            last is not None
            and last.serial != self._sent
            and last.subject == subject
            and last.kind == _OPPOSITE.get(kind)
        ):
            self.waiting.pop()
            return [Log(f"{kind} {subject}: over before it was told")]
        if len(self.waiting) >= WAITING_MAX:
            return [Log(f"{kind} {subject}: lost, {WAITING_MAX} reports are waiting")]
        self._serial += 1
        self.waiting.append(SystemEvent(kind, subject, detail, self._serial))
        return [Log(f"{kind} {subject}"), *self._send()]

    def _send(self) -> list[Effect]:
        if self._sending or self._retry_at is not None or not self.waiting:
            return []
        self._sending = True
        self._sent = self.waiting[0].serial
        return [Tell(self.waiting[0])]
