"""The arrows between the folders, and calls that would break pairing or safety: read from the syntax trees."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("strategies", "harness", "reports", "benchmarks")
EVERY_FILE = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
FILES = [path for path in EVERY_FILE if not path.name.startswith("bench_")]
GROUND = "harness strategies"
MAY_IMPORT = {
    "strategies": "",
    "strategies.maths": "strategies",
    "strategies.rules": "strategies strategies.maths",
    "strategies.testing": "strategies",
    "harness": "strategies",
    "harness.store": f"{GROUND} reports.records",
    "harness.steps": GROUND,
    "harness.datasets": f"{GROUND} harness.steps harness.store",
    "harness.datasets.sets": f"{GROUND} harness.datasets harness.store",
    "harness.references": f"{GROUND} harness.datasets harness.datasets.sets harness.store",
    "harness.training": (
        f"{GROUND} strategies.maths strategies.rules harness.datasets harness.references harness.steps harness.store "
        "reports.records"
    ),
    "harness.plan": (
        f"{GROUND} strategies.rules harness.datasets harness.references harness.steps harness.store harness.training "
        "reports.records"
    ),
    "harness.tasks.measures": (f"{GROUND} harness.datasets harness.plan harness.steps harness.store harness.training"),
    "harness.tasks": (
        f"{GROUND} strategies.rules harness.datasets harness.plan harness.references harness.steps harness.store "
        "harness.tasks.measures harness.training reports.records"
    ),
    "harness.execution.executors": f"{GROUND} harness.plan harness.store harness.tasks",
    "harness.execution": (
        f"{GROUND} harness.datasets harness.execution.executors harness.plan harness.steps harness.store "
        "harness.tasks harness.training reports.records"
    ),
    "harness.testing": (f"{GROUND} strategies.testing harness.datasets harness.references harness.training"),
    "harness.verify": f"{GROUND} reports.records",
    "harness.scale": (
        f"{GROUND} harness.datasets harness.references harness.steps harness.store harness.training reports.records"
    ),
    "harness.library": (
        f"{GROUND} strategies.rules harness.cli harness.datasets harness.execution harness.plan harness.references "
        "harness.steps harness.training reports"
    ),
    "harness.cli": (
        f"{GROUND} strategies.testing harness.execution harness.execution.executors harness.plan harness.scale "
        "harness.steps harness.store harness.tasks harness.testing harness.training "
        "harness.verify reports reports.effects reports.folders reports.questions reports.questions.claims "
        "reports.records reports.render"
    ),
    "reports": (
        "reports.document reports.document.sections reports.effects reports.figures reports.questions "
        "reports.questions.claims reports.records reports.render"
    ),
    "reports.records": "",
    "reports.statistics": "",
    "reports.document": "reports.records",
    "reports.document.sections": "reports.document reports.effects reports.figures reports.records",
    "reports.effects": "reports.document reports.records reports.statistics",
    "reports.figures": "reports.document reports.records",
    "reports.folders": "reports reports.document reports.effects reports.records reports.statistics",
    "reports.questions": "reports.document reports.effects reports.records reports.statistics",
    "reports.questions.claims": "reports.document reports.effects reports.records reports.statistics",
    "reports.render": "reports.document reports.document.sections reports.effects reports.figures reports.records",
    "benchmarks": (
        f"{GROUND} harness.cli harness.scale strategies.maths reports reports.document "
        "reports.document.sections reports.questions.claims reports.records reports.render"  # the pages of studies
    ),
    "benchmarks.device_check": (
        f"{GROUND} benchmarks strategies.testing harness.datasets harness.execution harness.plan harness.scale "
        "harness.steps harness.store harness.training harness.verify"
    ),
    "benchmarks.calibration": "benchmarks reports.effects reports.records reports.statistics",
}
"""The law: the folders that the modules of a folder may import, beside their own."""

AT_THE_TOP = {"harness": 5, "reports": 4}
"""Modules that a folder may hold itself, ``__init__`` aside."""

LONGEST = 400
FORBIDDEN = {
    "torch.manual_seed": "draw from a stream of its own (harness/streams.py)",
    "torch.seed": "draw from a stream of its own (harness/streams.py)",
    "torch.cuda.manual_seed": "draw from a stream of its own (harness/streams.py)",
    "torch.cuda.manual_seed_all": "draw from a stream of its own (harness/streams.py)",
    "numpy.random.seed": "draw from a stream of its own (harness/streams.py)",
    "random.seed": "draw from a stream of its own (harness/streams.py)",
    "torch.save": "it pickles: safetensors or JSON",
}
RUNS_ITS_INPUT = {
    "eval", "exec", "compile", "__import__",
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve",
    "yaml", "read_pickle", "copyreg", "runpy", "execfile",
}  # fmt: skip
ALLOWED = {
    ("strategies/testing/conduct.py", "eval"): "what an instance in this process prints of itself, and no file",
}


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """The calls and imports of its syntax tree."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call | ast.Import | ast.ImportFrom)]


def faults(search: Callable[[Path], Iterable[str]]) -> list[str]:
    """``harness/cli/commands.py: ...`` for each thing that a search finds in the files of the package."""
    return [f"{path.relative_to(ROOT).as_posix()}: {found}" for path in FILES for found in search(path)]


def imports(nodes: Iterable[ast.AST], path: Path) -> Iterator[str]:
    """Dotted names that a file imports; relative ones are resolved to ``selbench.…``."""
    package = ["selbench", *path.relative_to(ROOT).parent.parts]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (base, node.module) if part)
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    """``torch.cuda.seed`` as it is written; what is no name, such as a call, is "?"."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def forbidden(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """One line for each forbidden call or import, whatever names it was imported under."""
    nodes, names = list(nodes), {}
    for node in nodes:
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
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        head, _, rest = dotted(node.func).partition(".")
        called = ".".join(part for part in (names.get(head, head), rest) if part)
        if called in FORBIDDEN:
            yield f"line {node.lineno} calls {called}: {FORBIDDEN[called]}"


def unsafe(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names of what would run, or unpickle, what it reads."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            named = [module, *(alias.name for alias in node.names)]
            if module == "torch":
                yield from {"load"}.intersection(named)
            yield from {name.split(".")[0] for name in named if name} & RUNS_ITS_INPUT
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        if isinstance(node.func, ast.Name) and called in RUNS_ITS_INPUT:
            yield called
        if called in ("np.load", "numpy.load") and given.get("allow_pickle") is not False:
            yield called
        if called == "torch.load" and given.get("weights_only") is not True:
            yield called
        if called.endswith(("extractall", "unpack_archive", "read_pickle")):
            yield called


MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}


def folder_of(module: str) -> str:
    """``harness.cli`` for ``harness.cli.commands``, and for the package itself."""
    return ".".join(MODULES[module].relative_to(ROOT).parent.parts)


@cache
def arrows() -> dict[str, set[str]]:
    """The modules of the package that each module imports, in functions and for type checkers too."""
    found = {}
    for module, path in MODULES.items():
        names = {
            name.removeprefix("selbench.") for name in imports(nodes_of(path), path) if name.startswith("selbench.")
        }
        wanted = {name if name in MODULES else name.rpartition(".")[0] for name in names} - {"", module}
        found[module] = {name for name in wanted if name in MODULES}
    return found


def folder_arrows() -> dict[str, set[str]]:
    """As :func:`arrows`, between folders."""
    found: dict[str, set[str]] = {}
    for module, wanted in arrows().items():
        own = folder_of(module)
        found.setdefault(own, set()).update({folder_of(name) for name in wanted} - {own})
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The nodes of one circle in a graph, or nothing."""
    done: set[str] = set()

    def search(node: str, path: list[str]) -> list[str]:
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        for other in sorted(graph.get(node, ())):
            if found := search(other, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := search(node, []))), [])


def within(graph: dict[str, set[str]], folder: str) -> dict[str, set[str]]:
    """The part of a graph below one folder of the package."""

    def inside(name: str) -> bool:
        return name.split(".")[0] == folder

    return {node: {other for other in others if inside(other)} for node, others in graph.items() if inside(node)}


def test_imports_are_relative_and_strategies_use_torch_alone() -> None:
    known = {"torch", "selbench"} | set(sys.stdlib_module_names)

    def wrong(path: Path) -> Iterator[str]:
        for first in {name.split(".")[0] for name in imports(nodes_of(path), path)}:
            if first in FOLDERS:
                yield f"importing {first} loads its modules a second time: import relatively"
            elif path.is_relative_to(ROOT / "strategies") and first not in known:
                yield f"strategies use torch and the standard library alone, not {first}"

    assert not faults(wrong)


def test_folders_import_what_the_table_allows() -> None:
    found = folder_arrows()
    assert set(found) == set(MAY_IMPORT)
    beyond = {folder: wanted - set(MAY_IMPORT[folder].split()) for folder, wanted in found.items()}
    assert not {folder: names for folder, names in beyond.items() if names}


def test_of_reports_the_harness_reads_the_records_alone() -> None:
    outside = ("harness.cli", "harness.library")  # what users call gives them a report, or frames
    allowed = {name for folder, row in MAY_IMPORT.items() if folder not in outside for name in row.split()
               if folder.split(".")[0] == "harness" and name.split(".")[0] == "reports"}  # fmt: skip
    assert allowed == {"reports.records"}
    assert not any(
        name.split(".")[0] == "harness"
        for folder, row in MAY_IMPORT.items()
        for name in row.split()
        if folder.split(".")[0] not in ("harness", "benchmarks")
    )  # fmt: skip; these measure it


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_circle_of_folders(folder: str) -> None:
    assert not circle(within({name: set(row.split()) for name, row in MAY_IMPORT.items()}, folder))


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_circle_of_modules(folder: str) -> None:
    assert not circle(within(arrows(), folder))


@pytest.mark.parametrize("folder", AT_THE_TOP)
def test_few_modules_stand_at_the_top(folder: str) -> None:
    assert len([name for name in MODULES if folder_of(name) == folder and name != folder]) <= AT_THE_TOP[folder]


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}})


def test_nothing_seeds_the_global_generators_or_pickles() -> None:
    assert len(FILES) > 200 and not faults(lambda path: forbidden(nodes_of(path)))


def test_no_content_of_a_file_is_run() -> None:
    """But for the exceptions, each of which is still there."""
    found = {(path.relative_to(ROOT).as_posix(), name) for path in EVERY_FILE for name in unsafe(nodes_of(path))}
    assert found == ALLOWED.keys()


def test_no_console_turns_text_into_pictures() -> None:
    def bare(path: Path) -> Iterator[str]:
        for node in nodes_of(path):
            made = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Console"
            if made and not any(keyword.arg == "emoji" for keyword in node.keywords):
                yield f"line {node.lineno}: Console without emoji=False: names such as br:Mask hold :words:"

    assert faults(bare) == []


def test_files_are_short() -> None:
    assert not [path for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST]


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.manual_seed(1)",
        "import torch as t\nt.cuda.manual_seed_all(1)",
        "from torch import manual_seed as seed\nseed(1)",
        "import numpy as np\nnp.random.seed(0)",
        "from numpy import random\nrandom.seed(0)",
        "import random\nrandom.seed(0)",
        "import torch\ntorch.save({}, 'x')",
    ],
)
def test_the_search_finds_what_it_forbids(code: str) -> None:
    assert list(forbidden(ast.walk(ast.parse(code))))


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "from joblib import load",
        "import numpy as np\nnp.load('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "from torch import load\nload('x')",
        "eval(open('x').read())",
        "exec(text)",
        "import tarfile\ntarfile.open('x').extractall('y')",
        "from shutil import unpack_archive\nshutil.unpack_archive('x')",
        "import pandas as pd\npd.read_pickle('x')",
    ],
)
def test_the_search_finds_what_runs_a_file(code: str) -> None:
    assert list(unsafe(ast.walk(ast.parse(code))))


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.Generator().manual_seed(1)",
        "import random\nrandom.Random(3).random()",
        "import ast\nast.literal_eval(text)",
        "import torch\ntorch.load('x', weights_only=True)",
        "import numpy as np\nnp.load('x', allow_pickle=False)",
        "model.eval()",
        "import json\njson.load(file)",
        "re.compile('x')",
    ],
)
def test_the_searches_pass_what_is_allowed(code: str) -> None:
    nodes = list(ast.walk(ast.parse(code)))
    assert not [*forbidden(nodes), *unsafe(nodes)]


def test_relative_imports_are_resolved() -> None:
    tree = ast.parse("from ..strategies import load\nfrom .streams import x\nfrom . import y\nfrom ... import z")
    assert list(imports(ast.walk(tree), ROOT / "harness" / "datasets" / "a.py")) == [
        "selbench.harness.strategies.load",
        "selbench.harness.datasets.streams.x",
        "selbench.harness.datasets.y",
        "selbench.z",
    ]
