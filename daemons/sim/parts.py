"""Makes the processes of a node from the real cores. A planted bug is a subclass that makes another core."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar

from daemons.caa import core as caa
from daemons.caa.own_repository import OwnRepository
from daemons.caa.tiebreaker import TieBreaker
from daemons.clstrmgr.core import ClusterManager
from daemons.clstrmgr.quarantine import shut_out
from daemons.cluster.synchronization.repair import Copy, Repair, decide
from daemons.cluster.synchronization.session import Session
from daemons.cthags.core import Core
from daemons.cthags.detector import Settings
from daemons.sim.breaker import SimulatedTieBreaker
from daemons.sim.communication import CommunicationProcess
from daemons.sim.configurator import ConfigurationProcess
from daemons.sim.definition import REPOSITORIES
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.manager import ManagerProcess
from daemons.sim.member import MemberProcess
from daemons.sim.process import Process
from daemons.sim.states import StatesProcess
from srcctl.srcmstr.core import SystemResourceController

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode

SETTINGS = Settings()


class Parts:
    """The cores as they are."""

    repository_class: ClassVar[type[OwnRepository]] = OwnRepository

    def states(self, node: SimulatedNode) -> StatesProcess:
        """caa."""
        return StatesProcess(node, self.membership)

    def membership(self) -> caa.Membership:
        """caa's core."""
        return caa.Membership()

    def repository(self, node: SimulatedNode) -> OwnRepository:
        """The repository of the cluster as a node follows it."""
        return self.repository_class(node.name, lambda: REPOSITORIES, node.open_disk, lambda _: node.store.kept)

    def process(self, node: SimulatedNode, name: str) -> Process:
        """A subsystem's process.

        Raises:
            KeyError: there is no such subsystem.
        """
        if name == "cthags":
            return GroupServicesProcess(node, self.group_services)
        if name == "clstrmgrES":
            return ManagerProcess(node, self.manager)
        if name == "clcomd":
            return CommunicationProcess(node)
        if name == "clconfd":
            return ConfigurationProcess(node)
        raise KeyError(name)

    def controller(self) -> SystemResourceController:
        """srcmstr's core."""
        return SystemResourceController()

    def session(self) -> Session:
        """A synchronization's core."""
        return Session()

    def decide(self, copy: Copy, committed: int, services: bool) -> Repair:
        """What a node does about its copy of the configuration."""
        return decide(copy, committed, services)

    def shut_out(
        self, states: Mapping[int, str], goals: Collection[int], members: Collection[int], missed: Collection[int]
    ) -> frozenset[int]:
        """Whom the quarantine policy shuts out."""
        return shut_out(states, goals, members, missed)

    def breaker(self, node: SimulatedNode) -> TieBreaker:
        """The tie breaker as a node sees it."""
        return SimulatedTieBreaker(node.cluster, node.number)

    def member(self, node: SimulatedNode) -> Process:
        """The program that uses all of Group Services."""
        return MemberProcess(node)

    def group_services(self, node: int, durable: dict[str, int]) -> Core:
        """cthags's core."""
        return Core(node, durable, SETTINGS)

    def manager(self, node: int, name: str, serial: int) -> ClusterManager:
        """clstrmgrES's core."""
        return ClusterManager(node, name, serial=serial)
