"""clmgr's command line, its help, and the table of classes and actions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemons.clmgr import edits, queries
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.queries.inquiry import ELSEWHERE
from daemons.clmgr.storage.file_systems import CHANGES as FILE_SYSTEM_CHANGES
from daemons.clmgr.storage.logical_volumes import CHANGES as VOLUME_CHANGES
from daemons.clmgr.storage.mirror_pools import CHANGES as POOL_CHANGES
from daemons.clmgr.storage.physical_volumes import CHANGES as DISK_CHANGES
from daemons.clmgr.storage.volume_groups import CHANGES as GROUP_CHANGES
from daemons.clmgr.syntax import attributes, catalogue, grammar
from tests.clmgr.sample import asked, golden


@pytest.mark.parametrize(
    ("words", "action", "class_name", "names"),
    [
        (("query", "cluster"), "query", "cluster", []),
        (("QueRY", "cLUsteR"), "query", "cluster", []),
        (("q", "cl"), "query", "cluster", []),
        (("list", "nodes"), "query", "node", []),
        (("ls", "rg", "app_rg"), "query", "resource_group", ["app_rg"]),
        (("stop", "node", "n1,n2"), "offline", "node", ["n1", "n2"]),
        (("query", "serviceIP", "x"), "query", "service_ip", ["x"]),
        (("mv", "rg", "demo", "nODe=B"), "move", "resource_group", ["demo"]),
        (("sync", "cluster"), "sync", "cluster", []),
        (("list", "hosts"), "query", "hosts", []),
        (("q", "repositories"), "query", "repository", []),
        (("replace", "repo", "hdisk3"), "replace", "repository", ["hdisk3"]),
        (("view", "report", "status"), "view", "report", ["status"]),
        (("q", "dep"), "query", "dependency", []),
    ],
)
def test_intent_is_recognized(words: tuple[str, ...], action: str, class_name: str, names: list[str]) -> None:
    request = asked(*words)
    assert (request.action, request.class_name, request.names) == (action, class_name, names)


def test_every_alias_is_its_class_and_every_action_alias_its_action() -> None:
    for name, entry in catalogue.CLASSES.items():
        for word in (name, name.upper(), name.replace("_", ""), *entry.aliases):
            assert grammar.resolve_class(word) == name, word
    for name, aliases in catalogue.ACTIONS.items():
        for word in (name, name.title(), *aliases):
            assert grammar._resolve(word, catalogue.ACTIONS, "operation") == name, word


def test_manage_takes_an_operation() -> None:
    request = asked("manage", "snapshot", "restore", "before", "FORCE=yes")
    assert (request.class_name, request.operation, request.names) == ("snapshot", "restore", ["before"])
    assert asked("mg", "logs", "collect").operation == "collect"
    assert asked("manage", "ac", "sus", "app", "RESOURCE_GROUP=g").operation == "suspend"
    assert asked("manage", "snapshot", "-h").help
    for words in (("manage", "cluster"), ("manage", "cluster", "fly"), ("manage", "network", "reset")):
        with pytest.raises(ClmgrError):
            asked(*words)


def test_flags_and_attributes() -> None:
    request = asked("-cSv", "-a", "name,State", "query", "node", "startscript='/x y'", "NODES=a")
    assert (request.delimiter, request.header, request.verbose, request.only) == (":", False, True, ["NAME", "STATE"])
    assert request.attributes == {"STARTSCRIPT": "/x y", "NODES": "a"}
    assert asked("-d", "|", "q", "no").delimiter == "|"
    assert asked("-t", "77", "-g", "SMUI", "-T", "id9", "-l", "max", "-D", "q", "no").transaction == "id9"
    assert asked("-M", "-", "query cluster\nquery node").multiple == ["query cluster\nquery node"]


@pytest.mark.parametrize(
    "words",
    [
        ("fly", "cluster"),
        ("query", "nonsense"),
        ("query", "s"),
        ("add", "log"),
        ("query", "ldap_server"),
        ("-y", "q", "cl"),
        ("-a",),
        ("-d", "", "q", "no"),
        ("-l", "loud", "q", "cl"),
        ("-cx", "q", "cl"),
        ("add", "network", "ALL", "TYPE=ether"),
        ("add", "rg", "one,all", "NODES=a"),
        ("modify", "rg", "one", "NAME=All"),
        ("-x", "-S", "q", "cl"),
        ("add", "rg", "x", "NODES=a", "nodes=b"),
    ],
)
def test_nonsense_is_refused_in_words(words: tuple[str, ...]) -> None:
    with pytest.raises(ClmgrError) as caught:
        asked(*words)
    assert caught.value.code == 4


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_command_line_is_understood_or_refused(words: list[str]) -> None:
    try:
        grammar.parse(words)
    except ClmgrError:
        pass


@settings(deadline=None)
@given(st.sampled_from(sorted(attributes.TABLES)), st.sampled_from(["add", "modify"]), st.data())
def test_any_value_is_stored_in_its_domain_or_refused(class_name: str, action: str, data: st.DataObject) -> None:
    known = attributes.accepted(action, class_name)
    if not known:
        return
    name = data.draw(st.sampled_from(sorted(known)))
    value = data.draw(st.one_of(st.text(max_size=20), st.integers(-5, 10**9).map(str), st.sampled_from(["yes", "No"])))
    try:
        found = attributes.checked(action, class_name, {name.lower(): value})
    except ClmgrError:
        return
    # What was accepted is accepted again and stays as it is.
    assert attributes.checked(action, class_name, found) == found


@pytest.mark.parametrize(
    ("class_name", "given_name", "expected"),
    [("tape", "SH", "SHARED_TAPE_RESOURCE"), ("cluster", "split", "SPLIT_POLICY"), ("rg", "fallb", None),
     ("cluster", "repository", "REPOSITORIES"), ("rg", "FALLBACK", "FALLBACK")],
)  # fmt: skip
def test_attribute_names_are_abbreviated(class_name: str, given_name: str, expected: str | None) -> None:
    known = attributes.accepted("modify", grammar.resolve_class(class_name))
    if expected is None:
        with pytest.raises(ClmgrError, match="ambiguous"):
            attributes.resolve(given_name, known)
    else:
        assert attributes.resolve(given_name, known) == expected


def test_the_table_of_classes_and_actions() -> None:
    assert "".join(f"{line}\n" for line in catalogue.table()) == golden("clmgr/classes_and_actions.txt")


def test_what_the_table_says_works_has_somebody_who_does_it() -> None:
    edited = edits.modules()
    changed = {**GROUP_CHANGES, **VOLUME_CHANGES, **FILE_SYSTEM_CHANGES, **POOL_CHANGES, **DISK_CHANGES}
    elsewhere = {("snapshot", a) for a in ("add", "modify", "delete")} | {("log", "modify"), ("cluster", "delete")}
    elsewhere |= {(account, a) for account in ("user", "group") for a in ("add", "modify", "delete")}
    elsewhere |= {("repository", a) for a in ("add", "modify", "delete", "replace")}
    for class_name, entry in catalogue.CLASSES.items():
        for action in entry.actions:
            if action == "query":
                assert queries.of(class_name) or class_name in ELSEWHERE, class_name
            elif action in ("add", "modify", "delete", "replace") and (class_name, action) not in elsewhere:
                if class_name in edited:
                    table = edits._table(grammar.Request(action=action, class_name=class_name), action.upper())
                    assert class_name in table, (class_name, action)
                else:
                    assert (class_name, action) in changed, (class_name, action)
            elif action == "manage":
                assert catalogue.OPERATIONS[class_name]
    assert set(attributes.TABLES) <= set(catalogue.CLASSES)
    for class_name, table in attributes.TABLES.items():
        for name, (actions, _) in table.items():
            assert set(actions) <= {*catalogue.CLASSES[class_name].actions}, (class_name, name)


def test_help_at_every_level() -> None:
    assert "    replace   physical_volume repository" in grammar.usage_lines(asked("-v", "help"))
    assert "    query" in grammar.usage_lines(asked())
    assert "    resource_group" in grammar.usage_lines(asked("move"))
    assert "    cluster" not in grammar.usage_lines(asked("move"))
    for class_name, entry in catalogue.CLASSES.items():
        for action in entry.actions:
            lines = grammar.usage_lines(asked(action, class_name, "-h"))
            assert lines[0].startswith(f"clmgr {action} {class_name}")
            for alias in entry.aliases:
                assert alias in "\n".join(lines[1:])
    assert "[ STARTUP={OHN|OFAN|OAAN|OUDP} ]" in "\n".join(grammar.usage_lines(asked("add", "rg", "-h")))
