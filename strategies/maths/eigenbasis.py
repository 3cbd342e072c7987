"""The eigen-directions of the reference's features, and how much of a residual lies along each of them."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ..base import Strategy
from ..interface import BatchLosses, Pool, State

_BLOCK = 8192  # rows at a time: the features of a pool are large enough without copies
_LONGEST = 1e16  # sums of squares of such rows stay finite in float32
_LIMIT = 1e6  # of a coordinate and of a loss: products and sums of them stay finite
_NEGLIGIBLE = 1e-6  # share of the largest eigenvalue that is rounding of a float32 covariance


@dataclass(frozen=True)
class Eigenbasis:
    """Leading eigen-directions of a covariance, scaled so that coordinates have mean square 1.

    ``mean`` ``[d]`` is subtracted from features (0 where they are not centred). ``axes`` ``[d, r]`` are v_k / √λ_k,
    largest eigenvalue first; a column is 0 where λ_k is below a millionth of the largest.
    """

    mean: Tensor
    axes: Tensor

    @classmethod
    def of(cls, feats: Tensor, rank: int, centred: bool) -> Self:
        """From features ``[n, d]``; rows that are not finite are left out. On a GPU the solver waits."""
        width = feats.shape[1]
        blocks = feats.split(_BLOCK)
        total = torch.zeros(width, device=feats.device)
        count = torch.zeros(1, device=feats.device)
        for block in blocks:
            whole, rows = _whole(block)
            total = total + torch.where(whole, rows, 0.0).sum(0)
            count = count + whole.sum()
        count = count.clamp_min(1)
        mean = total / count if centred else torch.zeros_like(total)
        moments = torch.zeros(width, width, device=feats.device)
        for block in blocks:
            whole, rows = _whole(block)
            rows = torch.where(whole, rows - mean, 0.0) / count.sqrt()
            moments = moments.addmm(rows.t(), rows)
        values, vectors = torch.linalg.eigh(moments.double())
        values, vectors = values.flip(0)[:rank], vectors.flip(1)[:, :rank]
        kept = values > _NEGLIGIBLE * values[0]
        scale = torch.where(kept, values.clamp_min(torch.finfo(torch.float32).tiny).rsqrt(), 0.0)
        return cls(mean, (vectors * scale).float())

    def coordinates(self, feats: Tensor) -> Tensor:
        """ψ_k(x_i) ``[n, r]`` of features ``[n, d]``, within ±1e6; 0 for rows that are not finite."""
        whole, rows = _whole(feats)
        return (torch.where(whole, rows - self.mean, 0.0) @ self.axes).clamp(-_LIMIT, _LIMIT)


def _whole(feats: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows ``[n, 1]`` are finite (and no longer than 1e16), and all of them ``[n, d]`` in float32."""
    rows = feats.detach().to(torch.float32)
    return torch.linalg.vector_norm(rows, dim=1, keepdim=True) < _LONGEST, rows


def eigenbasis_flops(n: int, d: int) -> float:
    """Cost of :meth:`Eigenbasis.of`."""
    return 9.0 * d**3 + 2.0 * n * d * d + 9.0 * n * d


class Eigendirections(Strategy):
    """A rule that sees candidates by their coordinates in the eigenbasis of the pool's features.

    Features of another width than the pool's, or none told by ``begin`` (as in a notebook): the batch in hand
    then serves as the pool for this call and those behind it, and finding its basis waits for the device.

    Subclasses have the hyper-parameters ``rank`` (how many directions, those of the largest eigenvalues; all d where d
    is smaller) and ``centred`` (those of the covariance, else of the second moments).
    """

    rank: int
    centred: bool
    _basis: Eigenbasis | None = None
    _found_late = 0.0
    _width = 0

    def begin(self, pool: Pool) -> None:
        """Find the eigenbasis of the pool's features."""
        super().begin(pool)
        self._take(None if pool.features is None else Eigenbasis.of(pool.features, self.rank, self.centred))

    def coordinates(self, feats: Tensor, losses: BatchLosses) -> Tensor:
        """ψ_k(x_i) ``[B, r]``."""
        self._found_late = 0.0
        if self._basis is None or self._basis.mean.shape[0] != feats.shape[1]:
            self._classes = self._classes or int(losses.labels.max()) + 1
            self._take(Eigenbasis.of(feats, self.rank, self.centred))
            self._found_late = eigenbasis_flops(*feats.shape)
        assert self._basis is not None
        return self._basis.coordinates(feats)

    def residuals(self, losses: BatchLosses, signal: str) -> Tensor:
        """What each candidate has not been fitted to ``[B, C]``: onehot(y) - p, or loss times onehot(y)."""
        if signal == "residual":
            probs = losses.learner_probs.float()
            wrong = torch.zeros_like(probs).scatter(1, losses.labels[:, None], 1.0) - probs
        else:
            loss = losses.reference if signal == "reference" else losses.learner
            loss = loss.float().nan_to_num(0.0, _LIMIT, 0.0).clamp(0.0, _LIMIT)
            # By comparison: a class that the pool was not said to have is no fault, and is not fitted either.
            classes = torch.arange(self._classes, device=loss.device)
            wrong = loss[:, None] * (losses.labels[:, None] == classes)
        self._width = wrong.shape[1]
        return wrong.nan_to_num(0.0, 0.0, 0.0)

    def scoring_flops(self, n: int, d: int) -> float:
        """Coordinates, residuals and two products over the classes last seen (none before the first pick)."""
        rank = min(self.rank, d)
        return self._found_late + n * (4.0 * d + 2.0 * d * rank + 2.0 * rank + (4.0 * rank + 6.0) * self._width)

    def _take(self, basis: Eigenbasis | None) -> None:
        """Go on with ``basis``; what was known of another one is void."""
        self._basis = basis

    def state_dict(self) -> State:
        """The stream and the basis: found anew elsewhere, it might be turned."""
        stream = super().state_dict()
        if self._basis is None:
            return stream
        return {**stream, "mean": self._basis.mean, "axes": self._basis.axes, "classes": self._classes}

    def load_state_dict(self, state: State) -> None:
        """Take back what :meth:`state_dict` gave; call ``begin`` first."""
        super().load_state_dict(state)
        if "axes" in state:
            self._classes = int(state["classes"])
            self._take(Eigenbasis(state["mean"].to(self._device), state["axes"].to(self._device)))


def along(coordinates: Tensor, wrong: Tensor) -> Tensor:
    """Residual coefficients ``[r, C]`` of candidates: a_k = mean_i ψ_k(x_i) r_i."""
    return coordinates.t() @ wrong / coordinates.shape[0]


def pointing(coordinates: Tensor, wrong: Tensor, target: Tensor) -> Tensor:
    """How far each candidate points to a target ``[r, C]``: Σ_k ψ_k(x_i) ⟨r_i, target_k⟩, ``[B]``."""
    return (coordinates @ target).mul(wrong).sum(1)
