"""Which code a result rests on: digests of the modules behind a registered name."""

from __future__ import annotations

import ast
import csv
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from ..strategies import UsageError
from ..strategies.registry import registry
from .identity import digest


def code_of(group: str, name: str) -> str:
    """16 hexadecimal digits of the code behind a registered name; comments, docstrings and layout do not count.

    That is its module and, of the modules of its distribution, those that it imports, one through another.
    ``NAME:ARGUMENT`` has the code of ``NAME``.
    """
    if (module := outside(group, name)) is not None:
        return _digest(module)
    target = registry(group).target(name.partition(":")[0])
    return _digest(getattr(target, "__module__", None) or target.__name__)


def outside(group: str, name: str) -> str | None:
    """The module of a learner ``package.module:build``, which nobody has registered; None of any other name."""
    module, colon, _ = name.partition(":")
    if not colon or group != "learners" or module in registry(group).found():
        return None
    try:
        found = importlib.util.find_spec(module) is not None
    except Exception:  # the parents are imported: a stranger's code may raise anything
        found = False
    if not found and "." in module:
        raise UsageError(
            f"learner {name!r}: no module {module!r} can be imported here: install its package, or put its folder on "
            "PYTHONPATH"
        )
    return module if found else None


@cache
def _digest(start: str) -> str:
    ours = _beside(start.partition(".")[0])
    found: dict[str, str] = {}
    waiting = [start]
    while waiting:
        module = waiting.pop()
        # The __init__ of this package holds its version and names of the modules, and no code that a result rests on.
        skipped = module in ("", "selbench") or module in found or module.partition(".")[0] not in ours
        if skipped or (read := _read(module)) is None:
            continue
        found[module], imported = read
        waiting += [*imported, module.rpartition(".")[0]]  # a parent's __init__ runs too
    return digest(sorted(found.items()))


def _beside(top: str) -> set[str]:
    """The top-level packages and modules of the distribution that ``top`` is of."""
    if top == "selbench":
        return {top}
    return {top}.union(*(names for names in _installed() if top in names))


@cache
def _installed() -> list[set[str]]:
    """The top-level names of each distribution, as ``packages_distributions`` has them: that reads far more."""
    found = []
    for dist in distributions():
        names = set((dist.read_text("top_level.txt") or "").split())
        if not names:
            rows = csv.reader((dist.read_text("RECORD") or "").splitlines())
            paths = [row[0] for row in rows if row] or map(str, dist.files or ())
            names = {Path(path).parts[0].removesuffix(".py") for path in paths if path.endswith(".py")}
        found.append(names)
    return found


def _source(module: str) -> tuple[str, bool] | None:
    """A module's text and whether it is a package; None where there is no such module, or it has no text."""
    try:
        spec = getattr(sys.modules.get(module), "__spec__", None) or importlib.util.find_spec(module)
        read = getattr(spec and spec.loader, "get_source", None)
        text = read(module) if read else None
    except (ImportError, AttributeError, ValueError, OSError):
        return None
    return None if spec is None or text is None else (text, spec.submodule_search_locations is not None)


@cache
def _read(module: str) -> tuple[str, list[str]] | None:
    """A digest of what a module's text does, and the names that it may import; None where it has no text."""
    if (source := _source(module)) is None:
        return None
    text, is_package = source
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    imported = list(_imported(nodes, module if is_package else module.rpartition(".")[0]))
    for node in nodes:
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):  # a docstring
                node.body = body[1:]
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=8).hexdigest(), imported


def _imported(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            whole = ".".join(name for name in (base, node.module or "") if name)
            yield whole
            yield from (f"{whole}.{alias.name}" for alias in node.names)
