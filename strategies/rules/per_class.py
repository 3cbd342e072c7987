import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..base import choice, rule
from ..errors import UsageError
from ..interface import BatchLosses, Selection, Traits
from ..maths.sampling import sort_flops
from .wrapper import OfOne, inner_rule, plain, rows

VAL_IMAGES = 10_000  # all of val as a rule: a recall of few images of a class is a matter of luck


@rule
class PerClass(OfOne):
    """Rule X, asked class by class, with a quota for each class.

    Formula: class c of n_c samples gets q_c picks, Σ q_c = k, and X picks them among the samples of c alone, which is
    all that it sees. "balanced": q_c the same for all; "proportional": q_c in proportion to n_c; "loss": in proportion
    to n_c·(mean loss of c); "recall": to n_c·(1 - a_c), a_c the share of the learner's right answers on images of class
    c in ``val``. No class gives more than it has; what it lacks goes to the others by the same rule.
    Source: DeepCore (arXiv 2204.08499) selects class by class by default, round(r·n_c) of each: "proportional". DRoP
    (arXiv 2404.05579) is "recall" with random picks, ``of="uniform", options={cadence="epoch"}``; its authors' code
    leaves out n_c, which differs where classes do in size, and rounds to fewer than k.
    Cost: X's on each class, and an ordering of the labels; "recall": a forward pass of ``val`` before each selection
    (phase probe).
    Not held: the quotas of RCAP (arXiv 2606.11761), which are those of the rule ``rcap``.
    Ours: quotas that sum to k, by largest remainders, ties at random; "loss"; the learner of the run in the place of
    DRoP's nets that are trained before it, so that quotas follow it from epoch to epoch and "recall" is for cadence
    ``epoch``; a class without an image in ``val`` has the mean recall. Weights of X, if it gives any, are scaled to
    mean 1 within each class. For the cadences ``epoch`` and ``run`` alone: how many of a class a batch holds is known
    on the device only. Rules with an option ``class_balanced`` rank over all classes, then take the same share of each.

    Parameters
    ----------
    of : str
        Registered name of X, a rule at cadence ``epoch`` or ``run`` that keeps as many as it is asked for; a rule for
        batches comes through ``at``.
    options : dict, optional
        X's hyper-parameters.
    quota : {"proportional", "balanced", "loss", "recall"}
        What a class may keep.
    """

    group = "class quotas"
    of: str = "el2n"
    options: Mapping[str, Any] | None = None
    quota: str = choice("proportional", "balanced", "loss", "recall")

    def __post_init__(self) -> None:
        super(OfOne, self).__post_init__()
        self.options = dict(self.options or {})
        self._rule = inner_rule(self.of, self.options, selecting=True)
        traits = Traits.of(self._rule)
        if traits.cadence == "batch":
            raise UsageError(
                f"per-class selects from the whole pool, and {self.of!r} from batches: name 'at', with options of = "
                f"{self.of!r} and a cadence"
            )
        if not traits.exact_count:
            raise UsageError(f"{self.of!r} decides by itself how many it keeps: it can be given no quotas")
        self.wrap(self._rule)
        if self.quota == "loss":
            self.needs = self.needs | {"learner"}
        if self.quota == "recall":
            if traits.cadence == "run":
                raise UsageError(
                    "quota = \"recall\" follows the learner, and at cadence 'run' there is none yet: give "
                    f"{self.of!r} the cadence 'epoch'"
                )
            self.needs = self.needs | {"val_probs"}
            vars(self)["val_images"] = max(traits.val_images, VAL_IMAGES)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        labels = losses.labels
        classes, sizes = zip(*sorted(Counter(labels.tolist()).items()), strict=True)
        members = labels.argsort(stable=True).split(sizes)
        stream = self.generator(labels.device)
        luck = torch.rand(len(sizes), generator=stream, device=labels.device).tolist()
        wanted = self._weights(losses, members, classes)
        picks, weights = [], []
        for at, quota in zip(members, quotas(wanted, sizes, k, luck), strict=True):
            if quota == 0:
                continue
            inside = None if feats is None else feats.index_select(0, at)
            chosen = self.ask(self._rule, inside, rows(losses, at, quota), quota)
            picks.append(at.index_select(0, chosen.indices))
            if chosen.weights is not None:
                weights.append(chosen.weights / chosen.weights.mean())
        return plain(Selection(torch.cat(picks), torch.cat(weights) if weights else None))

    def _weights(self, losses: BatchLosses, members: Sequence[Tensor], classes: Sequence[int]) -> list[float]:
        """What the quotas of the classes are in proportion to."""
        if self.quota == "balanced":
            return [1.0] * len(members)
        if self.quota == "proportional":
            return [float(len(at)) for at in members]
        if self.quota == "recall":
            missed = _missed(losses.val_probs, losses.val_labels)
            return [len(at) * missed[label] for at, label in zip(members, classes, strict=True)]
        # What was never seen is as bad as the worst that was.
        loss = losses.learner.double()
        seen = loss.isfinite() & (loss > 0)
        most = torch.where(seen, loss, 0.0).amax()
        loss = torch.where(seen, loss, torch.where(loss == torch.inf, most, 0.0))
        return [float(loss.index_select(0, at).sum()) for at in members]

    def flops(self, n: int, d: int, k: int) -> float:
        """X's for classes of one size, as many as the pool has."""
        count = max(1, min(self._classes, n))
        each = float(self._rule.flops(max(1, n // count), d, max(1, k // count)))
        return count * each + sort_flops(n) + (6.0 * n if self.quota == "loss" else 0.0)


def _missed(probs: Tensor, labels: Tensor) -> list[float]:
    """One less the recall of each class, from probabilities ``[V, C]``; the mean where there is no image of a class."""
    wrong = (probs.argmax(1) != labels).double()
    counts = torch.zeros(probs.shape[1], dtype=torch.float64, device=probs.device)
    missed = counts.index_add(0, labels, wrong)
    counts = counts.index_add(0, labels, torch.ones_like(wrong))
    there = counts > 0
    rates = missed / counts.clamp_min(1)
    mean = rates.sum() / there.sum()
    return [float(rate) for rate in torch.where(there, rates, mean).tolist()]


def quotas(weights: Sequence[float], sizes: Sequence[int], k: int, luck: Sequence[float]) -> list[int]:
    """Whole numbers that sum to k, in proportion to the weights and at most the sizes; of equal remainders by luck."""
    shares, free, left = [0.0] * len(sizes), set(range(len(sizes))), float(k)
    while free:
        total = math.fsum(weights[c] for c in free)
        part = {c: left * weights[c] / total if total > 0 else left / len(free) for c in free}
        full = {c for c in free if part[c] >= sizes[c]}
        for c in full or free:
            shares[c] = float(sizes[c]) if full else part[c]
        left -= math.fsum(shares[c] for c in full)
        free = free - full if full else set()
    counts = [math.floor(share + 1e-9) for share in shares]
    order = sorted(range(len(sizes)), key=lambda c: (counts[c] >= sizes[c], counts[c] - shares[c], luck[c]))
    for c in order[: k - sum(counts)]:
        counts[c] += 1
    return counts
