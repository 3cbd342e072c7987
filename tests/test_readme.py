"""What the README shows works as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch

from selbench.harness.plan.matrix import parse, shipped
from selbench.reports.questions.claims.reading import parse as read_claim
from selbench.strategies import BatchLosses, load
from selbench.strategies.interface import Traits

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_strategy_of_fifteen_lines_selects():
    source = blocks("python")[0]
    assert len([line for line in source.splitlines() if line.strip()]) <= 15
    space = {}
    exec(compile(source, "README.md", "exec"), space)
    rule = space["MarginRule"]()
    assert Traits.of(rule).needs == {"learner_probs"}
    probs = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.4, 0.1], [0.34, 0.33, 0.33], [0.7, 0.2, 0.1]])
    assert rule.select(None, BatchLosses(learner_probs=probs, k=2), 0.5).tolist() == [2, 1]


def test_the_notebook_lines_work():
    features = torch.rand(8, 4, generator=torch.Generator().manual_seed(0))
    losses = BatchLosses(reference=torch.rand(8, generator=torch.Generator().manual_seed(1)))
    assert len(load("gstds", share=0.25).select(features, losses, ratio=0.5)) == 4


def test_the_matrix_is_a_matrix():
    (table,) = [t for t in map(tomllib.loads, blocks("toml")) if "seeds" in t]
    assert parse(table).seed_list() == list(range(8))


def test_the_claim_is_a_claim():
    (table,) = [t for t in map(tomllib.loads, blocks("toml")) if "statement" in t]
    claim = read_claim(table)
    assert claim.cases == ((0, 1),) and claim.matrix in shipped()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"tox run -e ([\w-]+)", README))))
def test_every_environment_it_names_exists(name):
    matrices, strategies = set(shipped()), {"gstds"}
    by_hand = set(re.findall(r"^\[testenv:([\w-]+)\]", (ROOT / "tox.ini").read_text(encoding="utf-8"), re.MULTILINE))
    assert name in matrices | by_hand | {f"{m}-{s}" for m in matrices for s in strategies}


def test_every_file_it_links_exists():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
