"""What event scripts and operators call beside the scripts' own channel: clRGPA, cl_RMupdate, clruncmd."""

from __future__ import annotations

import shlex
import subprocess
import sys

from daemons.clstrmgr import client, messages
from daemons.cluster.configuration import ACD
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

CLRSH = "/usr/es/sbin/cluster/utilities/cl_rsh"
CLRUNCMD = "/usr/es/sbin/cluster/utilities/clruncmd"
STATES = (
    *("resource_acquiring", "resource_up", "resource_releasing", "resource_down", "resource_error"),
    *("acquiring", "releasing", "rg_up", "rg_down", "rg_error", "rg_temp_error", "suspend_appmon", "resume_appmon"),
)


def clrgpa(argv: list[str]) -> int:
    """``clRGPA``: print the assignments of the next job."""
    if len(argv) > 1:
        sys.stderr.write("Usage: clRGPA\n")
        return 1
    try:
        answer = client.ask(messages.NextJob())
    except client.ManagerUnreachable as error:
        sys.stderr.write(f"clRGPA: {error}\n")
        return 1
    print(answer.assignments if isinstance(answer, messages.Job) else "JOB_TYPE=NONE")
    return 0


def cl_rmupdate(argv: list[str]) -> int:
    """``cl_RMupdate STATE RESOURCE SCRIPT [GROUP ...]``."""
    if len(argv) < 4 or argv[1] not in STATES:
        sys.stderr.write("Usage: cl_RMupdate state resource script [group ...]\n")
        return 1
    try:
        answer = client.ask(messages.ResourceUpdate(argv[1], argv[2], argv[3], " ".join(argv[4:])))
    except client.ManagerUnreachable as error:
        sys.stderr.write(f"cl_RMupdate: {error}\n")
        return 1
    if isinstance(answer, messages.Done) and answer.error:
        sys.stderr.write(f"cl_RMupdate: {answer.message}\n")
        return 1
    return 0


def ude_event(argv: list[str]) -> int:
    """``cl_ude_event NAME``: RMC saw that a user-defined event occurred on this node."""
    if len(argv) != 2:
        sys.stderr.write("Usage: cl_ude_event event\n")
        return 1
    try:
        client.ask(messages.SystemEvent("user_defined", argv[1]))
    except client.ManagerUnreachable as error:
        sys.stderr.write(f"cl_ude_event: {error}\n")
        return 1
    return 0


def clruncmd(argv: list[str]) -> int:
    """``clruncmd NODE``: resume event processing on a node after a script failure was repaired by hand."""
    if len(argv) != 2:
        sys.stderr.write("Usage: clruncmd node\n")
        return 1
    root = NodeRoot.current()
    try:
        picture = client.query_state(root)
        if argv[1] == picture.local_name:
            client.recover(root)
            return 0
    except (client.ManagerUnreachable, client.Refused) as error:
        sys.stderr.write(f"clruncmd: {error}\n")
        return 1
    if client.node_named(picture, argv[1]) is None:
        sys.stderr.write(f"clruncmd: There is no node {argv[1]} in this cluster.\n")
        return 1
    return subprocess.run([root.path(CLRSH), argv[1], CLRUNCMD, argv[1]], check=False).returncode


def customization(argv: list[str]) -> int:
    """``cl_event_customization EVENT``: shell assignments of what the administrator put around an event.

    NOTIFY, PRE and POST hold commands, RECOVERY a command and COUNT how often it may be tried (HACMPevent).
    """
    if len(argv) != 2:
        sys.stderr.write("Usage: cl_event_customization event\n")
        return 1
    try:
        repository = Repository(NodeRoot.current(), ACD)
        objects = repository.get("HACMPevent", f'name = "{argv[1]}"')
        methods = repository.get("HACMPcustom")
    except OdmError as error:
        sys.stderr.write(f"cl_event_customization: {error}\n")
        return 1
    custom = {str(o.get("name", "")): str(o.get("value", "")) for o in methods if o.get("type") == "event"}
    for values in objects[:1]:
        for name, field in (("NOTIFY", "notify"), ("PRE", "pre"), ("POST", "post"), ("RECOVERY", "recv")):
            print(f"{name}={shlex.quote(_commands(str(values.get(field, '')), custom))}")
        print(f"COUNT={int(values.get('count', 0) or 0)}")
    return 0


def _commands(value: str, custom: dict[str, str]) -> str:
    """Command lines, one a line: names of custom events (HACMPcustom) stand for their programs."""
    words = value.replace(",", " ").split()
    if words and all(word in custom for word in words):
        return "\n".join(custom[word] for word in words)
    return value
