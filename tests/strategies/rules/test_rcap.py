"""RCAP beside a second implementation in plain numpy, and where its chances and quotas are known."""

from __future__ import annotations

import numpy as np
import torch

from selbench.strategies import BatchLosses

from .._inputs import begun

LABELS = torch.tensor([0] * 24 + [1] * 12 + [2] * 4)
SIZES = [24, 12, 4]


def quotas_by_hand(losses: np.ndarray, labels: np.ndarray, k: int, kind: str) -> np.ndarray:
    """sqrt(L_c n_c / n), in proportion, down to whole numbers, the rest by largest remainders; no class is emptied."""
    clipped = np.clip(np.nan_to_num(losses, nan=np.log(3)), 0, np.log(3))
    of = [clipped[labels == c] for c in range(3)]
    size = np.array([len(part) for part in of])
    loss = np.array([part.sum() if kind == "sum" else part.mean() for part in of])
    wanted = np.sqrt(loss * size / size.sum())
    share = k * wanted / wanted.sum()
    count = np.floor(share).astype(int)
    count[np.argsort(count - share)[: k - count.sum()]] += 1
    assert (share < size).all()
    return count


def test_quotas_are_those_of_a_second_implementation():
    losses = torch.rand(40, generator=torch.Generator().manual_seed(3)) * 2
    losses[5], losses[30] = torch.inf, torch.nan
    for kind in ("mean", "sum"):
        picks = begun("rcap", {"class_loss": kind}).select(None, BatchLosses(losses, labels=LABELS), 0.25)
        found = torch.bincount(LABELS[picks], minlength=3).tolist()
        assert found == quotas_by_hand(losses.numpy(), LABELS.numpy(), 10, kind).tolist()


def test_before_a_sample_was_seen_counts_go_by_the_root_of_the_class_and_the_draw_is_even():
    never = BatchLosses(torch.full((40,), torch.inf), labels=LABELS)
    rule, hits = begun("rcap", {}), torch.zeros(40)
    for _ in range(400):
        picks = rule.select(None, never, 0.25)
        assert sorted(torch.bincount(LABELS[picks]).tolist()) == [2, 3, 5]  # 10 by √24 : √12 : √4
        hits[picks] += 1
    assert (hits[:24] / 400 - 5 / 24).abs().max() < 0.1


def test_within_a_class_chances_are_the_softmax_of_clipped_losses():
    losses = torch.tensor([0.0, 0.5, 9.0, 0.0])
    rule, hits = begun("rcap", {"beta": 0.5}, size=4), np.zeros(4)
    labels = torch.zeros(4, dtype=torch.int64)
    for _ in range(4000):
        hits[rule.select(None, BatchLosses(losses, labels=labels), 0.25)] += 1
    chances = np.exp(np.clip(losses.numpy(), 0, np.log(rule._classes)) / 0.5)
    assert np.abs(hits / 4000 - chances / chances.sum()).max() < 0.03


def test_a_class_too_small_for_its_quota_leaves_the_rest_to_the_others():
    losses = torch.where(LABELS == 2, 1.0, 1e-6)
    picks = begun("rcap", {}).select(None, BatchLosses(losses, labels=LABELS), 0.5)
    counts = torch.bincount(LABELS[picks])
    assert counts[2] == 4 and counts.sum() == 20 == len(picks.unique())
