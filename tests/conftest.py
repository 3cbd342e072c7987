"""Fixtures shared by the suite."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

QUIET = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture]
EASY: dict[str, Any] = {"deadline": None, "suppress_health_check": QUIET}
hypothesis.settings.register_profile("suite", derandomize=True, database=None, max_examples=40, **EASY)
hypothesis.settings.register_profile("search", max_examples=1000, **EASY)
hypothesis.settings.load_profile("suite")
"""The suite draws the same examples on every machine and sets no time for one, since a busy machine is no fault;
``pytest --hypothesis-profile search`` looks for new ones."""

CHECKOUT = Path(__file__).parent.parent


def pytest_configure() -> None:
    """Hear Ctrl-C, as the tests of stopping must, even where the suite is a shell's background job.

    Such a job starts with SIGINT ignored, and so would the runs that tests start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


LONG = (
    "test_laws.py", "test_gallery.py", "test_tox.py", "test_scale.py", "test_browser.py", "test_build.py",
    "test_suites.py", "test_resume.py", "test_run.py", "test_stopping.py", "test_tuned_run.py", "test_equal_cost.py",
    "test_fuzz_records.py", "test_kills.py", "test_sharing.py", "test_pretended_cuda.py", "test_device_check.py",
    "test_calibration.py", "test_command.py", "test_verify.py", "test_packaging.py",
)  # fmt: skip
"""Files that take longest, begun first, so that none is left alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first. Worker processes take files in this order (``--no-loadscope-reorder``)."""
    rank = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONG)))


@pytest.fixture(scope="session")
def pip() -> Callable[..., None]:
    """Run pip offline, without build isolation and without dependencies: ``pip("install", ...)``."""

    def run(*arguments: object) -> None:
        flags = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
        command = [sys.executable, "-m", "pip", *map(str, arguments), *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory, pip: Callable[..., None]) -> Path:
    """Where pip installed ``selbench-tests-plugin``, once for all workers of xdist; not on any path yet."""
    from selbench.harness.store.locks import locked

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "plugin"
    folder.mkdir(exist_ok=True)
    with locked(folder):
        if not (folder / "site").exists():
            source = folder / "source"  # a copy, since a build leaves folders beside what it builds
            shutil.rmtree(source, ignore_errors=True)
            shutil.copytree(CHECKOUT / "tests" / "plugin", source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
            pip("install", "--target", folder / "draft", source)
            (folder / "draft").rename(folder / "site")
    return folder / "site"


@pytest.fixture
def installed_plugin(plugin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``selbench-tests-plugin`` on the path of this process and of those it starts.

    It offers the strategies ``every-other`` (works), ``raises-in-select`` and ``broken-import``.
    """
    monkeypatch.syspath_prepend(str(plugin_folder))
    monkeypatch.setenv("PYTHONPATH", str(plugin_folder), prepend=os.pathsep)
    return plugin_folder
