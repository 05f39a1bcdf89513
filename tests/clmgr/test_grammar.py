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
from daemons.clmgr.syntax.attribute_tables import REQUIRED
from daemons.clmgr.syntax.help import usage_lines
from tests.clmgr.sample import HERE, asked, golden, rich


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
        (("q", "vgs"), "query", "volume_group", []),
        (("ls", "apps"), "query", "application_controller", []),
        (("q", "fs"), "query", "file_system", []),
        (("help", "add", "rg"), "add", "resource_group", []),
        (("-h", "start", "nodes"), "online", "node", []),
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
    values = asked("mod", "ev", "node_up", "A=''", 'B="x', "C='a' 'b'", "D=/x 'a b'", "E='", 'F="it\'s"').attributes
    assert values == {"A": "", "B": '"x', "C": "'a' 'b'", "D": "/x 'a b'", "E": "'", "F": "it's"}
    assert asked("-d", "|", "q", "no").delimiter == "|"
    assert asked("-t", "77", "-g", "SMUI", "-T", "id9", "-l", "max", "-D", "q", "no").transaction == "id9"
    for flags in (("-M", "-"), ("-M-",), ("-",), ("-M",)):
        assert asked(*flags, "query cluster\nquery node").multiple == ["query cluster\nquery node"]


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
    assert usage_lines(asked("help", "add", "rg")) == usage_lines(asked("add", "rg", "-h"))
    assert usage_lines(asked("-h", "add", "rg")) == usage_lines(asked("add", "rg", "-?"))
    assert usage_lines(asked("help", "move")) == usage_lines(asked("move", "-h")) == usage_lines(asked("move"))
    assert usage_lines(asked("-h", "manage", "snapshot")) == usage_lines(asked("manage", "snapshot", "-h"))
    assert all(asked(*words).help for words in (("help",), ("help", "add"), ("-h", "manage", "ac")))
    assert "    replace   physical_volume repository" in usage_lines(asked("-v", "help"))
    assert "    query" in usage_lines(asked())
    assert "    resource_group" in usage_lines(asked("move"))
    assert "    cluster" not in usage_lines(asked("move"))
    for class_name, entry in catalogue.CLASSES.items():
        for action in entry.actions:
            lines = usage_lines(asked(action, class_name, "-h"))
            assert lines[0].startswith(f"clmgr {action} {class_name}")
            for alias in entry.aliases:
                assert alias in "\n".join(lines[1:])


def test_help_has_required_inputs_by_themselves_and_optional_ones_in_brackets() -> None:
    def syntax(words: str) -> list[str]:
        lines = usage_lines(asked(*words.split(), "-h"))
        return "\n".join(lines[: lines.index("")]).replace(" \\\n    ", "\n").splitlines()

    assert syntax("add rg")[:3] == [
        "clmgr add resource_group <name>", "NODES=<name>[,...]", "[ SECONDARYNODES=<name>[,...] ]"
    ]  # fmt: skip
    assert syntax("add cluster")[:2] == ["clmgr add cluster [ <name> ]", "[ NODES=<name>[,...] ]"]
    assert syntax("move rg")[:2] == ["clmgr move resource_group <name>[,...]", "{ NODE=<name> | SITE=<name> }"]
    assert syntax("delete site") == ["clmgr delete site {<name>[,...]|ALL}"]
    assert syntax("add dependency")[0] == "clmgr add dependency PARENT=<name> CHILD=<name>[,...]"
    assert syntax("manage app") == [
        "clmgr manage application_controller {suspend|resume} <name>[,...]", "RESOURCE_GROUP=<name>"
    ]  # fmt: skip


WHOLE = {
    "interface": "node1_en7 NETWORK=net_ether_01 NODE=node1 INTERFACE=en7 IPADDR=127.9.9.9",
    "persistent_ip": "node2_per NETWORK=net_ether_01 NODE=node2",
    "service_ip": "other_svc NETWORK=net_ether_01",
    "resource_group": "new NODES=node1",
    "application_controller": "new STARTSCRIPT=/a STOPSCRIPT=/b",
    "application_monitor": "new TYPE=Custom APPLICATIONS=counter_app MODE=startup MONITORMETHOD=/m",
    "fallback_timer": "new HOUR=1 MINUTE=2",
    "udresource_type": "new STARTMETHOD=/a STOPMETHOD=/b",
    "udresource": "new TYPE=queue",
    "tape": "new SHARED_TAPE_RESOURCE=/dev/rmt1",
    "file_collection": "new FILES=/etc/issue",
    "method": "new TYPE=verify FILE=/m",
    "event": "new FILE=/m",
    "site": "new", "network": "new", "node": "node3",
}  # fmt: skip


@pytest.mark.parametrize("class_name", sorted(set(edits.modules()) - {"cluster", "dependency"}))
def test_what_the_help_calls_required_is(class_name: str) -> None:
    """And nothing else is: the whole request has no more than that, and what its kind of object needs besides."""
    words = WHOLE[class_name].split()
    c = rich()
    if class_name == "site":
        c = edits.delete(asked("delete", "site", "east"), c)
    edits.add(asked("add", class_name, *words), c, HERE)
    required = REQUIRED.get(("add", class_name), ())
    assert {word.partition("=")[0] for word in words[1:]} >= set(required)
    for name in required:
        request = asked("add", class_name, *(word for word in words if not word.startswith(f"{name}=")))
        if name == "NETWORK":  # there is one only
            edits.add(request, c, HERE)
            continue
        with pytest.raises(ClmgrError) as refused:
            edits.add(request, c, HERE)
        assert refused.value.code == 3, name
