"""The parts of the pages that come from the code: Markdown for each mark ``<!-- generated: NAME -->``.

``conf.py`` puts them in when the pages are built; nothing is committed.
"""

from __future__ import annotations

import html
import inspect
import re
import textwrap
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from annotated_types import BaseMetadata
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from selbench.benchmarks.pages import published_sets, summary_of
from selbench.harness.cli.commands import app
from selbench.harness.cli.listing import GROUPS
from selbench.harness.plan import tables
from selbench.harness.plan.matrix import Matrix
from selbench.harness.plan.measures import KINDS as MEASURES
from selbench.harness.toml import StrictModel
from selbench.reports.document.panels import Report
from selbench.reports.figures.all import planned
from selbench.reports.records import matrix as matrix_file
from selbench.reports.records import models
from selbench.reports.records.folder import Results
from selbench.reports.records.pack import opened
from selbench.reports.render.drawings import Drawings
from selbench.strategies.descriptions import all_described
from selbench.strategies.interface import (
    HELD_OUT_SIGNALS,
    LEARNER_SIGNALS,
    NEEDS,
    PROXY_TRACES,
    REFERENCE_SIGNALS,
    BatchLosses,
)

ROOT = Path(__file__).resolve().parents[1]
Row = Sequence[str]


def table(head: Row, rows: Sequence[Row]) -> str:
    """A Markdown table; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |" for row in lines
    )


def code(text: str) -> str:
    return f"`{text}`" if text else ""


# Matrix keys and record fields: tables of models


def type_words(kind: Any) -> str:
    """A field's type as one would say it: ``number or list of numbers``."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return type_words(inner[0])
    if origin is Literal:
        return ", ".join(code(f'"{word}"' if isinstance(word, str) else str(word)) for word in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(one) for one in inner if one is not type(None))
    if origin in (list, tuple, Sequence):
        return f"list of {type_words(inner[0])}"
    if origin in (dict, Mapping):
        return "table" if inner[1] is Any else f"table of {type_words(inner[1])}"
    plain = {
        bool: "true or false",
        int: "whole number",
        float: "number",
        str: "text",
        Any: "anything",
        dict: "table",
        Path: "path",
    }
    return plain.get(kind, getattr(kind, "__name__", str(kind)))


def limits(field: FieldInfo) -> str:
    """``≥ 0, < 1``; of a nested annotation too."""
    signs = {"gt": "> ", "ge": "≥ ", "lt": "< ", "le": "≤ "}
    found = [bound for bound in field.metadata if isinstance(bound, BaseMetadata)]
    return ", ".join(f"{sign}{getattr(b, key):g}" for b in found for key, sign in signs.items() if hasattr(b, key))


def null(field: FieldInfo) -> str:
    return " or null" if field.is_required() and type(None) in get_args(field.annotation) else ""


def default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "required"
    if isinstance(value, StrictModel):
        return "its own defaults"
    if isinstance(value, BaseModel):
        return code(", ".join(f"{key} = {item!r}" for key, item in value.model_dump().items()))
    if isinstance(value, bool):
        return code(str(value).lower())
    return "none" if value in (None, [], {}, (), "") else code(repr(value))


def comments(model: type[BaseModel]) -> dict[str, str]:
    """What the source says of each field: behind it after ``#``, or below it in quotes."""
    found: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        if issubclass(parent, BaseModel) and parent.__module__.startswith("selbench"):
            source = inspect.getsource(parent)
            found |= dict(re.findall(r"^    (\w+): .*?  # (?!type:|noqa)(.+)$", source, re.MULTILINE))
            found |= dict(re.findall(r'^    (\w+): .+\n    """(.+?)"""', source, re.MULTILINE))
    return found


def model_table(model: type[BaseModel]) -> str:
    notes = {name: rst_to_markdown(note) for name, note in comments(model).items()}
    rows = [
        [
            code(field.alias or name),
            type_words(field.annotation) + null(field),
            limits(field),
            default(field),
            notes.get(name, ""),
        ]
        for name, field in model.model_fields.items()
    ]
    return table(["key", "type", "limits", "default", "note"], rows)


def about(model: type[BaseModel]) -> str:
    own = inspect.getdoc(model) if model.__doc__ else ""
    return "" if not own or own.startswith(("Usage docs", "!!!")) else rst_to_markdown(own)


def rst_to_markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?\.?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def matrix_keys() -> str:
    named = {"": Matrix, "datasets": tables.DatasetEntry, "datasets.settings": tables.DatasetSettings}
    kinds = [kind for kind in vars(tables).values() if isinstance(kind, type) and issubclass(kind, StrictModel)]
    kinds = [kind for kind in kinds if kind is not StrictModel and kind.__module__ == tables.__name__]
    blocks = [
        f"### {kind.__name__}\n\n{about(kind)}\n\n{model_table(kind)}"
        for kind in [*named.values(), *(kind for kind in kinds if kind not in named.values())]
    ]
    blocks += [f"### measures.{name}\n\n{model_table(kind)}" for name, kind in MEASURES.items()]
    return "\n\n".join(blocks)


def records() -> str:
    shown: dict[str, type[BaseModel]] = {f"`{folder}/`": kind for folder, kind in models.KINDS.items()}
    shown |= {"`matrix.toml`, `[[arms]]`": matrix_file.Arm}
    parts: dict[str, type[BaseModel]] = {}
    for kind in shown.values():
        parts |= {part.__name__: part for part in _parts(kind)}
    blocks = [f"### {name}: {kind.__name__}\n\n{about(kind)}\n\n{model_table(kind)}" for name, kind in shown.items()]
    blocks += [f"### {name}\n\n{about(kind)}\n\n{model_table(kind)}" for name, kind in sorted(parts.items())]
    return "\n\n".join(blocks)


def _parts(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models that the fields of ``kind`` are made of, one inside another."""
    waiting: list[Any] = [field.annotation for field in kind.model_fields.values()]
    seen: set[Any] = set()
    while waiting:
        at = waiting.pop()
        if isinstance(at, type) and issubclass(at, BaseModel) and at not in seen:
            seen.add(at)
            yield at
            waiting += [field.annotation for field in at.model_fields.values()]
        waiting += [inner for inner in get_args(at) if not isinstance(inner, str)]


# Commands


def commands() -> str:
    group = typer.main.get_command(app)
    return "\n\n".join(_command(name, command) for name, command in sorted(group.commands.items()))  # type: ignore[attr-defined]


def _command(name: str, command: Any) -> str:
    usage = " ".join(["selbench", name, *(_argument(p) for p in command.params if p.param_type_name == "argument")])
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    rows = [[", ".join(map(code, p.opts)), _value(p), p.help or ""] for p in command.params if p.name != "help"]
    head = f"### {name}\n\n{command.help.strip()}\n\n```\n{usage}{' [OPTIONS]' if options else ''}\n```"
    return f"{head}\n\n{table(['option', 'value', 'meaning'], rows)}" if rows else head


def _argument(param: Any) -> str:
    text = (param.metavar or param.name).upper().replace("_", "-") + ("..." if param.nargs == -1 else "")
    return text if param.required else f"[{text}]"


def _value(param: Any) -> str:
    if getattr(param, "is_flag", False):
        return ""
    kind = (param.metavar or type_words(param.type_descriptor.annotation)).lower()
    kind += ", repeatable" if getattr(param, "multiple", False) else ""
    shown = param.default not in (None, "", [], ()) and not callable(param.default) and not param.required
    return f"{kind}; default {code(str(param.default))}" if shown else kind


# Signals

_EVERY = "Cadences `batch`, `epoch`, `run`."
_GROUPS = (
    (
        "The learner's",
        LEARNER_SIGNALS,
        f"{_EVERY} At `batch` one forward pass of the learner over the candidates, whichever of them are read (phase "
        '`score`); at `epoch` none with `pool_scores = "remembered"`, else a pass over the pool; at `run` the training '
        "of a proxy (an artefact).",
    ),
    ("", {"age"}, "Cadences `batch`, `epoch`. No cost of its own."),
    (
        "The reference's",
        REFERENCE_SIGNALS,
        f"{_EVERY} The training of the reference, or one pass of a frozen one over the data set (an artefact); then "
        "the reading (phase `reference`).",
    ),
    (
        "Held-out",
        HELD_OUT_SIGNALS,
        "Cadences `batch`, `epoch`. One forward pass over `val_images` images of `val` every `val_interval` selections "
        "(phase `probe`).",
    ),
    ("A proxy's", PROXY_TRACES, f"{_EVERY} The training of a proxy for `proxy.passes` (an artefact)."),
    ("", {"picks"}, "Cadence `batch`. A proxy's run with the rule that it follows, on the same steps (an artefact)."),
)
"""Title (empty where the group above goes on), signals, cadences with cost."""


def described_signals() -> dict[str, tuple[str, str]]:
    """Shape with type, and meaning, of each signal, from the docstring of ``BatchLosses``."""
    text = inspect.getdoc(BatchLosses) or ""
    body = text.partition("Parameters\n----------\n")[2].partition("\nRaises\n")[0]
    found = {}
    for name, kind, meaning in re.findall(r"^(\w+) : (.+)\n((?:    .*\n|\n)+)", body + "\n", re.MULTILINE):
        found[name] = kind, rst_to_markdown(textwrap.dedent(meaning).strip().replace("\n\n", " "))
    return found


def signals() -> str:
    told = described_signals()
    users: dict[str, list[str]] = {}
    for rule in all_described():
        if rule.origin.startswith("selbench ") and rule.traits:
            for need in rule.traits.needs:
                users.setdefault(need, []).append(rule.name)
    about = "The reference model's features: the argument `batch_feats`, not a member of `losses`."
    told["features"] = "Tensor ``[B, d]`` float", about
    blocks = []
    for title, names, cost in _GROUPS:
        rows = [
            [code(name), *_shape(kind), meaning, ", ".join(map(code, users.get(name, [])[:4]))]
            for name, (kind, meaning) in told.items()
            if name in names
        ]
        head = f"### {title} signals\n\n" if title else ""
        blocks.append(
            f"{head}{cost}\n\n{table(['`needs`', 'shape', 'type', 'meaning', 'read by, among others'], rows)}"
        )
    free = [[code(name), *_shape(kind), meaning] for name, (kind, meaning) in told.items() if name not in NEEDS]
    head = "### Always there\n\nAt no cost; `val_labels` only beside a held-out signal."
    return "\n\n".join([*blocks, f"{head}\n\n{table(['member of `losses`', 'shape', 'type', 'meaning'], free)}"])


def _shape(kind: str) -> tuple[str, str]:
    shape, words = re.search(r"``(.+?)``", kind), kind.replace(", optional", "")
    if not shape:
        return "host number", words
    return code(shape[1]), words.partition("``")[2].partition("``")[2].strip() or "float"


# Entry points


def entry_points() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    contracts = {
        "strategies": "a class with `select`: `selbench.strategies.Strategy`, or any object with its members",
        "schedules": "a class with `ratio(progress)` and `mean()`, as in `selbench.harness.steps.schedules`",
        "datasets": "`selbench.harness.datasets.base.Dataset`",
        "references": "`selbench.harness.references.base.FrozenReference`",
        "learners": "a class that makes a `torch.nn.Module`, as in `selbench.harness.training.learner`",
        "executors": "a class with `run(context, tasks, report)`, as in `selbench.harness.execution.executors`",
        "trackers": "`selbench.harness.execution.trackers.Tracker`",
    }
    rows = []
    for group in GROUPS:
        names = sorted(project["entry-points"][f"selbench.{group}"])
        rows.append([code(f"selbench.{group}"), contracts[group], ", ".join(map(code, names))])
    return table(["group", "what an entry is", "those that ship"], rows)


# Python: left to autodoc

_MODULES = (
    ("The package", "selbench", ("Selector", "Picks", "Trace", "run", "read", "Frames")),
    ("Strategies", "selbench.strategies.interface", ("BatchLosses", "Selection", "Pool", "StrategyLike")),
    ("", "selbench.strategies.interface", ("Traits", "keep_count", "never_seen")),
    ("Base class", "selbench.strategies.base", ("Strategy", "rule", "choice", "within", "hidden")),
    ("Loading and errors", "selbench.strategies", ("load",)),
    ("", "selbench.strategies.registry", ("registry", "Registry")),
    ("", "selbench.strategies.errors", ("UsageError",)),
    ("Laws", "selbench.strategies.testing", ("check", "LAWS")),
    ("Data sets", "selbench.harness.datasets.base", ("Dataset",)),
    ("References", "selbench.harness.references.base", ("FrozenReference",)),
    ("Results", "selbench.reports.records.folder", ("Results",)),
)


def python() -> str:
    from importlib import import_module

    blocks = []
    for title, module, names in _MODULES:
        found = import_module(module)
        lines = [f"### {title}"] if title and names else []
        for name in names:
            target = getattr(found, name, None)
            directive = "class" if isinstance(target, type) else "function" if callable(target) else "data"
            members = "\n   :members:" if directive == "class" else ""
            lines.append(f"```{{eval-rst}}\n.. auto{directive}:: {module}.{name}{members}\n```")
        blocks += lines
    return "\n\n".join(blocks)


# Figures of studies


def figure(folder: str, kind: str) -> str:
    """The first figure of a kind of the report of a published pack, in the page's own colours, light and dark."""
    pack = published_sets()[folder]
    report = Report.of(summary_of(pack), Results.read(opened(pack)))
    drawing = next(found for found in planned(report) if found.kind == kind).draw().drawing
    # Ids and classes of its own, where a page has two folders.
    drawings = Drawings()
    inline = str(drawings.markup(drawing)).replace(f"{drawing.name}-", f"{folder}-{drawing.name}-")
    inline = inline.replace('class="f', f'class="{folder}-f')
    styles = f"<style>{str(drawings.stylesheet).replace('.f', f'.{folder}-f')}</style>"
    caption = f"<figcaption>{html.escape(drawing.title)}</figcaption>"
    return f"```{{raw}} html\n<figure class='drawn'>{_colours()}{styles}{inline}{caption}</figure>\n```"


def _colours() -> str:
    """The report's colours for the themes of these pages; a reader may choose one against the system's."""
    style = (ROOT / "reports" / "render" / "templates" / "page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root {(.*?)}", style, re.DOTALL)[:2]
    light, dark = (" ".join(re.findall(r"--\w+: #\w+;", block)) for block in blocks)
    chosen = f"body[data-theme=dark] .drawn {{{dark}}}"
    system = f"@media (prefers-color-scheme: dark) {{body:not([data-theme=light]) .drawn {{{dark}}}}}"
    text = ".drawn {overflow-x: auto; margin: 1rem 0} .drawn svg {min-width: 34rem; width: 100%}"
    text += " .drawn svg text {font-family: inherit !important} .drawn figcaption {font-size: .85em}"
    return f"<style>.drawn {{{light}}} {system} {chosen} {text}</style>"


BLOCKS: dict[str, Callable[[], str]] = {
    "matrix-keys": matrix_keys,
    "records": records,
    "commands": commands,
    "signals": signals,
    "entry-points": entry_points,
    "python": python,
}
MARK = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)
FIGURE = re.compile(r"^<!-- figure: (\S+) ([\w-]+) -->$", re.MULTILINE)


def filled(text: str) -> str:
    """A page's text with what is generated in the place of each mark."""
    text = MARK.sub(lambda mark: BLOCKS[mark[1]](), text)
    return FIGURE.sub(lambda mark: figure(mark[1], mark[2]), text)
