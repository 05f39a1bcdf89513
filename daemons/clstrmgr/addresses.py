"""Service IP labels as aliases: on which boot interface of this node one is, and where the next one goes.

IPAT via aliasing: a service label becomes an alias of a boot interface of its network; the boot address stays. The
distribution preferences are those of the product's guide on service IP label distribution; "with source" concerns
routes, which a loopback network does not have, so those are read as their plain forms.
"""

from __future__ import annotations

from msgspec import Struct

from daemons.cluster.configuration import Configuration, Label

ANTI_COLLOCATION, COLLOCATION = "AC", "C"
WITH_PERSISTENT, AWAY_FROM_PERSISTENT = "CPL", "ACPL"


class ServiceAddress(Struct, frozen=True):
    """A service IP label as a script needs it: ``interface`` is where it is an alias, or becomes one, on this node."""

    label: str
    address: str
    netmask: str
    interface: str


class ServiceAddresses:
    """The service labels of one node.

    Args:
        node_name: this node.

    Attributes:
        down: boot addresses of this node whose interface is down, with their networks.
        placed: service labels that are aliases here, with the boot address of their interface.
    """

    def __init__(self, node_name: str) -> None:
        self.node_name = node_name
        self.down: dict[str, str] = {}
        self.placed: dict[str, str] = {}

    def acquire(self, configuration: Configuration, label: str) -> ServiceAddress | None:
        """Where a label becomes an alias; None if this node has no interface on its network.

        A label is never kept down for the sake of a preference: where all interfaces are down any of them is named.
        """
        service = _service(configuration, label)
        boots = self._boots(configuration, service.network) if service is not None else []
        if service is None or not boots:
            return None
        self.placed.pop(label, None)
        usable = [boot for boot in boots if boot.address not in self.down] or boots
        boot = self._preferred(configuration, service.network, usable)
        self.placed[label] = boot.address
        return ServiceAddress(label, service.address, service.netmask, boot.interface)

    def release(self, configuration: Configuration, label: str) -> ServiceAddress | None:
        """Where a label is an alias, or would be one; None if this node has no interface on its network."""
        service = _service(configuration, label)
        boots = self._boots(configuration, service.network) if service is not None else []
        if service is None or not boots:
            return None
        where = self.placed.pop(label, "")
        boot = next((entry for entry in boots if entry.address == where), boots[0])
        return ServiceAddress(label, service.address, service.netmask, boot.interface)

    def labels_on(self, boot_address: str) -> tuple[str, ...]:
        """The service labels that are aliases of the interface with that boot address."""
        return tuple(sorted(label for label, where in self.placed.items() if where == boot_address))

    def is_standby(self, configuration: Configuration, boot_address: str) -> bool:
        """Is that a standby interface: not the node's first one on a network without aliasing (IPALIASING=false)?"""
        own = next((e for e in configuration.labels if e.function == "boot" and e.address == boot_address), None)
        network = next((entry for entry in configuration.networks if own and entry.name == own.network), None)
        if own is None or network is None or network.alias:
            return False
        return self._boots(configuration, network.name)[:1] not in ([], [own])

    def another_is_up(self, configuration: Configuration, network: str, boot_address: str) -> bool:
        """Does the network have an interface on this node, beside that one, that is up?"""
        return any(
            boot.address not in self.down and boot.address != boot_address
            for boot in self._boots(configuration, network)
        )

    def swap(self, configuration: Configuration, label: str, failed: str) -> tuple[str, ServiceAddress] | None:
        """Put a label of the failed interface on another one that is up.

        Returns:
            The failed interface and where the label is now; None where there is nothing to swap (any more).
        """
        service = _service(configuration, label)
        if service is None or label not in self.placed:
            return None
        boots = {boot.address: boot for boot in self._boots(configuration, service.network)}
        old = boots.get(failed)
        if old is None:
            return None
        if self.placed[label] == failed:
            if not self.another_is_up(configuration, service.network, failed):
                return None
            self.acquire(configuration, label)
        new = boots[self.placed[label]]
        return old.interface, ServiceAddress(label, service.address, service.netmask, new.interface)

    def persistent(self, configuration: Configuration, network: str) -> tuple[Label, ...]:
        """The persistent labels of this node on a network."""
        return tuple(
            label
            for label in configuration.labels
            if label.function == "persistent" and label.node == self.node_name and label.network == network
        )

    def _boots(self, configuration: Configuration, network: str) -> list[Label]:
        return [
            label
            for label in configuration.labels
            if label.function == "boot" and label.node == self.node_name and label.network == network
        ]

    def _preferred(self, configuration: Configuration, network: str, usable: list[Label]) -> Label:
        held = {boot.address: len(self.labels_on(boot.address)) for boot in usable}
        persistent = {label.interface for label in self.persistent(configuration, network) if label.interface}
        with_persistent = [boot for boot in usable if boot.interface in persistent]
        without = [boot for boot in usable if boot.interface not in persistent]
        preference = configuration.setting(f"NETWORK.{network}.RESOURCE_DIST_PREF", ANTI_COLLOCATION).removesuffix("S")
        if preference == WITH_PERSISTENT and with_persistent:
            usable = with_persistent
        elif preference == AWAY_FROM_PERSISTENT and without:
            usable = without
        if preference in (COLLOCATION, WITH_PERSISTENT):
            return max(usable, key=lambda boot: held[boot.address])
        return min(usable, key=lambda boot: held[boot.address])


def _service(configuration: Configuration, label: str) -> Label | None:
    return next((entry for entry in configuration.labels if entry.label == label and entry.function == "service"), None)
