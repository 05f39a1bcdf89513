"""The order of all tests, and how long hypothesis may take for an example."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# An example takes a few milliseconds and, where the processor is somebody else's just then, as long as that lasts.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SECONDS = {
    "end_to_end/test_inside_outside": 130,
    "end_to_end/test_halt_logic": 110,
    "end_to_end/test_split": 95,
    "end_to_end/test_caa_tunables": 90,
    "end_to_end/test_dependencies": 90,
    "end_to_end/test_synchronization": 75,
    "end_to_end/test_cluster_life": 75,
    "end_to_end/test_full_disk": 60,
    "end_to_end/test_synchronization_kills": 60,
    "end_to_end/test_pairs_of_deaths": 55,
    "end_to_end/test_clmgr": 55,
    "end_to_end/test_deaths": 50,
    "end_to_end/test_catalogue": 50,
    "end_to_end/test_read_only_disk": 50,
    "end_to_end/test_site_policies": 50,
    "end_to_end/test_event_files": 40,
    "end_to_end/test_mirrors": 40,
    "end_to_end/test_events": 40,
    "end_to_end/test_dynamic_reconfiguration": 40,
    "end_to_end/test_two_commands": 40,
    "end_to_end/test_networks": 35,
    "end_to_end/test_daemons": 35,
    "end_to_end/test_sites": 35,
    "end_to_end/test_groups": 35,
    "end_to_end/test_interfaces": 30,
    "end_to_end/test_action_plans": 30,
    "end_to_end/test_resources": 30,
    "end_to_end/test_caa": 30,
    "end_to_end/test_terminal": 25,
    "end_to_end/test_bad_input": 25,
    "end_to_end/test_repository_update": 20,
    "end_to_end/test_first_synchronization": 20,
    "end_to_end/test_base_node": 20,
    "end_to_end/test_fuzzed_sockets": 10,
}
"""How long modules with a lab take, and the longest test of others. What takes longest begins first, so that no worker
is left alone with it in the end; with the labs that wait, the tests that compute fill the processors."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; each module in its own order."""
    items.sort(key=lambda item: -SECONDS.get(f"{item.path.parent.name}/{item.path.stem}", 0))
