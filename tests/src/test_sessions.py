"""Every output form of the SRC commands."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from srcctl.audit import configuration, trail
from srcctl.node import sockets
from srcctl.odm import Repository
from srcctl.src import packets
from tests.commands.sessions import GOLDEN, Session, read_sessions, replay
from tests.src.node import ETC, Inetd, Run, SrcNode


@pytest.mark.parametrize("session", read_sessions(GOLDEN / "src"), ids=lambda session: session.name)
def test_session(session: Session, node: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    if session.name == "no_answer":
        monkeypatch.setenv("SRC_TIME_LIMIT", "0.7")

    def settled(words: list[str]) -> tuple[int, str, str]:
        node.settle()
        return run(words)

    text = replay(session, settled)
    if "HAES_WRITE_GOLDEN" in os.environ:
        session.path.write_text(text)
    assert text == session.path.read_text()


@pytest.mark.usefixtures("slow_asker")
def test_a_long_status_arrives_whole_however_slow_the_asker_is(
    node: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More packets than a socket's queue holds, to an asker that is away between two of them."""
    lines = [f"{number:06d} {'x' * 90}" for number in range(10_000)]
    monkeypatch.setattr(Inetd, "long_status", lambda self: lines)
    assert run(["mkssys", "-s", "inetd", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    assert run(["startsrc", "-s", "inetd"])[0] == 0
    status, out, err = run(["lssrc", "-ls", "inetd"])
    assert (status, err) == (0, "")
    assert out.splitlines()[2:] == lines
    assert run(["lssrc", "-s", "inetd"])[1].endswith("active\n"), "srcmstr is not delayed"
    lines *= 3
    status, out, err = run(["lssrc", "-ls", "inetd"])
    assert (status, err) == (1, "The status is longer than 2097152 bytes.\n"), "never a part for the whole"


def test_what_the_host_refuses_a_subsystem_is_told_and_kills_it_not(
    node: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: Inetd) -> None:
        open("/no/such/file", encoding="ascii")  # noqa: SIM115

    monkeypatch.setattr(Inetd, "refresh", missing)
    assert run(["mkssys", "-s", "inetd", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    assert run(["startsrc", "-s", "inetd"])[0] == 0
    assert run(["refresh", "-s", "inetd"]) == (1, "", "/no/such/file: No such file or directory\n")
    assert run(["lssrc", "-ls", "inetd"])[0] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_an_ordinary_user_may_look_and_not_touch(node: SrcNode, run: Run) -> None:
    assert run(["mkssys", "-s", "inetd", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    asker = sockets.bind(node.root.path(f"{packets.SRC_DIRECTORY}/SRC1"), socket.SOCK_DGRAM)
    asker.settimeout(20)

    def ask(request: packets.Request) -> bytes:
        path = node.root.path(f"{packets.SRC_DIRECTORY}/{request.retaddr}")
        if not os.path.exists(path):
            os.link(node.root.path(f"{packets.SRC_DIRECTORY}/SRC1"), path)
        with sockets.connect(node.root.path("/dev/SRC"), socket.SOCK_DGRAM) as mine:
            child = os.fork()
            if child == 0:
                os.setuid(65534)
                os._exit(mine.send(packets.encode_request(request)) < 0)
            assert os.waitpid(child, 0)[1] == 0
        return asker.recv(packets.PACKET_MAX)

    status = ask(packets.Request(packets.STATUS, kind=packets.ALL_SUBSYSTEMS, retaddr="SRC1"))
    assert [code.objname for code in packets.decode_status(status).codes] == ["Subsystem", "inetd"]
    for number, action in enumerate((packets.START, packets.STOP, packets.REFRESH, packets.TRACE), 2):
        refused = packets.decode_reply(ask(packets.Request(action, "inetd", retaddr=f"SRC{number}")))
        assert refused.rtncode == 52
    asker.close()
    assert "inoperative" in run(["lssrc", "-s", "inetd"])[1]


def test_a_request_whose_asker_has_gone_is_not_carried_out(node: SrcNode, run: Run) -> None:
    assert run(["mkssys", "-s", "inetd", "-p", "/usr/sbin/inetd", "-u", "0"])[0] == 0
    with sockets.connect(node.root.path("/dev/SRC"), socket.SOCK_DGRAM) as mine:
        mine.send(packets.encode_request(packets.Request(packets.START, "inetd", retaddr="SRCgone")))
    assert "inoperative" in run(["lssrc", "-s", "inetd"])[1]


def test_what_auditing_records_of_src(node: SrcNode, run: Run) -> None:
    Path(node.root.path("/var/run")).mkdir(parents=True)
    shutil.copytree(ETC / "security", node.root.path("/etc/security"))
    configuration.set_state(node.root, "on")
    for line in (
        "mkssys -s inetd -p /usr/sbin/inetd -u 0", "mkssys -s plain -p /bin/plain -u 0 -S -n 15 -f 9",
        "mkssys -s plain -p /bin/plain -u 0", "mkssys", "mkserver -c 1 -s inetd -t telnet", "chserver -t telnet -c 2",
        "startsrc -s inetd", "startsrc -s plain", "stopsrc -s plain", "stopsrc -s inetd",
        "rmserver -t telnet", "chssys -s plain -w 5", "rmssys -s plain", "rmssys -s nosuch",
    ):  # fmt: skip
        run(line.split())
        node.settle()
    found = trail.records(Path(node.root.path("/audit/trail")).read_text().splitlines())
    assert [(r.event, r.tail, "failed" if r.failed else "") for r in found] == [
        ("SRC_Addssys", "inetd", ""), ("SRC_Addssys", "plain", ""), ("SRC_Addssys", "plain", "failed"),
        ("SRC_Addserver", "telnet", ""), ("SRC_Chserver", "telnet", ""),
        ("SRC_Start", "inetd", ""), ("SRC_Start", "plain", ""), ("SRC_Stop", "plain", ""), ("SRC_Stop", "inetd", ""),
        ("SRC_Delserver", "telnet", ""), ("SRC_Chssys", "plain", ""), ("SRC_Delssys", "plain", ""),
        ("SRC_Delssys", "nosuch", "failed"),
    ]  # fmt: skip
    assert {r.login for r in found} == {0}


def test_the_argument_strings_of_startsrc_are_bounded(node: SrcNode, run: Run) -> None:
    assert run(["mkssys", "-s", "many", "-p", "/bin/many", "-u", "0", "-q", "-S", "-n", "15", "-f", "9"])[0] == 0
    for flag in ("-a", "-e"):
        assert run(["startsrc", "-s", "many", flag, "x" * 1200])[0] == 0
        status, out, err = run(["startsrc", "-s", "many", flag, "x" * 1201])
        assert (status, out, err) == (1, "", f"startsrc: the string of {flag} has more than 1200 characters.\n")
    assert run(["startsrc", "-s", "many", "-a", "€" * 1200])[2] == "startsrc: the strings of -a and -e are too long.\n"


def test_a_group_of_a_hundred_is_answered_in_full(node: SrcNode, run: Run) -> None:
    repository = Repository(node.root, "/etc/objrepos")
    common = {"path": "/bin/one", "contact": 2, "signorm": 15, "sigforce": 9, "display": 1, "waittime": 20}
    repository.add_all("SRCsubsys", [{**common, "subsysname": f"s{n}", "grpname": "all"} for n in range(100)])
    status, out, err = run(["startsrc", "-g", "all"])
    assert (status, err, out.count("0513-059")) == (0, "", 100)
    assert run(["lssrc", "-g", "all"])[1].count(" active") == 100
    assert run(["stopsrc", "-g", "all"])[1].count("0513-044") == 100
