"""The tables of ``selbench scale``: in a terminal, as Markdown, and all of it as JSON beside the figure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .markdown import escape
from .scaleplot import duration, scale_plot
from .style import clean, short
from .wording import NONE, count, flops, ratio, seconds, share

PHASES = ("data", "score", "reference", "select", "train", "other")
_NAME = 18
_PLAIN = {"\u202f": " ", "\u00d7": "x", "µ": "u", "\u2248": "about ", NONE: "-", "\u2026": "...", "\u2212": "-"}

Lines = list[list[str]]


def publish(table: Mapping[str, Any], out: Path, console: Console) -> None:
    """Write ``scale.json``, ``scale.md`` and the figure into ``out``, and print the tables.

    Parameters
    ----------
    table : mapping
        As :func:`selbench.harness.scale.command.scale` gives it: plain values alone.
    out : Path
    console : rich.console.Console
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "scale.json").write_text(json.dumps(table, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if "batches" in table:
        drawing = scale_plot(table)
        (out / "scale.svg").write_bytes(drawing.svg)
        (out / "scale.png").write_bytes(drawing.png)
    (out / "scale.md").write_text(render(table), encoding="utf-8")
    for heading, columns, rows in tables(table):
        _print(console, heading, columns, rows)
    for line in remarks(table):
        _say(console, line)
    _say(console, f"Written: {out}")


def render(table: Mapping[str, Any]) -> str:
    """The Markdown text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [
        {"heading": escape(heading), "columns": columns, "rows": [[escape(cell) for cell in row] for row in rows]}
        for heading, columns, rows in tables(table, every=True)
    ]
    figure = scale_words(table) if "batches" in table else ""
    text = environment.get_template("scale.md").render(
        sections=sections, remarks=[escape(line) for line in remarks(table)], figure=escape(figure), title=_title(table)
    )
    return text.strip() + "\n"


def scale_words(table: Mapping[str, Any]) -> str:
    """What stands for the figure where it cannot be seen."""
    return f"{table['workload']['title']}: speed-up against the cost of a training image, and the share of select"


def _title(table: Mapping[str, Any]) -> str:
    return escape(table["workload"]["title"] if "workload" in table else table["check"]["results"])


def tables(table: Mapping[str, Any], *, every: bool = False) -> Iterator[tuple[str, list[str], Lines]]:
    """Heading, columns and rows of each table; phases of the first batch alone, unless ``every`` one is wanted."""
    for place, entry in enumerate(table.get("batches", [])):
        batch = f"B = {entry['batch']:,}"
        yield (
            f"{table['workload']['title']}, {batch}: does it pay?",
            ["strategy", "seconds", "speed-up", "at most", "in FLOPs", "at most", "select", "pays above", "figures"],
            [_pays(arm) for arm in entry["arms"]],
        )
        if place == 0 or every:
            for unit, words in (("seconds", seconds), ("flops", flops)):
                name = "Seconds" if unit == "seconds" else "FLOPs"
                yield (
                    f"{name} of the whole run by phase, {batch}",
                    [
                        "strategy",
                        *(phase for phase in PHASES if unit == "seconds" or phase != "other"),
                        "artefacts",
                        "figures",
                    ],
                    [_phases(arm, unit, words) for arm in entry["arms"]],
                )
    if "sweep" in table:
        yield (
            "Candidate batches at which select takes 1, 3 and 10 % of the time",
            ["strategy", "1 %", "3 %", "10 %", "figures"],
            [
                [
                    label,
                    *(_passes(passed, table["sweep"]["shares"][label]) for passed in levels.values()),
                    _range(table, label),
                ]
                for label, levels in table["sweep"]["passes"].items()
                if table["sweep"]["shares"][label]
            ],
        )
    if "check" in table:
        check = table["check"]
        source = "timing pass" if check["timed"] else "ordinary cells"
        yield (
            f"Predicted over measured seconds, {check['results']} ({source})",
            ["arm", "data", "score", "reference", "select", "train", "predicted", "measured", "ratio"],
            [_checked(row) for row in check["rows"]],
        )


def _pays(arm: Mapping[str, Any]) -> list[str]:
    even = arm["break_even"]
    speed, most = arm["speed_up"]["amortised"], arm["ceiling"]
    alone = not arm["curve"]
    pays = NONE if alone else _above(even)
    return [
        arm["label"],
        seconds(arm["seconds"]["amortised"]),
        ratio(speed["seconds"]),
        NONE if alone else ratio(most["seconds"]),
        ratio(speed["flops"]),
        NONE if alone else ratio(most["flops"]),
        NONE if alone else share(arm["select_share"]),
        pays,
        arm["basis"],
    ]


def _above(even: Mapping[str, float] | None) -> str:
    if even is None:
        return "never"
    return f"{duration(even['seconds'])}, {flops(even['flops'])}" if even["times"] else "any learner"


def _phases(arm: Mapping[str, Any], unit: str, words: Any) -> list[str]:
    names = [phase for phase in PHASES if unit == "seconds" or phase != "other"]
    cells = [arm["phases"][phase][unit] for phase in names] + [arm["artefacts"][unit]]
    return [arm["label"], *(words(cell) if cell else NONE for cell in cells), arm["basis"]]


def _passes(passed: Mapping[str, Any], points: Sequence[Sequence[Any]]) -> str:
    if not passed["crossings"]:
        return "at every B" if passed["first"] else "at no B"
    words = {"rises": "from B \u2248 {}", "falls": "up to B \u2248 {}"}
    return ", ".join(words[way].format(count(float(f"{at:.2g}"))) for at, way in passed["crossings"])


def _range(table: Mapping[str, Any], label: str) -> str:
    points = table["sweep"]["shares"][label]
    known = [size for size, _, _, basis in points if basis == "measured"]
    if not known:
        return f"extrapolated at every B from {points[0][0]:,} to {points[-1][0]:,}"
    inside = f"measured from {known[0]:,} to {known[-1]:,}"
    return inside if len(known) == len(points) else f"{inside}, extrapolated beyond, to {points[-1][0]:,}"


def _checked(row: Mapping[str, Any]) -> list[str]:
    cells = []
    for phase in ("data", "score", "reference", "select", "train"):
        measured, predicted = row["measured"][phase], row["predicted"][phase]
        # A phase of less than a hundredth of the run says nothing about the prediction.
        cells.append(ratio(predicted / measured) if measured > 0.01 * row["seconds"]["measured"] else NONE)
    name = row["label"] if row["rung"] == 1 else f"{row['label']} at {row['rung']:g}"
    return [name, *cells, *(seconds(row["seconds"][what]) for what in ("predicted", "measured")), ratio(row["ratio"])]


def remarks(table: Mapping[str, Any]) -> Iterator[str]:
    """What has to be known beside the tables."""
    if "workload" in table:
        workload, device = table["workload"], table["device"]
        if device["kind"] == "profile":
            yield f"Device: stated profile {device['name']} ({device['source']}); nothing was measured here."
        else:
            name = device["cpu"] if device["device"] == "cpu" else device["device"]
            yield f"Device: {name}, {device['threads']} threads, {device['precision']}, torch {device['torch']}."
        learner, reference = workload["learner_text"], workload["reference_text"]
        yield f"Learner: {learner}. Reference: {reference}; d = {workload['features']}."
        yield (
            "Speed-ups are against full training at equal passes, artefacts shared by "
            f"{workload['amortise_over']} runs; accuracy is another question. 'pays above': the cost of a training "
            "image above which the run takes less time than full training. Losses are taken to come from the "
            "reference's own head."
        )
    if "check" in table:
        check = table["check"]
        hits = sum(abs(row["ratio"] - 1) <= check["target"] for row in check["rows"])
        worst = max(check["rows"], key=lambda row: abs(row["ratio"] - 1))
        yield (
            f"{hits} of {len(check['rows'])} arms within {share(check['target'])}; "
            f"the furthest is {worst['label']} at {ratio(worst['ratio'])}."
        )
        yield from (f"Note: {text}." for text in check["notes"])


def _print(console: Console, heading: str, columns: list[str], rows: Lines) -> None:
    console.print()
    _say(console, heading, style="bold")
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        words = column in ("figures", "pays above", "1 %", "3 %", "10 %")
        table.add_column(column, justify="left" if place == 0 or words else "right", overflow="fold", no_wrap=False)
    for name, *cells in rows:
        table.add_row(*(_text(console, cell) for cell in (short(name, _NAME), *cells)))
    console.print(table)


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(_text(console, text, style), highlight=False)


def _text(console: Console, text: str, style: str = "") -> Text:
    """Text that the console's encoding can show."""
    text = clean(text)
    if not console.encoding.lower().startswith("utf"):
        for sign, twin in _PLAIN.items():
            text = text.replace(sign, twin)
        text = text.encode(console.encoding, "replace").decode(console.encoding)
    return Text(text, style=style)
