"""The results as flat tables, one CSV file each, for spreadsheets and scripts; Parquet beside them with pyarrow.

Names from plugins, data sets and files are untrusted: a text that a spreadsheet would take for a formula is written to
CSV with a leading apostrophe. Parquet has types instead, and needs no such guard.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..effects.costs import Accounts, ceiling
from ..records.folder import ACCOUNTS, COSTS, PHASES, Arm, Results

Row = dict[str, Any]

ALWAYS = ("cells", "contrasts")
"""The tables that scripts may count on; any other has a file only where it has a line."""
NAMES = (*ALWAYS, "classes", "timing", "targets", "pooled", "tuning", "claims")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_ENDS = ("ci_low", "ci_high")
_NESTED = {
    "unpaired": _ENDS,
    "bca": _ENDS,
    "both_errors": _ENDS,
    "worst_class": ("mean_difference", *_ENDS, "n"),
    "speedup": ("median", *_ENDS),
    "probability_of_improvement": ("estimate", *_ENDS),
    "iqm": ("strategy", "baseline", "difference", *_ENDS),
}
"""What becomes one column for each part, empty where the whole is None."""

# fmt: off
WHOLE = frozenset((
    "seed", "block", "position", "trained_samples", "candidate_samples", "memory_bytes", "n", "n_pairs", "n_datasets",
    "collapsed", "diverged", "above_ladder", "seeds_needed", "seeds_needed_measured", "worst_seed", "timed_blocks",
    "misses", "at_lowest", "mcnemar_gained", "mcnemar_lost", "test_n", "test_collapsed",
    "worst_class_n", "images",
))
"""Columns of whole numbers: every other number is a double, also where all of a folder's values happen to be whole."""

TEXT = frozenset((
    "reference", "role", "account", "cost", "ladder", "seconds_source", "baseline_arm", "left_out", "note",
    "interval", "lr_from", "matrix", "to_decide", "kind", "reason", "source_section", "indication_verdict",
    "indication_text", "test_text", "test_dataset", "test_case", "test_account", "test_cost", "test_note",
    "test_strategy", "test_baseline", "test_metric", "test_hypothesis", "test_verdict",
))
# fmt: on
"""Columns of text that may be empty throughout: their type must not depend on that."""


def tables(results: Results, summary: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The rows of every table by its name: all rows of a table have the same columns, and no field is nested."""
    return {
        "cells": list(cell_rows(results)),
        "contrasts": _even(list(map(contrast_row, summary["contrasts"]))),
        "classes": [row for found in summary["classes"] for row in class_rows(found)],
        "timing": list(timing_rows(results)),
        "targets": list(map(contrast_row, summary["targets"])),
        "pooled": list(map(pooled_row, summary["pooled"])),
        "tuning": list(tuning_rows(summary["tuning"])),
        "claims": [row for claim in summary["claims"] for row in claim_rows(claim)],
    }


def _even(rows: list[Row]) -> list[Row]:
    """Every row with the columns of all: why a contrast is exploratory stands only where it is."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{**dict.fromkeys(columns), **row} for row in rows]


def write_tables(results: Results, summary: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write each table as ``<name>.csv`` and, with pyarrow, ``<name>.parquet``, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rows in tables(results, summary).items():
        if rows or name in ALWAYS:
            paths.append(folder / f"{name}.csv")
            write_csv(paths[-1], rows)
            if parquet_available():
                paths.append(folder / f"{name}.parquet")
                write_parquet(paths[-1], rows)
    return paths


def write_csv(path: Path, rows: list[Row]) -> None:
    """Write rows of one set of columns, UTF-8; None is an empty field, numbers keep all their digits."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: safe(value) for name, value in row.items()} for row in rows)


def safe(value: Any) -> Any:
    """A field that no spreadsheet takes for a formula: only texts are changed. What is not finite is left empty."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else _finite(value)


def _finite(value: Any) -> Any:
    """As in summary.json, what is not finite does not exist."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


LACKING = "No Parquet files were written: they need pyarrow (python -m pip install 'selbench[parquet]')."


def parquet_available() -> bool:
    try:
        from pyarrow import parquet  # noqa: F401
    except ImportError:
        return False
    return True


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of one set of columns. The same rows and the same pyarrow give the same bytes."""
    import pyarrow
    from pyarrow import parquet

    columns = {name: [_finite(row[name]) for row in rows] for name in (rows[0] if rows else ())}
    table = pyarrow.table({name: pyarrow.array(*_typed(name, values)) for name, values in columns.items()})
    content = io.BytesIO()
    parquet.write_table(table, content)
    path.write_bytes(content.getvalue())


def _typed(name: str, values: Sequence[Any]) -> tuple[list[Any], str]:
    """A column's values and type: what the values are decides, and where there are none, its name."""
    there = [value for value in values if value is not None]
    # No column of whole numbers holds more than 63 bits; records may come from strangers.
    vast = any(isinstance(value, int) and value.bit_length() > 63 for value in there)
    if vast or any(isinstance(value, str) for value in there) or (not there and name in TEXT):
        texts = (None if value is None else str(value).encode("utf-8", "backslashreplace") for value in values)
        return [text and text.decode() for text in texts], "string"
    if there and all(isinstance(value, bool) for value in there):
        return list(values), "bool"
    return (list(values), "int64") if name in WHOLE else ([None if v is None else float(v) for v in values], "float64")


def cell_rows(results: Results) -> Iterable[Row]:
    accounts = Accounts(results)
    for arm in results.matrix.arms.values():
        for seed, cell in results.of(arm).items():
            yield {
                "id": cell.id,
                **arm_fields(arm),
                "seed": seed,
                "test_accuracy": cell.accuracy,
                "test_accuracy_recalibrated": cell.accuracy_recalibrated,
                **_fields(cell, "val_accuracy", "train_loss"),
                **_fields(cell.picks, "mean_ratio", "trained_samples", "candidate_samples", "unique"),
                "ceiling": ceiling(cell),
                "memory_bytes": cell.memory_bytes,
                "learner_flops": accounts.cost(cell, "marginal", "learner_flops"),
                **{
                    f"{account}_{name}": accounts.cost(cell, account, cost)
                    for account in ACCOUNTS
                    for name, cost in (("total_flops", "total_flops"), ("seconds", "wall_clock"))
                },
                **{key: str(cell.environment.get(key, "")) for key in ("device", "machine")},
            }


def arm_fields(arm: Arm) -> Row:
    """The columns that name an arm."""
    return _fields(arm, "dataset", "reference", "label", "role", "rung", "strategy", "origin", "schedule")


def _fields(of: object, *names: str) -> Row:
    return {name: getattr(of, name) for name in names}


def timing_rows(results: Results) -> Iterable[Row]:
    names = {id: item.name for id, item in results.artefacts.items()}
    for timed in results.timings:
        arm = results.matrix.arms[timed.of] if timed.kind == "cell" else None
        yield {
            **_fields(timed, "id", "block", "position", "kind", "of"),
            "label": arm.label if arm else names.get(timed.of, ""),
            "role": arm.role if arm else "",
            "rung": arm.rung if arm else None,
            **_fields(timed, "dataset", "reference", "seed", "seconds"),
            **{
                f"{name}_{what}": getattr(timed.ledger.get(name), what, 0.0)
                for what in ("seconds", "flops")
                for name in PHASES
            },
            **{key: str(timed.environment.get(key, "")) for key in ("machine", "device", "threads")},
        }


def contrast_row(row: Mapping[str, Any]) -> Row:
    """A contrast or target of the summary without nesting: ``costs`` becomes ``<account>_<cost>_ratio`` and its ends.

    McNemar's counts are summed over seeds; the seeds one by one are in ``summary.json``.
    """
    flat: Row = {}
    for name, value in row.items():
        if name == "costs":
            of = {(account, cost): value.get(account, {}).get(cost) or {} for account in ACCOUNTS for cost in COSTS}
            flat |= {f"{a}_{c}_{part}": found.get(part) for (a, c), found in of.items() for part in ("ratio", *_ENDS)}
        elif name in _NESTED:
            flat |= {f"{name}_{part}": (value or {}).get(part) for part in _NESTED[name]}
        elif name == "timing":
            flat |= {"seconds_source": value["source"], "timed_blocks": value["blocks"]}
        elif name == "looks":  # where verdicts are of a declared look
            flat |= {f"look_{part}": float(number) if number is not None else None for part, number in value.items()}
        elif name == "worst_seed":
            flat |= {"worst_seed": (value or {}).get("seed"), "worst_difference": (value or {}).get("difference")}
        elif name == "mcnemar":
            for part in ("gained", "lost"):
                flat[f"mcnemar_{part}"] = None if value is None else sum(seed[part] for seed in value)
        else:
            flat[name] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return flat


def class_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    """One row for each contrast and class; ``worst``: the class is among those worst under full training."""
    sides = ("dataset", "reference", "strategy", "arm", "question", "baseline", "baseline_arm", "account", "cost")
    for row in found["contrasts"]:
        for at, (name, images) in enumerate(zip(found["classes"], found["images"], strict=True)):
            yield {
                **{side: row[side] for side in (*sides, "n", "confidence")},
                **{"class": name, "images": images, "worst": at in found["worst"]},
                "full_accuracy": found["full"][at] if found["full"] else None,
                **{part: row[part][at] for part in ("mean_difference", *_ENDS)},
            }


def pooled_row(row: Mapping[str, Any]) -> Row:
    """An effect over data sets without nesting; the effects of the data sets themselves are rows of contrasts."""
    return contrast_row({**row, "datasets": [item["dataset"] for item in row["datasets"]]})


def tuning_rows(tuning: Mapping[str, Any] | None) -> Iterator[Row]:
    """One row for each tuning run; one without a score for an arm that took over another's learning rate."""
    for arm in tuning["arms"] if tuning else ():
        named = {name: arm[name] for name in ("arm", "base", "label", "role", "rung", "dataset", "reference")}
        named |= {"chosen_factor": arm["factor"], "chosen_lr": arm["lr"]} | {k: arm[k] for k in ("lr_from", "edge")}
        scores = [
            {"factor": score["factor"], "lr": score["lr"], "seed": int(seed), "val_accuracy": value}
            for score in arm["scores"]
            for seed, value in score["values"].items()
        ]
        for tried in scores or [dict.fromkeys(("factor", "lr", "seed", "val_accuracy"))]:
            yield {**named, **tried}


def claim_rows(claim: Mapping[str, Any]) -> Iterator[Row]:
    """One row for each test of a claim, or a single one without a test where there is none."""
    named = {
        **{name: claim[name] for name in ("id", "title", "statement")},
        **{f"source_{part}": claim["source"].get(part) for part in ("paper", "section")},
        **{name: claim[name] for name in ("kind", "verdict", "reason", "matrix", "to_decide")},
        **{f"indication_{part}": (claim["indication"] or {}).get(part) for part in ("verdict", "text")},
        "conditions_unmet": "; ".join(item["name"] for item in claim["conditions"] if not item["met"]),
    }
    parts = ["text", "case", "dataset", "strategy", "baseline", "metric", "account", "cost", "hypothesis", "bound"]
    parts += ["estimate", "low", "high", "confidence", "n", "collapsed", "verdict", "note"]
    for test in claim["tests"] or [{}]:
        yield {**named, **{f"test_{part}": test.get(part) for part in parts}}
