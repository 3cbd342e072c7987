"""Reference seconds: what each arm's operations take, measured once and frozen.

Otherwise a budget in seconds would make a run depend on how busy the machine is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol


class Described(Protocol):
    """The parts of an arm that name its reference seconds: all but its rung."""

    @property
    def dataset(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def pool(self) -> str: ...


def name_of(arm: Described) -> str:
    """The name of the arm's reference seconds; the rungs of a ladder share one."""
    return "/".join([arm.dataset, arm.reference, arm.label, arm.pool])


@dataclass(frozen=True)
class ArmSeconds:
    """Seconds of one arm's operations.

    Parameters
    ----------
    name : str
        As :func:`name_of`.
    steps : sequence of [size, keep, seconds]
        One training step of each size, selection included.
    begin : float
        The strategy's own preparation.
    selection : float
        One selection of the whole pool (0 at cadence ``batch``).
    artefacts : float
        All the artefacts that the arm uses, made once.
    """

    name: str
    steps: Sequence[Sequence[float]]
    begin: float
    selection: float
    artefacts: float

    def seconds(self, done: Mapping[tuple[int, int], int], selections: int) -> float:
        """Reference seconds of a run so far: ``done`` steps of each (B, k), and selections of the whole pool."""
        price = {(int(size), int(keep)): seconds for size, keep, seconds in self.steps}
        return self.begin + selections * self.selection + sum(n * price[size] for size, n in done.items())


class ReferenceSeconds:
    """The frozen seconds of a results folder, by arm."""

    def __init__(self, rows: Iterable[ArmSeconds] = ()) -> None:
        self.rows = {row.name: row for row in rows}

    @classmethod
    def read(cls, table: Iterable[Mapping[str, Any]]) -> ReferenceSeconds:
        return cls(ArmSeconds(**row) for row in table)

    def to_table(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.rows.values()]

    def find(self, arm: Described) -> ArmSeconds | None:
        """The arm's row, if it has been measured."""
        return self.rows.get(name_of(arm))

    def of(self, arm: Described) -> ArmSeconds:
        """The arm's row, which has been measured."""
        return self.rows[name_of(arm)]
