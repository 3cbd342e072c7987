"""The digest of a plugin's code: what changes it, and what does not."""

from __future__ import annotations

import importlib
import sys

import pytest

from selbench.harness import code
from selbench.strategies.registry import registry

RULE = '"""A rule."""\nfrom .helpers import factor\n\nclass Rule:\n    """Text."""\n    value = factor(2)\n'
HELPERS = "import math\n\ndef factor(x):\n    # doubles\n    return 2 * x\n"


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """The digest of the code of ``mine.rule`` after a change of one of its files."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    package = tmp_path / "mine"
    package.mkdir()
    files = {"__init__.py": "", "rule.py": RULE, "helpers.py": HELPERS, "unused.py": "x = 1\n"}

    def after(**changes):
        for name, text in (files | {f"{key}.py": value for key, value in changes.items()}).items():
            (package / name).write_text(text)
        for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        for cached in (code._digest, code._read, code._installed):
            cached.cache_clear()
        importlib.import_module("mine.rule")
        return code._digest("mine.rule")

    return after


def test_only_what_the_code_does_counts(digest):
    first = digest()
    assert digest(rule=RULE.replace("A rule.", "Another text.").replace("Text.", "More.")) == first
    assert digest(helpers=HELPERS.replace("# doubles", "# twice")) == first
    assert digest(unused="x = 2\n") == first
    assert digest(rule=RULE.replace("factor(2)", "factor(3)")) != first
    assert digest(helpers=HELPERS.replace("2 * x", "3 * x")) != first, "a module that it imports"


def test_every_registered_name_has_a_digest_of_its_own_code():
    loss, gstds = (code.code_of("strategies", name) for name in ("loss", "gstds"))
    assert loss != gstds and len(loss) == 16
    assert code.code_of("learners", "resnet18") == code.code_of("learners", "resnet18")
    assert registry("schedules").singular == "schedule" and code.code_of("schedules", "sigmoid")
