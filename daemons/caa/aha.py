"""/aha: the cluster's event producers of the Autonomic Health Advisory File System.

A consumer opens a monitor file, writes what it wants to be told (``CHANGED=YES;CLUSTER=YES``), and its read blocks
until the event occurs (the AIX manual "AIX Event Infrastructure"). From a shell:

    exec 3<>/aha/cluster/nodeState.monFactory/nodeStateEvent.mon
    echo "CHANGED=YES;CLUSTER=YES;WAIT_TYPE=WAIT_IN_READ" >&3
    cat <&3

No file of an ordinary file system can do that, and mounting one takes privilege; a terminal can: every monitor file is
a link to a pseudo-terminal of its own (pty(7)) whose other end CAA holds. What a consumer writes, CAA reads; an event
is put into the terminal's input as one line, so that one read returns all of it, and after the last one that was asked
for a read returns nothing, so that ``cat`` ends. Without privilege, in view and folder mode alike.

Differences from the product: a monitor file has one registration at a time, the last one written, instead of one for
each open file; pread(2) does not work on it; a bad registration is answered by an event with EINVAL and not by the
write itself; the monitor files of all producers are there from the beginning and nothing can be created beside them;
producers that need not a cluster (fs, mem, cpu) do not exist.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import socket
import termios
import time

from msgspec import Struct

from daemons.caa.messages import Event, Membership
from srcctl.node.root import NodeRoot, replace_file

PRODUCERS = {
    "NODE_UP": ("cluster/nodeState", ""),
    "NODE_DOWN": ("cluster/nodeState", ""),
    "NODE_ISOLATED": ("cluster/nodeState", ""),
    "NODE_ADD": ("cluster/nodeList", ""),
    "NODE_DELETE": ("cluster/nodeList", ""),
    "CONNECT_UP": ("cluster/nodeContact", "INTERFACE_NAME"),
    "CONNECT_DOWN": ("cluster/nodeContact", "INTERFACE_NAME"),
    "ADDRESS_ADD": ("cluster/nodeAddress", "INTERFACE_NAME"),
    "ADDRESS_DELETE": ("cluster/nodeAddress", "INTERFACE_NAME"),
    "ADAPTER_UP": ("cluster/networkAdapterState", "INTERFACE_NAME"),
    "ADAPTER_DOWN": ("cluster/networkAdapterState", "INTERFACE_NAME"),
    "DISK_ADD": ("disk/clDiskList", "DISK_NAME"),
    "DISK_DELETE": ("disk/clDiskList", "DISK_NAME"),
    "DISK_UP": ("disk/clDiskState", "DISK_NAME"),
    "DISK_DOWN": ("disk/clDiskState", "DISK_NAME"),
    "REP_UP": ("disk/repDiskState", "DISK_NAME"),
    "REP_DOWN": ("disk/repDiskState", "DISK_NAME"),
}
"""EVENT_TYPE: the producer's path and the name of its extra line. NODE_ISOLATED (deadman_mode e) is inferred."""

FACTORIES = tuple(dict.fromkeys(factory for factory, _ in PRODUCERS.values()))
CLUSTER_REMOVED = -1
"""RC_FROM_EVPROD once the cluster is no more (AHAFS_CLUSTER_REMOVE)."""
LINE_MAX = 4095
"""Bytes of a terminal's line (termios(3))."""
BACKLOG = 64 << 10
"""Bytes of events that may wait beside what the terminal itself holds; beyond it events are lost."""
END, QUOTE = b"\x04", b"\x16"


_ALLOWED = {
    "CHANGED": "YES",
    "CLUSTER": "YES|NO",
    "WAIT_TYPE": "WAIT_IN_SELECT|WAIT_IN_READ",
    "INFO_LVL": "[123]",
    "NOTIFY_CNT": "-1|[1-9][0-9]{0,8}",
    "BUF_SIZE": "[1-9][0-9]{0,8}",
}


class BadRegistration(Exception):
    """What was written to a monitor file is no registration."""


class Registration(Struct, frozen=True):
    """What a consumer wants. ``count``: events until it must register again, -1 for no end."""

    level: int = 2
    count: int = 1
    cluster: bool = False


def parse(text: str) -> Registration:
    """A registration from the text that was written: ``KEY=VALUE``, separated by ``;`` or white space.

    Raises:
        BadRegistration: an unknown key or value, or nothing to wait for.
    """
    values: dict[str, str] = {}
    for word in text.replace(";", " ").split():
        key, mark, value = word.partition("=")
        if not mark or key in values:
            raise BadRegistration(word)
        values[key] = value
    for key, value in values.items():
        if key not in _ALLOWED or not re.fullmatch(_ALLOWED[key], value):
            raise BadRegistration(f"{key}={value}")
    if "CHANGED" not in values:
        raise BadRegistration("CHANGED=YES is missing")  # these producers have states and no thresholds
    # The way to wait makes no difference here, nor does the size of a buffer that is the terminal's.
    return Registration(
        int(values.get("INFO_LVL", "2")), int(values.get("NOTIFY_CNT", "1")), values.get("CLUSTER") == "YES"
    )


def monitor_file(factory: str) -> str:
    """The product path of a producer's monitor file."""
    return f"/aha/{factory}.monFactory/{factory.rpartition('/')[2]}Event.mon"


def text(event: Event, membership: Membership, sequence: int, level: int = 2) -> str:
    """An occurrence in the documented form. ``sequence`` counts from 0 since the registration."""
    seconds, nanoseconds = divmod(event.time_ns, 1_000_000_000)
    head = [
        "BEGIN_EVENT_INFO",
        f"TIME_tvsec={seconds}",
        f"TIME_tvnsec={nanoseconds}",
        f"SEQUENCE_NUM={sequence}",
        "RC_FROM_EVPROD=0",
    ]
    if level == 1:
        return "\n".join([*head, "END_EVENT_INFO"]) + "\n"
    uuid = next((node.uuid for node in membership.nodes if node.number == event.node), event.uuid)
    extra = PRODUCERS[event.kind][1]
    lines = [
        *head,
        "BEGIN_EVPROD_INFO",
        f"EVENT_TYPE={event.kind}",
        *((f"{extra}={event.subject}",) if extra else ()),
        *event.details,
        f"NODE_NUMBER={event.node}",
        f"NODE_ID=0x{uuid.replace('-', '').upper()}",
        f"CLUSTER_ID=0x{membership.cluster_id.replace('-', '').upper()}",
        "END_EVPROD_INFO",
        "END_EVENT_INFO",
    ]
    return "\n".join(lines) + "\n"


def address_details(address: str, netmask: str) -> tuple[str, ...]:
    """The lines of a nodeAddress event: family, address and netmask in hexadecimal, network order."""

    def hexadecimal(dotted: str) -> str:
        return f"0x{int.from_bytes(socket.inet_aton(dotted), 'big'):08X}"

    return ("FAMILY=2", f"ADDRESS={hexadecimal(address)}", f"NETMASK={hexadecimal(netmask)}")


def error_text(code: int, time_ns: int) -> str:
    """The error form, the same at every level."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return (
        f"BEGIN_EVENT_INFO\nTIME_tvsec={seconds}\nTIME_tvnsec={nanoseconds}\nSEQUENCE_NUM=0\n"
        f"RC_FROM_EVPROD={code}\nEND_EVENT_INFO\n"
    )


class MonitorFile:
    """A monitor file and its terminal, which stays when the file goes: who still waits must hear of it.

    Args:
        path: the real path.

    Raises:
        OSError: there is no terminal to be had.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.registration: Registration | None = None
        self._sequence = 0
        self._overflow = False
        self._waiting = bytearray()
        self._loop = asyncio.get_running_loop()
        self._master, self._slave = os.openpty()
        self._make_raw()
        os.set_blocking(self._master, False)
        self._loop.add_reader(self._master, self._readable)

    def show(self) -> None:
        """Make the file.

        Raises:
            OSError: /aha cannot be written.
        """
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        os.symlink(os.ttyname(self._slave), self.path)

    def hide(self) -> None:
        """Remove the file; a consumer that waits is told that the cluster is no more."""
        if self.registration is not None:
            self.registration = None
            self._put(error_text(CLUSTER_REMOVED, time.time_ns()), last=True)
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass

    def close(self) -> None:
        """Give up the terminal."""
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)

    def deliver(self, event: Event, membership: Membership, own: int) -> None:
        """Give an occurrence to the consumer, if there is one that wants it."""
        wanted = self.registration
        if wanted is None or not (wanted.cluster or event.node == own):
            return
        occurrence = text(event, membership, self._sequence, wanted.level)
        self._sequence += 1
        if len(self._waiting) > BACKLOG:
            self._overflow = True
            return
        if self._overflow:
            occurrence = "EVENT_OVERFLOW\n" + occurrence
            self._overflow = False
        last = wanted.count != -1 and self._sequence >= wanted.count
        if last:
            self.registration = None
        self._put(occurrence, last)

    def _readable(self) -> None:
        try:
            written = os.read(self._master, LINE_MAX)
        except OSError:
            return
        try:
            self.registration = parse(written.decode("ascii", "replace"))
        except BadRegistration:
            self.registration = None
        # Only what comes after the registration counts.
        self._waiting.clear()
        termios.tcflush(self._slave, termios.TCIFLUSH)
        self._sequence, self._overflow = 0, False
        if self.registration is None:
            self._put(error_text(errno.EINVAL, time.time_ns()), last=True)

    def _put(self, occurrence: str, last: bool) -> None:
        data = occurrence.encode("ascii", "replace").replace(b"\n", QUOTE + b"\n") + END
        self._waiting += data + END if last else data
        self._writable()

    def _writable(self) -> None:
        try:
            del self._waiting[: os.write(self._master, self._waiting)]
        except BlockingIOError:
            pass
        if self._waiting:
            self._loop.add_writer(self._master, self._writable)
        else:
            self._loop.remove_writer(self._master)

    def _make_raw(self) -> None:
        """Lines without echo, signals or translation; only the end of a line and the quote have a meaning."""
        attributes = termios.tcgetattr(self._slave)
        attributes[0] = attributes[1] = 0
        attributes[3] = termios.ICANON | termios.IEXTEN
        characters = attributes[6]
        for index in range(len(characters)):
            characters[index] = b"\0"
        characters[termios.VEOF], characters[termios.VLNEXT] = END, QUOTE
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)


class EventProducers:
    """The tree below /aha. The producers exist while the node is a member of a cluster."""

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._files: dict[str, MonitorFile] = {}

    def clear(self) -> None:
        """The empty tree, as it is mounted.

        Raises:
            OSError: /aha cannot be written.
        """
        top = self._root.path("/aha")
        os.makedirs(top, exist_ok=True)
        for name in os.listdir(top):
            path = os.path.join(top, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
        replace_file(os.path.join(top, "evProds.list"), b"")

    def appear(self) -> None:
        """The cluster's producers come into being.

        Raises:
            OSError: /aha cannot be written, or the host has no pseudo-terminals to spare.
        """
        for factory in FACTORIES:
            if factory not in self._files:
                self._files[factory] = MonitorFile(self._root.path(monitor_file(factory)))
            self._files[factory].show()
        names = "".join(f"{factory.rpartition('/')[2]}\n" for factory in FACTORIES)
        replace_file(self._root.path("/aha/evProds.list"), names.encode())

    def deliver(self, event: Event, membership: Membership) -> None:
        """An occurrence."""
        file = self._files.get(PRODUCERS[event.kind][0])
        if file is not None:
            file.deliver(event, membership, membership.own)

    def cease(self) -> None:
        """The cluster is no more, and its producers with it.

        Raises:
            OSError: /aha cannot be written.
        """
        for file in self._files.values():
            file.hide()
        self.clear()

    def close(self) -> None:
        """Give up all terminals."""
        for file in self._files.values():
            file.close()
        self._files.clear()
