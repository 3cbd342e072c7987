"""The findings that the README shows: chosen and worded by hand, their numbers drawn from the published summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .pages import PUBLISHED, report_link, summary_of
from .pages import published as results_sets


@dataclass(frozen=True)
class Finding:
    """One line: a question, and an answer with ``{}`` where the estimate and its interval go.

    ``quantity``, ``dataset``, ``strategy`` and ``rival`` name one estimate of the folder's studies; ``signed`` shows
    its sign, as a difference wants it.
    """

    folder: str
    question: str
    answer: str
    quantity: str
    dataset: str = "cifar10"
    strategy: str = ""
    rival: str = ""
    digits: int = 2
    signed: bool = False


FINDINGS = (
    Finding(
        "study-1",
        "Does selection save time?",
        "Yes: `gstds` takes {} times the seconds of full training.",
        "seconds ratio, amortised",
        strategy="gstds",
        rival="full",
    ),
    Finding(
        "study-1",
        "Does it pay?",
        "No: {} points against full training cut to the same seconds.",
        "accuracy difference at equal seconds",
        strategy="gstds",
        rival="full ladder",
        signed=True,
    ),
    Finding(
        "study-2",
        "Is it the Fiedler score that works?",
        "Not shown: {} points over a random score.",
        "effect of score",
        signed=True,
    ),
    Finding(
        "study-3",
        "Does a sigmoid keep ratio help?",
        "Not while batches grow with it: {} points against a fixed one on as many images.",
        "difference in accuracy",
        dataset="flowers",
        strategy="sigmoid",
        rival="fixed",
        signed=True,
    ),
    Finding(
        "study-4",
        "Does a better reference model help?",
        "Not shown: {} points for each 10 points of its accuracy.",
        "benefit per 10 points of reference accuracy",
        strategy="gstds",
        signed=True,
    ),
    Finding(
        "study-5",
        "When does static pruning fail?",
        "Forgetting scores fall behind random subsets of equal size below {} % kept.",
        "percentage kept below which random is ahead",
        dataset="equal-steps",
        strategy="forgetting",
        rival="random",
        digits=0,
    ),
    Finding(
        "study-6",
        "Does a spectral oracle learn the tail faster?",
        "Not at equal cost: {} times the residual of random picks.",
        "residual left in the tail of the spectrum at equal total FLOPs as a multiple of the twin's",
        strategy="spectral-oracle",
        rival="twin",
    ),
    Finding(
        "study-7",
        "Can small runs be trusted?",
        "A small proxy at the standard rate ranks recipes as the target does: Spearman {}.",
        "Spearman correlation of the proxy's ranking with the target's",
        strategy="proxy at the standard rate",
        rival="tuned target",
    ),
)


def findings(way: str, published: Path = PUBLISHED, chosen: Sequence[Finding] = FINDINGS) -> str:
    """A Markdown list; ``way`` leads from the page it stands on to the published folders."""
    folders = results_sets(published)
    summaries = {name: summary_of(folders[name]) for name in {finding.folder for finding in chosen}}
    return "\n".join(_line(finding, summaries[finding.folder], way) for finding in chosen)


def _line(finding: Finding, summary: Mapping[str, Any], way: str) -> str:
    keys = (finding.quantity, finding.dataset, finding.strategy, finding.rival)
    found = [
        quantity
        for study in summary["studies"]
        for quantity in study["quantities"]
        if tuple(quantity[key] for key in ("name", "dataset", "strategy", "rival")) == keys
    ]
    if len(found) != 1:
        raise LookupError(f"{finding.folder}: {len(found)} estimates of {keys}, where one is wanted")
    form = f"{'+' if finding.signed else ''}.{finding.digits}f"
    value, low, high = (format(found[0][key], form).replace("-", "−") for key in ("estimate", "low", "high"))
    answer = finding.answer.format(f"{value} [{low}, {high}]")
    return f"- **{finding.question}** {answer} ({report_link(finding.folder, finding.folder, way)})"
