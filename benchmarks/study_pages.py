"""A page for each study: its question, its answer, how large the runs were, and what they fall short of.

Drawn from the published packs, so that a page says what its records say; ``python -m selbench.benchmarks.studies_table
--write`` writes them to ``docs/results/``. A study's parts (``study-3-ladder``) stand on its page. A folder without a
study of its own has a page where a finding of the README rests on it: its question is then what it declared.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..reports.document.blocks import Grid, Items, Part, Prose, columns
from ..reports.document.numbers import NONE, QUESTIONS, interval, percent, points
from ..reports.document.panels import at_declared_cost, panels_of
from ..reports.document.sections.answer import declared, lead
from ..reports.document.sections.run import pass_words
from ..reports.document.sections.studies import typed
from ..reports.document.text import clean
from ..reports.records.folder import TIMED
from ..reports.records.pack import SUFFIX
from ..reports.render.markdown import body, escape
from .pages import FINDINGS, PUBLISHED, ROOT, Finding, published_sets, report_link, study_page, summary_of

MATRICES = ROOT / "benchmarks" / "matrices"
LARGE = "-gpu"
_ESTIMATE = re.compile(r"\S+ \[[^\]]+\]")
_OPEN = 8
"""Rows of a table that stand open; longer ones are folded."""
WAY = "../../"  # from a page to the root of the checkout
Summary = Mapping[str, Any]
Sets = Mapping[str, Summary]


def pages(published: Path = PUBLISHED, chosen: Sequence[Finding] = FINDINGS) -> Iterator[tuple[str, str]]:
    """The page of each study: its file's name and its text."""
    shown = {study_page(finding.folder) for finding in chosen}
    families: dict[str, dict[str, Summary]] = {}
    for name, path in published_sets(published).items():
        page = study_page(name)
        if page in shown or page.startswith("study-"):
            families.setdefault(page, {})[name] = summary_of(path)
    for name, sets in families.items():
        yield f"{name}.md", _page(name, sets)


def _page(name: str, sets: Sets) -> str:
    title = sets.get(name, next(iter(sets.values())))["matrix"]["title"]
    parts = [
        f"# {escape(title)}",
        "Drawn from the published packs by `python -m selbench.benchmarks.studies_table --write`. "
        "[All results](../results.md), [terms](../glossary.md).",
    ]
    for folder, summary in sets.items():
        parts += _questions(folder, summary) if summary["studies"] else _declared(folder, summary)
    parts += [body([Part("At which size", [_sizes(sets)]), Part("What falls short", [Items(_lacking(name, sets))])])]
    parts += ["## Again, and in full", "\n".join(_files(sets)), *_commands(sets)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _questions(folder: str, summary: Summary) -> Iterator[str]:
    """Each question of a study: its answer, its figure, and the first of its tables."""
    for number, study in enumerate(summary["studies"], 1):
        yield body([Part(study["question"], [Prose(study["sentence"], "lead")])])
        yield f"<!-- figure: {folder} study-{number} -->"
        if table := _asked(study):
            rows = len(table["rows"])
            fold = rows > _OPEN
            yield from [f"<details>\n<summary>{escape(table['title'])}: {rows} rows</summary>"] if fold else []
            yield body([typed(table)])
            yield from ["</details>"] if fold else []
        yield body([Items(study["notes"])])
        if more := len(study["tables"]) - 1:
            others = "another table" if more == 1 else f"{more} more tables"
            yield f"{report_link('The report', folder, f'{WAY}reports/published/')} has {others} to this question."


def _asked(study: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The table that has the answer's estimate, else the first; None without any."""
    told = _ESTIMATE.search(study["sentence"])
    having = (
        table for table in study["tables"] if told and any(told[0] in cell for row in table["rows"] for cell in row)
    )
    return next(having, next(iter(study["tables"]), None))


def _declared(folder: str, summary: Summary) -> Iterator[str]:
    """What a folder without a study declared: a sentence for each rule, and the differences behind it."""
    if not summary["matrix"]["primary"]:
        return
    panels = list(panels_of(summary))
    said = [Prose(lead(panel, rows), "lead") for panel in panels for rows in declared(panel)]
    rows = []
    for panel in panels:
        for row in filter(lambda row: row["primary"], panel.contrasts):
            question, against = QUESTIONS[row["question"]]
            found = f"{points(row['mean_difference'])} ({interval(row['ci_low'], row['ci_high'])})"
            rows.append((panel.title, row["strategy"], question, against, found, row["n_pairs"], row["verdict"]))
    heads = columns(
        "text data set; name rule; text question; words compared; text points; count seeds; verdict verdict"
    )
    yield body([Part("Does selection pay?", said)])
    yield f"<!-- figure: {folder} overview -->"
    yield body([Grid("Declared before the run", heads, rows)])


def _sizes(sets: Sets) -> Grid:
    heads = "name set; text data set; count images trained on; text pixels; words net; text budget; count seeds"
    rows = []
    for folder, summary in sets.items():
        matrix = summary["matrix"]
        full = {arm["dataset"]: arm for arm in summary["arms"] if arm["role"] == "full" and arm["rung"] == 1.0}
        gains = {gain["dataset"]: gain for gain in summary["training"]["gains"]}
        for data in matrix["datasets"]:
            net = data["learner"].get("text") or matrix["learner"]["text"]
            budget = data["budget"] or matrix["budget"]
            amount = ", ".join(f"{budget[key]:,g} {key}" for key in ("passes", "steps") if key in budget)
            arm, gain = full.get(data["name"]), gains.get(data["name"])
            best = percent(arm["accuracy"]["mean"]) if arm and arm["n"] else NONE
            more = f"{points(gain['points'])} ({interval(gain['ci_low'], gain['ci_high'])})" if gain else NONE
            size = (data["pool"], f"{data['resolution']} x {data['resolution']}", net, amount, len(matrix["seeds"]))
            rows.append((folder, data["title"], *size, best, more))
    more_heads = "; percent full training, %; text gained in its second half, points"
    return Grid("Sizes", columns(heads + more_heads), rows)


def _lacking(name: str, sets: Sets) -> list[str]:
    """What the records themselves say against the answers."""
    said = defaultdict[str, list[str]](list)
    for folder, summary in sets.items():
        for line in _lacking_in(summary):
            said[line].append(folder)
    found = [line if len(of) == len(sets) else f"{', '.join(of)}: {line}" for line, of in said.items()]
    learnt = {gain["dataset"] for summary in sets.values() for gain in summary["training"]["gains"]}
    datasets = {data["name"]: data["title"] for summary in sets.values() for data in summary["matrix"]["datasets"]}
    if unknown := [title for data, title in datasets.items() if data not in learnt]:
        found.append(f"Whether full training is at its plateau was not measured on {', '.join(unknown)}.")
    nets = {summary["matrix"]["learner"]["text"] for summary in sets.values()}
    notes = {data["note"] for summary in sets.values() for data in summary["matrix"]["datasets"]}
    found.append(f"Size: {'; '.join([*sorted(nets), *sorted(filter(None, notes))])}.")
    if large := sorted(file.stem for file in MATRICES.glob(f"{name}*{LARGE}.toml") if file.stem not in sets):
        found.append(f"Not run at standard size: {', '.join(large)}.")
    return found


def _lacking_in(summary: Summary) -> Iterator[str]:
    yield from summary["training"]["said"]
    yield from (study["sentence"] for study in summary["studies"] if not study["enough"])
    pays = summary["matrix"]["pays"]
    rows = [row for row in summary["contrasts"] if row["primary"] and at_declared_cost(row, pays)]
    for verdict, n in Counter(row["verdict"] for row in rows).most_common():
        if verdict.startswith(("inconclusive", "no verdict", "withheld")):
            yield f"{n} of {len(rows)} declared contrasts: {verdict}."
    cells = summary["cells"]
    if cells["done"] < cells["planned"]:
        yield f"{cells['planned'] - cells['done']:,} of {cells['planned']:,} planned runs are missing."
    if summary["timing"]["source"] != TIMED:
        yield pass_words(summary["timing"])


def _files(sets: Sets) -> Iterator[str]:
    for folder, summary in sets.items():
        at = f"{WAY}reports/published/"
        pack = f"[pack]({at}{folder}/{folder}{SUFFIX})"
        matrix = shlex.split(summary["reproduce"])[2]
        of = f", [matrix]({WAY}benchmarks/matrices/{matrix}.toml)" if (MATRICES / f"{matrix}.toml").is_file() else ""
        ran = summary["environment"]
        where = [words for key in ("device", "cpu") if (words := _words(ran.get(key)))]
        where += [f"{cores} cores"] if (cores := _words(ran.get("cores"))) else []
        spent = f"{_hours(summary):.2g} hours in its runs and artefacts, tuning left out"
        yield f"- `{folder}`: {report_link('report', folder, at)}, {pack}{of}; run on {', '.join(where)}; {spent}"


def _hours(summary: Summary) -> float:
    """Hours that the ledgers count, evaluation included, each run for itself."""
    runs = sum(arm["n"] * sum(phase["seconds"] for phase in arm["phases"].values()) for arm in summary["arms"])
    made: float = runs + sum(artefact["seconds"] for artefact in summary["artefacts"])
    return made / 3600


def _words(value: Any) -> str:
    """One value, or all of them where runs differ."""
    return escape(" and ".join(map(str, value)) if isinstance(value, list) else value or "")


def _commands(sets: Sets) -> Iterator[str]:
    yield (
        "`--data-dir DIR` says where the data lie. `report` draws the whole report from the pack, `verify` holds the "
        "pack against the suite's laws."
    )
    again = [line for summary in sets.values() for line in summary["reproduce"].split("\n")]
    for folder in sets:
        again += [f"selbench {what} reports/published/{folder}/{folder}{SUFFIX}" for what in ("report", "verify")]
    yield "\n".join(["```sh", *map(clean, dict.fromkeys(again)), "```"])
