import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule, within
from ..interface import BatchLosses
from ..maths.classes import class_parts, class_parts_flops
from ..maths.geometry import nearest, nearest_flops, points
from ..maths.sampling import best, best_flops
from .aum import AUM
from .el2n import EL2N
from .forgetting import Forgetting
from .scored import Scored


@rule
class D2(Strategy):
    """Hard samples among hard neighbours, each of which makes its neighbours count less.

    Formula: drop the ⌊beta·n⌋ hardest by AUM; in each class, with N(i) the ``neighbours`` nearest of i in the proxy's
    penultimate layer, D_ij their distances and x the difficulty, u_i = x_i + Σ_{j in N(i)} exp(-D_ij) x_j; then take i*
    = argmax u and lower u_j by exp(-gamma·D_i*j)·u_i* for each j in N(i*), until the class has its share.
    Source: D2 pruning (Maharana, Yadav & Bansal, arXiv 2310.07931; their code): on CIFAR-10 at 10 % kept 5 neighbours,
    gamma = 0.1, beta = 0.4, x how often a sample is forgotten; on ImageNet the margin. The values for other ratios were
    not seen: lower beta where much is kept.
    Cost: the proxy's run (an artefact with its own ledger), 3·n·h operations a sample of a class of n for distances to
    those of its class, h features, and n for each pick, one after the other.
    Ours: what is dropped is dropped within each class, and never so much that too few are left; difficulties are
    shifted to begin at 0, so that no message is negative (their code floors them in messages alone); a pick lowers its
    own N(i*) (their code makes edges mutual in one of its paths); ties at random. Features of a length of about 10, as
    they come, make every message about e^-10 and the rule the k highest x: ``metric = "cosine"`` has length one.

    Parameters
    ----------
    score : {"forgetting", "aum", "el2n"}
        The difficulty x.
    neighbours : int
        How many neighbours; all others of the class where there are fewer.
    gamma : float
        How fast a pick's effect falls with distance.
    beta : float
        Share dropped as hardest, in [0, 1).
    metric : {"euclidean", "cosine"}
        Features as they are, or of length one.
    """

    group = "training dynamics"
    cadence = "run"
    needs = frozenset({"trace", "learner_features"})
    score: str = choice("forgetting", "aum", "el2n")
    neighbours: int = within("[1, inf)", 5)
    gamma: float = within("[0, inf)", 0.1)
    beta: float = within("[0, 1)", 0.4)
    metric: str = choice("euclidean", "cosine")
    _hidden: int = hidden(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._margin = AUM(margin="probabilities")
        known: dict[str, Scored] = {"forgetting": Forgetting(never="zero"), "aum": self._margin, "el2n": EL2N()}
        self._rule = known[self.score]

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        rows, stream = points(losses.learner_features, self.metric), self.generator(losses.labels.device)
        size, self._hidden = rows.shape
        hard = torch.nan_to_num(self._rule.difficulty(losses))
        wrong = hard if self.score == "aum" else torch.nan_to_num(self._margin.difficulty(losses))
        # The easiest first: those behind are dropped.
        order = best(-wrong, losses, self._left(size, k), stream, True)
        hard = hard - hard.amin()
        picks = []
        for part, count in class_parts(losses.labels[order], k, stream, True):
            members = order[part]
            picks.append(members[self._passed(rows[members], hard[members], count)])
        return torch.cat(picks)

    def _left(self, size: int, k: int) -> int:
        """How many of ``size`` samples are not dropped as hardest."""
        return max(k, size - int(self.beta * size))

    def _passed(self, rows: Tensor, hard: Tensor, k: int) -> Tensor:
        """``k`` positions, in the order picked, among the members of a class."""
        others, apart = nearest(rows, self.neighbours)
        left = hard + (torch.exp(-apart) * hard[others]).sum(1)
        lowers = torch.exp(-self.gamma * apart)
        barred = torch.zeros_like(hard)
        picks: list[Tensor] = []
        for _ in range(k):
            at = (left - barred).argmax(0, keepdim=True)
            picks.append(at)
            barred = barred.index_fill(0, at, torch.inf)
            left = left.index_add(0, others[at][0], lowers[at][0] * -left[at])
        return torch.cat(picks)

    def flops(self, n: int, d: int, k: int) -> float:
        """By the features last seen and classes of equal size."""
        left = self._left(n, k)
        part = left / max(1, self._classes)
        scores = self._rule.operations + (0.0 if self.score == "aum" else self._margin.operations)
        ends = best_flops(n, True) + class_parts_flops(n, True) + 3.0 * n * self._hidden
        return n * (scores + 8.0) + ends + left * nearest_flops(part, self._hidden) + k * (3.0 * part + 20.0)
