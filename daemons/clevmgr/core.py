"""clevmgrdES as a pure machine: from what the system says to what the cluster manager is told.

It keeps the last known state of every interface, of the repository disk, and of every shared disk and volume group, and
reports changes. Reports are kept in order and sent again, with the same serial number, until the cluster manager took
them; a report that is overtaken by its opposite before it was sent is dropped together with it. What it knows dies with
it: its successor looks at everything once and tells all of it, and the cluster manager passes over what it knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from daemons.caa.messages import Event
from daemons.clstrmgr.messages import SystemEvent
from srcctl.machine import MILLISECOND, SECOND, Tick

RETRY = 500 * MILLISECOND
"""Microseconds before a report is sent again (patience with a cluster manager that is being started)."""
REMINDER = 3600
"""Product seconds between two notifications that the repository disk is still lost (inferred)."""
WAITING_MAX = 256

Kind: TypeAlias = Literal[
    "interface_down",
    "interface_up",
    "repository_lost",
    "repository_back",
    "disk_lost",
    "disk_back",
    "volume_group_lost",
    "volume_group_back",
]
Family: TypeAlias = Literal["interface", "repository", "disk", "volume_group"]
KINDS: dict[Family, tuple[Kind, Kind]] = {
    "interface": ("interface_down", "interface_up"),
    "repository": ("repository_lost", "repository_back"),
    "disk": ("disk_lost", "disk_back"),
    "volume_group": ("volume_group_lost", "volume_group_back"),
}
"""How the loss of a thing and its return are reported."""


class Happened(Struct, frozen=True):
    """Input: an event of CAA."""

    event: Event


class GroupDisks(Struct, frozen=True):
    """A volume group that this node knows: its disks in the order of its definition, and those of them that failed.

    ``failed`` is empty where the group is not varied on here. ``needs_quorum`` is what chvg -Q says; ``stale`` names
    the disks that have stale copies of logical volumes.
    """

    name: str
    disks: tuple[str, ...]
    failed: frozenset[str] = frozenset()
    needs_quorum: bool = True
    stale: frozenset[str] = frozenset()

    @property
    def quorum(self) -> bool:
        """Whether more than half of the descriptor areas are left: one a disk; two on the only disk, and on the first
        of two (the AIX manual "Volume group quorum"). A group without quorum is closed with its last disk."""
        copies = dict.fromkeys(self.disks, 1)
        if len(self.disks) <= 2:
            copies.update(dict.fromkeys(self.disks[:1], 2))
        left = sum(count for disk, count in copies.items() if disk not in self.failed)
        return 2 * left > sum(copies.values()) if self.needs_quorum else left > 0 or not copies


class Surveyed(Struct, frozen=True):
    """Input: how things stand, looked at and not learned by an event: at this daemon's start and whenever CAA is back.

    ``groups`` are all volume groups that this node knows.
    """

    interfaces: tuple[tuple[str, bool], ...]
    """Pairs of interface name and whether it works."""
    repository: str
    repository_up: bool
    groups: tuple[GroupDisks, ...] = ()


class Disks(Struct, frozen=True):
    """Input: a look at the volume groups that this node knows."""

    groups: tuple[GroupDisks, ...]


class RootVolumeGroup(Struct, frozen=True):
    """Input: a look at the node's own disk. ``halts``: what happens when rootvg is lost, by default."""

    lost: bool
    halts: bool = True


class Taken(Struct, frozen=True):
    """Input: the cluster manager took the report with this serial number; ``news`` unless it knew it already."""

    serial: int
    news: bool = True


class NotTaken(Struct, frozen=True):
    """Input: the cluster manager could not be told."""

    serial: int


Input: TypeAlias = Happened | Surveyed | Disks | RootVolumeGroup | Taken | NotTaken | Tick


class Tell(Struct, frozen=True):
    """Effect: tell the cluster manager; exactly one ``Taken`` or ``NotTaken`` answers it."""

    report: SystemEvent


class LogEntry(Struct, frozen=True):
    """Effect: an entry of the error log."""

    label: str
    resource: str
    detail: str


class Log(Struct, frozen=True):
    """Effect: a line of the log."""

    text: str


class Halt(Struct, frozen=True):
    """Effect: halt the node at once."""


Effect: TypeAlias = Tell | LogEntry | Log | Halt


class EventManager:
    """The machine.

    Args:
        own: this node's number.
        uuid: this node's uuid.
        addresses: interface names of this node and their boot addresses.
        serial: where serial numbers begin, above those of this daemon's former lives.
        reminder: microseconds between two notifications of one repository disk's loss.
    """

    def __init__(
        self, own: int, uuid: str, addresses: dict[str, str], serial: int = 0, reminder: int = REMINDER * SECOND
    ) -> None:
        self.own = own
        self.uuid = uuid.replace("-", "").upper()
        self.addresses = addresses
        self.waiting: deque[SystemEvent] = deque()
        self.told = 0
        self._lost: dict[tuple[Family, str], bool] = {}
        self._entries: dict[int, list[Effect]] = {}
        self._serial = serial
        self._sending = False
        self._root_lost = False
        self._sent = 0
        self._retry_at: int | None = None
        self._reminder = reminder
        self._remind_at: int | None = None

    @property
    def lost(self) -> frozenset[tuple[Family, str]]:
        """What is lost now."""
        return frozenset(thing for thing, lost in self._lost.items() if lost)

    def next_deadline(self) -> int | None:
        return min((at for at in (self._retry_at, self._remind_at) if at is not None), default=None)

    def describe(self) -> dict[str, object]:
        return {
            "waiting": [report.kind for report in self.waiting],
            "told": self.told,
            "lost": sorted(self.lost),
        }

    def step(self, now: int, value: Input) -> list[Effect]:
        effects = self._step(now, value)
        if not any(family == "repository" for family, _ in self.lost):
            self._remind_at = None
        elif self._remind_at is None:
            self._remind_at = now + self._reminder
        return effects

    def _step(self, now: int, value: Input) -> list[Effect]:
        match value:
            case Happened(event):
                return self._happened(event)
            case Surveyed():
                return self._surveyed(value)
            case Disks(groups):
                return self._looked_at(groups)
            case RootVolumeGroup(lost, halts):
                return self._root_volume_group(lost, halts)
            case Taken(serial, news):
                return self._taken(serial, news)
            case NotTaken():
                self._sending = False
                self._retry_at = now + RETRY
                return []
            case Tick():
                effects: list[Effect] = []
                if self._remind_at is not None and now >= self._remind_at:
                    self._remind_at = None
                    effects += self._remind()
                if self._retry_at is not None and now >= self._retry_at:
                    self._retry_at = None
                    effects += self._send()
                return effects

    def _happened(self, event: Event) -> list[Effect]:
        if event.node != self.own:
            return []
        match event.kind:
            case "ADAPTER_DOWN" | "ADAPTER_UP":
                return self._note("interface", self._address(event.subject), event.kind == "ADAPTER_DOWN")
            case "REP_DOWN" | "REP_UP":
                return self._repository(event.subject, event.kind == "REP_DOWN")
        return []

    def _surveyed(self, survey: Surveyed) -> list[Effect]:
        effects = self._repository(survey.repository, not survey.repository_up, looked=True)
        for name, up in survey.interfaces:
            effects += self._note("interface", self._address(name), not up, looked=True)
        for group in survey.groups:
            effects += self._volume_group(group, looked=True)
        return effects

    def _address(self, interface: str) -> str:
        return self.addresses.get(interface, interface)

    def _repository(self, disk: str, lost: bool, looked: bool = False) -> list[Effect]:
        effects: list[Effect] = []
        for family, former in sorted(self.lost):
            if family == "repository" and former != disk:
                effects += self._note("repository", former, False)  # it was replaced
        return effects + self._note("repository", disk, lost, self.uuid, [self._loss_of_repository(disk)], looked)

    def _loss_of_repository(self, disk: str) -> LogEntry:
        text = f"Error: Node 0x{self.uuid} has lost access to repository disk {disk}."
        return LogEntry("OPMSG", "clevmgrd", text)

    def _remind(self) -> list[Effect]:
        """Notifications go on until the disk is back or was replaced."""
        effects: list[Effect] = []
        for family, disk in sorted(self.lost):
            if family == "repository" and len(self.waiting) < WAITING_MAX:
                self._serial += 1
                self.waiting.append(SystemEvent("repository_reminder", disk, self.uuid, self._serial))
                effects += [self._loss_of_repository(disk), Log(f"repository_reminder {disk}")]
        return [*effects, *self._send()]

    def _looked_at(self, groups: tuple[GroupDisks, ...]) -> list[Effect]:
        effects = [effect for group in groups for effect in self._volume_group(group)]
        known = {group.name for group in groups} | {disk for group in groups for disk in group.disks}
        for family, subject in sorted(self.lost):
            if family in ("disk", "volume_group") and subject not in known:
                effects += self._note(family, subject, False)  # exportvg, reducevg
        return effects

    def _volume_group(self, group: GroupDisks, looked: bool = False) -> list[Effect]:
        effects: list[Effect] = []
        for disk in group.disks:
            entries = [LogEntry("LVM_SA_PVMISS", "LVDD", disk)]
            if disk in group.stale:
                entries.append(LogEntry("LVM_SA_STALEPP", "LVDD", disk))
            effects += self._note("disk", disk, disk in group.failed, group.name, entries, looked)
        entries = [LogEntry("LVM_SA_QUORCLOSE", "LVDD", group.name)]
        return effects + self._note("volume_group", group.name, not group.quorum, "", entries, looked)

    def _root_volume_group(self, lost: bool, halts: bool) -> list[Effect]:
        """The loss of rootvg: nothing is reported, for the node goes down, and the others see it fail. The product's
        actions are to log the event and reboot (the default), or only to log it; the text is inferred."""
        before, self._root_lost = self._root_lost, lost
        if not lost or before:
            return []
        text = f"Error: rootvg failure event on node 0x{self.uuid}."
        entry: list[Effect] = [LogEntry("OPMSG", "clevmgrd", text), Log("rootvg failure event")]
        return [*entry, Halt()] if halts else entry

    # Reports.

    def _note(
        self,
        family: Family,
        subject: str,
        lost: bool,
        detail: str = "",
        on_loss: Sequence[LogEntry] = (),
        looked: bool = False,
    ) -> list[Effect]:
        """The state of a thing; ``on_loss`` is logged when it was lost.

        ``looked``: no event, so a former life of this daemon may have told and logged it; then it is told again,
        and the cluster manager's answer says whether it is news.
        """
        known = self._lost.get((family, subject))
        first = known is None and looked
        if known == lost or (known is None and not lost and not looked):
            self._lost[family, subject] = lost
            return []
        kind = KINDS[family][0 if lost else 1]
        entries: list[Effect] = [*on_loss] if lost else []
        effects: list[Effect] = [] if first else [*entries, Log(f"{kind} {subject}")]
        last = self.waiting[-1] if self.waiting else None
        # A report that was sent once may have been taken although no answer came: its opposite must follow it.
        if (
            last is not None
            and last.serial != self._sent
            and last.subject == subject
            and last.kind == KINDS[family][1 if lost else 0]
        ):
            self._lost[family, subject] = lost
            self._entries.pop(self.waiting.pop().serial, None)
            return [*effects, Log(f"{kind} {subject}: over before it was told")]
        if len(self.waiting) >= WAITING_MAX:
            return [Log(f"{kind} {subject}: put off, {WAITING_MAX} reports are waiting")]
        self._lost[family, subject] = lost
        self._serial += 1
        self.waiting.append(SystemEvent(kind, subject, detail, self._serial))
        if first and lost:
            self._entries[self._serial] = [*entries, Log(f"{kind} {subject}")]
        return [*effects, *self._send()]

    def _taken(self, serial: int, news: bool) -> list[Effect]:
        self._sending = False
        effects = self._entries.pop(serial, [])
        if self.waiting and self.waiting[0].serial == serial:
            self.waiting.popleft()
            self.told += 1
        return [*(effects if news else []), *self._send()]

    def _send(self) -> list[Effect]:
        if self._sending or self._retry_at is not None or not self.waiting:
            return []
        self._sending = True
        self._sent = self.waiting[0].serial
        return [Tell(self.waiting[0])]
