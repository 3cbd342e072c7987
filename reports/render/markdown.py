"""The report as Markdown for a repository: the page's answer and tables, with links to the PNG figures.

Markdown has no one escaping rule, so every value is escaped for the strictest reader: what could open markup, a link, a
table cell or HTML becomes a numeric character reference, which all of them show as the character itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from ..document import numbers as wording
from ..document.panels import Panel, Report, Row
from ..document.text import clean
from ..figures.all import Placed
from ..figures.canvas import Drawing
from .html import context, filters

_ACTIVE = re.compile(r"[\\`*_{}\[\]<>#|~$&!@]")
_SCHEME = re.compile(r"(?i)\b(https?|ftp|mailto|javascript|data|www)(?=[:.])")


def escape(text: object) -> str:
    """Text that no Markdown reader takes for markup, a link or HTML."""
    safe = _ACTIVE.sub(lambda found: f"&#{ord(found.group())};", clean(text))
    return _SCHEME.sub(lambda found: found.group()[0] + f"&#{ord(found.group()[1])};" + found.group()[2:], safe)


def environment(**options: Any) -> jinja2.Environment:
    """Where Markdown templates are read: a name that is not there is an error, and lines of logic leave no trace."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )


def render(report: Report, figures: Sequence[Placed]) -> str:
    """The Markdown text of ``report``; ``figures`` are linked, those in the declared account only."""
    made = environment(finalize=_shown)
    made.filters.update(filters())

    def image(drawing: Drawing) -> Markup:
        return Markup(f"![{escape(drawing.description)}](figures/{drawing.name}.png)")

    def images(panel: Panel | None, *kinds: str) -> Markup:
        chosen = [
            placed.drawing
            for kind in kinds
            for placed in figures
            if placed.panel is panel and placed.kind == kind and placed.account in ("", report.pays[0])
        ]
        return Markup("\n\n".join(map(image, chosen)))

    own = {"figures": figures, "image": image, "images": images, "fenced": fenced, "speed": speed}
    text = made.get_template("report.md").render(**context(report, figures), **own)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def speed(panel: Panel, arm: Row) -> Markup:
    """Two cells of a table: the realised speed-up in seconds, and its interval."""
    found = panel.speedup(arm) or {"ratio": None, "ci_low": None, "ci_high": None}
    ends = [wording.ratio(found[end]) for end in ("ci_low", "ci_high")]
    return Markup(f"{wording.ratio(found['ratio'])} | {' to '.join(ends) if found['ci_low'] else wording.NONE}")


def fenced(text: str) -> Markup:
    """A code block whose fence is longer than any run of backticks inside."""
    inside = clean(text)
    longest = max((len(run) for run in re.findall(r"`+", inside)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}\n{inside}\n{fence}")


def _shown(value: Any) -> Any:
    if isinstance(value, Markup):
        return str(value)
    if isinstance(value, str):
        return escape(value)
    return wording.NONE if value is None else value
