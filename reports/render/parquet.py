"""The report's tables as Parquet, through pyarrow: an optional extra, ``selbench[parquet]``.

Unlike CSV, columns have types, and a text needs no guard against being taken for a formula.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# fmt: off
WHOLE = frozenset((
    "seed", "block", "position", "trained_samples", "candidate_samples", "memory_bytes", "n", "n_pairs", "n_datasets",
    "collapsed", "above_ladder", "seeds_needed", "worst_seed", "timed_blocks", "misses", "at_lowest",
    "mcnemar_gained", "mcnemar_lost", "test_n", "test_collapsed",
))
"""Columns of whole numbers: every other number is a double, also where all of a folder's values happen to be whole."""

TEXT = frozenset((
    "reference", "role", "account", "cost", "ladder", "seconds_source", "baseline_arm", "left_out", "note",
    "interval", "lr_from", "matrix", "to_decide", "kind", "reason", "source_section", "indication_verdict",
    "indication_text", "test_text", "test_dataset", "test_case", "test_account", "test_cost", "test_note",
    "test_strategy", "test_baseline", "test_metric", "test_hypothesis", "test_verdict",
))
# fmt: on
"""Columns of text that may be empty throughout: their type must not depend on that."""

LACKING = "No Parquet files were written: they need pyarrow (python -m pip install 'selbench[parquet]')."


def available() -> bool:
    """Whether pyarrow is installed here, and works."""
    try:
        from pyarrow import parquet  # noqa: F401
    except ImportError:
        return False
    return True


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of one set of columns. The same rows and the same pyarrow give the same bytes.

    Raises
    ------
    ImportError
        Without pyarrow.
    """
    import pyarrow
    from pyarrow import parquet

    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    table = pyarrow.table({name: _column(name, values) for name, values in columns.items()})
    content = io.BytesIO()
    parquet.write_table(table, content)
    path.write_bytes(content.getvalue())


def _column(name: str, values: Sequence[Any]) -> Any:
    """A typed column: what its values are decides, and where there are none, its name."""
    import pyarrow

    there = [value for value in values if value is not None]
    if any(isinstance(value, str) or _vast(value) for value in there) or (not there and name in TEXT):
        return pyarrow.array([None if value is None else _text(value) for value in values], pyarrow.string())
    if there and all(isinstance(value, bool) for value in there):
        return pyarrow.array(values, pyarrow.bool_())
    if name in WHOLE:
        return pyarrow.array(values, pyarrow.int64())
    return pyarrow.array([_number(value) for value in values], pyarrow.float64())


def _number(value: Any) -> float | None:
    """As in CSV and in summary.json, what is not finite does not exist."""
    return None if value is None or not math.isfinite(value) else float(value)


def _vast(value: Any) -> bool:
    """A number that no column of whole numbers holds; records may come from strangers."""
    return isinstance(value, int) and value.bit_length() > 63


def _text(value: Any) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()
