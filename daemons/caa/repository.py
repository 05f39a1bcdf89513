"""The repository disk: the cluster's definition, the configuration's commit record and archive, heartbeats, mailboxes.

Everything that must survive an interrupted write is written alternately to two slots with serial number and checksum
(of both, so that half a head counts for nothing); the newer whole one counts. A commit record is one sector, so it is
either there or not: it is the commit point of a synchronization.

    offset       contents
    0            magic
    64 KiB, +64  definition, two slots
    256 KiB, +1  commit record, two slots of one sector
    1 MiB, +4    archive of the configuration, two slots
    16 MiB       heartbeat sectors, one a node; then one a sender with the number of its last letter to each node
    32 MiB       mailboxes, one for every ordered pair of nodes: 16 letters of 8 KiB
"""

from __future__ import annotations

import struct
import zlib
from typing import Protocol, TypeVar

import msgspec

from daemons.caa.messages import RELAY_MAX, Heartbeat, Letter, Node, Site, heartbeat_codec, multicast_group
from srcctl.machine import RemoteFault
from srcctl.node.root import NodeRoot
from srcctl.storage.device_names import lab_disk
from srcctl.storage.disk import SECTOR, Disk, disk_names, pvid, uuid_of
from srcctl.storage.volume_groups import REPOSITORY_MAGIC

KIBI, MEBI = 1 << 10, 1 << 20
DEFINITION_SLOTS, DEFINITION_BYTES = (64 * KIBI, 128 * KIBI), 64 * KIBI
COMMIT_SLOTS = (256 * KIBI, 256 * KIBI + SECTOR)
ARCHIVE_SLOTS, ARCHIVE_BYTES = (1 * MEBI, 5 * MEBI), 4 * MEBI
HEARTBEATS = 16 * MEBI
MAILBOXES = 32 * MEBI
LETTERS, LETTER_BYTES = 16, 8 * KIBI
NODES_MAX = 16
POSTED = HEARTBEATS + SECTOR * (NODES_MAX + 1)
_LETTER_HEADER = struct.Struct(">QQQQI")
"""Incarnation, number, target, beat, length; the checksum follows."""
_POSTED = struct.Struct(f">Q{NODES_MAX + 1}Q")
"""Incarnation of the sender, number of its last letter to each node; the checksum follows."""
_SLOT_HEADER = 4 + 4 + 8 + 4
_NOT_HELD = "the repository disk does not hold what was written to it; nothing was changed"

ValueT = TypeVar("ValueT")


class RepositoryError(Exception):
    """The disk is no repository, or cannot be used as one; ``str()`` is one sentence."""


class Definition(msgspec.Struct, frozen=True):
    """A CAA cluster.

    ``key`` is the cluster's key in hex; ``tunables`` are in the units of clctrl; ``shared_disks`` are the disks that
    are clustered beside the repository, by the lab's name, each with the N of its name cldiskN; ``epoch`` counts
    replacements of the repository; ``orders`` are pairs of node name and whether CAA is to be started (or stopped)
    there at its next boot; ``multicast`` is the group that an administrator chose for heartbeats, "" for those that
    follow from addresses; ``former`` are the nodes that were taken out, the last one at the end.
    """

    name: str
    uuid: str
    key: str
    nodes: tuple[Node, ...]
    tunables: tuple[tuple[str, str], ...] = ()
    highest_number: int = 0
    shared_disks: dict[str, int] = {}
    epoch: int = 0
    orders: tuple[tuple[str, bool], ...] = ()
    sites: tuple[Site, ...] = ()
    multicast: str = ""
    former: tuple[Node, ...] = ()

    def site_of(self, name: str) -> Site | None:
        """The site of the node of that name, None if it is at none."""
        return next((site for site in self.sites if name in site.nodes), None)

    def site_fellows(self, name: str) -> tuple[Node, ...]:
        """The nodes at a node's site, itself among them; of a cluster without sites all nodes."""
        own = self.site_of(name)
        return tuple(node for node in self.nodes if self.site_of(node.name) == own)

    def group_of(self, name: str, network: str) -> str:
        """The multicast group of a node on a network, "" if there is none."""
        own = self.site_of(name)
        return multicast_group(self.site_fellows(name), network, (own.multicast if own else "") or self.multicast)

    def beyond(self, name: str) -> frozenset[str]:
        """The nodes at another site than a node's own; none where it, or they, are at no site."""
        own = self.site_of(name)
        return frozenset(node for site in self.sites if own is not None and site is not own for node in site.nodes)

    def node(self, name: str) -> Node | None:
        """The member of that name."""
        return next((node for node in self.nodes if node.name == name), None)


class Commit(msgspec.Struct, frozen=True):
    """The commit record of a configuration: its generation, the archive's checksum, who made it and when (epoch s)."""

    generation: int
    checksum: int
    node: str
    time: int


class BlockDevice(Protocol):
    """What a repository lives on: ``srcctl.storage.disk.Disk``, or a simulated one."""

    def read(self, offset: int, size: int) -> bytes: ...

    def write(self, offset: int, data: bytes) -> None: ...

    def reserve(self) -> bool: ...

    def close(self) -> None: ...


class RepositoryDisk:
    """A repository disk as one node sees it.

    Args:
        lab: the lab's shared folder.
        disk: its name.
        device: the disk itself, if it is not one of a lab.

    Raises:
        OSError: from every operation: the disk has failed, or does not exist.
    """

    def __init__(self, lab: str, disk: str, device: BlockDevice | None = None) -> None:
        self.name = disk
        self._disk: BlockDevice = Disk(lab, disk) if device is None else device
        self._collected: dict[tuple[int, int], tuple[int, int]] = {}
        """Incarnation and number of the last letter that was read, of each pair of sender and receiver."""
        self._posted: dict[int, int] = {}

    def close(self) -> None:
        """Release the disk."""
        self._disk.close()

    def lock(self) -> bool:
        """Take the lock under which a configuration is stored and committed, until ``close``; False: another has it."""
        return self._disk.reserve()

    def is_repository(self) -> bool:
        """Whether a cluster lives here."""
        return self._disk.read(0, len(REPOSITORY_MAGIC)) == REPOSITORY_MAGIC

    # Definition.

    def create(self, definition: Definition, commit: Commit | None = None, archive: bytes | None = None) -> None:
        """Make this disk a repository; that it is one is written last.

        Args:
            definition: of the cluster.
            commit, archive: what was committed already, of a cluster that has its repository replaced.

        Raises:
            RepositoryError: it is one already.
        """
        if self.is_repository():
            raise RepositoryError(f"{self.name} is the repository of a cluster already")
        for offset in (*DEFINITION_SLOTS, *COMMIT_SLOTS, *ARCHIVE_SLOTS):
            self._disk.write(offset, bytes(SECTOR))
        self._disk.write(HEARTBEATS, bytes(SECTOR * (NODES_MAX + 1) * 2))
        self.write_definition(definition)
        if commit is not None and archive is not None:
            self._write_archive(commit.generation, archive)
            self._write_next(COMMIT_SLOTS, SECTOR, commit)
            if self.read_commit() != commit or self.read_archive(commit) != archive:
                raise RepositoryError(_NOT_HELD)
        self._disk.write(0, REPOSITORY_MAGIC.ljust(SECTOR, b"\0"))
        if not self.is_repository():
            raise RepositoryError(_NOT_HELD)

    def erase(self) -> None:
        """Wipe it: no cluster lives here any more."""
        for offset in (0, *DEFINITION_SLOTS, *COMMIT_SLOTS, *ARCHIVE_SLOTS):
            self._disk.write(offset, bytes(SECTOR))

    def read_definition(self) -> Definition | None:
        """The cluster's definition, or None if no cluster lives here."""
        return self.read_numbered()[1]

    def read_numbered(self) -> tuple[int, Definition | None]:
        """The definition, and how often one was written to this disk: with its epoch that tells the newer of two."""
        if not self.is_repository():
            return 0, None
        return self._read_newest(DEFINITION_SLOTS, DEFINITION_BYTES, Definition)

    def definition_serial(self) -> int:
        """The highest number of a definition that was written here, whole or not; 0 if no cluster lives here."""
        return self._serial_of(DEFINITION_SLOTS) if self.is_repository() else 0

    def commit_serial(self) -> int:
        """The highest number of a commit record that was written here, whole or not."""
        return self._serial_of(COMMIT_SLOTS)

    def _serial_of(self, slots: tuple[int, int]) -> int:
        heads = (self._disk.read(slots[0], 16), self._disk.read(slots[1], 16))
        return max(int.from_bytes(head[8:], "big") if head[:4] == b"SLOT" else 0 for head in heads)

    def write_definition(self, definition: Definition, after: int | None = None) -> int:
        """Replace the definition; returns the number of the new one. ``after``: that with this number, and no other.

        Raises:
            RepositoryError: the definition was changed since, or the disk does not hold what was written.
        """
        if after is not None and self.read_numbered()[0] != after:
            raise RepositoryError("the cluster was changed by another command meanwhile; try again")
        self._write_next(DEFINITION_SLOTS, DEFINITION_BYTES, definition)
        number, held = self._read_newest(DEFINITION_SLOTS, DEFINITION_BYTES, Definition)
        if held != definition:
            raise RepositoryError(_NOT_HELD)
        return number

    # Configuration.

    def read_commit(self) -> Commit | None:
        """The newest commit record, or None before the first synchronization."""
        return self._read_newest(COMMIT_SLOTS, SECTOR, Commit)[1]

    def store_archive(self, generation: int, archive: bytes) -> int:
        """Store the archive of a generation that is not committed yet; returns its checksum.

        Raises:
            RepositoryError: it is too large.
        """
        if len(archive) > ARCHIVE_BYTES - 16:
            raise RepositoryError(f"the configuration takes {len(archive)} bytes, more than {ARCHIVE_BYTES - 16}")
        self._check()
        return self._write_archive(generation, archive)

    def _write_archive(self, generation: int, archive: bytes) -> int:
        checksum = zlib.crc32(archive)
        header = generation.to_bytes(8, "big") + len(archive).to_bytes(4, "big") + checksum.to_bytes(4, "big")
        self._disk.write(ARCHIVE_SLOTS[generation % 2], header + archive)
        return checksum

    def read_staged(self, generation: int) -> bytes | None:
        """The archive of a generation before its commit, or None if it is not there or not whole."""
        offset = ARCHIVE_SLOTS[generation % 2]
        header = self._disk.read(offset, 16)
        length = int.from_bytes(header[8:12], "big")
        if int.from_bytes(header[:8], "big") != generation or length > ARCHIVE_BYTES - 16:
            return None
        archive = self._disk.read(offset + 16, length)
        return archive if zlib.crc32(archive) == int.from_bytes(header[12:], "big") else None

    def commit(self, commit: Commit) -> None:
        """The commit point: from here on every node goes forward to this generation.

        Raises:
            RepositoryError: the disk does not hold what was written.
        """
        self._check()
        self._write_next(COMMIT_SLOTS, SECTOR, commit)
        if self.read_commit() != commit or self.read_archive(commit) is None:
            raise RepositoryError(_NOT_HELD)

    def read_archive(self, commit: Commit) -> bytes | None:
        """The archive of a commit record, or None if it is not whole."""
        archive = self.read_staged(commit.generation)
        return archive if archive is not None and zlib.crc32(archive) == commit.checksum else None

    # Heartbeats.

    def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Write a node's sector."""
        body = heartbeat_codec.encode(heartbeat)
        sector = len(body).to_bytes(2, "big") + zlib.crc32(body).to_bytes(4, "big") + body
        assert len(sector) <= SECTOR, f"a heartbeat of {len(body)} bytes would run into the next node's sector"
        self._disk.write(HEARTBEATS + heartbeat.sender * SECTOR, sector.ljust(SECTOR, b"\0"))

    def read_heartbeats(self, nodes: frozenset[int]) -> tuple[Heartbeat, ...]:
        """The sectors of these nodes that hold a heartbeat."""
        area = self._disk.read(HEARTBEATS, SECTOR * (NODES_MAX + 1))
        found = []
        for node in sorted(nodes):
            sector = area[node * SECTOR : (node + 1) * SECTOR]
            length, checksum = int.from_bytes(sector[:2], "big"), int.from_bytes(sector[2:6], "big")
            body = sector[6 : 6 + length]
            if not length or zlib.crc32(body) != checksum:
                continue
            try:
                heartbeat = heartbeat_codec.decode(body)
            except RemoteFault:
                continue
            if heartbeat.sender == node:
                found.append(heartbeat)
        return tuple(found)

    # Mailboxes.

    def post(self, receiver: int, letter: Letter) -> None:
        """Put a letter into the mailbox of a pair; it replaces the one 16 letters before it.

        Then the sender's sector says so: a reader finds by it what is new, without a look at every mailbox.
        """
        sender, payload = letter.sender, letter.payload
        fields = (letter.incarnation, letter.number, letter.target, letter.beat, len(payload))
        head = _LETTER_HEADER.pack(*fields)
        head += zlib.crc32(payload, zlib.crc32(head)).to_bytes(4, "big")
        self._disk.write(_letter(sender, receiver, letter.number), head + payload)
        self._posted[receiver] = letter.number
        body = _POSTED.pack(letter.incarnation, *(self._posted.get(node, 0) for node in range(NODES_MAX + 1)))
        sector = body + zlib.crc32(body).to_bytes(4, "big")
        self._disk.write(POSTED + sender * SECTOR, sector.ljust(SECTOR, b"\0"))

    def collect(self, receiver: int, senders: frozenset[int]) -> tuple[Letter, ...]:
        """The letters to a node that were not collected yet, those of a sender in their order.

        A sector of a sender that is not whole tells nothing until that one's next letter.
        """
        area = self._disk.read(POSTED, SECTOR * (NODES_MAX + 1))
        letters: list[Letter] = []
        for sender in sorted(senders):
            sector = area[sender * SECTOR : (sender + 1) * SECTOR]
            body, checksum = sector[: _POSTED.size], sector[_POSTED.size : _POSTED.size + 4]
            if zlib.crc32(body) != int.from_bytes(checksum, "big"):
                continue
            incarnation, *numbers = _POSTED.unpack(body)
            newest = incarnation, numbers[receiver]
            before = self._collected.get((sender, receiver), (0, 0))
            if newest <= before:
                continue
            self._collected[sender, receiver] = newest
            first = before[1] if before[0] == incarnation else 0
            for number in range(max(first, newest[1] - LETTERS) + 1, newest[1] + 1):
                letter = self._read_letter(sender, receiver, number)
                if letter is not None and letter.incarnation == incarnation:
                    letters.append(letter)
        return tuple(letters)

    def _read_letter(self, sender: int, receiver: int, number: int) -> Letter | None:
        """A letter, or None if it is not whole or no longer there."""
        offset, size = _letter(sender, receiver, number), _LETTER_HEADER.size + 4
        head = self._disk.read(offset, size)
        incarnation, found, target, beat, length = _LETTER_HEADER.unpack(head[:-4])
        if found != number or length > RELAY_MAX:
            return None
        payload = self._disk.read(offset + size, length)
        if zlib.crc32(payload, zlib.crc32(head[:-4])) != int.from_bytes(head[-4:], "big"):
            return None
        return Letter(sender, incarnation, number, target, beat, payload)

    # Slots.

    def _check(self) -> None:
        """A repository that was replaced is wiped: what is written to it is lost."""
        if not self.is_repository():
            raise RepositoryError(f"{self.name} is not the repository of the cluster any more")

    def _read_newest(self, slots: tuple[int, int], size: int, kind: type[ValueT]) -> tuple[int, ValueT | None]:
        newest: tuple[int, ValueT | None] = (0, None)
        for offset in slots:
            head = self._disk.read(offset, _SLOT_HEADER)
            length, serial = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:16], "big")
            if head[:4] != b"SLOT" or length > size - _SLOT_HEADER or serial <= newest[0]:
                continue
            body = self._disk.read(offset + _SLOT_HEADER, length)
            if zlib.crc32(body, zlib.crc32(head[:16])) != int.from_bytes(head[16:], "big"):
                continue
            try:
                newest = serial, msgspec.msgpack.decode(body, type=kind)
            except msgspec.DecodeError:
                continue
        return newest

    def _write_next(self, slots: tuple[int, int], size: int, value: msgspec.Struct) -> None:
        body = msgspec.msgpack.encode(value)
        if len(body) > size - _SLOT_HEADER:
            raise RepositoryError(f"a {type(value).__name__} of {len(body)} bytes does not fit into its slot")
        serial = self._read_newest(slots, size, type(value))[0] + 1
        head = b"SLOT" + len(body).to_bytes(4, "big") + serial.to_bytes(8, "big")
        head += zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big")
        self._disk.write(slots[serial % 2], (head + body).ljust(SECTOR, b"\0"))


def _letter(sender: int, receiver: int, serial: int) -> int:
    pair = sender * (NODES_MAX + 1) + receiver
    return MAILBOXES + (pair * LETTERS + serial % LETTERS) * LETTER_BYTES


def find_disk(root: NodeRoot, wanted: str) -> str | None:
    """The lab's name of a disk, by that, the node's own name, PVID or UUID."""
    identity = root.identity
    for name in disk_names(identity.lab):
        if wanted in (name, pvid(identity.lab_id, name), uuid_of(identity.lab_id, name)):
            return name
    return lab_disk(root, wanted)
