"""Real labs for the scenarios: every module has its own, on its own addresses, removed whatever happens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.lab import LabUnderTest

ARTEFACTS = os.environ.get("HAES_ARTEFACTS", "")
KEPT = (
    "var/hacmp", "var/adm/ras", "var/adm/SRC", "var/ct", "var/clcomd", "dev/console", "etc/objrepos", "etc/es/objrepos",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs real processes; a module's tests share a lab, so one worker runs them."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


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
    module = _module(request)
    name = module.path.stem.removeprefix("test_")
    lab = LabUnderTest(factory.mktemp(name) / "lab")
    try:
        lab.up(*getattr(module.obj, "UP", ()), *options)
        yield lab
    except BaseException:
        module.stash[FAILED] = True
        raise
    finally:
        if ARTEFACTS and module.stash.get(FAILED, False):
            _keep(lab, Path(ARTEFACTS) / name)
        lab.destroy()


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
    """A lab with the running sample cluster. A module's ``UP`` holds further options of ``srcctl up``."""
    yield from _lab(request, tmp_path_factory)


@pytest.fixture(scope="module")
def bare_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A lab whose nodes are on, without a cluster."""
    yield from _lab(request, tmp_path_factory, "--bare")
