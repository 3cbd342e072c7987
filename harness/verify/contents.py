"""Consistency checks within one record: curve, ledger, picks and result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from ...reports.records.fields import Phase
from ...reports.records.models import Cell, Picks, Timing, Tuning

_RISING = ("passes", "progress", "seconds", "total_flops")


def close(a: float, b: float) -> bool:
    """Equal up to the rounding of sums."""
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def pool_size(cell: Cell) -> float:
    """Images that a cell's record says it had to pick from: what its passes went over."""
    passes = cell.curve[-1].passes
    return cell.picks.candidate_samples / passes if passes else 0.0


def total(ledger: Mapping[str, Phase], what: str) -> float:
    """Sum over every phase but ``eval``."""
    return float(sum(getattr(line, what) for phase, line in ledger.items() if phase != "eval"))


def cell_faults(cell: Cell) -> Iterator[str]:
    """What is inconsistent in a cell's record."""
    if cell.faults:
        yield f"counts {cell.faults} faulty selections, and should have failed"
    yield from _curve(cell)
    yield from _picks(cell.picks, pool_size(cell))
    yield from _costs(cell)
    yield from dates(cell)


def tuning_faults(run: Tuning) -> Iterator[str]:
    """What is inconsistent in the record of a tuning run."""
    trained, candidates = _sum(run.steps.pace, 1), _sum(run.steps.pace, 0)
    diverged = run.train_loss is None  # it may have ended in the middle of a step
    if run.ledger["train"].samples != trained and not diverged:
        yield f"its ledger has trained on {run.ledger['train'].samples} samples, its steps on {trained:g}"
    if not close(run.mean_ratio, trained / max(1, candidates)):
        yield f"its mean ratio {run.mean_ratio:g} is not that of its steps"
    yield from dates(run)


def timing_faults(run: Timing) -> Iterator[str]:
    """What is inconsistent in the record of a timed run."""
    if run.seconds < total(run.ledger, "seconds") * (1 - 1e-9) - 1e-3:
        yield "it took less time than the phases of its ledger"
    yield from dates(run)


def dates(record: Cell | Tuning | Timing) -> Iterator[str]:
    """Whether it ended before it began."""
    if record.environment["finished"] < record.environment["started"]:
        yield "it was finished before it was started"


def _curve(cell: Cell) -> Iterator[str]:
    curve, picks, last = cell.curve, cell.picks, cell.curve[-1]
    for name in _RISING:
        if any(getattr(after, name) < getattr(before, name) for before, after in pairwise(curve)):
            yield f"{name!r} of its curve falls"
    if last.progress != 1.0:
        yield f"its curve ends at progress {last.progress:g}, not at 1"
    for end, what in ((last.seconds, "seconds"), (last.total_flops, "flops")):
        if not close(end, total(cell.ledger, what)):
            yield f"its curve ends at {end:g} {what}, its ledger holds {total(cell.ledger, what):g}"
    for name in ("train_loss", "val_accuracy"):
        if getattr(last, name) != getattr(cell.result, name):
            end, result = getattr(last, name), getattr(cell.result, name)
            yield f"{name!r} at the end of its curve is {end}, and {result} in its result"
    size = pool_size(cell)
    if not close(size, round(size)) or not size:
        yield f"{last.passes:g} passes and {picks.candidate_samples} candidates are of no whole pool"
    passes = [0.0, *(point.passes for point in curve)]
    trained = sum(point.ratio * (b - a) * size for point, (a, b) in zip(curve, pairwise(passes), strict=True))
    if abs(trained - picks.trained_samples) > 0.5:
        yield f"its curve has trained on {trained:.0f} samples, its picks are {picks.trained_samples}"


def _sum(pace: Sequence[tuple[float, ...]], column: int) -> float:
    return sum(row[column] * row[2] for row in pace)


def _picks(picks: Picks, size: float) -> Iterator[str]:
    trained, candidates, steps = picks.trained_samples, picks.candidate_samples, picks.steps
    counted: dict[str, tuple[float, int]] = {
        "steps of its sequence of k": (sum(n for _, n in picks.k), steps),
        "picks of its sequence of k": (sum(k * n for k, n in picks.k), trained),
        "picks by class": (sum(picks.class_counts), trained),
    }
    if picks.pace is not None:
        counted |= {
            "steps of its pace": (sum(row[2] for row in picks.pace), steps),
            "picks of its pace": (_sum(picks.pace, 1), trained),
            "candidates of its pace": (_sum(picks.pace, 0), candidates),
        }
    for what, (found, said) in counted.items():
        if found != said:
            yield f"the {what} are {found:g} in all, where it says {said}"
    if not close(picks.mean_ratio, trained / max(1, candidates)):
        yield f"its mean ratio is {picks.mean_ratio:g}, and it trained on {trained} of {candidates} candidates"
    if not picks.unique > 0 or not 1 <= picks.max_repeats <= trained:
        yield "the share of images ever picked, or their most repeats, cannot be"
    if picks.probe is not None:
        if len(picks.probe) != (images := -(-round(size) // picks.probe_stride)):
            yield f"its pick counts by image are not those of {images} images"
        elif int(picks.probe.max()) > picks.max_repeats:
            yield f"an image was picked more often than its most repeats, {picks.max_repeats}"


def _costs(cell: Cell) -> Iterator[str]:
    ledger, unit, picks = cell.ledger, cell.unit, cell.picks
    scored = picks.candidate_samples if cell.scores_learner else 0
    trained = picks.trained_samples
    for phase, samples in (("train", trained), ("score", scored), ("data", scored or trained)):
        if ledger[phase].samples != samples:
            yield f"phase {phase!r} of its ledger counts {ledger[phase].samples} samples, its picks tell {samples}"
    for phase, price in (("train", unit.train), ("score", unit.forward), ("probe", unit.forward)):
        if phase in ledger and not close(ledger[phase].flops, ledger[phase].samples * price):
            yield f"phase {phase!r} of its ledger holds {ledger[phase].flops:g} FLOPs, not samples x {price:g}"
