"""What a reference of anybody's hands over is looked at once, as it streams by."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from selbench.harness.references.base import Extraction, checked
from selbench.strategies import UsageError


def spoiled(value: float) -> Tensor:
    x = torch.ones(3, 2)
    x[1, 1] = value
    return x


ONES = torch.ones(3, 2)


def test_sound_features_pass_as_they_are_one_chunk_at_a_time() -> None:
    made: list[Tensor] = []

    def chunks() -> object:
        for value in (1.0, 2.0):
            made.append(torch.full((3, 2), value, dtype=torch.float16))
            yield made[-1]

    stream = checked(Extraction(chunks(), torch.zeros(6), 0.0), 6, "mine")
    assert next(stream) is made[0] and len(made) == 1
    assert next(stream) is made[1] and not list(stream)


@pytest.mark.parametrize(
    ("chunks", "losses", "message"),
    [
        ([ONES, spoiled(float("nan"))], None, "mine: row 4 of its features holds a value that is not finite"),
        ([ONES, spoiled(float("-inf"))], None, "mine: row 4 of its features"),
        ([ONES, (70_000 * ONES).half()], None, r"gives torch.float16 \[3, 2\] after torch.float32 \[m, 2\]"),
        ([(70_000 * ONES).half(), ONES.half()], None, "mine: row 0 of its features"),
        ([ONES, torch.ones(3, 4)], None, r"gives torch.float32 \[3, 4\] after torch.float32 \[m, 2\]"),
        ([ONES], None, "mine gives 3 rows for 6 images"),
        ([ONES] * 3, None, "mine gives 9 rows for 6 images"),
        ([], None, "mine gives 0 rows for 6 images"),
        (torch.ones(6, 2), None, r"mine gives torch.float32 \[2\]; features are half or float32 \[m, d\]"),
        ([ONES.double()] * 2, None, r"mine gives torch.float64 \[3, 2\]"),
        ([ONES] * 2, torch.ones(5), r"mine gives losses \[5\] for 6 images"),
        ([ONES] * 2, torch.tensor([0, 1, 2, float("inf"), 4, 5]), "mine: row 3 of its losses"),
    ],
)
def test_unsound_ones_do_not(chunks: list[Tensor], losses: Tensor | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        list(checked(Extraction(chunks, losses, 0.0), 6, "mine"))
