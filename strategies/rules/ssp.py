import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule, within
from ..interface import BatchLosses
from ..maths.geometry import points, points_flops
from ..maths.sampling import best, best_flops, draw, oriented, top_flops

ROUNDS = 30  # of k-means


@rule
class SSP(Strategy):
    """By how far each sample is from the nearest prototype, without any label.

    Formula: k-means of the reference's features with K clusters; the score is ‖f_i - c‖, c the nearest centroid; the k
    farthest (or nearest).
    Source: self-supervised prototypicality (Sorscher et al., arXiv 2206.14486), on features of SwAV: keep the hard
    where much is kept of a large pool, the easy where little is. Their number of clusters, and the balancing by class,
    were not seen: K is the number of classes by default, and nothing is balanced.
    Cost: no proxy; 30 rounds of k-means of 2·K·d operations a sample, and an ordering.
    Ours: the reference of the matrix in place of SwAV; features of length one by default (a distance from 0 to 2 that
    orders as the cosine does where centroids are of equal length); k-means begins at K random samples and has 30
    rounds; an empty cluster keeps its centroid; ties at random. With the mean of each class in place of k-means it is
    the distance of ``moderate``.

    Parameters
    ----------
    keep : {"hard", "easy"}
        The farthest, or the nearest.
    metric : {"cosine", "euclidean"}
        Features of length one, or as they are.
    clusters : int, optional
        Number K of clusters; by default that of the classes.
    """

    group = "coverage"
    cadence = "run"
    needs = frozenset({"features"})
    keep: str = choice("hard", "easy")
    metric: str = choice("cosine", "euclidean")
    clusters: int | None = within("[1, inf)", None)
    _centroids: int = hidden(0)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        assert feats is not None
        rows, stream = points(feats, self.metric), self.generator(feats.device)
        wanted = self.clusters or self._classes or 10
        self._centroids = min(wanted, len(rows))
        scores = self.distances(rows, self._clustered(rows, stream))
        return best(oriented(scores, self.keep, "hard"), losses, k, stream, False)

    def distances(self, rows: Tensor, centroids: Tensor) -> Tensor:
        """Distance ``[n]`` of each row to the nearest centroid."""
        return torch.cdist(rows, centroids).amin(1)

    def _clustered(self, rows: Tensor, stream: torch.Generator) -> Tensor:
        """Centroids ``[K, d]`` after some rounds of k-means."""
        centroids = rows[draw(len(rows), self._centroids, stream, rows.device)]
        ones = torch.ones(len(rows), device=rows.device)
        for _ in range(ROUNDS):
            nearest = torch.cdist(rows, centroids).argmin(1)
            counts = torch.zeros(len(centroids), device=rows.device).index_add(0, nearest, ones)[:, None]
            sums = torch.zeros_like(centroids).index_add(0, nearest, rows)
            centroids = torch.where(counts > 0, sums / counts.clamp_min(1), centroids)
        return centroids

    def flops(self, n: int, d: int, k: int) -> float:
        clusters = self._centroids or self.clusters or self._classes or 10
        rounds = (ROUNDS + 1) * n * (3.0 * d + 1.0) * clusters + ROUNDS * n * (d + 1.0)
        return points_flops(n, d) + rounds + top_flops(n) + best_flops(n, False)
