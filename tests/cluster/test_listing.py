"""The listing commands' layouts, and the pipelines that administrators put behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemons.cluster.configuration import Configuration
from daemons.cluster.listing import applications, commands, pinging, resources, topology
from daemons.cluster.synchronization import assign_ids
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import DISKS, golden, rich, sample

NAMES = {pvid: name for name, pvid in DISKS.items()}


def printed(name: str, c: Configuration) -> str:
    """What a command prints."""
    makers = {
        "cltopinfo": lambda: topology.summary(c, NAMES),
        "cltopinfo_c": lambda: topology.head(c, NAMES),
        "cltopinfo_n": lambda: topology.nodes_block(c)[:-1],
        "cltopinfo_i": lambda: topology.interface_table(c),
        "cltopinfo_w": lambda: topology.network_block(c),
        "cllscf": lambda: topology.connections(c, NAMES),
        "cllsif": lambda: topology.interface_lines(topology.interfaces(c), False, True),
        "cllsif_acquired": lambda: topology.interface_lines(
            topology.interfaces(c, "", "", "service", {("node1", "127.9.9.33"): "en0"}), False, True
        ),
        "cllsif_c": lambda: topology.interface_lines(topology.interfaces(c), True, True),
        "cllsnode": lambda: topology.node_lines(c, [], False, True),
        "cllsnode_c": lambda: topology.node_lines(c, [], True, True),
        "cllsnw": lambda: topology.network_lines(c, [], False, True),
        "cllsnw_c": lambda: topology.network_lines(c, [], True, True),
        "cllsclstr": lambda: topology.cluster_lines(c, "hdisk1", False, True),
        "cllsclstr_c": lambda: topology.cluster_lines(c, "hdisk1", True, True),
        "cllssite": lambda: topology.site_lines(c, False, True),
        "cllssite_c": lambda: topology.site_lines(c, True, True),
        "cllsparam": lambda: topology.parameter_lines(c, [], False, True),
        "cllsparam_c": lambda: topology.parameter_lines(c, [], True, True),
        "cllsnim": lambda: topology.kind_lines(False, True),
        "cllsnim_c": lambda: topology.kind_lines(True, True),
        "cllsgrp": lambda: resources.group_lines(c, "", False, True),
        "cllsgrp_c": lambda: resources.group_lines(c, "", True, True),
        "cllsserv": lambda: resources.controller_lines(c, "", False, True),
        "cllsserv_c": lambda: resources.controller_lines(c, "", True, True),
        "cllsappmon": lambda: resources.monitor_lines(c, "", False, True),
        "cllsappmon_c": lambda: resources.monitor_lines(c, "", True, True),
        "clshowres_g": lambda: resources.show(c, "web_rg"),
        "clshowres_n": lambda: resources.show(c, "", "node2"),
        "cllsres": lambda: resources.resource_lines(c, "app_rg", False, True),
        "cllsres_c": lambda: resources.resource_lines(c, "", True, True),
        "clshowres": lambda: resources.show(c),
        "clhandle": lambda: topology.handle_lines(assign_ids(c), "", False),
        "clhandle_c": lambda: topology.handle_lines(assign_ids(c), "", True),
        "cl_ping": lambda: [
            *pinging.report("node1", "127.9.9.1", 2, True),
            "",
            *pinging.report("app_svc", "127.9.9.33", 2, False),
        ],
        "cldisp": lambda: applications.display(
            c, True, {"node1": "up", "node2": "down"}, {"app_rg": {"node1": "ONLINE", "node2": "OFFLINE"}}
        ),
    }
    return "".join(f"{line}\n" for line in makers[name]())


COMMANDS = (
    "cltopinfo", "cltopinfo_c", "cltopinfo_n", "cllsif_acquired", "cllsparam_c", "cllsnim", "cllsnim_c",
    "cllsappmon_c", "clshowres_g", "clshowres_n", "cltopinfo_i",
    "cltopinfo_w", "cllscf", "cllsif", "cllsif_c", "cllsnode", "cllsnode_c", "cllsnw",
    "cllsnw_c", "cllsclstr", "cllsclstr_c", "cllssite", "cllssite_c", "cllsparam", "cllsgrp", "cllsgrp_c", "cllsserv",
    "cllsserv_c", "cllsappmon", "cllsres", "cllsres_c", "clshowres", "cldisp", "clhandle", "clhandle_c", "cl_ping",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_layout(command: str) -> None:
    assert printed(command, rich()) == golden(f"listing/{command}.txt")


def test_every_golden_is_used() -> None:
    folder = Path(__file__).parent.parent / "golden" / "listing"
    assert sorted(path.stem for path in folder.glob("*.txt")) == sorted(COMMANDS)


def test_what_a_word_means_to_cl_ping() -> None:
    c = sample()
    assert pinging.addresses_of(c, "node2") == ["127.9.9.2"]
    assert pinging.addresses_of(c, "app_svc") == pinging.addresses_of(c, "127.9.9.33") == ["127.9.9.33"]
    assert pinging.addresses_of(c, "nosuch") == []


def column(text: str, place: int) -> list[str]:
    """``awk '{print $place}'``."""
    return [words[place - 1] if len(words := line.split()) >= place else "" for line in text.splitlines()]


def test_what_consumers_cut_out() -> None:
    c = sample()
    summary = printed("cltopinfo", c)
    assert [line.split()[2] for line in summary.splitlines() if "Cluster Name:" in line] == ["haes_cluster"]
    assert [line.split()[-1] for line in summary.splitlines() if "Cluster Name" in line] == ["haes_cluster"]
    assert sum("NODE" in line for line in summary.splitlines()) == 2
    rows = [line.split() for line in printed("cltopinfo_i", c).splitlines() if "ether" in line.split()]
    assert sorted({(row[0], row[3], row[4]) for row in rows}) == [
        ("app_svc", "node1", "127.9.9.33"),
        ("app_svc", "node2", "127.9.9.33"),
        ("node1", "node1", "127.9.9.1"),
        ("node2", "node2", "127.9.9.2"),
    ]
    for line in printed("cllsif", c).splitlines()[1:]:
        words = line.split()
        assert all((words[0], words[1], words[5], words[6]))
    assert column(printed("cllsclstr", c), 1) == ["ID", "1108531106"]
    shown = printed("clshowres", c).splitlines()
    assert [line.split()[-1] for line in shown if "Resource Group Name" in line] == ["app_rg"]
    participating = next(line.split() for line in shown if "Participating" in line)
    assert f"{participating[3]}_{participating[4]}" == "node1_node2"
    kept = [line for line in shown if "Resource Group Name" in line or "Volume" in line]
    assert len([line for line in kept if "Concurrent" not in line and "Automatically" not in line]) == 2


def test_what_an_inventory_module_takes_from_the_colon_forms() -> None:
    """Field numbers and names as a public fact module for PowerHA 6 and 7 reads them."""
    c = rich()
    (cluster,) = [line.split(":") for line in printed("cllsclstr_c", c).splitlines() if not line.startswith("#")]
    assert (cluster[0], cluster[1], cluster[4]) == ("1108531106", "haes_cluster", "hdisk1")
    held: dict[tuple[str, str, str], str] = {}
    for line in printed("cllsnode_c", c).splitlines()[1:]:
        fields, place = line.split(":"), 1
        while place < len(fields) and fields[place]:
            label, function, network, kind, attribute, address = fields[place : place + 6]
            assert (network, kind, attribute) == ("net_ether_01", "ether", "public")
            held[fields[0], function, label] = address
            place += 7 if function == "service" else 6
    assert held == {
        ("node1", "boot", "node1"): "127.9.9.1", ("node1", "persistent", "node1_per"): "127.9.9.41",
        ("node1", "service", "app_svc"): "127.9.9.33",
        ("node2", "boot", "node2"): "127.9.9.2", ("node2", "service", "app_svc"): "127.9.9.33",
    }  # fmt: skip
    heading, *rows = (line.split(":") for line in printed("cllsres_c", c).splitlines())
    groups = [dict(zip([heading[0][1:], *heading[1:]], row, strict=True)) for row in rows]
    assert [(g["NODES"], g["APPLICATIONS"], g["SERVICE_LABEL"]) for g in groups] == [
        ("node1 node2", "counter_app", "app_svc"), ("node2 node1", "", ""), ("node1 node2", "", ""),
    ]  # fmt: skip
    (server,) = [line.split(":") for line in printed("cllsserv_c", c).splitlines()[1:]]
    assert server == ["counter_app", "/a/start", "/a/stop", "background", "look"]


def test_cllsres_takes_what_a_query_chose() -> None:
    c = rich()
    lines = resources.resource_lines(c, "app_rg", False, True, {("app_rg", "SERVICE_LABEL", "app_svc")})
    assert lines == ['SERVICE_LABEL="app_svc"']
    assert resources.resource_lines(c, "app_rg", False, True, set()) == []


def test_one_group_is_chosen() -> None:
    assert resources.group_lines(rich(), "web_rg", False, True) == ["web_rg"]


def test_names_that_are_longer_than_a_column_keep_a_blank() -> None:
    rows = [("n" * 30, "boot", "net_ether_01", "ether", "public", "m" * 30, "1.2.3.4", "", "en0", "", "", "", "26")]
    (line,) = topology.interface_lines(rows, False, False)
    assert line.split()[:7] == list(rows[0][:7])


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("cllsclstr -i 99", "the cluster 99"),
        ("cllsclstr -n other", "the cluster other"),
        ("cllsnw -n nope", "the network nope"),
        ("cllsgrp -g nope", "the resource group nope"),
        ("cllsparam -n nope", "the node nope"),
    ],
)
def test_what_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, unknown: str
) -> None:
    root = NodeRoot("/nowhere")
    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: root))
    monkeypatch.setattr(commands, "load_defined", lambda repository: sample())
    monkeypatch.setattr(commands, "_disks", lambda root: NAMES)
    name = line.split()[0]
    assert getattr(commands, name)(line.split()) == 1
    assert capsys.readouterr() == ("", f"{name}: {unknown} is not defined.\n")
    own = {"-i": "1108531106", "-n": "haes_cluster"}.get(line.split()[1], "")
    if name == "cllsclstr":
        assert commands.cllsclstr([*line.split()[:2], own]) == 0
