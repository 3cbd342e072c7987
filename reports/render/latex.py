"""Tables as LaTeX for a paper: booktabs tables, one fragment to ``\\input``.

Every name in it (of plugins, data sets, files) is untrusted. Nothing but this module writes LaTeX: all that a table
says is escaped, to ASCII, by :func:`escape`, so that no name can run a command, end a table or stop the compiler.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ..document.blocks import Cell, Column, Grid
from ..document.sections.paper import tables
from ..document.text import clean, short

_NAME = 40

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
    """The tables of a report, as in ``summary.json``, as LaTeX."""
    id = re.sub(r"[^a-z0-9]+", "-", summary["matrix"]["name"].lower()).strip("-") or "matrix"
    return "\n".join([_HEAD, *(_table(id, grid) for grid in tables(summary))])


_HEAD = r"""% Tables of a selbench report. They need, in the preamble of any article: \usepackage{booktabs}
% Put them where they belong with \input{report.tex}. The file is ASCII, and written anew with each report.
% In every table: intervals in square brackets; verdicts in round brackets were not declared before the run.
"""


def _table(id: str, grid: Grid) -> str:
    """One table with its caption and label."""
    caption = "\n".join(map(escape, grid.title.split("\n")))
    rows = []
    for line in grid.lines:
        if line.style == "heading":
            rows += [
                r"\midrule",
                rf"\multicolumn{{{len(grid.columns)}}}{{l}}{{\emph{{{escape(line.cells[0].text)}}}}} \\",
            ]
        else:
            rows.append(_row(grid, [_cell(*of) for of in zip(grid.columns, line.cells, strict=True)]))
    heads = _row(grid, [_head(column) for column in grid.columns])
    return "\n".join(
        [
            r"\begin{table}[tbp]",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{id}-{grid.key}}}",
            r"\footnotesize",
            rf"\setlength{{\tabcolsep}}{{{3 if grid.style == 'dense' else 4}pt}}",
            rf"\begin{{tabular}}{{{''.join(map(_alignment, grid.columns))}}}",
            r"\toprule",
            *_groups(grid),
            heads,
            *([] if rows and rows[0] == r"\midrule" else [r"\midrule"]),
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _alignment(column: Column) -> str:
    if column.width:
        return rf"p{{{column.width:.2f}\textwidth}}"
    return "r" if column.right else "l"


def _groups(grid: Grid) -> list[str]:
    """The row of heads above several columns, with the rules below them."""
    if not any(text for text, _ in grid.groups):
        return []
    cells, rules, at = [], [], 1
    for text, columns in grid.groups:
        wide = len(columns)
        cells.append(rf"\multicolumn{{{wide}}}{{c}}{{{escape(text)}}}" if text else "")
        if text:
            rules.append(rf"\cmidrule(lr){{{at}-{at + wide - 1}}}")
        at += wide
    return [" & ".join(cells) + r" \\", " ".join(rules)]


def _row(grid: Grid, cells: list[str]) -> str:
    return " & ".join(cells) + (r" \tabularnewline" if any(column.width for column in grid.columns[-1:]) else r" \\")


def _head(column: Column) -> str:
    return (r"\raggedright " if column.width else "") + escape(short(column.head, _NAME))


def _cell(column: Column, cell: Cell) -> str:
    return rf"\raggedright {escape(cell.line)}" if column.width else escape(cell.line)
