"""Blocks as Markdown for a repository, with links to the SVG figures.

Markdown has no one escaping rule, so every value is escaped for the strictest reader: what could open markup, a link, a
table cell or HTML becomes a numeric character reference, which all of them show as the character itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..document.blocks import Beside, Block, Fold, Grid, Items, Part, Prose
from ..document.panels import Report
from ..document.sections import answer
from ..document.sections.all import sections
from ..document.text import clean
from ..figures.all import Placed

_ACTIVE = re.compile(r"[\\`*_{}\[\]<>#|~$&!@]")
_SCHEME = re.compile(r"(?i)\b(https?|ftp|mailto|javascript|data|www)(?=[:.])")
_BOLD = ("lead", "finding", "warn")
_PAGE_ONLY = ("all",)
"""Sections that live from sorting and filtering; their numbers are in the others and in contrasts.csv."""


def escape(text: object) -> str:
    """Text that no Markdown reader takes for markup, a link or HTML."""
    safe = _ACTIVE.sub(lambda found: f"&#{ord(found.group())};", clean(text))
    return _SCHEME.sub(lambda found: found.group()[0] + f"&#{ord(found.group()[1])};" + found.group()[2:], safe)


def render(report: Report, figures: Sequence[Placed]) -> str:
    """The Markdown text of ``report``; ``figures`` are linked, tables and figures in the declared account only."""
    title = f"{report.matrix['title']}: {report.matrix['learner']['text']}"
    parts = [part for part in sections(report, figures) if part.key not in _PAGE_ONLY]
    return write(title, [*answer.section(report, figures), *parts], account=report.pays[0])


def write(title: str, blocks: Iterable[Block], *, account: str = "", folder: str = "figures/") -> str:
    """A document of ``blocks``; of those that belong to an account, the ones of ``account``."""
    return "\n\n".join([f"# {escape(title)}", body(blocks, account=account, folder=folder)]) + "\n"


def body(blocks: Iterable[Block], *, account: str = "", folder: str = "figures/") -> str:
    """``blocks`` as they stand below a document's title."""
    return "\n\n".join(_written(blocks, 2, account, folder))


def _written(blocks: Iterable[Block], level: int, *how: str) -> Iterator[str]:
    account, folder = how
    for block in blocks:
        if isinstance(block, Beside):
            for column in block.columns:
                yield from _written(column, level, *how)
        elif isinstance(block, Fold):
            yield from _written(block.brief, level, *how)
        elif isinstance(block, Items):
            if block.lines:
                yield "\n".join(f"- {escape(text)}" for text in block.texts)
        elif block.data.get("account", account) != account:
            continue
        elif isinstance(block, Part):
            note = f" ({escape(block.note)})" if block.note else ""
            yield f"{'#' * level} {escape(block.title)}{note}"
            yield from _written(block.blocks, level + 1, *how)
        elif isinstance(block, Prose):
            yield from _prose(block)
        elif isinstance(block, Grid):
            yield from _grid(block)
        else:
            yield f"![{escape(block.drawing.description)}]({folder}{block.drawing.name}.svg)"


def _prose(block: Prose) -> Iterator[str]:
    if block.style == "code":
        yield fenced(block.text)
        return
    head = f"**{escape(block.head)}** " if block.head else ""
    for line in filter(None, block.text.split("\n")):
        yield head + (f"**{escape(line)}**" if block.style in _BOLD else escape(line))


def _grid(block: Grid) -> Iterator[str]:
    if block.titled or block.note:
        title = f"**{escape(block.title)}**" if block.titled else ""
        yield " ".join(filter(None, (title, escape(block.note))))
    heads = [", ".join(filter(None, (column.group, column.head, column.under))) for column in block.columns]
    rows = [[cell.line for cell in line.cells] for line in block.lines]
    rule = "|".join("--:" if column.right else "---" for column in block.columns)
    written = [" | ".join(map(escape, row)) for row in (heads, *rows)]
    yield "\n".join([f"| {written[0]} |", f"|{rule}|", *(f"| {row} |" for row in written[1:])])


def fenced(text: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    inside = clean(text)
    fence = max(["``", *re.findall(r"`+", inside)], key=len) + "`"
    return f"{fence}\n{inside}\n{fence}"
