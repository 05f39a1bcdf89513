"""/aha where it cannot be mounted: the cluster's event producers, as terminals.

No file of an ordinary file system blocks a read until an event, and mounting another one takes privilege; a terminal
does: a monitor file is a link to a pseudo-terminal (pty(7)) whose other end CAA holds. What a consumer writes, CAA
reads; an event is put into the terminal's input as one line, so that one read returns all of it, and after the last one
that was asked for a read returns nothing, so that ``cat`` ends. Once a consumer has registered, the terminal is its
own, and the link leads the next one to a new one.

Differences from the product: two consumers that have a monitor file open before either has registered share a
registration; pread(2) does not work; a bad registration is answered by an event with EINVAL and not by the write
itself; the monitor files of all producers are there from the beginning and nothing can be created beside them;
producers that need no cluster (fs, mem, cpu) do not exist.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import termios
import time
from collections.abc import Callable

from daemons.caa.aha.registration import BadRegistration, Registration, parse
from daemons.caa.aha.text import CLUSTER_REMOVED, FACTORIES, PRODUCERS, error_text, monitor_file, text
from daemons.caa.messages import Event, Membership
from srcctl.node.root import NodeRoot, replace_file

LINE_MAX = 4095
"""Bytes of a terminal's line (termios(3))."""
BACKLOG = 64 << 10
"""Bytes of events that may wait beside what the terminal itself holds; beyond it events are lost."""
END, QUOTE = b"\x04", b"\x16"


class Terminal:
    """A terminal and who has it open: nobody yet, or one consumer.

    Args:
        registered: told of the first registration; whether the terminal is the consumer's own from now on.
        gone: told that the consumer has closed it.

    Raises:
        OSError: there is no terminal to be had.
    """

    def __init__(self, registered: Callable[[Terminal], bool], gone: Callable[[Terminal], None]) -> None:
        self.registration: Registration | None = None
        self._registered, self._gone = registered, gone
        self._sequence = 0
        self._overflow = False
        self._waiting = bytearray()
        self._loop = asyncio.get_running_loop()
        self._master, self._slave = os.openpty()
        self.name = os.ttyname(self._slave)
        self._make_raw()
        os.set_blocking(self._master, False)
        self._loop.add_reader(self._master, self._readable)

    def remove(self) -> None:
        """The cluster is no more: tell a consumer that waits."""
        if self.registration is not None:
            self.registration = None
            self._put(error_text(CLUSTER_REMOVED, time.time_ns()), last=True)

    def close(self) -> None:
        """Give up the terminal."""
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)
        self._release()

    def _release(self) -> None:
        """Hold the consumer's end no longer: its own end is noticed from now on."""
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1

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
        except BlockingIOError:
            return
        except OSError:
            self._gone(self)
            return
        try:
            self.registration = parse(written.decode("ascii", "replace"))
        except BadRegistration:
            self.registration = None
        # Only what comes after the registration counts.
        self._waiting.clear()
        self._forget_input()
        self._sequence, self._overflow = 0, False
        if self.registration is None:
            self._put(error_text(errno.EINVAL, time.time_ns()), last=True)
        if self._slave >= 0 and self._registered(self):
            self._release()

    def _forget_input(self) -> None:
        try:
            slave = self._slave if self._slave >= 0 else os.open(self.name, os.O_RDWR | os.O_NOCTTY)
            termios.tcflush(slave, termios.TCIFLUSH)
            if slave != self._slave:
                os.close(slave)
        except OSError:
            pass  # the consumer is gone

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


class MonitorFile:
    """A monitor file, with a terminal for the next consumer and those of the consumers that have registered.

    Args:
        path: the real path.

    Raises:
        OSError: there is no terminal to be had.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.consumers: set[Terminal] = set()
        self.spare = Terminal(self._taken, self._gone)
        self._shown = False

    def show(self) -> None:
        """Make the file.

        Raises:
            OSError: /aha cannot be written.
        """
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self._shown = True
        self._link()

    def hide(self) -> None:
        """Remove the file; consumers that wait are told that the cluster is no more."""
        for consumer in (self.spare, *self.consumers):
            consumer.remove()
        self._shown = False
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass

    def close(self) -> None:
        """Give up the terminals."""
        for terminal in (self.spare, *self.consumers):
            terminal.close()
        self.consumers.clear()

    def deliver(self, event: Event, membership: Membership, own: int) -> None:
        """Give an occurrence to the consumers that want it."""
        for consumer in (self.spare, *self.consumers):
            consumer.deliver(event, membership, own)

    def _link(self) -> None:
        os.symlink(self.spare.name, self.path + ".new")
        os.rename(self.path + ".new", self.path)

    def _taken(self, terminal: Terminal) -> bool:
        """The next consumer gets another terminal, if the host has one to spare."""
        try:
            spare = Terminal(self._taken, self._gone)
        except OSError:
            return False
        self.consumers.add(terminal)
        self.spare = spare
        if self._shown:
            self._link()
        return True

    def _gone(self, terminal: Terminal) -> None:
        if terminal in self.consumers:
            self.consumers.discard(terminal)
            terminal.close()


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
