from torch import Tensor

from ..base import choice, rule
from ..interface import BatchLosses
from ..maths.last_layer import LastLayer
from ..maths.sampling import error
from .scored import Scored


@rule
class MoSo(Scored):
    """The samples whose gradients agree most with the mean gradient.

    Formula: ⟨ḡ - g_i/n, g_i⟩, the mean of it over checkpoints, with g_i the gradient of sample i and ḡ the mean: to
    first order what the training loss gains where i is left out; the k highest (or lowest).
    Source: MoSo (Tan et al., arXiv 2310.14664), with gradients of all weights at 10 random checkpoints of 8 proxies,
    one an eighth of the pool, whose scores are ranked together although each has its own ḡ.
    Cost: the proxy's run (an artefact with its own ledger), and 2·C·h + 2·(C + h) operations a sample (C classes, h
    features), or 4·C an epoch.
    Ours: one proxy, trained on the whole pool, and no gradient but the last layer's: g_i = (p(x_i) - onehot(y_i)) ⊗
    (h_i, 1) at the end of its run ("last-layer"), or p_t(x_i) - onehot(y_i), that of the bias, at the end of each
    epoch, all of one weight ("bias"); fitted samples have gradients of about 0 at the end. Clean images; ties at
    random.

    Parameters
    ----------
    keep, class_balanced
        The high scores (the published end, of the class-balanced form), or the low ones.
    gradient : {"last-layer", "bias"}
        Of the whole last layer at the end, or of its bias at the end of each epoch.
    """

    group = "gradients"
    keep: str = choice("hard", "easy")
    gradient: str = choice("last-layer", "bias")
    class_balanced: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        last = self.gradient == "last-layer"
        self.needs = frozenset({"learner_probs", "learner_features"} if last else {"trace"})

    def difficulty(self, losses: BatchLosses) -> Tensor:
        size = len(losses.labels)
        if self.gradient == "last-layer":
            gradients = LastLayer.of(losses.learner_probs, losses.learner_features, losses.labels)
            one, other = gradients.wrong.shape[1], gradients.hidden.shape[1]
            self.operations = 4.0 * one * other + 4.0 * (one + other)
            return gradients.along(gradients.mean()) - gradients.squares() / size
        wrong = error(losses.trace, losses.labels)
        self.operations = 6.0 * wrong[0].numel()
        return ((wrong.mean(0) - wrong / size) * wrong).sum(2).mean(1)
