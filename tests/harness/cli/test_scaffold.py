"""A new plugin package installs, is registered, and keeps every law."""

from __future__ import annotations

import shutil
import tomllib

import pytest

from selbench.harness.cli import scaffold as starting
from selbench.harness.cli.scaffold import new_strategy
from selbench.harness.plan.matrix import narrowed, read
from selbench.strategies import UsageError
from selbench.strategies.registry import registry


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return new_strategy("my-own-rule", tmp_path_factory.mktemp("new"))


@pytest.fixture(scope="module")
def site(written, pip, tmp_path_factory):
    """Where pip installed it."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(written, folder / "source")  # a build leaves folders beside what it builds
    pip("install", "--target", folder / "site", folder / "source")
    return folder / "site"


def test_it_holds_what_a_package_needs(written):
    files = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert files == {"pyproject.toml", "my_own_rule.py", "tests/test_my_own_rule.py", "tox.ini", "README.md"}
    points = tomllib.loads((written / "pyproject.toml").read_text())["project"]["entry-points"]
    assert points == {"selbench.strategies": {"my-own-rule": "my_own_rule:MyOwnRule"}}


def test_its_own_tests_pass_where_it_is_installed(written, site, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(site))
    code = pytest.main(["-q", "-p", "no:cacheprovider", f"--rootdir={written}", str(written / "tests")])
    said = capsys.readouterr().out
    assert code == 0 and "passed" in said, said


def test_it_is_registered_and_joins_the_shipped_matrix(site, written, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    assert "my-own-rule" in registry("strategies").found()
    (line,) = [line for line in (written / "tox.ini").read_text().splitlines() if "selbench run" in line]
    words = line.split()
    changes = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    asked = narrowed(read("quick", changes, None), ["my-own-rule"], 1)
    assert [entry.name for entry in asked.strategies] == ["my-own-rule"]


class Installed:
    """A distribution that says where it was installed from."""

    def __init__(self, said):
        self.said = said

    def read_text(self, name):
        return self.said if name == "direct_url.json" else None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, "selbench"),
        ('{"url": "https://example.org/selbench.git", "vcs_info": {}}', "selbench"),
        ('{"url": "file:///nowhere/to/be/found"}', "selbench"),
        ('{"url": "file://HERE", "dir_info": {"editable": true}}', "HERE"),
    ],
)
def test_its_environments_install_the_suite_from_where_this_one_came(said, expected, tmp_path, monkeypatch):
    here = tmp_path / "a checkout"
    here.mkdir()
    said = said and said.replace("HERE", here.as_posix().replace(" ", "%20"))
    monkeypatch.setattr(starting, "distribution", lambda name: Installed(said))
    ini = (new_strategy("another-rule", tmp_path) / "tox.ini").read_text()
    assert f"deps = {{env:SELBENCH:{expected.replace('HERE', str(here))}}}\n" in ini


@pytest.mark.parametrize("name", ["My-Rule", "my rule", "../rule", "1st", "class", ""])
def test_a_name_that_no_package_can_have_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match="cannot name a package"):
        new_strategy(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_or_folder_that_is_taken_is_refused(written, tmp_path):
    with pytest.raises(UsageError, match="registered already"):
        new_strategy("gstds", tmp_path)
    with pytest.raises(UsageError, match="exists"):
        new_strategy("my-own-rule", written.parent)
