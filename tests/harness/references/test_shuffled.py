"""Features of a frozen reference with their rows permuted: a control without information."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from selbench.harness.references.probe import crossfit
from selbench.harness.references.shuffled import Shuffled
from selbench.harness.references.spec import reference
from selbench.strategies import UsageError

CPU = torch.device("cpu")
COUNT = 200
IMAGES = torch.zeros(COUNT, 1, 8, 8, dtype=torch.uint8)
LABELS = torch.arange(COUNT) % 4


@pytest.fixture
def features(tmp_path: Path) -> torch.Tensor:
    """Features that tell the classes apart, beside losses of their own."""
    found = torch.nn.functional.one_hot(LABELS, 6).float() + 0.1 * torch.randn(
        COUNT, 6, generator=torch.Generator().manual_seed(0)
    )
    save_file({"features": found, "losses": torch.rand(COUNT)}, tmp_path / "f.safetensors")
    return found


def extracted(folder: Path, **options: int) -> torch.Tensor:
    made = Shuffled("file:f.safetensors", **options).extract(IMAGES, LABELS, data_dir=folder, device=CPU)
    assert made.losses is None and made.flops == 0
    return torch.cat(list(made.features))


def test_rows_are_the_same_ones_at_other_places(tmp_path: Path, features: torch.Tensor) -> None:
    moved = extracted(tmp_path)
    assert sorted(map(tuple, moved.tolist())) == sorted(map(tuple, features.tolist()))
    assert (moved != features).any(dim=1).float().mean() > 0.9
    assert torch.equal(moved, extracted(tmp_path)) and not torch.equal(moved, extracted(tmp_path, seed=1))


def test_a_probe_learns_nothing_from_them(tmp_path: Path, features: torch.Tensor) -> None:
    assert crossfit(features, LABELS, 4, seed=0).accuracy > 0.9
    assert crossfit(extracted(tmp_path), LABELS, 4, seed=0).accuracy < 0.45


def test_its_fingerprint_is_of_the_inner_one_and_the_permutation(tmp_path: Path, features: torch.Tensor) -> None:
    inner = reference("file:f.safetensors").fingerprint(tmp_path)
    here, there = (Shuffled("file:f.safetensors", seed=seed).fingerprint(tmp_path) for seed in (0, 1))
    assert len({inner, here, there}) == 3 and here == Shuffled("file:f.safetensors").fingerprint(tmp_path)
    assert Shuffled("file:f.safetensors").external == "whatever made f.safetensors"


def test_the_inner_reference_takes_its_own_options_and_checks() -> None:
    small = reference("shuffled:untrained:squeezenet1_1", {"options": {"resolution": 32}})
    assert small.inner.resolution == 32
    with pytest.raises(UsageError, match="there is no file"):
        reference("shuffled:file:none.safetensors").check(None)


@pytest.mark.parametrize("name", ["holdout", "cross-holdout"])
def test_what_is_trained_here_cannot_be_shuffled(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is trained here"):
        reference(f"shuffled:{name}")
    with pytest.raises(UsageError, match="write shuffled:OF"):
        reference("shuffled")
