"""The report's tables for a paper: booktabs tables, one fragment to ``\\input``.

Every name in it (of plugins, data sets, files) is untrusted. Nothing but the template writes LaTeX: whatever a template
prints is escaped, to ASCII, by :func:`escape`, so that no name can run a command, end a table or stop the compiler.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import jinja2

from ..document import numbers as wording
from ..document.panels import Panel, Row, panels_of
from ..document.sections.answer import points as size_in_points
from ..document.sections.studies import numeric, wordy
from ..document.text import clean, short

_NAME = 40
_UNHEARD = ("not run", "out of scope")

_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",  # babel makes it active in many languages
    "`": r"\textasciigrave{}",
    "[": "{[}",  # at the start of a row it would be taken for the option of the line before
    "]": "{]}",
    "*": "{*}",
    "\u00a0": r"\nobreakspace{}",
    "\u2009": r"\,",
    "\u202f": r"\,",
    "\u2010": "-",
    "\u2011": "-",
    "\u2013": r"\textendash{}",
    "\u2014": r"\textemdash{}",
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
    "\u2026": r"\ldots{}",
    "\u00df": r"\ss{}",
    "\u00e6": r"\ae{}",
    "\u00c6": r"\AE{}",
    "\u0153": r"\oe{}",
    "\u0152": r"\OE{}",
    "\u00f8": r"\o{}",
    "\u00d8": r"\O{}",
    "\u0142": r"\l{}",
    "\u0141": r"\L{}",
    "\u0131": r"\i{}",
    "\u00a7": r"\S{}",
    "\ufffd": "?",
}
_SMALL = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
_SMALL += ["nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"]
_CAPITAL = ["Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"]
"""TeX has no command for the capitals that look like Latin ones."""

_UNICODE = {"lambda": "lamda", "Lambda": "Lamda"}

_MATHS = {
    "\u2212": "-",
    "\u00d7": r"\times",
    "\u00b1": r"\pm",
    "\u00b7": r"\cdot",
    "\u00b0": r"^{\circ}",
    "\u2264": r"\le",
    "\u2265": r"\ge",
    "\u2248": r"\approx",
    "\u221e": r"\infty",
    "\u2192": r"\to",
    "\u00b5": r"\mu",
    **{unicodedata.lookup(f"GREEK SMALL LETTER {_UNICODE.get(name, name)}"): f"\\{name}" for name in _SMALL},
    **{unicodedata.lookup(f"GREEK CAPITAL LETTER {_UNICODE.get(name, name)}"): f"\\{name}" for name in _CAPITAL},
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_LIGATURE = re.compile(r"([-,'])(?=\1)")
"""What TeX would join to another sign: a dash, a quotation mark."""


class Tex(str):
    """LaTeX source: text that is escaped already."""


def escape(text: object) -> Tex:
    """ASCII LaTeX source that prints ``text``: specials escaped, accents and signs composed, the rest as [U+4E2D]."""
    source = "".join(map(_sign, unicodedata.normalize("NFC", clean(text))))
    return Tex(_LIGATURE.sub(r"\1{}", source))


def _sign(char: str) -> str:
    if char in _SIGNS:
        return _SIGNS[char]
    if char.isascii():
        return char
    if char in _MATHS:
        return f"${_MATHS[char]}$"
    parts = unicodedata.normalize("NFD", char)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _ACCENTS:
        return rf"\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"{{[}}U+{ord(char):04X}{{]}}"


def render(summary: Mapping[str, Any]) -> str:
    """The tables of a report as LaTeX.

    Parameters
    ----------
    summary : mapping
        As in ``summary.json``.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        undefined=jinja2.StrictUndefined,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    names = ("points", "percent", "share", "p_value", "flops", "ratio", "brief")
    environment.filters.update({name: getattr(wording, name) for name in names})
    environment.filters["named"] = lambda text: short(text, _NAME)
    environment.filters["in_points"] = size_in_points
    pays = summary["matrix"]["pays"]
    text = environment.get_template("report.tex").render(
        summary=summary,
        matrix=summary["matrix"],
        account=pays["account"],
        panels=[panel for panel in panels_of(summary) if any(arm["n"] for arm in panel.arms)],
        titles={dataset["name"]: dataset["title"] for dataset in summary["matrix"]["datasets"]},
        declared=[row for row in summary["contrasts"] if row["primary"]],
        pooled=[row for row in summary["pooled"] if _at_declared_cost(row, pays)],
        claims=[claim for claim in summary["claims"] if claim["verdict"] not in _UNHEARD or claim["indication"]],
        seconds_from=wording.clock_words(summary["timing"]["source"], summary["timing"]["blocks"]),
        id=re.sub(r"[^a-z0-9]+", "-", summary["matrix"]["name"].lower()).strip("-") or "matrix",
        against_full=against_full,
        verdict=verdict,
        difference=difference,
        test=test,
        said=said,
        numeric=numeric,
        wordy=wordy,
        several_references=len({row["reference"] for row in summary["contrasts"]} - {""}) > 1,
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _shown(value: Any) -> Any:
    if isinstance(value, Tex):
        return value
    return escape(wording.NONE if value is None else value)


def _at_declared_cost(row: Row, pays: Row) -> bool:
    return row["question"] != "pays" or all(row[key] == pays[key] for key in ("account", "cost", "ladder"))


def against_full(panel: Panel, arm: Row) -> Row | None:
    """The contrast of an arm with full training at equal passes."""
    return next(iter(panel.of(arm, "accuracy")), None)


def verdict(row: Row | None) -> str:
    """A verdict in a word or two; in brackets where it was not declared."""
    if row is None:
        return ""
    text = wording.brief(row["verdict"])
    return text if row["primary"] else f"({text})"


def difference(row: Row | None) -> str:
    """``+0.31 [-0.10, +0.72]``."""
    if row is None or row["mean_difference"] is None:
        return ""
    ends = [wording.points(row[end]) for end in ("ci_low", "ci_high")]
    return wording.points(row["mean_difference"]) + (f" [{', '.join(ends)}]" if row["ci_low"] is not None else "")


def test(row: Row) -> str:
    """What a contrast, of one data set or of several, is against: the question in a few words."""
    if row["question"] == "accuracy":
        return "full training"
    if row["question"] == "picking":
        return "random picks"
    return f"{row['ladder']} ladder, {wording.COST_WORDS[row['cost']]}"


def said(claim: Row) -> tuple[str, str]:
    """A claim's verdict and why; where smaller runs give an indication alone, that one, named as such."""
    if claim["indication"]:
        return f"{claim['verdict']}; smaller runs: {claim['indication']['verdict']}", claim["indication"]["text"]
    return claim["verdict"], claim["reason"]
