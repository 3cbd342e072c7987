"""What claims, pooling, targets, tuning and overlap add to a summary, made by hand in the shape of the contract.

The numbers are made up but hang together: they let the page be tested before and without the code that computes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

FACTORS = [0.25, 0.5, 1.0, 2.0]
ACCOUNTS = ("marginal", "amortised", "standalone")


def fill(summary: dict[str, Any], *, datasets_ranked: int | None = None) -> dict[str, Any]:
    """Fill the summary's new lists, in place, and return it."""
    summary["claims"] = claims()
    summary["studies"] = studies()
    summary["targets"] = [row for dataset in _names(summary) for row in _targets(summary, dataset)]
    summary["tuning"] = _tuning(summary)
    summary["overlap"] = _overlap(summary)
    for row in summary["contrasts"]:
        if row["n_pairs"]:
            _second_tests(row)
    if len(_names(summary)) > 1:
        summary["pooled"] = _pooled(summary)
        summary["ranks"] = ranks(summary, datasets_ranked or len(_names(summary)))
    return summary


def studies() -> list[dict[str, Any]]:
    """A study with a figure and tables of each form, and one without an answer."""
    x, y = [0.05, 0.1, 0.5, 0.9], [-6.0, -2.5, 0.4, None]
    ends = {"low": [-8.0, -3.5, -0.4, None], "high": [-4.0, -1.5, 1.2, None]}
    shape = {"ticks": [], "log_x": True, "log_y": False, "level": 0.0}
    curves = [{"label": label, "x": x, "y": y, **ends, "joined": True} for label in ("gstds", "a rule of long name")]
    rows = [{"label": "Digits", "x": [0, 1], "y": [0.4, -0.2], "low": [], "high": [], "joined": False}]
    charts = [
        {"title": "Points by keep ratio", "x_label": "kept", "y_label": "points", "series": curves, **shape},
        {"title": "Effects", "x_label": "effect", "y_label": "points", "series": rows, **shape, "ticks": ["a", "<b>"]},
    ]
    wide = [f"column {n}" for n in range(12)]
    tables = [
        {
            "title": "Wide",
            "columns": wide,
            "rows": [["a row", *["\u22120.31 [\u22120.90, +0.27]"] * 11]],
            "note": "Why.",
        },
        {
            "title": "Told",
            "columns": ["rule", "said"],
            "rows": [["gstds", "it gains where most is kept, and loses"]],
            "note": "",
        },
    ]
    found = "Random picks overtake below 30 % kept [20 %, 45 %] (8 seeds)."
    shared = {"analysis": "crossover", "quantities": []}
    return [
        {
            **shared,
            "question": "When does it fail?",
            "sentence": found,
            "enough": True,
            "tables": tables,
            "charts": charts,
        }
        | {"notes": ["One data set.", "Three <i>seeds</i>."]},
        {**shared, "question": "And why?", "sentence": "One seed has no interval.", "enough": False}
        | {"tables": [], "charts": [], "notes": []},
    ]


def claims(*verdicts: str) -> list[dict[str, Any]]:
    """One claim for each verdict of the contract, or for each that is given."""
    verdicts = verdicts or ("inconclusive", "supported", "out of scope", "contradicted", "not run", "not run")
    return [_claim(number, verdict) for number, verdict in enumerate(verdicts)]


def _claim(number: int, verdict: str) -> dict[str, Any]:
    tested = verdict in ("supported", "contradicted", "inconclusive")
    estimate = {"supported": 0.4, "contradicted": -2.1, "inconclusive": -0.3}.get(verdict)
    test = {
        "text": "gstds against full on cifar10: difference in test accuracy above -0.5 points",
        "case": "",
        "dataset": "CIFAR-10",
        "strategy": "gstds",
        "baseline": "full",
        "metric": "accuracy",
        "hypothesis": "non-inferior",
        "bound": -0.5,
        "estimate": estimate,
        "low": None if estimate is None else estimate - 0.6,
        "high": None if estimate is None else estimate + 0.6,
        "confidence": 0.9,
        "n": 12 if tested else 0,
        "verdict": verdict,
    }
    cost = {
        **test,
        "text": "gstds against full on cifar10: ratio of total FLOPs, the baseline's over its own, at least 4",
        "metric": "cost ratio",
        "bound": 4.0,
        "estimate": 1.61 if tested else None,
        "low": 1.52 if tested else None,
        "high": None,
    }
    return {
        "id": f"claim-{number}",
        "title": f"Claim {number} in short",
        "statement": "Half of the images, picked by their place in a graph, train as well as all of them do.",
        "source": {"paper": "A paper on picking", "section": "table 2"},
        "said": "4x faster at equal accuracy",
        "kind": "all",
        "unknown": ["seeds"],
        "verdict": verdict,
        "reason": "The cost ratio lies below 4 with its whole interval.",
        "conditions": [
            {"name": "width", "wanted": "64", "found": "16", "met": tested},
            {"name": "data set", "wanted": "CIFAR-10, complete", "found": "CIFAR-10, complete", "met": True},
        ],
        "tests": [test, cost] if verdict != "out of scope" else [],
        "indication": {"verdict": "contradicted", "text": "A narrower learner saved 1.6x at most."}
        if verdict == "not run" and number % 2 == 0
        else None,
        "matrix": "" if verdict == "out of scope" else "claims-cifar",
        "to_decide": "About 31 seeds." if verdict in ("inconclusive", "not run") else "",
    }


def _names(summary: Mapping[str, Any]) -> list[str]:
    return [dataset["name"] for dataset in summary["matrix"]["datasets"]]


def _second_tests(row: dict[str, Any]) -> None:
    row.update(interval="t", p_equivalent=0.5, p_wilcoxon=0.25)
    row["mcnemar"] = (
        None
        if row["question"] == "pays"
        else [{"seed": seed, "gained": 12 + seed, "lost": 9, "p": 0.6636} for seed in range(row["n_pairs"])]
    )


def _targets(summary: Mapping[str, Any], dataset: str) -> list[dict[str, Any]]:
    """``full`` at 0.6 of its budget, the rest around it; the last strategy misses always, the one before sometimes."""
    arms = [arm for arm in summary["arms"] if arm["dataset"] == dataset and arm["rung"] == 1.0 and arm["n"]]
    whole = next((arm for arm in arms if arm["role"] == "full"), None)
    shown = [arm for arm in arms if arm["role"] in ("full", "uniform", "strategy")]
    margin = next(item["margin"] for item in summary["matrix"]["datasets"] if item["name"] == dataset)
    rows = []
    for number, arm in enumerate(shown if whole else []):
        left = len(shown) - 1 - number
        misses = arm["n"] if left == 0 else arm["n"] // 3 if left == 1 else 0
        for account in ACCOUNTS:
            for cost, field in (("total_flops", "total_flops"), ("wall_clock", "seconds")):
                base = whole[field][account]
                spent = (0.6 + 0.1 * number) * base if base else None
                if spent is None:
                    continue
                rows.append(
                    {
                        **{name: arm[name] for name in ("dataset", "reference", "role")},
                        "strategy": arm["label"],
                        "arm": arm["key"],
                        "account": account,
                        "cost": cost,
                        "baseline": "full",
                        "margin": margin,
                        "target": 94.0,
                        "n": arm["n"],
                        "ladder": arm["role"] != "strategy" or number % 2 == 0,
                        "misses": misses,
                        "median": None if left == 0 else spent,
                        "ci_low": None if left == 0 else 0.9 * spent,
                        "ci_high": None if misses else 1.1 * spent,
                        "confidence": 0.93,
                        "speedup": {
                            "median": 0.0 if left == 0 else 0.6 * base / spent,
                            "ci_low": 0.0 if misses else 0.55 * base / spent,
                            "ci_high": 0.65 * base / spent if left else 0.0,
                        },
                        "timing": {"source": "ordinary cells", "blocks": 0},
                    }
                )
    return rows


def _tuning(summary: Mapping[str, Any]) -> dict[str, Any]:
    lines = []
    for number, arm in enumerate(arm for arm in summary["arms"] if arm["n"]):
        best = number % 4 if arm["role"] == "strategy" else 2
        means = [96.0 - 0.8 * abs(i - best) - 0.1 * number for i in range(4)]
        scores = [
            {"factor": f, "lr": 0.1 * f, "n": 2, "mean": mean, "values": {"100": mean, "101": mean}}
            for f, mean in zip(FACTORS, means, strict=True)
        ]
        if arm["role"] == "strategy" and best == 0:
            scores[3].update(mean=None, values={"100": None, "101": 90.0})
        lines.append(
            {
                "arm": arm["key"],
                "base": arm["key"],
                **{name: arm[name] for name in ("label", "role", "rung", "dataset", "reference")},
                "factor": FACTORS[best],
                "lr": 0.1 * FACTORS[best],
                "lr_from": "full" if arm["role"] == "full-all" else "val",
                "edge": best in (0, 3),
                "scores": [] if arm["role"] == "full-all" else scores,
                "flops": 1e12,
                "seconds": 12.5,
            }
        )
    declared = [
        {
            **{
                name: row[name]
                for name in ("dataset", "reference", "strategy", "arm", "question", "account", "cost", "ladder")
            },
            **{name: row[name] for name in ("baseline", "primary", "margin")},
            "grid": [[0.5 - 0.7 * i + 0.3 * j for j in range(4)] for i in range(4)],
            "chosen": [2, 1],
        }
        for row in summary["contrasts"]
        if row["primary"]
    ]
    return {
        "factors": FACTORS,
        "seeds": 2,
        "base_lr": 0.1,
        "arms": lines,
        "flops": 1e12 * len(lines),
        "seconds": 12.5 * len(lines),
        "share": 0.41,
        "sensitivity": declared,
    }


def _overlap(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for dataset in _names(summary):
        arms = [arm for arm in summary["arms"] if arm["dataset"] == dataset and arm["n"]]
        for reference in dict.fromkeys(arm["reference"] for arm in arms if arm["reference"]):
            mine = [arm for arm in arms if arm["role"] == "strategy" and arm["reference"] in ("", reference)]
            n = len(mine)
            table = 0.9 ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))) - 0.3 * (1 - np.eye(n))
            matrix: list[list[float | None]] = table.tolist()
            if n > 1:
                matrix[0][-1] = matrix[-1][0] = None
            found.append(
                {
                    "dataset": dataset,
                    "reference": reference,
                    "arms": [arm["key"] for arm in mine],
                    "labels": [arm["label"] for arm in mine],
                    "matrix": matrix,
                    "seeds": 3,
                }
            )
    return found


def _pooled(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    named = ("reference", "strategy", "question", "baseline", "account", "cost", "ladder")
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in summary["contrasts"]:
        if row["mean_difference"] is not None:
            groups.setdefault(tuple(row[name] for name in named), []).append(row)
    pooled = []
    for key, rows in groups.items():
        if len(rows) < 2:
            continue
        mean = float(np.mean([row["mean_difference"] for row in rows]))
        shown = ("dataset", "n_pairs", "mean_difference", "ci_low", "ci_high", "verdict")
        pooled.append(
            {
                **dict(zip(named, key, strict=True)),
                "primary": any(row["primary"] for row in rows),
                "n_datasets": len(rows),
                "datasets": [{name: row[name] for name in shown} for row in rows],
                "mean_difference": mean,
                "ci_low": mean - 0.2,
                "ci_high": mean + 0.2,
                "confidence": 0.95,
                "df": 14.0,
                "p_superior": 0.03,
                "probability_of_improvement": {"estimate": 0.7, "ci_low": 0.55, "ci_high": 0.8},
                "iqm": {"strategy": 95.2, "baseline": 95.0, "difference": 0.2, "ci_low": -0.1, "ci_high": 0.5},
                "costs": {
                    account: {
                        cost: {"ratio": 0.56, "ci_low": 0.55, "ci_high": 0.57}
                        for cost in ("learner_flops", "total_flops", "wall_clock")
                    }
                    for account in ACCOUNTS
                },
            }
        )
    return pooled


def ranks(summary: Mapping[str, Any], datasets: int) -> dict[str, Any]:
    """Mean ranks of the strategies, tested where there are ten data sets or more."""
    arms = dict.fromkeys((arm["label"], arm["reference"]) for arm in summary["arms"] if arm["role"] == "strategy")
    tested = datasets >= 10
    last = len(arms) - 1
    return {
        "datasets": datasets,
        "needed": 10,
        "statistic": 12.3 if tested else None,
        "p": 0.004 if tested else None,
        "critical_distance": 1.48 if tested else None,
        "alpha": 0.05,
        "arms": [
            {"label": label, "reference": reference, "mean_rank": 1.3 + 0.9 * number}
            for number, (label, reference) in enumerate(arms)
        ],
        "cliques": [[0, 1], [max(last - 2, 0), max(last - 1, 0), last]] if tested and last > 0 else [],
    }
