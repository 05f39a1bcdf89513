"""Who a node is: the contents of ``/etc/lpar.json``, written when the node is seeded and at each boot.

Every command reads it: tuples with names load in a fifth of the time of data classes.
"""

from __future__ import annotations

from srcctl.commands import plain_json as json
from srcctl.commands.record import Record

IDENTITY_FILE = "/etc/lpar.json"


class IdentityError(Exception):
    """This process does not run on a node, or the node's identity file is damaged."""


class Interface(Record):
    """A network interface of this node."""

    name: str
    network: str
    address: str
    netmask: str


class LabNode(Record):
    """A node of the lab: its name, its number (from 1) and its boot addresses, one per network, in network order."""

    name: str
    number: int
    addresses: tuple[str, ...]


class Identity(Record):
    """Who this node is: the contents of ``/etc/lpar.json``, written when the node is seeded and at each boot."""

    lab_id: str
    lab: str
    key: str
    code: str
    python: str
    site: str
    node: str
    number: int
    speed: float
    mode: str
    boot_id: str
    interfaces: tuple[Interface, ...]
    nodes: tuple[LabNode, ...]

    @classmethod
    def parse(cls, text: str | bytes) -> Identity:
        """Parse the identity file's text.

        Raises:
            IdentityError: the text is not a complete identity.
        """
        try:
            value = json.loads(text)
            return cls(
                lab_id=str(value["lab_id"]),
                lab=str(value["lab"]),
                key=str(value["key"]),
                code=str(value["code"]),
                python=str(value["python"]),
                site=str(value["site"]),
                node=str(value["node"]),
                number=int(value["number"]),
                speed=float(value["speed"]),
                mode=str(value["mode"]),
                boot_id=str(value.get("boot_id", "")),
                interfaces=tuple(
                    Interface(str(i["name"]), str(i["network"]), str(i["address"]), str(i["netmask"]))
                    for i in value["interfaces"]
                ),
                nodes=tuple(
                    LabNode(str(n["name"]), int(n["number"]), tuple(str(a) for a in n["addresses"]))
                    for n in value["nodes"]
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise IdentityError(f"{IDENTITY_FILE} is damaged: {error!r}") from None

    def text(self) -> str:
        """The identity as the text of its file."""
        value = {
            "lab_id": self.lab_id,
            "lab": self.lab,
            "key": self.key,
            "code": self.code,
            "python": self.python,
            "site": self.site,
            "node": self.node,
            "number": self.number,
            "speed": self.speed,
            "mode": self.mode,
            "boot_id": self.boot_id,
            "interfaces": [
                {"name": i.name, "network": i.network, "address": i.address, "netmask": i.netmask}
                for i in self.interfaces
            ],
            "nodes": [{"name": n.name, "number": n.number, "addresses": list(n.addresses)} for n in self.nodes],
        }
        import json

        return json.dumps(value, indent=1) + "\n"

    def node_by_name(self, name: str) -> LabNode | None:
        """The lab's node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def node_by_number(self, number: int) -> LabNode | None:
        """The lab's node of that number, or None."""
        return next((node for node in self.nodes if node.number == number), None)
