"""What was run, what was not, and on what data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ...records.folder import TIMED
from ..blocks import Block, Cell, Grid, Items, Part, Prose, columns
from ..numbers import NONE, count, plural
from ..panels import Report, Row
from ..text import names
from .learning_rates import tuning_words


def section(report: Report) -> Part:
    summary, matrix = report.summary, report.matrix
    machines = summary["environment"].get("machines", 0)
    unlike = f" The ordinary runs are from {machines} unlike machines; their seconds must not be compared."
    where = [*matrix["primary_datasets"], *matrix["primary_references"]]
    declared = (
        f" ({', '.join(matrix['primary'])}{f'; on {names(where)}' if where else ''})" if matrix["primary"] else ""
    )
    ran = f"{matrix['learner']['text']}; {budget(matrix)}; {plural(len(matrix['seeds']), 'seed')}."
    lines = [
        tuning_words(summary),
        pass_words(summary["timing"]) + (unlike if machines > 1 else ""),
        f"Verdicts hold for what was declared before the run{declared}. Everything else is exploratory.",
    ]
    if mixed := summary["environment"].get("mixed_code", []):
        lines.append(f"The code of {names(mixed)} changed between runs: results of several versions stand here.")
    blocks: list[Block] = [Prose(f"{done(summary['cells'])} {ran}"), Items(lines)]
    heads = "text arm; text data set; text reference; text seeds"
    if report.missing:
        titles = {dataset["name"]: dataset["title"] for dataset in matrix["datasets"]}
        rows = [
            (arm.label, titles[arm.dataset], arm.reference or NONE, _listed(seeds)) for arm, seeds in report.missing
        ]
        table = Grid("Table of missing runs", columns(f"{heads} without a result"), rows)
        blocks.append(Part("Runs that are missing here", [table], style="warn"))
    if report.results.unreadable:
        lines = [f"{item.file}: {item.reason}" for item in report.results.unreadable]
        blocks.append(Part("Records that were left out", [Items(lines)], style="warn"))
    said = "All runs share one test set. Its sampling error is one standard error at the accuracy of full training."
    blocks += [Prose(said, "sub"), _datasets(summary)]
    if failures := failure_rows(summary):
        again = "Running the matrix again repeats failed and missing runs only. Tracebacks are in the folder failed/."
        failed = [(*row[:2], row[2] or NONE, *row[3:]) for row in failures]
        table = Grid("Table of failures", columns(f"{heads}; words reason"), failed)
        blocks.append(Part("Failures", [table, Prose(again, "sub")], key="failures"))
    return Part("What was run, and what was not", blocks, key="run", name="What was run")


def _datasets(summary: Row) -> Grid:
    heads = (
        "name data set; count pixels; count classes; count pool; count holdout; count val; count test; "
        "number margin, points; share collapsed below; percent sampling error, points"
    )
    rows = []
    for dataset in summary["matrix"]["datasets"]:
        sizes = [dataset[key] for key in ("resolution", "classes", "pool", "holdout", "val", "test")]
        error = (summary["sampling_error"].get(dataset["name"]) or {}).get("points")
        title = Cell(dataset["title"], under=f"({dataset['note']})" if dataset["note"] else "")
        rows.append((title, *sizes, f"{dataset['margin']:g}", dataset["collapse"], error))
    return Grid("Table of data sets", columns(heads), rows)


def _listed(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds))


def done(cells: Mapping[str, int]) -> str:
    """``40 of 44 planned runs are done; 2 failed; 2 are missing.``"""
    done, missing = (f"{'is' if cells[state] == 1 else 'are'} {state}" for state in ("done", "missing"))
    text = f"{count(cells['done'])} of {plural(cells['planned'], 'planned run')} {done}"
    text += f"; {count(cells['failed'])} failed" if cells["failed"] else ""
    return text + (f"; {count(cells['missing'])} {missing}." if cells["missing"] else ".")


def state(summary: Row) -> Prose:
    matrix = summary["matrix"]
    return Prose(f"{done(summary['cells'])} {plural(len(matrix['seeds']), 'seed')}, {budget(matrix)}.", "state")


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
    amount = [f"{value:,g} {key}" for key, value in budget.items() if key in ("passes", "steps", "flops", "seconds")]
    rest = [f"batch {budget['batch']}"] if "batch" in budget else []
    return ", ".join(amount + [str(budget[key]) for key in ("batching",) if key in budget] + rest)


def pass_words(timing: Row) -> str:
    """What the timing pass was, or that there was none."""
    if timing["source"] != TIMED:
        return "Seconds are indications: they come from ordinary runs, not from a timing pass, and carry no verdict."
    words = (
        f"Seconds are of a timing pass: {plural(timing['blocks'], 'block')} of "
        f"{plural(timing['arms'], 'arm')}, each run alone in one process, "
        "in random order within its block, the loop's own overhead included."
    )
    if timing["asked"] and not timing["complete"]:
        words += " The pass is incomplete: what it lacks is shown in seconds of ordinary runs, as an indication."
    if timing["machines"] > 1:
        words += f" It was made on {timing['machines']} unlike machines, which are never mixed."
    return words


def failure_rows(summary: Row) -> list[tuple[str, ...]]:
    """Arm, data set, reference, seeds and reason of the failures of one arm for one reason."""
    groups = defaultdict[tuple[str, str, str, str], list[int]](list)
    for item in summary["failures"]:
        label = f"{item['label']} (timing pass)" if item["timing"] else item["label"]
        groups[label, item["dataset"], item["reference"], item["error"]].append(item["seed"])
    titles = {dataset["name"]: dataset["title"] for dataset in summary["matrix"]["datasets"]}
    return [
        (label, titles.get(name, name), of, _listed(sorted(seeds)), error)
        for (label, name, of, error), seeds in sorted(groups.items())
    ]
