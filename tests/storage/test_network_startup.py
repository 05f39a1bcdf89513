"""harc.net, with the node's own ifconfig: boot interfaces that were taken down are up before cluster services start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from daemons.cluster.configuration import DCD, Cluster, Configuration, Label, store
from daemons.cluster.configuration import Node as ClusterNode
from srcctl.network.faults import Faults
from srcctl.odm import Repository, seed
from tests.storage.machine import ETC, Node, Run

HARC = ETC / "usr/es/sbin/cluster/etc/harc.net"
NETWORKS = ("net_ether_01", "net_ether_02")


def boot(node: str, number: int, interface: int) -> Label:
    """A boot label of a node."""
    return Label(
        label=f"{node}_{interface}", function="boot", address=f"127.8.{8 + interface}.{number}", node=node,
        network=NETWORKS[interface], interface=f"en{interface}",
    )  # fmt: skip


def startup(node: Node, tmp_path: Path) -> str:
    """What harc.net says on a node, which has nothing in its path but ifconfig and the host's programs."""
    program = tmp_path / "ifconfig"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ETC.parent)!r})\n"
        "from srcctl.network.commands import ifconfig\nsys.exit(ifconfig(sys.argv))\n"
    )
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HAES_ROOT": node.root.directory}
    done = subprocess.run([str(HARC)], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_boot_interfaces_are_brought_up(nodes: tuple[Node, Node], run: Run, tmp_path: Path) -> None:
    node, _ = nodes
    faults = Faults(node.root.identity.lab)
    seed.load(node.root, str(ETC / "objrepos"), lambda name: name.startswith("hacmp"))
    labels = (boot("node2", 2, 0), boot("node1", 1, 0), boot("node2", 2, 1))
    c = Configuration(
        cluster=Cluster(id=1, name="c"), nodes=tuple(ClusterNode(name=f"node{n}", id=n) for n in (1, 2)), labels=labels
    )
    store(Repository(node.root, DCD), c, "node1")
    assert startup(node, tmp_path) == ""
    # en1 is no boot interface of this node in the configuration.
    for interface in ("en0", "en1"):
        assert run(node, "ifconfig", interface, "down") == (0, "", "")
    assert run(node, "ifconfig", "-l", "-d")[1] == "en0 en1\n"
    assert startup(node, tmp_path) == "harc.net: en0 was down and has been configured with 127.8.8.1.\n"
    assert run(node, "ifconfig", "-l", "-d")[1] == "en1\n"
    # A cable that is pulled is not plugged in.
    faults.set_link("node1", NETWORKS[0], up=False)
    assert startup(node, tmp_path).endswith("harc.net: en0 has no link.\n")
    assert not faults.link_up("node1", NETWORKS[0])
    faults.heal()
    assert startup(node, tmp_path) == ""
    # What the ODM has down is down after a boot, too.
    assert run(node, "chdev", "-l", "en0", "-a", "state=down")[0] == 0
    assert startup(node, tmp_path) == "harc.net: en0 stays down, as its attribute state says.\n"
    assert run(node, "ifconfig", "-l", "-d")[1] == "en0 en1\n"


def test_what_a_node_has_taken_down_is_no_fault_that_is_mended(nodes: tuple[Node, Node], run: Run) -> None:
    node, _ = nodes
    faults = Faults(node.root.identity.lab)
    run(node, "ifconfig", "en0", "down")
    faults.set_link("node1", NETWORKS[0], up=False)
    assert faults.current.describe() == [
        "the link of node1 to net_ether_01 is down", "the interface of node1 on net_ether_01 was taken down",
    ]  # fmt: skip
    assert "state down" in run(node, "lsattr", "-El", "en0", "-a", "state")[1].replace("  ", " ")
    faults.heal()
    assert not faults.reachable("node1", "node2", NETWORKS[0])
    assert not faults.passes("node2", "node1", NETWORKS[0])
    assert run(node, "ifconfig", "en0", "inet", "127.8.8.9", "up")[0] == 1, "not its boot address"
    assert run(node, "ifconfig", "en0", "inet", "127.8.8.1", "netmask", "255.255.255.0", "up") == (0, "", "")
    assert faults.reachable("node1", "node2", NETWORKS[0])
