"""How near the rules come to published code on the same inputs: ``python -m selbench.benchmarks.agreement [--write]``.

A Markdown table from the arrays of ``tests/strategies/data``: that code was run once, the rules are run here. With
``--write`` it goes between the marks ``<!-- agreement -->`` of ``docs/agreement.md``; a test holds the page to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..strategies import load
from ..strategies.maths.geometry import points
from .golden import RATIOS, by_class, given, golden, of_val, overlap, provenance
from .pages import DOCS, cell, command

_HEAD = (
    "| rule | published code | picks in common at 10, 30, 50 % | correlation of scores | what differs |\n"
    "|---|---|---|---|---|"
)
TIES = "near ties in float32 are decided by rounding"


@dataclass(frozen=True)
class Row:
    """One rule beside one way in which its reference was run.

    Parameters
    ----------
    variant : str
        Key of the reference in ``golden.json``, such as ``cal/pool``.
    options : mapping
        The rule's options; of what it does not say the defaults hold.
    theirs : str
        Name of the reference's picks at a ratio.
    by_class : bool
        Ask the rule for each class alone.
    note : str
        What differs, before what ``golden.json`` says of the code.
    scores : callable, optional
        The rule's scores, for the correlation with ``their_scores``.
    picks : callable, optional
        The rule's picks at a ratio, where they are not those of its ``select``.
    """

    rule: str
    variant: str
    options: Mapping[str, Any] = field(default_factory=dict)
    theirs: str = "picks@{}"
    by_class: bool = False
    note: str = ""
    scores: Callable[[Any], Tensor] | None = None
    their_scores: str = "scores"
    picks: Callable[[Any, float], Tensor] | None = None

    def strategy(self) -> Any:
        return load(self.rule, **self.options)

    def overlaps(self) -> list[float]:
        """Share of the reference's picks that are the rule's, at each ratio of :data:`RATIOS`."""
        return [
            overlap(self._chosen(ratio), golden()[f"{self.variant}/{self.theirs.format(ratio)}"]) for ratio in RATIOS
        ]

    def correlation(self) -> float | None:
        """Pearson's, of the scores; None where there is none to compare."""
        if self.scores is None:
            return None
        ours, theirs = self.scores(self.strategy()), golden()[f"{self.variant}/{self.their_scores}"]
        return float(torch.corrcoef(torch.stack([ours.double(), theirs.double()]))[0, 1])

    def _chosen(self, ratio: float) -> Tensor:
        feats, losses = given()
        if self.picks is not None:
            return self.picks(self.strategy(), ratio)
        if self.by_class:
            return by_class(self.strategy(), feats, losses, ratio)[0]
        chosen = self.strategy().select(feats, of_val(losses), ratio)
        return chosen if isinstance(chosen, Tensor) else chosen.indices


def _divergences(rule: Any) -> Tensor:
    feats, losses = given()
    return rule.divergences(points(feats, "euclidean"), losses.learner_probs)


def _far(variant: str) -> Callable[[Any], Tensor]:
    """Distances from the reference's own centroids, since k-means depends on where it starts."""

    def scores(rule: Any) -> Tensor:
        return rule.distances(points(given()[0], rule.metric), golden()[f"{variant}/centroids"].float())

    return scores


def _ssp(metric: str, variant: str) -> Row:
    scores = _far(variant)
    return Row(
        "ssp", variant, {"metric": metric}, scores=scores, note="from the centroids of the reference",
        picks=lambda rule, ratio: scores(rule).topk(round(400 * ratio)).indices,
    )  # fmt: skip


def _high(rule: Any, ratio: float) -> Tensor:
    """The kept ones of high loss: which of the others are kept is drawn."""
    picks = rule.select(None, given()[1], ratio).indices
    return picks[~golden()[f"infobatch/keep{ratio}/low"][picks]]


def _glister(kind: str, **options: Any) -> tuple[Row, Row]:
    options = {"cadence": "batch", **options}
    return (
        Row("glister", f"glister/{kind}", options),
        Row("glister", f"glister/{kind}-per-class", options, by_class=True),
    )


def _uncertainty(score: str, on: str) -> tuple[Row, Row]:
    def scores(rule: Any) -> Tensor:
        return -rule.scores(given()[1].learner_probs)

    return (
        Row("uncertainty", f"uncertainty/{score}", {"score": score}, "picks_mended@{}", scores=scores, their_scores=on),
        Row("uncertainty", f"uncertainty/{score}-balanced", {"score": score}, by_class=True),
    )


_COSINE = {"similarity": "cosine", "weighted": False, "class_balanced": False}
_WHOLE = {"class_balanced": False}
TABLE = (
    Row("cal", "cal/pool", {"keep": "hard"}, "picks_mended@{}", scores=_divergences),
    Row("cal", "cal/pool", {"keep": "easy"}),
    Row("cal", "cal/per-class", {"keep": "easy"}, by_class=True),
    Row("craig", "craig/per-class", _WHOLE, by_class=True, note=TIES),
    Row("craig", "facility-location/gradients", _COSINE, note=TIES),
    Row("craig", "facility-location/as-is", _COSINE, note=TIES),
    Row("craig", "facility-location/as-is-balanced", _COSINE, by_class=True, note=TIES),
    *(
        Row("dyn-unc", f"dyn-unc/window{window}", {"window": window},
            scores=lambda rule: rule.difficulty(given()[1]))
        for window in (10, 5)
    ),
    Row("facility-location", "facility-location/features", note=TIES),
    *_glister("mended-naive", rounds=400, step="mean"),
    *_glister("mended-lazy", rounds=400, step="mean"),
    *_glister("as-is", rounds=1),
    Row("gradnorm", "gradnorm/bound", theirs="top_picks@{}", scores=lambda rule: rule.norms(given()[1]),
        picks=lambda rule, ratio: rule.norms(given()[1]).topk(round(400 * ratio)).indices,
        note="the highest scores; the rule draws by them"),
    Row("graph-cut", "graph-cut/features", {"of": "features", **_WHOLE}),
    Row("graph-cut", "graph-cut/gradients", _WHOLE),
    Row("graph-cut", "graph-cut/as-is", _WHOLE),
    Row("graph-cut", "graph-cut/as-is-balanced", _WHOLE, by_class=True),
    Row("moderate", "moderate/median", scores=lambda rule: rule.distances(given()[0], given()[1].labels)),
    Row("rho", "rho/reducible", theirs="picks-pool@{}"),
    _ssp("euclidean", "ssp/features"),
    _ssp("cosine", "ssp/unit-length"),
    *_uncertainty("margin", "scores"),
    *_uncertainty("entropy", "scores"),
    *_uncertainty("least-confidence", "scores_on_probabilities"),
)  # fmt: skip


def table() -> str:
    """The rows in Markdown; rules that are compared on other inputs or by other things than ratios come last."""
    lines = [(row.rule, row.variant, row.options, row.by_class, _shown(row), row.note) for row in TABLE]
    lines += [(*line, note) for *line, note in (*_divbs(), *_infobatch())]
    lines.sort(key=lambda line: line[0])  # a stable sort
    return "\n".join([_HEAD, *(_line(*line) for line in lines)])


def _shown(row: Row) -> tuple[str, str]:
    found = row.correlation()
    return ", ".join(f"{share:.0%}" for share in row.overlaps()), "" if found is None else f"{found:.4f}"


def _divbs() -> list[tuple[str, str, Mapping[str, Any], bool, tuple[str, str], str]]:
    """Picks in the order picked, of the first rows of the inputs."""
    found = []
    for k, size in ((32, 320), (64, 128), (128, 256)):
        name, rule, losses = f"divbs/{k}-of-{size}", load("divbs"), given(size)[1]
        picks, theirs = rule.select(None, losses, k / size), golden()[f"{name}/greedy"]
        chances = rule.products(losses).mean(1).abs()
        same = torch.corrcoef(torch.stack([chances, golden()[f"{name}/first_chances"].float()]))[0, 1]
        share = f"{k} of {size}: {overlap(picks, theirs):.0%}"
        found.append(("divbs", name, {}, False, (share, f"{float(same):.4f}"), ""))
    return found


def _infobatch() -> list[tuple[str, str, Mapping[str, Any], bool, tuple[str, str], str]]:
    found = []
    for ratio in RATIOS:
        name = f"infobatch/keep{ratio}"
        low, kept, weights = (golden()[f"{name}/{part}"] for part in ("low", "kept", "weights"))
        chosen = load("infobatch").select(None, given()[1], ratio)
        high = overlap(chosen.indices, kept[~low[kept]])
        same = torch.allclose(chosen.weights.sort().values, weights.float().sort().values)
        share = f"{ratio:.0%}: {high:.0%} of those of high loss; weights {'alike' if same else 'differ'}"
        found.append(("infobatch", name, {}, False, (share, ""), "which of low loss are kept is drawn"))
    return found


def _line(
    rule: str, variant: str, options: Mapping[str, Any], by_class: bool, shown: tuple[str, str], note: str
) -> str:
    code = provenance()[variant]
    settings = ", ".join(f"{name} = {value}" for name, value in options.items())
    named = f"`{rule}`" + (f" ({settings})" if settings else "") + (", class by class" if by_class else "")
    said = "; ".join(filter(None, [note, *code["flaws_mended_or_kept"]]))
    where = f"{code['repository']} {code['commit'][:7]}, {variant.split('/')[1]}: {code['function']}"
    return f"| {cell(named)} | {cell(where)} | {shown[0]} | {shown[1]} | {cell(said)} |"


# The mark and the content of the page
PAGES = {DOCS / "agreement.md": ("agreement", table)}

if __name__ == "__main__":
    command("agreement", PAGES, sys.argv[1:])
