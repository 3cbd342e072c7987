"""Findings of ``selbench verify``, and the verdict on a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

_CALLED = {"tuning": "tuning runs", "timing": "timed runs", "failed": "failures"}

AGAIN = "remove it and run again: it alone is made anew"
"""How most damaged records are mended."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or (``note``) that a reader should know and is no fault.

    Parameters
    ----------
    file : str
        Relative to the folder.
    what : str
        What is wrong with it.
    mend : str
        What to do; empty where nothing need be done.
    note : bool
        Whether the folder is sound in spite of it.
    """

    file: str
    what: str
    mend: str = AGAIN
    note: bool = False

    def __str__(self) -> str:
        said = f"{self.file}: {self.what}" + (f"; {self.mend}" if self.mend else "")
        return " ".join(said.split())


def note(file: str, what: str, mend: str = "") -> Finding:
    """A finding that is no fault."""
    return Finding(file, what, mend, note=True)


@dataclass(frozen=True)
class Verdict:
    """A folder's findings.

    Parameters
    ----------
    findings : tuple of Finding
        Errors first, then notes; each by file.
    counts : mapping of str to int
        Records read, by kind.
    """

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What is wrong."""
        return tuple(finding for finding in self.findings if not finding.note)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.errors

    def lines(self) -> Iterator[str]:
        """One line for each error, one for each kind of note, then a summary."""
        yield from map(str, self.errors)
        notes: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            if finding.note:
                notes.setdefault((finding.what, finding.mend), []).append(finding)
        for first, *more in notes.values():
            files = first.file + (f" and {len(more):,} more" if more else "")
            yield f"note: {replace(first, file=files)}"
        held = ", ".join(f"{n:,} {_CALLED.get(kind, kind)}" for kind, n in self.counts.items())
        wrong = len(self.errors)
        yield f"{held}: " + ("all sound" if self.sound else f"{wrong} {'finding' if wrong == 1 else 'findings'}")

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "sound": self.sound,
            "counts": dict(self.counts),
            "findings": [asdict(finding) for finding in self.findings],
        }
