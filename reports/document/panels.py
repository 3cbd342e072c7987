"""What page, Markdown, terminal and figures share: which arms and contrasts belong together, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..records.folder import TIMED, Arm, Cell, Results
from .looks import BASELINE, Look, look

Row = Mapping[str, Any]
"""An entry of ``arms`` or ``contrasts`` in summary.json."""
ACCOUNTS = ("marginal", "amortised", "standalone")
DRAWN = 80
"""Most strategies in a figure: beyond, neither its rows nor its labels can be read, and tables hold them all."""


@dataclass(frozen=True)
class Panel:
    """A data set with one of its references: what is compared with each other and drawn in one figure.

    Arms that need no reference appear in every panel of their data set.
    """

    key: str
    dataset: Row
    reference: str
    title: str
    arms: Sequence[Row] = ()
    contrasts: Sequence[Row] = ()

    @property
    def scope(self) -> str:
        return f"{self.title} ({self.dataset['note']})" if self.dataset["note"] else self.title

    def own(self, rows: Iterable[Row]) -> list[Row]:
        """Those of ``rows`` that are of this data set, and of this reference or of none."""
        of = (self.dataset["name"], ("", self.reference))
        return [row for row in rows if row["dataset"] == of[0] and row["reference"] in of[1]]

    def role(self, role: str) -> list[Row]:
        """Arms of a role in the matrix's order; ladders by rising budget."""
        found = [arm for arm in self.arms if arm["role"] == role]
        return sorted(found, key=lambda arm: arm["rung"]) if role in ("full", "uniform", "rung") else found

    def own_ladder(self, arm: Row) -> list[Row]:
        """The finished rungs of a strategy's own ladder by rising budget, with the strategy itself last."""
        same = (arm["label"], arm["reference"])
        rungs = [rung for rung in self.role("rung") if rung["n"] and (rung["label"], rung["reference"]) == same]
        return [*rungs, arm] if rungs else []

    @cached_property
    def full(self) -> Row | None:
        return next((arm for arm in self.role("full") if arm["rung"] == 1.0 and arm["n"]), None)

    @cached_property
    def main_arms(self) -> list[Row]:
        """``full-all``, ``full`` and ``uniform`` at the whole budget, then the strategies."""
        whole = [arm for role in ("full-all", "full", "uniform") for arm in self.role(role) if arm["rung"] == 1.0]
        return whole + self.role("strategy")

    @cached_property
    def drawn(self) -> list[Row]:
        """The main arms that figures show: all, or baselines, what was declared and the most accurate up to DRAWN."""
        declared = {row["arm"] for row in self.contrasts if row["primary"]}
        ranked = sorted(
            (arm for arm in self.role("strategy") if arm["n"]),
            key=lambda arm: (arm["key"] not in declared, -arm["accuracy"]["mean"]),
        )
        kept = {arm["key"] for arm in ranked[:DRAWN]}
        return [arm for arm in self.main_arms if arm["role"] != "strategy" or arm["key"] in kept]

    def of(self, arm: Row, question: str) -> list[Row]:
        return self._by_arm.get((arm["key"], question), [])

    @cached_property
    def _by_arm(self) -> dict[tuple[str, str], list[Row]]:
        table = defaultdict[tuple[str, str], list[Row]](list)
        for row in self.contrasts:
            table[row["arm"], row["question"]].append(row)
        return table

    def relative_cost(self, arm: Row, field: str, account: str | None) -> float | None:
        """Cost of ``arm`` relative to full training; None where one is unknown or their seconds do not compare."""
        if self.full is None or (field == "seconds" and not comparable(arm, self.full)):
            return None
        mine, whole = (item[field] if account is None else item[field][account] for item in (arm, self.full))
        return mine / whole if mine and whole else None

    def speedup(self, arm: Row) -> Row | None:
        """Realised speed-up in seconds over full training, by the timing pass: ``ratio``, ``ci_low``, ``ci_high``.

        In the marginal account, since the ceiling that it is held against is that of a run alone.
        """
        row = next(iter(self.of(arm, "accuracy")), None)
        spent = row and row["timing"]["source"] == TIMED and row["costs"]["marginal"]["wall_clock"]
        if not spent:
            return None
        names = {"ratio": "ratio", "ci_low": "ci_high", "ci_high": "ci_low"}
        return {name: None if spent[of] is None else 1 / spent[of] for name, of in names.items()}

    def asked(self, question: str) -> list[Row]:
        """The contrasts of one question, best difference first; those without a difference last."""
        rows = [row for row in self.contrasts if row["question"] == question]
        return sorted(rows, key=_best_first)


@dataclass(frozen=True)
class Report:
    """A results folder as the page shows it: its summary, its records, and the panels made of them."""

    summary: Row
    results: Results
    panels: tuple[Panel, ...]
    looks: Mapping[str, Look]

    @classmethod
    def of(cls, summary: Row, results: Results) -> Report:
        labels = dict.fromkeys(arm["label"] for arm in summary["arms"] if arm["role"] == "strategy")
        return cls(summary, results, tuple(panels_of(summary)), {label: look(n) for n, label in enumerate(labels)})

    @property
    def matrix(self) -> Row:
        return self.summary["matrix"]

    @cached_property
    def pays(self) -> tuple[str, str, str]:
        """Account, cost and ladder of the declared contrasts at equal cost."""
        return cost_of(self.matrix["pays"])

    @cached_property
    def timed(self) -> bool:
        return bool(self.summary["timing"]["source"] == TIMED)

    def question(self, panel: Panel, question: str, account: str | None = None, cost: str | None = None) -> list[Row]:
        """One contrast for each strategy: on *pays* in ``account`` and at equal ``cost``.

        Both are the declared ones where they are not given.
        """
        rows = panel.asked(question)
        if question != "pays":
            return rows
        return at_equal_cost(
            rows, {"account": account or self.pays[0], "cost": cost or self.pays[1], "ladder": self.pays[2]}
        )

    def cells(self, arm: Row) -> list[Cell]:
        return list(self.results.of(arm["key"]).values())

    @cached_property
    def missing(self) -> list[tuple[Arm, list[int]]]:
        lacking = defaultdict[str, list[int]](list)
        for arm, seed in self.results.planned():
            if seed not in self.results.of(arm):
                lacking[arm.key].append(seed)
        return [(self.results.matrix.arms[key], seeds) for key, seeds in lacking.items()]

    def pooled(self, question: str) -> list[Row]:
        """The pooled contrasts of one question, at equal cost the declared one: declared first, then the best."""
        pays = self.matrix["pays"]
        rows = [row for row in self.summary["pooled"] if row["question"] == question and at_declared_cost(row, pays)]
        return sorted(rows, key=lambda row: (not row["primary"], *_best_first(row)))

    def keys(self, panel: Panel, *, reference: bool = True) -> dict[str, str]:
        """By what a reader picks the panel out: keys in place of names, which stay text."""
        references = list(dict.fromkeys(other.reference for other in self.panels))
        datasets = list(dict.fromkeys(other.dataset["name"] for other in self.panels))
        found = {"dataset": f"d{datasets.index(panel.dataset['name'])}"}
        return {**found, "reference": f"r{references.index(panel.reference)}"} if reference else found

    def look(self, row: Row) -> Look:
        """A strategy's own look, or the grey of a baseline; for a contrast or an arm."""
        return self.looks.get(row.get("label") or row["strategy"], BASELINE)


TWIN = "cost twin"


def cost_of(row: Row) -> tuple[str, str, str]:
    """Account, cost and ladder: at which equal cost a contrast is, or was declared to be."""
    return row["account"], row["cost"], row["ladder"]


def at_declared_cost(row: Row, pays: Row) -> bool:
    if row["question"] != "pays":
        return True
    return row["baseline"] == TWIN if cost_of(row)[2] is None else cost_of(row) == cost_of(pays)


def at_equal_cost(rows: Iterable[Row], pays: Row) -> list[Row]:
    """Of the contrasts on *pays*, each arm's one in this account and cost: against its cost twin where it has one,
    else read off the declared ladder."""
    found: dict[str, Row] = {}
    for row in rows:
        if row["question"] != "pays" or (row["account"], row["cost"]) != (pays["account"], pays["cost"]):
            continue
        if row["baseline"] == TWIN or (row["ladder"] == pays["ladder"] and row["arm"] not in found):
            found[row["arm"]] = row
    return sorted(found.values(), key=_best_first)


def _best_first(row: Row) -> tuple[bool, float]:
    return row["mean_difference"] is None, -(row["mean_difference"] or 0.0)


def comparable(one: Row, other: Row) -> bool:
    """Whether the seconds of two arms are of one source, machine type, device and thread count."""
    kinds = [arm["clock"] and {**arm["clock"], "runs": 0} for arm in (one, other)]
    return kinds[0] is not None and kinds[0] == kinds[1]


def target_rows(summary: Row, panel: Panel, account: str, cost: str) -> list[Row]:
    """The targets of a panel in one account and cost: the baselines, then what gets there soonest."""
    wanted = (panel.dataset["name"], account, cost)
    rows = [row for row in panel.own(summary["targets"]) if (row["dataset"], row["account"], row["cost"]) == wanted]
    order = ("full", "uniform", "strategy")
    return sorted(rows, key=lambda row: (order.index(row["role"]), row["median"] is None, row["median"] or 0.0))


def panels_of(summary: Row) -> Iterator[Panel]:
    for number, dataset in enumerate(summary["matrix"]["datasets"], 1):
        named = (arm["reference"] for arm in summary["arms"] if arm["dataset"] == dataset["name"])
        references = list(dict.fromkeys(filter(None, named))) or [""]
        for place, reference in enumerate(references):
            title = dataset["title"] + (f", reference {reference}" if len(references) > 1 else "")
            panel = Panel(f"{number}{chr(97 + place % 26)}", dataset, reference, title)
            yield replace(panel, arms=panel.own(summary["arms"]), contrasts=panel.own(summary["contrasts"]))
