import torch
from torch import Tensor

from ..base import Strategy, choice, rule, within
from ..errors import UsageError
from ..interface import BatchLosses, Cadence, Pool
from ..maths.sampling import oriented, top, top_flops
from ..maths.spectral import Eigenpair, diagnostics, fiedler, fiedler_flops, usual_steps, usual_way


class FiedlerScores(Strategy):
    """What rules share that score candidates by the Fiedler vector; their options are those of :class:`Fiedler`."""

    needs = frozenset({"features"})
    score: str
    end: str
    normalized: bool
    negative: str
    steps: int | None
    _pair: Eigenpair | None = None
    _admitted: bool = False

    def begin(self, pool: Pool) -> None:
        """Take the pool; with ``negative="refuse"`` look at its features once."""
        super().begin(pool)
        if self.negative == "refuse" and pool.features is not None:
            self._admit(pool.features)
            self._admitted = True

    def node_scores(self, feats: Tensor) -> Tensor:
        """Score ``[B]`` of each candidate, the preferred end high."""
        if self.negative == "refuse" and not self._admitted:
            self._admit(feats)
        size = feats.shape[0]
        way = usual_way(size, feats.device, self.steps is not None)
        self._pair = fiedler(feats, normalized=self.normalized, steps=self._steps(size), way=way)
        vector = self._pair.vector
        return oriented(vector.abs() if self.score == "abs" else vector, self.end, "high")

    def diagnostics(self) -> dict[str, Tensor]:
        """Participation ratio, relative gap and residual of the last pick, on the device; empty before."""
        return {} if self._pair is None else diagnostics(self._pair)

    def flops(self, n: int, d: int, k: int) -> float:
        stepped = self.steps is not None
        solved = fiedler_flops(n, d, self._steps(n), self._device, self.normalized, stepped)
        return solved + 2.0 * n + top_flops(n)

    def _steps(self, size: int) -> int:
        return usual_steps(size, self.cadence) if self.steps is None else self.steps

    def _admit(self, feats: Tensor) -> None:
        if bool(torch.any(feats < 0)):
            raise UsageError("the features have negative entries, so L may be indefinite: pass negative='shift'")


@rule
class Fiedler(FiedlerScores):
    """The extreme entries of the Fiedler vector of the batch's similarity graph.

    Formula: S_ij = cos(f_i, f_j), L = D - S, L v = λ2 v; the k largest (or smallest) |v_i| (or v_i).
    Source: the spectral half of GSTDS (arXiv 2507.04269), alone, as SALN (arXiv 2412.17069) does.
    Cost: ``steps`` Laplacian products of O(B d); see :mod:`selbench.strategies.maths.spectral`.
    Ours (the papers do not say): |v| by default, since v and -v are the same eigenvector; with ``signed`` the entry of
    largest magnitude is positive; the end kept; the unnormalised Laplacian; negative similarities; ties at random;
    cadences other than the papers' ``batch``. What v amounts to in either Laplacian: see
    :class:`selbench.strategies.rules.gstds.GSTDS`.

    Parameters
    ----------
    score : {"abs", "signed"}
        |v| or v.
    end : {"high", "low"}
        Which end of the scores is kept.
    normalized : bool
        The symmetric-normalised Laplacian.
    negative : {"shift", "refuse"}
        Where features have negative entries: shift similarities to (S + 1)/2, or refuse. Refusing looks at the pool's
        features once in ``begin`` (without ``begin`` at each call, which waits for the device).
    steps : int, optional
        Lanczos steps; by default :func:`selbench.strategies.maths.spectral.usual_steps` for the cadence.
    cadence : {"batch", "epoch", "run"}
        When the graph is cut: on each candidate batch, or on the whole pool.
    """

    group = "spectral"
    score: str = choice("abs", "signed")
    end: str = choice("high", "low")
    normalized: bool = False
    negative: str = choice("shift", "refuse")
    steps: int | None = within("[1, inf)", None)
    cadence: Cadence = choice("batch", "epoch", "run")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        assert feats is not None
        return top(self.node_scores(feats), k, self.generator(feats.device))
