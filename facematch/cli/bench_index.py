"""``facematch bench index``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facematch.cli.busy import say_if_busy
from facematch.cli.json_files import check_target, publish_json
from facematch.cli.output import console, print_table, progress_bar
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.benchmark.figures import IndexBenchmark
    from facematch.benchmark.population import Population

__all__ = ["index"]


def index(
    size: Annotated[int, typer.Option("--size", min=1, help="Templates in the gallery.")] = 100_000,
    dim: Annotated[
        int | None, typer.Option("--dim", min=2, help="Length of the vectors; default: the population's.")
    ] = None,
    population: Annotated[
        str | None,
        typer.Option("--population", help="sface-lfw or mbf-lfw; default: that of --dim, else evenly spread."),
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Results a probe.")] = 10,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns at least; quick searches have more.")] = 7,
    approximate: Annotated[
        bool, typer.Option("--approximate/--no-approximate", help="Measure the approximate index, too.")
    ] = False,
    kind: Annotated[
        Literal["auto", "ivf", "pq", "hnsw"], typer.Option("--kind", help="Codes of the approximate index.")
    ] = "auto",
    recall: Annotated[float, typer.Option("--recall", help="Recall that the approximate index must reach.")] = 0.999,
    remember: Annotated[
        bool,
        typer.Option("--remember", help="Keep the costs: galleries on this machine then choose their index by them."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the made-up people.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the result as JSON to this file; - is standard output.")
    ] = None,
) -> None:
    """Time the exact index beside plain FAISS and the bare matrix product, on made-up people.

    Both indexes hold the same gallery and must give the same answers before they are timed, turn by turn. Ratios above
    1 say how many times quicker than FAISS's IndexFlatIP the index is; the share is the bare product's time by the
    index's. The approximate index first learns its codes and looks for the effort that reaches the recall; at a million
    templates that takes minutes.

    Example: `facematch bench index --size 100000 --dim 128 --json bench.json`
    """
    from facematch.benchmark.index import measure  # with FAISS, which no other command starts with
    from facematch.benchmark.trial import fill, prepare
    from facematch.index.approximate import ApproximateIndex

    people = _population(population, dim)
    if k > size:
        raise InvalidArgument(f"--k {k} of a gallery of {size:,}", hint="ask for fewer results or a larger gallery")
    check_target(json_file)
    with progress_bar("making people") as progress:
        trial = prepare(people, size, seed=seed, progress=progress)
    say_if_busy(trial.load_before)
    if approximate:
        with progress_bar("learning codes"):
            coded = ApproximateIndex(
                people.dimension, kind=kind, recall=recall, threshold=trial.threshold, exact_below=0, background=False
            )
            trial = fill(trial, "approximate", coded)
    with progress_bar("searching") as progress:
        result = measure(trial, k=k, rounds=rounds, progress=progress)
    if remember:
        _remember(result)
    if not publish_json(result.to_dict(), json_file):
        _print(result)


def _population(name: str | None, dim: int | None) -> Population:
    from facematch.benchmark.population import Population

    known = [Population.published(each) for each in Population.names()]
    if name is None:
        wanted = 128 if dim is None else dim
        return next((each for each in known if each.dimension == wanted), None) or Population.even(wanted)
    chosen = Population.published(name)
    if dim not in {None, chosen.dimension}:
        raise InvalidArgument(
            f"the population {name} has vectors of length {chosen.dimension}, got --dim {dim}",
            hint="leave --dim or --population away",
        )
    return chosen


def _remember(result: IndexBenchmark) -> None:
    """Put the costs in place of earlier ones of the same kind and size; published ones are another machine's."""
    from facematch.index.costs import Cost, CostTable

    stored = CostTable.of_this_machine().costs
    earlier = () if stored == CostTable().costs else stored
    new = [
        Cost(each.kind, result.dimension, result.size, each.batches[1].median_ms, each.details.get("recall_at_1", 1.0))
        for each in result.indexes
        if each.name == "exact" or each.kind != "exact"
    ]
    replaced = {(cost.kind, cost.dimension, cost.size) for cost in new}
    kept = [cost for cost in earlier if (cost.kind, cost.dimension, cost.size) not in replaced]
    path = CostTable([*kept, *new]).store()
    console(stderr=True).print(f"costs: {path}", markup=False)


def _print(result: IndexBenchmark) -> None:
    rows = [
        (
            figures.kind,
            str(batch),
            f"{each.median_ms:.2f} ms",
            f"{result.faiss_ms[batch]:.2f} ms",
            f"{each.ratio_vs_faiss_flat:.2f}",
            f"{result.gemm_ms[batch]:.2f} ms",
            f"{100 * each.gemm_share:.0f} %",
        )
        for figures in result.indexes
        for batch, each in figures.batches.items()
    ]
    print_table(
        f"{result.size:,} templates of length {result.dimension} ({result.population}), {result.k} results a probe",
        ("index", "probes", "median", "FAISS flat", "times faster", "product alone", "its share"),
        rows,
    )
    others = [
        (
            figures.kind,
            f"{figures.recall_at_1:.4f} of {figures.recall_measured_on:,}",
            f"{figures.recall_at_k:.4f}",
            f"{figures.build_seconds:.2f} s",
            f"{figures.total_bytes / 1e6:,.1f} MB",
        )
        for figures in result.indexes
    ]
    others.append(("FAISS flat", "", "", f"{result.faiss_build_seconds:.2f} s", f"{result.faiss_bytes / 1e6:,.1f} MB"))
    print_table(
        "",
        ("index", f"recall at 1 from {result.threshold:.2f}", f"recall at {result.k}", "filled in", "memory"),
        others,
    )
    for figures in result.indexes:
        if reason := figures.details.get("not_coded_because"):
            console().print(f"{figures.name} searches exactly: {reason}", markup=False)
    machine = result.machine
    console().print(
        f"{machine['cpu']}, {machine['cores']} cores; NumPy {machine['numpy']} ({machine['blas']}), "
        f"FAISS {machine['faiss']}; at most {result.peak_bytes / 1e6:,.0f} MB in use",
        markup=False,
    )
