"""cthags's real core on a simulated node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from daemons.caa.inputs import GroupServicesTurn
from daemons.cthags.core import Core
from daemons.cthags.inputs import (
    AliveNodes,
    ClientGone,
    ClientRequest,
    CloseClient,
    Counted,
    Deactivate,
    Deactivated,
    DeadMansSwitch,
    Dissolved,
    Log,
    MergePrompt,
    Notify,
    ReadCounter,
    Received,
    Send,
    Store,
    ViewInstalled,
)
from daemons.cthags.messages import Decide, Died, Notification, Request, notification_codec, request_codec
from daemons.cthags.wire import Data, packet_codec
from daemons.sim.process import Process
from srcctl.machine import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.sim.node import SimulatedNode

EXIT_FAULT = 1
"""The exit status of a daemon that gives up."""

SCRIPT_US = 30 * MILLISECOND
"""Time of a deactivate script."""

LOCAL_US = 60
"""Time of a message over a Unix socket."""


class GroupServicesProcess(Process):
    """cthags of a node."""

    name: ClassVar[str] = "cthags"
    core: Core

    def __init__(self, node: SimulatedNode, make: Callable[[int, dict[str, int]], Core]) -> None:
        self._disk = node.disk.setdefault("cthags", {})
        super().__init__(node, make(node.number, dict(self._disk)))
        self.asked: tuple[int, ...] = ()
        """The nodes of another part of the domain, if an operator must say which one gives way."""
        self._clients: dict[int, Process] = {}
        self._next_client = 1
        self.sends_left: int | None = None
        """After so many more packets of the reliable links the node loses its power, in the middle of a step."""

    def start(self) -> None:
        """Listen, and follow caa, which does not let in a successor while clients of a former life may hold things."""
        states = self.node.states
        if states is not None and (not states.active or states.core.group_services_armed):
            armed = "its dead man's switch is armed" if states.active else "this node is in no cluster"
            self.node.trace(f"caa does not let cthags in: {armed}")
            self.end(0)
            return
        self.states_changed()

    def states_changed(self) -> None:
        """caa's picture of the nodes."""
        if self.node.states is not None and self.node.states.active:
            generation, alive, boots, apart = self.node.states.picture()
            numbers = self.node.states.numbers
            cluster = self.node.cluster
            policies = (cluster.merge, apart, cluster.detection_us, cluster.priorities)
            self.feed(AliveNodes(generation, alive, numbers, boots, (), *policies))

    def caa_lost(self) -> None:
        """caa has closed the connection: this daemon ends, one that hangs as soon as it runs on."""
        self.node.trace("cthags: CAA has ended")
        self._inbox.clear()
        self.receive_later(self.end, EXIT_FAULT)

    def receive(self, source: int, data: bytes) -> None:
        """A datagram."""
        self.receive_datagram(Received(source, packet_codec.decode(data)))

    # Clients.

    def connect(self, client: Process) -> int:
        """A client process connects; its number on this daemon."""
        number = self._next_client
        self._next_client += 1
        self._clients[number] = client
        return number

    def request(self, number: int, data: bytes) -> None:
        """A client's message arrives."""
        if number in self._clients:
            request: Request = request_codec.decode(data)
            self.node.cluster.checker.requested(self.node, number, request)
            self.feed(ClientRequest(number, request))

    def decide(self, go_on: bool) -> None:
        """An operator's answer about a merge."""
        self.node.trace(f"an operator has this part of the domain {'go on' if go_on else 'give way'}")
        self.feed(ClientRequest(0, Decide(go_on)))

    def disconnected(self, number: int) -> None:
        """A client's process ended."""
        if self._clients.pop(number, None) is not None:
            self.feed(ClientGone(number))

    def end(self, status: int) -> None:
        clients, self._clients = self._clients, {}
        super().end(status)
        for client in clients.values():
            client.later(LOCAL_US, client.notified, Died())

    # Effects.

    def execute(self, effect: Any) -> None:
        match effect:
            case Send(target, packet):
                if self.sends_left is not None and isinstance(packet, Data):
                    self.sends_left -= 1
                    if self.sends_left < 0:
                        self.node.crash("in a broadcast")
                        self.running = False
                        return
                self._transmit(target, packet_codec.encode(packet))
            case Notify(number, notification):
                client = self._clients.get(number)
                if client is not None:
                    self.node.cluster.checker.notified(self.node, number, notification)
                    client.later(LOCAL_US, self._hand_over, client, notification_codec.encode(notification))
            case Store(key, value):
                self._store(key, value)
            case ViewInstalled():
                nodes = " ".join(str(node) for node in effect.view.nodes)
                self.node.trace(f"view {effect.view.id} nodes {nodes}")
                self.node.cluster.checker.view_installed(self.node, effect)
            case Dissolved():
                self.node.trace("view given up: dissolved")
                self.node.cluster.checker.dissolved(self.node)
            case MergePrompt(others):
                self.asked = others
                if others:
                    self.node.trace(f"merge: an operator must decide about nodes {' '.join(map(str, others))}")
            case CloseClient(number, _, kill, reason):
                self.node.trace(reason)
                client = self._clients.pop(number, None)
                if client is not None and kill:
                    client.end(9)
            case DeadMansSwitch(armed):
                if self.node.states is not None:
                    self.node.states.feed(GroupServicesTurn(armed))
            case ReadCounter(number):
                client = self._clients.get(number)
                count = client.counter() if client is not None else None
                self.later(0, self.feed, Counted(number, count))
            case Deactivate(group, serial, provider):
                if serial:
                    self.later(SCRIPT_US, self.feed, Deactivated(group, serial, provider, True))
            case Log():
                pass

    def _transmit(self, target: int, data: bytes) -> None:
        """On the first network that caa calls up, else over the repository disk."""
        node, states, topology = self.node, self.node.states, self.node.cluster.topology
        if states is None or not states.active:
            return
        paths = states.paths()
        for network in topology.networks:
            if (target, network) in paths:
                break
        else:
            states.post(target, data)
            return
        if topology.passes(node.number, target, network):
            other = node.cluster.nodes[target]
            self.world.count("cthags", data)
            self.world.transmit(other.deliver, _arrive, other, node.number, network, data)

    def _store(self, key: str, value: int) -> None:
        torn, self.node.torn = self.node.torn, ""
        if self.node.read_only:
            self.node.trace(f"{self.name} cannot store {key}")
            self.end(EXIT_FAULT)
            return
        if torn != "before":
            self._disk[key] = value
        if torn:
            self.node.crash(f"{torn} {key} was stored")
            self.running = False

    @staticmethod
    def _hand_over(client: Process, data: bytes) -> None:
        notification: Notification = notification_codec.decode(data)
        client.notified(notification)


def receive(node: SimulatedNode, source: int, data: bytes) -> None:
    """A datagram for a node's cthags."""
    process = node.process("cthags")
    if isinstance(process, GroupServicesProcess):
        process.receive(source, data)


def _arrive(node: SimulatedNode, source: int, network: str, data: bytes) -> None:
    topology = node.cluster.topology
    if topology.whole or topology.passes(source, node.number, network):
        receive(node, source, data)
