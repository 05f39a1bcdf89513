"""Throws random and mutated packets at every socket of given processes; runs on a node, by itself, as its owner.

    python3 -c "$(cat fuzzer.py)" PACKETS SEED KEY PID ...

The sockets are what /proc says the processes have: UDP at an address or multicast group, Unix streams and datagrams
with a path. Two threads of PACKETS each. What it throws cannot do harm by being right: packets of strangers and of
members that the cluster does not have (sealed with its key); requests that ask, bent. Prints JSON.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time
from collections import Counter

PAUSE = 0.0005
"""Seconds between packets: what is tested is not who is faster."""
HELD_MAX = 40
REQUESTS = (
    b"\x01\x81\xa4type\xa5query",
    b"\x01\x82\xa4type\xa9subscribe\xa6events\xc3",
    b"\x01\x83\xa4type\xa5relay\xa4node\x01\xa7payload\xc4\x02ab",
    b"\x01\x81\xa4type\xa6status",
    b"\x01\x83\xa4type\xa4init\xa4name\xa1x\xa3pid\x01",
    bytes(range(256)),
)
HEARTBEAT = b"\x01\x9f\xa9heartbeat\x09\x07\x01\x91\x92\x01\x05\x05\x05\x00\x00\xc3\x00\x90\x00\x00\x90\x90"
Target = tuple[str, str, int]
"""Kind (udp, stream, datagram), address or path, port."""


def targets(pids: list[int]) -> list[Target]:
    """Every socket of these processes that others can send to."""
    inodes = set()
    for pid in pids:
        for entry in glob.glob(f"/proc/{pid}/fd/*"):
            try:
                link = os.readlink(entry)
            except OSError:
                continue
            if link.startswith("socket:["):
                inodes.add(link[8:-1])
    found: set[Target] = set()
    with open("/proc/net/udp", encoding="ascii") as file:
        for fields in (line.split() for line in file.readlines()[1:]):
            if fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add(("udp", socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16)))
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
        for fields in (line.split() for line in file.readlines()[1:]):
            if len(fields) == 8 and fields[6] in inodes:
                kind = {"0001": "stream", "0002": "datagram", "0005": "seqpacket"}[fields[4]]
                found.add((kind, real_path(fields[7]), 0))
    return sorted(found)


def real_path(path: str) -> str:
    """Where a socket is: it is bound under a passing name, perhaps through its folder's descriptor, and renamed."""
    root = os.environ.get("HAES_ROOT", "")
    folder, name = os.path.split(path)
    name = re.sub(r"^\.\d+", "", name)
    folders = (folder, f"{root}/dev", f"{root}/var/ct", f"{root}/dev/.SRC-unix")
    return next((f"{each}/{name}" for each in folders if os.path.exists(f"{each}/{name}")), path)


class Attacker:
    """One thread's worth of packets."""

    def __init__(self, seed: str, key: bytes, aims: list[Target]) -> None:
        self.dice = random.Random(seed)
        self.key = key
        self.aims = aims
        self.counts: Counter[str] = Counter()
        self.counter = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setblocking(False)
        self.own = next(address for kind, address, _ in aims if kind == "udp" and address.startswith("127."))
        self.udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.own))
        self.held: list[socket.socket] = []
        self.folders: dict[str, int] = {}

    def run(self, packets: int) -> None:
        for _ in range(packets):
            kind, address, port = self.dice.choice(self.aims)
            try:
                if kind == "udp":
                    self.udp.sendto(self.packet(address, port), (address, port))
                elif kind == "datagram":
                    self.datagram(self.short(address))
                else:
                    self.stream(kind, self.short(address))
                self.counts[f"{kind} {address}"] += 1
            except BlockingIOError:
                self.counts["full"] += 1
            except OSError as error:
                self.counts[f"refused {kind} {error.strerror}"] += 1
            time.sleep(PAUSE)
        for sock in self.held:
            sock.close()
        self.udp.close()

    def short(self, path: str) -> str:
        """A path through its folder's descriptor: the address of a socket has 107 bytes."""
        folder, name = os.path.split(path)
        if folder not in self.folders:
            self.folders[folder] = os.open(folder, os.O_PATH)
        return f"/proc/self/fd/{self.folders[folder]}/{name}"

    def bent(self, data: bytes) -> bytes:
        dice, changed = self.dice, bytearray(data)
        match dice.randrange(5):
            case 0:
                return dice.randbytes(dice.choice((0, 1, 3, 27, 28, 29, 200, 1400, 9000)))
            case 1:
                return data[: dice.randrange(len(data) + 1)]
            case 2:
                return data + dice.randbytes(dice.randrange(1, 2000))
            case 3:
                at = dice.randrange(len(data) + 1)
                return data[:at] + dice.randbytes(dice.randrange(1, 9)) + data[at:]
        for _ in range(dice.randrange(1, 4)):
            changed[dice.randrange(len(changed))] ^= dice.randrange(1, 256)
        return bytes(changed)

    def packet(self, address: str, port: int) -> bytes:
        """A datagram of one who has the key or not, for that place or another, bent or not."""
        dice = self.dice
        self.counter += 1
        payload = HEARTBEAT if dice.random() < 0.3 else self.bent(HEARTBEAT)
        header = b"HA1" + bytes((9,)) + self.counter.to_bytes(8, "big")
        key = self.key if dice.random() < 0.6 else b"x" * 32
        state = hashlib.blake2b(header, digest_size=16, key=key)
        state.update(f"{address}:{port if dice.random() < 0.9 else 1}\n".encode() + payload)
        packet = header + state.digest() + payload
        return packet if dice.random() < 0.5 else self.bent(packet)[:60_000]

    def datagram(self, path: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(self.dice.randbytes(self.dice.choice((1, 7, 60, 500, 3000))), path)

    def stream(self, kind: str, path: str) -> None:
        """A new connection with some bytes on it, which stays open or ends; or more bytes for one that stayed."""
        dice = self.dice
        if self.held and dice.random() < 0.3:
            sock = self.held.pop(dice.randrange(len(self.held)))
        else:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if kind == "stream" else socket.SOCK_SEQPACKET)
            sock.settimeout(0.2)
        if not connected(sock):
            sock.connect(path)
        try:
            for _ in range(dice.randrange(4)):
                body = self.bent(dice.choice(REQUESTS))
                length = len(body) if dice.random() < 0.7 else dice.choice((0, 1, 1 << 20, (1 << 32) - 1))
                sock.sendall(length.to_bytes(4, "big") + body)
        except OSError:
            sock.close()
            return
        if dice.random() < 0.5 and len(self.held) < HELD_MAX:
            self.held.append(sock)
        else:
            sock.close()


def connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def main(argv: list[str]) -> int:
    packets, seed, key_file, pids = int(argv[1]), argv[2], argv[3], [int(word) for word in argv[4:]]
    with open(key_file, "rb") as file:
        key = file.read()
    aims = targets(pids)
    attackers = [Attacker(f"{seed}/{number}", key, aims) for number in range(2)]
    threads = [threading.Thread(target=attacker.run, args=(packets,)) for attacker in attackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"aims": aims, "counts": sum((attacker.counts for attacker in attackers), Counter())}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
