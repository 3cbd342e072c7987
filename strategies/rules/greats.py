import torch
from torch import Tensor

from ..base import Strategy, hidden, rule, within
from ..interface import BatchLosses
from ..maths.last_layer import LastLayer
from ..maths.sampling import draw, top_flops


@rule
class GREATS(Strategy):
    """Greedy picks whose gradient steps lower the loss on ``val`` most, each after the steps of those before.

    Formula: g_i = (p(x_i) - onehot(y_i)) ⊗ (h_i, 1), the last layer's gradient, and G its mean on ``val``. The gain of
    i after the picks A is ⟨g_i, G⟩ - eta·Σ_{j in A} ⟨g_i, g_j⟩: the first order of the fall of the held-out loss,
    less what the picks have done already, with the Hessian taken as the identity. The k picks are made one by one.
    Source: GREATS (Wang et al., NeurIPS 2024, OpenReview 232VcN8tSx), for language models: k/B = 1/2, gradients of all
    layers, 2 to 16 images of val drawn anew at each step. Their code takes all gradients from one mean over training
    and held-out samples, so that the second term shrinks with the square of that count; ours does not.
    Cost: the learner's scoring pass, a forward pass of ``val_images`` every ``val_interval`` batches (phase probe), 2·B
    operations a candidate and number of p and h for the products, and B for each of k steps, one after the other; the
    host waits for none of them.
    Ours: the last layer alone; one fixed batch of val; ties at random; a gain that is not a number counts as 0. With
    ``eta = 0``, or small as in fine-tuning, the rule is the k largest ⟨g_i, G⟩.

    Parameters
    ----------
    eta : float
        Step that a pick stands for. Of a step on the mean loss of k picks that is the learning rate over k.
    val_images : int
        Images of val.
    val_interval : int
        Batches from one look at val to the next.
    """

    group = "gradients"
    needs = frozenset({"learner_probs", "learner_features", "val_gradient"})
    eta: float = within("[0, inf)", 0.1)
    val_images: int = within("[1, inf)", 64)
    val_interval: int = within("[1, inf)", 1)
    _width: tuple[int, int] = hidden((0, 0))

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        gradients = LastLayer.of(losses.learner_probs, losses.learner_features, losses.labels)
        self._width = gradients.wrong.shape[1], gradients.hidden.shape[1]
        size, device = len(gradients), gradients.wrong.device
        order = draw(size, size, self.generator(device), device)
        gradients = gradients.take(order)
        gain = gradients.along(losses.val_gradient.float()).nan_to_num(0.0, 0.0, 0.0)
        less = gradients.products() * self.eta
        picks: list[Tensor] = []
        for _ in range(k):
            at = gain.argmax(0, keepdim=True)
            picks.append(at)
            gain = (gain - less[at][0]).index_fill(0, at, -torch.inf)
        return order[torch.cat(picks)]

    def flops(self, n: int, d: int, k: int) -> float:
        """By the numbers of p and h last seen."""
        classes, width = self._width
        products = 2.0 * n * n * (classes + width + 1) + 2.0 * n * classes * width + 2.0 * n * width
        return products + top_flops(n) + 2.0 * k * n
