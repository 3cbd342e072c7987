"""A stranger's package, installed by pip, is found by its entry points."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from selbench.strategies import BatchLosses, load
from selbench.strategies.registry import registry

PLUGINS = {"every-other", "raises-in-select", "broken-import"}


@pytest.fixture
def rows(installed_plugin: Path) -> dict[str, dict[str, str]]:
    """The registry's listing by name."""
    return {row["name"]: row for row in registry("strategies").describe()}


def test_the_plugin_is_found_on_the_path_and_only_there(request: pytest.FixtureRequest) -> None:
    assert not PLUGINS & set(registry("strategies").found())
    request.getfixturevalue("installed_plugin")
    assert set(registry("strategies").found()) >= PLUGINS


def test_the_plugin_is_listed_with_its_origin(rows: dict[str, dict[str, str]]) -> None:
    assert rows.keys() >= PLUGINS | {"uniform"}
    assert {rows[name]["origin"] for name in PLUGINS} == {"selbench-tests-plugin 1.2"}
    assert rows["every-other"]["summary"].startswith("Keep every other candidate")


def test_a_plugin_that_does_not_import_says_so_and_stops_nobody_else(rows: dict[str, dict[str, str]]) -> None:
    assert "ImportError: this module always fails" in rows["broken-import"]["error"]
    assert not rows["every-other"]["error"] and not rows["uniform"]["error"]


def test_a_plugin_without_any_import_from_here_selects(installed_plugin: Path) -> None:
    losses = BatchLosses(learner=torch.zeros(7), index=torch.arange(7))
    strategy = load("every-other")
    picks = [strategy.select(None, losses, k / 7).tolist() for k in (1, 4, 5, 7)]
    assert picks == [[0], [0, 2, 4, 6], [0, 2, 4, 6, 1], [0, 2, 4, 6, 1, 3, 5]]
