"""The arms of a synthetic results folder, with their true effects and keep ratios, and the sizes behind costs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

EFFECTS: Mapping[str, float] = {"gstds": 0.0, "rho": 1.5, "loss": -4.0, "static": -0.4}
RATIO = 0.5
FORWARD, TRAIN = 1.0e6, 3.0e6
POOL, PASSES, BATCH, CLASSES = 1000, 20, 100, 10
RUNGS = (0.25, 0.5, 1.0)
SCORES_LEARNER = {"rho", "loss"}


def _key(*parts: object) -> str:
    return hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def _arms(
    dataset: str,
    references: list[str],
    effects: Mapping[str, float],
    ratios: Mapping[str, float],
    twin_effect: float,
    halving: float,
    ladders: set[str],
) -> list[dict[str, Any]]:
    def arm(label: str, role: str, effect: float, **more: Any) -> dict[str, Any]:
        reference = more.pop("reference", "")
        return {
            "key": more.pop("key", _key(dataset, reference, label)),
            "label": label,
            "role": role,
            "dataset": dataset,
            "reference": reference,
            "strategy": more.get("strategy", "Uniform()"),
            "text": more.pop("strategy", "Uniform()"),
            "name": more.pop("name", "uniform"),
            "origin": "selbench 0.1.0",
            "cadence": more.pop("cadence", "batch"),
            "signal": more.pop("signal", "frozen"),
            "schedule": more.pop("schedule", f"fixed({RATIO})"),
            "rung": more.pop("rung", 1.0),
            "pool": "pool",
            "replay": "",
            "twin": more.pop("twin", ""),
            "settings": "lr=0.1",
            "_name": more.pop("_name", label),
            "_effect": effect,
            "_ratio": more.pop("ratio", ratios.get(label, RATIO)),
        }

    full = {"name": "full", "strategy": "Full()", "schedule": "fixed(1.0)", "ratio": 1.0}
    arms = [arm(_rung("full", q), "full", halving * math.log2(q), rung=q, **full) for q in RUNGS] + [
        arm(_rung("uniform", q), "uniform", twin_effect + halving * math.log2(q), rung=q) for q in RUNGS
    ]
    arms.append(arm("full-all", "full-all", 0.3, **full))
    whole = _key(dataset, "", "uniform")
    if "static" in effects:
        arms.append(arm("uniform twin of static", "twin", twin_effect - 0.2, cadence="run"))
    for label, effect in effects.items():
        static = label == "static"
        own = _key(dataset, "", "uniform twin of static") if static else whole
        for reference in [""] if static else references:
            more = {"name": label, "strategy": f"{label.title()}()", "reference": reference}
            more |= {"cadence": "run"} if static else {"signal": "learner" if label in SCORES_LEARNER else "frozen"}
            if label in ladders:
                for q in RUNGS[:-1]:
                    own_rung = {"key": _key(dataset, reference, label, q), "_name": _rung(label, q), "rung": q, **more}
                    arms.append(arm(label, "rung", effect + halving * math.log2(q), **own_rung))
            arms.append(arm(label, "strategy", effect, twin=own, **more))
    return arms


def _cost_twin(arm: Mapping[str, Any], pays: Mapping[str, str], halving: float) -> dict[str, Any]:
    """``full`` at the cost of ``arm``, in shares of the whole budget's cost."""
    own = arm["_ratio"] + 1e3 / TRAIN + (FORWARD / TRAIN if arm["name"] in SCORES_LEARNER else 0.0)
    artefacts = 0.1 if arm["cadence"] == "run" else 0.5 + FORWARD / TRAIN / PASSES
    share = {"marginal": 0.0, "amortised": 1 / 20, "standalone": 1.0}[pays["account"]]
    price = arm["_ratio"] if pays["cost"] == "learner_flops" else own + share * artefacts
    label = f"full at the cost of {arm['label']}" + (f" ({arm['reference']})" if arm["reference"] else "")
    more = {"reference": "", "strategy": "Full()", "text": "Full()", "name": "full", "schedule": "fixed(1.0)"}
    own = {"cadence": "batch", "signal": "frozen", "twin": "", "_ratio": 1.0, "_passes": PASSES * price}
    key = {"key": _key("cost", arm["key"]), "label": label, "_name": label, "role": "cost-twin", "cost_of": arm["key"]}
    return {**arm, **more, **own, **key, "_effect": halving * math.log2(price)}


def _rung(label: str, q: float) -> str:
    return label if q == 1.0 else f"{label} {q:g}"
