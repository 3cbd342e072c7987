"""Each deliberately broken strategy of the gallery breaks exactly its law, and the message says what to change."""

from __future__ import annotations

import re

import pytest
from brokenrules import GALLERY, Random, Right

from selbench.harness.training.flops import count_selection
from selbench.strategies.testing import LAWS, check


def count(call):
    return count_selection(call).flops


def broken(kind):
    return {result.law: result.message for result in check(kind, count=count) if result.verdict == "fail"}


@pytest.mark.parametrize("wrong", GALLERY, ids=lambda wrong: wrong.kind.__name__)
def test_a_broken_strategy_breaks_exactly_its_law(wrong):
    found = broken(wrong.kind)
    assert set(found) == {wrong.law}, found
    assert re.search(wrong.says, found[wrong.law]), found


@pytest.mark.parametrize("kind", [Right, Random])
def test_a_right_strategy_breaks_none(kind):
    assert not broken(kind)


def test_every_law_is_broken_by_someone():
    assert {wrong.law for wrong in GALLERY} == {law.name for law in LAWS}
