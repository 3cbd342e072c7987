"""Options that cannot work are refused before anything is trained."""

from __future__ import annotations

import pytest

from selbench.harness.plan.measures import DistanceOptions, SpectrumOptions, check
from selbench.strategies import UsageError

FROZEN = ["squeezenet1_1"]


def test_options_are_read():
    found = check(
        {"spectrum": {"reference": "squeezenet1_1", "last": 60}, "distance": {"reference": FROZEN[0]}}, FROZEN
    )
    assert found == {
        "spectrum": SpectrumOptions(reference=FROZEN[0], last=60),
        "distance": DistanceOptions(reference=FROZEN[0]),
    }


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("spectrums", {}, "did you mean 'spectrum'"),
        ("spectrum", {}, "'reference' is missing: add it"),
        ("spectrum", {"reference": "holdout"}, "same at every seed"),
        ("spectrum", {"reference": FROZEN[0], "draw": 3}, "did you mean 'draws'"),
        ("spectrum", {"reference": FROZEN[0], "draws": 5.5}, "draws: input should be a valid integer, but it is 5.5"),
        ("spectrum", {"reference": FROZEN[0], "draws": 1}, "no estimate of chance"),
        ("spectrum", {"reference": FROZEN[0], "first": 99}, "hold no line"),
        ("spectrum", {"reference": FROZEN[0], "components": 100}, "make components larger"),
        ("residuals", {"reference": FROZEN[0], "directions": 2}, "take 64"),
        ("residuals", {"reference": FROZEN[0], "images": 100}, "take 256"),
        ("distance", {"reference": FROZEN[0], "draws": 4}, "one draw for each"),
        ("distance", {"reference": FROZEN[0], "quantile": 1.0}, "not inside"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(name, table, words):
    with pytest.raises(UsageError, match=words) as raised:
        check({name: table}, FROZEN)
    assert "\n" not in str(raised.value)
