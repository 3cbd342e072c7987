"""What any study's options are checked for: one line each, with what would do."""

from __future__ import annotations

from typing import Any

import pytest

from selbench.reports.questions.options import among, only, several, texts

KEYS = ("baseline", "schedules")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"baselines": 1}, r"^option 'baselines' is unknown: did you mean 'baseline'\?$"),
        ({"xyz": 1}, "^option 'xyz' is unknown: take one of baseline, schedules$"),
        ({"schedules": 1}, "^option 'baseline' is missing: name one$"),
    ],
)
def test_keys(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        only(options, KEYS, {"baseline": "name one"})
    only({"baseline": 1}, KEYS, {"baseline": "name one"})
    only({}, KEYS)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("gstd", r"^rule: 'gstd' is unknown: did you mean 'gstds'\?$"),
        (7, "^rule: 7 is unknown: take one of gstds, jest$"),
        (["gstds"], "is unknown"),
        (None, "is unknown"),
    ],
)
def test_names(given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        among("rule", given, ("gstds", "jest"))
    with pytest.raises(ValueError, match=r"^rule: .* is unknown: there is none$"):
        among("rule", given, ())
    assert among("rule", "jest", ("gstds", "jest")) == "jest"


@pytest.mark.parametrize("given", ["gstds", {"gstds": 1}, [1], [["gstds"]], None])
def test_what_is_no_list_of_names(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^rules must be a list of names, not "):
        texts("rules", given)


def test_lists() -> None:
    known = ("gstds", "jest", "loss")
    assert several({"rules": ["loss", "gstds"]}, "rules", known) == ("loss", "gstds"), "in the order given"
    assert several({}, "rules", known) == () and several({}, "rules", known, ("jest",)) == ("jest",)
    with pytest.raises(ValueError, match=r"^rules holds a name twice: loss, loss$"):
        several({"rules": ["loss", "loss"]}, "rules", known)
    with pytest.raises(ValueError, match=r"^rules: 'los' is unknown: did you mean 'loss'\?$"):
        several({"rules": ["gstds", "los"]}, "rules", known)
