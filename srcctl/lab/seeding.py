"""What a new node of the lab is seeded with, and what changes in it while it is powered off."""

from __future__ import annotations

from srcctl.lab.errors import LabError
from srcctl.lab.model import NETMASK, Lab, Node, boot_address, service_address
from srcctl.node import seed
from srcctl.node.inventory import OwnersError
from srcctl.node.programs import ProgramMapError
from srcctl.node.root import Interface, NodeRoot
from srcctl.odm.errors import OdmError

SERVICE_LABELS = ("app_svc", "app2_svc", "app3_svc", "app4_svc")
"""Names in every node's /etc/hosts for service addresses of the first network; the sample cluster uses the first."""


def seed_node(lab: Lab, node: Node) -> None:
    """Make the root of a new node.

    Raises:
        OSError: the lab cannot be written.
        LabError: a data file that nodes are seeded with is damaged.
    """
    description = lab.description
    specification = seed.NodeSpec(
        name=node.name,
        number=node.number,
        lab_id=description.id,
        mode=description.mode,
        speed=description.speed,
        interfaces=tuple(
            Interface(network.interface, network.name, boot_address(description.block, k, node.number), NETMASK)
            for k, network in enumerate(description.networks)
        ),
        nodes=lab.lab_nodes(),
        software=description.software,
        labels=tuple(
            (service_address(description.block, 0, number), (label,)) for number, label in enumerate(SERVICE_LABELS)
        ),
    )
    try:
        seed.seed_node(lab.directory, specification)
    except (OdmError, OwnersError, ProgramMapError) as error:
        raise LabError(f"{node.name} cannot be seeded: {error}") from None


def change_speed(lab: Lab) -> None:
    """Write the lab's speed into the identity of every node; all of them are off.

    Raises:
        OSError: the lab cannot be written.
        srcctl.node.root.IdentityError: a node's identity is damaged.
    """
    for node in lab.description.nodes:
        root = NodeRoot(lab.root(node.name))
        seed.write_identity(root, root.identity._replace(speed=lab.description.speed))
