"""The results as flat CSV files, for spreadsheets and scripts.

Names from plugins, data sets and files are untrusted: a text that a spreadsheet would take for a formula is
written with a leading apostrophe.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .costs import Accounts, ceiling
from .results import ACCOUNTS, COSTS, PHASES, Cell, Phase, Results

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_tables(results: Results, summary: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``cells.csv`` (one line for each run), ``contrasts.csv`` and ``timing.csv``, and return their paths.

    Parameters
    ----------
    results : Results
    summary : mapping
        What :func:`selbench.reports.summary.summarise` made of them.
    folder : Path
        Made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "cells.csv": cell_rows(results),
        "contrasts.csv": map(contrast_row, summary["contrasts"]),
        "timing.csv": timing_rows(results),
    }
    paths = []
    for name, rows in tables.items():
        write_csv(folder / name, list(rows))
        paths.append(folder / name)
    return paths


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows of one set of columns, UTF-8; None is an empty field, numbers keep all their digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = list(rows[0]) if rows else []
        writer.writerow(columns)
        writer.writerows([safe(row[column]) for column in columns] for row in rows)


def safe(value: Any) -> Any:
    """A field that no spreadsheet takes for a formula: only texts are changed. What is not finite is left empty."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def cell_rows(results: Results) -> Iterable[dict[str, Any]]:
    """One row for each finished run, in the order of arms and seeds."""
    accounts = Accounts(results)
    for arm in results.matrix.arms.values():
        for seed, cell in results.of(arm).items():
            yield {
                "id": cell.id,
                "dataset": arm.dataset,
                "reference": arm.reference,
                "label": arm.label,
                "role": arm.role,
                "rung": arm.rung,
                "strategy": arm.strategy,
                "origin": arm.origin,
                "schedule": arm.schedule,
                "seed": seed,
                "test_accuracy": cell.accuracy,
                "test_accuracy_recalibrated": cell.accuracy_recalibrated,
                "val_accuracy": cell.val_accuracy,
                "train_loss": cell.train_loss,
                "mean_ratio": cell.picks.mean_ratio,
                "trained_samples": cell.picks.trained_samples,
                "candidate_samples": cell.picks.candidate_samples,
                "unique": cell.picks.unique,
                "ceiling": ceiling(cell),
                "memory_bytes": cell.memory_bytes,
                **_costs(accounts, cell),
                "device": str(cell.environment.get("device", "")),
                "machine": str(cell.environment.get("machine", "")),
            }


def _costs(accounts: Accounts, cell: Cell) -> dict[str, float]:
    columns = {"learner_flops": accounts.cost(cell, "marginal", "learner_flops")}
    for account in ACCOUNTS:
        columns[f"{account}_total_flops"] = accounts.cost(cell, account, "total_flops")
        columns[f"{account}_seconds"] = accounts.cost(cell, account, "wall_clock")
    return columns


def timing_rows(results: Results) -> Iterable[dict[str, Any]]:
    """One row for each run of the timing pass, in the order in which each block was run."""
    names = {id: item.name for id, item in results.artefacts.items()}
    for timed in results.timings:
        arm = results.matrix.arms[timed.of] if timed.kind == "cell" else None
        yield {
            "id": timed.id,
            "block": timed.block,
            "position": timed.position,
            "kind": timed.kind,
            "of": timed.of,
            "label": arm.label if arm else names.get(timed.of, ""),
            "role": arm.role if arm else "",
            "rung": arm.rung if arm else None,
            "dataset": timed.dataset,
            "reference": timed.reference,
            "seed": timed.seed,
            "seconds": timed.seconds,
            **{f"{name}_seconds": _line(timed.ledger, name, "seconds") for name in PHASES},
            **{f"{name}_flops": _line(timed.ledger, name, "flops") for name in PHASES},
            **{key: str(timed.environment.get(key, "")) for key in ("machine", "device", "threads")},
        }


def _line(ledger: Mapping[str, Phase], name: str, what: str) -> float:
    return getattr(ledger[name], what) if name in ledger else 0.0


def contrast_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A contrast of the summary without nesting: ``costs`` becomes ``<account>_<cost>_ratio`` and its ends."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "costs":
            for account in ACCOUNTS:
                for cost in COSTS:
                    of = value.get(account, {}).get(cost) or {}
                    for part in ("ratio", "ci_low", "ci_high"):
                        flat[f"{account}_{cost}_{part}"] = of.get(part)
        elif name in ("unpaired", "bca"):
            flat |= {f"{name}_{part}": (value or {}).get(part) for part in ("ci_low", "ci_high")}
        elif name == "timing":
            flat |= {"seconds_source": value["source"], "timed_blocks": value["blocks"]}
        elif name == "worst_seed":
            flat |= {"worst_seed": (value or {}).get("seed"), "worst_difference": (value or {}).get("difference")}
        else:
            flat[name] = value
    return flat
