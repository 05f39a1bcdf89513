"""What the cluster manager itself writes into hacmp.out (preambles, summaries), and where the logs lie."""

from __future__ import annotations

import os
import time

from msgspec import Struct, field

from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot

_LINE = "-" * 76
LIMIT = 16 << 20
"""Bytes after which hacmp.out is cycled at the next event, besides the daily cycle."""

COPIES = 7

SYSLOG_LIMIT = 1 << 20
SYSLOG_FILES = 8
"""cluster.log is syslog's: ``rotate size 1m files 8``."""

_ACTIONS = {
    "acquiring": "Acquiring resource group:",
    "releasing": "Releasing resource group:",
    "rg_up": "Resource group online:",
    "rg_down": "Resource group offline:",
    "rg_error": "Error encountered with group:",
    "resource_acquiring": "Acquiring resource:",
    "resource_releasing": "Releasing resource:",
    "resource_up": "Resource online:",
    "resource_down": "Resource offline:",
    "resource_error": "Error encountered with resource:",
}
_OF_GROUPS = ("acquiring", "releasing", "rg_up", "rg_down", "rg_error")


class LogFiles(Struct, frozen=True):
    """Real paths of the log files; HACMPlogs may move each."""

    hacmp_out: str
    cluster_log: str
    history: str
    availability: str = ""

    @classmethod
    def of(cls, root: NodeRoot, configuration: Configuration | None) -> LogFiles:
        """The paths that a configuration asks for."""
        directories = dict(configuration.log_directories) if configuration is not None else {}

        def directory(name: str, default: str) -> str:
            return root.path(directories.get(name) or default)

        return cls(
            directory("hacmp.out", "/var/hacmp/log") + "/hacmp.out",
            directory("cluster.log", "/var/hacmp/adm") + "/cluster.log",
            directory("cluster.mmddyyyy", "/var/hacmp/adm/history"),
            directory("clavan.log", "/var/hacmp/log") + "/clavan.log",
        )

    def prepare(self) -> None:
        """Make the folders; one that cannot be made loses its lines, not the cluster."""
        for directory in (os.path.dirname(self.hacmp_out), os.path.dirname(self.cluster_log), self.history):
            try:
                os.makedirs(directory, exist_ok=True)
            except OSError:
                continue

    def cycle(self) -> None:
        """Move hacmp.out to hacmp.out.1 and so on when it is of another day, or too large; cluster.log when it is.

        Only between events.
        """
        try:
            if os.stat(self.cluster_log).st_size > SYSLOG_LIMIT:
                for number in range(SYSLOG_FILES - 2, -1, -1):
                    if os.path.exists(f"{self.cluster_log}.{number}"):
                        os.rename(f"{self.cluster_log}.{number}", f"{self.cluster_log}.{number + 1}")
                os.rename(self.cluster_log, f"{self.cluster_log}.0")
        except OSError:
            pass
        try:
            info = os.stat(self.hacmp_out)
            if time.localtime(info.st_mtime)[:3] == time.localtime()[:3] and info.st_size < LIMIT:
                return
            for number in range(COPIES - 1, 0, -1):
                if os.path.exists(f"{self.hacmp_out}.{number}"):
                    os.rename(f"{self.hacmp_out}.{number}", f"{self.hacmp_out}.{number + 1}")
            os.rename(self.hacmp_out, f"{self.hacmp_out}.1")
        except OSError:
            return

    def append(self, text: str) -> None:
        """Append to hacmp.out; what cannot be written is lost."""
        self.append_to(self.hacmp_out, text)

    def notice(self, node: str, text: str) -> None:
        """Say something in cluster.log, as syslog writes it for a daemon (the form is the product's; what is said there
        is inferred).
        """
        stamp = time.strftime("%b %e %H:%M:%S")
        line = " ".join(text.split("\n"))
        self.append_to(self.cluster_log, f"{stamp} {node} daemon:notice clstrmgrES[{os.getpid()}]: {line}\n")

    def append_to(self, path: str, text: str) -> None:
        """Append to a log; what cannot be written is lost."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return
        try:
            os.write(descriptor, text.encode(errors="replace"))
        except OSError:
            pass
        finally:
            os.close(descriptor)


def preamble(sentences: tuple[str, ...]) -> str:
    """The preamble of an event."""
    body = "".join(f"{sentence}\n\n" for sentence in sentences)
    return f"\n{' ' * 23}HACMP Event Preamble\n{_LINE}\n\n{body}{_LINE}\n\n"


class Summary(Struct):
    """Collects what an event did on this node."""

    serial: int
    name: str
    started: float
    lines: list[str] = field(default_factory=list)

    def add(self, state: str, resource: str, script: str, groups: str, now: float) -> None:
        """Note one ``cl_RMupdate``."""
        action = _ACTIONS.get(state)
        if action is None:
            return
        for group in groups.split() or [""]:
            subject = group if state in _OF_GROUPS else resource
            stamp = time.strftime("%a.%b.%-d.%H:%M:%S.%Z.%Y", time.localtime(now))
            parts = [stamp, script, group] if state in _OF_GROUPS else [stamp, script, resource, group]
            self.lines.append(f"{action}\t{subject}\t{script}")
            self.lines.append(f"Search on: {'.'.join(part for part in parts if part)}.ref")

    def text(self, ended: float) -> str:
        """The event summary for hacmp.out."""
        body = "\n".join(self.lines) or "No resources changed as a result of this event"
        return (
            f"\n{' ' * 23}PowerHA SystemMirror Event Summary\n{_LINE}\n"
            f"Serial number for this event: {self.serial}\n"
            f"Event: {self.name}\n"
            f"Start time: {_when(self.started)}\n\n"
            f"End time: {_when(ended)}\n\n\n"
            f"{'Action:':<24}{'Resource:':<32}Script Name:\n{_LINE}\n"
            f"{body}\n{_LINE}\n\n"
        )


def _when(seconds: float) -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(seconds))
