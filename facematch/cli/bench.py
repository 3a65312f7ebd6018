"""``facematch bench``: how fast this machine is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facematch.cli.json_files import check_target, publish_json
from facematch.cli.option_groups import Commands
from facematch.cli.options import PackName, UseOption
from facematch.cli.output import console, print_table, progress_bar

if TYPE_CHECKING:
    from facematch.evaluation.self_measurement import Measurement

__all__ = ["app"]

app = Commands(help="Measure how fast this machine searches and analyzes pictures.", no_args_is_help=True)

Rounds = Annotated[int, typer.Option("--rounds", min=1, help="Turns.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the result as JSON to this file; - is standard output.")
]


@app.command()
def index(
    size: Annotated[int, typer.Option("--size", min=1, help="Templates in the gallery.")] = 100_000,
    dim: Annotated[int, typer.Option("--dim", min=2, help="Length of the vectors.")] = 128,
    k: Annotated[int, typer.Option("--k", min=1, help="Results a probe.")] = 10,
    rounds: Rounds = 7,
    approximate: Annotated[
        bool, typer.Option("--approximate/--no-approximate", help="Measure the approximate index, too.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Time search in a gallery of random vectors beside FAISS's IndexFlatIP.

    The exact index and FAISS must give the same answers before they are timed, turn by turn. A ratio above 1 says how
    many times quicker than FAISS facematch is. The approximate index first learns its codes; at a million templates
    that takes minutes.

    Example: `facematch bench index --size 100000 --dim 128 --json bench.json`
    """
    from facematch.evaluation.self_measurement import measure_index  # with FAISS, which no other command starts with

    check_target(json_file)
    with progress_bar("searching") as progress:
        result = measure_index(size, dim, k=k, rounds=rounds, approximate=approximate, progress=progress)
    title = f"{size:,} templates of length {dim}, {k} results a probe"
    if _publish(result, json_file, title) and approximate:
        kind, recall = result.of["kinds"]["approximate"], result.of["recall_at_1"]["approximate"]
        console().print(f"approximate: {kind}, mated recall at 1 {recall:.4f}", markup=False)


@app.command()
def pipeline(
    pack: PackName = "opencv",
    use: UseOption = None,
    runtime: Annotated[
        Literal["onnxruntime", "openvino"] | None,
        typer.Option("--runtime", help="What runs the models; default: as the settings say."),
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option("--precision", help="What the embedder computes in; default: as above."),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads; 0: what this process may use.")] = 0,
    rounds: Rounds = 7,
    json_file: JsonFile = None,
) -> None:
    """Time the way from pictures to embeddings through a pack, on all threads beside one.

    Both must find the same faces with the same embeddings before they are timed, turn by turn. A ratio above 1 says how
    many times quicker all threads are than one.

    Example: `facematch bench pipeline --json bench.json`
    """
    from facematch.evaluation.self_measurement import measure_pipeline
    from facematch.models import DEFAULT_PROVIDERS, SessionOptions
    from facematch.settings import Settings

    check_target(json_file)
    settings = Settings()
    options = SessionOptions(
        runtime=runtime or settings.runtime,
        precision=precision or settings.precision,
        threads=threads or settings.threads,
        providers=settings.providers or DEFAULT_PROVIDERS,
    )
    with progress_bar("analyzing pictures") as progress:
        result = measure_pipeline(pack, options, use=use, rounds=rounds, progress=progress)
    if _publish(result, json_file, f"{result.of['pack']}, {result.of['threads']} threads"):
        faces = result.of["faces"]
        rates = ", ".join(
            f"{each.workload} {1000 * faces[each.workload] / each.median_ms:.0f}" for each in result.times
        )
        runtimes = "; ".join(f"{role}: {what}" for role, what in result.of["runtime"].items())
        console().print(f"faces a second: {rates}; {runtimes}", markup=False)


def _publish(result: Measurement, json_file: Path | None, title: str) -> bool:
    """Write or print a result. Returns whether standard output is for people."""
    if publish_json(result.to_dict(), json_file):
        return False
    rows = [
        (each.workload, f"{each.median_ms:.2f} ms", f"{each.reference_ms:.2f} ms", f"{each.ratio:.2f}")
        for each in result.times
    ]
    print_table(title, ("", "median", result.reference, "times faster"), rows)
    return True
