"""Real labs for the scenarios: a module has its own in each mode, on its own addresses, removed whatever happens."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from srcctl.node import view
from tests.end_to_end.lab import LabUnderTest

ARTEFACTS = os.environ.get("HAES_ARTEFACTS", "")
KEPT = (
    "var/hacmp", "var/adm/ras", "var/adm/SRC", "var/ct", "var/clcomd", "dev/console", "etc/objrepos", "etc/es/objrepos",
)  # fmt: skip


MODES = ("view", "folder")
BOTH_MODES = os.environ.get("HAES_BOTH_MODES", "") != ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What runs on a lab runs in both modes.

    A module with ``ANY_MODE`` is about what nodes say to each other, whatever they stand on: it runs in view mode where
    that is possible, else in folder mode; in both run those of its tests that are marked ``both_modes``, or all with
    HAES_BOTH_MODES set.
    """
    everywhere = BOTH_MODES or metafunc.definition.get_closest_marker("both_modes") is not None
    modes = MODES if everywhere or not getattr(metafunc.module, "ANY_MODE", False) else (_preferred_mode(),)
    for name in ("lab", "bare_lab"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, modes, indirect=True, scope="module")
            return


@functools.cache
def _preferred_mode() -> str:
    """View mode, where a node is most like AIX, if this host has it."""
    with tempfile.TemporaryDirectory() as directory:
        return "folder" if _without_view(directory) else "view"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs real processes; tests that share a lab are run by one worker.

    First, because pytest-xdist looks for the groups in this hook, too.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{_mode(item)}"))


def _mode(item: pytest.Item) -> str:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return str(parameters.get("lab", parameters.get("bare_lab", "")))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember on the module whether one of its tests failed."""
    outcome = yield
    if outcome.get_result().failed:  # type: ignore[attr-defined]
        module = item.getparent(pytest.Module)
        if module is not None:
            module.stash[FAILED] = True


FAILED = pytest.StashKey[bool]()


def _module(request: pytest.FixtureRequest) -> pytest.Module:
    module = request.node.getparent(pytest.Module)
    assert isinstance(module, pytest.Module)
    return module


def _lab(request: pytest.FixtureRequest, factory: pytest.TempPathFactory, *options: str) -> Iterator[LabUnderTest]:
    module, mode = _module(request), request.param
    name = f"{module.path.stem.removeprefix('test_')}-{mode}"
    directory = factory.mktemp(name)
    if mode == "view" and (why := _without_view(str(directory))):
        pytest.skip(f"view mode is not possible here: {why}")
    lab = LabUnderTest(directory / "lab")
    try:
        lab.up("--mode", mode, *getattr(module.module, "OPTIONS", ()), *options)
        yield lab
    except BaseException:
        module.stash[FAILED] = True
        raise
    finally:
        if ARTEFACTS and module.stash.get(FAILED, False):
            _keep(lab, Path(ARTEFACTS) / name)
        lab.destroy()


@functools.cache
def _without_view(directory: str) -> str:
    """Why this host has no view mode; "" if it has."""
    possible, reason = view.probe(directory)
    return "" if possible == "view" else reason


def _keep(lab: LabUnderTest, target: Path) -> None:
    for node in lab.nodes():
        for name in KEPT:
            source = lab.directory / "nodes" / node / "root" / name
            try:
                if source.is_dir():
                    shutil.copytree(
                        source, target / node / name, dirs_exist_ok=True, ignore_dangling_symlinks=True,
                        ignore=lambda folder, names: [n for n in names if not (Path(folder) / n).is_file()
                                                      and not (Path(folder) / n).is_dir()],
                    )  # fmt: skip
                elif source.is_file():
                    (target / node / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target / node / name)
            except (OSError, shutil.Error):
                continue


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A lab with the running sample cluster."""
    yield from _lab(request, tmp_path_factory)


@pytest.fixture(scope="module")
def bare_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A lab whose nodes are on, without a cluster."""
    yield from _lab(request, tmp_path_factory, "--bare")
