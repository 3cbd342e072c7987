"""The conformance kit of learners, references and data sets: named laws, and messages that say what to change.

On the command line: ``selbench check learner:NAME``, ``reference:NAME``, ``dataset:NAME``. In a plugin's tests::

    from selbench.harness.testing import check

    def test_my_net():
        assert not [result for result in check("learner", "my-net") if result.verdict == "fail"]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.testing import Result
from ...strategies.testing.checks import Checkup
from . import datasets, learners, references

KINDS = {"learner": learners, "reference": references, "dataset": datasets}


def check(kind: str, spec: str, *, data_dir: Path | None = None, **options: Any) -> list[Result]:
    """Hold what ``spec`` names against the laws of its ``kind``.

    Parameters
    ----------
    kind : str
        ``learner``, ``reference`` or ``dataset``.
    spec : str
        As in a matrix: ``resnet8``, ``timm:NAME``, ``imagefolder:PATH``.
    data_dir : Path, optional
        Where image sets and weights lie.
    **options
        For its constructor.

    Returns
    -------
    list of Result
        One for each law.

    Raises
    ------
    UsageError
        If there is none of that name, or it refuses its options.
    """
    if kind not in KINDS:
        raise UsageError(f"no laws are known of a {kind!r}{did_you_mean(kind, KINDS)}")
    module = KINDS[kind]
    return Checkup(module.subject(spec, options, data_dir), module.LAWS).results()
