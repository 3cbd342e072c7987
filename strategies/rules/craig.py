from collections.abc import Callable

import torch
from torch import Tensor

from ..base import choice, hidden, rule
from ..interface import BatchLosses, Selection
from ..maths.classes import class_parts_flops
from ..maths.coverage import DENSE, FIRST, densely, lazily
from ..maths.last_layer import LastLayer
from ..maths.sampling import error
from .subset import Subset


@rule
class CRAIG(Subset):
    """The subset whose gradients stand for all gradients, each weighted by how many it stands for.

    Formula: in each class, greedy facility location F(A) = Σ_i max_{j in A} (D - ‖g_i - g_j‖), g_i the gradient of the
    last layer, (p(x_i) - onehot(y_i)) ⊗ (h_i, 1), and D no less than any distance (which one changes no pick); a pick
    weighs as many members of its class as are nearest to it.
    Source: CRAIG (Mirzasoleiman et al., arXiv 1906.01827); the authors' code takes p - onehot(y) alone as the gradient
    and the distance as it is; CORDS takes squared distances and selects every 20 epochs. DeepCore's weights are one too
    large (they begin at 1). DeepCore's facility location of gradients is ``similarity = "cosine"`` unweighted.
    Cost: the proxy's run at cadence ``run`` (an artefact), a pass of the learner over the pool at ``epoch``; then in a
    class of n up to 4,096 2·n²(C + h) operations for all pairs and 3·n² for each pick, and in a larger one 2·n(C + h)
    for each gain that is computed (one a member, then some for each pick), and memory for a few rows of pairs.
    Ours: ties at random; a pick counts as nearest to itself, so that every weight is 1 at least; weights are relative
    (mean 1 over what is kept).

    Parameters
    ----------
    gradient : {"last-layer", "logits"}
        The gradient with respect to the last layer's weights and bias, or to the logits.
    similarity : {"distance", "squared", "cosine"}
        What is summed: the negative distance, its square, or the cosine.
    weighted : bool
        Weigh each pick by what it stands for.
    class_balanced : bool
        Cut each class by itself, by the same share.
    cadence : {"run", "epoch"}
        When the subset is made.
    select_every : int
        At cadence ``epoch``: epochs from one selection to the next.
    """

    gradient: str = choice("last-layer", "logits")
    similarity: str = choice("distance", "squared", "cosine")
    weighted: bool = True
    _width: int = hidden(0)
    _gains: float = hidden(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.needs = frozenset({"learner_probs"} | ({"learner_features"} if self.gradient == "last-layer" else set()))

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        if self.gradient == "last-layer":
            gradients = LastLayer.of(losses.learner_probs, losses.learner_features, losses.labels)
        else:
            wrong = error(losses.learner_probs, losses.labels).nan_to_num(0.0, 0.0, 0.0)
            gradients = LastLayer(wrong, torch.ones_like(wrong[:, :1]))
        self._width, self._gains = gradients.width, 0.0
        picks, weights = [], []
        for members, count in self.parts(losses, k):
            chosen, served = self._cover(gradients.take(members), count)
            picks.append(members[chosen])
            weights.append(served)
        return Selection(torch.cat(picks), torch.cat(weights)) if self.weighted else torch.cat(picks)

    def _cover(self, gradients: LastLayer, k: int) -> tuple[Tensor, Tensor]:
        """``k`` positions in the order picked, and how many members each stands for."""
        size, device = len(gradients), gradients.wrong.device
        rows, least = self._pairs(gradients)
        if size <= DENSE:
            found = densely(rows(torch.arange(size, device=device)), k, least, owners=True)
        else:
            found = lazily(rows, size, k, least, device, owners=True)
            self._gains += found.gains * size
        assert found.owner is not None
        return found.picks, torch.zeros(k, device=device).index_add(0, found.owner, torch.ones(size, device=device))

    def _pairs(self, gradients: LastLayer) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """Similarities ``[m, n]`` of the members at positions ``[m]`` to all, and a number that none is below."""
        if self.similarity == "cosine":
            unit = gradients.unit()
            return lambda at: unit.take(at).products(unit), -torch.ones((), device=unit.wrong.device)
        squares = gradients.squares()

        def near(at: Tensor) -> Tensor:
            apart = squares[at][:, None] + squares - 2 * gradients.take(at).products(gradients)
            # Rounding may not set a member apart from itself.
            apart = apart.clamp_min(0.0).scatter(1, at[:, None], 0.0)
            return -apart if self.similarity == "squared" else -apart.sqrt()

        most = 4 * squares.amax()
        return near, -most if self.similarity == "squared" else -most.sqrt()

    def flops(self, n: int, d: int, k: int) -> float:
        """By the numbers of p and h last seen and classes of equal size; of large ones, by the gains last computed."""
        parts = self.part_count
        part, ends = n / parts, 4.0 * n * self._width + class_parts_flops(n, self.class_balanced)
        if part <= DENSE:
            return ends + n * part * (2.0 * self._width + 7.0) + k * (3.0 * part**2 + 6.0 * part)
        gains = self._gains or n * part + FIRST * k * part
        return ends + gains * (2.0 * self._width + 10.0) + k * part * (2.0 * self._width + 12.0)
