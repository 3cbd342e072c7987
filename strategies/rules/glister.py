import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule, within
from ..interface import BatchLosses, Cadence
from ..maths.last_layer import LastLayer
from ..maths.sampling import top, top_flops

TINY = 1e-38  # the smallest probability of an image of val that is told from 0


@rule
class GLISTER(Strategy):
    """Picks whose gradient steps lower the loss on ``val``, where the steps of earlier picks have been taken.

    Formula: g_i = (p(x_i) - onehot(y_i)) ⊗ (h_i, 1), the last layer's gradient. Each of ``rounds`` rounds takes the
    k/rounds largest ⟨g_i, G⟩, G the mean gradient of ``val`` at its present logits z_v; then it moves them by the
    picks, z_v ← z_v - eta·Σ_i g_i (h_v, 1), as a step of the last layer would.
    Source: GLISTER (Killamsetty et al., arXiv 2012.10630), greedy with Taylor approximation; CORDS's code: 15 rounds,
    the sum over picks, a selection every 20 epochs, 10 % kept. DeepCore's code never updates G, because of a misspelt
    keyword, so that its published rows are the k largest ⟨g_i, G⟩ of a class (``rounds = 1``); the update that it
    has takes eta times the mean of all picks from the first logits (``step = "mean"``).
    Cost: at cadence ``epoch`` a pass of the learner over the pool every ``select_every`` epochs, at ``batch`` its
    scoring pass; a forward pass of val (phase probe); and for each round 2·C·h operations a candidate and twice as many
    an image of val, C classes and h features.
    Ours: all classes together; no stochastic greedy; ties at random. Published on the bias alone by default; here on
    the whole last layer.

    Parameters
    ----------
    cadence : {"epoch", "batch"}
        What is picked from: the whole pool, or each candidate batch.
    rounds : int
        Rounds of picks; never more than picks.
    eta : float
        Step of the last layer that a pick (``step = "sum"``) or all picks together (``"mean"``) stand for.
    step : {"sum", "mean"}
        Whether the steps of picks add up or are averaged.
    select_every : int
        At cadence ``epoch``: epochs from one selection to the next.
    val_images : int
        Images of val.
    """

    group = "gradients"
    needs = frozenset({"learner_probs", "learner_features", "val_features", "val_probs"})
    pool_scores = "fresh"
    cadence: Cadence = choice("epoch", "batch")
    rounds: int = within("[1, inf)", 15)
    eta: float = within("[0, inf)", 0.1)
    step: str = choice("sum", "mean")
    select_every: int = within("[1, inf)", 20)
    val_images: int = within("[1, inf)", 256)
    _shape: tuple[int, int, int] = hidden((0, 0, 0))

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        gradients = LastLayer.of(losses.learner_probs, losses.learner_features, losses.labels)
        device, stream = gradients.wrong.device, self.generator(gradients.wrong.device)
        began = losses.val_probs.float().clamp_min(TINY).log()
        held_out = LastLayer.of(losses.val_probs, losses.val_features, losses.val_labels)
        self._shape = len(held_out), gradients.wrong.shape[1], gradients.hidden.shape[1]
        picks = torch.zeros(0, dtype=torch.int64, device=device)
        rounds = min(self.rounds, k)
        moved = torch.zeros_like(held_out.total())
        for turn in range(rounds):
            gain = gradients.along(held_out.mean()).nan_to_num(0.0, 0.0, 0.0)
            new = top(gain, k * (turn + 1) // rounds - k * turn // rounds, stream, picks)
            picks = torch.cat([picks, new])
            moved = moved + gradients.take(new).total()
            scale = self.eta if self.step == "sum" else self.eta / len(picks)
            logits = began - scale * (held_out.hidden @ moved.t())
            probs = logits.softmax(1).nan_to_num(0.0, 0.0, 0.0)
            held_out = LastLayer.of(probs, losses.val_features, losses.val_labels)
        return picks

    def flops(self, n: int, d: int, k: int) -> float:
        """By the images of val and the numbers of p and h last seen."""
        val, classes, width = self._shape
        rounds = min(self.rounds, k)
        each = 2.0 * n * classes * width + 2.0 * n * width + n + top_flops(n)
        each += 4.0 * val * classes * width + 10.0 * val * classes + 6.0 * val * width + 3.0 * classes * width
        return rounds * each + 2.0 * k * classes * width + 3.0 * n * width
