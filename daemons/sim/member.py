"""A program on every node that uses all of Group Services: two groups, one the source of the other, and every protocol.

It is no part of the product: what the cluster manager does not need of Group Services must hold under faults, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from daemons.cthags.messages import (
    Alive,
    ChangeAttributes,
    ChangeStateValue,
    DelayedError,
    Died,
    Expel,
    Goodbye,
    GroupAttributes,
    Init,
    Join,
    Leave,
    Notification,
    NPhase,
    Phases,
    Provider,
    ProviderMessage,
    Request,
    ResponsivenessProbe,
    Vote,
    request_codec,
)
from daemons.cthags.messages import Approved as ApprovedNotification
from daemons.cthags.messages import Rejected as RejectedNotification
from daemons.sim.group_services import LOCAL_US, GroupServicesProcess
from daemons.sim.process import Idle, Process
from daemons.sim.scenario import LENGTH_US
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode

SOURCE, TARGET = "workers", "workers.target"
PREFIX = "workers"
QUIET_US = LENGTH_US - 30 * SECOND
"""From when on nothing new is begun, so that all has ended when the run ends."""
ACT_US = 6 * SECOND
LATE = 0.05
"""Share of phases in which it does not vote, where there is a time limit."""

SICK = 0.1
"""Share of seconds in which it ceases to be well for a while: it does not answer, says so itself, or stops counting."""
SICK_US = 20 * SECOND
CHECK_US, CHECK_LIMIT_US = 5 * SECOND, 3 * SECOND

LIMIT_US = 2 * SECOND
ATTRIBUTES = {
    SOURCE: GroupAttributes("n", LIMIT_US, "approve", batch="both"),
    TARGET: GroupAttributes("n", LIMIT_US, "approve", source_group=SOURCE, source_reflection_phases="n"),
}


class MemberProcess(Process):
    """The program on one node."""

    name: ClassVar[str] = "member"

    def __init__(self, node: SimulatedNode) -> None:
        super().__init__(node, Idle())
        self._chance = self.world.stream(f"member/{node.number}/{node.boot_number}")
        self._daemon: GroupServicesProcess | None = None
        self._number = 0
        self._providers: dict[str, tuple[Provider, ...]] = {}
        self._asked: dict[str, None] = {}
        self._health = self.world.stream(f"health/{node.number}/{node.boot_number}")
        self._well = True
        self._count = 0
        self._unanswered: ResponsivenessProbe | None = None

    def start(self) -> None:
        """Connect, and act from time to time."""
        self._connect()
        self.later(self._pause(), self._act)
        if self.node.cluster.checked:
            self.later(SECOND, self._live)

    def _live(self) -> None:
        """One second of its life."""
        self._well = self._well and (self._health.random() >= SICK or self.world.now > QUIET_US)
        if not self._well:
            self.later(int(SICK_US * self._health.random()), self._recover)
            return
        self._count += 1
        self.later(SECOND, self._live)

    def _recover(self) -> None:
        self._well = True
        probe, self._unanswered = self._unanswered, None
        if probe is not None:
            self._send(Alive(probe.serial))
        self._live()

    def counter(self) -> bytes | None:
        """It counts the seconds in which it is well."""
        return self._count.to_bytes(8, "little")

    def notified(self, notification: Notification) -> None:
        """Group Services say."""
        match notification:
            case Died():
                self._daemon = None
                self._providers.clear()
                self._asked.clear()
                self.later(200 * MILLISECOND, self._connect)
            case ResponsivenessProbe() if self._well or self._health.random() < 0.5:
                self._send(Alive(notification.serial, self._well))
            case ResponsivenessProbe():
                self._unanswered = notification
            case NPhase():
                self._vote(notification)
            case ApprovedNotification() | RejectedNotification():
                self._asked.pop(notification.group, None)
                if notification.self_provider in notification.providers:
                    self._providers[notification.group] = notification.providers
                else:
                    self._providers.pop(notification.group, None)
            case DelayedError():
                self._asked.pop(notification.group, None)
                if notification.code == "HA_GS_NOT_A_MEMBER":
                    self._providers.pop(notification.group, None)
            case _:
                if getattr(notification, "summary", ()) == ("group_dissolved",):
                    self._providers.clear()
                    self._asked.clear()

    def execute(self, effect: Any) -> None:
        raise NotImplementedError

    def _connect(self) -> None:
        daemon = self.node.process("cthags")
        if not isinstance(daemon, GroupServicesProcess):
            self.later(500 * MILLISECOND, self._connect)
            return
        self._daemon = daemon
        self._number = daemon.connect(self)
        self._unanswered = None
        init = Init("member", self.pid, deactivate_script="/bin/deactivate")
        if self.node.cluster.checked:
            counter = 3 if self.node.number % 2 else None
            init = replace(
                init, responsiveness_interval_us=CHECK_US, responsiveness_limit_us=CHECK_LIMIT_US, counter=counter
            )
        self._send(init)

    def _send(self, request: Request) -> None:
        daemon = self._daemon
        if daemon is not None:
            daemon.later(LOCAL_US, daemon.request, self._number, request_codec.encode(request))

    def _pause(self) -> int:
        return int(ACT_US * (0.3 + 1.4 * self._chance.random()))

    def _vote(self, phase: NPhase) -> None:
        chance = self._chance
        if phase.time_limit_us and chance.random() < LATE:
            return
        value = "continue" if phase.phase < chance.randrange(1, 4) else "approve"
        if chance.random() < 0.03:
            value = "reject"
        self.later(int(5 * MILLISECOND * chance.random()), self._cast, Vote(phase.group, phase.token, value))  # type: ignore[arg-type]

    def _cast(self, vote: Vote) -> None:
        self._send(vote)

    def _act(self) -> None:
        self.later(self._pause(), self._act)
        group = self._chance.choice((SOURCE, TARGET))
        if self._daemon is None or group in self._asked or self.world.now > QUIET_US:
            return
        self._asked[group] = None
        providers = self._providers.get(group)
        if providers is None:
            self._send(Join(group, ATTRIBUTES[group]))
            return
        self._send(self._request(group, providers))

    def _request(self, group: str, providers: tuple[Provider, ...]) -> Request:
        chance = self._chance
        phases: Phases = "n" if chance.random() < 0.7 else 1
        limit = chance.choice((0, LIMIT_US))
        match chance.randrange(9):
            case 0 | 1 | 2:
                return ChangeStateValue(group, bytes((chance.randrange(256),)), phases, limit)
            case 3 | 4:
                return ProviderMessage(group, b"x" * chance.randrange(1, 9000), phases, limit)
            case 5:
                return Leave(group, phases, limit, chance.randrange(100))
            case 6:
                victim = chance.choice(providers)
                return Expel(group, (victim,), "n", limit, chance.randrange(3), "flag")
            case 7:
                # The same ones: those who join later must know them.
                return ChangeAttributes(group, ATTRIBUTES[group], phases, limit)
            case _:
                del self._asked[group]
                del self._providers[group]
                return Goodbye(group)
