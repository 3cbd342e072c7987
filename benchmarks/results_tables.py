"""The tables of sets without a study: ``python -m selbench.benchmarks.results_tables [--write]``.

Markdown drawn from the published packs, between the marks of ``docs/results.md``: ``questions`` (what one rule does on
each set that asks), ``rates`` (each arm at its own learning rate), ``online`` and ``static`` (every rule against random
picks). ``--write`` puts them into the page; a test holds the page to them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ..reports.document.numbers import NONE, interval, percent, points, worded
from ..reports.document.panels import at_equal_cost
from .pages import DOCS, cell, command, published_sets, report_link, summary_of

ASKED = ("cifar10-full-cpu", "flowers-full-cpu", "flowers-limited-cpu", "cifar10-cpu", "flowers-cpu")
"""Sets that ask the three questions of ``RULE``, those of whole data sets first."""
RULE = "gstds"


@cache
def _summary(folder: str) -> Mapping[str, Any]:
    return summary_of(published_sets()[folder])


def _link(folder: str) -> str:
    """The report of a set of one data set, under that data set's name."""
    (data,) = _summary(folder)["matrix"]["datasets"]
    return report_link(cell(data["title"]), folder, "../reports/published/")


def _trained(folder: str) -> dict[str, Mapping[str, Any]]:
    return {arm["label"]: arm for arm in _summary(folder)["arms"] if arm["rung"] == 1.0 and arm["n"]}


def questions() -> str:
    """Accuracies, and the three differences of ``RULE`` with their verdicts, a row for each set."""
    rows = []
    for folder in ASKED:
        matrix, trained = _summary(folder)["matrix"], _trained(folder)
        (data,) = matrix["datasets"]
        amount = ", ".join(f"{value:g} {key}" for key, value in matrix["budget"].items() if key == "passes")
        part = [note for note in data["note"].split("; ") if "classes" in note]
        size = [*part, f"{data['pool']:,} images", f"{data['resolution']} px", amount, f"{len(matrix['seeds'])} seeds"]
        asked = [row for row in _summary(folder)["contrasts"] if row["strategy"] == RULE]
        equal = at_equal_cost(asked, matrix["pays"])
        found = {row["question"]: _difference(row) for row in asked if row["question"] != "pays"}
        found |= {row["question"]: _difference(row) for row in equal}
        rates = [percent(trained[label]["accuracy"]["mean"]) for label in ("full", "uniform", RULE)]
        net = matrix["learner"]["text"].partition(" (")[0]
        rows.append(
            [
                _link(folder),
                cell(", ".join([net, *size])),
                *rates,
                *(found[key] for key in ("accuracy", "picking", "pays")),
            ]
        )
    against = ("against `full`", "against random picks", "against `full` of its cost")
    return _table(["set", "size", "`full`", "`uniform`", f"`{RULE}`", *against], rows)


def _difference(row: Mapping[str, Any]) -> str:
    if row["mean_difference"] is None:
        return cell(worded(row))
    ends = interval(row["ci_low"], row["ci_high"], form="[{}, {}]")
    return cell(f"{points(row['mean_difference'])} {ends} {worded(row)}")


def rates() -> str:
    """Accuracy of each arm of ``quick-tuned`` at its own learning rate, and that as a multiple of the base rate."""
    tuned = {arm["arm"]: arm for arm in _summary("quick-tuned")["tuning"]["arms"]}
    arms = [arm for arm in _trained("quick-tuned").values() if arm["key"] in tuned]
    accuracy = [percent(arm["accuracy"]["mean"]) for arm in arms]
    best = [tuned[arm["key"]] for arm in arms]
    factors = [f"{arm['factor']:g}{', an end' if arm['edge'] else ''}" for arm in best]
    names = [cell(arm["label"]) for arm in arms]
    return _table(["", *names], [["accuracy, %", *accuracy], ["times the base rate", *factors]])


def online() -> str:
    """Points over random picks on the same steps, half kept, by rule."""
    return _beside({_link(name): _picking(name) for name in ("cifar10-online-cpu", "flowers-online-cpu")})


def static() -> str:
    """Points over random subsets of the same size, by rule, a row for each share kept."""
    rows: dict[str, dict[str, str]] = {}
    for name in ("cifar10-static-cpu", "flowers-static-cpu"):
        found = {tuple(label.rsplit("-", 1)): text for label, text in _picking(name).items()}
        for share in sorted({share for _, share in found}, key=int, reverse=True):
            rows[f"{_link(name)}, {share} %"] = {rule: text for (rule, of), text in found.items() if of == share}
    return _beside(rows)


def _picking(folder: str) -> dict[str, str]:
    rows = (row for row in _summary(folder)["contrasts"] if row["question"] == "picking")
    return {row["strategy"]: points(row["mean_difference"]) for row in rows if row["mean_difference"] is not None}


def _beside(rows: Mapping[str, Mapping[str, str]]) -> str:
    rules = dict.fromkeys(rule for found in rows.values() for rule in found)
    return _table(
        ["", *map(cell, rules)], ([head, *(found.get(rule, NONE) for rule in rules)] for head, found in rows.items())
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


TABLES: dict[str, Callable[[], str]] = {"questions": questions, "rates": rates, "online": online, "static": static}

if __name__ == "__main__":
    for name, draw in TABLES.items():
        command("results_tables", {DOCS / "results.md": (name, draw)}, sys.argv[1:])
