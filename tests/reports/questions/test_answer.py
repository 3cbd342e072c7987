"""What the options of any study are checked for: one line each, with what would do."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from selbench.reports.questions.answer import (
    Answer,
    DatasetName,
    Fraction,
    Names,
    ReferenceName,
    Several,
    StrategyName,
    Study,
    joined,
)


class Probe(Study):
    """A study of nothing."""

    baseline: StrategyName = Field(description='the rule to compare with, such as baseline = "loss"')
    entry: DatasetName = ""
    rules: Several[StrategyName] = ()
    none: Several[ReferenceName] = ()
    margin: Fraction = Field(0.1, description="a share between 0 and 1, such as 0.1")
    ends: tuple[int, int] = Field((8, 32), strict=False, description="two whole numbers, such as [8, 32]")


NAMES = Names(datasets=("digits",), references=(), strategies=("gstds", "jest", "loss"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"baselines": "loss"}, "option 'baselines' is unknown: did you mean 'baseline'?"),
        ({"baseline": "loss", "zz": 1}, "option 'zz' is unknown: take one of baseline, entry, rules, none, margin, "),
        ({}, "option 'baseline' is missing: give the rule to compare with, such as baseline = \"loss\""),
        ({"baseline": "los"}, "baseline: 'los' is unknown: did you mean 'loss'?"),
        ({"baseline": 7}, "option 'baseline' = 7 is wrong: give the rule to compare with, such as "),
        ({"baseline": "loss", "entry": "xyz"}, "entry: 'xyz' is unknown: take one of digits"),
        ({"baseline": "loss", "none": ["leak"]}, "none: 'leak' is unknown: there is none"),
        ({"baseline": "loss", "rules": ["gstds", "los"]}, "rules: 'los' is unknown: did you mean 'loss'?"),
        ({"baseline": "loss", "rules": ["loss", "loss"]}, "rules: holds a name twice: loss, loss"),
        ({"baseline": "loss", "ends": [8, 3.5]}, "option 'ends' = [8, 3.5] is wrong: give two whole numbers, such as "),
        ({"baseline": "loss", "ends": [True, 9]}, "option 'ends' = [True, 9] is wrong: give two whole numbers, such "),
        ({"baseline": "loss", 3: 4}, "option '3'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options: dict[Any, Any], says: str) -> None:
    with pytest.raises(ValueError) as caught:
        Probe(options, NAMES)
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)


@pytest.mark.parametrize("given", ["gstds", {"gstds": 1}, [1], [["gstds"]], None])
def test_what_is_no_list_of_names(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^option 'rules' = .* is wrong: give a list of names, each once$"):
        Probe({"baseline": "loss", "rules": given}, NAMES)


@pytest.mark.parametrize("given", [0, 1, 0.0, 1.0, -0.1, True, "0.5", None, float("nan")])
def test_fractions_lie_inside(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^option 'margin' = .* is wrong: give a share between 0 and 1, such as 0\.1"):
        Probe({"baseline": "loss", "margin": given}, NAMES)


def test_right_options_are_the_fields() -> None:
    plain = Probe({"baseline": "loss"}, NAMES)
    assert (plain.rules, plain.margin, plain.ends) == ((), 0.1, (8, 32))
    found = Probe({"baseline": "loss", "rules": ["loss", "gstds"], "margin": 0.25, "ends": [2, 3]}, NAMES)
    assert (found.rules, found.margin, found.ends) == (("loss", "gstds"), 0.25, (2, 3)), "in the order given"


def test_one_answer_of_several_is_the_first_that_there_is() -> None:
    lacking, first, second = (
        Answer("A lacks.", False, notes=("n",)),
        Answer("B is 1.", True, notes=("n", "m")),
        Answer("C.", True),
    )
    both = joined([lacking, first, second], "Nothing.")
    assert (both.sentence, both.enough, both.notes) == ("B is 1; the tables have the others.", True, ("n", "m"))
    assert joined([lacking], "nothing") == lacking
    assert joined([], "nothing") == Answer("No answer yet: nothing.", enough=False)
