"""The cross-fitted probe: nothing that is scored was seen, and the fit is the one that scikit-learn finds."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from selbench.harness.references import probe as module
from selbench.harness.references.probe import crossfit, fold_of, held_out
from selbench.harness.store import feature_file as rows_module
from selbench.harness.store.feature_file import Rows
from selbench.harness.store.feature_memory import VARIABLE
from selbench.harness.streams import generator
from selbench.strategies import UsageError

CLASSES, L2 = 4, 1e-2
CPU = torch.device("cpu")


def fold_scores(x: Tensor | Rows, y: Tensor, classes: int, fold: Tensor) -> tuple[Tensor, float]:
    """All scores ``[n, C]``, and the operations spent on them."""
    out, flops = torch.full((len(y), classes), torch.nan), 0.0
    for ids, scores, spent in held_out(x, y, classes, fold, l2=L2, device=CPU):
        assert out[ids].isnan().all(), "each sample comes once"
        out[ids] = scores
        flops += spent
    return out, flops


def blobs(n: int = 120, d: int = 12) -> tuple[Tensor, Tensor]:
    stream = generator(0, "blobs")
    labels = torch.arange(n) % CLASSES
    centres = 2 * torch.randn(CLASSES, d, generator=stream)
    return centres[labels] + 2 * torch.randn(n, d, generator=stream), labels


def test_agrees_with_scikit_learn_fold_by_fold() -> None:
    pixels, target = load_digits(return_X_y=True)
    x, y = torch.from_numpy(pixels[:600]).float(), torch.from_numpy(target[:600]).long()
    fold = fold_of(y, 3, seed=1)
    ours, _ = fold_scores(x, y, 10, fold)
    for number in range(3):
        rest, held = (fold != number).numpy(), (fold == number).numpy()
        scaler = StandardScaler().fit(pixels[:600][rest])
        model = LogisticRegression(C=1 / (rest.sum() * L2), tol=1e-8, max_iter=5000)
        model.fit(scaler.transform(pixels[:600][rest]), target[:600][rest])
        expected = model.predict_proba(scaler.transform(pixels[:600][held]))
        assert np.abs(ours[held].softmax(1).numpy() - expected).max() < 2e-3


def test_losses_and_accuracy_are_those_of_the_scores() -> None:
    x, y = blobs()
    probe = crossfit(x, y, CLASSES, seed=5, l2=L2)
    scores, flops = fold_scores(x, y, CLASSES, fold_of(y, 5, 5))
    picked = scores.double().log_softmax(1)[torch.arange(len(y)), y]
    assert torch.allclose(probe.losses.double(), -picked, atol=1e-5)
    assert probe.accuracy == pytest.approx(float((scores.argmax(1) == y).double().mean()))
    assert probe.flops == flops > 0
    assert 0.5 < probe.accuracy < 1.0


@pytest.mark.parametrize("poison", ["label", "features"])
def test_poisoning_a_sample_reaches_the_other_folds_only(poison: str) -> None:
    """With the folds held fixed, what is scored in sample i's fold must not know sample i."""
    x, y = blobs()
    fold = fold_of(y, 4, seed=0)
    clean, _ = fold_scores(x, y, CLASSES, fold)
    i = 17
    if poison == "label":
        y = y.clone()
        y[i] = (y[i] + 1) % CLASSES
    else:
        x = x.clone()
        x[i] *= -30
    poisoned, _ = fold_scores(x, y, CLASSES, fold)
    same = (clean == poisoned).all(dim=1)
    inside = fold == fold[i]
    if poison == "features":
        inside[i] = False  # it is scored on its own features, which did change
    assert same[inside].all()
    assert not same[fold != fold[i]].any()


def test_random_labels_are_not_learned() -> None:
    """With more features than samples every sample could be memorised; a score from a seen probe would be."""
    stream = generator(1, "noise")
    x, y = torch.randn(200, 400, generator=stream), torch.randint(0, CLASSES, (200,), generator=stream)
    probe = crossfit(x, y, CLASSES, seed=0)
    assert probe.accuracy < 0.4 and probe.losses.mean() > math.log(CLASSES)


def test_folds_are_stratified_balanced_and_of_the_seed() -> None:
    labels = torch.tensor([0] * 23 + [1] * 11 + [2] * 4)
    fold = fold_of(labels, 5, seed=3)
    assert torch.bincount(fold).max() - torch.bincount(fold).min() <= 1
    for label in range(3):
        counts = torch.bincount(fold[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert torch.equal(fold, fold_of(labels, 5, seed=3))
    assert not torch.equal(fold, fold_of(labels, 5, seed=4))


def test_repeats_bit_for_bit_and_leaves_global_random_state_alone() -> None:
    x, y = blobs()
    before = torch.get_rng_state()
    assert torch.equal(crossfit(x, y, CLASSES, seed=2).losses, crossfit(x.clone(), y, CLASSES, seed=2).losses)
    assert torch.equal(before, torch.get_rng_state())


def test_scale_shift_and_dead_features_do_not_matter() -> None:
    x, y = blobs()
    base = crossfit(x, y, CLASSES, seed=2).losses
    moved = torch.cat([x * 1000 + 5000, torch.full((len(x), 2), 7.0)], dim=1)
    assert torch.allclose(crossfit(moved, y, CLASSES, seed=2).losses, base, atol=2e-2)
    spike = torch.zeros(len(x), 1)
    spike[3] = 1e6  # constant wherever sample 3 is not seen
    assert crossfit(torch.cat([x, spike], dim=1), y, CLASSES, seed=2).losses[3] == pytest.approx(
        float(base[3]), abs=1e-3
    )


def test_half_precision_features_under_inference_settings() -> None:
    x, y = blobs()
    with torch.no_grad():
        probe = crossfit(x.half(), y, CLASSES, seed=2)
    assert probe.losses.dtype == torch.float32 and torch.isfinite(probe.losses).all()


def test_flops_are_those_that_the_counter_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ITERATIONS", 10)
    x, y = blobs()
    with FlopCounterMode(display=False) as counter:
        probe = crossfit(x, y, CLASSES, seed=2)
    assert probe.flops == pytest.approx(counter.get_total_flops(), rel=0.01)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Tensor], Rows]:
    """Features as rows of a file, in chunks of 7 of the 12-wide ones."""
    monkeypatch.setattr(rows_module, "CHUNK", 7 * 12 * 4)

    def store(x: Tensor) -> Rows:
        save_file({"features": x}, tmp_path / "x.safetensors")
        return Rows(tmp_path / "x.safetensors")

    return store


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_that_do_not_fit_give_the_same_losses(
    stored: Callable[[Tensor], Rows], monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    x, y = blobs()
    x = x.to(dtype)
    rows = stored(x)
    monkeypatch.setenv(VARIABLE, "1")
    loaded, whole = crossfit(rows, y, CLASSES, seed=2), crossfit(x.float(), y, CLASSES, seed=2)
    assert torch.equal(loaded.losses, whole.losses) and loaded.flops == whole.flops
    monkeypatch.setenv(VARIABLE, "0")
    monkeypatch.setattr(Rows, "load", None)  # nothing may ask for all of it
    streamed = crossfit(rows, y, CLASSES, seed=2)
    # Where a float32 loss no longer falls, the weights are still free in their fourth digit.
    assert torch.allclose(streamed.losses, whole.losses, rtol=2e-3, atol=1e-4)
    assert streamed.accuracy == whole.accuracy
    assert streamed.flops == pytest.approx(whole.flops, rel=0.2), "the line search may take another turn"


def test_the_objective_of_chunks_is_that_of_the_whole(
    stored: Callable[[Tensor], Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one step the two have seen the same gradient; later steps only magnify rounding."""
    monkeypatch.setattr(module, "ITERATIONS", 1)
    x, y = blobs()
    fold = fold_of(y, 4, seed=0)
    (whole, _), (streamed, _) = (fold_scores(features, y, CLASSES, fold) for features in (x, stored(x)))
    assert torch.allclose(streamed, whole, rtol=1e-5, atol=1e-5)


def test_a_short_memory_finds_the_same_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = blobs()
    whole = crossfit(x, y, CLASSES, seed=2)
    monkeypatch.setattr(module, "HISTORY", 5 * 2 * 4 * (12 + 1) * CLASSES)
    short = crossfit(x, y, CLASSES, seed=2)
    assert not torch.equal(short.losses, whole.losses), "it did forget"
    assert torch.allclose(short.losses, whole.losses, rtol=5e-3, atol=1e-4)


def test_no_fold_leaks_through_chunks(stored: Callable[[Tensor], Rows], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ITERATIONS", 10)
    x, y = blobs()
    fold = fold_of(y, 4, seed=0)
    clean, _ = fold_scores(stored(x), y, CLASSES, fold)
    x[17] *= -30
    poisoned, _ = fold_scores(stored(x), y, CLASSES, fold)
    same, inside = (clean == poisoned).all(dim=1), fold == fold[17]
    inside[17] = False
    assert same[inside].all() and not same[fold != fold[17]].any()


def test_moments_of_chunks_with_a_large_offset(stored: Callable[[Tensor], Rows]) -> None:
    """Float32 sums of squares would lose every digit here."""
    x, y = blobs()
    x = x + 3000
    ids = torch.arange(0, 120, 2)
    seen = module._Standard(stored(x), y, ids, CPU)
    mean, std = x[ids].double().mean(0), x[ids].double().std(0, correction=0)
    assert torch.allclose(seen.mean.double(), mean, rtol=1e-6)
    assert torch.allclose(1 / seen.gain.double(), std, rtol=1e-4)


def test_errors() -> None:
    x, y = blobs(9)
    with pytest.raises(UsageError, match="class 3 has one image"):
        crossfit(x, torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3]), CLASSES, seed=0)
    with pytest.raises(UsageError, match="at least 2"):
        crossfit(x, y, CLASSES, seed=0, folds=1)
