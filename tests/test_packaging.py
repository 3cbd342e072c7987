"""What is declared in pyproject.toml is what lies in the folders, and what users get from the wheel."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FOLDERS = ("strategies", "harness", "reports")
DATA = ("matrices", "claims", "published", "scale")
"""Folders of benchmarks/ that ship; the suites beside them do not."""

CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = CONFIG["project"]
TARGETS = {
    f"{group.removeprefix('selbench.')}: {name}": target
    for group, names in PROJECT["entry-points"].items()
    for name, target in names.items()
}


def module_files() -> set[str]:
    """Python files of the package, as paths inside it."""
    files = {"__init__.py", "__main__.py"}
    for folder in FOLDERS:
        files |= {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
    return files


def data_files() -> set[str]:
    """Every other file of the package: matrices, claims, published figures, templates, markers."""
    kept = {path.relative_to(ROOT).as_posix() for name in DATA for path in (ROOT / "benchmarks" / name).glob("*.toml")}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and path.suffix not in (".py", ".pyc") and not name.startswith("reports/published/"):
                kept.add(name)
    return kept


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel. The source is copied first: a build/ left in the checkout would leak into it."""
    folder = tmp_path_factory.mktemp("wheel")
    skip = shutil.ignore_patterns(".*", "build", "dist", "results", "scratch", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "source", ignore=skip)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"  # as pip calls it
    subprocess.run([sys.executable, "-c", build, folder], cwd=folder / "source", capture_output=True, check=True)
    (path,) = folder.glob("selbench-*.whl")
    return path


def test_every_folder_that_ships_is_a_declared_package() -> None:
    folders = {Path(name).parent.as_posix() for name in module_files()} - {"."}
    folders |= {f"benchmarks/{name}" for name in DATA if any((ROOT / "benchmarks" / name).glob("*.toml"))}
    assert sorted(CONFIG["tool"]["setuptools"]["packages"]) == sorted(
        "selbench." + folder.replace("/", ".") for folder in folders
    )


def test_every_package_of_code_has_an_init_file_and_benchmarks_none() -> None:
    for package in CONFIG["tool"]["setuptools"]["packages"]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        # pytest would name the suites after the checkout's folder if one lay beside them.
        assert (folder / "__init__.py").is_file() != package.startswith("selbench.benchmarks"), folder
    assert not list((ROOT / "benchmarks").rglob("__init__.py"))


def test_every_top_folder_says_that_it_is_typed() -> None:
    assert all((ROOT / folder / "py.typed").is_file() for folder in FOLDERS)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert sorted(names) == sorted(f"selbench/{name}" for name in module_files() | data_files())


def test_the_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")  # what installing pure Python is, but for compiling all of it
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import selbench; from importlib.resources import files\n"
        "from selbench.strategies.registry import registry\n"
        "print(selbench.__file__)\n"
        "print(*(path.name for path in (files('selbench') / 'benchmarks' / 'matrices').iterdir()))\n"
        "print(*registry('strategies').found())\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path / "site")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    where, matrices, strategies = done.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert set(matrices.split()) == {path.name for path in (ROOT / "benchmarks" / "matrices").glob("*.toml")}
    assert set(strategies.split()) == set(PROJECT["entry-points"]["selbench.strategies"])


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_every_entry_point_leads_to_a_class(target: str) -> None:
    module, _, attribute = target.partition(":")
    assert isinstance(getattr(importlib.import_module(module), attribute), type)


def test_the_installed_entry_points_are_those_of_the_checkout() -> None:
    stale = "the installed metadata is out of date: install the checkout again (CONTRIBUTING.md)"
    for group, names in PROJECT["entry-points"].items():
        found = {point.name: point.value for point in entry_points(group=group) if point.dist.name == "selbench"}
        assert found == names, stale


def test_constraints_pin_every_direct_dependency_within_its_bounds() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    pins = {}
    for line in lines[1:]:
        name, version = re.fullmatch(r"([a-z0-9-]+)==([0-9.]+)", line).groups()
        pins[name] = version
    extras = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    direct = [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]
    assert set(pins) == {canonicalize_name(requirement.name) for requirement in direct}
    for requirement in direct:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), str(requirement)


def test_every_lower_bound_is_stated() -> None:
    for line in PROJECT["dependencies"]:
        assert [bound.operator for bound in Requirement(line).specifier] == [">="], line


def test_continuous_integration_calls_the_command_of_the_readme() -> None:
    command = "tox run -e tests"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
