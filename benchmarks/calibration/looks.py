"""Seeds added at declared looks: false verdicts of the whole design, its power, and the seeds that it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial

import numpy as np

from ...reports import statistics as s
from ...reports.effects.verdicts import Evidence, decide
from .populations import POPULATIONS, Array
from .procedures import ALPHA, FAMILY, MARGIN, SHOWN
from .simulate import SEED, Job, Row, most

LOOKS = (8, 12, 16, 24)
POWER = 0.69  # of 8 fixed seeds, at the margin that the power cells have
Design = tuple[Sequence[int], Sequence[float]]  # numbers of seeds, and the level of each look
UNDECLARED = "seeds added until shown, each time at alpha"
DESIGNS: dict[str, Design] = {
    "8 seeds, fixed": (LOOKS[:1], (ALPHA,)),
    "24 seeds, fixed": (LOOKS[-1:], (ALPHA,)),
    **{f"looks, {how}": (LOOKS, s.look_levels(LOOKS, ALPHA, how)) for how in ("equal", "pocock", "obrien-fleming")},
    UNDECLARED: (LOOKS, (ALPHA,) * len(LOOKS)),
}


def shown_at(contrasts: Array, margin: float, designs: Mapping[str, Design]) -> dict[str, int | None]:
    """The seeds at which some contrast ``[m, n]`` is first shown to be non-inferior or better, by design."""
    smallest = cache(lambda seeds: s.holm([s.t_test(d, -margin) for d in contrasts[:, :seeds]]).min())

    def shown(seeds: int, level: float) -> bool:
        # Where the family's test rejects nothing, no verdict can: that spares most of the work.
        if smallest(seeds) > level:
            return False
        verdicts = decide([Evidence(d, margin) for d in contrasts[:, :seeds]], level)
        return any(found.verdict in SHOWN for found in verdicts)

    return {
        name: next((seeds for seeds, level in zip(*design, strict=True) if shown(seeds, level)), None)
        for name, design in designs.items()
    }


def false_at_looks(population: int, family: int, draws: int, seed: int = SEED) -> Iterator[Row]:
    """How often a family, each truly worse by just its margin, is called non-inferior or better at any look: one cell.

    A design goes on to its last look whatever else is decided, so that this is the most that it can err.
    """
    drawn_from, rng = POPULATIONS[population], np.random.default_rng([seed, 4, population, family])
    shown = dict.fromkeys(DESIGNS, 0)
    for _ in range(draws):
        contrasts = drawn_from.draw(rng, (family, LOOKS[-1])) - MARGIN
        for name, seeds in shown_at(contrasts, MARGIN, DESIGNS).items():
            shown[name] += seeds is not None
    of = f"{drawn_from.name}, family of {family}"
    for name, count in shown.items():
        high = most(ALPHA, draws) if drawn_from.name == "normal" and name != UNDECLARED else np.inf
        yield Row("looks: false verdicts", name, of, DESIGNS[name][0][-1], ALPHA, draws, count / draws, high=high)


def power_of_looks(draws: int, seed: int = SEED) -> Iterator[Row]:
    """Power of one contrast without a true difference, and the seeds taken, as a share of the last look's."""
    rng, margin = np.random.default_rng([seed, 5]), s.smallest_margin(1.0, LOOKS[0], alpha=ALPHA, power=POWER)
    taken: dict[str, list[int | None]] = {name: [] for name in DESIGNS}
    for _ in range(draws):
        contrasts = rng.normal(0.0, 1.0, (1, LOOKS[-1]))
        for name, seeds in shown_at(contrasts, margin, DESIGNS).items():
            taken[name].append(seeds)
    for name, at in taken.items():
        if name != UNDECLARED:  # what errs too often has no power to speak of
            last = DESIGNS[name][0][-1]
            power, share = sum(n is not None for n in at) / draws, sum(n or last for n in at) / draws / LOOKS[-1]
            yield Row("looks: power", name, "normal, no true difference", last, POWER, draws, power)
            yield Row("looks: seeds taken", name, "normal, no true difference", last, 1.0, draws, share)


def jobs() -> list[Job]:
    return [partial(false_at_looks, *cell) for cell in ((0, 1), (0, FAMILY), (1, 1), (3, 1))]
