"""The tuning part of the report: what each arm was tuned to, what that cost, and what hangs on it.

Every arm was run at each factor of the grid times its base learning rate, with seeds that are not reported, and judged
on ``val``. A factor at which a run diverged has no mean: it must not win by the seeds at which all went well.

**Sensitivity** redraws a contrast on ``val`` at every pair of learning rates: a verdict that holds at the chosen pair
alone rests on the tuning. Against a ladder, every rung is taken at the same factor, though each was tuned for itself.

**Cost.** Each arm's is that of its own runs. The total adds the artefacts made for tuning alone, each once; ``share``
holds it against all reported runs with their artefacts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..records.folder import Arm, Cell, Grid, Results, Tuning
from .costs import Accounts, spent
from .pairing import LadderCurve, Pairs

Row = Mapping[str, Any]
Scores = Mapping[tuple[float, int], float]
"""Validation accuracy in percent by factor and tuning seed."""


def tuning(pairs: Pairs, contrasts: Sequence[Row]) -> dict[str, Any] | None:
    """The ``tuning`` of the summary; None where the matrix declares none."""
    results, accounts = pairs.results, pairs.accounts
    grid = results.matrix.grid
    if grid is None:
        return None
    runs = runs_by_base(results)
    reported = _artefacts(accounts, results.cells)
    flops, seconds = _total(accounts, results.tunings, _artefacts(accounts, results.tunings) - reported)
    whole = _total(accounts, results.cells, reported)[0]
    rates = {round(run.lr / run.factor, 12) for run in results.tunings}
    redraw = _Sensitivity(pairs, runs)
    return {
        "factors": list(grid.every),
        **({"extended": grid.extended} if grid.extended else {}),
        "seeds": len(grid.seeds),
        "tuning_seeds": list(grid.seeds),
        "base_lr": rates.pop() if len(rates) == 1 else None,
        "arms": [_arm(arm, runs.get(arm.base, ()), grid) for arm in results.matrix.arms.values()],
        "flops": flops,
        "seconds": seconds,
        "share": flops / whole if whole else None,
        "sensitivity": [row for contrast in contrasts if (row := redraw.row(contrast))],
    }


def runs_by_base(results: Results) -> dict[str, list[Tuning]]:
    runs: dict[str, list[Tuning]] = {}
    for run in results.tunings:
        runs.setdefault(run.base, []).append(run)
    return runs


def effort(runs: Iterable[Cell | Tuning]) -> tuple[float, float]:
    """FLOPs and seconds of runs alone, without their artefacts."""
    each = [spent(run.ledger) for run in runs]
    return sum(flops for flops, _ in each), sum(seconds for _, seconds in each)


def _artefacts(accounts: Accounts, runs: Iterable[Cell | Tuning]) -> set[str]:
    """What ``runs`` rest on; an artefact without a record is among it, and what it costs is then not known."""
    return {id for ids in {run.artefacts for run in runs} for id in accounts.closure(ids) or ids}


def _total(accounts: Accounts, runs: Iterable[Cell | Tuning], artefacts: Iterable[str]) -> tuple[float, float]:
    own, more = effort(runs), [accounts.alone(id) for id in sorted(artefacts)]
    return own[0] + sum(flops for flops, _ in more), own[1] + sum(seconds for _, seconds in more)


def _scores(runs: Sequence[Tuning]) -> Scores:
    lost = {run.factor for run in runs if run.val_accuracy is None}
    return {
        (run.factor, run.seed): 100 * run.val_accuracy
        for run in runs
        if run.val_accuracy is not None and run.factor not in lost
    }


def _arm(arm: Arm, runs: Sequence[Tuning], grid: Grid) -> dict[str, Any]:
    flops, seconds = effort(runs)
    shown = ("base", "label", "role", "rung", "dataset", "reference", "lr", "lr_from")
    return {
        "arm": arm.key,
        **{name: getattr(arm, name) for name in shown},
        "factor": arm.lr_factor,
        "edge": grid.at_edge(arm),
        "scores": [_score([r for r in runs if r.factor == factor], factor) for factor in grid.of(arm.dataset) if runs],
        "flops": flops,
        "seconds": seconds,
    }


def _score(runs: Sequence[Tuning], factor: float) -> dict[str, Any]:
    """One factor's validation accuracy in percent over the tuning seeds; a diverged run is None among ``values``."""
    return {
        "factor": factor,
        "lr": runs[0].lr if runs else None,
        "n": len(runs),
        "mean": _mean(_scores(runs).values()),
        "values": {str(run.seed): None if run.val_accuracy is None else 100 * run.val_accuracy for run in runs},
    }


class _Sensitivity:
    """Contrasts on the validation split at every pair of learning rates."""

    def __init__(self, pairs: Pairs, runs: Mapping[str, Sequence[Tuning]]) -> None:
        self.results = results = pairs.results
        self.clock = pairs.clock
        self.factors = results.matrix.grid.every if results.matrix.grid else ()
        self.scores = {base: _scores(of) for base, of in runs.items()}
        pays = results.matrix.pays
        self.costs = {
            (run.base, run.factor, run.seed): pairs.accounts.cost(run, pays.account, pays.cost)
            for run in results.tunings
        }

    def row(self, contrast: Row) -> dict[str, Any] | None:
        """One contrast at each pair of factors; None where it is not redrawn or the runs for it are not there."""
        pays = self.results.matrix.pays
        arm = self.results.matrix.arms[contrast["arm"]]
        if contrast["question"] != "pays" or (contrast["baseline"] == "cost twin" and contrast["baseline_arm"]):
            baseline = self.results.matrix.arms[contrast["baseline_arm"]]
            grid = self.grid(arm, lambda factor: self.differences(arm, baseline, factor))
        elif (contrast["account"], contrast["cost"], contrast["ladder"]) == (pays.account, pays.cost, pays.ladder):
            rungs = self.results.ladder(arm.dataset, contrast["ladder"])
            baseline = rungs[-1]
            grid = self.grid(arm, lambda factor: self.on_ladder(arm, rungs, factor))
        else:
            return None
        if all(number is None for line in grid for number in line):
            return None
        shown = ("dataset", "reference", "strategy", "arm", "question", "account", "cost", "ladder", "baseline")
        chosen = [self.factors.index(of.lr_factor) if of.lr_factor in self.factors else None for of in (arm, baseline)]
        return {
            **{name: contrast[name] for name in (*shown, "primary", "margin")},
            "grid": grid,
            "chosen": chosen,
        }

    def grid(self, arm: Arm, against: Callable[[float], Scores]) -> list[list[float | None]]:
        """Means over the seeds that both sides have; rows are the strategy's factors, columns the baseline's."""
        columns = [against(factor) for factor in self.factors]
        return [[_mean(of[key] for key in of if key[0] == factor) for of in columns] for factor in self.factors]

    def differences(self, arm: Arm, baseline: Arm, factor: float) -> Scores:
        theirs = {seed: score for (at, seed), score in self.scores.get(baseline.base, {}).items() if at == factor}
        ours = self.scores.get(arm.base, {})
        return {key: score - theirs[key[1]] for key, score in ours.items() if key[1] in theirs}

    def on_ladder(self, arm: Arm, rungs: Sequence[Arm], factor: float) -> Scores:
        """Strategy at each factor minus the ladder of runs at ``factor``, read at what the strategy's run cost."""
        found: dict[tuple[float, int], float] = {}
        prices = self.prices([arm, *rungs])
        for (own, seed), score in self.scores.get(arm.base, {}).items():
            steps = [self.scores.get(rung.base, {}).get((factor, seed)) for rung in rungs]
            reached = [step for step in steps if step is not None]
            costs = [prices(of, at, seed) for of, at in ((arm, own), *((rung, factor) for rung in rungs))]
            if len(reached) == len(rungs) and all(0 < cost < math.inf for cost in costs):
                found[own, seed] = score - LadderCurve(costs[1:], reached).read(costs[0]).accuracy
        return found

    def prices(self, arms: Sequence[Arm]) -> Callable[[Arm, float, int], float]:
        """What an arm cost at a factor and seed; nan where unknown.

        FLOPs are those of its tuning run. Seconds are those of the timing pass, since tuning runs are on no clock.
        """
        pays = self.results.matrix.pays
        if pays.cost != "wall_clock":
            return lambda arm, factor, seed: self.costs.get((arm.base, factor, seed), math.nan)
        found = self.clock.seconds(arms, pays.account)
        if found is None or not found.timed:
            return lambda arm, factor, seed: math.nan
        means = dict(zip((arm.key for arm in arms), found.values.mean(axis=1).tolist(), strict=True))
        return lambda arm, factor, seed: means[arm.key]


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return math.fsum(known) / len(known) if known else None
