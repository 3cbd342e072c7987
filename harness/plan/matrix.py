"""A matrix: datasets x references x strategies x seeds, read from TOML and strict about every key."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.registry import registry
from .. import toml as strict
from ..code import outside
from ..identity import digest
from ..toml import Named, StrictModel
from . import sweeps
from .tables import (
    BUDGETS,
    EXTEND,
    Analysis,
    Budget,
    DatasetEntry,
    DatasetSettings,
    Grid,
    Optimizer,
    Proxy,
    ReferenceEntry,
    StrategyEntry,
    Study,
    Timing,
)

MARGINS = {"digits": 1.0, "cifar10": 0.5, "pets": 1.5, "flowers": 1.5}  # in points, by data set
QUESTIONS = ("accuracy", "picking", "pays")
PRIMARY_LIMIT = 3  # arms with declared contrasts on one data set
TUNING_GAP = 1_000_000  # tuning seeds stand at least this far above the largest declared one; no matrix has more seeds
LAST_SEED = 2**53  # what JSON readers everywhere hold exactly


class Matrix(StrictModel):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    seeds: int | list[int]
    budget: Budget
    batch: int = Field(128, ge=2)
    batching: Literal["fixed-candidates", "fixed-trained"] = "fixed-candidates"
    buckets: int = Field(8, ge=1)
    ladder: list[float] = Field([0.125, 0.25, 0.5, 0.75, 1.0])
    score_mode: Literal["eval", "train"] = "eval"
    precision: Literal["float32", "bf16", "auto"] | None = None  # the device's own: bf16 on a GPU, else float32
    memory_format: Literal["contiguous", "channels-last", "auto"] | None = None  # the precision's own
    tuning: Literal["none", "grid"] = "none"
    grid: Grid | None = None
    schedule: Named = Named(name="sigmoid")
    learner: Named = Named(name="resnet18")
    optimizer: Optimizer = Optimizer()
    proxy: Proxy = Proxy()
    datasets: list[DatasetEntry]
    references: list[ReferenceEntry] = Field([])
    strategies: list[StrategyEntry]
    analysis: Analysis = Analysis()
    studies: list[Study] = Field([])
    measures: dict[str, dict[str, Any]] = Field({})
    timing: Timing = Timing()

    def at(self, dataset: str) -> Matrix:
        own = next((entry.settings for entry in self.datasets if entry.name == dataset), None)
        return self if own is None else self.model_copy(update=own.over(self.optimizer))

    def proxy_of(self, strategy: StrategyEntry) -> Proxy:
        """The matrix's proxy, with the keys that the strategy gives in their place."""
        own = strategy.proxy
        return self.proxy.model_copy(update={k: getattr(own, k) for k in own.model_fields_set} if own else {})

    def proxy_nets(self) -> list[Named]:
        """The learners that proxies have of their own."""
        return [net for proxy in map(self.proxy_of, self.strategies) if (net := proxy.learner) is not None]

    def seed_list(self) -> list[int]:
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    def tuned(self) -> dict[str, Any] | None:
        """The grid as it is run, ``factors`` ascending and ``tuning_seeds`` among it; None without tuning.

        Tuning seeds count up from the second multiple of :data:`TUNING_GAP` above the largest declared seed, so that
        neither a few more declared seeds nor ``--seeds`` move them or collide with them.
        """
        if self.tuning == "none":
            return None
        grid = self.grid or Grid()
        first = TUNING_GAP * (2 + max(self.seed_list()) // TUNING_GAP)
        seeds = list(range(first, first + grid.seeds))
        extend = {} if grid.extend == EXTEND else {"extend": grid.extend}  # it came later: left out by default
        return {"factors": sorted(grid.factors), "seeds": grid.seeds, "tuning_seeds": seeds, **extend}

    def identity(self, contents: dict[str, str]) -> str:
        """A digest of everything but which strategies and seeds are asked for.

        ``contents`` are hashes of data sets and references, by name: a folder that has moved is still the same data.
        """
        table = self.model_dump(exclude={"seeds", "strategies", "title", "timing", "grid"})
        if (grid := self.tuned()) is not None:
            table["grid"] = grid
        # What was added later is left out where it is not used: the identity stays what it was before.
        table["analysis"] = self.analysis.declared()
        later = ("studies", "measures", "precision", "memory_format")
        table = {name: value for name, value in table.items() if value or name not in later}
        table["budget"], table["proxy"] = self.budget.identity(), self.proxy.identity()
        for entry in (*table["datasets"], *table["references"]):
            entry["spec"] = entry["spec"].split(":")[0]
        for entry, row in zip(table["datasets"], self.datasets, strict=True):
            for name, value in (("spoil", row.spoil), ("settings", row.settings)):
                del entry[name]
                if value is not None:
                    entry[name] = value.identity()
        return digest([table, contents])


def shipped() -> dict[str, Path]:
    folder = resources.files("selbench") / "benchmarks" / "matrices"
    return {Path(str(entry)).stem: Path(str(entry)) for entry in folder.iterdir() if str(entry).endswith(".toml")}


def read(name_or_path: str, overrides: list[str] | None = None, datasets: list[str] | None = None) -> Matrix:
    """Read a matrix by path or shipped name, with ``key=value`` and ``NAME=SPEC`` changes applied.

    A UsageError names the fault (an unknown key, a bad value, a misfit), its place, and the nearest valid word.
    """
    known = shipped()
    path = strict.find("matrix", name_or_path, known)
    table = strict.load(path, f"shipped matrices: {', '.join(sorted(known))}")
    for text in overrides or []:
        key = strict.override(table, text)
        if key in (f"budget.{kind}" for kind in BUDGETS):  # one kind of budget takes the place of another
            table["budget"] = {name: v for name, v in table["budget"].items() if name not in BUDGETS or name == key[7:]}
    replaced = [_respec(table, change) for change in datasets or []]
    matrix = parse(table, str(path))
    for entry in matrix.datasets:
        entry._replaced = entry.name in replaced
    return matrix


def parse(table: dict[str, Any], where: str = "matrix") -> Matrix:
    """Check a table and make a :class:`Matrix` of it, or raise as :func:`read`.

    Declared looks say how many seeds there are, where ``seeds`` is left out.
    """
    analysis = table.get("analysis")
    if "seeds" not in table and isinstance(analysis, dict) and isinstance(looks := analysis.get("looks"), list):
        table = {**table, **({"seeds": looks[-1]} if looks else {})}
    matrix = strict.validate(Matrix, table, where)
    _check_narrowed(matrix, where)
    matrix = matrix.model_copy(update={"strategies": sweeps.expanded(matrix.strategies, where)})
    _check(matrix, where)
    return matrix


def _respec(table: dict[str, Any], change: str) -> str:
    """Apply one ``NAME=SPEC`` to a table; gives the name."""
    name, separator, spec = change.partition("=")
    if not separator or not spec:
        raise UsageError(f"--dataset {change!r}: write NAME=SPEC, such as --dataset cifar10=imagefolder:PATH")
    entries = [entry for entry in table.get("datasets", []) if isinstance(entry, dict)]
    names = [str(entry.get("name")) for entry in entries]
    if name not in names:
        raise UsageError(f"--dataset {change!r}: the matrix has no data set {name!r}{did_you_mean(name, names)}")
    entries[names.index(name)]["spec"] = spec
    return name


def _check(matrix: Matrix, where: str) -> None:
    if isinstance(matrix.seeds, int) and matrix.seeds > TUNING_GAP:
        raise UsageError(f"{where}: seeds: {matrix.seeds:,} are more than the {TUNING_GAP:,} that there may be")
    seeds = matrix.seed_list()
    if seeds and max(seeds) > LAST_SEED:
        raise UsageError(f"{where}: seeds: {max(seeds)} is above {LAST_SEED}, the last one: take smaller numbers")
    if not seeds or min(seeds) < 0:
        raise UsageError(f"{where}: seeds: a matrix needs at least one seed from 0 up, such as seeds = 8")
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"{where}: seeds: {seeds} names a seed twice; two runs of one seed are one run")
    for name, rows in (("datasets", matrix.datasets), ("strategies", matrix.strategies)):
        if not rows:
            raise UsageError(f"{where}: {name}: name at least one")
    if 1.0 not in matrix.ladder or any(not 0 < rung <= 1 for rung in matrix.ladder):
        raise UsageError(f"{where}: ladder: shares of the budget in (0, 1], the whole (1) among them")
    _check_looks(matrix, where)
    _check_grid(matrix, where)
    _check_budget(matrix.budget, where)
    if matrix.analysis.pays.cost == "wall_clock" and not matrix.timing.seeds:
        raise UsageError(
            f"{where}: analysis.pays.cost: verdicts on wall_clock need a timing pass: set timing.seeds, such as 5"
        )
    labels = [entry.label or entry.name for entry in matrix.strategies]
    datasets, references = [e.name for e in matrix.datasets], [e.name for e in matrix.references]
    for table, names, key in (
        ("strategies: two are labelled", labels, "label"),
        ("datasets: two are named", datasets, "name"),
        ("references: two are named", references, "name"),
    ):
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"{where}: {table} {twice!r}: give one another {key}")
    for place, entry in enumerate(matrix.datasets):
        if entry.spoil is not None:
            entry.spoil.check(f"{where}: datasets.{place}")
        if entry.settings is not None:
            _check_settings(matrix, entry.settings, f"{where}: datasets.{place}.settings")
        if margin_of(entry) is None:
            raise UsageError(
                f"{where}: datasets: {entry.name!r} has no margin: declare one in points, such as margin = 1.0"
            )
    _check_primary(matrix.analysis, labels, {"datasets": datasets, "references": references}, where)


def _check_primary(analysis: Analysis, labels: list[str], known: dict[str, list[str]], where: str) -> None:
    if len({*analysis.primary}) < len(analysis.primary):
        raise UsageError(f"{where}: analysis.primary: a contrast is named twice")
    for key, names in known.items():
        for name in getattr(analysis, f"primary_{key}"):
            if name not in names:
                raise UsageError(
                    f"{where}: analysis.primary_{key}: the matrix has no [[{key}]] entry "
                    f"{name!r}{did_you_mean(name, names)}"
                )
    for text in analysis.primary:
        label, _, question = text.rpartition(":")
        if label not in labels:
            raise UsageError(f"{where}: analysis.primary: {text!r} names no strategy here{did_you_mean(label, labels)}")
        if question not in QUESTIONS:
            raise UsageError(f"{where}: analysis.primary: {text!r} must end in one of {', '.join(QUESTIONS)}")


def margin_of(entry: DatasetEntry) -> float | None:
    """The margin declared, or the one that its data set comes with."""
    return MARGINS.get(entry.name, MARGINS.get(entry.spec)) if entry.margin is None else entry.margin


def _check_budget(budget: Budget, where: str) -> None:
    if [getattr(budget, kind) for kind in BUDGETS].count(None) != len(BUDGETS) - 1:
        raise UsageError(f"{where}: budget: give exactly one of {', '.join(BUDGETS)}")
    if budget.cost is not None and budget.account is None:
        raise UsageError(
            f'{where}: budget: flops and seconds name their account: account = "marginal", "amortised" or "standalone"'
        )
    if budget.cost is None and budget.account is not None:
        raise UsageError(f"{where}: budget: account belongs to a budget in flops or seconds")


def _check_settings(matrix: Matrix, settings: DatasetSettings, where: str) -> None:
    if not settings.identity():
        raise UsageError(f"{where}: nothing is set: set batch, batching, budget, learner, optimizer or tuning")
    if settings.budget is not None:
        _check_budget(settings.budget, where)
        if matrix.budget.cost is not None or settings.budget.cost is not None:
            raise UsageError(
                f"{where}.budget: one in flops or seconds is for the whole matrix: give passes or steps in both"
            )
    if settings.tuning is not None and matrix.tuning == "none":
        raise UsageError(f'{where}.tuning: nothing is tuned with tuning = "none": leave the key out')


def _check_narrowed(matrix: Matrix, where: str) -> None:
    known = {"references": [e.name for e in matrix.references], "datasets": [e.name for e in matrix.datasets]}
    for place, entry in enumerate(matrix.strategies):
        for key, names in known.items():
            if (asked := getattr(entry, key)) == []:
                raise UsageError(f"{where}: strategies.{place}.{key}: name at least one, or leave the key out")
            for name in asked or []:
                if name not in names:
                    raise UsageError(
                        f"{where}: strategies.{place}.{key}: the matrix has no [[{key}]] entry "
                        f"{name!r}{did_you_mean(name, names)}"
                    )


def _check_looks(matrix: Matrix, where: str) -> None:
    looks, declared = matrix.analysis.looks, len(matrix.seed_list())
    if not looks:
        if matrix.analysis.spending != "equal":
            raise UsageError(f"{where}: analysis.spending: there are no looks to spend alpha on: set analysis.looks")
        return
    if len(looks) < 2 or looks != sorted(set(looks)) or looks[0] < 2:
        raise UsageError(
            f"{where}: analysis.looks: {looks} must be two or more rising numbers of seeds from 2 up, such as "
            "[8, 12, 16, 24]; for one fixed number set seeds"
        )
    if looks[-1] != declared:
        raise UsageError(
            f"{where}: analysis.looks: the last look takes {looks[-1]} seeds and seeds declares {declared}: "
            "leave seeds out, or give as many"
        )


def refuse_undeclared(matrix: Matrix, seeds: int | None, plan: bool) -> None:
    """Refuse to run until decided where nothing says at which seeds, or what is to be decided."""
    if not matrix.analysis.looks:
        raise UsageError(
            f"--until-decided: matrix {matrix.name!r} declares no looks: set analysis.looks, such as "
            "--set 'analysis.looks=[8, 12, 16, 24]' with as many seeds as the last"
        )
    labels = {entry.label or entry.name for entry in matrix.strategies}
    if not any(text.rpartition(":")[0] in labels for text in matrix.analysis.primary):
        raise UsageError(
            f"--until-decided: matrix {matrix.name!r} declares no contrast of {', '.join(sorted(labels))}: "
            "set analysis.primary, or run the strategies that it names"
        )
    if seeds is not None or plan:
        raise UsageError("--until-decided: the looks say how many seeds there are: leave out --seeds and --plan")


def _check_grid(matrix: Matrix, where: str) -> None:
    if matrix.grid is None:
        return
    if matrix.tuning == "none":
        raise UsageError(f'{where}: grid: nothing is tuned with tuning = "none": set tuning = "grid", or remove [grid]')
    factors = matrix.grid.factors
    if len({*factors}) < max(2, len(factors)) or 1.0 not in factors or min(factors) <= 0:
        raise UsageError(
            f"{where}: grid.factors: {factors} must be two or more different multiples of the base learning rate, "
            "above 0 and with 1 among them, such as [0.25, 0.5, 1.0, 2.0]"
        )


def refuse_unknown_names(matrix: Matrix, executor: str, data_dir: Path | None) -> None:
    """Refuse names that nobody registered and a data folder that is not there, before anything heavy is imported."""
    for kind, specs in (
        ("strategies", [entry.name for entry in matrix.strategies]),
        ("schedules", [matrix.schedule.name, *(e.schedule.name for e in matrix.strategies if e.schedule)]),
        ("datasets", [entry.spec or entry.name for entry in matrix.datasets]),
        ("references", [entry.spec or entry.name for entry in matrix.references]),
        ("learners", [matrix.at(entry.name).learner.name for entry in matrix.datasets]),
        ("learners", [net.name for net in matrix.proxy_nets()]),
        ("executors", [executor]),
    ):
        for spec in specs:
            if outside(kind, spec) is None:
                registry(kind).entry(spec.partition(":")[0])
    if data_dir is not None and not data_dir.is_dir():
        raise UsageError(f"--data-dir {data_dir}: no such folder")


def narrowed(matrix: Matrix, strategies: list[str], seeds: int | None) -> Matrix:
    """The matrix with only these strategies (by label, name or sweep) and this many seeds; baselines stay.

    A registered name that the matrix lacks joins it with its defaults: the folder stays the matrix's, and what is
    said of it is exploratory. Where only such names are given, the matrix's own strategies stay.

    Without a number of seeds, a matrix with looks is narrowed to the seeds of the first.
    """
    if seeds is None and matrix.analysis.looks:
        seeds = matrix.analysis.looks[0]
    changes: dict[str, Any] = {}
    if strategies:
        names = [{e.label or e.name, e.name, e._sweep.label if e._sweep else e.name} for e in matrix.strategies]
        known = set[str]().union(*names)
        new = [name for name in dict.fromkeys(strategies) if name not in known | {"full", "uniform"}]
        for name in new:
            if name not in (registered := registry("strategies").found()):
                raise UsageError(
                    f"--strategy {name!r}: matrix {matrix.name!r} has none of that name, and none is registered"
                    f"{did_you_mean(name, known | registered.keys())}"
                )
        own = [e for e, called in zip(matrix.strategies, names, strict=True) if called & set(strategies)]
        only_new = len(new) == len(set(strategies))
        changes["strategies"] = [*(matrix.strategies if only_new else own), *(StrategyEntry(name=n) for n in new)]
    if seeds is not None:
        if seeds < 1:
            raise UsageError(f"--seeds {seeds}: at least one seed is needed")
        if seeds > TUNING_GAP:
            raise UsageError(f"--seeds {seeds}: at most {TUNING_GAP:,}, so that none is a tuning seed")
        declared = matrix.seed_list()
        after = max(declared) + 1
        changes["seeds"] = [*declared[:seeds], *range(after, after + seeds - len(declared))]
    return matrix.model_copy(update=changes)
