"""Picking k of n on the device: by preference, at random, or with weights. What the rules share.

Nothing here waits for the device: no index by mask, no ``nonzero``, no scalar read back.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..interface import BatchLosses

_TINY = 1e-38
_CHANCES = (1 << 31) - 1
TAKEN = torch.iinfo(torch.int64).min  # key of a candidate that can be picked no more


def extent(feats: Tensor | None, losses: BatchLosses) -> tuple[int, torch.device]:
    """How many candidates there are, and where they lie."""
    tensor = feats if feats is not None else next(iter(losses.signals().values()))
    return int(tensor.shape[0]), tensor.device


def top(scores: Tensor, k: int, generator: torch.Generator, taken: Tensor | None = None) -> Tensor:
    """The k candidates of highest score.

    Ties are drawn at random: the strategy's stream decides among equal scores, so that rules which
    have seen nothing yet (all losses ``+inf``) do not favour low positions. ``+inf`` is preferred
    to every number; NaN is least preferred, below ``-inf``. Scores are compared in float32. Gives unique positions
    ``[k]`` int64, most preferred first, none of those ``taken``.
    """
    chance = torch.randint(0, _CHANCES, scores.shape, generator=generator, device=scores.device)
    keys = ranked(scores, chance)
    if taken is not None:
        keys = keys.index_fill(0, taken, TAKEN)
    return torch.topk(keys, k).indices


def ranked(scores: Tensor, chance: Tensor) -> Tensor:
    """Integers ``[..., n]`` ordered as :func:`top` orders ``scores``, ties by ``chance``, in [0, 2^31 - 1).

    The float's bits in order-preserving form stand above those of chance. Adding zero makes -0.0 and 0.0 one value.
    """
    bits = (scores.detach().to(torch.float32) + 0.0).view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).masked_fill_(torch.isnan(scores), -(1 << 31))
    return torch.add(chance, ordered, alpha=1 << 31)


def sort_flops(n: int) -> float:
    """Cost of ordering n candidates: n log2 n."""
    return n * math.log2(max(2, n))


def top_flops(n: int) -> float:
    """Cost of one :func:`top` over n candidates: eight operations each and their order."""
    return 8.0 * n + sort_flops(n)


def portion(share: float, k: int) -> int:
    """⌊share·k + 1/2⌋: how many of ``k`` picks a part of a rule makes."""
    return math.floor(share * k + 0.5)


def draw(n: int, k: int, generator: torch.Generator, device: torch.device, taken: Tensor | None = None) -> Tensor:
    """A uniform random subset ``[k]`` int64 of n positions, without those taken."""
    return top(torch.zeros(n, device=device), k, generator, taken)


def weighted(log_weights: Tensor, k: int, generator: torch.Generator, taken: Tensor | None = None) -> Tensor:
    """Draw k without replacement, one after the other with chances proportional to exp(log_weights).

    Adding independent Gumbel noise and keeping the k largest has exactly this law (Gumbel-top-k;
    Vieira 2014, Kool et al. 2019). ``+inf`` is certain, ``-inf`` (weight 0) and then NaN come last;
    within each of these groups the draw is uniform. Weights need not be normalised; the order is that of the draw.
    """
    noise = log_exponential(log_weights.shape, generator, log_weights.device)
    return top(log_weights.detach().to(torch.float32) - noise, k, generator, taken)


def log_exponential(shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Logarithms of independent exponential numbers, finite: Gumbel noise with the other sign."""
    return _log_exponential(torch.rand(tuple(shape), generator=generator, device=device))


def _log_exponential(noise: Tensor) -> Tensor:
    return (-torch.log1p(-noise)).clamp_min(_TINY).log()


def draws(
    rows: int, n: int, generator: torch.Generator, device: torch.device, even: bool = False
) -> tuple[Tensor, Tensor]:
    """Noise and chances, each ``[rows, n]``, of so many :func:`weighted` calls, or with ``even`` first a :func:`draw`.

    A CPU takes them from the stream call by call, as those do. A GPU, where each call is a launch, takes all at once.
    """
    if device.type != "cpu":
        noise = torch.rand(rows, n, generator=generator, device=device)
        return _log_exponential(noise), torch.randint(0, _CHANCES, (rows, n), generator=generator, device=device)
    noises, chances = torch.zeros(rows, n), torch.empty(rows, n, dtype=torch.int64)
    for row, (noise, chance) in enumerate(zip(noises, chances, strict=True)):
        if row or not even:
            noise.uniform_(generator=generator)
        chance.random_(0, _CHANCES, generator=generator)
    return _log_exponential(noises), chances


def weighted_flops(n: int) -> float:
    """Cost of one :func:`weighted` over n candidates."""
    return 7.0 * n + top_flops(n)


def prioritized(sizes: Tensor, k: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Priority sampling (Duffield, Lund & Thorup 2007): k of n by chances in proportion to positive, finite sizes.

    Gives the picks, largest priority first, and their Horvitz-Thompson weights times k/n.
    """
    n = sizes.shape[0]
    # In (0, 1]: a priority is finite, and never below its size.
    priorities = sizes / (1 - torch.rand(sizes.shape, generator=generator, device=sizes.device))
    order = top(priorities, min(n, k + 1), generator)
    picks = order[:k]
    kept = sizes.index_select(0, picks)
    # All are certain where nothing is left out.
    threshold = priorities.index_select(0, order[k:]) if k < n else kept.amin().unsqueeze(0)
    return picks, (threshold / kept).clamp_min(1) * (k / n)


def proportional(sizes: Tensor, k: int) -> Tensor:
    """Probabilities ``[n]`` float64 that sum to k: min(1, τ·size) of sizes not below 0.

    Sizes count as a millionth of their mean more, so that those without any share what the certain ones leave.
    """
    sizes = sizes.double()
    sizes = sizes / sizes.mean().clamp_min(1e-300) + 1e-6
    # With the j largest certain, τ_j = (k - j) / (sum of the others); Σ min(1, τ·size) is the least of j + τ·(that sum)
    # over j, so that the largest τ_j is the one.
    others = sizes.sort().values.cumsum(0).flip(0)
    certain = torch.arange(len(sizes), device=sizes.device)
    return (sizes * ((k - certain) / others).amax()).clamp_max(1.0)


def systematic(chances: Tensor, k: int, stream: torch.Generator) -> Tensor:
    """Draw k unique positions ``[k]``, each with its own chance ``[n]`` float64, at most 1; their sum is k.

    Systematic sampling in random order has exactly these probabilities and a fixed count (Madow 1949).
    """
    size = chances.shape[0]
    order = draw(size, size, stream, chances.device)
    start = torch.rand(1, generator=stream, device=chances.device, dtype=torch.float64)
    passed = (chances.index_select(0, order).cumsum(0) + start).floor()
    marks = torch.diff(passed, prepend=torch.zeros_like(start)).clamp_max(1.0)
    # Exactly k even where a sum was rounded across a whole number.
    return order.index_select(0, top(marks, k, stream))


def systematic_flops(n: int) -> float:
    """Cost of one :func:`systematic`."""
    return 4.0 * n + 2.0 * top_flops(n)


def error(probs: Tensor, labels: Tensor) -> Tensor:
    """p - onehot(y) in float32, of probabilities ``[n, ..., C]`` and classes ``[n]``."""
    probs = probs.float()
    at = labels.reshape(-1, *[1] * (probs.ndim - 1)).expand(*probs.shape[:-1], 1)
    return probs.scatter_add(-1, at, torch.full_like(probs[..., :1], -1.0))


def oriented(scores: Tensor, end: str, high: str) -> Tensor:
    """``scores`` where the end kept is ``high``, else their negative, so that :func:`top` serves both."""
    return scores if end == high else -scores


def grouped(order: Tensor, groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each group's members in the ``order`` given, a permutation ``[n]``, by the positions' ``groups`` ``[n]``.

    Gives three ``[n]``: the positions, group after group; how many of its group stand before each; how many it has.
    """
    members = order[groups[order].argsort(stable=True)]
    of = groups[members]
    first = torch.searchsorted(of, of)
    return members, torch.arange(len(of), device=of.device) - first, torch.searchsorted(of, of, right=True) - first


def grouped_flops(n: int) -> float:
    """Cost of one :func:`grouped`: a sort, two searches counted as two operations each, two differences."""
    return 6.0 * n + sort_flops(n)


def shares(order: Tensor, labels: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """The first of each class in a given order, the same share of every class, k in all.

    A class of n_c samples gives n_c·k/n, rounded to the nearest integer with the one divisor that makes
    the sum k (Sainte-Laguë): the k samples of lowest (rank in class + 1/2)/n_c. Ties at random. ``order`` holds all n
    positions, the one to be kept first at the front; labels are any integers.
    """
    members, rank, count = grouped(order, labels)
    return members[top(-(rank + 0.5) / count, k, generator)]


def shares_flops(n: int) -> float:
    """Cost of one :func:`shares`."""
    return grouped_flops(n) + 3.0 * n + top_flops(n)


def balanced(scores: Tensor, labels: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """:func:`top`, with the same share of every class (see :func:`shares`)."""
    return shares(top(scores, len(scores), generator), labels, k, generator)


def best(scores: Tensor, losses: BatchLosses, k: int, generator: torch.Generator, class_balanced: bool) -> Tensor:
    """The k candidates of highest score, of all or with the same share of every class."""
    return balanced(scores, losses.labels, k, generator) if class_balanced else top(scores, k, generator)


def best_flops(n: int, class_balanced: bool) -> float:
    """Cost of one :func:`best`."""
    return top_flops(n) + (shares_flops(n) if class_balanced else 0.0)
