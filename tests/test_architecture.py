"""The arrows between the folders, and calls that would break pairing or safety: read from the syntax trees."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("strategies", "harness", "reports", "benchmarks")
FILES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if not path.name.startswith("bench_")
)
MAY_IMPORT = {
    "strategies": {"strategies"},
    "harness": {"harness", "strategies"},
    "reports": {"reports"},
    "benchmarks": {"benchmarks", "reports"},  # the calibration draws samples for the statistics
}
ENDS_A_RUN = {"harness/cli/commands.py"}
"""The only file of the harness that may ask for a report: a run ends with one."""

LONGEST = 400
FORBIDDEN = {
    "torch.manual_seed": "draw from a stream of its own (harness/streams.py)",
    "torch.seed": "draw from a stream of its own (harness/streams.py)",
    "torch.cuda.manual_seed": "draw from a stream of its own (harness/streams.py)",
    "torch.cuda.manual_seed_all": "draw from a stream of its own (harness/streams.py)",
    "numpy.random.seed": "draw from a stream of its own (harness/streams.py)",
    "random.seed": "draw from a stream of its own (harness/streams.py)",
    "pickle": "files may come from strangers: safetensors or JSON",
    "cPickle": "files may come from strangers: safetensors or JSON",
    "marshal": "files may come from strangers: safetensors or JSON",
    "shelve": "files may come from strangers: safetensors or JSON",
    "joblib": "it unpickles: safetensors or JSON",
    "torch.save": "it pickles: safetensors or JSON",
}


def name_of(path: Path) -> str:
    """``harness/cli/commands.py`` for a file of the package."""
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST, path: Path) -> Iterator[str]:
    """Dotted names that a file imports; relative ones are resolved to ``selbench.…``."""
    package = ["selbench", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (base, node.module) if part)
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def forbidden(tree: ast.AST) -> Iterator[str]:
    """One line for each forbidden call or import, whatever names it was imported under."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(
                {a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names}
            )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    for name in names.values():
        for banned, mend in FORBIDDEN.items():
            if name == banned or name.startswith(banned + "."):
                yield f"imports {name}: {mend}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        head, _, rest = ast.unparse(node.func).partition(".")
        called = ".".join(part for part in (names.get(head, head), rest) if part)
        if called in FORBIDDEN:
            yield f"line {node.lineno} calls {called}: {FORBIDDEN[called]}"
        safe = any(k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in node.keywords)
        if called == "torch.load" and not safe:
            yield f"line {node.lineno} calls torch.load without weights_only=True"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_dependencies_point_one_way(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    allowed = MAY_IMPORT[folder] | ({"reports"} if name_of(path) in ENDS_A_RUN else set())
    for name in imports(ast.parse(path.read_text(encoding="utf-8")), path):
        parts = name.split(".")
        assert parts[0] not in FOLDERS, f"{name} loads the module a second time: import it relatively"
        if parts[0] == "selbench":
            records = folder == "harness" and name.startswith("selbench.reports.records.")
            cut = name.startswith("selbench.harness.training.") and folder == "reports"
            assert parts[1] in allowed | {"__version__"} or records or cut, f"{folder} may not import {name}"
        if folder == "strategies":
            known = parts[0] in {"torch", "selbench"} | set(sys.stdlib_module_names)
            assert known, f"strategies use torch and the standard library alone, not {parts[0]}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_seeds_the_global_generators_or_unpickles(path: Path) -> None:
    assert not list(forbidden(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.manual_seed(1)",
        "import torch as t\nt.cuda.manual_seed_all(1)",
        "from torch import manual_seed as seed\nseed(1)",
        "import numpy as np\nnp.random.seed(0)",
        "from numpy import random\nrandom.seed(0)",
        "import random\nrandom.seed(0)",
        "import pickle",
        "from pickle import loads",
        "from torch import load\nload('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "import torch\ntorch.save({}, 'x')",
    ],
)
def test_the_search_finds_what_it_forbids(code: str) -> None:
    assert list(forbidden(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.Generator().manual_seed(1)",
        "import torch\ntorch.load('x', weights_only=True)",
        "import random\nrandom.Random(3).random()",
    ],
)
def test_the_search_passes_what_is_allowed(code: str) -> None:
    assert not list(forbidden(ast.parse(code)))


def test_relative_imports_are_resolved() -> None:
    tree = ast.parse("from ..strategies import load\nfrom .streams import x\nfrom . import y\nfrom ... import z")
    assert list(imports(tree, ROOT / "harness" / "datasets" / "a.py")) == [
        "selbench.harness.strategies.load",
        "selbench.harness.datasets.streams.x",
        "selbench.harness.datasets.y",
        "selbench.z",
    ]
