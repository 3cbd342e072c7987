"""A matrix run from Python, on the path of ``selbench run``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...strategies import UsageError
from ..cli.checking import refuse_failing
from ..cli.looks import run_until_decided
from ..cli.studies import check_studies
from ..execution.prepared import RunRequest
from ..execution.run import run as run_matrix
from ..plan.matrix import narrowed, parse, read, refuse_undeclared, refuse_unknown_names

if TYPE_CHECKING:
    from ...reports.frames import Frames


def run(
    matrix: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    set: Sequence[str] = (),
    strategies: Sequence[str] = (),
    seeds: int | None = None,
    until_decided: bool = False,
    data_dir: str | Path | None = None,
    **request: Any,
) -> Frames:
    """Train the runs of a matrix that are not done yet, and read the results.

    With the default executor a script must call it under ``if __name__ == "__main__":``, since worker processes
    import the script; a notebook need not.

    Parameters
    ----------
    matrix : str, Path or mapping
        A shipped matrix by name, a ``.toml`` file, or the tables of one as a dict.
    out : path, optional
        Results folder; ``results/<matrix>`` by default. The same call resumes what lies there.
    set : sequence of str
        ``key=value`` changes, as of ``--set``.
    strategies : sequence of str
        Only these, as of ``--strategy``.
    seeds : int, optional
        How many.
    until_decided : bool
        Add seeds, look by look, until what was declared is decided.
    data_dir : path, optional
        Where image sets and weights lie.
    **request
        The command's other options by their names: ``workers``, ``executor``, ``device``, ``cache_dir``, ``download``,
        ``cell_limit``, ``memory_limit``, ``checkpoint``, ``keep_going``, ``retrain``, ``keep``, ``deterministic``.

    Returns
    -------
    Frames
        As of :func:`selbench.read`. Where tasks failed a warning says how many; ``frames.results.failures`` has them.

    Raises
    ------
    UsageError
        For a request that cannot work, before any training.
    """
    if getattr(sys.modules.get("__mp_main__"), "__name__", "") == "__mp_main__":  # else the parent's own alias
        raise UsageError('a worker process runs this script again: call selbench.run under if __name__ == "__main__":')
    if isinstance(matrix, Mapping):
        if set:
            raise UsageError("set is for a matrix by name or file: change the dict itself")
        declared, source = parse(deepcopy(dict(matrix))), ""
    else:
        declared, source = read(str(matrix), list(set)), Path(matrix).name
    asked = narrowed(declared, list(strategies), seeds)
    if until_decided:
        refuse_undeclared(asked, seeds, False)
    folders = {name: None if path is None else Path(path) for name, path in {"out": out, "data_dir": data_dir}.items()}
    if request.get("cache_dir") is not None:
        request["cache_dir"] = Path(request["cache_dir"])
    try:
        made = RunRequest(**folders, **request, declared=declared, source=source, overrides=list(set))  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(f"selbench.run: {error}; its options are those of `selbench run`") from None
    refuse_unknown_names(asked, made.executor, made.data_dir)
    check_studies(declared)
    if not made.keep_going:
        refuse_failing(asked)
    done = run_until_decided(declared, made, list(strategies)) if until_decided else run_matrix(asked, made)
    if done.failed:
        warnings.warn(f"{len(done.failed)} tasks failed: see {done.out / 'failed'}", RuntimeWarning, stacklevel=2)
    from ...reports.frames import read as read_frames

    return read_frames(done.out)
