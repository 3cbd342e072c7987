"""How numbers are formatted."""

from __future__ import annotations

from typing import Any

import pytest

from selbench.reports.document import numbers as wording
from selbench.reports.document.numbers import fraction


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "1/4"), (0.125, "1/8"), (1.0, "1"), (2.0, "2"), (0.6, "0.6"), (1.5, "1.5")]
)
def test_fractions(value: float, text: str) -> None:
    assert fraction(value) == text


@pytest.mark.parametrize(
    ("format", "value", "text"),
    [
        (wording.points, -0.004, "0.00"),
        (wording.points, 0.306, "+0.31"),
        (wording.points, -1.2, "\u22121.20"),
        (wording.points, None, "\u2013"),
        (wording.points, float("nan"), "\u2013"),
        (wording.correlation, 0.834, ".83"),
        (wording.correlation, -0.12, "\u2212.12"),
        (wording.correlation, -0.001, "0"),
        (wording.correlation, 0.999, "1"),
        (wording.correlation, None, "\u2013"),
        (wording.p_value, 0.00099, "<\u202f.001"),
        (wording.p_value, 0.01234, ".0123"),
        (wording.p_value, 0.4567, ".457"),
        (wording.p_value, 0.99999, "1"),
        (wording.flops, 3.214e15, "3.21\u202fPFLOP"),
        (wording.flops, 999.96e12, "1.00\u202fPFLOP"),
        (wording.flops, 5e12, "5.00\u202fTFLOP"),
        (wording.flops, 0.0, "0\u202fFLOP"),
        (wording.seconds, 0.4213, "0.421\u202fs"),
        (wording.seconds, 99.96, "1\u202fmin 40\u202fs"),
        (wording.seconds, 7799, "2\u202fh 10\u202fmin"),
        (wording.share, 0.00003, "<\u202f0.01\u202f%"),
        (wording.share, 0.0034, "0.34\u202f%"),
        (wording.share, 1.0, "100\u202f%"),
        (wording.ratio, 0.62, "0.62\u00d7"),
        (wording.ratio, 12.44, "12.4\u00d7"),
        (wording.budget_share, 0.125, "1/8 of the budget"),
        (wording.budget_share, 0.75, "3/4 of the budget"),
        (wording.budget_share, 1 / 3, "1/3 of the budget"),
        (wording.budget_share, 0.37, "0.37 of the budget"),
        (wording.budget_share, 1.0, ""),
        (wording.count, 50000, "50,000"),
        (wording.size, 412e6, "412\u202fMB"),
    ],
)
def test_numbers_as_people_read_them(format: Any, value: float | None, text: str) -> None:
    assert format(value) == text
