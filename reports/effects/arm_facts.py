"""Every arm of the matrix in numbers: its accuracy over seeds, what it cost and where, what it picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import statistics
from ..records.folder import ACCOUNTS, Arm, Cell, Phase, Results
from ..records.models import closure
from ..statistics import Array
from .costs import break_even, ceiling, overhead
from .learning_rates import effort, runs_by_base
from .pairing import Pairs
from .training import collapsed, diverged

CONFIDENCE = 0.95
"""Of the intervals that describe."""

SHOWN = (
    *("key", "label", "role", "dataset", "reference", "strategy", "name", "origin", "cadence"),
    *("signal", "schedule", "rung", "twin", "settings", "lr", "lr_factor", "lr_from"),
)


def describe(pairs: Pairs) -> list[dict[str, Any]]:
    whole = {arm.dataset: arm for arm in pairs.results.arms(role="full") if arm.rung == 1.0}
    maker = _Arms(pairs)
    return [maker.describe(arm, whole.get(arm.dataset)) for arm in pairs.results.matrix.arms.values()]


class _Arms:
    def __init__(self, pairs: Pairs) -> None:
        self.results, self.accounts, self.clock = pairs.results, pairs.accounts, pairs.clock
        self.tunings = runs_by_base(pairs.results)

    def describe(self, arm: Arm, full: Arm | None) -> dict[str, Any]:
        by_seed = self.results.of(arm)
        cells = list(by_seed.values())
        dataset = self.results.matrix.datasets[arm.dataset]
        ids = closure(sorted({id for cell in cells for id in cell.artefacts}), self.results.artefacts)
        flops = {a: self.flops(arm, a, "total_flops") for a in ACCOUNTS}
        seconds, phases = self.seconds(arm), self.phases(arm, cells)
        timings = self.clock.timings(arm)
        return {
            **{name: getattr(arm, name) for name in SHOWN},
            "tuning_flops": effort(self.tunings.get(arm.base, ()))[0] if self.results.matrix.grid else None,
            "n": len(cells),
            "accuracy": _accuracy({seed: cell.accuracy for seed, cell in by_seed.items()}),
            "accuracy_recalibrated": _accuracy(
                {s: c.accuracy_recalibrated for s, c in by_seed.items() if c.accuracy_recalibrated is not None}
            ),
            "collapsed": sum(collapsed(cell, dataset) for cell in cells),
            "diverged": sum(diverged(cell, dataset) for cell in cells),
            "mean_ratio": mean([cell.picks.mean_ratio for cell in cells]),
            "trained_samples": mean([cell.picks.trained_samples for cell in cells]),
            "ceiling": mean([ceiling(cell) for cell in cells]),
            "memory_bytes": max((cell.memory_bytes for cell in cells if cell.memory_bytes is not None), default=None),
            "learner_flops": self.flops(arm, "marginal", "learner_flops"),
            "total_flops": flops,
            "seconds": seconds,
            "clock": self.provenance(arm),
            "phases": phases,
            "overhead_seconds": mean([overhead(timed) for timed in timings]),
            "uncounted": sorted({name for cell in cells for name in cell.picks.uncounted}),
            **_understated(cells),
            "selection": _selection(phases, flops["marginal"], seconds["marginal"]),
            "artefacts": sorted(ids or ()),
            "break_even_runs": self.break_even(arm, full) if arm.role == "strategy" and full else None,
        }

    def flops(self, arm: Arm, account: str, cost: str) -> float | None:
        return mean(list(self.accounts.of(arm, account, cost).values()))

    def seconds(self, arm: Arm) -> dict[str, float | None]:
        """Mean seconds in each account, from the timing pass where it covers the arm."""
        found = {account: self.clock.seconds([arm], account) for account in ACCOUNTS}
        return {account: None if of is None else float(of.values.mean()) for account, of in found.items()}

    def provenance(self, arm: Arm) -> dict[str, Any] | None:
        """Where the arm's seconds are from: only those of equal provenance may be compared."""
        found = self.clock.seconds([arm], "marginal")
        if found is None:
            return None
        places = dict(zip(("machine", "device", "threads"), found.machine, strict=True))
        return {"source": found.source, "runs": len(found.blocks), **places}

    def phases(self, arm: Arm, cells: Sequence[Cell]) -> dict[str, dict[str, float | None]]:
        """Means of each phase; FLOPs and samples of the cells, seconds of the same runs as the arm's seconds."""
        spent = _phases([cell.ledger for cell in cells])
        timings = self.clock.timings(arm)
        if timings:
            clocked = _phases([timed.ledger for timed in timings])
            return {name: {**line, "seconds": clocked.get(name, {}).get("seconds")} for name, line in spent.items()}
        return spent

    def break_even(self, arm: Arm, full: Arm) -> dict[str, int | None]:
        """Runs after which the artefacts have paid for themselves, by mean marginal costs; None where never."""
        answer: dict[str, int | None] = {"total_flops": None, "wall_clock": None}
        spent, baseline_spent = (self.flops(of, "marginal", "total_flops") for of in (arm, full))
        artefacts = mean([self.accounts.artefacts(cell)[0] for cell in self.results.of(arm).values()])
        if spent is not None and baseline_spent is not None and artefacts is not None:
            answer["total_flops"] = break_even(artefacts, spent, baseline_spent)
        alone = self.clock.seconds([arm, full], "marginal")
        whole = self.clock.seconds([arm, full], "standalone")
        if alone and whole:
            own, baseline = alone.values.mean(axis=1)
            answer["wall_clock"] = break_even(float(whole.values[0].mean() - own), float(own), float(baseline))
        return answer


def _phases(ledgers: Sequence[Mapping[str, Phase]]) -> dict[str, dict[str, float | None]]:
    names = dict.fromkeys(name for ledger in ledgers for name in ledger)
    lines = {name: [ledger[name] for ledger in ledgers if name in ledger] for name in names}
    return {
        name: {what: mean([getattr(line, what) for line in of]) for what in ("flops", "seconds", "samples")}
        for name, of in lines.items()
    }


def _selection(
    phases: Mapping[str, Mapping[str, float | None]], flops: float | None, seconds: float | None
) -> dict[str, float | None]:
    """What selecting cost beside training: its own FLOPs and seconds, their shares of the run, and both rates."""
    select, train = phases.get("select", {}), phases.get("train", {})
    comparable = seconds is not None
    return {
        "flops": select.get("flops"),
        "flops_share": _over(select.get("flops"), flops),
        "seconds": select.get("seconds") if comparable else None,
        "seconds_share": _over(select.get("seconds"), seconds),
        "flops_per_second": _over(select.get("flops"), select.get("seconds")) if comparable else None,
        "train_flops_per_second": _over(train.get("flops"), train.get("seconds")) if comparable else None,
    }


def _over(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _accuracy(by_seed: Mapping[int, float]) -> dict[str, Any] | None:
    """Percent: mean, 95 % t interval, SD, the worst seed; None without runs, no interval from a single one."""
    if not by_seed:
        return None
    values = 100.0 * np.array(list(by_seed.values()))
    worst = min(by_seed, key=lambda seed: by_seed[seed])
    mean, low, high, sd = (
        statistics.mean_interval(values, CONFIDENCE) if values.size > 1 else (float(values[0]), None, None, None)
    )
    return {
        "mean": mean,
        "ci_low": low,
        "ci_high": high,
        "sd": sd,
        "worst": 100.0 * by_seed[worst],
        "worst_seed": worst,
        "confidence": CONFIDENCE,
    }


def mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


DIGITS = 4
"""Decimals kept: beyond, the sample of at most 1,024 images says nothing, and many arms make a large table."""


def overlap(results: Results) -> list[dict[str, Any]]:
    """Which strategies pick the same images: a table for each data set and reference with two comparable arms or more.

    A record says how often a fixed sample of the pool's images was picked. The overlap of two arms is Pearson's
    correlation of these counts between their runs of one seed, as a mean over seeds: 1 where they favour the same
    images, 0 where one says nothing of the other (as between any rule and ``uniform``), below where one takes what the
    other leaves. Where an arm picks every image equally often there is nothing to correlate.

    Arms are ``uniform`` at the whole budget and the strategies, those that need no reference in every table.
    """
    tables = []
    for dataset in results.matrix.datasets:
        every = results.arms(dataset=dataset)
        for reference in dict.fromkeys(arm.reference for arm in every if arm.reference) or [""]:
            arms = [
                arm
                for arm in every
                if arm.reference in ("", reference)
                and (arm.role == "strategy" or (arm.role, arm.rung) == ("uniform", 1.0))
                and any(cell.picks.probe is not None for cell in results.of(arm).values())
            ]
            values, seeds = _means(results, arms)
            if seeds:
                keys, labels = [arm.key for arm in arms], [arm.label for arm in arms]
                lines = [[None if np.isnan(r) else round(float(r), DIGITS) for r in line] for line in values]
                named = {"dataset": dataset, "reference": reference, "arms": keys, "labels": labels}
                tables.append({**named, "matrix": lines, "seeds": seeds})
    return tables


def _means(results: Results, arms: Sequence[Arm]) -> tuple[Array, int]:
    """Mean over seeds of :func:`_correlations`, ``[n, n]``, and the number of seeds that have any two arms."""
    total, count = np.zeros((len(arms), len(arms))), np.zeros((len(arms), len(arms)))
    seeds = 0
    for seed in results.matrix.seeds:
        one = _correlations(results, arms, seed)
        known = np.isfinite(one)
        total[known] += one[known]
        count += known
        seeds += bool(known[~np.eye(len(arms), dtype=bool)].any())
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0), seeds


def _correlations(results: Results, arms: Sequence[Arm], seed: int) -> Array:
    """Correlations of the arms' counts at one seed, ``[n, n]``; nan where a run is missing or flat."""
    table = np.full((len(arms), len(arms)), np.nan)
    samples: dict[tuple[int, int], list[tuple[int, Array]]] = {}
    for at, arm in enumerate(arms):
        cell = results.of(arm).get(seed)
        if cell is not None and cell.picks.probe is not None:
            counts = cell.picks.probe.astype(np.float64)
            apart = counts - counts.mean()
            length = float(np.linalg.norm(apart))
            if counts.min() < counts.max():
                samples.setdefault((cell.picks.probe_stride, counts.size), []).append((at, apart / length))
    for of in samples.values():
        rows = [at for at, _ in of]
        units = np.array([unit for _, unit in of])
        table[np.ix_(rows, rows)] = np.clip(units @ units.T, -1.0, 1.0)
    return table


def _understated(cells: Sequence[Cell]) -> dict[str, Any]:
    """The worst of what the strategy declared too low; nothing, so that summaries stay as they were, where none is."""
    found = [cell.picks.understated for cell in cells if cell.picks.understated is not None]
    if not found:
        return {}
    declared, counted = max(found, key=lambda of: of[1])
    return {"understated": {"declared": declared, "counted": counted}}
