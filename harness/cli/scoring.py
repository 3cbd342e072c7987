"""``selbench scores``: a static rule's score of every training image, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def scores(
    strategy: Annotated[str, typer.Argument(help="A static rule that scores each image, such as el2n.")],
    matrix: Annotated[str, typer.Argument(help="A .toml file, or the name of a shipped matrix: data, learner, proxy.")],
    out: Annotated[Path, typer.Option(help="The file: .csv, .npy or .safetensors.")],
    dataset: Annotated[str, typer.Option(help="Which data set of the matrix, where it has several.")] = "",
    seeds: Annotated[int | None, typer.Option(help="Proxies to average over; the matrix's seeds by default.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="parameter=value: a hyper-parameter of the rule.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value: change a setting of the matrix.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where image sets lie ($SELBENCH_DATA_DIR).")] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Where decoded images are kept ($SELBENCH_CACHE_DIR).")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; a GPU where there is one.")] = None,
) -> None:
    """Write a static rule's score of every training image, which the rule `scores` reads as scores:PATH."""
    from ..plan.matrix import narrowed, read
    from ..toml import override

    parameters: dict[str, Any] = {}
    for text in option or []:
        override(parameters, text)
    asked = narrowed(read(matrix, set_ or []), [], seeds)
    from ..execution.prepared import RunRequest
    from ..execution.scoring import write_scores

    request = RunRequest(data_dir=data_dir, cache_dir=cache_dir, device=device)
    count = write_scores(asked, request, strategy, parameters, out, dataset)
    print(f"Written: {out}, {count:,} scores by {strategy}; high is hard. Read it with the reference scores:{out}.")
