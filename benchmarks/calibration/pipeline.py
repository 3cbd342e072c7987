"""False verdicts, coverage and power of the whole pipeline: folders of known truth, read and judged as reports do it.

Each cell draws one folder again and again, and counts what is said of its data sets.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np

from ...reports.effects.contrasts import Contrast
from ...reports.effects.verdicts import AGAINST, INFERIOR, SUPERIOR, TOO_FEW_BLOCKS, WITHHELD, Verdict
from ...reports.records.folder import Results
from .folders import RUNGS, Folder, Line, World, judged
from .populations import POPULATIONS
from .procedures import ALPHA, CONFIDENCE, MARGIN, SHOWN
from .simulate import SEED, Job, Row, most

NEAR = 0.02  # how far coverage may be from its nominal value
LOSS = 0.5  # points: the margin, and what a rule loses that is just not non-inferior
SEEDS = (6, 8, 12)
CURVES: dict[str, Callable[[float], float]] = {
    "falling": lambda cost: 90 - 0.4 * (math.log2(cost) + 2) ** 2,
    "concave": lambda cost: 92 - 2 / cost,
    "plateau": lambda cost: 90.0,
}
COSTS = {"inside": 0.177, "below": 0.075, "above": 1.3}  # shares of full training's; the ladder begins at 1/8
AT_SECONDS, SLOWER = 0.354, 1.1  # the twin's cost, and a rule's true seconds over those of its twin
VARIATIONS, BLOCKS = (0.03, 0.07, 0.15), (3, 8)
IMAGES, GAINED, GAP = 1000, 0.04, 0.6  # share of images that the rule has right more often, by this chance
IMAGE_MARGIN = 1.0
HARMED, MISLED = "false harm", "shown despite a collapsed run"
DIVERGED = 0.05  # chance that a run's loss is not finite at its end
BETTER, WORSE, SHARP = "false superior", "false non-inferior", "non-inferior or better (power)"
Fact = tuple[str, str, str, bool]  # part, what is counted, of which data set, whether it is so
Judged = tuple[Contrast, Verdict]


def counted(
    seeds: int, draws: int, sample: Callable[[], Results], facts: Callable[[list[Judged]], Iterator[Fact]]
) -> Iterator[Row]:
    """The share of ``draws`` in which each fact is so: false verdicts and coverage are bounded."""
    tally: Counter[tuple[str, str, str]] = Counter()
    for _ in range(draws):
        for *key, so in facts(list(judged(sample()))):
            tally[*key] += so  # an entry even where it never is
    for (part, what, population), count in tally.items():
        nominal, low, high = 0.0, -math.inf, math.inf
        if what.startswith("false"):
            nominal, high = ALPHA, most(ALPHA, draws)
        elif what.startswith("coverage"):
            nominal, low, high = CONFIDENCE, CONFIDENCE - NEAR, CONFIDENCE + NEAR
        elif what == MISLED:
            high = 0.0
        yield Row(part, what, population, seeds, nominal, draws, count / draws, low, high)


def _holds(low: float | None, high: float | None, truth: float) -> bool:
    return low is not None and high is not None and low <= truth <= high


def _paying(name: str, cost: float, loss: float, slower: float = 1.0) -> World:
    """A rule that is worse by ``loss`` than full training of its own cost (or seconds), and its cost twin."""
    curve = CURVES[name]
    ladder = [Line(f"full {rung:g}", "full", rung, curve(rung)) for rung in RUNGS]
    rule = Line("rule", "strategy", cost, curve(cost * slower) - loss, slowness=slower)
    twin = Line("twin", "cost-twin", cost, curve(cost), cost_of=len(ladder))
    return World(name, (*ladder, rule, twin), LOSS, ("rule:pays",))


def _of_paying(part: str, worlds: list[World], where: str, rows: list[Judged]) -> Iterator[Fact]:
    """Of pairs of worlds: first a rule as good as its cost, then one that is worse by the margin."""
    for row, verdict in rows:
        at, found = int(row.arm.dataset), verdict.verdict
        name = f"{worlds[at].name}, {where}"
        if row.asked.ladder:
            if at % 2 == 0 and part == "pays":
                yield "ladder", HARMED, name, found in AGAINST
                yield "ladder", "no verdict", name, found.startswith("no verdict")
        elif at % 2:
            yield part, WORSE, name, found in SHOWN
        else:
            yield part, BETTER, name, found == SUPERIOR
            yield part, "coverage", name, _holds(verdict.low, verdict.high, 0.0)
            yield part, SHARP, name, found in SHOWN
            if part == "seconds":
                yield part, "no verdict: time more blocks", name, found == TOO_FEW_BLOCKS


def equal_cost(where: str, seeds: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """Against the cost twin, and read off the ladder."""
    worlds = [_paying(name, COSTS[where], loss) for name in CURVES for loss in (0.0, LOSS)]
    folder, rng = Folder(worlds, seeds), np.random.default_rng([seed, 6, list(COSTS).index(where), seeds])
    told = partial(_of_paying, "pays", worlds, f"{where} the ladder")
    yield from counted(seeds, draws, lambda: folder.results(folder.points(rng)), told)


def equal_seconds(blocks: int, variation: float, seeds: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """Against the cost twin at equal seconds, which the timing pass tells with an error."""
    worlds = [_paying(name, AT_SECONDS, loss, SLOWER) for name in ("concave", "plateau") for loss in (0.0, LOSS)]
    folder = Folder(worlds, seeds, blocks=blocks, cost="wall_clock")
    rng = np.random.default_rng([seed, 7, blocks, VARIATIONS.index(variation), seeds])
    told = partial(_of_paying, "seconds", worlds, f"{blocks} blocks, CV {variation:g}")
    yield from counted(seeds, draws, lambda: folder.results(folder.points(rng), folder.seconds(rng, variation)), told)


def _accurate(name: str, losses: tuple[float, ...], margin: float = LOSS, **more: str | float) -> World:
    """Rules that are declared to be compared with full training, which they are worse than by ``losses``."""
    rules = [Line(f"rule {i}", "strategy", 0.5, 90.0 - loss) for i, loss in enumerate(losses)]
    primary = tuple(f"{rule.label}:accuracy" for rule in rules)
    return World(name, (Line("full", "full", 1.0, 90.0), *rules), margin, primary, **more)  # type: ignore[arg-type]


def families(seeds: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """How often any contrast of a family is wrong."""
    worlds = [
        _accurate("three rules, each worse by the margin", (LOSS, LOSS, LOSS)),
        _accurate("three rules, one of them equal", (0.0, LOSS, LOSS)),
        *(_accurate("a rule under two settings of one data set", (LOSS,), data="same") for _ in range(2)),
    ]
    folder, rng = Folder(worlds, seeds), np.random.default_rng([seed, 8, seeds])

    def facts(rows: list[Judged]) -> Iterator[Fact]:
        for name in dict.fromkeys(world.name for world in worlds):
            own = [(row, verdict) for row, verdict in rows if worlds[int(row.arm.dataset)].name == name]
            wrong = [verdict.verdict in SHOWN for row, verdict in own if folder.truth(row.arm) < 90.0]
            right = [verdict.verdict in SHOWN for row, verdict in own if folder.truth(row.arm) == 90.0]
            yield "families", WORSE, name, any(wrong)
            if right:
                yield "families", SHARP, name, any(right)

    yield from counted(seeds, draws, lambda: folder.results(folder.points(rng)), facts)


def ties(seeds: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """Accuracies in steps of the margin, as small test sets have them."""
    worlds = [
        _accurate("differences tie with the margin", (LOSS,)),
        _accurate("every difference is the margin", (LOSS,)),
    ]
    folder, rng = Folder(worlds, seeds), np.random.default_rng([seed, 9, seeds])

    def sample() -> Results:
        points = np.round(folder.points(rng) / LOSS) * LOSS
        points[3] = points[2] - LOSS
        return folder.results(points)

    def facts(rows: list[Judged]) -> Iterator[Fact]:
        for row, verdict in rows:
            name = worlds[int(row.arm.dataset)].name
            yield "ties", WORSE, name, verdict.verdict in SHOWN
            yield "ties", "false inferior", name, verdict.verdict == INFERIOR

    yield from counted(seeds, draws, sample, facts)


def skew(seeds: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """Runs of a rule that are skewed, or collapse at times: on average worse by the margin."""
    chosen = [population for population in POPULATIONS if not population.symmetric]
    worlds = [_accurate(population.name, (MARGIN,), MARGIN, collapse=0.8) for population in chosen]
    folder, rng = Folder(worlds, seeds), np.random.default_rng([seed, 10, seeds])

    def sample() -> Results:
        points = folder.points(rng)
        for i, population in enumerate(chosen):
            points[2 * i + 1] += population.draw(rng, (seeds,))
        return folder.results(points)

    def facts(rows: list[Judged]) -> Iterator[Fact]:
        for row, verdict in rows:
            name, found = worlds[int(row.arm.dataset)].name, verdict.verdict
            yield "skew", "non-inferior or better (wrong)", name, found in SHOWN
            yield "skew", "worse or inferior", name, found in AGAINST
            yield "skew", WITHHELD, name, found == WITHHELD
            yield "skew", MISLED, name, found in SHOWN and row.collapsed > 0

    yield from counted(seeds, draws, sample, facts)


def divergence(seeds: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """Runs whose loss is not finite, though their accuracy looks like any other's: of a rule, or of full training."""
    worlds = [_accurate(f"{of} diverges at times", (LOSS,)) for of in ("the rule", "full training")]
    folder, rng = Folder(worlds, seeds), np.random.default_rng([seed, 12, seeds])

    def sample() -> Results:
        lost = rng.random((len(folder.lines), seeds)) < DIVERGED
        lost[[0, 3]] = False  # full training of the first world, the rule of the second
        return folder.results(folder.points(rng), diverged=lost)

    def facts(rows: list[Judged]) -> Iterator[Fact]:
        for row, verdict in rows:
            name, found = worlds[int(row.arm.dataset)].name, verdict.verdict
            yield "divergence", WORSE, name, found in SHOWN
            yield "divergence", WITHHELD, name, found == WITHHELD
            yield "divergence", MISLED, name, found in SHOWN and row.collapsed > 0

    yield from counted(seeds, draws, sample, facts)


def images(seeds: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """The truth is of all images, of which each folder has its own test set."""
    worlds = [_accurate("", (IMAGE_MARGIN,), IMAGE_MARGIN), _accurate("", (0.0,), IMAGE_MARGIN)]
    folder, rng = Folder(worlds, seeds), np.random.default_rng([seed, 11, seeds])
    name = f"{IMAGES} test images"

    def chances(loss: float) -> np.ndarray:
        """Of a right answer ``[full and rule, images]``: some gain, some lose, more of them where there is loss."""
        kind = rng.random(IMAGES)
        gains, loses = kind < GAINED, (kind >= GAINED) & (kind < 2 * GAINED + loss / 100 / GAP)
        base = np.where(rng.random(IMAGES) < 0.9, 0.98, 0.3)
        low, high = (1 - GAP) / 2, (1 + GAP) / 2
        full = np.where(gains, low, np.where(loses, high, base))
        return np.stack([full, np.where(gains, high, np.where(loses, low, base))])

    def sample() -> Results:
        right = np.concatenate([chances(IMAGE_MARGIN), chances(0.0)])
        bits = rng.random((len(right), seeds, IMAGES)) < right[:, None]
        return folder.results(100 * bits.mean(axis=2), bits=bits)

    def facts(rows: list[Judged]) -> Iterator[Fact]:
        (_, worse), (_, equal) = rows
        yield "images", WORSE, name, worse.verdict in SHOWN
        yield "images", "coverage, both errors", name, _holds(*(worse.both_errors or (None, None)), -IMAGE_MARGIN)
        yield "images", "the seeds' interval alone holds it", name, _holds(worse.low, worse.high, -IMAGE_MARGIN)
        yield "images", SHARP, name, equal.verdict in SHOWN
        yield "images", "on these test images only", name, bool(equal.seen)

    yield from counted(seeds, draws, sample, facts)


def jobs() -> list[Job]:
    return [
        *(partial(equal_seconds, b, cv, n) for b, cv, n in product(BLOCKS, VARIATIONS, SEEDS) if n >= b),
        *(partial(equal_cost, where, n) for where, n in product(COSTS, SEEDS)),
        *(partial(cell, n) for cell, n in product((families, ties, skew, divergence, images), SEEDS)),
    ]
