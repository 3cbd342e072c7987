"""What page, Markdown, terminal and figures share: which arms and contrasts belong together, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .results import Arm, Cell, Results
from .style import Look, clean, look
from .wording import difference, pays_words, plural

Row = Mapping[str, Any]
"""An entry of ``arms`` or ``contrasts`` in summary.json."""

ACCOUNTS = ("marginal", "amortised", "standalone")


@dataclass(frozen=True)
class Panel:
    """A data set with one of its references: what is compared with each other and drawn in one figure.

    Arms that need no reference appear in every panel of their data set.
    """

    key: str
    dataset: Row
    reference: str
    title: str
    arms: tuple[Row, ...]
    contrasts: tuple[Row, ...]

    def role(self, role: str) -> list[Row]:
        """Arms of a role in the matrix's order; ladders by rising budget."""
        found = [arm for arm in self.arms if arm["role"] == role]
        return sorted(found, key=lambda arm: arm["rung"]) if role in ("full", "uniform") else found

    @cached_property
    def full(self) -> Row | None:
        """The ``full`` arm at the whole budget, if any of its runs is done."""
        return next((arm for arm in self.role("full") if arm["rung"] == 1.0 and arm["n"]), None)

    @cached_property
    def main_arms(self) -> list[Row]:
        """``full-all``, ``full`` and ``uniform`` at the whole budget, then the strategies."""
        whole = [arm for role in ("full-all", "full", "uniform") for arm in self.role(role) if arm["rung"] == 1.0]
        return whole + self.role("strategy")

    def of(self, arm: Row, question: str) -> list[Row]:
        """The contrasts of one arm on one question."""
        return [row for row in self.contrasts if row["arm"] == arm["key"] and row["question"] == question]

    def asked(self, question: str) -> list[Row]:
        """The contrasts of one question, best difference first; those without a difference last."""
        rows = [row for row in self.contrasts if row["question"] == question]
        return sorted(rows, key=lambda row: (row["mean_difference"] is None, -(row["mean_difference"] or 0.0)))


@dataclass(frozen=True)
class Report:
    """A results folder as the page shows it: its summary, its records, and the panels made of them."""

    summary: Row
    results: Results
    panels: tuple[Panel, ...]
    looks: Mapping[str, Look]

    @classmethod
    def of(cls, summary: Row, results: Results) -> Report:
        """Sort arms and contrasts into panels and give each strategy its look."""
        labels = dict.fromkeys(arm["label"] for arm in summary["arms"] if arm["role"] == "strategy")
        return cls(summary, results, tuple(_panels(summary)), {label: look(i) for i, label in enumerate(labels)})

    @property
    def matrix(self) -> Row:
        return self.summary["matrix"]

    @cached_property
    def pays(self) -> tuple[str, str, str]:
        """Account, cost and ladder of the declared contrasts at equal cost."""
        declared = self.results.matrix.pays
        return declared.account, declared.cost, declared.ladder

    def question(self, panel: Panel, question: str, account: str | None = None) -> list[Row]:
        """One contrast for each strategy: on *pays* the declared cost and ladder in ``account`` (default: declared)."""
        rows = panel.asked(question)
        if question != "pays":
            return rows
        declared, cost, ladder = self.pays
        return [
            row
            for row in rows
            if row["cost"] == cost
            and ladder_of(row) == ladder
            and row["account"] == (account or declared)
        ]

    def cells(self, arm: Row) -> list[Cell]:
        """The finished runs of an arm, seeds ascending."""
        return list(self.results.of(arm["key"]).values())

    @cached_property
    def missing(self) -> list[tuple[Arm, list[int]]]:
        """Arms that lack runs which were asked for, with the seeds."""
        lacking: dict[str, list[int]] = {}
        for arm, seed in self.results.planned():
            if seed not in self.results.of(arm):
                lacking.setdefault(arm.key, []).append(seed)
        return [(self.results.matrix.arms[key], seeds) for key, seeds in lacking.items()]

    @cached_property
    def answers(self) -> list[tuple[str, str]]:
        """For each declared strategy: the sentence that answers the question, and what stands behind it."""
        return [answer for panel in self.panels for answer in _answers(panel)]


def ladder_of(contrast: Row) -> str:
    """``full`` or ``uniform``: the ladder that a contrast of the third question was read from."""
    return "uniform" if contrast["baseline"].startswith("uniform") else "full"


def _panels(summary: Row) -> Iterable[Panel]:
    for dataset in summary["matrix"]["datasets"]:
        arms = [arm for arm in summary["arms"] if arm["dataset"] == dataset["name"]]
        contrasts = [row for row in summary["contrasts"] if row["dataset"] == dataset["name"]]
        references = list(dict.fromkeys(arm["reference"] for arm in arms if arm["reference"])) or [""]
        for reference in references:
            title = dataset["title"]
            if len(references) > 1:
                title += f", reference {reference}"
            number = f"{summary['matrix']['datasets'].index(dataset) + 1}{chr(97 + references.index(reference) % 26)}"
            yield Panel(
                key=number,
                dataset=dataset,
                reference=reference,
                title=title,
                arms=tuple(arm for arm in arms if arm["reference"] in ("", reference)),
                contrasts=tuple(row for row in contrasts if row["reference"] in ("", reference)),
            )


def _answers(panel: Panel) -> Iterable[tuple[str, str]]:
    declared = [row for row in panel.contrasts if row["primary"]]
    if not declared and panel.role("strategy"):
        yield (
            f"On {panel.title}, no contrast was declared before the run, so there is no verdict.",
            "All that follows is exploratory: intervals to learn from, not findings.",
        )
    for strategy in dict.fromkeys(row["strategy"] for row in declared):
        mine = {row["question"]: row for row in declared if row["strategy"] == strategy}
        pays = mine.get("pays")
        if pays is None:
            lead = f"On {panel.title}, whether {strategy} pays was not declared as a question."
        else:
            lead = f"On {panel.title}, {strategy} {pays_words(pays)}"
            lead += _evidence(pays, f"at equal {_cost(pays)} it stands {{}} from {pays['baseline']}")
        behind = []
        if "accuracy" in mine:
            behind.append(_sentence(mine["accuracy"], "Against full training at equal passes", panel))
        if "picking" in mine:
            behind.append(_sentence(mine["picking"], "Against random picks of the same number", panel))
        yield lead, " ".join(behind)


def _cost(row: Row) -> str:
    words = {"total_flops": "total FLOPs", "learner_flops": "learner FLOPs", "wall_clock": "seconds"}[row["cost"]]
    return f"{words} ({row['account']})"


def _evidence(row: Row, template: str) -> str:
    if row["mean_difference"] is None:
        return "."
    return ": " + template.format(difference(row)) + "."


def _sentence(row: Row, opening: str, panel: Panel) -> str:
    if row["mean_difference"] is None:
        return f"{opening}: {row['verdict']}."
    margin = f"margin {row['margin']:g} {'point' if row['margin'] == 1 else 'points'}"
    return f"{opening}: {difference(row)}; {row['verdict']} ({margin}, {plural(row['n_pairs'], 'pair')})."


def names(labels: Sequence[str], limit: int = 3) -> str:
    """``gstds, rho, jest and 4 more``."""
    shown = [clean(label) for label in labels[:limit]]
    rest = len(labels) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
