"""A few cthags cores joined by a fake network on virtual time; every packet passes through the real codec."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from daemons.cthags.core import Core
from daemons.cthags.detector import Settings
from daemons.cthags.inputs import (
    AliveNodes,
    ClientGone,
    ClientRequest,
    CloseClient,
    Counted,
    Dissolved,
    Effect,
    Input,
    Log,
    MergePrompt,
    Notify,
    ReadCounter,
    Received,
    Send,
    Store,
    ViewInstalled,
)
from daemons.cthags.messages import (
    GroupAttributes,
    Init,
    Join,
    Notification,
    NPhase,
    Request,
    Vote,
    notification_codec,
    request_codec,
)
from daemons.cthags.wire import View, packet_codec
from srcctl.machine import SECOND, TICK

VOTED = GroupAttributes(phases="n", default_vote="approve")
"""A group whose protocols are voted on."""


class Ring:
    """``nodes`` cores, numbered from 1.

    Args:
        loss: the share of packets that are lost.
    """

    def __init__(self, nodes: int, seed: int = 1, loss: float = 0.0, settings: Settings | None = None) -> None:
        self.now = 0
        self.random = Random(seed)
        self.loss = loss
        self.settings = settings or Settings()
        self.numbers = tuple(range(1, nodes + 1))
        self.disks: dict[int, dict[str, int]] = {node: {} for node in self.numbers}
        self.cores: dict[int, Core] = {}
        self.heap: list[tuple[int, int, int, Input]] = []
        self.serial = 0
        self.cut: set[tuple[int, int]] = set()
        self.seen: dict[tuple[int, int], list[Notification]] = {}
        self.views: dict[int, list[View]] = {node: [] for node in self.numbers}
        self.dissolved: dict[int, int] = dict.fromkeys(self.numbers, 0)
        self.killed: list[tuple[int, CloseClient]] = []
        self.automatic: Callable[[int, int, Notification], Request | None] | None = None
        self.drop: Callable[[int, int, object], bool] | None = None
        self.logs: list[str] = []
        self.merge = "majority"
        self.priorities: dict[int, int] = {}
        self.site_merge = ""
        self.sites: dict[int, int] = {}
        self.apart: frozenset[tuple[int, int]] = frozenset()
        self.prompts: dict[int, list[tuple[int, ...]]] = {}
        self.boots = dict.fromkeys(self.numbers, 0)
        self.counters: dict[tuple[int, int], bytes | None] = {}

    def start(self, *nodes: int) -> None:
        """Boot nodes."""
        for node in nodes:
            self.boots[node] += 1
            self.cores[node] = Core(node, dict(self.disks[node]), self.settings)
        self.tell_alive()

    def crash(self, *nodes: int) -> None:
        """Nodes vanish; the others hear of it."""
        for node in nodes:
            del self.cores[node]
        self.tell_alive()

    def partition(self, *halves: tuple[int, ...]) -> None:
        """Only nodes of one half reach each other."""
        self.cut = {(a, b) for one in halves for other in halves if one != other for a in one for b in other}
        self.tell_alive()

    def heal(self) -> None:
        """Everybody reaches everybody."""
        self.cut = set()
        self.tell_alive()

    def tell_alive(self) -> None:
        """caa's word, which is always right here."""
        for node in sorted(self.cores):
            alive = frozenset(other for other in self.cores if (node, other) not in self.cut)
            word = AliveNodes(0, alive, self.numbers, self.boots, merge=self.merge, apart=self.apart)
            word = replace(word, priorities=self.priorities, site_merge=self.site_merge, sites=self.sites)
            self.step(node, word)

    def step(self, node: int, value: Input) -> None:
        """One step of one core and its effects."""
        core = self.cores.get(node)
        if core is None:
            return
        self.carry_out(node, core.step(self.now, value))

    def carry_out(self, node: int, effects: list[Effect]) -> None:
        """Effects, in order."""
        for effect in effects:
            match effect:
                case Store():
                    self.disks[node][effect.key] = effect.value
                case Send():
                    self._send(node, effect)
                case Notify():
                    notification = notification_codec.decode(notification_codec.encode(effect.notification))
                    self.seen.setdefault((node, effect.client), []).append(notification)
                    answer = self.automatic(node, effect.client, notification) if self.automatic else None
                    if answer is not None:
                        self.push(0, node, ClientRequest(effect.client, answer))
                case ViewInstalled():
                    self.views[node].append(effect.view)
                case Dissolved():
                    self.dissolved[node] += 1
                case MergePrompt(others):
                    self.prompts.setdefault(node, []).append(others)
                case ReadCounter(client):
                    self.push(0, node, Counted(client, self.counters.get((node, client))))
                case CloseClient():
                    self.killed.append((node, effect))
                case Log():
                    self.logs.append(f"{self.now} node{node} {effect.text}")

    def _send(self, node: int, send: Send) -> None:
        packet = packet_codec.decode(packet_codec.encode(send.packet))
        if (node, send.node) in self.cut or self.random.random() < self.loss:
            return
        if self.drop is not None and self.drop(node, send.node, packet):
            return
        self.push(100 + self.random.randrange(400), send.node, Received(node, packet))

    def push(self, delay: int, node: int, value: Input) -> None:
        """Something happens on a node later."""
        self.serial += 1
        heapq.heappush(self.heap, (self.now + delay, self.serial, node, value))

    def run(self, seconds: float = 1.0) -> None:
        """Let time pass."""
        self.run_until(lambda: False, seconds)

    def run_until(self, condition: Callable[[], bool], seconds: float = 60.0) -> bool:
        """Let time pass until the condition holds; False if it never does."""
        end = self.now + round(seconds * SECOND)
        while not condition():
            deadlines = [
                (deadline, node)
                for node, core in sorted(self.cores.items())
                if (deadline := core.next_deadline()) is not None
            ]
            tick = min(deadlines, default=None)
            if self.heap and (tick is None or self.heap[0][0] <= tick[0]):
                if self.heap[0][0] > end:
                    break
                at, _, node, value = heapq.heappop(self.heap)
                self.now = max(self.now, at)
                if isinstance(value, Received) and (value.node, node) in self.cut:
                    continue
                self.step(node, value)
            elif tick is not None and tick[0] <= end:
                self.now = max(self.now, tick[0])
                self.step(tick[1], TICK)
            else:
                break
        else:
            return True
        self.now = end
        return condition()

    # What clients do.

    def request(self, node: int, client: int, request: Request) -> None:
        """A client asks."""
        self.step(node, ClientRequest(client, request_codec.decode(request_codec.encode(request))))

    def gone(self, node: int, client: int) -> None:
        """A client dies."""
        self.step(node, ClientGone(client))

    def join(self, node: int, client: int, group: str = "G", attributes: GroupAttributes | None = None) -> None:
        """A new client joins a group."""
        self.request(node, client, Init(f"client{client}", 1000 * node + client))
        self.request(node, client, Join(group, attributes or GroupAttributes()))

    def vote(self, node: int, client: int, vote: str = "approve", **fields: object) -> None:
        """Answer the client's last phase."""
        last = next(entry for entry in reversed(self.seen[node, client]) if isinstance(entry, NPhase))
        self.request(node, client, Vote(last.group, last.token, vote, **fields))  # type: ignore[arg-type]

    # What can be seen.

    def last(self, node: int, client: int) -> Notification:
        """A client's newest notification."""
        return self.seen[node, client][-1]

    def view(self, node: int) -> tuple[int, ...]:
        """The members of the node's view."""
        status = self.cores[node].status()
        return status.members if status.established else ()

    def agreed(self, *nodes: int) -> bool:
        """The nodes have one and the same view of exactly themselves."""
        views = {self.views[node][-1] if self.views[node] else None for node in nodes}
        return len(views) == 1 and all(sorted(self.view(node)) == sorted(nodes) for node in nodes)
