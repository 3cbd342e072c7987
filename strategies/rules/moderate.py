import math

import torch
from torch import Tensor

from ..base import Strategy, choice, rule
from ..interface import BatchLosses, Cadence
from ..maths.geometry import points
from ..maths.sampling import top, top_flops


@rule
class Moderate(Strategy):
    """The candidates whose distance to the centre of their class is nearest to the median distance.

    Formula: d_i = ‖f_i - c_{y_i}‖ with c_y the centre of class y; the k in the middle of the order of d (``rank``), or
    the k of smallest abs(d_i - median(d)) (``value``).
    Source: Moderate Coreset (Xia et al., ICLR 2023, OpenReview 7D5EECbOaf9) and its authors' code, which takes the
    coordinate-wise median of a class as its centre and the middle ranks of all classes together.
    Cost: with median centres two sorts of each feature, 2·d·B·log2(B) operations, with mean centres O(B d); one
    ordering; memory O(B d).
    Ours: the reference's features; at cadence ``batch`` the centres are those of the candidates; where no window of k
    ranks is exactly central, the lower or upper one by rounding half to even; ties at random. The source prunes a pool
    once, hence the cadence ``run``.

    Parameters
    ----------
    centre : {"median", "mean"}
        Coordinate-wise, over the candidates of the class.
    window : {"rank", "value"}
        What is near the median: the rank of the distance, or the distance itself.
    cadence : {"batch", "epoch", "run"}
        When the subset is made: on each candidate batch, or on the whole pool.
    """

    group = "coverage"
    needs = frozenset({"features"})
    centre: str = choice("median", "mean")
    window: str = choice("rank", "value")
    cadence: Cadence = choice("run", "batch", "epoch")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        assert feats is not None
        size = feats.shape[0]
        distance = self.distances(points(feats, "euclidean"), losses.labels)
        generator = self.generator(feats.device)
        if self.window == "rank":
            first = round((size - k) / 2)
            return top(-distance, size, generator)[first : first + k]
        ordered = distance.sort().values
        median = 0.5 * (ordered[(size - 1) // 2] + ordered[size // 2])
        return top(-(distance - median).abs(), k, generator)

    def distances(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Distance ``[B]`` of each row ``[B, d]`` to the centre of its class ``[B]``."""
        by_class = labels.argsort(stable=True)
        rows, labels = rows[by_class], labels[by_class]
        # Classes numbered 0, 1, .. as they come: never more than B, so that nobody has to ask how many there are.
        number = torch.cat([labels.new_zeros(1), (labels[1:] != labels[:-1]).to(torch.int64).cumsum(0)])
        counts = torch.zeros_like(number).index_add_(0, number, torch.ones_like(number))
        centres = _means(rows, number, counts) if self.centre == "mean" else _medians(rows, number, counts)
        distance = torch.linalg.vector_norm(rows - centres[number], dim=1)
        return torch.empty_like(distance).index_copy_(0, by_class, distance)

    def flops(self, n: int, d: int, k: int) -> float:
        orderings = 2.0 * top_flops(n) + (top_flops(n) if self.window == "value" else 0.0)
        centres = 2.0 * n * d * (1.0 + math.log2(max(2, n))) if self.centre == "median" else 3.0 * n * d
        return 4.0 * n * d + 5.0 * n + orderings + centres


def _means(rows: Tensor, number: Tensor, counts: Tensor) -> Tensor:
    """Mean ``[B, d]`` of each class; zero for numbers that no class has."""
    return torch.zeros_like(rows).index_add_(0, number, rows) / counts.clamp_min(1)[:, None]


def _medians(rows: Tensor, number: Tensor, counts: Tensor) -> Tensor:
    """Coordinate-wise median ``[B, d]`` of each class (the mean of the middle two where it has an even count)."""
    ordered, at = rows.sort(dim=0)
    inside = ordered.gather(0, number[at].sort(dim=0, stable=True).indices)
    # A number that no class has points behind the last row.
    starts = counts.cumsum(0) - counts
    lower = (starts + ((counts - 1).clamp_min(0) >> 1)).clamp_max(len(rows) - 1)
    upper = (starts + (counts >> 1)).clamp_max(len(rows) - 1)
    return 0.5 * (inside[lower] + inside[upper])
