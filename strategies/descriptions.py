"""What the class of a registered strategy says of it: the one source of listings and of the pages of the docs."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import Any

from .interface import HELD_OUT_SIGNALS, LEARNER_SIGNALS, REFERENCE_SIGNALS, Traits
from .registry import registry

GROUPS = (
    "baselines",
    "losses",
    "gradients",
    "spectral",
    "coverage",
    "training dynamics",
    "class quotas",
    "wrappers",
    "controls",
)
"""The groups of the built-in rules, in the order in which they are shown; a plugin may declare one of its own."""

UNGROUPED = "others"
_PARAMETERS = "\nParameters\n----------\n"
_LABELS = ("Formula", "Steps", "Source", "Cost", "Readings", "Not comparable", "Not held", "Ours")


@dataclass(frozen=True)
class Option:
    """A hyper-parameter. ``allowed`` are its words or its interval, where the rule declares them."""

    name: str
    default: str
    allowed: str = ""
    about: str = ""


@dataclass(frozen=True)
class Description:
    """One strategy; where it cannot be imported or made, ``error`` says why and the rest is as far as it is known."""

    name: str
    origin: str
    group: str = UNGROUPED
    summary: str = ""
    error: str = ""
    traits: Traits | None = None
    sections: dict[str, str] = field(default_factory=dict)
    options: tuple[Option, ...] = ()

    @property
    def cadence(self) -> str:
        return self.traits.cadence if self.traits else ""

    @property
    def reads(self) -> tuple[str, ...]:
        """Whose outputs the rule reads: the learner's, a proxy's, the reference's, the learner's on ``val``."""
        return sources(self.traits) if self.traits else ()

    @property
    def papers(self) -> list[str]:
        """``arXiv 2107.07075 (2021)`` for each paper that the source names by its number."""
        return [
            f"arXiv {number} ({_year(number)})"
            for number in re.findall(r"arXiv ((?:[a-z-]+/\d{2}|\d{4}\.)\d+)", self.sections.get("Source", ""))
        ]


def sources(traits: Traits) -> tuple[str, ...]:
    """As :attr:`Description.reads`."""
    at_start = traits.cadence == "run"
    found = {
        "learner": not at_start and traits.needs & (LEARNER_SIGNALS | {"age"}),
        "proxy": traits.reads_proxy or "picks" in traits.needs,
        "reference": traits.needs & REFERENCE_SIGNALS,
        "val": traits.needs & HELD_OUT_SIGNALS,
    }
    return tuple(name for name, there in found.items() if there)


def described(name: str) -> Description:
    """What is known of the strategy ``name``, with its default options.

    Raises
    ------
    UsageError
        Where no such strategy is registered, or its class cannot be imported.
    """
    entry, target = registry("strategies").entry(name), registry("strategies").target(name)
    return _described(name, f"{entry.distribution} {entry.version}", target)


def all_described() -> list[Description]:
    """Every registered strategy, group after group and by name inside one."""
    rows = [
        Description(row["name"], row["origin"], error=row["error"])
        if row["error"]
        else _described(row["name"], row["origin"], registry("strategies").target(row["name"]))
        for row in registry("strategies").describe()
    ]
    order = {group: at for at, group in enumerate(GROUPS)}
    return sorted(rows, key=lambda row: (order.get(row.group, len(GROUPS)), row.group, row.name))


def _described(name: str, origin: str, target: Any) -> Description:
    text = inspect.getdoc(target) or ""
    group = getattr(target, "group", "")
    traits, error = None, ""
    try:
        traits = Traits.of(target())
    except Exception as broken:  # a stranger's constructor may raise anything
        error = f"cannot be made: {type(broken).__name__}: {broken}"
    summary, _, body = text.partition(_PARAMETERS)[0].partition("\n")
    return Description(
        name,
        origin,
        group if isinstance(group, str) and group else UNGROUPED,
        plain(summary),
        error,
        traits,
        _sections(body),
        _options(target),
    )


def _sections(body: str) -> dict[str, str]:
    """The labelled paragraphs of a docstring, ``Formula: ...``; what stands before the first is labelled ''."""
    found: dict[str, list[str]] = {"": []}
    label = ""
    for line in body.splitlines():
        if begins := re.match(rf"({'|'.join(_LABELS)})(?= \(|:)(: ?)?", line):
            label = begins[1]
            line = line[begins.end() :]
        found.setdefault(label, []).append(line)
    texts = {label: plain(" ".join(lines)) for label, lines in found.items()}
    return {label: text for label, text in texts.items() if text}


def _options(target: Any) -> tuple[Option, ...]:
    about: dict[str, list[str]] = {}
    for base in reversed(inspect.getmro(target) if inspect.isclass(target) else ()):  # the nearest class has the word
        names: list[str] = []
        for line in inspect.cleandoc(base.__doc__ or "").partition(_PARAMETERS)[2].splitlines():
            if line.startswith(" ") or not line:
                for name in names:
                    about[name].append(line.strip())
                continue
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
            about.update({name: [] for name in names})
    fields = getattr(target, "__dataclass_fields__", {})
    options = []
    for name, parameter in inspect.signature(target).parameters.items():
        metadata = fields[name].metadata if name in fields else {}
        allowed = ", ".join(metadata.get("choices", ())) or metadata.get("interval", "")
        default = "" if parameter.default is parameter.empty else repr(parameter.default).replace("'", '"')
        options.append(Option(name, default, allowed, plain(" ".join(about.get(name, ())))))
    return tuple(options)


def plain(text: str) -> str:
    """A docstring's text in one line, without its markup: ``:class:`~a.b.C``` is C, and double backticks are single."""
    text = re.sub(r":\w+:`~?[\w.]*?(\w+)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())


def _year(number: str) -> str:
    two = int(number.partition("/")[2][:2] if "/" in number else number[:2])
    return str((1900 if two > 90 else 2000) + two)
