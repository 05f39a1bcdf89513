"""Random and mutated packets on everything that CAA reads: no crash, no growth, no false life.

Bounded by packets and not by a time, so that it says the same on every machine: 20,000 datagrams from strangers, 3,000
heartbeats and sectors that hold the key but no sense, 5,000 local requests.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from daemons.caa import aha, core, repository
from daemons.caa.messages import Heartbeat, Letter, heartbeat_codec, request_codec
from daemons.caa.repository import RepositoryDisk
from daemons.runtime.codec import Codec
from daemons.runtime.seal import Seal
from srcctl.machine import TICK, RemoteFault

KEY, HERE = b"k" * 32, ("127.0.0.2", 4098)
NETWORK = "net_ether_01"
STRANGERS, INSIDERS, LOCAL = 20_000, 3_000, 5_000


def mutated(dice: random.Random, data: bytes) -> bytes:
    """Random bytes, or ``data`` cut, lengthened, or with some bytes changed."""
    match dice.randrange(5):
        case 0:
            return dice.randbytes(dice.randrange(200))
        case 1:
            return data[: dice.randrange(len(data))]
        case 2:
            return data + dice.randbytes(dice.randrange(1, 40))
        case 3:
            at = dice.randrange(len(data))
            return data[:at] + dice.randbytes(dice.randrange(1, 9)) + data[at:]
    return bent(dice, data)


def bent(dice: random.Random, data: bytes) -> bytes:
    """``data`` with one byte changed."""
    changed = bytearray(data)
    changed[dice.randrange(len(changed))] ^= dice.randrange(1, 256)
    return bytes(changed)


def member() -> core.Membership:
    machine = core.Membership()
    settings = core.Settings(2, 1, frozenset({1, 2, 3}), (NETWORK,), 100, 3_000, 1_000, 2_000)
    machine.step(0, core.Configure(settings))
    return machine


def test_what_strangers_send_is_no_life() -> None:
    dice = random.Random(1)
    machine, seal, drops = member(), Seal(KEY, 2), Counter[str]()
    sender = Seal(KEY, 1)
    genuine = heartbeat_codec.encode(Heartbeat(1, 1, 1, ((2, 1),), 5, 5))
    foreign = Seal(b"x" * 32, 1)
    for number in range(STRANGERS):
        packet = sender.seal(genuine, HERE) if number % 3 else foreign.seal(genuine, HERE)
        if number % 3:
            packet = mutated(dice, packet)
        try:
            node, payload = seal.open(packet, HERE)
            machine.step(number, core.Received(NETWORK, heartbeat_codec.decode(payload)))
        except RemoteFault as fault:
            drops[str(fault)] += 1
            continue
        raise AssertionError(f"{packet!r} was taken for a heartbeat of node {node}")
    assert machine.alive == {2}
    assert len(drops) <= 3, "what is counted is bounded, whatever comes"
    assert seal.open(sender.seal(b"after all that", HERE), HERE) == (1, b"after all that")


def test_heartbeats_without_sense_crash_nothing() -> None:
    dice = random.Random(2)
    machine, now, decoded = member(), 1, 0
    whole = heartbeat_codec.encode(Heartbeat(1, 7, 1, ((2, 1), (3, 4)), 5, 5, 1, 1, False))
    for _ in range(INSIDERS):
        now += 50
        try:
            heartbeat = heartbeat_codec.decode(bent(dice, whole))
        except RemoteFault:
            continue
        decoded += 1
        effects = machine.step(now, core.Received(NETWORK, heartbeat))
        effects += machine.step(now, core.DiskSeen((heartbeat,)))
        effects += machine.step(now, TICK)
        for effect in effects:
            if isinstance(effect, core.Send | core.WriteDisk):
                heartbeat_codec.encode(effect.heartbeat)
            assert not isinstance(effect, core.HaltNode)
        assert machine.alive <= {1, 2, 3}
        assert set(machine.peers) == {1, 3}
        assert all(len(peer.heard) <= 2 for peer in machine.peers.values())
    assert decoded > INSIDERS // 10, "some of it must get through to mean anything"


def test_a_repository_full_of_rubbish_is_none(tmp_path: Path) -> None:
    dice = random.Random(3)
    (tmp_path / "disks").mkdir()
    with open(tmp_path / "disks/hdisk1", "wb") as file:
        file.truncate(64 << 20)
    disk = RepositoryDisk(str(tmp_path), "hdisk1")
    disk.create(repository.Definition("c", "u", "00", ()))
    whole = heartbeat_codec.encode(Heartbeat(3, 7, 1, ()))
    for _ in range(100):
        for offset in (*repository.DEFINITION_SLOTS, *repository.COMMIT_SLOTS, *repository.ARCHIVE_SLOTS):
            head = disk._disk.read(offset, 128)
            disk._disk.write(offset, mutated(dice, head)[:128])
        disk._disk.write(repository.HEARTBEATS + 3 * 512, mutated(dice, b"\0\x10" + whole).ljust(512, b"\0")[:512])
        for slot in range(repository.LETTERS):
            disk._disk.write(repository._letter(3, 2, slot), dice.randbytes(64))
        disk.post(2, Letter(3, 7, 1, 1, 1, b"a letter"))
        sector = disk._disk.read(repository.POSTED + 3 * 512, 512)
        disk._disk.write(repository.POSTED + 3 * 512, mutated(dice, sector).ljust(512, b"\0")[:512])
        disk._disk.write(repository._letter(3, 2, 1), dice.randbytes(64))
        disk.read_definition()
        commit = disk.read_commit()
        assert commit is None or disk.read_archive(commit) is None
        disk.read_staged(1)
        disk.read_heartbeats(frozenset(range(1, 17)))
        assert disk.collect(2, frozenset({3})) == ()


@pytest.mark.parametrize("codec", [request_codec, heartbeat_codec], ids=["request", "heartbeat"])
def test_what_cannot_be_decoded_is_the_senders_fault(codec: Codec[object]) -> None:
    dice = random.Random(4)
    samples = [
        b"\x01" + dice.randbytes(30),
        b"\x01\x91\xa9subscribe",
        b"\x01\x83\xa4type\xa4join\xa4disk\xa6hdisk1\xc0",
    ]
    for number in range(LOCAL):
        try:
            codec.decode(mutated(dice, samples[number % len(samples)]))
        except RemoteFault:
            pass


def test_any_registration_is_one_or_is_refused() -> None:
    dice = random.Random(5)
    sample = b"CHANGED=YES;CLUSTER=YES;WAIT_TYPE=WAIT_IN_READ;INFO_LVL=2;NOTIFY_CNT=-1;BUF_SIZE=4096"
    for _ in range(LOCAL):
        try:
            found = aha.parse(mutated(dice, sample).decode("ascii", "replace"))
        except aha.BadRegistration:
            continue
        assert found.level in (1, 2, 3)
        assert found.count == -1 or found.count > 0
