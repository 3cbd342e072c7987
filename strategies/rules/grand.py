import torch
from torch import Tensor

from ..base import choice, rule, within
from ..interface import BatchLosses
from ..maths.sampling import error
from .scored import Scored


@rule
class GraNd(Scored):
    """By the length of each sample's gradient in a proxy's last layer.

    Formula: g_i = ‖∂l_i/∂(W, b)‖ = ‖p(x_i) - onehot(y_i)‖₂ · √(‖h(x_i)‖₂² + 1), with logits W h + b, h the penultimate
    layer, l the cross-entropy, all at the proxy's last epoch; the k highest (or lowest).
    Source: DeepCore (arXiv 2204.08499) for the last layer, bias included, as the mean over ten models; Data Diet (Paul
    et al., arXiv 2107.07075) takes the gradient of all layers.
    Cost: the proxy's run (an artefact with its own ledger), 2·(C + h) operations a sample and n log2 n.
    Not comparable: figures of this name from DeepCore's code, whose gradients are of a batch's mean loss, so that the
    images of a short last batch come out higher.
    Ours: one proxy at the end of its run unless ``nets`` says more, on clean images; ties at random. Not at
    initialisation, where the score mostly follows the input's norm and does not beat random picks (arXiv 2303.14753).

    Parameters
    ----------
    keep, class_balanced
        The high scores, or the low ones; of the pool, or the same share of every class.
    nets : int
        Proxies that the score is the mean over; each is trained and paid for.
    """

    group = "gradients"
    needs = frozenset({"learner_probs", "learner_features"})
    keep: str = choice("hard", "easy")
    class_balanced: bool = False
    nets: int = within("[1, inf)", 1)

    def difficulty(self, losses: BatchLosses) -> Tensor:
        probs, hidden = losses.learner_probs.to(torch.float32), losses.learner_features.to(torch.float32)
        self.operations = 2.0 * (probs.shape[1] + hidden.shape[1])
        length = torch.linalg.vector_norm(hidden, dim=1)
        return torch.linalg.vector_norm(error(probs, losses.labels), dim=1) * torch.hypot(
            length, torch.ones_like(length)
        )
