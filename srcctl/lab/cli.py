"""``srcctl``: a lab of nodes on this host, their power and their faults."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem, get_completion_class

from srcctl.lab import disks, faults, lifecycle, links, power, sample_cluster, status
from srcctl.lab.errors import LabError, NotRunning, WrongUse
from srcctl.lab.model import Lab, default_directory, locked
from srcctl.lab.progress import Progress
from srcctl.network.faults import ROOT_DISK, root_disk
from srcctl.node import enter
from srcctl.node.selection import BASE

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

TRY_NEXT = """\
Try next ('srcctl' is {srcctl}):
  curl {url}
  srcctl exec {second} -- clRGinfo -v
  srcctl exec {first} -- clmgr -a state query cluster
  srcctl kill {first} clstrmgrES           # the cluster manager dies, so the node halts{consequence}
  srcctl boot {first} && srcctl exec {first} -- clmgr online node {first}"""
TAKEOVER = ", and {second} takes over\n  srcctl exec {second} -- tail -f /var/hacmp/log/hacmp.out"


INTERRUPTED = 130
"""Exit code after an interrupt from the keyboard, as shells have it: 128 and the signal's number."""


class LabCommand(click.Command):
    """A command that shows its examples as they were written, and ends with the lab's exit codes."""

    def __init__(self, *arguments: Any, examples: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the examples below the options."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.strip().splitlines():
                    formatter.write(f"  {line.strip()}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run; a LabError becomes its text and its exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(f"\nsrcctl {ctx.info_name}: interrupted; the same command again goes on from here", err=True)
            ctx.exit(INTERRUPTED)
        except LabError as error:
            click.echo(f"srcctl: {error}", err=True)
            ctx.exit(error.exit_code)


class LabGroup(click.Group):
    """The commands, in the order in which they were declared."""

    command_class = LabCommand

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, first declared first."""
        return list(self.commands)


def lab_option(command: CommandT) -> CommandT:
    """``--lab DIR``, before or after the command's name."""
    return click.option(
        "--lab",
        metavar="DIR",
        envvar="SRCCTL_LAB",
        expose_value=False,
        type=click.Path(file_okay=False),
        callback=_keep_lab,
        help="The lab's folder; SRCCTL_LAB names another default.",
    )(command)


def _keep_lab(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    source = ctx.get_parameter_source("lab")
    if value and (source is click.core.ParameterSource.COMMANDLINE or "lab" not in ctx.find_root().meta):
        ctx.find_root().meta["lab"] = value


def _lab_directory(ctx: click.Context) -> str:
    named = ctx.find_root().meta.get("lab")
    if named:
        return os.path.abspath(os.path.expanduser(str(named)))
    try:
        return default_directory()
    except LabError as error:
        raise click.UsageError(str(error)) from None


def _lab(ctx: click.Context) -> Lab:
    return Lab.load(_lab_directory(ctx))


def _complete(
    names: Callable[[Lab], list[str]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = names(_lab(ctx))
        except (LabError, click.UsageError):
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete


def node_argument(command: CommandT) -> CommandT:
    """The operand NODE."""
    return click.argument("node", shell_complete=_complete(lambda lab: list(lab.node_names)))(command)


def _subsystems(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        lab = _lab(ctx)
        names = power.process_table(lab, lab.node(ctx.params["node"]).name)
    except (LabError, click.UsageError, KeyError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def subsystem_argument(command: CommandT) -> CommandT:
    """The operand SUBSYSTEM."""
    return click.argument("subsystem", shell_complete=_subsystems)(command)


@click.group(cls=LabGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="haes", prog_name="srcctl")
@lab_option
def cli() -> None:
    """A lab of emulated AIX nodes with a PowerHA SystemMirror cluster on this host.

    Exit codes: 0 done; 1 failed; 2 wrong usage; 3 no such node, network, disk or process; 4 no lab, or the node is
    powered off; 5 address in use; 6 no room on the disk; 7 the lab cannot be written; 8 a node or the sample cluster
    did not start. 'exec' and 'shell' end with the command's own exit code.
    """


@cli.command(
    examples="""
    srcctl up                          two nodes at speed 10, with a running sample cluster
    srcctl up --nodes 3 --bare         three nodes without a cluster
    srcctl up --nodes 1 --base         a machine for programs of your own, without cluster software
    srcctl --lab /tmp/mine up --speed 1"""
)
@click.option("--nodes", type=click.IntRange(1, 16), help="How many nodes, when the lab is made (2).")
@click.option("--networks", type=click.IntRange(1, 4), help="How many networks (en0, en1, ...), at the making (1).")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), help="How much faster than the product (10).")
@click.option("--bare", is_flag=True, help="Only power the nodes on; define and start no cluster.")
@click.option("--base", is_flag=True, help="Nodes with SRC, ODM and error log, and no cluster software at all.")
@click.option(
    "--mode",
    type=click.Choice(["view", "folder", "auto"]),
    default="auto",
    show_default=True,
    help="Own root by mount namespaces, or plain folders; fixed when the lab is made.",
)
@lab_option
@click.pass_context
def up(
    ctx: click.Context,
    nodes: int | None,
    networks: int | None,
    speed: float | None,
    bare: bool,
    base: bool,
    mode: str,
) -> None:
    """Make a lab if there is none, power on its nodes, and start the sample cluster."""
    directory = _lab_directory(ctx)
    with Progress("waiting for another srcctl") as progress, locked(directory, create=True):
        progress.step("making the lab" if not lifecycle.exists(directory) else "powering on")
        lab, booted = lifecycle.up(directory, nodes=nodes, networks=networks, speed=speed, mode=mode, base=base)
        description = lab.description
        why = f" ({description.mode_reason})" if description.mode_reason else ""
        capped = f" (the most for {len(description.nodes)} nodes)" if speed and description.speed < speed else ""
        click.echo(
            f"lab {directory}: {', '.join(lab.node_names)} in {description.mode} mode{why}, "
            f"speed {description.speed:g}{capped}, addresses {description.block}.*"
        )
        if bare or description.software == BASE:
            return
        first = lab.node_names[0]
        if booted or not sample_cluster.is_online(lab, first):
            progress.step("starting the sample cluster")
            lifecycle.wait_until_booted(lab, booted)
            sample_cluster.ensure(lab)
        progress.step("asking for the cluster's state")
        answer = power.capture(lab, first, ["/bin/sh", "-c", "clshowsrv -v; echo; clRGinfo"])
    click.echo(f"\n{first}# clshowsrv -v; clRGinfo\n{answer.stdout}{answer.stderr}")
    click.echo(_try_next(lab.node_names, sample_cluster.url(lab)))


def _try_next(names: Sequence[str], url: str) -> str:
    """What to try in a lab of these nodes."""
    first, second = names[0], names[1] if len(names) > 1 else names[0]
    consequence = TAKEOVER.format(second=second) if second != first else ""
    return TRY_NEXT.format(
        srcctl=os.path.abspath(sys.argv[0]), url=url, first=first, second=second, consequence=consequence
    )


@cli.command(
    name="exec",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples="""
    srcctl exec node1 -- lssrc -a
    srcctl exec node1 -- sh -c 'cat /etc/inittab | wc -l'""",
)
@lab_option
@node_argument
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def execute(ctx: click.Context, node: str, command: tuple[str, ...]) -> None:
    """Run a command on a node: its output and exit code unchanged."""
    lab = _lab(ctx)
    lab.node(node)
    words = command[1:] if command[0] == "--" else command
    sys.stdout.flush()
    power.replace_by(lab, node, words)


@cli.command(examples="srcctl shell node1")
@node_argument
@lab_option
@click.pass_context
def shell(ctx: click.Context, node: str) -> None:
    """A login shell on a node."""
    lab = _lab(ctx)
    lab.node(node)
    power.replace_by(lab, node, enter.login_shell(lab.directory, node))


@cli.command(
    name="status",
    examples="""
    srcctl status
    srcctl status --json | jq .nodes.node1.processes.clstrmgrES""",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@lab_option
@click.pass_context
def show_status(ctx: click.Context, as_json: bool) -> None:
    """Nodes, the pid of every process by name, addresses, resource groups, faults."""
    with Progress("asking the nodes"):
        state = status.collect(_lab(ctx))
    click.echo(json.dumps(state, indent=1) if as_json else status.page(state))


@cli.command(examples="srcctl halt node1")
@node_argument
@lab_option
@click.pass_context
def halt(ctx: click.Context, node: str) -> None:
    """Switch a node off at once, as by pulling its plug."""
    directory = _lab_directory(ctx)
    with Progress(f"powering off {node}"), locked(directory, power_off=True):
        lab = Lab.load(directory)
        power.halt(lab, [lab.node(node).name])


@cli.command(examples="srcctl boot node1")
@node_argument
@lab_option
@click.pass_context
def boot(ctx: click.Context, node: str) -> None:
    """Power a node on."""
    directory = _lab_directory(ctx)
    with Progress(f"powering on {node}"), locked(directory):
        lab = Lab.load(directory)
        if not power.is_on(lab, lab.node(node).name):
            lifecycle.boot(lab, [node])


def _signal_command(name: str, number: signal.Signals, text: str) -> None:
    @cli.command(name=name, help=text, examples=f"srcctl {name} node1 clstrmgrES")
    @node_argument
    @subsystem_argument
    @lab_option
    @click.pass_context
    def send(ctx: click.Context, node: str, subsystem: str) -> None:
        pid = faults.signal_process(_lab(ctx), node, subsystem, number)
        click.echo(f"{number.name} to {subsystem} of {node}, process {pid}")


_signal_command("kill", signal.SIGKILL, "kill -9 a process by its name: a subsystem, lpar, caa or srcmstr.")
_signal_command("hang", signal.SIGSTOP, "Stop a process without ending it (SIGSTOP): it hangs.")
_signal_command("resume", signal.SIGCONT, "Let a process that hangs go on (SIGCONT).")


@cli.command(examples="srcctl link node1 net_ether_01 down")
@node_argument
@click.argument("network", shell_complete=_complete(lambda lab: [n.name for n in lab.description.networks]))
@click.argument("state", type=click.Choice(["up", "down"]))
@lab_option
@click.pass_context
def link(ctx: click.Context, node: str, network: str, state: str) -> None:
    """Cut a node's interface on a network, or mend it."""
    lab = _lab(ctx)
    links.set_link(lab, lab.node(node).name, lab.network(network), up=state == "up")


@cli.command(
    examples="""
    srcctl partition node1 node2
    srcctl partition node1,node2 node3 --keep-disk
    srcctl partition node1 node2 --one-way           (node2 does not hear node1)"""
)
@click.argument("first", metavar="NODES")
@click.argument("second", metavar="NODES")
@click.option("--keep-disk", is_flag=True, help="The repository disk still carries messages between the two sides.")
@click.option("--one-way", is_flag=True, help="Only what the first nodes send does not arrive.")
@lab_option
@click.pass_context
def partition(ctx: click.Context, first: str, second: str, keep_disk: bool, one_way: bool) -> None:
    """Cut all networks, and the path over the repository disk, between two sets of nodes."""
    lab = _lab(ctx)
    sides = [[lab.node(name).name for name in side.split(",") if name] for side in (first, second)]
    if not all(sides) or set(sides[0]) & set(sides[1]):
        raise WrongUse("a partition is between two sets of different nodes")
    links.partition(lab, sides[0], sides[1], keep_disk=keep_disk, one_way=one_way)


@cli.command(examples="srcctl heal")
@lab_option
@click.pass_context
def heal(ctx: click.Context) -> None:
    """Mend every partition and every link."""
    links.heal(_lab(ctx))


@cli.command(
    examples="""
    srcctl disk hdisk1 fail
    srcctl disk hdisk0 fail --node node1       (rootvg of node1 is lost: the node halts)"""
)
@click.argument("disk", shell_complete=_complete(disks.names))
@click.argument("action", type=click.Choice(["fail", "repair"]))
@click.option("--node", default="", help="The node whose own disk (hdisk0) is meant.")
@lab_option
@click.pass_context
def disk(ctx: click.Context, disk: str, action: str, node: str) -> None:
    """Let a shared disk fail for all nodes, or a node's own disk, or repair it."""
    lab = _lab(ctx)
    if disk == ROOT_DISK and node:
        disk = root_disk(lab.node(node).name)
    elif node:
        raise click.UsageError("--node goes with hdisk0 only: the other disks are shared.")
    else:
        disks.check(lab, disk)
    links.set_disk(lab, disk, failed=action == "fail")


@cli.command(examples="srcctl down")
@lab_option
@click.pass_context
def down(ctx: click.Context) -> None:
    """Power off all nodes; their state is kept."""
    directory = _lab_directory(ctx)
    with Progress("powering off"), locked(directory, power_off=True):
        lifecycle.down(Lab.load(directory))


@cli.command(examples="srcctl destroy")
@lab_option
@click.pass_context
def destroy(ctx: click.Context) -> None:
    """Power off all nodes and remove the lab with everything in it."""
    directory = _lab_directory(ctx)
    if not os.path.isdir(directory):
        raise NotRunning(f"there is no lab in {directory}")
    lifecycle.check_destroyable(directory)
    with Progress("removing the lab"), locked(directory, power_off=True):
        lifecycle.check_destroyable(directory)
        lifecycle.destroy(directory)


@cli.command(
    examples="""
    eval "$(srcctl completion bash)"
    srcctl completion fish > ~/.config/fish/completions/srcctl.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "srcctl", "_SRCCTL_COMPLETE").source())


def main() -> int:
    """The command's entry."""
    cli.main(prog_name="srcctl")
    return 0
