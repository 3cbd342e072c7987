import torch
from torch import Tensor

from ..base import choice, hidden, rule, within
from ..interface import BatchLosses, Selection
from ..maths.classes import class_parts_flops
from ..maths.last_layer import LastLayer
from .subset import Subset

NEGLIGIBLE = 1e-6  # share of a squared length that is taken for rounding (float32)
FLOOR = 0.01  # of the mean weight: the least that a pick is trained with
SOLVES = 8  # times that picks of negative weight are put to 0 and the rest solved for again


@rule
class GradMatch(Subset):
    """The subset and the weights with which its gradients add up to the gradient of all.

    Formula: in each class, orthogonal matching pursuit for min_{A, w >= 0} ‖Σ_{i in A} w_i g_i - b‖² + lam·‖w‖², |A| <=
    k, with b the sum of the class's gradients, g_i = (p(x_i) - onehot(y_i)) ⊗ (h_i, 1) of the last layer: the next pick
    has the largest ⟨g_i, b - Σ_{j in A} w_j g_j⟩, w the ridge solution on A.
    Source: GradMatch (Killamsetty et al., arXiv 2103.00123); CORDS's code: each class by itself, lam = 0.5, a selection
    every 20 epochs, 10 % kept. DeepCore matches the mean, which scales all weights alike and changes no pick; it drops
    picks of weight 0 and so trains on fewer than k, and CORDS pads them by random ones, here neither.
    Cost: the proxy's run at cadence ``run`` (an artefact), a pass of the learner over the pool at ``epoch``, and of
    val for ``target = "val"``; in a class of n with k picks 2·n·k(C + h) operations for products, 2·n·k² for the
    pursuit, a few solutions of a k x k system, and memory for n·k numbers.
    Ours: a pick is never left out: weights that the last solution puts below a hundredth of the mean are raised to it,
    after negative ones were put to 0 and the rest solved for again, at most 8 times (as CORDS drops them; the exact
    non-negative solution may bring some back). Weights are relative (mean 1). Not offered: batches as atoms (PB), the
    row of the own class alone, a warm start on all data.

    Parameters
    ----------
    target : {"train", "val"}
        Whose gradient is matched: the pool's, or that of ``val`` (cadence ``epoch``).
    lam : float
        Ridge penalty on the weights.
    class_balanced : bool
        Cut each class by itself, by the same share.
    cadence : {"run", "epoch"}
        When the subset is made.
    select_every : int
        At cadence ``epoch``: epochs from one selection to the next.
    """

    target: str = choice("train", "val")
    lam: float = within("[0, inf)", 0.5)
    _width: tuple[int, int] = hidden((0, 0))

    def __post_init__(self) -> None:
        super().__post_init__()
        of_val = {"val_features", "val_probs"} if self.target == "val" else set()
        self.needs = frozenset({"learner_probs", "learner_features"} | of_val)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Selection:
        gradients = LastLayer.of(losses.learner_probs, losses.learner_features, losses.labels)
        self._width = gradients.wrong.shape[1], gradients.hidden.shape[1]
        val = None
        if self.target == "val":
            val = LastLayer.of(losses.val_probs, losses.val_features, losses.val_labels)
        picks, weights = [], []
        for members, count in self.parts(losses, k):
            part = gradients.take(members)
            if val is None:
                goal = part.total()
            elif self.class_balanced:
                goal = val.total((losses.val_labels == losses.labels[members[0]]).float())
            else:
                goal = val.total()
            chosen, weight = self._pursue(part, goal, count)
            picks.append(members[chosen])
            weights.append(weight)
        found = torch.cat(weights)
        least = FLOOR * found.mean()
        # Where nothing has a gradient all picks weigh the same.
        return Selection(torch.cat(picks), torch.where(least > 0, found.clamp_min(least), 1.0))

    def _pursue(self, gradients: LastLayer, goal: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """``k`` positions in the order picked, and their weights, not below 0.

        With K the products and L L' = K_AA + lam·I, the products with what is lacking are c - V z, V = K_:A L'^-1 and
        L z = c_A: each pick adds a column to V, made orthogonal to those before.
        """
        along = gradients.along(goal)
        squares = gradients.squares()
        columns = along.new_zeros(k, len(gradients))
        lacking, barred = along, torch.zeros_like(along)
        picks: list[Tensor] = []
        for turn in range(k):
            at = (lacking - barred).argmax(0, keepdim=True)
            picks.append(at)
            barred = barred.index_fill(0, at, torch.inf)
            before = columns[:turn]
            row = before.index_select(1, at)
            whole = squares.index_select(0, at)
            pivot = (whole - row.square().sum(0)).clamp_min(0.0) + self.lam
            # One that adds nothing but rounding leaves what is lacking as it is.
            scale = torch.where(pivot > NEGLIGIBLE * whole, pivot.rsqrt(), 0.0)
            new = (gradients.products(gradients.take(at))[:, 0] - (before * row).sum(0)) * scale
            columns[turn] = new
            lacking = lacking - new * (lacking.index_select(0, at) * scale)
        chosen = torch.cat(picks)
        return chosen, self._weights(gradients.take(chosen).products().double(), along[chosen].double()).float()

    def _weights(self, products: Tensor, along: Tensor) -> Tensor:
        """The ridge solution, negative weights put to 0."""
        ridge = self.lam + NEGLIGIBLE * products.diagonal().mean() + torch.finfo(torch.float32).tiny
        active = torch.ones_like(along)
        weights = along
        for _ in range(SOLVES):
            system = products * active * active[:, None] + torch.diag(ridge + 0 * along)
            weights = torch.linalg.solve_ex(system, along * active).result * active
            active = active * (weights > 0)
        return weights.clamp_min(0.0)

    def flops(self, n: int, d: int, k: int) -> float:
        """By the numbers of p and h last seen, and classes of equal size."""
        one, other = self._width
        parts = self.part_count
        part, own = n / parts, k / parts
        begin = 4.0 * n * one * other + 5.0 * n * other + class_parts_flops(n, self.class_balanced)
        pursuit = k * part * (2.0 * (one + other) + own + 8.0)
        solved = SOLVES * parts * (0.67 * own**3 + 5.0 * own**2) + 2.0 * k * own * (one + other)
        return begin + pursuit + solved
