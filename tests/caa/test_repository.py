"""The repository disk: newer whole slots count, a commit is one sector, and mailboxes deliver once."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.caa import repository
from daemons.caa.messages import (
    DiskState,
    Heartbeat,
    InterfaceState,
    Letter,
    Membership,
    Node,
    PathState,
    Site,
    Statistics,
    Status,
)
from daemons.caa.render import configuration, disks, interfaces, nodes, statistics
from daemons.caa.repository import Commit, Definition, RepositoryDisk, RepositoryError
from srcctl.node.root import Identity
from srcctl.storage.disk import SECTOR

GOLDEN = Path(__file__).parent.parent / "golden" / "lscluster"
NODES = (
    Node(1, "nodeA", "1602a950-e651-11e1-84be-00145e76c700", (("net_ether_01", "127.3.207.183"),)),
    Node(2, "nodeB", "468fdcfa-e651-11e1-98bb-00145e76c700", (("net_ether_01", "127.3.207.197"),)),
)
DEFINITION = Definition("mycluster", "15f90c7e-e651-11e1-84be-00145e76c700", "00" * 32, NODES, (), 2)


@pytest.fixture
def disk(tmp_path: Path) -> RepositoryDisk:
    (tmp_path / "disks").mkdir()
    with open(tmp_path / "disks/hdisk1", "wb") as file:
        file.truncate(512 << 20)
    made = RepositoryDisk(str(tmp_path), "hdisk1")
    assert made.read_definition() is None
    made.create(DEFINITION)
    return made


def test_a_definition_is_kept_and_a_repository_is_not_made_twice(disk: RepositoryDisk) -> None:
    assert disk.read_definition() == DEFINITION
    with pytest.raises(RepositoryError, match="already"):
        disk.create(DEFINITION)
    disk.erase()
    assert disk.read_definition() is None
    disk.create(DEFINITION)


def test_a_torn_definition_leaves_the_older_one(disk: RepositoryDisk) -> None:
    import msgspec

    newer = msgspec.structs.replace(DEFINITION, highest_number=9)
    disk.write_definition(newer)
    assert disk.read_definition() == newer
    for slot in repository.DEFINITION_SLOTS:
        torn = disk._disk.read(slot, 64)
        if int.from_bytes(torn[8:16], "big") == 2:
            disk._disk.write(slot + 40, b"torn")
    assert disk.read_definition() == DEFINITION


def test_the_commit_record_decides(disk: RepositoryDisk) -> None:
    assert disk.read_commit() is None
    first = Commit(1, disk.store_archive(1, b"old" * 1000), "nodeA", 1)
    disk.commit(first)
    checksum = disk.store_archive(2, b"new" * 2000)
    assert disk.read_staged(2) == b"new" * 2000
    assert disk.read_commit() == first, "what is staged is not committed"
    assert disk.read_archive(first) == b"old" * 1000
    second = Commit(2, checksum, "nodeA", 2)
    disk.commit(second)
    commit = disk.read_commit()
    assert commit == second
    assert disk.read_archive(second) == b"new" * 2000
    disk._disk.write(repository.ARCHIVE_SLOTS[0] + 20, b"damaged")
    assert disk.read_archive(second) is None
    with pytest.raises(RepositoryError):
        disk.store_archive(3, bytes(repository.ARCHIVE_BYTES))


def test_heartbeats_and_letters(disk: RepositoryDisk) -> None:
    assert disk.read_heartbeats(frozenset({1, 2})) == ()
    disk.write_heartbeat(Heartbeat(2, 7, 9, ((1, 5),)))
    assert disk.read_heartbeats(frozenset({1, 2})) == (Heartbeat(2, 7, 9, ((1, 5),)),)
    letters = tuple(Letter(1, 7, number, 5, 9, b"letter %d" % number) for number in range(1, 21))
    for letter in letters:
        disk.post(2, letter)
    other = Letter(3, 1, 1, 5, 4, bytes(repository.RELAY_MAX))
    disk.post(2, other)
    assert disk.collect(2, frozenset({1})) == letters[4:], "each replaces the one 16 before it"
    assert disk.collect(2, frozenset({1, 3})) == (other,), "each is collected once"
    assert disk.collect(1, frozenset({2, 3})) == ()
    again = Letter(1, 8, 1, 5, 9, b"of another life")
    disk.post(2, again)
    assert disk.collect(2, frozenset({1, 3})) == (again,)


def picture(
    alive: tuple[int, ...],
    up: bool,
    repository_lost: tuple[int, ...] = (),
    interfaces_down: tuple[tuple[int, str], ...] = (),
) -> Membership:
    paths = (
        PathState(2, "net_ether_01", "127.3.207.183", "127.3.207.197", up and not interfaces_down),
        PathState(2, "dpcom", "", "", up and not repository_lost),
    )
    return Membership(
        3, 1, alive, NODES, paths, 1 not in repository_lost, "mycluster", DEFINITION.uuid, {}, interfaces_down,
        repository_lost,
    )  # fmt: skip


SITES = (
    Site("left", 1, "0e2b1e64-0000-11e1-84be-00145e76c700", ("nodeA",), 2),
    Site("right", 2, "0e2b1e65-0000-11e1-84be-00145e76c700", ("nodeB",), 1),
)
COUNTED = Statistics(sent=40, received=39, disk_writes=20, disk_reads=20, dropped=3, bad=2, duplicate=1)
IDENTITY = Identity("lab", "", "", "", "", "", "nodeA", 1, 1.0, "view", "", (), ())


@pytest.mark.parametrize(
    ("name", "view", "membership"),
    [
        ("m_healthy", nodes, picture((1, 2), up=True)),
        ("m_node_down", nodes, picture((1,), up=False)),
        ("c", configuration, picture((1, 2), up=True)),
        ("d_healthy", disks, picture((1, 2), up=True)),
        ("d_repository_lost", disks, picture((1, 2), up=True, repository_lost=(1, 2))),
        ("d_repository_lost_by_the_other", disks, picture((1, 2), up=True, repository_lost=(2,))),
        ("i_healthy", interfaces, picture((1, 2), up=True)),
        ("i_interface_down", interfaces, picture((1, 2), up=True, interfaces_down=((2, "net_ether_01"),))),
        ("i_repository_lost", interfaces, picture((1, 2), up=True, repository_lost=(1,))),
        ("i_node_down", interfaces, picture((1,), up=False)),
        ("m_repository_lost", nodes, picture((1, 2), up=True, repository_lost=(1, 2))),
        ("s", statistics, picture((1, 2), up=True)),
        ("m_sites", nodes, replace(picture((1, 2), up=True), sites=SITES)),
        ("c_sites", configuration, replace(picture((1, 2), up=True), sites=SITES)),
        ("d_sites", disks, replace(picture((1, 2), up=True), sites=SITES)),
        ("i_sites", interfaces, replace(picture((1, 2), up=True), sites=SITES)),
        ("d_node_down", disks, picture((1,), up=False)),
        ("m_last_path", nodes, picture((1, 2), up=True, interfaces_down=((2, "net_ether_01"),))),
        ("m_isolated", nodes, picture((1,), up=False, repository_lost=(1,), interfaces_down=((1, "net_ether_01"),))),
        ("c_multicast", configuration, replace(picture((1, 2), up=True), multicast="228.100.1.7")),
        ("i_multicast", interfaces, replace(picture((1, 2), up=True), multicast="228.100.1.7")),
        (
            "c_multicast_of_a_site",
            configuration,
            replace(
                picture((1, 2), up=True),
                sites=(SITES[0], replace(SITES[1], multicast="228.100.1.8")),
                multicast="228.100.1.7",
            ),
        ),
    ],
)
def test_views_of_lscluster(name: str, view, membership: Membership) -> None:  # type: ignore[no-untyped-def]
    status = Status(membership, "hdisk7", "3e77c6b6-5624-d27a-01d9-9b291c5e8437", (), ((2, 7, 3),), (), COUNTED)
    witness, _, expected = (GOLDEN / f"{name}.txt").read_text().partition("\n")
    assert witness.startswith(("# witness:", "# inferred"))
    assert view(status, membership, IDENTITY) == expected


def test_multicast_and_service_addresses_in_lscluster() -> None:
    interface = InterfaceState("en0", "net_ether_01", "127.3.207.183", "255.255.255.0", True)
    tunables = (("communication_mode", "m"),)
    aliases = (("nodeB", "en0", "127.3.207.40", "255.255.255.0"),)
    membership = picture((1, 2), up=True)
    status = Status(
        membership, "hdisk7", "3e77c6b6-5624-d27a-01d9-9b291c5e8437", (interface,), ((2, 7, 3),), tunables, COUNTED, (),
        aliases,
    )  # fmt: skip
    for name, view in (("m_multicast", nodes), ("i_service_address", interfaces)):
        witness, _, expected = (GOLDEN / f"{name}.txt").read_text().partition("\n")
        assert witness.startswith(("# witness:", "# inferred"))
        assert view(status, membership, IDENTITY) == expected


def several_networks() -> tuple[Status, Membership]:
    """Two networks; nodeB's interface on the second is down; the repository was replaced, and a disk is clustered."""
    both = tuple(
        replace(node, addresses=(*node.addresses, ("net_ether_02", f"127.3.208.{number}")))
        for number, node in enumerate(NODES, 1)
    )
    membership = picture((1, 2), up=True)
    paths = (
        membership.paths[0],
        PathState(2, "net_ether_02", "127.3.208.1", "127.3.208.2", False),
        membership.paths[1],
    )
    membership = replace(membership, nodes=both, paths=paths, interfaces_down=((2, "net_ether_02"),))
    local = tuple(
        InterfaceState(f"en{place}", network, address, "255.255.255.0", True)
        for place, (network, address) in enumerate(both[0].addresses)
    )
    clustered = DiskState("hdisk4", "7cf63f78-d05f-1ee4-721d-e7bfb2ada1ad", "CLUSDISK", False)
    uuid = "425e8eaf-91dc-559a-18ed-0a69c42dfe27"
    return Status(membership, "hdisk9", uuid, local, ((2, 7, 3),), (), COUNTED, (clustered,)), membership


def test_a_backup_of_the_repository_is_no_clustered_disk() -> None:
    status, membership = several_networks()
    backup = DiskState("hdisk8", "0a2f8eaf-91dc-559a-18ed-0a69c42dfe27", "BACKUP_DISK", True)
    status = replace(status, disks=(*status.disks, backup))
    shown = disks(status, membership, IDENTITY)
    assert shown.count("Number of disks discovered = 3\n") == 2
    assert [line.split()[-1] for line in shown.splitlines() if "Type :" in line] == [
        "CLUSDISK", "REPDISK", "BACKUP_DISK"
    ] * 2  # fmt: skip
    assert "Number of disks in cluster = 2\n" in configuration(status, membership, IDENTITY)


@pytest.mark.parametrize(("name", "view"), [("m", nodes), ("c", configuration), ("i", interfaces), ("d", disks)])
def test_several_networks_and_another_repository_in_lscluster(name: str, view) -> None:  # type: ignore[no-untyped-def]
    status, membership = several_networks()
    witness, _, expected = (GOLDEN / f"{name}_networks.txt").read_text().partition("\n")
    assert witness.startswith(("# witness:", "# inferred"))
    assert view(status, membership, IDENTITY) == expected


def test_a_letter_counts_for_nothing_until_it_has_arrived_as_a_whole(disk: RepositoryDisk) -> None:
    """Half a head of zeros beside a serial number had the checksum of an empty letter."""
    before = disk._disk.read(repository.MAILBOXES, 8 << 20)
    posted = Letter(1, 7, 1, 5, 9, b"letter")
    disk.post(2, posted)
    offset, size = repository._letter(1, 2, 1), 46
    letter = disk._disk.read(offset, size)
    for arrived in range(size):
        disk._disk.write(offset, letter[:arrived].ljust(size, b"\0"))
        disk._collected.clear()
        assert disk.collect(2, frozenset({1})) == ()
    disk._disk.write(offset, letter)
    disk._collected.clear()
    sector = disk._disk.read(repository.POSTED + SECTOR, SECTOR)
    for arrived in range(repository._POSTED.size):
        disk._disk.write(repository.POSTED + SECTOR, sector[:arrived].ljust(SECTOR, b"\0"))
        assert disk.collect(2, frozenset({1})) == ()
    disk._disk.write(repository.POSTED + SECTOR, sector)
    assert disk.collect(2, frozenset({1})) == (posted,)
    assert before != disk._disk.read(repository.MAILBOXES, 8 << 20)


def test_a_commit_record_that_is_torn_anywhere_leaves_the_older_one(disk: RepositoryDisk) -> None:
    def made(generation: int) -> Commit:
        commit = Commit(generation, disk.store_archive(generation, b"archive %d" % generation), "nodeA", generation)
        disk.commit(commit)
        return commit

    made(1)
    slot = repository.COMMIT_SLOTS[1]
    old = disk._disk.read(slot, 512)
    second, third = made(2), made(3)
    new = disk._disk.read(slot, 512)
    assert disk.read_commit() == third
    whole = len(new.rstrip(b"\0"))
    for arrived in range(whole):
        disk._disk.write(slot, (new[:arrived] + old[arrived:]))
        assert disk.read_commit() == (second if new[:arrived] + old[arrived:] != new else third)


def test_an_archive_that_is_torn_is_not_staged(disk: RepositoryDisk) -> None:
    disk.store_archive(1, b"a" * 5000)
    disk.store_archive(3, b"b" * 5000)
    assert disk.read_staged(3) == b"b" * 5000
    disk._disk.write(repository.ARCHIVE_SLOTS[1] + 16 + 3000, b"a" * 2000)
    assert disk.read_staged(3) is None


def test_nodes_of_which_only_an_operator_has_yet_to_decide_are_shown_as_down() -> None:
    """A split under policy Manual: no cluster event, but the product's CAA marks the node (inferred)."""
    membership = Membership(3, 1, (1, 2), NODES, (), True, "mycluster", "", undecided=(2,))
    text = nodes(Status(membership), membership, IDENTITY)
    assert [line.split(": ")[1] for line in text.splitlines() if "State of node" in line] == ["UP  NODE_LOCAL", "DOWN"]
