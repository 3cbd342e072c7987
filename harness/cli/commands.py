"""The ``selbench`` command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ... import __version__
from ...strategies import UsageError
from ...strategies.registry import registry
from .asking import asked_for, carry_out
from .claims import claim
from .doctor import doctor
from .leaving import guarded, resumable
from .listing import list_
from .scoring import scores
from .showing import show
from .trying import try_

if TYPE_CHECKING:
    from ..execution.prepared import RunRequest
    from ..plan.matrix import Matrix

app = typer.Typer(
    name="selbench",
    help="Does training on fewer, better-chosen examples pay? Run a matrix, read the report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Results = Annotated[Path, typer.Argument(help="A results folder, as made by `selbench run`, or a pack of one.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"selbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


app.command("list")(list_)


@app.command()
def run(
    matrix: Annotated[str, typer.Argument(help="A .toml file, or the name of a shipped matrix.")],
    out: Annotated[Path | None, typer.Option(help="Results folder; results/<matrix> by default.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one a usable core on a CPU, one a GPU.")] = None,
    executor: Annotated[str, typer.Option(help="Where cells run: local, inline, ray.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="HOST:PORT of a Ray cluster ($RAY_ADDRESS); without one, ray is this machine.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; a GPU where there is one.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where image sets and weights lie ($SELBENCH_DATA_DIR).")
    ] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Where decoded images are kept ($SELBENCH_CACHE_DIR).")] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="NAME=SPEC: load another source, e.g. imagefolder:PATH.")
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(help="Only these strategies, or one that the matrix lacks beside its own; baselines stay."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value: change a setting of the matrix.")] = None,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Add seeds, look by look, until what was declared is decided.")
    ] = False,
    timing: Annotated[
        int | None, typer.Option(help="Then run this many seeds again, one at a time, for their seconds.")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch missing data sets into --data-dir.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only print what is done, what is to do, and a time estimate.")
    ] = False,
    cells: Annotated[bool, typer.Option("--cells", help="With --plan: a line for each cell as well.")] = False,
    like: Annotated[
        Path | None, typer.Option(help="With --plan: another results folder, for times where this one has none.")
    ] = None,
    time_: Annotated[
        bool, typer.Option("--time", help="With --plan: time a few steps, for times where there are no records.")
    ] = False,
    cell_limit: Annotated[float | None, typer.Option(help="Minutes after which a cell is ended, as failed.")] = None,
    memory_limit: Annotated[
        float | None, typer.Option(help="GB of memory after which a worker is ended, its cell failed.")
    ] = None,
    checkpoint: Annotated[
        float, typer.Option(help="Minutes between checkpoints inside a cell; 0 for none.", metavar="MINUTES")
    ] = 5.0,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Go on where a strategy is unusable.")] = False,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="Same bits on a GPU, slower.")] = False,
    retrain: Annotated[
        list[str] | None, typer.Option(help="Make the results of this strategy again, since its code has changed.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep results of code that has changed.")] = False,
    tracker: Annotated[
        list[str] | None, typer.Option(help="Send each finished cell's curve to tensorboard, mlflow or a plugin's.")
    ] = None,
) -> None:
    """Train the cells of a matrix that are not done yet, then write the report."""
    from ..plan.matrix import read

    declared = read(matrix, [*(set_ or []), *([] if timing is None else [f"timing.seeds={timing}"])], dataset)
    if (cells or like or time_) and not plan:
        raise UsageError("--cells, --like and --time need --plan: add it")
    asked = asked_for(declared, strategy or [], seeds, executor, data_dir, until_decided=until_decided, plan=plan)
    for name in tracker or []:
        registry("trackers").entry(name)
    if executor == "local" and not plan:
        from ..execution.executors.server import start

        start()  # it imports torch while this process does
    from ..execution.prepared import RunRequest

    source = Path(matrix).name
    request = RunRequest(
        out, data_dir, cache_dir, device, workers, executor, download, declared, source, set_ or [], ray_address,
        cell_limit, memory_limit, checkpoint, keep_going, retrain or [], keep, deterministic, tracker or [],
    )  # fmt: skip
    if plan:
        return _plan(asked, request, cells, like and _opened(like), time_)
    with resumable():
        done = carry_out(declared, asked, request, strategy or [], until_decided=until_decided)
    _report(done.out)
    if done.failed:
        print(f"{len(done.failed)} tasks failed: see {done.out / 'failed'}", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def scale(
    workload: Annotated[str | None, typer.Argument(help="A .toml file, or the name of a shipped workload.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; a GPU where there is one.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="A device stated in TOML, in place of measuring this one.")
    ] = None,
    save_profile: Annotated[Path | None, typer.Option(help="Write what was measured here as such a file.")] = None,
    strategy: Annotated[list[str] | None, typer.Option(help="Only these strategies.")] = None,
    check: Annotated[Path | None, typer.Option(help="Hold predictions against the cells of a results folder.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where tables and figure go; results/scale-<workload>.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value: change the workload.")] = None,
) -> None:
    """Predict seconds and FLOPs of a workload from costs measured here: would selection pay at scale?"""
    from ...reports.render.publish import write_scale
    from ..scale.command import ScaleRequest
    from ..scale.command import scale as predict

    request = ScaleRequest(workload, device, profile, save_profile, strategy or [], check, set_ or [])
    table = predict(request, lambda line: print(f"measuring {line}", file=sys.stderr))
    name = Path(workload).stem if workload else f"check-{table['check']['results']}"
    write_scale(table, out or Path("results") / f"scale-{name}", Console(emoji=False))


app.command("try")(try_)
app.command()(scores)
app.command()(show)
app.command()(doctor)
app.command()(claim)


@app.command("check")
def check_(
    strategy: Annotated[
        str,
        typer.Argument(
            help="A strategy, package.module:Class, or learner:NAME, reference:NAME, dataset:NAME.", metavar="NAME"
        ),
    ] = "",
    all_: Annotated[bool, typer.Option("--all", help="Every registered strategy.")] = False,
    set_: Annotated[list[str] | None, typer.Option("--set", help="parameter=value: a hyper-parameter.")] = None,
) -> None:
    """Check a strategy, learner, reference or data set against its laws, and print how to fix a broken one."""
    from ..toml import override
    from .checking import check_all, check_one

    if all_ == bool(strategy):
        raise UsageError("name one strategy to check, for example `selbench check gstds`, or pass --all")
    if all_ and set_:
        raise UsageError("--set is for one strategy: leave it out, or name the strategy in place of --all")
    parameters: dict[str, Any] = {}
    for text in set_ or []:
        override(parameters, text)
    if ":" in strategy:
        sys.path.append(str(Path.cwd()))  # a class in a file of this folder, before it is a package
    console = Console(emoji=False)
    if not (check_all(console) if all_ else check_one(strategy, parameters, console)):
        raise typer.Exit(1)


@app.command()
def new_strategy(
    name: Annotated[str, typer.Argument(help="Name of the strategy and of its package, such as my-rule.")],
    out: Annotated[Path, typer.Option(help="Where its folder goes.")] = Path("."),
) -> None:
    """Write a plugin package to start from: entry point, class, a test of the laws, tox environments."""
    from .scaffold import commands
    from .scaffold import new_strategy as write

    folder = write(name, out)
    print(f"Written: {folder}. Install it so that edits count, check it, run it:")
    for command in commands(name, str(folder)):
        print(f"  {command}")


@app.command("verify")
def verify_(
    results: Results,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: every finding as JSON.")] = False,
) -> None:
    """Check that a results folder is unchanged and consistent; exit code 1 if it is not."""
    from ...reports.render.terminal import say as show_line
    from ..verify import verify

    with _usage():
        verdict = verify(_opened(results))
    if as_json:
        print(json.dumps(verdict.to_json(), indent=1))
    else:
        console = Console(emoji=False)
        for line in verdict.lines():
            show_line(console, line, wrap=False)
    if not verdict.sound:
        raise typer.Exit(1)


@app.command()
def report(
    results: Results,
    out: Annotated[
        Path | None, typer.Option(help="The report; RESULTS/report by default, PACK-report for a pack.")
    ] = None,
) -> None:
    """Write the report of a results folder anew."""
    from ...reports.records.pack import is_pack

    if out is None and is_pack(results):
        out = results.with_name(f"{results.stem}-report")
    _report(_opened(results), out)


@app.command()
def pack(
    results: Annotated[Path, typer.Argument(help="A results folder, as made by `selbench run`.")],
    out: Annotated[Path | None, typer.Option(help="The pack; RESULTS.zip by default.")] = None,
    tensors: Annotated[
        bool, typer.Option("--tensors", help="Also the tensors of artefacts (features, traces), which can be large.")
    ] = False,
) -> None:
    """Write the records of a results folder into one file that report, verify, compare and merge read."""
    from ...reports.records.pack import SUFFIX
    from ...reports.records.pack import pack as write

    target = out or Path(f"{results.resolve()}{SUFFIX}")
    if target.suffix != SUFFIX:
        raise UsageError(f"--out {target}: a pack's name ends in {SUFFIX}")
    with _usage():
        files = write(results, target, tensors=tensors)
    print(f"Written: {target} ({files:,} files, {target.stat().st_size:,} bytes)")


@app.command()
def compare(
    a: Results,
    b: Results,
    out: Annotated[Path | None, typer.Option(help="Also write compare.md and compare.json into this folder.")] = None,
) -> None:
    """Compare two results folders: versions, machines, somebody's results and yours."""
    from ...reports.folders.compare import compare as compared
    from ...reports.records.folder import Results as Read
    from ...reports.render.publish import print_comparison, write_comparison

    with _usage():
        comparison = compared(Read.read(_opened(a)), Read.read(_opened(b)))
        if out is not None:
            write_comparison(comparison, out)
    print_comparison(comparison, Console(emoji=False))


@app.command()
def merge(
    out: Annotated[Path, typer.Argument(help="The new folder.")],
    folders: Annotated[list[Path], typer.Argument(help="Results folders; the first one's record of a run is kept.")],
    title: Annotated[str, typer.Option(help="A title for the whole.")] = "",
) -> None:
    """Join results folders: parts of a matrix, or matrices over different data sets."""
    from ...reports.folders.merge import merge as join
    from ...reports.render.terminal import say as show_line

    with _usage():
        merged = join(out, [_opened(folder) for folder in folders], title)
    console = Console(emoji=False)
    for line in merged.lines():
        show_line(console, line)
    show_line(console, f"Written: {out}; selbench report {out} judges it.", wrap=False)


def _plan(matrix: Matrix, request: RunRequest, cells: bool, like: Path | None, timed: bool) -> None:
    from .plan_table import show

    lines = show(matrix, request, Console(emoji=False), like, timed)
    try:
        for line in lines if cells else ():
            print(line)
    except BrokenPipeError:  # as into `head`: the rest is not even made
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - else Python complains as it flushes at exit


def _opened(results: Path) -> Path:
    """The folder behind a results folder or a pack."""
    from ...reports.records.pack import opened

    with _usage():
        return opened(results)


def _report(results: Path, out: Path | None = None) -> None:
    from ...reports.build import build
    from ...reports.render.flat_tables import LACKING, parquet_available
    from ...reports.render.terminal import print_summary

    with _usage():
        page = build(results, out)
    print_summary(json.loads((page.parent / "summary.json").read_text(encoding="utf-8")), Console(emoji=False), page)
    if not parquet_available():
        print(LACKING)


@contextmanager
def _usage() -> Iterator[None]:
    from ...reports.records.folder import ResultsError

    try:
        yield
    except ResultsError as error:
        raise UsageError(str(error)) from None


def main() -> None:
    """Entry point: a :class:`UsageError` is one line on stderr and exit code 2, never a traceback."""
    guarded(app)
