"""The report as one HTML file that needs nothing beside it: style, script and figures are inside.

Every name in it (of plugins, data sets, classes, files) is untrusted text. Jinja2 escapes all of it; control characters
are replaced before (:func:`selbench.reports.document.text.clean`); only drawings, style sheet and script go in as
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from ..document import numbers as wording
from ..document.looks import VARIABLES
from ..document.numbers import fraction
from ..document.panels import ACCOUNTS, Panel, Report, Row, target_rows
from ..document.sections import claims as claimwords
from ..document.sections import evidence as evidencewords
from ..document.sections import learning_rates as tunewords
from ..document.sections import over_data_sets as acrosswords
from ..document.sections import targets as targetwords
from ..document.sections.costs import saving_words, selecting, selection_words, timed_answer
from ..document.sections.studies import numeric
from ..document.text import clean
from ..figures.all import Placed
from ..figures.canvas import Drawing
from ..records.records import TIMED, Picks


@dataclass(frozen=True)
class Scope:
    """Keys by which the page's script shows and hides what belongs to a panel; the names themselves stay text."""

    dataset: str
    reference: str


SPOILED = {"wrong": "wrong labels"}
"""Words for what records say is spoiled, where they have others."""


@dataclass(frozen=True)
class Picked:
    """Means over seeds of what an arm picked."""

    unique: float | None
    repeats: float | None
    loss: float | None
    diagnostics: Sequence[tuple[str, float]]
    spoiled: Sequence[tuple[str, float, float]]
    """What is wrong with the pool on purpose: its name, its share of what was trained on, its share of the pool."""


def render(report: Report, figures: Sequence[Placed]) -> str:
    """The page of ``report`` with ``figures`` inside."""
    environment = _environment()

    def source(name: str) -> Markup:
        assert environment.loader is not None
        return Markup(environment.loader.get_source(environment, name)[0])

    return environment.get_template("page.html").render(
        **context(report, figures), figures=figures, stylesheet=source("page.css"), script=source("page.js")
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(filters())
    return environment


def filters() -> dict[str, Callable[..., str]]:
    """The number formats that templates may use."""
    numbers = ("points", "percent", "share", "p_value", "flops", "rate", "seconds", "size", "ratio", "budget_share")
    return {name: getattr(wording, name) for name in (*numbers, "tone", "brief", "plural")}


def _shown(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return wording.NONE if value is None else value


def context(report: Report, figures: Sequence[Placed]) -> dict[str, Any]:
    """What the templates of page and Markdown read."""
    summary = report.summary
    scopes = {panel.key: _scope(report, panel) for panel in report.panels}
    return {
        "report": report,
        "summary": summary,
        "matrix": summary["matrix"],
        "cells": summary["cells"],
        "ready": summary["cells"]["done"] > 0,
        "questions": wording.questions(summary["matrix"]["budget"]),
        "cost_words": wording.COST_WORDS,
        "account_words": wording.ACCOUNT_WORDS,
        "accounts": ACCOUNTS,
        "sections": sections(report, figures),
        "several_references": any(placed.kind == "references" for placed in figures),
        "dataset_options": _options(report, lambda panel: (scopes[panel.key].dataset, panel.dataset["title"])),
        "reference_options": _options(report, lambda panel: (scopes[panel.key].reference, panel.reference)),
        "answers": [
            (panel, answer)
            for panel in report.panels
            for answer in report.answers(panel)
            if answer.rows or not summary["studies"]
        ],
        "failures": failure_rows(summary),
        "scope_of": lambda panel: scopes[panel.key],
        "machines": summary["environment"].get("machines", 0),
        "budget": budget(summary["matrix"]),
        "levels": levels(summary["contrasts"]),
        "environment": environment_rows(summary["environment"]),
        "artefacts": artefact_rows(summary),
        "comparison": comparison(report),
        "against": against,
        "seconds_from": wording.clock_words(summary["timing"]["source"], summary["timing"]["blocks"]),
        "pass_words": pass_words(summary["timing"]),
        "selecting": selecting,
        "selection_words": lambda panel: selection_words(summary, panel),
        "saving_words": lambda panel: saving_words(summary, panel),
        "timed_answer": lambda panel: timed_answer(summary, panel),
        "break_even": break_even,
        "picks_of": lambda panel: [(arm, picked(report, arm)) for arm in panel.main_arms if arm["n"]],
        "sampling": lambda name: wording.percent((summary["sampling_error"].get(name) or {}).get("points")),
        "interval": wording.interval,
        "plain_interval": plain_interval,
        "significant": significant,
        "count": wording.count,
        "inline": inline,
        "numeric": numeric,
        "css_colour": lambda colour: f"var({VARIABLES[colour]})",
        **_evidence(report),
        **_targets_and_tuning(report),
    }


def _evidence(report: Report) -> dict[str, Any]:
    """What templates read of claims, of what stands beside a verdict, and of several data sets together."""
    return {
        "claims": claimwords,
        "interval_words": evidencewords.interval_words(report.summary["contrasts"]),
        "to_decide": evidencewords.to_decide,
        "seed_error": evidencewords.seed_error,
        "error": evidencewords.error,
        "shared_notes": evidencewords.shared_notes,
        "own_notes": evidencewords.own_notes,
        "opinions": evidencewords.opinions,
        "seeds_of": evidencewords.seeds_of,
        "at_seed": evidencewords.at_seed,
        "correlation": wording.correlation,
        "pooled_asked": report.pooled,
        "pooled_cells": lambda row: acrosswords.pooled_cells(report, row),
        "ranks_words": acrosswords.ranks_words(report),
    }


def _targets_and_tuning(report: Report) -> dict[str, Any]:
    """What templates read of costs to a target and of learning rates."""
    account = report.pays[0]
    return {
        "fraction": fraction,
        "targets_of": lambda panel: target_rows(report.summary, panel, account, "total_flops"),
        "target_table": lambda panel, account: targetwords.target_table(report.summary, panel, account),
        "target_costs": targetwords.COSTS,
        "target_cost": targetwords.target_cost,
        "target_ends": targetwords.target_ends,
        "first_known": targetwords.first_known,
        "read_from": targetwords.read_from,
        "speedup_words": targetwords.speedup_words,
        "reached_words": lambda panel: targetwords.reached_words(report.summary, panel),
        "tuning_words": tunewords.tuning_words(report.summary),
        "edge_words": tunewords.edge_words(report.summary),
        "tuned_table": lambda panel: tunewords.tuned_table(report, panel),
        "chosen_from": tunewords.chosen_from,
        "score_at": tunewords.score_at,
    }


def sections(report: Report, figures: Sequence[Placed]) -> list[tuple[str, str]]:
    """Anchor and name of each section of the page, in its order."""
    summary = report.summary
    ready = summary["cells"]["done"] > 0
    found = [
        (bool(summary["studies"]), "studies", "Studies"),
        (bool(summary["claims"]), "claims", "Claims"),
        (ready, "all", "Every comparison"),
        (ready, "questions", "Three questions"),
        (ready and bool(summary["pooled"] or summary["ranks"]), "across", "Over data sets"),
        (ready, "cost", "Accuracy against cost"),
        (ready and bool(summary["targets"]), "targets", "Cost to the same accuracy"),
        (ready, "costs", "Costs"),
        (ready and any(placed.kind == "references" for placed in figures), "references", "References"),
        (ready, "curves", "Training"),
        (ready, "picks", "What was picked"),
        (ready and bool(summary["tuning"]), "tuning", "Learning rates"),
        (ready, "accuracy", "Every arm"),
        (True, "run", "What was run"),
        (True, "reproduce", "Reproduce"),
    ]
    return [(anchor, name) for there, anchor, name in found if there]


def _scope(report: Report, panel: Panel) -> Scope:
    references = list(dict.fromkeys(other.reference for other in report.panels))
    datasets = list(dict.fromkeys(other.dataset["name"] for other in report.panels))
    return Scope(f"d{datasets.index(panel.dataset['name'])}", f"r{references.index(panel.reference)}")


def _options(report: Report, of: Any) -> list[tuple[str, str]]:
    return list(dict.fromkeys(of(panel) for panel in report.panels))


def inline(drawing: Drawing) -> Markup:
    """A drawing as markup, never narrower than what keeps its type readable: a phone scrolls it sideways."""
    head, rest = drawing.inline.split(">", 1)
    return Markup(f'{head} style="min-width:{0.86 * drawing.width:.0f}px;max-width:{1.5 * drawing.width:.0f}px">{rest}')


def budget(matrix: Row) -> str:
    """The budget, or that of each data set where there are several, with its learner where it has another."""
    if not any(dataset["budget"] or dataset["learner"] for dataset in matrix["datasets"]):
        return budget_words(matrix["budget"])
    shares = [
        (dataset["title"], budget_words(dataset["budget"] or matrix["budget"]), dataset["learner"].get("text"))
        for dataset in matrix["datasets"]
    ]
    own = {learner for *_, learner in shares if learner} - {matrix["learner"]["text"]}
    return "; ".join(f"{title}: {words}{f', {learner}' if learner in own else ''}" for title, words, learner in shares)


def budget_words(budget: Mapping[str, Any]) -> str:
    """``20 passes, fixed-candidates, batch 128``."""
    amount = [f"{value:,g} {key}" for key, value in budget.items() if key in ("passes", "steps", "flops", "seconds")]
    rest = [f"batch {budget['batch']}"] if "batch" in budget else []
    return ", ".join(amount + [str(budget[key]) for key in ("batching",) if key in budget] + rest)


def levels(contrasts: Iterable[Row]) -> str:
    """At which confidence the intervals are drawn: ``90 %; declared contrasts 96.7 %``."""
    parts = []
    for text, primary in (("exploratory", False), ("declared", True)):
        found = sorted({wording.level(row) for row in contrasts if row["primary"] is primary})
        if found:
            parts.append(f"{text} {' or '.join(found)}")
    return ", ".join(parts) or "none yet"


def environment_rows(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of the environment, lists joined."""
    return [
        (key, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for key, value in environment.items()
    ]


def artefact_rows(summary: Row) -> list[dict[str, Any]]:
    """Artefacts of one kind, name and data set as one row: how many, and their mean quality and cost."""
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for item in summary["artefacts"]:
        groups.setdefault((item["name"], item["kind"], item["dataset"], item["external"]), []).append(item)
    titles = {dataset["name"]: dataset["title"] for dataset in summary["matrix"]["datasets"]}
    rows = []
    for (name, kind, dataset, external), items in groups.items():
        accuracies = [item["quality"]["accuracy"] for item in items if "accuracy" in item["quality"]]
        rows.append(
            {
                "name": name,
                "kind": kind,
                "dataset": titles.get(dataset, dataset),
                "external": external,
                "made": len(items),
                "accuracy": 100 * float(np.mean(accuracies)) if accuracies else None,
                "flops": float(np.mean([item["flops"] for item in items])),
                "seconds": float(np.mean([item["seconds"] for item in items])),
            }
        )
    return rows


def failure_rows(summary: Row) -> list[dict[str, Any]]:
    """Failures of one arm for one reason as one row, with all its seeds."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for item in summary["failures"]:
        label = f"{item['label']} (timing pass)" if item["timing"] else item["label"]
        key = (label, item["dataset"], item["reference"], item["error"])
        groups.setdefault(key, []).append(item["seed"])
    titles = {dataset["name"]: dataset["title"] for dataset in summary["matrix"]["datasets"]}
    return [
        {
            "label": label,
            "dataset": titles.get(name, name),
            "reference": reference,
            "error": error,
            "seeds": sorted(seeds),
        }
        for (label, name, reference, error), seeds in sorted(groups.items())
    ]


def comparison(report: Report) -> list[tuple[Panel, Row]]:
    """Rows of the large table: per panel accuracy and picking, and at equal cost the declared cost and seconds."""
    _, cost, ladder = report.pays
    rows, seen = [], set()
    for panel in report.panels:
        for row in panel.contrasts:
            timed = (row["cost"], row["ladder"]) == ("wall_clock", ladder)
            if (row["question"] != "pays" or row["cost"] == cost or timed) and id(row) not in seen:
                seen.add(id(row))
                rows.append((panel, row))
    return rows


def against(row: Row) -> str:
    """What a contrast compares with: ``full``, ``full ladder at equal seconds``."""
    if row["question"] != "pays":
        return str(row["baseline"])
    return f"{row['baseline']} at equal {wording.COST_WORDS[row['cost']]}"


def pass_words(timing: Row) -> str:
    """What the timing pass was, or that there was none."""
    if timing["source"] != TIMED:
        return "Seconds are indications: they come from ordinary runs, not from a timing pass, and carry no verdict."
    words = (
        f"Seconds are of a timing pass: {wording.plural(timing['blocks'], 'block')} of "
        f"{wording.plural(timing['arms'], 'arm')}, each run alone in one process, "
        "in random order within its block, the loop's own overhead included."
    )
    if timing["asked"] and not timing["complete"]:
        words += " The pass is incomplete: what it lacks is shown in seconds of ordinary runs, as an indication."
    if timing["machines"] > 1:
        words += f" It was made on {timing['machines']} unlike machines, which are never mixed."
    return words


def break_even(panel: Panel, arm: Row, cost: str) -> str:
    """Runs after which the arm's artefacts have paid for themselves: ``2 runs``, ``at once``, ``never``."""
    if arm["break_even_runs"] is None or not arm["artefacts"]:
        return wording.NONE
    if (runs := arm["break_even_runs"][cost]) is not None:
        return wording.plural(runs, "run") if runs else "at once"
    field = "total_flops" if cost == "total_flops" else "seconds"
    spent = panel.relative_cost(arm, field, "marginal")
    return "never" if spent is not None and spent >= 1 else wording.NONE


def picked(report: Report, arm: Row) -> Picked:
    """What ``arm`` picked, as means over its finished runs."""
    picks = [cell.picks for cell in report.cells(arm)]
    names = list(dict.fromkeys(name for pick in picks for name in pick.diagnostics))
    means = [(name, _mean([pick.diagnostics.get(name) for pick in picks])) for name in names]
    return Picked(
        unique=_mean([pick.unique for pick in picks]),
        repeats=_mean([pick.max_repeats for pick in picks]),
        loss=_mean([pick.mean_picked_loss for pick in picks]),
        diagnostics=[(name, value) for name, value in means if value is not None],
        spoiled=_spoiled(picks),
    )


def _spoiled(picks: Sequence[Picks]) -> list[tuple[str, float, float]]:
    """Of what there is in the pool, means over runs."""
    found = []
    for name in dict.fromkeys(name for pick in picks for name in pick.spoiled):
        shares = [pick.spoiled[name] for pick in picks if name in pick.spoiled]
        pool, trained = (float(np.mean(column)) for column in zip(*shares, strict=True))
        if pool:
            found.append((SPOILED.get(name, name), trained, pool))
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else None


def plain_interval(low: float | None, high: float | None) -> str:
    """An interval of accuracies, cut off where accuracies end: ``96.80 to 97.41``."""
    return wording.NONE if low is None or high is None else f"{max(low, 0):.2f} to {min(high, 100):.2f}"


def significant(value: float | None) -> str:
    """Three significant digits."""
    return wording.NONE if value is None else f"{value:.3g}"
