import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule, within
from ..interface import BatchLosses
from ..maths.classes import class_parts, class_parts_flops
from ..maths.geometry import nearest, nearest_flops, points
from ..maths.sampling import oriented, top, top_flops

TINY = 1.2e-38  # probabilities below count as that


@rule
class CAL(Strategy):
    """The samples that a proxy predicts least like their neighbours.

    Formula: s_i = mean over the ``neighbours`` nearest j in the reference's features of (KL(p_i, p_j) + KL(p_j,
    p_i))/2, p the proxy's probabilities at the end of its run; the k highest.
    Source: contrastive active learning (Margatina et al., arXiv 2109.03764), which takes the highest, with 10
    neighbours; the symmetric divergence is DeepCore's (arXiv 2204.08499), whose code keeps the lowest ones by its order
    of sorting: ``keep = "easy"`` gives its picks. Which direction of the divergence was published was not seen.
    Cost: the proxy's run (an artefact with its own ledger); 3·n·d operations a sample for distances, n of its class
    where it is class-balanced, and 3·C a neighbour.
    Ours: Euclidean distance; p below 1.2e-38 counts as that, where theirs gives NaN; ties at random.

    Parameters
    ----------
    keep : {"hard", "easy"}
        The high divergences, or the low ones.
    neighbours : int
        How many neighbours; all others where there are fewer.
    class_balanced : bool
        Take neighbours from the own class, and the same share of every class.
    """

    group = "training dynamics"
    cadence = "run"
    needs = frozenset({"features", "learner_probs"})
    keep: str = choice("hard", "easy")
    neighbours: int = within("[1, inf)", 10)
    class_balanced: bool = False
    _numbers: int = hidden(0)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        assert feats is not None
        rows, probs, stream = points(feats, "euclidean"), losses.learner_probs, self.generator(feats.device)
        self._numbers = probs.shape[1]
        picks = []
        for members, count in class_parts(losses.labels, k, stream, self.class_balanced):
            scores = oriented(self.divergences(rows[members], probs[members]), self.keep, "hard")
            picks.append(members[top(scores, count, stream)])
        return torch.cat(picks)

    def divergences(self, rows: Tensor, probs: Tensor) -> Tensor:
        """Mean divergence ``[n]`` from the nearest neighbours, of features ``[n, d]`` and probabilities ``[n, C]``."""
        if len(rows) < 2:
            return torch.zeros(len(rows), device=rows.device)
        probs = probs.float().clamp_min(TINY)
        here, there = probs[:, None], probs[nearest(rows, self.neighbours)[0]]
        # The two divergences add up to Σ (p - q)(log p - log q).
        return ((here - there) * (here.log() - there.log())).sum(2).mean(1) / 2

    def flops(self, n: int, d: int, k: int) -> float:
        """By the classes last seen, of equal size."""
        part = n / max(1, self._classes) if self.class_balanced else float(n)
        each = nearest_flops(part, d) + 6.0 * self.neighbours * self._numbers + 3.0 * d
        return n * each + class_parts_flops(n, self.class_balanced) + top_flops(n)
