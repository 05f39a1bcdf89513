"""The sample cluster: defined and started by a script on the first node, with the product's own commands."""

from __future__ import annotations

from srcctl.lab import power
from srcctl.lab.errors import NotStarted
from srcctl.lab.model import Lab, service_address

SCRIPT = "/usr/es/sbin/cluster/samples/haes/sample_cluster"
GROUP = "app_rg"
SERVICE_LABEL = "app_svc"
PORT = 8080
ONLINE = "ONLINE"


def group_states(lab: Lab, node: str) -> dict[str, dict[str, str]]:
    """The resource groups as ``clRGinfo -s`` of a node has them: state by node, by group. Empty without a cluster."""
    answer = power.capture(lab, node, ["clRGinfo", "-s"])
    groups: dict[str, dict[str, str]] = {}
    if answer.returncode != 0:
        return groups
    for line in answer.stdout.splitlines():
        fields = line.split(":")
        if len(fields) >= 4:
            groups.setdefault(fields[0], {})[fields[2]] = fields[1]
    return groups


def is_online(lab: Lab, node: str) -> bool:
    """Whether the sample's resource group is online somewhere."""
    return ONLINE in group_states(lab, node).get(GROUP, {}).values()


def ensure(lab: Lab) -> None:
    """Define the sample cluster, unless the first node has a cluster already, and start it.

    Raises:
        NotStarted: a command of the script failed; the text ends with what it said.
    """
    first = lab.node_names[0]
    answer = power.capture(lab, first, [SCRIPT, *lab.node_names])
    said = "\n".join(text.rstrip() for text in (answer.stdout, answer.stderr) if text.strip())
    if answer.returncode != 0:
        raise NotStarted(f"the sample cluster did not start (exit code {answer.returncode} of {SCRIPT}):\n{said}")
    groups = group_states(lab, first)
    if GROUP in groups and ONLINE not in groups[GROUP].values():
        raise NotStarted(
            f"the resource group {GROUP} is not online; /var/hacmp/log/hacmp.out of {first} says why\n{said}"
        )


def url(lab: Lab) -> str:
    """Where the sample application answers."""
    return f"http://{service_address(lab.description.block, 0, 0)}:{PORT}/"
