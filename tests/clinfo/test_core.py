"""clinfoES's core: hosts of clhosts in order, the one that answers is kept, none means unknown."""

from pathlib import Path

from msgspec.structs import replace

from daemons.clinfo import cldump, commands, core
from daemons.clinfo.commands import render_cluster
from daemons.clinfo.messages import ClusterInfo, Clusters, GroupInfo, GroupOnNode, InterfaceInfo, NetworkInfo, NodeInfo
from srcctl.machine import TICK

GOLDEN = Path(__file__).parent.parent / "golden" / "clstat"


def cluster(owner: int = 1) -> ClusterInfo:
    boot = [InterfaceInfo(f"node{n}", f"127.9.9.{n}", 1, "UP") for n in (1, 2)]
    service = InterfaceInfo("app_svc", "127.9.9.33", 1, "UP")
    return ClusterInfo(
        1120652512,
        "haes_cluster",
        "UP",
        "STABLE",
        "node1",
        tuple(
            NodeInfo(
                n,
                f"node{n}",
                "UP",
                (boot[n - 1], *((service,) if owner == n else ())),
                (GroupOnNode("app_rg", 2 if owner == n else 4),),
            )
            for n in (1, 2)
        ),
    )


def started(*hosts: str) -> core.Clinfo:
    machine = core.Clinfo(15_000_000)
    assert machine.step(0, core.Hosts(hosts)) == [core.Poll(hosts[0])]
    return machine


def test_the_first_agent_that_answers_is_kept() -> None:
    machine = started("a", "b", "c")
    assert machine.step(1, core.Polled("a", answered=False)) == [core.Poll("b")]
    effects = machine.step(2, core.Polled("b", True, cluster()))
    assert core.Publish(cluster(), "b") in effects
    assert core.RunScript("join", "app_svc") in effects
    assert machine.next_deadline() == 15_000_002
    assert machine.step(15_000_002, TICK) == [core.Poll("b")]
    assert machine.step(15_000_003, core.Polled("b", True, cluster())) == []


def test_a_move_is_a_swap_and_is_published() -> None:
    machine = started("a")
    machine.step(1, core.Polled("a", True, cluster(1)))
    machine.step(15_000_001, TICK)
    assert machine.step(15_000_002, core.Polled("a", True, cluster(2))) == [
        core.RunScript("swap", "app_svc"),
        core.Publish(cluster(2), "a"),
    ]


def test_a_silent_agent_is_left_for_the_next_and_at_last_the_state_is_unknown() -> None:
    machine = started("a", "b")
    machine.step(1, core.Polled("a", True, cluster()))
    machine.step(15_000_001, TICK)
    effects = machine.step(15_000_002, core.Polled("a", answered=False))
    assert effects[-1] == core.Poll("b")
    effects = machine.step(15_000_003, core.Polled("b", answered=False))
    assert core.Publish(None, "") in effects
    assert machine.step(30_000_003, TICK) == [core.Poll("a")]
    assert core.Publish(cluster(), "a") in machine.step(30_000_004, core.Polled("a", True, cluster()))


def test_a_trap_polls_at_once_and_never_twice_at_a_time() -> None:
    machine = started("a")
    assert machine.step(1, core.TrapSeen()) == []
    assert machine.step(2, core.Polled("a", True, cluster()))[-1] == core.Poll("a")
    machine.step(3, core.Polled("a", True, cluster()))
    assert machine.step(4, core.TrapSeen()) == [core.Poll("a")]


def test_stray_answers_and_an_empty_clhosts() -> None:
    machine = core.Clinfo(1000)
    assert machine.step(0, core.Hosts(())) == []
    assert machine.step(1, core.Polled("x", True, cluster())) == []
    assert machine.next_deadline() == 1000


def test_cldump_prints_what_its_parsers_rely_on() -> None:
    seen = replace(
        cluster(),
        groups=(GroupInfo("app_rg", 1, 1, 2),),
        nodes=tuple(replace(node, networks=(NetworkInfo(1, "net_ether_01", "UP"),)) for node in cluster().nodes),
    )
    witness, _, expected = (GOLDEN / "cldump_two_nodes.txt").read_text().partition("\n")
    assert witness.startswith("# witness:")
    text = cldump.render(seen, "node1")
    assert text == expected
    lines = text.splitlines()
    assert [line.split()[2] for line in lines if line.startswith(("Cluster State", "Cluster Substate"))] == [
        "UP",
        "STABLE",
    ]
    assert [line.split()[4] for line in lines if "Node Name" in line] == ["UP", "UP"]
    assert [line.split() for line in lines[-2:]] == [["node1", "ONLINE"], ["node2", "OFFLINE"]]


def test_clstat_pages_selects_and_quits() -> None:
    two = Clusters((cluster(), replace(cluster(), cluster_id=7, name="other")))
    display = commands.Display(None, None, interactive=False)
    assert "haes_cluster" in display.screen(two)
    assert display.press("f", two)
    assert "Cluster: other   (7)" in display.screen(two)
    assert display.press("b", two)
    assert "haes_cluster" in display.screen(two)
    assert not display.press("q", two)
    menu = commands.Display(None, None, interactive=True)
    assert "Number of clusters active: 2" in menu.screen(two)
    assert all(menu.press(key, two) for key in "7\n")
    assert "Cluster: other" in menu.screen(two)
    waiting = commands.Display(9, None, interactive=False)
    assert "Failed retrieving" in waiting.screen(two)
    assert not commands.Display(None, None, interactive=True).press("x", two)
    assert menu.press("x", two), "x quits the list only"


def test_clstat_prints_the_documented_screen() -> None:
    witness, _, expected = (GOLDEN / "two_nodes.txt").read_text().partition("\n")
    assert witness.startswith("# witness:")
    assert render_cluster(cluster(), "Tue Nov 24 12:00:00 UTC 2026") == expected
