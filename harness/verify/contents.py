"""Whether a record agrees with itself: curve, ledger, picks and result tell one story."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from ...reports.records.models import PROBED

Record = dict[str, Any]

_RISING = ("pass", "progress", "seconds", "total_flops")


def close(a: float, b: float) -> bool:
    """Equal but for the rounding of sums."""
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def pool_size(record: Record) -> float:
    """Images that a cell's record says it had to pick from: what its passes went over."""
    passes = record["curve"][-1]["pass"]
    return float(record["selection"]["candidate_samples"] / passes) if passes else 0.0


def total(ledger: Record, what: str) -> float:
    """Sum over every phase but ``eval``."""
    return sum(account[what] for phase, account in ledger.items() if phase != "eval")


def cell_faults(record: Record) -> Iterator[str]:
    """What is inconsistent in a cell's record."""
    if record["faults"]:
        yield f"counts {record['faults']} faulty selections, and should have failed"
    yield from _curve(record)
    yield from _picks(record["selection"], pool_size(record))
    yield from _costs(record)
    yield from _result(record["result"])
    yield from dates(record)


def tuning_faults(record: Record) -> Iterator[str]:
    """What is inconsistent in the record of a tuning run."""
    steps = record["selection"]["pace"]
    trained, candidates = _sum(steps, 1), _sum(steps, 0)
    diverged = record["train_loss"] is None  # it may have ended in the middle of a step
    if record["ledger"]["train"]["samples"] != trained and not diverged:
        yield f"its ledger has trained on {record['ledger']['train']['samples']} samples, its steps on {trained:g}"
    if not close(record["mean_ratio"], trained / max(1, candidates)):
        yield f"its mean ratio {record['mean_ratio']:g} is not that of its steps"
    yield from dates(record)


def timing_faults(record: Record) -> Iterator[str]:
    """What is inconsistent in the record of a timed run."""
    if record["seconds"] < total(record["ledger"], "seconds") * (1 - 1e-9) - 1e-3:
        yield "it took less time than the phases of its ledger"
    yield from dates(record)


def dates(record: Record) -> Iterator[str]:
    """Whether it ended before it began."""
    if record["environment"]["finished"] < record["environment"]["started"]:
        yield "it was finished before it was started"


def _curve(record: Record) -> Iterator[str]:
    curve, result, selection = record["curve"], record["result"], record["selection"]
    last = curve[-1]
    for name in _RISING:
        if any(after[name] < before[name] for before, after in pairwise(curve)):
            yield f"{name!r} of its curve falls"
    if last["progress"] != 1.0:
        yield f"its curve ends at progress {last['progress']:g}, not at 1"
    for name, what in (("seconds", "seconds"), ("total_flops", "flops")):
        if not close(last[name], total(record["ledger"], what)):
            yield f"its curve ends at {last[name]:g} {what}, its ledger holds {total(record['ledger'], what):g}"
    for name in ("train_loss", "val_accuracy"):
        if last[name] != result[name]:
            yield f"{name!r} at the end of its curve is {last[name]}, and {result[name]} in its result"
    size = pool_size(record)
    if not close(size, round(size)) or not size:
        yield f"{last['pass']:g} passes and {selection['candidate_samples']} candidates are of no whole pool"
    passes = [0.0, *(point["pass"] for point in curve)]
    trained = sum(point["ratio"] * (b - a) * size for point, (a, b) in zip(curve, pairwise(passes), strict=True))
    if abs(trained - selection["trained_samples"]) > 0.5:
        yield f"its curve has trained on {trained:.0f} samples, its picks are {selection['trained_samples']}"


def _sum(pace: list[list[float]], column: int) -> float:
    return sum(row[column] * row[2] for row in pace)


def _picks(selection: Record, size: float) -> Iterator[str]:
    trained, candidates, steps = (selection[key] for key in ("trained_samples", "candidate_samples", "steps"))
    counted = {
        "steps of its sequence of k": (sum(n for _, n in selection["k"]), steps),
        "picks of its sequence of k": (sum(k * n for k, n in selection["k"]), trained),
        "picks by class": (sum(selection["class_counts"]), trained),
    }
    if (pace := selection.get("pace")) is not None:
        counted |= {
            "steps of its pace": (sum(row[2] for row in pace), steps),
            "picks of its pace": (_sum(pace, 1), trained),
            "candidates of its pace": (_sum(pace, 0), candidates),
        }
    for what, (found, said) in counted.items():
        if found != said:
            yield f"the {what} are {found:g} in all, where it says {said}"
    if not close(selection["mean_ratio"], trained / max(1, candidates)):
        yield f"its mean ratio is {selection['mean_ratio']:g}, and it trained on {trained} of {candidates} candidates"
    if not selection["unique"] > 0 or not 1 <= selection["max_repeats"] <= trained:
        yield "the share of images ever picked, or their most repeats, cannot be"
    if (probe := selection.get("probe")) is not None:
        yield from _probe(probe, selection["max_repeats"], size)


def _probe(probe: Record, most: int, size: float) -> Iterator[str]:
    packed, images = _decoded(probe["counts"]), -(-round(size) // probe["stride"])
    if packed is None or len(packed) != 2 * images or not 0 < images <= PROBED:
        yield f"its pick counts by image are not those of {images} images"
    elif int(np.frombuffer(packed, dtype="<u2").max()) > most:
        yield f"an image was picked more often than its most repeats, {most}"


def _costs(record: Record) -> Iterator[str]:
    ledger, unit, selection = record["ledger"], record["unit"], record["selection"]
    trained, candidates = selection["trained_samples"], selection["candidate_samples"]
    scored = candidates if record["scores_learner"] else 0
    for phase, samples in (("train", trained), ("score", scored), ("data", scored or trained)):
        if ledger[phase]["samples"] != samples:
            yield f"phase {phase!r} of its ledger counts {ledger[phase]['samples']} samples, its picks tell {samples}"
    for phase, price in (("train", unit["train"]), ("score", unit["forward"]), ("probe", unit["forward"])):
        if phase in ledger and not close(ledger[phase]["flops"], ledger[phase]["samples"] * price):
            yield f"phase {phase!r} of its ledger holds {ledger[phase]['flops']:g} FLOPs, not samples x {price:g}"


def _result(result: Record) -> Iterator[str]:
    packed, n = _decoded(result["correct"]), result["test_n"]
    if packed is None or len(packed) != (n + 7) // 8:
        yield f"its correctness bits do not hold {n} test images"
        return
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    if bits[n:].any() or not close(result["test_accuracy"] * n, int(bits.sum())):
        yield f"its test accuracy {result['test_accuracy']:g} is not that of its {int(bits.sum())} correctness bits"
    if not close(again := result["test_accuracy_recalibrated"] * n, round(again)):
        yield f"its recalibrated accuracy is no share of {n} test images"


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
