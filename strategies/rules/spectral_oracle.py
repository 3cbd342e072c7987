import torch
from torch import Tensor

from ..base import choice, hidden, rule, within
from ..interface import BatchLosses, Selection, State
from ..maths.eigenbasis import Eigenbasis, Eigendirections, along, pointing
from ..maths.sampling import prioritized, top, top_flops

NEEDED = {"residual": "learner_probs", "learner": "learner", "reference": "reference"}  # signal of each residual
LEAST = 1e-30  # stands for 0 where something is divided by it


@rule
class SpectralOracle(Eigendirections):
    """Time-dependent reweighting: candidates that carry what is still unlearned, eigen-direction by eigen-direction.

    Formula: ψ_k(x) = ⟨v_k, f(x) - f̄⟩ / √λ_k in the ``rank`` leading eigenpairs of the covariance of the reference's
    features over the pool. With r_i = onehot(y_i) - p(x_i), the residual along direction k is a_k ← momentum·a_k + (1 -
    momentum)·mean_i ψ_k(x_i) r_i, its energy E_k = ‖a_k‖², and the score of a candidate is s_i = Σ_k (E_k / max
    E)^((power - 1)/2) · ψ_k(x_i) ⟨r_i, a_k⟩: what its own residual adds to the unlearned one.
    Source: spectral dynamics of data curation (Zhang & Du, arXiv 2512.02409): an oracle that tracks the spectral
    residual and keeps renormalising the tail speeds learning up, which no bounded static pruning can (see ``bounded``);
    a teacher's and the learner's own scores are among its practical approximations.
    Cost: the learner's scoring pass (none with ``score="reference"``), B·r·(2 d + 4 C) operations and an ordering;
    once, 2 n d² + 9 d³ for the eigenbasis; memory O(d r + B (r + C)).
    Ours (the abstract is known to us, not the formal statements): the reference's features for the operator; ψ scaled
    to mean square 1, which takes out the λ_k by which plain training favours the head; a_k estimated from all
    candidates; s for the density, with its sign, so that a candidate that would undo what is lacking comes last.
    ``draw="unbiased"`` undoes the reweighting in the mean and leaves its variance: the control. With losses for
    residuals, r_i = l_i onehot(y_i). Coordinates and losses are cut at 1e6; what is not finite counts as 0, a loss of
    ``+inf`` as 1e6.

    Parameters
    ----------
    score : {"residual", "learner", "reference"}
        The learner's residual, or in its place the learner's losses (self-scoring) or the reference's (a teacher).
    draw : {"top", "proportional", "unbiased"}
        The k highest scores; or at random with chances in proportion to max(s_i, 0) / mean + floor by priority
        sampling, unweighted or with the weights of :class:`selbench.strategies.rules.gradnorm.GradNorm`.
    power : float
        1: directions count as their residual does. 0: all alike. More than 1: the least learned ones all but alone.
    momentum : float
        Share of the running residual that a batch leaves as it is, in [0, 1).
    floor : float
        Chance of every candidate in random draws, in units of the mean score.
    rank, centred
        As in :class:`selbench.strategies.maths.eigenbasis.Eigendirections`.
    """

    group = "spectral"
    score: str = choice("residual", "learner", "reference")
    draw: str = choice("top", "proportional", "unbiased")
    power: float = within("[0, inf)", 1.0)
    momentum: float = within("[0, 1)", 0.9)
    floor: float = within("(0, inf)", 0.1)
    rank: int = within("[1, inf)", 64)
    centred: bool = True
    _residual: Tensor | None = hidden(None)
    _energy: Tensor | None = hidden(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.needs = frozenset({"features", NEEDED[self.score]})

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        """``k`` positions, most preferred first; weights where they undo the reweighting."""
        assert feats is not None
        scores = self.scores(feats, losses)
        stream = self.generator(scores.device)
        if self.draw == "top":
            return top(scores, k, stream)
        chances = scores.clamp_min(0.0)
        chances = chances / chances.mean().clamp_min(LEAST) + self.floor
        picks, weights = prioritized(chances, k, stream)
        return picks if self.draw == "proportional" else Selection(picks, weights)

    def scores(self, feats: Tensor, losses: BatchLosses) -> Tensor:
        """s ``[B]``; the running residual takes the batch in first."""
        coordinates = self.coordinates(feats, losses)
        wrong = self.residuals(losses, self.score)
        batch = along(coordinates, wrong)
        # From nothing, without correcting for the start: scores need the residual up to a factor.
        past = torch.zeros_like(batch) if self._residual is None else self._residual
        residual = self.momentum * past + (1 - self.momentum) * batch
        self._residual = residual
        largest = residual.abs().amax().clamp_min(LEAST)
        target = residual / largest
        self._energy = target.square().sum(1)
        if self.power != 1.0:
            share = self._energy / self._energy.amax().clamp_min(LEAST)
            target = target * share.clamp_min(LEAST).pow((self.power - 1) / 2)[:, None]
        return pointing(coordinates, wrong, target)

    def diagnostics(self) -> dict[str, Tensor]:
        """``directions``: how many hold the residual, (Σ E_k)² / Σ E_k²; 0 where there is none; empty before a pick."""
        if self._energy is None:
            return {}
        return {"directions": self._energy.sum().square() / self._energy.square().sum().clamp_min(LEAST)}

    def flops(self, n: int, d: int, k: int) -> float:
        """Scores over the classes last seen (none before the first pick), the running residual, and one ordering."""
        own = self.scoring_flops(n, d) + 8.0 * min(self.rank, d) * self._width + top_flops(n)
        return own if self.draw == "top" else own + 6.0 * n + 3.0 * k

    def state_dict(self) -> State:
        known = super().state_dict()
        return known if self._residual is None else {**known, "residual": self._residual}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._residual = state["residual"].to(self._device) if "residual" in state else None

    def _take(self, basis: Eigenbasis | None) -> None:
        super()._take(basis)
        self._residual = self._energy = None
