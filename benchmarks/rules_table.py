"""The built-in rules, from their classes: ``python -m selbench.benchmarks.rules_table [--write]``.

With ``--write`` the table goes into ``docs/rules.md`` and the count by group into the README, between the marks
``<!-- rules -->``; a test holds the pages against them.
"""

from __future__ import annotations

import sys
from itertools import groupby

from ..strategies.descriptions import Description, all_described
from .pages import DOCS, ROOT, cell, command

_HEAD = "| group | rule | picks | reads | what it is |\n|---|---|---|---|---|"


def table() -> str:
    """One row a rule, by group."""
    lines = [
        f"| {group if at == 0 else ''} | `{row.name}` | {row.cadence} | {', '.join(row.reads)} | {cell(row.summary)} |"
        for group, rows in _groups()
        for at, row in enumerate(rows)
    ]
    return "\n".join([_HEAD, *lines])


def counts() -> str:
    """How many there are, as an item of a list."""
    groups = _groups()
    parts = ", ".join(f"{group} {len(rows)}" for group, rows in groups)
    return f"- **{sum(len(rows) for _, rows in groups)} rules**, by what they go by: {parts}."


def _groups() -> list[tuple[str, list[Description]]]:
    ours = [row for row in all_described() if row.origin.startswith("selbench ")]
    return [(group, list(rows)) for group, rows in groupby(ours, key=lambda row: row.group)]


# The mark and the content of each page
PAGES = {DOCS / "rules.md": ("rules", table), ROOT / "README.md": ("rules", counts)}

if __name__ == "__main__":
    command("rules_table", PAGES, sys.argv[1:])
