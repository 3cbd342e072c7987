"""The report as one HTML file that needs nothing beside it: style, script and figures are inside.

Every name in it (of plugins, data sets, classes, files) is untrusted text. Jinja2 escapes all of it; control characters
are replaced before (:func:`selbench.reports.document.text.clean`); only drawings, style sheet and script go in as
they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from ..document.looks import VARIABLES
from ..document.numbers import ACCOUNT_WORDS, NONE, QUESTIONS
from ..document.panels import ACCOUNTS, Report
from ..document.sections import answer
from ..document.sections.all import sections
from ..document.text import clean
from ..figures.all import Placed
from .drawings import Drawings


@cache  # it keeps the compiled templates: of a small report, compiling takes longer than filling
def templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def render(report: Report, figures: Sequence[Placed]) -> str:
    environment = templates()

    def source(name: str) -> Markup:
        assert environment.loader is not None
        return Markup(environment.loader.get_source(environment, name)[0])

    drawings = Drawings()
    drawn = {placed.drawing.name: drawings.markup(placed.drawing) for placed in figures}
    keys = [(report.keys(panel), panel) for panel in report.panels]
    return environment.get_template("page.html").render(
        summary=report.summary,
        matrix=report.matrix,
        answer=answer.section(report, figures),
        sections=sections(report, figures),
        options={
            "dataset": dict((key["dataset"], panel.dataset["title"]) for key, panel in keys),
            "reference": dict((key["reference"], panel.reference) for key, panel in keys),
        },
        many=len(keys) > 2,
        accounts={account: ACCOUNT_WORDS[account] for account in ACCOUNTS},
        declared_account=report.pays[0],
        questions={question: words for question, (words, _) in QUESTIONS.items()},
        colour=lambda colour: f"var({VARIABLES[colour]})",
        margins={report.keys(panel)["dataset"]: panel.dataset["margin"] for panel in report.panels},
        drawn=drawn,
        styles=drawings.stylesheet,
        quoted=quoted,
        short=lambda value: f"{value:.6g}" if isinstance(value, float) else value,  # to sort by
        stylesheet=source("page.css"),
        script=source("page.js"),
    )


def _shown(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return NONE if value is None else value


def quoted(text: str) -> str:
    """``text`` as a string of a style sheet, for attributes."""
    return '"' + clean(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
