"""A matrix run from Python, on the path of ``selbench run``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...strategies import UsageError
from ..cli.asking import asked_for, carry_out
from ..execution.prepared import RunRequest
from ..plan.matrix import parse, read

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
    folders = {name: None if path is None else Path(path) for name, path in {"out": out, "data_dir": data_dir}.items()}
    if request.get("cache_dir") is not None:
        request["cache_dir"] = Path(request["cache_dir"])
    try:
        made = RunRequest(**folders, **request, declared=declared, source=source, overrides=list(set))  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(f"selbench.run: {error}; its options are those of `selbench run`") from None
    asked = asked_for(declared, strategies, seeds, made.executor, made.data_dir, until_decided=until_decided)
    done = carry_out(declared, asked, made, strategies, until_decided=until_decided)
    if done.failed:
        warnings.warn(f"{len(done.failed)} tasks failed: see {done.out / 'failed'}", RuntimeWarning, stacklevel=2)
    from ...reports.frames import read as read_frames

    return read_frames(done.out)
