import torch
from torch import Tensor
from torch.nn import functional

from ..base import Strategy, choice, hidden, rule, within
from ..interface import BatchLosses
from ..maths.sampling import TAKEN, draws, ranked, top_flops, weighted_flops


@rule
class JEST(Strategy):
    """Chunks drawn by how learnable they are together with the chunks before them.

    Formula: with A the picks so far, each chunk is drawn without replacement with chances softmax((S_ii + Σ_{a in A}
    (S_ai + S_ia)) / temperature); S = l(learner) - l(reference) ("learnability"), l(learner), or -l(reference).
    Source: JEST (Evans et al., arXiv 2406.17711). Published: 16 chunks, ratio 0.2, the first chunk by softmax(S_ii) (as
    we remember the listing), the logits as they stand; that is the default. Two ports differ: one for diffusion
    (FilteringNSD) draws the first chunk uniformly and divides the logits by their number of terms
    (``first="uniform", normalize=True``); one for contrastive nets draws it in proportion to S_ii - min S
    (``first="shifted"``).

    **With a per-sample loss nothing is joint.** S_ij = l_i - l*_j makes the logits (|A| + 1)(l_i - l*_i) + const:
    independent learnability (RHO-LOSS's score) with softmax sampling at temperature/(|A| + 1), all but top-k after a
    chunk or two; with normalised logits at temperature·(2|A| + 1)/(|A| + 1), between 1 and 2 times the temperature.
    That is ``form="per-sample"``, computed in its collapsed form: call its results "learnability sampling".

    ``form="joint-..."`` has cross terms: pairwise contrastive losses on length-one features z, the learner's against
    the reference's, where candidates of one class are positives. ``sigmoid``: l_ij = softplus(∓(scale·z_i·z_j + bias)),
    minus for positives. ``softmax``: l_ij = -log softmax_j(scale·z_i·z_j) over j != i, divided by i's number of
    positives, for positives and 0 for others. S_ii stays the candidate's cross-entropy score.

    Cost: the learner's scoring pass; n random numbers and an ordering a chunk; joint: O(B²(h + d)).
    Ours: the joint forms (classification has no published one), ``scale`` and ``bias`` (SigLIP's initial values),
    ``temperature`` (1 is the softmax as it stands), chunk sizes that differ by at most one and sum to k (the ports
    drop the remainder), NaN scores last, a loss never seen (``+inf``) first.

    Parameters
    ----------
    score : {"learnability", "hard-learner", "easy-reference"}
        What makes up S: the difference of both nets' losses, or one of them alone.
    form : {"per-sample", "joint-sigmoid", "joint-softmax"}
        Losses of each candidate, or contrastive losses of pairs.
    chunks : int
        Number of chunks; k where k is smaller.
    first : {"softmax", "uniform", "shifted"}
        How the first chunk is drawn: with chances softmax(S_ii), uniformly, or in proportion to S_ii - min S.
    normalize : bool
        Divide the logits by the number of their terms, 2|A| + 1.
    scale, bias : float
        Of the contrastive logits; ``bias`` serves the sigmoid alone.
    temperature : float
        Of the softmax, above 0: towards 0 each chunk is the top of what is left. A first chunk drawn otherwise has
        none.
    """

    group = "losses"
    revision = 1  # of revision 0 the first chunk was drawn uniformly, which the ports' form has now
    score: str = choice("learnability", "hard-learner", "easy-reference")
    form: str = choice("per-sample", "joint-sigmoid", "joint-softmax")
    chunks: int = within("[1, inf)", 16)
    first: str = choice("softmax", "uniform", "shifted")
    normalize: bool = False
    scale: float = 10.0
    bias: float = -10.0
    temperature: float = within("(0, inf)", 1.0)
    _width: int | None = hidden(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        joint = self.form != "per-sample"
        learner = {"learner", "learner_features"} if joint else {"learner"}
        reference = {"reference", "features"} if joint else {"reference"}
        self.needs = frozenset(
            (learner if self.score != "easy-reference" else set())
            | (reference if self.score != "hard-learner" else set())
        )

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        own = self._difference(
            losses.learner if "learner" in self.needs else None, losses.reference if "reference" in self.needs else None
        )
        stream = self.generator(own.device)
        pairs = None if self.form == "per-sample" else self._pairs(feats, losses)
        sizes, n = chunk_sizes(k, self.chunks), own.shape[0]
        noise, chance = draws(len(sizes), n, stream, own.device, even=self.first == "uniform")
        if pairs is None:
            # All chunks at once: what is picked shows in them as picked alone. Sizes as chunk_sizes has them.
            turn = torch.arange(len(sizes), device=own.device)[:, None]
            terms = torch.add(turn.clamp_max(k % len(sizes)), turn, alpha=k // len(sizes))
            keys = ranked(self._tempered(own * (terms + 1), terms) - noise, chance)
        else:
            keys, with_picks = chance, torch.zeros_like(own)
        if self.first == "uniform":
            keys[0] = ranked(torch.zeros_like(own), chance[0])
        elif self.first == "shifted":
            least = torch.where(own.isfinite(), own, torch.inf).amin()
            keys[0] = ranked((own - least).clamp_min(0.0).log() - noise[0], chance[0])
        picks: list[Tensor] = []
        for j, size in enumerate(sizes):
            key = keys[j]
            if pairs is not None:
                if j or self.first == "softmax":
                    key = ranked(self._tempered(own + with_picks, sum(sizes[:j])) - noise[j], chance[j])
                key = key.index_fill(0, torch.cat(picks), TAKEN) if j else key
            picks.append(torch.topk(key, size).indices)
            if pairs is not None:
                with_picks = with_picks + pairs.index_select(1, picks[-1]).sum(1)
            elif j + 1 < len(sizes):
                keys[j + 1 :].index_fill_(1, picks[-1], TAKEN)
        return torch.cat(picks)

    def _tempered(self, logits: Tensor, terms: Tensor | int) -> Tensor:
        if self.normalize:
            logits = logits / (2 * terms + 1)
        return logits if self.temperature == 1.0 else logits / self.temperature

    def flops(self, n: int, d: int, k: int) -> float:
        """Logits and an ordering a chunk; joint forms add the pairwise losses (h = d before the first pick)."""
        count = min(self.chunks, k)
        first = top_flops(n) if self.first == "uniform" else weighted_flops(n) + 2.0 * n
        chunked = n + first + (count - 1) * (weighted_flops(n) + 2.0 * n)
        if self.form == "per-sample":
            return chunked
        width = self._width or d
        models = [size for size, signal in ((width, "learner_features"), (d, "features")) if signal in self.needs]
        elementwise = 5.0 if self.form == "joint-sigmoid" else 8.0
        return chunked + sum(2.0 * n * (n + 1) * size + elementwise * n * n for size in models) + 3.0 * n * n + n * k

    def _difference(self, learner: Tensor | None, reference: Tensor | None) -> Tensor:
        """Learner less reference, or the one of them that the score has."""
        if reference is None:
            assert learner is not None
            return learner.float()
        return -reference.float() if learner is None else learner.float() - reference.float()

    def _pairs(self, feats: Tensor | None, losses: BatchLosses) -> Tensor:
        """S + Sᵀ ``[B, B]`` of the cross terms."""
        same = losses.labels[:, None] == losses.labels[None, :]
        learner = reference = None
        if "learner_features" in self.needs:
            self._width = losses.learner_features.shape[1]
            learner = self._contrast(losses.learner_features, same)
        if "features" in self.needs:
            assert feats is not None
            reference = self._contrast(feats, same)
        cross = self._difference(learner, reference)
        return cross + cross.t()

    def _contrast(self, feats: Tensor, same: Tensor) -> Tensor:
        """Contrastive loss ``[B, B]`` of each pair; its diagonal is not used."""
        z = functional.normalize(feats.float(), dim=1)
        logits = self.scale * (z @ z.t())
        if self.form == "joint-sigmoid":
            logits = logits + self.bias
            return functional.softplus(torch.where(same, -logits, logits))
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        # A finite floor: with -inf a batch of one would be NaN.
        spread = -torch.log_softmax(logits.masked_fill(itself, -1e30), dim=1)
        positive = same & ~itself
        return torch.where(positive, spread, 0.0) / positive.sum(1, keepdim=True).clamp_min(1)


def chunk_sizes(k: int, chunks: int) -> list[int]:
    """Sizes of at most ``chunks`` chunks that sum to k and differ by at most one, larger ones first."""
    count = min(k, chunks)
    return [k // count + (i < k % count) for i in range(count)]
