"""From the costs of single operations to whole runs: arithmetic alone.

A run's seconds are A + x·L, where L is what grows with the learner (its training and scoring passes, without what a
call costs at any size), A everything else, and x scales the learner: 1 is the workload's own. All questions about other
learners are answered from these two numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from ...reports.records.fields import PHASES as RECORDED
from ...strategies import keep_count
from ..steps.pacer import Pacer
from ..steps.step_iterator import steps_of
from .costs import MEASURED, Cost, Costs
from .workload import Rule

# The phases of a ledger that are predicted, beside ``other``: what the loop spends outside the ledger's phases.
LEDGER = tuple(phase for phase in RECORDED if phase != "probe")
SAMPLED_ABOVE = 5000  # runs of more steps are summed over this many points of their schedule


@dataclass(frozen=True)
class Spent:
    """A cost with the labels of all that went into it."""

    seconds: float = 0.0
    flops: float = 0.0
    bases: frozenset[str] = frozenset()

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.flops + other.flops, self.bases | other.bases)

    @property
    def basis(self) -> str:
        """``measured``, or all that it is extrapolated from."""
        return joined(self.bases)

    def row(self) -> dict[str, float | str]:
        return {"seconds": self.seconds, "flops": self.flops, "basis": self.basis}


def joined(bases: Iterable[str]) -> str:
    """One label for many: ``extrapolated (from batch 32 of score, train; from profile x)``."""
    sources: dict[str, set[str]] = {}
    for basis in bases:
        if basis != MEASURED:
            place, _, name = basis[len("extrapolated (") : -1].partition(" of ")
            sources.setdefault(place, set()).update({name} - {""})
    if not sources:
        return MEASURED
    words = [f"{place} of {', '.join(sorted(names))}" if names else place for place, names in sorted(sources.items())]
    return f"extrapolated ({'; '.join(words)})"


def call(cost: Cost, n: int, times: float, flops: float = 0.0) -> Spent:
    """The cost of ``times`` calls on ``n`` samples at ``flops`` each."""
    estimate = cost.at(n)
    return Spent(times * estimate.seconds, times * flops, frozenset({estimate.basis}))


@dataclass(frozen=True)
class Work:
    """Images of the pool and FLOPs of one; training of the reference and of the proxy, where it is done here."""

    images: int
    forward: float
    train: float
    reference: float = 0.0  # FLOPs of one image; 0 where its features cost nothing
    cached: bool = True  # its features are taken once
    reference_is_learner: bool = False  # and so grows with it
    reference_passes: float = 0.0
    reference_images: int = 0
    proxy_passes: float = 0.0


@dataclass(frozen=True)
class Pace:
    """The steps of a run: how many of each (B, k), and how many passes begin."""

    steps: dict[tuple[int, int], float]
    epochs: int

    @property
    def candidates(self) -> float:
        return sum(size * times for (size, _), times in self.steps.items())

    @property
    def trained(self) -> float:
        return sum(keep * times for (_, keep), times in self.steps.items())

    @property
    def number(self) -> float:
        return sum(self.steps.values())

    @property
    def ratio(self) -> float:
        return self.trained / self.candidates


def pace_of(pacer: Pacer) -> Pace:
    """The steps of a budget in passes at a fixed number of candidates; long runs are summed over sample points."""
    assert pacer.passes is not None
    each = pacer.pool // pacer.batch
    total = max(1, round(pacer.passes * each))
    counts: Counter[tuple[int, int]] = Counter()
    if total <= SAMPLED_ABOVE:
        epochs = 0
        for step in steps_of(pacer):
            counts[step.size, step.keep] += 1
            epochs = step.epoch + 1
        return Pace(dict(counts), epochs)
    for i in range(SAMPLED_ABOVE):
        progress = (i + 0.5) / SAMPLED_ABOVE
        if pacer.hold:
            progress = math.floor(progress * total / each) * each / total
        counts[pacer.sizes(progress)] += 1
    return Pace({sizes: n * total / SAMPLED_ABOVE for sizes, n in counts.items()}, math.ceil(total / each))


@dataclass(frozen=True)
class Prediction:
    label: str
    pace: Pace
    phases: dict[str, Spent]  # artefacts apart
    artefacts: Spent  # a reference or proxy made for it, whole
    learner: float  # seconds of the run that grow with the learner (L)
    artefact_learner: float  # the same of its artefacts
    demanded: float  # seconds that the scheme demands whatever the learner: a reference that runs on every batch
    least_flops: float  # of all training that the scheme demands
    rule: Rule | None = field(repr=False)

    @property
    def own(self) -> Spent:
        return sum(self.phases.values(), Spent())

    def seconds(self, share: float) -> float:
        """Seconds with ``share`` of the artefacts: 0 marginal, 1 standalone."""
        return self.own.seconds + share * self.artefacts.seconds

    def flops(self, share: float) -> float:
        return self.own.flops + share * self.artefacts.flops

    def growing(self, share: float) -> float:
        """L with ``share`` of the artefacts' own."""
        return self.learner + share * self.artefact_learner

    def seconds_at(self, x: float, share: float) -> float:
        """Seconds with a learner of ``x`` times the cost: A + x·L."""
        return self.seconds(share) + (x - 1) * self.growing(share)

    @property
    def select_share(self) -> float:
        return self.phases["select"].seconds / self.own.seconds

    @property
    def basis(self) -> str:
        return joined(self.own.bases | self.artefacts.bases)


def predict(rule: Rule | None, pace: Pace, work: Work, costs: Costs) -> Prediction:
    """The run of a rule, or of training on everything where it is None."""
    batch = rule is not None and rule.traits.cadence == "batch"
    scores = rule is not None and rule.scores
    runs = rule is not None and batch and rule.reads_reference and not work.cached
    phases = _phases(rule, pace, work, costs)
    artefacts = Spent() if rule is None else _artefacts(rule, work, costs)
    learner = demanded = artefact_learner = 0.0
    for (size, keep), times in pace.steps.items():
        learner += times * costs.train.growing(keep)
        learner += times * costs.score.growing(size) if scores else 0.0
        demanded += times * costs.reference.growing(size) if runs and costs.reference is not None else 0.0
    if rule is not None and rule.reads_proxy:
        artefact_learner = rule.traits.nets * work.images * work.proxy_passes * (costs.train.slope + costs.score.slope)
    if work.reference_is_learner:
        learner, demanded, artefact_learner = learner + demanded, 0.0, artefacts.seconds
    least = pace.trained * work.train + pace.candidates * (scores * work.forward + runs * work.reference)
    label = "full" if rule is None else rule.label
    return Prediction(label, pace, phases, artefacts, learner, artefact_learner, demanded, least, rule)


def _phases(rule: Rule | None, pace: Pace, work: Work, costs: Costs) -> dict[str, Spent]:
    """Phases of a rule called on every candidate batch, or on the whole pool (each pass, or once); or of no rule."""
    phases = dict.fromkeys((*LEDGER, "other"), Spent())
    scores = rule is not None and rule.scores
    online = rule is not None and rule.traits.cadence == "batch"
    for (size, keep), times in pace.steps.items():
        phases["data"] += call(costs.views, size if scores else keep, times)
        phases["train"] += call(costs.train, keep, times, keep * work.train)
        phases["other"] += call(costs.other, size, times) if online else call(costs.other_plain, keep, times)
        if rule is None:
            continue
        if online:
            phases["select"] += call(costs.select[rule.label], size, times, rule.flops(size, keep))
        else:
            kept = keep_count(keep / size, work.images)
            part = (pace.epochs if rule.traits.cadence == "epoch" else 1) * times / pace.number
            phases["select"] += call(costs.select[rule.label], work.images, part, rule.flops(work.images, kept))
        if rule.watches:
            phases["select"] += call(costs.remember, keep, times)
        if scores:
            phases["score"] += call(costs.score, size, times, size * work.forward)
        if online and rule.reads_reference and work.cached:
            gather = costs.gather if "features" in rule.traits.needs else costs.gather_losses
            phases["reference"] += call(gather, size, times)
        elif online and rule.reads_reference and costs.reference is not None:
            phases["reference"] += call(costs.reference, size, times, size * work.reference)
    return phases


def _artefacts(rule: Rule, work: Work, costs: Costs) -> Spent:
    """What is made once for the rule: proxy, features, a reference trained here."""
    made = Spent()
    if rule.reads_proxy:
        images = rule.traits.nets * work.images * work.proxy_passes
        made += _per_image(costs.train, images, work.train) + _per_image(costs.score, images, work.forward)
    if rule.reads_reference and costs.reference is not None and work.reference:
        trained = work.reference_passes * work.reference_images
        if trained:  # forward and backward, in the proportion that the learner has
            made += _per_image(costs.reference, trained * work.train / work.forward, work.reference)
        if work.cached or rule.traits.cadence != "batch":
            made += _per_image(costs.reference, work.images, work.reference)
    return made


def _per_image(cost: Cost, images: float, flops: float) -> Spent:
    many = 16  # a batch of this size stands for the basis of a cost by the image
    return Spent(images * cost.slope, images * flops, frozenset({cost.at(many).basis}))


def speed_up(full: Prediction, arm: Prediction, share: float, x: float = 1.0) -> float:
    """Seconds of full training over the arm's, with a learner of ``x`` times the cost."""
    return full.seconds_at(x, share) / arm.seconds_at(x, share)


def ceiling_flops(full: Prediction, arm: Prediction) -> float:
    """The most that the scheme could save in FLOPs at equal candidate passes: 3/(1 + 3r), 1/r and their like."""
    scale = arm.pace.candidates / full.pace.candidates
    return full.least_flops * scale / arm.least_flops


def ceiling_seconds(full: Prediction, arm: Prediction, x: float = 1.0) -> float:
    """The same in seconds, by what an image costs in training and in scoring on this device."""
    scale = arm.pace.candidates / full.pace.candidates
    return full.learner * scale * x / (arm.learner * x + arm.demanded)


def break_even(full: Prediction, arm: Prediction, share: float) -> float | None:
    """How many times the workload's learner must cost for the arm to take as long as full training.

    0 where it is never slower, None where it is never faster.
    """
    saved = full.growing(share) - arm.growing(share)
    added = (arm.seconds(share) - arm.growing(share)) - (full.seconds(share) - full.growing(share))
    return max(0.0, added / saved) if saved > 0 else None


def crossings(points: list[tuple[float, float]], level: float) -> list[tuple[float, str]]:
    """Where a curve through ``points`` passes ``level``: (x, ``rises`` or ``falls``), straight in log x."""
    found = []
    for (x0, y0), (x1, y1) in pairwise(points):
        if (y0 < level) != (y1 < level):
            at = (level - y0) / (y1 - y0)
            found.append((x0 * (x1 / x0) ** at, "rises" if y1 >= level else "falls"))
    return found
