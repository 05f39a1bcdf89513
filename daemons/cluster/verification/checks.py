"""The list of checks, and how a run goes through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daemons.cluster.verification import (
    agreement,
    applications,
    environment,
    groups,
    labels,
    levels,
    limits,
    names,
    policies,
    resources,
    storage,
    topology,
    values,
)
from daemons.cluster.verification.findings import Case, Finding

Check = Callable[[Case], Iterator[Finding]]
TOPOLOGY, RESOURCES = "Cluster Topology", "Cluster Resources"

CHECKS: tuple[tuple[str, Check], ...] = (
    (TOPOLOGY, topology.has_what_a_cluster_needs),
    (TOPOLOGY, limits.are_kept),
    (TOPOLOGY, values.are_possible),
    (TOPOLOGY, names.are_valid),
    (TOPOLOGY, names.are_unique),
    (TOPOLOGY, environment.nodes_answer),
    (TOPOLOGY, environment.levels_agree),
    (TOPOLOGY, levels.filesets_agree),
    (TOPOLOGY, levels.network_options_fit),
    (TOPOLOGY, environment.rhosts_is_sound),
    (TOPOLOGY, environment.certificates_agree),
    (TOPOLOGY, environment.services_are_defined),
    (TOPOLOGY, environment.nodes_prepare_for_the_cluster),
    (TOPOLOGY, environment.snmp_is_configured),
    (TOPOLOGY, agreement.object_classes_can_be_read),
    (TOPOLOGY, agreement.nodes_are_in_step),
    (TOPOLOGY, topology.every_node_is_on_a_network),
    (TOPOLOGY, topology.networks_are_sound),
    (TOPOLOGY, topology.single_points_of_failure),
    (TOPOLOGY, labels.addresses_are_unique),
    (TOPOLOGY, labels.refer_to_what_exists),
    (TOPOLOGY, labels.interfaces_hold_boot_addresses),
    (TOPOLOGY, labels.service_labels_are_on_their_subnets),
    (TOPOLOGY, labels.packets_fit_everywhere),
    (TOPOLOGY, labels.hosts_files_agree),
    (TOPOLOGY, labels.persistent_labels_are_configured),
    (TOPOLOGY, environment.netmon_exists),
    (TOPOLOGY, environment.var_has_room),
    (TOPOLOGY, topology.sites_are_sound),
    (TOPOLOGY, values.split_and_merge_policies_fit),
    (TOPOLOGY, storage.repository_is_usable),
    (RESOURCES, groups.have_nodes_and_policies),
    (RESOURCES, groups.site_policies_fit),
    (RESOURCES, groups.own_their_resources_alone),
    (RESOURCES, groups.service_labels_fit),
    (RESOURCES, groups.service_labels_are_used),
    (RESOURCES, policies.dependencies_are_sound),
    (RESOURCES, policies.fallback_timers_exist),
    (RESOURCES, storage.volume_groups_are_known),
    (RESOURCES, storage.volume_groups_are_the_cluster_s),
    (RESOURCES, storage.definitions_are_current),
    (RESOURCES, storage.disks_agree),
    (RESOURCES, storage.mirrors_survive),
    (RESOURCES, storage.file_systems_fit),
    (RESOURCES, applications.controllers_are_sound),
    (RESOURCES, applications.monitors_are_sound),
    (RESOURCES, applications.every_application_is_monitored),
    (RESOURCES, applications.customizations_can_run),
    (RESOURCES, resources.can_be_acquired),
    (RESOURCES, resources.exports_fit),
    (RESOURCES, resources.user_defined_are_sound),
    (RESOURCES, resources.notify_methods_can_run),
    (RESOURCES, values.notifications_are_of_nodes),
    (RESOURCES, resources.orders_name_groups),
    (RESOURCES, labels.nothing_is_active_where_it_should_not),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One check of a run: its area ("Cluster Topology" ...), name and findings, and the percentage done by now."""

    area: str
    name: str
    findings: tuple[Finding, ...]
    percent: int


def steps(case: Case, errors_max: int = 0, known: frozenset[str] = frozenset()) -> Iterator[Step]:
    """Go through the checks in order; with ``errors_max`` the run ends after so many errors.

    Findings whose line is ``known`` are left out (verification of changes only).
    """
    errors = 0
    for number, (area, check) in enumerate(CHECKS, 1):
        found = tuple(finding for finding in check(case) if finding.line() not in known)
        module = check.__module__.rpartition(".")[2]
        yield Step(area, f"{module}.{check.__name__}", found, 100 * number // len(CHECKS))
        errors += sum(finding.error for finding in found)
        if errors_max and errors >= errors_max:
            return


def verify(case: Case) -> list[Finding]:
    """All findings in the order of the checks."""
    return [finding for step in steps(case) for finding in step.findings]
