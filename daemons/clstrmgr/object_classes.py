"""The configuration and the recovery programs as this node's files have them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Final

from daemons.clstrmgr.recovery_program import Program, ProgramFault
from daemons.clstrmgr.recovery_program import parse as parse_program
from daemons.clstrmgr.rules import RulesFault
from daemons.clstrmgr.rules import parse as parse_rules
from daemons.cluster import configuration as model
from daemons.cluster.configuration import Configuration, ConfigurationFault
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository
from srcctl.odm.directories import replace_directory

EVENTS: Final = "/usr/es/sbin/cluster/events"


class ObjectClasses:
    """What the cluster manager reads of the node.

    Args:
        root, node: this node.
        real_path: where an administrator's file really lies.
        log: takes a line for clstrmgr.debug: what cannot be read is said there, and left out.
    """

    def __init__(self, root: NodeRoot, node: str, real_path: Callable[[str], str], log: Callable[[str], None]) -> None:
        self._root = root
        self._node = node
        self._real_path = real_path
        self._log = log
        self._stamp: object = None
        self._programs: dict[str, Program] = {}
        self.read_programs()

    # Recovery programs.

    def read_programs(self) -> None:
        """Read rules.hacmprd and the recovery programs that it names."""
        self._programs = {}
        try:
            with open(self._root.path(f"{EVENTS}/rules.hacmprd"), encoding="utf-8") as file:
                rules = parse_rules(file.read())
        except (OSError, UnicodeDecodeError, RulesFault) as fault:
            self._log(f"rules.hacmprd: {fault}")
            return
        for name, rule in rules.items():
            self._read_program(self._programs, name, rule.program)

    def programs_of(self, configuration: Configuration | None) -> dict[str, Program]:
        """The product's recovery programs and those of a configuration's user-defined events."""
        programs = dict(self._programs)
        for event in configuration.user_events if configuration is not None else ():
            self._read_program(programs, event.name, event.program)
        return programs

    def _read_program(self, programs: dict[str, Program], name: str, path: str) -> None:
        try:
            with open(self._real_path(path), encoding="utf-8") as file:
                programs[name] = parse_program(path, file.read())
        except (OSError, UnicodeDecodeError, ProgramFault) as fault:
            self._log(f"{name}: {fault}")

    # Object classes.

    def load(self, directory: str) -> Configuration | None:
        """The configuration of a directory; None if there is none that this node can use."""
        try:
            loaded = model.load(Repository(self._root, directory))
        except (ConfigurationFault, OdmError, OSError) as fault:
            self._log(f"the configuration in {directory} cannot be used: {fault}")
            return None
        own = loaded.node(self._node) if loaded is not None else None
        # A node gets its id by synchronization; before that nothing can be started.
        return loaded if own is not None and own.id > 0 else None

    def note(self) -> None:
        """Remember how the default object classes look now."""
        self._stamp = self._stamp_of(model.DCD)

    def changed(self) -> bool:
        """Do the default object classes look different from when they were noted?"""
        return self._stamp != self._stamp_of(model.DCD)

    def activate(self, source: str) -> None:
        """Copy a directory's object classes to the active directory, which changes in one step.

        Raises:
            OSError: the active directory cannot be written.
        """
        active = self._root.path(model.ACD)
        fresh = f"{active}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        os.makedirs(fresh)
        for name in model.CLASSES:
            try:
                shutil.copy2(f"{self._root.path(source)}/{name}", f"{fresh}/{name}")
            except FileNotFoundError:
                continue
        replace_directory(fresh, active)
        self.note()

    def _stamp_of(self, directory: str) -> object:
        stamps = []
        for name in model.CLASSES:
            try:
                info = os.stat(f"{self._root.path(directory)}/{name}")
                stamps.append((info.st_mtime_ns, info.st_ino, info.st_size))
            except OSError:
                stamps.append((0, 0, 0))
        return stamps
