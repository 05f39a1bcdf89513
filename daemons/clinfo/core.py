"""clinfoES as a pure machine: which agent is asked and when, what clients see, when clinfo.rc runs.

Hosts of clhosts are tried from the top; the first whose agent answers is used until it stops answering (the manual's
description of the file). While nobody answers the cluster's state is unknown. With traps the interval is doubled and a
trap causes a poll at once.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from daemons.clinfo.messages import ClusterInfo
from daemons.clinfo.picture import topology_changes
from srcctl.machine import Tick


class Hosts(Struct, frozen=True):
    """Input: the contents of clhosts, in order."""

    hosts: tuple[str, ...]


class Polled(Struct, frozen=True):
    """Input: a poll ended; ``cluster`` is None if the agent answered without a cluster, ``answered`` False if not."""

    host: str
    answered: bool
    cluster: ClusterInfo | None = None


class TrapSeen(Struct, frozen=True):
    """Input: a trap of the cluster's enterprise arrived."""


Input: TypeAlias = Hosts | Polled | TrapSeen | Tick


class Poll(Struct, frozen=True):
    """Effect: read the subtree from this host's agent; exactly one ``Polled`` answers it."""

    host: str


class Publish(Struct, frozen=True):
    """Effect: clients see this from now on. ``cluster`` is None while the state is unknown."""

    cluster: ClusterInfo | None
    agent: str


class RunScript(Struct, frozen=True):
    """Effect: run ``clinfo.rc action label``."""

    action: str
    label: str


class Log(Struct, frozen=True):
    """Effect: a line of clinfo.log."""

    text: str


Effect: TypeAlias = Poll | Publish | RunScript | Log


class Clinfo:
    """The machine.

    Args:
        interval: microseconds between polls, already doubled if traps are received.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.hosts: tuple[str, ...] = ()
        self.agent: str | None = None
        self.cluster: ClusterInfo | None = None
        self.polling: str | None = None
        self.again = False
        self._due: int | None = None

    def next_deadline(self) -> int | None:
        return None if self.polling is not None else self._due

    def describe(self) -> dict[str, object]:
        return {"hosts": self.hosts, "agent": self.agent, "polling": self.polling, "cluster": self.cluster}

    def step(self, now: int, value: Input) -> list[Effect]:
        match value:
            case Hosts(hosts):
                self.hosts = hosts
                return self._begin(now) if self.polling is None else []
            case Tick():
                due = self._due is not None and now >= self._due and self.polling is None
                return self._begin(now) if due else []
            case TrapSeen():
                if self.polling is not None:
                    self.again = True
                    return []
                return self._begin(now)
            case Polled(host, answered, cluster):
                if host != self.polling:
                    return []
                return self._answered(now, host, cluster) if answered else self._silent(now, host)

    def _begin(self, now: int) -> list[Effect]:
        """Start a round: the agent that answered last, else the first host."""
        if not self.hosts:
            self._due = now + self.interval
            return []
        self.polling = self.agent if self.agent in self.hosts else self.hosts[0]
        assert self.polling is not None
        return [Poll(self.polling)]

    def _answered(self, now: int, host: str, cluster: ClusterInfo | None) -> list[Effect]:
        effects: list[Effect] = []
        if host != self.agent:
            effects.append(Log(f"reading the cluster from {host}"))
        effects += [RunScript(action, label) for action, label in topology_changes(self.cluster, cluster)]
        if cluster != self.cluster or host != self.agent:
            effects.append(Publish(cluster, host))
        self.agent, self.cluster = host, cluster
        return effects + self._end_round(now)

    def _silent(self, now: int, host: str) -> list[Effect]:
        effects: list[Effect] = []
        if host == self.agent:
            effects.append(Log(f"the agent on {host} does not answer"))
            self.agent = None
            self.polling = next((other for other in self.hosts if other != host), None)
        else:
            place = self.hosts.index(host) if host in self.hosts else len(self.hosts)
            self.polling = self.hosts[place + 1] if place + 1 < len(self.hosts) else None
        if self.polling is not None:
            return [*effects, Poll(self.polling)]
        if self.cluster is not None:
            effects += [Log("no agent answers, the cluster's state is unknown"), Publish(None, "")]
            self.cluster = None
        return effects + self._end_round(now)

    def _end_round(self, now: int) -> list[Effect]:
        self.polling = None
        if self.again:
            self.again = False
            return self._begin(now)
        self._due = now + self.interval
        return []
