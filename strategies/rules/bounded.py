import torch
from torch import Tensor

from ..base import choice, rule, within
from ..interface import BatchLosses
from ..maths.eigenbasis import Eigendirections, along, pointing
from ..maths.sampling import systematic, systematic_flops, top, top_flops

HALVINGS = 64  # of the interval that holds the factor of the chances: float64 tells no more apart
FAINT = 1e-6  # score of those that have none, in units of the mean: if all others are certain, they share what is left


@rule
class Bounded(Eigendirections):
    """By frozen eigen-directions; nobody's chances are below c or above C times even.

    Formula: with ψ_k the features' coordinates in the eigenbasis of the pool (as in ``spectral-oracle``) and
    r_i = l_i(reference) onehot(y_i), a_k = mean_i ψ_k(x_i) r_i and s_i = Σ_k ψ_k(x_i) ⟨r_i, a_k⟩ ("reference"), or
    s_i = Σ_k ψ_k(x_i)² ("features", the leverage). "soft": sample i is in with probability
    π_i = min(max(τ·max(s_i, 0), c·k/n), C·k/n, 1), τ such that Σ π_i = k. "hard": the k highest s_i.
    Source: spectral dynamics of data curation (Zhang & Du, arXiv 2512.02409): static pruning is a bounded operator,
    which cannot change the tail exponent of the spectrum. Weights c ≤ dQ/dP ≤ C keep every eigenvalue within c and C
    times its own; with w_i = π_i·n/k that is "soft". "hard" has no lower bound, and the argument does not cover it.
    Cost: n·r·(2 d + 4 C) operations, 64 passes over the scores and an ordering; once, 2 n d² + 9 d³ for the eigenbasis;
    memory O(d r + n (r + C)).
    Ours (the abstract is known to us, not the formal statements): the score; c and C; systematic sampling in random
    order, which has exactly these probabilities and a fixed count (Madow 1949). The bounds are those of the one draw's
    law; with ``at(of="bounded", cadence="epoch")`` it is drawn anew each epoch.

    Parameters
    ----------
    score : {"reference", "features"}
        What the directions are weighted by: the reference's losses, or nothing.
    mode : {"soft", "hard"}
        Bounded chances, or hard pruning.
    lower, upper : float
        c in (0, 1] and C of at least 1; both 1 is plain random. For "soft" alone.
    rank, centred
        As in :class:`selbench.strategies.maths.eigenbasis.Eigendirections`.
    """

    group = "spectral"
    cadence = "run"
    score: str = choice("reference", "features")
    mode: str = choice("soft", "hard")
    lower: float = within("(0, 1]", 0.5)
    upper: float = within("[1, inf)", 2.0)
    rank: int = within("[1, inf)", 64)
    centred: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.needs = frozenset({"features"} | ({"reference"} if self.score == "reference" else set()))

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """``k`` positions of the pool, in no order that means anything where they are drawn."""
        assert feats is not None
        scores = self.scores(feats, losses)
        stream = self.generator(scores.device)
        if self.mode == "hard":
            return top(scores, k, stream)
        return systematic(inclusion(scores, k, self.lower, self.upper), k, stream)

    def scores(self, feats: Tensor, losses: BatchLosses) -> Tensor:
        coordinates = self.coordinates(feats, losses)
        if self.score == "features":
            return coordinates.square().sum(1)
        wrong = self.residuals(losses, "reference")
        target = along(coordinates, wrong)
        return pointing(coordinates, wrong, target / target.abs().amax().clamp_min(1e-30))

    def flops(self, n: int, d: int, k: int) -> float:
        """Scores over the classes last seen (none before the first pick), the chances and the orderings."""
        own = self.scoring_flops(n, d) + (2.0 * n * min(self.rank, d) if self.score == "features" else 0.0)
        return own + (top_flops(n) if self.mode == "hard" else (4.0 * HALVINGS + 8.0) * n + systematic_flops(n))


def inclusion(scores: Tensor, k: int, lower: float, upper: float) -> Tensor:
    """Probabilities ``[n]`` float64, in proportion to the scores within their bounds, that sum to k.

    The bounds are in units of k/n, lower <= 1 <= upper; none is above 1. Negative scores count as 0.
    """
    size = scores.shape[0]
    least, most = lower * k / size, min(1.0, upper * k / size)
    positive = scores.double().clamp_min(0.0)
    positive = positive / positive.mean().clamp_min(1e-300)
    positive = positive + FAINT
    # At the one end every probability is at its lower bound, at the other end at its upper one.
    below, above = (least / positive.amax()).log(), (most / positive.amin()).log()
    for _ in range(HALVINGS):
        middle = (below + above) / 2
        short = (positive * middle.exp()).clamp(least, most).sum() < k
        below, above = torch.where(short, middle, below), torch.where(short, above, middle)
    return (positive * above.exp()).clamp(least, most)
