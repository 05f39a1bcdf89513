"""What is kept of a run of verification, and what an administrator is asked before a corrective action."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import cast

import pytest

from daemons.clcomd.client import Result
from daemons.clconfd.agents import Agents
from daemons.clmgr.verification import verify
from daemons.clmgr.verification.record import DIRECTORY, Record
from daemons.cluster import configuration as configurations
from daemons.cluster.verification import Case, NodeFacts, VolumeGroupFacts
from daemons.cluster.verification.storage import disks_agree
from srcctl.node.root import Identity, NodeRoot
from tests.clmgr.sample import IDENTITY, golden


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    (tmp_path / "etc").mkdir()
    identity: Identity = IDENTITY
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    return NodeRoot(str(tmp_path))


def kept(root: NodeRoot, folder: str) -> str:
    file = Path(root.path(DIRECTORY)) / folder / "node1/facts"
    return file.read_text() if file.exists() else ""


def run(root: NodeRoot, community: str, passed: bool | None) -> None:
    record = Record(root, quiet=True)
    record.data("node1", NodeFacts(community=community))
    assert community in kept(root, "current")
    record.close(passed)
    assert not (Path(root.path(DIRECTORY)) / "current").exists()


def test_data_of_a_run_are_those_of_one_that_passed_or_failed_or_nobodys(root: NodeRoot) -> None:
    run(root, "first", True)
    run(root, "second", True)
    assert ("first" in kept(root, "pass.prev"), "second" in kept(root, "pass")) == (True, True)
    run(root, "third", False)
    run(root, "fourth", None)
    assert ("second" in kept(root, "pass"), "third" in kept(root, "fail")) == (True, True)
    log = (Path(root.path(DIRECTORY)) / "clverify.log").read_text()
    assert log.count("cl_config facts on node node1: {") == 4
    assert log.count("verification on node node1") == 4
    assert log.endswith("Verification was interrupted.\n")


def test_between_two_paragraphs_stands_one_empty_line(root: NodeRoot, capsys: pytest.CaptureFixture[str]) -> None:
    record = Record(root)
    record.say("line")
    record.block("one")
    record.note("a check that only the log tells of")
    record.block("two")
    assert capsys.readouterr().out == "line\n\none\n\ntwo\n\n"


def test_two_runs_at_once_keep_their_data_apart(root: NodeRoot) -> None:
    run(root, "first", True)
    one, other = Record(root, quiet=True), Record(root, quiet=True)
    one.data("node1", NodeFacts(community="one"))
    other.data("node1", NodeFacts(community="other"))
    other.close(True)
    one.close(False)
    assert ("other" in kept(root, "pass"), "first" in kept(root, "pass.prev"), '"one"' in kept(root, "fail")) == (
        True, True, True,
    )  # fmt: skip
    assert sorted(os.listdir(root.path(DIRECTORY))) == [".lock", "clverify.log", "fail", "pass", "pass.prev"]


def test_a_run_that_is_interrupted_did_not_pass(root: NodeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    run(root, "first", True)

    def interrupted(*arguments: object) -> dict[str, NodeFacts]:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "_gather", interrupted)
    monkeypatch.setattr(verify.collector, "services_state", lambda root: (False, frozenset()))
    c = configurations.Configuration(cluster=configurations.Cluster(id=1, name="c"))
    with pytest.raises(KeyboardInterrupt):
        verify.run(root, c, verify.Options(quiet=True), cast(Agents, None))
    assert "first" in kept(root, "pass")
    assert "interrupted" in (Path(root.path(DIRECTORY)) / "clverify.log").read_text()


class NoImport:
    """Nodes on which no correction succeeds."""

    def ask(self, node: str, words: list[str]) -> Result:
        assert (node, words) == ("test1", ["correct", "volume_group", "datavg"])
        return Result(1, b"", b"0516-306 importvg: failed\n")


def test_an_administrator_is_asked_as_by_the_product(
    root: NodeRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = configurations.ResourceGroup(
        name="test_rg", nodes=("test1", "test2"), resources=(("VOLUME_GROUP", "datavg"),)
    )
    c = configurations.Configuration(cluster=configurations.Cluster(id=1, name="c"), groups=(group,))
    disk = frozenset({"000baf2b911918a4"})
    facts = {
        "test1": NodeFacts(volume_groups={"datavg": VolumeGroupFacts("00")}),
        "test2": NodeFacts(volume_groups={"datavg": VolumeGroupFacts("00", disk)}),
    }
    case = Case(c, facts)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    record = Record(root)
    options = verify.Options(fix="interactively")
    assert not verify._corrective(case, list(disks_agree(case)), options, set(), record, cast(Agents, NoImport()))
    shown = capsys.readouterr().out.replace("[Yes / No]: yes\n", "[Yes / No]: \n")
    assert shown == golden("clverify/corrective_action.txt") + "0516-306 importvg: failed\n"
