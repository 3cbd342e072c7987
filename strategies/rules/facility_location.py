from torch import Tensor

from ..base import Strategy, choice, hidden, rule
from ..errors import UsageError
from ..interface import BatchLosses, Cadence
from ..maths.coverage import DENSE, FIRST, densely, lazily
from ..maths.geometry import points, points_flops, shuffled

MOST = 32_768  # candidates of a batch: all pairs then take 8.6 GB


@rule
class FacilityLocation(Strategy):
    """The subset that represents all candidates best: each is served by the pick most similar to it.

    Formula: greedy maximisation of F(A) = Σ_i max_{j in A} cos(f_i, f_j): the next pick has the largest gain Σ_i max(0,
    S_ij - max_{l in A} S_il). F is monotone and submodular, so that the greedy value is at least 1 - 1/e of the best
    (Nemhauser et al. 1978).
    Source: facility location as in CRAIG (Mirzasoleiman et al., arXiv 1906.01827), without its weights.
    Cost: for a batch and up to 4,096 candidates 2·B²·d operations for the similarities, 3·B² for each of k steps, one
    after the other, and memory O(B²). A larger pool takes memory O(B d), and 2·B·d operations for each gain that is
    computed: one a candidate at first, then some for each pick.
    Ours: cosine similarity (a constant added to it changes no pick) of the reference's features; lazy evaluation on
    larger pools (Minoux 1978), since gains only ever fall, not on batches, where a device would have to be waited for;
    ties at random; not class-balanced. The sources prune a pool, hence the cadence ``run``.

    Parameters
    ----------
    cadence : {"batch", "epoch", "run"}
        When the subset is made: on each candidate batch, or on the whole pool.
    """

    group = "coverage"
    needs = frozenset({"features"})
    cadence: Cadence = choice("run", "batch", "epoch")
    _coverage: Tensor | None = hidden(None)
    _gains: int = hidden(0)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """``k`` positions in the order picked, gains falling; refuses batches of more than 32,768 candidates."""
        assert feats is not None
        size = feats.shape[0]
        if self.cadence == "batch" and size > MOST:
            raise UsageError(
                f"facility-location holds all pairs of a batch: {size:,} candidates take {8 * size**2 / 1e9:.0f} GB; "
                f"take batches of {MOST:,} at most, or cadence='run'"
            )
        rows, order = shuffled(points(feats, "cosine"), self.generator(feats.device))
        if self.cadence == "batch" or size <= DENSE:
            found = densely(rows @ rows.t(), k, -1.0)
        else:
            found = lazily(lambda some: rows[some] @ rows.t(), size, k, -1.0, rows.device)
            self._gains = found.gains
        self._coverage = found.served.mean()
        return order[found.picks]

    def diagnostics(self) -> dict[str, Tensor]:
        """``coverage``: mean similarity of a candidate to the pick most like it, last call; empty before."""
        return {} if self._coverage is None else {"coverage": self._coverage}

    def flops(self, n: int, d: int, k: int) -> float:
        """Where not all pairs are held: by the gains of the last call (none yet: one a candidate, and eight a pick)."""
        if self.cadence == "batch" or n <= DENSE:
            return points_flops(n, d) + 2.0 * n * n * d + k * (3.0 * n * n + 3.0 * n)
        gains = self._gains or n + FIRST * k
        return points_flops(n, d) + gains * n * (2.0 * d + 3.0) + k * n * (2.0 * d + 12.0)
