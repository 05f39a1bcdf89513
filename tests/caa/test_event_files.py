"""/aha as a mounted file system: real consumers, each with its own registration, on what really happens on a node."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.caa.aha import monitor_file
from daemons.caa.aha.consumer import LATER, Consumer, Later
from daemons.caa.aha.filesystem import MountedProducers, links_followed
from daemons.caa.aha.registration import BadRegistration, parse
from daemons.caa.aha.text import Occurrence
from srcctl.node.root import NodeRoot
from tests.caa.test_aha import MEMBERSHIP, down

DEADLINE = 30.0
NODE_STATE = monitor_file("cluster/nodeState")
ResultT = TypeVar("ResultT")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeRoot:
    (tmp_path / "root").mkdir()
    (tmp_path / "lab" / "disks").mkdir(parents=True)
    (tmp_path / "lab" / "disks" / "hdisk2").touch()
    made = NodeRoot(str(tmp_path / "root"))
    named = {"node": "nodea", "mode": "folder", "lab": str(tmp_path / "lab"), "lab_id": "lab"}
    made._identity = type("Named", (), named)()  # type: ignore[assignment]
    monkeypatch.setenv("HAES_MARK", f"test-{os.getpid()}")
    return made


@pytest.fixture
async def mounted(root: NodeRoot) -> AsyncIterator[MountedProducers]:
    try:
        made = MountedProducers(root, "/dev/fuse")
    except OSError as error:
        pytest.skip(f"no file system in user space here: {error}")
    yield made
    made.close()


async def away(work: Callable[..., ResultT], *arguments: object) -> ResultT:
    """Do in a thread what this loop must serve."""
    async with asyncio.timeout(DEADLINE):
        return await asyncio.to_thread(work, *arguments)


async def registered(path: str, words: str) -> int:
    descriptor = await away(os.open, path, os.O_RDWR | os.O_CREAT)
    await away(os.write, descriptor, words.encode())
    return descriptor


async def read(descriptor: int) -> str:
    return (await away(os.read, descriptor, 4096)).decode()


async def test_every_consumer_has_a_registration_of_its_own(root: NodeRoot, mounted: MountedProducers) -> None:
    mounted.appear()
    path = root.path(NODE_STATE)
    everything = await registered(path, "CHANGED=YES;CLUSTER=YES;NOTIFY_CNT=-1")
    own = await registered(path, "CHANGED=YES INFO_LVL=1\n")
    mounted.deliver(down(2), MEMBERSHIP)
    mounted.deliver(down(1), MEMBERSHIP)
    first, second = await read(everything), await read(everything)
    assert ("NODE_NUMBER=2" in first, "NODE_NUMBER=1" in second) == (True, True)
    assert "SEQUENCE_NUM=1" in second
    alone = await read(own)
    assert "SEQUENCE_NUM=0" in alone, "the other node's event was none for it"
    assert "EVPROD_INFO" not in alone
    assert await read(own) == "", "one event was asked for: cat ends"
    await away(os.close, own)
    mounted.deliver(down(1), MEMBERSHIP)
    assert "SEQUENCE_NUM=2" in await read(everything), "the other one's end is none of its business"
    await away(os.close, everything)


async def test_select_and_pread_as_the_samples_do_it(root: NodeRoot, mounted: MountedProducers) -> None:
    mounted.appear()
    descriptor = await registered(
        root.path(NODE_STATE), "CHANGED=YES;CLUSTER=YES;WAIT_TYPE=WAIT_IN_SELECT;NOTIFY_CNT=2"
    )
    assert await away(select.select, [descriptor], [], [], 0) == ([], [], [])
    waiting = asyncio.ensure_future(away(select.select, [descriptor], [], [], DEADLINE))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    mounted.deliver(down(1), MEMBERSHIP)
    assert await waiting == ([descriptor], [], [])
    assert b"NODE_NUMBER=1" in await away(os.pread, descriptor, 3072, 0)
    assert await away(select.select, [descriptor], [], [], 0) == ([], [], []), "it has been read"
    mounted.deliver(down(2), MEMBERSHIP)
    assert b"NODE_NUMBER=2" in await away(os.pread, descriptor, 3072, 0)
    assert await away(os.pread, descriptor, 3072, 0) == b""
    await away(os.close, descriptor)


async def test_a_read_that_waits_can_be_interrupted_and_does_not_take_an_event(
    root: NodeRoot, mounted: MountedProducers
) -> None:
    mounted.appear()
    path = root.path(NODE_STATE)
    script = (
        "import os, sys\nf = os.open(sys.argv[1], os.O_RDWR)\nos.write(f, b'CHANGED=YES')\n"
        "print('ready', flush=True)\nos.read(f, 99)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        assert await process.stdout.readline() == b"ready\n"
        process.kill()
        assert await process.wait() == -9
    descriptor = await away(os.open, path, os.O_RDWR | os.O_NONBLOCK)
    await away(os.write, descriptor, b"CHANGED=YES")
    with pytest.raises(BlockingIOError):
        await away(os.read, descriptor, 99)
    await away(os.close, descriptor)


async def test_a_shell_reads_line_by_line(root: NodeRoot, mounted: MountedProducers) -> None:
    mounted.appear()
    script = (
        f"exec 3<>{root.path(NODE_STATE)}; echo 'CHANGED=YES;CLUSTER=YES;NOTIFY_CNT=2' >&3 || exit 1; echo ready;"
        ' while read line; do echo "got $line"; done <&3'
    )
    process = await asyncio.create_subprocess_exec("bash", "-c", script, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        assert await process.stdout.readline() == b"ready\n"
        mounted.deliver(down(1), MEMBERSHIP)
        mounted.deliver(down(2), MEMBERSHIP)
        output = (await process.stdout.read()).decode()
        assert await process.wait() == 0
    assert output.count("got BEGIN_EVENT_INFO\n") == output.count("got END_EVENT_INFO\n") == 2
    assert output.index("got NODE_NUMBER=1\n") < output.index("got NODE_NUMBER=2\n")


@pytest.mark.parametrize(
    "words", ["", "nonsense", "CHANGED=NO", "CLUSTER=YES", "CHANGED=YES;CHANGED=YES", "\0\xff" * 50]
)
async def test_what_is_no_registration_is_refused_by_the_write(
    root: NodeRoot, mounted: MountedProducers, words: str
) -> None:
    mounted.appear()
    descriptor = await registered(root.path(NODE_STATE), "CHANGED=YES")
    with pytest.raises(OSError) as refused:
        await away(os.write, descriptor, f"{words}\n".encode())
    assert refused.value.errno == errno.EINVAL
    mounted.deliver(down(1), MEMBERSHIP)
    with pytest.raises(OSError):
        await away(os.read, descriptor, 4096)
    await away(os.close, descriptor)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/aha/anything", errno.EPERM),
        ("/aha/fs/modFile.monFactory/etc.txt", errno.EPERM),
        ("/aha/fs/modFile.monFactory/nothing.mon", errno.ENODEV),
        ("/aha/fs/modDir.monFactory/plain.mon", errno.ENOTSUP),
        ("/aha/fs/utilFs.monFactory/plain.mon", errno.ENODEV),
        ("/aha/mem/vmo.monFactory/maxperm.mon", errno.ENODEV),
        ("/aha/cpu/schedo.monFactory/other.mon", errno.ENODEV),
        ("/aha/cpu/waitTmCPU.monFactory/other.mon", errno.ENODEV),
        ("/aha/cpu/pidProcessMon.monFactory/1.mon", errno.ENODEV),
        ("/aha/cpu/pidProcessMon.monFactory/99999999999999999999.mon", errno.ENODEV),
        ("/aha/cpu/pidProcessMon.monFactory/²².mon", errno.ENODEV),
        ("/aha/disk/diskState.monFactory/hdisk9.mon", errno.ENODEV),
        ("/aha/cluster/nodeState.monFactory/other.mon", errno.ENODEV),
    ],
)
async def test_there_is_no_such_event(root: NodeRoot, mounted: MountedProducers, path: str, error: int) -> None:
    mounted.appear()
    Path(root.path("/plain")).touch()
    with pytest.raises(OSError) as refused:
        await away(os.open, root.path(path), os.O_RDWR | os.O_CREAT)
    assert refused.value.errno == error


async def test_a_monitor_file_that_leads_into_the_file_system_itself_is_none(
    root: NodeRoot, mounted: MountedProducers
) -> None:
    """To look at it CAA would wait for itself."""
    os.symlink("aha", root.path("/away"))
    os.symlink("loop", root.path("/loop"))
    for name in ("aha", "away", "loop"):
        folder = root.path(f"/aha/fs/modFile.monFactory/{name}")
        await away(os.mkdir, folder)
        with pytest.raises(OSError) as refused:
            await away(os.open, f"{folder}/evProds.list.mon", os.O_RDWR | os.O_CREAT)
        assert refused.value.errno == errno.ENODEV
    assert links_followed("/a/../b//./c", "/b/d") == "/b/c"
    assert links_followed("/x/../b/d/c", "/b/d") is None


async def test_the_list_and_what_may_be_removed(root: NodeRoot, mounted: MountedProducers) -> None:
    names = Path(root.path("/aha/evProds.list"))
    without = (await away(names.read_text)).split()
    assert {"modFile", "utilFs", "vmo", "processMon"} < set(without)
    mounted.appear()
    with_cluster = set((await away(names.read_text)).split())
    assert with_cluster - set(without) >= {"nodeState", "repDiskState", "vgState"}
    mounted.appear()  # again: nothing twice
    folder = root.path("/aha/fs/modFile.monFactory/etc")
    Path(root.path("/etc")).mkdir()
    Path(root.path("/etc/passwd")).touch()
    await away(os.mkdir, folder)
    await away(os.close, await away(os.open, f"{folder}/passwd.mon", os.O_RDWR | os.O_CREAT))
    assert await away(os.listdir, folder) == ["passwd.mon"]
    with pytest.raises(OSError):
        await away(os.rmdir, folder)
    for kept in (names, names.parent / "fs", names.parent / "fs" / "modFile.monFactory"):
        with pytest.raises(OSError):
            await away(os.rmdir if kept.name != "evProds.list" else os.unlink, kept)
    await away(os.unlink, f"{folder}/passwd.mon")
    await away(os.rmdir, folder)
    assert await away(os.listdir, os.path.dirname(folder)) == []


async def test_the_end_of_the_cluster_is_an_event(root: NodeRoot, mounted: MountedProducers) -> None:
    mounted.appear()
    descriptor = await registered(root.path(NODE_STATE), "CHANGED=YES;NOTIFY_CNT=-1")
    reading = asyncio.ensure_future(read(descriptor))
    await asyncio.sleep(0.05)
    mounted.cease()
    assert "RC_FROM_EVPROD=-1\n" in await reading
    assert await read(descriptor) == ""
    assert not await away(os.path.lexists, root.path(NODE_STATE))
    await away(os.close, descriptor)
    mounted.appear()
    await away(os.close, await registered(root.path(NODE_STATE), "CHANGED=YES"))


# Files, file systems and processes.


async def test_a_file_is_watched_until_it_goes(root: NodeRoot, mounted: MountedProducers) -> None:
    file = Path(root.path("/passwd"))
    file.write_text("root\n")
    descriptor = await registered(
        root.path("/aha/fs/modFile.monFactory/passwd.mon"), "CHANGED=YES WAIT_TYPE=WAIT_IN_READ NOTIFY_CNT=-1"
    )
    with file.open("a") as open_file:
        open_file.write("guest\n")
    lines = (await read(descriptor)).splitlines()
    assert lines[9] == "RC_FROM_EVPROD=1000", "consumers skip nine lines"
    os.truncate(file, 2)
    assert "RC_FROM_EVPROD=1006\n" in await read(descriptor)
    os.rename(file, root.path("/other"))
    assert "RC_FROM_EVPROD=1004\n" in await read(descriptor)
    assert await read(descriptor) == "", "it is not to be had any more"
    await away(os.close, descriptor)
    with pytest.raises(OSError) as refused:
        await away(os.open, root.path("/aha/fs/modFile.monFactory/passwd.mon"), os.O_RDWR)
    assert refused.value.errno == errno.ENODEV, "the monitor file is still there, the event is not"


async def test_a_removed_file_a_folder_and_attributes(root: NodeRoot, mounted: MountedProducers) -> None:
    folder = Path(root.path("/data"))
    folder.mkdir()
    file = folder / "one"
    file.touch()
    for name in ("modFile", "modFileAttr"):
        await away(os.mkdir, root.path(f"/aha/fs/{name}.monFactory/data"))
    base = root.path("/aha/fs/")
    contents = await registered(base + "modFile.monFactory/data/one.mon", "CHANGED=YES")
    attributes = await registered(base + "modFileAttr.monFactory/data/one.mon", "CHANGED=YES;NOTIFY_CNT=-1")
    names = await registered(base + "modDir.monFactory/data.mon", "CHANGED=YES;NOTIFY_CNT=-1;INFO_LVL=2")
    os.utime(file)
    os.chmod(file, 0o600)
    assert "RC_FROM_EVPROD=1006\n" in await read(attributes), "a new time is no change"
    (folder / "two").touch()
    created = await read(names)
    assert created.endswith("RC_FROM_EVPROD=1000\nBEGIN_EVPROD_INFO\ntwo\nEND_EVPROD_INFO\nEND_EVENT_INFO\n")
    file.unlink()
    assert "RC_FROM_EVPROD=1003\n" in await read(contents)
    assert "RC_FROM_EVPROD=1001\n" in await read(attributes)
    removed = await read(names)
    assert "RC_FROM_EVPROD=1002\n" in removed
    assert "\none\n" in removed
    (folder / "two").unlink()
    await read(names)
    folder.rmdir()
    assert "RC_FROM_EVPROD=1003\n" in await read(names)
    assert await read(names) == ""
    for descriptor in (contents, attributes, names):
        await away(os.close, descriptor)


async def test_a_file_system_fills_up(
    root: NodeRoot, mounted: MountedProducers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from daemons.caa.aha import sources

    monkeypatch.setattr(sources, "PERIOD", 0.05)
    Path(root.path("/etc")).mkdir()
    Path(root.path("/etc/filesystems")).write_text("/data:\n\tdev = /dev/hd9\n\tsize = 2048\n")
    folder = Path(root.path("/data"))
    folder.mkdir()
    path = root.path("/aha/fs/utilFs.monFactory/data.mon")
    descriptor = await registered(path, "THRESHOLD_HI=80 WAIT_TYPE=WAIT_IN_READ")
    second = await registered(path, "THRESH_HI=20")
    reading = asyncio.ensure_future(read(descriptor))
    await asyncio.sleep(0.2)
    (folder / "some").write_bytes(b"x" * 300_000)
    early = await read(second)
    assert not reading.done()
    (folder / "more").write_bytes(b"x" * 700_000)
    full = await reading
    assert "RC_FROM_EVPROD=1000\n" in early
    assert "RC_FROM_EVPROD=1000\n" in full
    assert int(full.split("CURRENT_VALUE=")[1].split()[0]) >= 80
    await away(os.write, second, b"THRESH_HI=20")
    assert "RC_FROM_EVPROD=56\n" in await read(second), "met already"
    await away(os.write, second, b"THRESH_HI=101")
    assert "RC_FROM_EVPROD=22\n" in await read(second), "not a percentage"
    await away(os.write, second, b"THRESH_LO=10 NOTIFY_CNT=-1")
    Path(root.path("/etc/filesystems")).write_text("")
    assert "RC_FROM_EVPROD=1001\n" in await read(second)
    with pytest.raises(OSError):
        await away(os.write, second, b"CHANGED=YES")
    for opened in (descriptor, second):
        await away(os.close, opened)


@pytest.fixture
def sleeper(root: NodeRoot) -> Iterator[subprocess.Popen[bytes]]:
    program = Path(root.path("/sleeper"))
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "600"], env={"HAES_MARK": os.environ["HAES_MARK"]})
    yield process
    process.kill()
    process.wait()


async def test_the_death_of_a_process(
    root: NodeRoot, mounted: MountedProducers, sleeper: subprocess.Popen[bytes]
) -> None:
    by_pid = await registered(root.path(f"/aha/cpu/pidProcessMon.monFactory/{sleeper.pid}.mon"), "CHANGED=YES")
    folder = root.path("/aha/cpu/processMon.monFactory") + os.path.dirname(sleeper.args[0])  # type: ignore[arg-type, index]
    await away(os.makedirs, folder)
    by_name = await registered(f"{folder}/sleeper.mon", "CHANGED=YES;NOTIFY_CNT=-1")
    sleeper.kill()
    for descriptor in (by_pid, by_name):
        text = await read(descriptor)
        assert text.endswith(
            "RC_FROM_EVPROD=0\nBEGIN_EVPROD_INFO\nEVENT_TYPE=PROCESS_DOWN\nEND_EVPROD_INFO\nEND_EVENT_INFO\n"
        )
        assert await read(descriptor) == ""
        await away(os.close, descriptor)


async def test_a_disk_fails_and_a_value_of_the_host_is_told(
    root: NodeRoot, mounted: MountedProducers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from daemons.caa.aha import sources
    from srcctl.network.faults import Faults
    from srcctl.storage import device_names

    monkeypatch.setattr(sources, "PERIOD", 0.05)
    disk = await registered(root.path("/aha/disk/diskState.monFactory/hdisk2.mon"), "CHANGED=YES;NOTIFY_CNT=2")
    Faults(root.identity.lab).set_disk("hdisk2", True)
    assert "EVENT_TYPE=DISK_DOWN\nDISK_NAME=hdisk2\n" in await read(disk)
    Faults(root.identity.lab).set_disk("hdisk2", False)
    assert "EVENT_TYPE=DISK_UP\n" in await read(disk)
    for place in (sources, device_names):
        monkeypatch.setattr(place, "own_names", lambda root: {"hdisk2": "mine"})
    named = await registered(root.path("/aha/disk/diskState.monFactory/mine.mon"), "CHANGED=YES;NOTIFY_CNT=1")
    Faults(root.identity.lab).set_disk("hdisk2", True)
    assert "EVENT_TYPE=DISK_DOWN\nDISK_NAME=mine\n" in await read(named)
    await away(os.close, named)
    counts = iter([(0, 0), (0, 0), (0, 0), (0, 0), (5, 5), (100, 10), (100, 20)])
    monkeypatch.setattr(sources, "waited_for_processor", lambda: next(counts))
    waits = await registered(root.path("/aha/cpu/waitTmCPU.monFactory/waitTmCPU.mon"), "THRESHOLD_HI=10")
    text = await read(waits)
    assert text.splitlines()[4:6] == ["CURRENT_VALUE=19", "RC_FROM_EVPROD=0"]
    for descriptor in (disk, waits):
        await away(os.close, descriptor)


def test_what_the_host_counts_can_be_read() -> None:
    from daemons.caa.aha import sources

    for count in sources.COUNTS.values():
        try:
            first = count()
        except FileNotFoundError:
            continue  # a kernel that does not count it: ENODEV, then
        assert all(now >= before for now, before in zip(count(), first, strict=True))
        rate = sources.Rate(count)
        assert rate() is None
        assert rate() is not None


# The machine of a consumer.


def test_a_full_buffer_says_so_and_keeps_the_newest() -> None:
    consumer = Consumer()
    consumer.register("CHANGED=YES;NOTIFY_CNT=-1;BUF_SIZE=1000")
    for number in range(50):
        consumer.take(Occurrence(number, message=("x" * 20,)))
    texts = []
    while (found := consumer.read(0, 4096)) is not LATER:
        assert isinstance(found, bytes)
        texts.append(found.decode())
    assert texts[0].startswith("BUF_WRAP\nBEGIN_EVENT_INFO\n")
    assert [text for text in texts[1:] if "BUF_WRAP" in text] == []
    assert "SEQUENCE_NUM=49\n" in texts[-1]
    assert 2 < len(texts) < 10
    consumer.register("CHANGED=YES;BUF_SIZE=150")
    consumer.take(Occurrence(1, message=("x" * 200,)))
    large = consumer.read(0, 4096)
    assert isinstance(large, bytes)
    assert large.startswith(b"EVENT_OVERFLOW\nBEGIN_EVENT_INFO\n")
    assert b"EVPROD" not in large.replace(b"RC_FROM_EVPROD", b"")


def test_reads_of_any_size_get_the_whole_text() -> None:
    whole = Occurrence(1, message=("EVENT_TYPE=NODE_UP",))
    for size in (1, 7, 128, 4096):
        consumer = Consumer()
        consumer.register("CHANGED=YES;NOTIFY_CNT=2")
        consumer.take(whole)
        consumer.take(whole)
        offset, text = 24, b""
        while part := consumer.read(offset, size):
            assert isinstance(part, bytes)
            offset, text = offset + len(part), text + part
        assert text.count(b"BEGIN_EVENT_INFO") == text.count(b"END_EVENT_INFO") == 2


def test_thresholds_are_edges() -> None:
    consumer = Consumer((1, 100))
    consumer.register("THRESHOLD_HI=80 THRESHOLD_LO=20 NOTIFY_CNT=-1")
    values = [50, 80, 80, 90, 50, 20, 21, 19]
    for value in values:
        consumer.sampled(value, 1, 1000, True)
    found = []
    while (text := consumer.read(0, 4096)) is not LATER:
        assert isinstance(text, bytes)
        found.append(int(text.split(b"CURRENT_VALUE=")[1].split()[0]))
    assert found == [80, 90, 20, 19]


def test_states_change_and_values_have_thresholds() -> None:
    assert parse("THRESH_HI=9;INFO_LVL=3", values=True).high == 9
    for words, values in (("THRESHOLD_HI=9", False), ("CHANGED=YES", True), ("CHANGED=YES THRESHOLD_HI=9", True)):
        with pytest.raises(BadRegistration):
            parse(words, values)


# Many, and hostile ones.


async def test_two_hundred_consumers_of_one_file(root: NodeRoot, mounted: MountedProducers) -> None:
    mounted.appear()
    path = root.path(NODE_STATE)

    def opened() -> list[int]:
        found = []
        for number in range(200):
            found.append(os.open(path, os.O_RDWR))
            os.write(found[-1], b"CHANGED=YES;CLUSTER=YES" if number % 2 else b"CHANGED=YES")
        return found

    def ready(descriptors: list[int]) -> set[int]:
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(0)}

    descriptors = await away(opened)
    mounted.deliver(down(2), MEMBERSHIP)
    assert await away(ready, descriptors) == set(descriptors[1::2])
    mounted.deliver(down(1), MEMBERSHIP)
    assert await away(ready, descriptors) == set(descriptors)
    texts = await away(lambda: [os.pread(descriptor, 4096, 0) for descriptor in descriptors])
    assert [b"NODE_NUMBER=1\n" in text for text in texts] == [number % 2 == 0 for number in range(200)]
    await away(lambda: [os.close(descriptor) for descriptor in descriptors])
    mounted.deliver(down(1), MEMBERSHIP)


async def test_a_consumer_that_is_killed_leaves_nothing_behind(root: NodeRoot, mounted: MountedProducers) -> None:
    file = Path(root.path("/watched"))
    file.touch()
    path = root.path("/aha/fs/modFile.monFactory/watched.mon")
    script = f"exec 3<>{path}; echo 'CHANGED=YES;NOTIFY_CNT=-1' >&3; echo ready; cat <&3 & cat <&3"
    process = await asyncio.create_subprocess_exec("setsid", "bash", "-c", script, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        assert await process.stdout.readline() == b"ready\n"
        entry = next(e for e in mounted._files._entries.values() if e.subject == "/watched")
        assert entry.watch is not None
        os.killpg(process.pid, 9)
        await process.stdout.read()  # until the last of them has let go of it
        await process.wait()
    released = asyncio.Event()
    watch_while_wanted = mounted._files._watch_while_wanted
    if entry.consumers:
        mounted._files._watch_while_wanted = lambda one: (watch_while_wanted(one), released.set())[0]  # type: ignore[method-assign]
        async with asyncio.timeout(DEADLINE):
            await released.wait()
    assert (entry.consumers, entry.watch) == (set(), None)


async def test_the_tree_has_an_end(root: NodeRoot, mounted: MountedProducers, monkeypatch: pytest.MonkeyPatch) -> None:
    from daemons.caa.aha import filesystem

    monkeypatch.setattr(filesystem, "FILES_MAX", len(mounted._files._entries) + 2)
    folder = root.path("/aha/fs/modDir.monFactory")

    for number in range(2):
        await away(os.mkdir, f"{folder}/{number}")
    with pytest.raises(OSError, match="No space left"):
        await away(os.mkdir, f"{folder}/2")
    statistics = await away(os.statvfs, folder)
    assert statistics.f_ffree == 0
    await away(os.rmdir, f"{folder}/0")
    await away(os.mkdir, f"{folder}/{'x' * 200}")
    for name in ("a.mon", "b.list", "c.monFactory"):
        with pytest.raises(PermissionError):
            await away(os.mkdir, f"{folder}/{name}")
    names = root.path("/aha/evProds.list")
    for change in (
        lambda: os.chmod(folder, 0o777),
        lambda: os.chown(folder, 1, 1),
        lambda: os.rename(f"{folder}/1", f"{folder}/9"),
        lambda: os.link(names, f"{folder}/l"),
        lambda: os.symlink("x", f"{folder}/s"),
        lambda: os.mkfifo(f"{folder}/p"),
        lambda: os.open(names, os.O_WRONLY),
        lambda: os.open(names, os.O_RDWR | os.O_TRUNC),
    ):
        with pytest.raises(OSError):
            await away(change)
    assert await away(os.path.exists, names)


def read_by(consumer: Consumer, offset: int, size: int) -> bytes | Later:
    """A read; nothing where nothing is registered."""
    try:
        return consumer.read(offset, size)
    except OSError as error:
        return b"" if error.errno == errno.EINVAL else LATER


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(0, 600), st.integers(1, 400)),
            st.tuples(st.just("next"), st.integers(1, 400)),
            st.tuples(st.just("event"), st.integers(0, 300)),
            st.tuples(st.just("register"), st.sampled_from(["CHANGED=YES", "CHANGED=YES;NOTIFY_CNT=-1;BUF_SIZE=300",
                                                            "CHANGED=YES;NOTIFY_CNT=3;INFO_LVL=1", "no"])),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_order_of_reads_and_events_ends_in_whole_texts(steps: list[tuple[str, int, int]]) -> None:
    """Who follows the offsets that reads leave gets every event's text in one piece, whatever else was read between."""
    consumer, offset, text, moved = Consumer(), 0, b"", False
    for step in steps:
        match step:
            case ("register", str(words)):
                offset, text, moved = offset + len(words), b"", False
                try:
                    consumer.register(words)
                except BadRegistration:
                    assert words == "no"
            case ("event", size):
                consumer.take(Occurrence(1, message=("x" * size,)))
            case ("read", at, size):
                found = read_by(consumer, at, size)
                assert found is LATER or len(found) <= size  # type: ignore[arg-type]
                moved = True
            case ("next", size):
                found = read_by(consumer, offset, size)
                if isinstance(found, bytes):
                    assert len(found) <= size
                    offset, text = offset + len(found), text + found
    if not moved:
        started = text.count(b"BEGIN_EVENT_INFO\n")
        assert started - text.count(b"END_EVENT_INFO\n") in (0, 1)
        assert len(text) < 20 or text.startswith((b"BEGIN_EVENT_INFO\n", b"BUF_WRAP\n", b"EVENT_OVERFLOW\n"))
