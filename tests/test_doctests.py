"""The examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]


def modules() -> Iterator[str]:
    """Every module of the declared packages, found without importing any."""
    for package in PACKAGES:
        folder = ROOT.joinpath(*package.split(".")[1:])
        yield package
        yield from (info.name for info in pkgutil.iter_modules([str(folder)], package + ".") if not info.ispkg)


def has_examples(name: str) -> bool:
    """Whether the module's source holds a prompt."""
    path = ROOT.joinpath(*name.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return source.is_file() and ">>> " in source.read_text(encoding="utf-8")  # a folder of data has no source


@pytest.mark.parametrize("name", [name for name in modules() if has_examples(name)])
def test_examples(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.attempted, f"{name} has a prompt outside any docstring that doctest reads"
    assert not results.failed
