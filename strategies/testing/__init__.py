"""The conformance kit: named laws that every strategy keeps, and messages that say what to change.

In a plugin's tests nothing else has to be imported from here::

    from selbench.strategies.testing import parametrize_with_checks

    @parametrize_with_checks(["my-rule", MyRule(power=2.0)])
    def test_law(check):
        check()

On the command line: ``selbench check my-rule`` or ``selbench check package.module:MyRule``.
"""

from __future__ import annotations

from .checks import LAWS, Checkup, Law, Result, check, parametrize_with_checks
from .subject import Broken, NotJudged, Subject

__all__ = ["LAWS", "Broken", "Checkup", "Law", "NotJudged", "Result", "Subject", "check", "parametrize_with_checks"]
