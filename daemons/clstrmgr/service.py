"""clstrmgrES: the shell around the cluster manager's core.

The process runs from boot on, whether cluster services are up or down. Starting services is a request to it. It is a
client of Group Services and dies with it while services are active: SRC then calls clexit.rc, which halts the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import datetime

from daemons.clconfd import client as clconfd
from daemons.clstrmgr import messages
from daemons.clstrmgr.activity import Settings
from daemons.clstrmgr.core import ClusterManager
from daemons.clstrmgr.debug_log import DebugLog, Detailed
from daemons.clstrmgr.eventlog import LogFiles, preamble
from daemons.clstrmgr.foundation import EXIT_CODE
from daemons.clstrmgr.group_services_link import GroupServicesLink
from daemons.clstrmgr.inputs import (
    Answer,
    AnswerJob,
    Asked,
    Configured,
    Effect,
    EventMark,
    Exit,
    FallbackTimerDue,
    Input,
    Log,
    Measured,
    MonitorRecord,
    Preamble,
    Publish,
    ReadStaged,
    ReconfigurationEnded,
    Reconfigured,
    Reported,
    ResourceMonitoring,
    ResourceUpdated,
    RunMethod,
    RunMonitor,
    RunScript,
    Send,
    SignalMonitor,
    Staged,
    Store,
    Subsystems,
    UnwatchProcesses,
    WatchProcesses,
)
from daemons.clstrmgr.measuring import measure
from daemons.clstrmgr.methods import MethodRunner
from daemons.clstrmgr.object_classes import EVENTS, ObjectClasses
from daemons.clstrmgr.publication import Connection, Publication
from daemons.clstrmgr.script_environment import UTILITIES, script_environment
from daemons.clstrmgr.scripts import ScriptRunner
from daemons.clstrmgr.subsystems import SubsystemControl
from daemons.clstrmgr.view import long_status
from daemons.clstrmgr.wire import group_name
from daemons.cluster import configuration as model
from daemons.cluster import node_priority
from daemons.cluster.configuration import Configuration
from daemons.ctrmc.messages import SOCKET_PATH as RMC_SOCKET
from daemons.runtime.codec import Codec
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.local import Closed, LocalServer
from daemons.runtime.pump import Pump
from srcctl.machine import SECOND, RemoteFault
from srcctl.node import sockets
from srcctl.node.processes import MARK_VARIABLE, Membership, outlived_by_children
from srcctl.node.slots import SlotFile
from srcctl.odm import OdmError

request_codec: Codec[messages.Request] = Codec(messages.Request)
answer_codec: Codec[messages.Answer] = Codec(messages.Answer)

CLEXIT = f"{UTILITIES}/clexit.rc"
MERGE_ACTION = f"{EVENTS}/utils/cl_merge_action"
SERIAL_FILE = "/var/hacmp/clstrmgr.serial"

WAIT_FOR_GROUP_SERVICES = 60.0
"""Seconds (patience) for which a starting cluster manager waits for Group Services, if a cluster is configured."""

WAIT_AT_START = 30.0
"""Seconds (patience) for which a request to start services waits for Group Services."""

SURVEY_PATIENCE = 5.0
"""Seconds that a request to start services waits for CAA's word on the interfaces."""

SCHEDULE_POLL = 1.0
"""Seconds between looks at the clock for delayed fallback timers, whose times are given in minutes."""

CONFIGURATION_POLL = 2.0
"""Seconds between looks at the object classes while services are down."""

STOP_PATIENCE = 15.0
"""Seconds that an SRC stop waits for cluster services to stop; less than SRC's own wait time of 20."""

MERGE_PATIENCE = 10.0
"""Seconds that the action plan of a merge may take to reboot the node."""


class ClusterManagerDaemon(Daemon):
    """The process."""

    name = "clstrmgrES"
    log_file = "/var/hacmp/log/clstrmgr.debug"
    own_status_header = True

    async def start(self) -> None:
        """Serve, and find Group Services if a cluster is configured.

        Raises:
            CannotStart: a cluster is configured and Group Services cannot be reached.
        """
        self.log = log = DebugLog(self.root.path(self.log_file))
        self._configuration: Configuration | None = None
        self._requests: dict[int, Callable[[messages.Answer], None]] = {}
        self._request = 0
        self.subsystems = SubsystemControl(self.root, self.spawn, self.log.write)
        self._src_stop = False
        self._installed = ""
        self.classes = ObjectClasses(self.root, self.identity.node, self._real_path, self.log.write)
        self.core = ClusterManager(
            self.identity.number,
            self.identity.node,
            Settings(
                settling_scale=self.scale.schedule(1),
                monitor_scale=self.scale.schedule(1),
                sub_events=self._level()[:2] in ("4.", "5.", "6."),
            ),
            self._read_serial(),
        )
        self.pump: Pump[Input, Effect] = Pump(Detailed(self.core, log), self._execute, self.fail)
        self.group_services = GroupServicesLink(self, self.pump.feed, self._check_node)
        self.runner = ScriptRunner(self._from_script, self.log.write)
        membership = Membership.of_this_process(os.environ.get(MARK_VARIABLE, ""), view=self.identity.mode == "view")
        self.methods = MethodRunner(self.pump.feed, self.log.write, membership, self._real_path)
        self.files = LogFiles.of(self.root, None)
        self.files.prepare()
        self.publication = Publication(self.core, lambda: self.files)
        self.reload()
        self._server: LocalServer[messages.Answer, messages.Request] = LocalServer(
            self._path(messages.SOCKET_PATH), answer_codec, request_codec, self._serve, self._remote_fault
        )
        await self._server.start()
        if self.core.configuration is not None:
            await self._find_group_services()
        self.spawn(self._watch())
        self.spawn(self._keep_schedules())

    def _path(self, product_path: str) -> str:
        path = self.root.path(product_path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def _real_path(self, path: str) -> str:
        """Where an administrator's file lies: on the node, else on the host."""
        own = self.root.path(path)
        return own if os.path.exists(own) else path

    def reload(self) -> None:
        """Read the configuration again. It counts at once while services are down, else from the next start on."""
        if self.core.in_group or self.core.joining is not None:
            return
        self.classes.note()
        self._use(self.classes.load(model.DCD))

    def _use(self, configuration: Configuration | None) -> None:
        self._configuration = configuration
        if configuration is not None:
            own = configuration.node(self.identity.node)
            assert own is not None
            self.core.node_id = own.id
        self.files = LogFiles.of(self.root, configuration)
        self.files.prepare()
        self.pump.feed(Configured(configuration, self.classes.programs_of(configuration)))

    def _activate(self, directory: str) -> None:
        """Copy a directory's object classes to the active one and use those.

        Raises:
            OSError: the active directory cannot be written.
        """
        self.classes.activate(directory)
        self._use(self.classes.load(model.ACD))

    def _read_staged(self) -> None:
        staged = self.classes.load(model.SCD)
        self.pump.feed(Staged(staged, self.classes.programs_of(staged)))

    def _reconfigured(self, configuration: Configuration) -> None:
        """The staged configuration counts from now on."""
        try:
            self.classes.activate(model.SCD)
        except OSError as error:
            self.log.write(f"{model.ACD}: {error}")
        self._configuration = configuration
        self.files = LogFiles.of(self.root, configuration)
        self.files.prepare()
        self.subsystems.watch_user_events(configuration)

    async def _watch(self) -> None:
        """While services are down: follow the object classes, and stay in touch with Group Services.

        While they are up: see whether ctrmc is.
        """
        while True:
            await asyncio.sleep(CONFIGURATION_POLL)
            if self.core.in_group:
                self._look_at_rmc()
                continue
            if self.classes.changed():
                self.reload()
            if self.core.configuration is not None:
                await self.group_services.connect()

    def _look_at_rmc(self) -> None:
        try:
            sockets.connect(self.root.path(RMC_SOCKET), socket.SOCK_STREAM, 0.1).close()
        except OSError:
            self.pump.feed(ResourceMonitoring(reachable=False))
        else:
            self.pump.feed(ResourceMonitoring(reachable=True))

    async def _keep_schedules(self) -> None:
        """Say when a delayed fallback timer is due, and measure what dynamic node priority policies need."""
        measured_at = -math.inf
        since = datetime.now()
        while True:
            await asyncio.sleep(SCHEDULE_POLL)
            configuration, now = self._configuration, datetime.now()
            if configuration is not None and self.core.services:
                for timer in configuration.timers:
                    due = timer.next_after(since)
                    if due is not None and due <= now:
                        self.pump.feed(FallbackTimerDue(timer.name))
                interval = self.scale.schedule(node_priority.MEASURE_INTERVAL) / SECOND
                if node_priority.measures(configuration) and time.monotonic() - measured_at >= interval:
                    measured_at = time.monotonic()
                    self.pump.feed(Measured(await measure(self.root, configuration, self._real_path)))
            since = now

    # Group Services.

    async def _find_group_services(self) -> None:
        if not await self.group_services.connect_within(WAIT_FOR_GROUP_SERVICES):
            # Status 0, because an abnormal end halts the node, and no service of the cluster ran here.
            await self._server.close()
            reason = "RSCT Group Services (cthags) cannot be reached: clstrmgrES cannot run without it"
            raise CannotStart(reason, status=0)

    def _check_node(self, number: int) -> None:
        if self._configuration is not None and number != self.core.node_id:
            self.log.write(f"Group Services calls this node {number}, the cluster configuration {self.core.node_id}")

    # Effects.

    def _execute(self, effect: Effect) -> None:
        match effect:
            case Send(request):
                self.group_services.send(request)
            case RunScript():
                self._run_script(effect)
            case AnswerJob(run_number, assignments):
                self.runner.answer(run_number, assignments)
            case RunMonitor() | RunMethod():
                self._run_method(effect)
            case SignalMonitor(run_number, signal_number):
                self.methods.signal(run_number, signal_number)
            case WatchProcesses(run_number, names, owner):
                self.methods.watch(run_number, names, owner)
            case UnwatchProcesses(run_number):
                self.methods.unwatch(run_number)
            case Answer(request_number, what):
                tell = self._requests.get(request_number)
                if tell is not None:
                    tell(what)
                if isinstance(what, messages.Done):
                    self._requests.pop(request_number, None)
            case Log(text, notice):
                if notice:
                    self._notice(text)
                else:
                    self.log.write(text)
            case Preamble(sentences):
                self.files.append(preamble(sentences))
            case EventMark():
                self.publication.mark(effect)
            case MonitorRecord():
                self.publication.record(effect)
            case ReadStaged():
                self._read_staged()
            case ReconfigurationEnded():
                shutil.rmtree(self.root.path(model.SCD), ignore_errors=True)
            case Reconfigured(configuration):
                self._reconfigured(configuration)
            case Subsystems(start, clinfo):
                self.subsystems.change(start, clinfo, self._configuration)
            case Store(serial):
                self._write_serial(serial)
            case Publish():
                self.publication.publish()
            case Exit(status, _, action):
                if action:
                    self.spawn(self._give_way(status, action))
                else:
                    self._exit(status)

    def _run_script(self, effect: RunScript) -> None:
        if not self.runner.busy:
            self.files.cycle()
        command = effect.command.split()
        name = command[0].rsplit("/", 1)[-1] if command[0].startswith(EVENTS) else command[0]
        words = ["clcallev", name, *command[1:], *effect.arguments]
        self.runner.start(effect.run, words, self._script_environment(effect.environment), self.files.hacmp_out)

    def _script_environment(self, variables: tuple[tuple[str, str], ...]) -> dict[str, str]:
        return script_environment(self.root, self._configuration, self.files, variables, self._level())

    def _run_method(self, effect: RunMonitor | RunMethod) -> None:
        environment = {**os.environ, "LOCALNODENAME": self.identity.node, "MONITOR": effect.monitor}
        resource = self._configuration.user_resource(effect.monitor) if self._configuration is not None else None
        if resource is not None:
            environment.update(resource.environment)
        log = f"{os.path.dirname(self.files.hacmp_out)}/clappmond.{effect.monitor}.{effect.group}.log"
        if isinstance(effect, RunMonitor):
            self.methods.start(effect.run, effect.command, (), environment, log)
        else:
            self.methods.start(None, effect.command, effect.arguments, environment, log)

    def _group_of(self, application: str) -> str:
        groups = self._configuration.groups if self._configuration is not None else ()
        return next((group.name for group in groups if application in group.resource("APPLICATIONS")), "")

    def _from_script(self, value: Input) -> None:
        if isinstance(value, ResourceUpdated):
            self.publication.note(value)
        self.pump.feed(value)

    async def _give_way(self, status: int, action: str) -> None:
        """The other side of a merge stays: the action plan ends this node. Where that fails clexit.rc halts it."""
        try:
            process = await asyncio.create_subprocess_exec(
                self.root.path(MERGE_ACTION), action, env=self._script_environment(()),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            await asyncio.wait_for(process.wait(), MERGE_PATIENCE)
        except (OSError, TimeoutError) as error:
            self.log.write(f"{MERGE_ACTION}: {error or 'takes too long'}")
        self._exit(status)

    def _exit(self, status: int) -> None:
        if self._src_stop and status:
            self._clexit()
        self.end(status)

    def _notice(self, text: str) -> None:
        self.log.write(text)
        self.files.notice(self.identity.node, text)

    def _clexit(self) -> None:
        self._notice("HACMP: clstrmgrES: SRC stop was called and exit code is non-zero. Call clexit.rc directly.")
        try:
            subprocess.Popen(
                [self.root.path(CLEXIT), "clstrmgrES", "cluster"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self.log.write(f"{CLEXIT}: {error.strerror}")

    # The event serial number.

    def _read_serial(self) -> int:
        try:
            return int(SlotFile(self._path(SERIAL_FILE)).read() or 0)
        except (OSError, ValueError):
            return 0

    def _write_serial(self, serial: int) -> None:
        try:
            SlotFile(self._path(SERIAL_FILE)).write(f"{serial}\n".encode())
        except OSError as error:
            self.log.write(f"{SERIAL_FILE}: {error.strerror}")

    # Clients.

    async def _serve(self, connection: Connection) -> None:
        try:
            while True:
                await self._one_request(connection, await connection.receive())
                await connection.drain()
        finally:
            self.publication.unwatch(connection)

    def _remote_fault(self, fault: RemoteFault) -> None:
        self.log.write(f"a client sent rubbish ({self._server.faults} so far): {fault}")

    async def _one_request(self, connection: Connection, request: messages.Request) -> None:
        match request:
            case messages.QueryState():
                connection.send(self.publication.picture())
            case messages.WatchState():
                self.publication.watch(connection)
            case messages.Reconfigure() if self.core.in_group:
                self._read_staged()
                await self._operator(connection, request)
            case messages.Reconfigure() | messages.ReloadConfiguration():
                if self.core.starting:
                    await self._follow_synchronization()
                else:
                    self.reload()
                connection.send(messages.Done())
            case messages.SystemEvent():
                news = self.core.is_news(request)
                self.pump.feed(Reported(request))
                connection.send(messages.Done() if news else messages.Done("already"))
            case messages.NextJob():
                connection.send(messages.Job(self._job()))
            case messages.ResourceUpdate("suspend_appmon" | "resume_appmon" as state, resource, _, group):
                kind = messages.SuspendMonitoring if state == "suspend_appmon" else messages.ResumeMonitoring
                await self._operator(connection, kind(group or self._group_of(resource), resource))
            case messages.ResourceUpdate(state, resource, script, group):
                if self.core.scripts:
                    self._from_script(ResourceUpdated(self.core.scripts[0].run, state, resource, group, script))
                connection.send(messages.Done())
            case messages.StartServices():
                await self._start_services(connection, request)
            case _:
                await self._operator(connection, request)

    def _job(self) -> str:
        script = self.core.scripts[0] if self.core.scripts else None
        if script is None or script.jobs is None:
            return "JOB_TYPE=NONE"
        return script.jobs.next()

    async def _start_services(self, connection: Connection, request: messages.StartServices) -> None:
        if not self.core.in_group and self.core.joining is None:
            # A node that missed a synchronization is brought in step before it acts.
            if complaint := await asyncio.to_thread(clconfd.bring_in_step, self.root):
                self.log.write(f"the configuration may be an old one: {complaint}")
                if clconfd.half_installed(self.root):
                    text = f"The configuration of this node is half installed and cannot be repaired: {complaint}"
                    connection.send(messages.Done("failed", text))
                    return
            self.reload()
            if self.core.configuration is not None:
                directory = await asyncio.to_thread(clconfd.classes_to_start, self.root)
                if directory != model.DCD:
                    self.log.write("the configuration has changes that were not synchronized: they do not count yet")
                try:
                    self._activate(directory)
                except OSError as error:
                    connection.send(messages.Done("failed", f"The active configuration: {error.strerror}."))
                    return
                if not await self.group_services.connect_within(WAIT_AT_START):
                    connection.send(messages.Done("cthags", "RSCT Group Services (cthags) cannot be reached."))
                    return
        if not self.core.services and self.core.joining is None:
            await self._survey()
        await self._operator(connection, request)

    async def _survey(self) -> None:
        """What failed or was mended while services were stopped made no event: clevmgrdES runs with them only.

        Its own look at everything comes too late: a node that is up must not join with an interface that was down.
        """
        from daemons.caa import client as caa

        try:
            status = await asyncio.wait_for(caa.current_status(self.root), SURVEY_PATIENCE)
        except (OSError, Closed, RemoteFault, TimeoutError):
            return
        if status.membership is None:
            return
        for interface in status.interfaces:
            report = messages.SystemEvent("interface_up" if interface.up else "interface_down", interface.address)
            self.pump.feed(Reported(report))
        for disk in self.core.lost_repositories if status.membership.repository_up else ():
            self.pump.feed(Reported(messages.SystemEvent("repository_back", disk)))

    async def _operator(self, connection: Connection, request: messages.Request) -> None:
        self._request += 1
        number = self._request
        done: asyncio.Future[messages.Done] = asyncio.get_running_loop().create_future()

        def tell(answer: messages.Answer) -> None:
            if isinstance(answer, messages.Done):
                if not done.done():
                    done.set_result(answer)
            else:
                connection.send(answer)

        self._requests[number] = tell
        self.pump.feed(Asked(number, request))  # type: ignore[arg-type]
        result = await done
        # Whoever asked finds the subsystems that go with cluster services started or stopped.
        await self.subsystems.settled()
        connection.send(messages.Done(result.error, result.message, self.publication.picture()))

    # SRC.

    async def stop(self, forced: bool) -> int:
        """``stopsrc``: cluster services stop first, with groups offline, or as they are if the stop is forced."""
        self._src_stop = True
        if self.core.services:
            ended: asyncio.Future[messages.Done] = asyncio.get_running_loop().create_future()

            def tell(answer: messages.Answer) -> None:
                if isinstance(answer, messages.Done) and not ended.done():
                    ended.set_result(answer)

            self._request += 1
            self._requests[self._request] = tell
            mode = messages.StopServices("unmanage" if forced else "offline", caller="stopsrc")
            self.pump.feed(Asked(self._request, mode))
            try:
                result = await asyncio.wait_for(ended, STOP_PATIENCE)
            except TimeoutError:
                result = messages.Done("failed", "cluster services did not stop in time")
            if result.error:
                self.log.write(f"stop: {result.message}")
                self._notice(f"die: clstrmgr on node {self.core.node_id} is exiting with code {EXIT_CODE}")
                self._clexit()
                return EXIT_CODE
            with contextlib.suppress(TimeoutError):  # what runs with services only ends with them
                await asyncio.wait_for(self.subsystems.settled(), STOP_PATIENCE)
        self.pump.close()
        self.runner.forget()
        self.methods.forget()
        configuration = self._configuration if self.core.in_group else None
        await self.group_services.quit(group_name(configuration.cluster.id) if configuration is not None else "")
        await self._server.close()
        return 0

    async def refresh(self) -> str | None:
        """Read rules, recovery programs and configuration again."""
        self.classes.read_programs()
        if self.core.in_group:
            self._use(self._configuration)
        elif self.core.starting:
            self.spawn(self._follow_synchronization())
        else:
            self.reload()
        return None

    async def _follow_synchronization(self) -> None:
        """A start is under way, and its script may take long: what is synchronized meanwhile counts, no edits."""
        directory = await asyncio.to_thread(clconfd.classes_to_start, self.root)
        if not self.core.starting:
            return
        try:
            self._activate(directory)
        except OSError as error:
            self.log.write(f"the active configuration: {error.strerror}")

    def long_status(self) -> str:
        """``lssrc -ls clstrmgrES``."""
        return long_status(self.core, self._level())

    def _level(self) -> str:
        """The level of the installed server fileset, as halevel prints it."""
        if not self._installed:
            from srcctl.node.commands.software import SERVER, installed

            try:
                self._installed = next((f.level for f in installed(self.root) if f.name == SERVER), "")
            except OdmError as error:
                self.log.write(f"{SERVER}: {error}")
        return self._installed or "7.2.7.0"


def main(argv: list[str]) -> int:
    """The process entry."""
    # What a script starts (an application) belongs to a resource group; it outlives the cluster manager.
    outlived_by_children()
    return run(ClusterManagerDaemon, argv)
