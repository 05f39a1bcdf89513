"""cl_remote_notify: remote notifications (HACMPpager) of an event, as ``clmgr add method TYPE=notify`` defines them.

The fields, and the letters that a message file may hold, are the product's; which program carries the message is
inferred: mail(1) of the administrator, if there is one. A node has no modem.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from daemons.cluster.configuration.customization import NotifyMethod, load_notify_methods
from daemons.cluster.configuration.objects import ACD, ConfigurationFault
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

MESSAGE = "Node %n: Event %e occurred at %d, object = %a"
"""What is sent where the message file is empty."""
MESSAGE_LIMIT = 64 * 1024
MAILBOXES = "/var/spool/mail"
MAIL = "/usr/local/bin/mail"
"""The administrator's own program for mail: it is called with -s SUBJECT CONTACT and gets the message on its input."""


def main(argv: list[str]) -> int:
    """``cl_remote_notify EVENT [ARGUMENT ...]``: tell everybody who is to know of the event from this node."""
    if len(argv) < 2:
        sys.stderr.write("Usage: cl_remote_notify event [argument ...]\n")
        return 1
    root, event = NodeRoot.current(), argv[1]
    try:
        methods = load_notify_methods(Repository(root, ACD).get("HACMPpager"))
    except (OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"cl_remote_notify: {error}\n")
        return 1
    node, status = root.identity.node, 0
    for method in methods:
        if node in method.nodes and event in method.events:
            complaint = _notify(root, method, event, " ".join(argv[2:]))
            if complaint:
                sys.stderr.write(f"cl_remote_notify: {method.name}: {complaint}\n")
                status = 1
    return status


def message(template: str, node: str, event: str, subject: str, when: str) -> str:
    """A message file with %d (date), %n (node), %e (event), %a (object) and %p (a per cent sign) replaced."""
    values = {"d": when, "n": node, "e": event, "a": subject, "p": "%"}
    parts = template.split("%")
    return parts[0] + "".join(values[part[0]] + part[1:] if part[:1] in values else f"%{part}" for part in parts[1:])


def _notify(root: NodeRoot, method: NotifyMethod, event: str, subject: str) -> str:
    """Send one notification; returns what went wrong, "" if nothing."""
    if "@" not in method.contact:
        return f"{method.contact} is no mail address, and this node has no modem"
    try:
        with open(root.path(method.program), encoding="utf-8", errors="replace") as file:
            template = file.read(MESSAGE_LIMIT).strip()
    except OSError as error:
        return f"the message file {method.program}: {error.strerror}"
    node = root.identity.node
    text = message(template or MESSAGE, node, event, subject, time.strftime("%a %b %d %H:%M:%S %Y"))
    title = f"PowerHA SystemMirror event {event} on node {node}"
    complaint = ""
    for _ in range(1 + max(0, method.retries)):
        complaint = _send(root, method, title, text + "\n")
        if not complaint:
            return ""
    return complaint


def _send(root: NodeRoot, method: NotifyMethod, title: str, text: str) -> str:
    program = root.path(MAIL)
    if not os.access(program, os.X_OK):
        return _deliver(root, method.contact, title, text)
    try:
        result = subprocess.run(
            [program, "-s", title, method.contact], input=text.encode(), timeout=max(1, method.timeout), check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{MAIL} did not end within {method.timeout} seconds"
    except OSError as error:
        return f"{MAIL}: {error.strerror}"
    return f"{MAIL} ended with status {result.returncode}" if result.returncode else ""


def _deliver(root: NodeRoot, contact: str, title: str, text: str) -> str:
    """Into a mailbox of this node: nothing carries mail from here."""
    name = contact.replace("/", "_")
    lines = "".join(f">{line}" if line.startswith("From ") else line for line in text.splitlines(keepends=True))
    stamp = time.strftime("%a %b %d %H:%M:%S %Y")
    try:
        os.makedirs(root.path(MAILBOXES), exist_ok=True)
        with open(f"{root.path(MAILBOXES)}/{name}", "a", encoding="utf-8") as file:
            file.write(f"From root {stamp}\nTo: {contact}\nSubject: {title}\n\n{lines}\n")
    except OSError as error:
        return f"{MAILBOXES}/{name}: {error.strerror}"
    return ""
