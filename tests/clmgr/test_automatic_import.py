"""VG_AUTO_IMPORT: a synchronization has the volume groups of a resource group imported where they are not known."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from daemons.clmgr.verification import verify
from daemons.cluster.verification import Case, Correction
from daemons.cluster.verification import verify as findings_of
from tests.cluster.test_verification import FACTS, SOUND


class Lines:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str, **rest: object) -> None:
        self.said.append(text)

    block = note = say


def case(automatic: str, services: bool) -> Case:
    """A cluster of which node2 does not know datavg."""
    entry = SOUND.groups[0]
    entry = msgspec.structs.replace(entry, resources=(*entry.resources, ("VG_AUTO_IMPORT", automatic)))
    facts = {name: msgspec.structs.replace(known, services_active=services) for name, known in FACTS.items()}
    facts["node2"] = msgspec.structs.replace(facts["node2"], volume_groups={})
    return Case(msgspec.structs.replace(SOUND, groups=(entry, *SOUND.groups[1:])), facts)


@pytest.mark.parametrize(
    ("automatic", "services", "changing", "fix", "imported"),
    [
        ("true", False, True, "no", True),
        ("true", True, True, "no", True),
        ("true", True, True, "yes", True),
        ("true", False, True, "interactively", True),
        ("true", False, False, "no", False),
        ("false", False, True, "no", False),
        ("false", False, True, "yes", True),
        ("false", True, True, "yes", False),
    ],
)
def test_who_imports_what_a_node_does_not_know(
    automatic: str, services: bool, changing: bool, fix: str, imported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was kept, listed, and did nothing."""
    taken: list[Correction] = []
    monkeypatch.setattr(verify, "_carry_out", lambda correction, agents: taken.append(correction) or "")
    monkeypatch.setattr(verify, "_confirmed", lambda correction, record: False)
    found = case(automatic, services)
    options, record = verify.Options(fix=fix, changing=changing), Lines()
    done: set[Correction] = set()
    arguments = (found, findings_of(found), options, done, cast(Any, record), cast(Any, None))
    corrected = verify._corrective(*arguments)
    imports = [(c.node, c.arguments) for c in taken if c.function == "cl_resource_import_vg"]
    assert imports == ([("node2", ("datavg",))] if imported else [])
    assert corrected or not imported
    if automatic == "true" and imported and fix != "yes":
        assert imports == [(c.node, c.arguments) for c in taken], "nothing else is corrected"
    assert not [c for c in taken if c not in done]
