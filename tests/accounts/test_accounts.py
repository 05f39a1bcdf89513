"""Users and groups of a node: their files, their commands, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcctl.accounts import commands, files
from srcctl.accounts.files import Accounts, encrypted, parse_stanzas, stanzas_text
from srcctl.node.root import NodeRoot

PASSWD = "root:!:0:0::/:/usr/bin/ksh\ndaemon:!:1:1::/etc:\nbroken\n"
GROUP = "system:!:0:root\nstaff:!:1:daemon\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeRoot:
    (tmp_path / "etc/security").mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    found = NodeRoot(str(tmp_path))
    monkeypatch.setattr(commands.NodeRoot, "current", classmethod(lambda cls: found))
    return found


def done(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    words = command.split()
    status = getattr(commands, words[0])(words)
    out, err = capsys.readouterr()
    return status, out, err


def text(root: NodeRoot, path: str) -> str:
    return Path(root.path(path)).read_text()


def test_a_user_comes_changes_and_goes(root: NodeRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert done("mkgroup dba", capsys) == (0, "", "")
    assert done("mkuser pgrp=dba groups=staff home=/oracle gecos=The_base oracle", capsys) == (0, "", "")
    assert done("lsuser oracle", capsys)[1] == (
        "oracle id=201 pgrp=dba groups=dba,staff home=/oracle shell=/usr/bin/ksh gecos=The_base\n"
    )
    assert done("lsuser -f -a id pgrp oracle", capsys)[1] == "oracle:\n\tid=201\n\tpgrp=dba\n\n"
    assert done("lsgroup -c -a id users ALL", capsys)[1] == (
        "#name:id:users\nsystem:0:root\nstaff:1:daemon,oracle\ndba:201:oracle\n"
    )
    assert done("chuser id=300 shell=/bin/sh groups= login=false oracle", capsys)[0] == 0
    assert text(root, "/etc/passwd").endswith("oracle:*:300:201:The_base:/oracle:/bin/sh\n")
    assert parse_stanzas(text(root, "/etc/security/user")) == {"oracle": {"login": "false"}}
    assert "oracle" not in text(root, "/etc/group")
    assert done("rmgroup dba", capsys)[0] == 1
    assert done("rmuser -p oracle", capsys) == (0, "", "")
    assert done("rmgroup dba", capsys) == (0, "", "")
    assert text(root, "/etc/passwd") == PASSWD.replace("broken\n", "")
    assert text(root, "/etc/group") == GROUP


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("mkuser root", 'User "root" exists'),
        ("mkuser id=0 joe", "the user id is in use"),
        ("mkuser pgrp=nosuch joe", '3004-686 Group "nosuch" does not exist.'),
        ("mkuser home=/a:b joe", "Value is invalid"),
        ("mkuser color=red joe", "Attribute is not valid"),
        ("mkuser 1joe", "Name is invalid"),
        ("chuser id=1 joe", '3004-687 User "joe" does not exist.'),
        ("rmuser root", "superuser"),
        ("mkgroup staff", 'Group "staff" exists'),
        ("mkgroup users=joe crew", 'User "joe" does not exist'),
        ("rmgroup system", "primary group of user"),
        ("rmgroup nosuch", '3004-686 Group "nosuch" does not exist.'),
        ("lsuser joe", '3004-687 User "joe" does not exist.'),
        ("mkuser", "Usage: mkuser"),
        ("lsuser -c -f ALL", "Usage: lsuser"),
        ("mkuser id joe", "Usage: mkuser"),
    ],
)
def test_what_is_refused_changes_nothing(
    command: str, complaint: str, root: NodeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = done(command, capsys)
    assert status != 0
    assert out == ""
    assert complaint in err
    assert (text(root, "/etc/passwd"), text(root, "/etc/group")) == (PASSWD, GROUP)


def test_a_password_is_kept_encrypted(
    root: NodeRoot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("root:secret:with colons\n"))
    assert done("chpasswd -c", capsys) == (0, "", "")
    kept = Accounts(root).passwords["root"]
    salt = kept["password"].split("$")[1]
    assert kept["password"].startswith("{ssha256}06$")
    assert "secret" not in text(root, "/etc/security/passwd")
    assert "flags" not in kept
    assert len(salt) == 16
    assert (Path(root.path(files.SECURITY_PASSWD)).stat().st_mode & 0o777) == 0o600
    assert encrypted("a", b"salt") == encrypted("a", b"salt") != encrypted("b", b"salt")


NAMES = st.text("abcXYZ019_ ", min_size=1, max_size=9).map(str.strip).filter(bool)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, NAMES, max_size=3), max_size=4))
def test_stanzas_survive_their_file(stanzas: dict[str, dict[str, str]]) -> None:
    assert parse_stanzas(stanzas_text(stanzas)) == stanzas
