"""``facematch bench pipeline``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facematch.cli.busy import say_if_busy
from facematch.cli.json_files import check_target, publish_json
from facematch.cli.options import PackName, UseOption
from facematch.cli.output import console, print_table, progress_bar

if TYPE_CHECKING:
    from facematch.benchmark.pipeline.figures import PipelineBenchmark

__all__ = ["pipeline"]

_NAMES = {
    "one": "a picture of one",
    "six": "a picture of six",
    "thirty": "a picture of thirty",
    "singles8": "eight pictures of one",
    "singles64": "sixty-four pictures of one",
}


def pipeline(
    pack: PackName = "opencv",
    use: UseOption = None,
    runtime: Annotated[
        Literal["onnxruntime", "openvino"] | None,
        typer.Option("--runtime", help="What runs our side; default: as the settings say."),
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option("--precision", help="What our embedder computes in; default: as above."),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Threads of both sides; 0: what this process may use.")
    ] = 0,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns.")] = 7,
    workload: Annotated[
        list[str] | None, typer.Option("--workload", help="one, six, thirty, singles8, singles64; default: all.")
    ] = None,
    peer: Annotated[bool, typer.Option("--peer/--no-peer", help="Measure the other library, too.")] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the result as JSON to this file; - is standard output.")
    ] = None,
) -> None:
    """Time pictures through a pack beside the library that runs the same files: OpenCV, or insightface.

    Both must see the same faces, at the same places and with the same embeddings, before they are timed, turn by turn.
    Ratios above 1 say how many times quicker than the other library facematch is; *share of the product* is how near
    the embedder comes to the rate of a large matrix product on one thread.

    Example: `facematch bench pipeline --json bench.json`
    """
    from facematch.benchmark.pipeline import measure_pipeline  # with insightface, which takes a while to load
    from facematch.benchmark.pipeline.measure import WORKLOADS
    from facematch.models import DEFAULT_PROVIDERS
    from facematch.settings import Settings

    check_target(json_file)
    settings = Settings()
    with progress_bar("looking at pictures") as progress:
        result = measure_pipeline(
            pack,
            use=use,
            runtime=runtime or settings.runtime,
            precision=precision or settings.precision,
            threads=threads or settings.threads,
            providers=settings.providers or DEFAULT_PROVIDERS,
            workloads=workload or WORKLOADS,
            rounds=rounds,
            beside=peer,
            progress=progress,
        )
    say_if_busy(result.load_before)
    if not publish_json(result.to_dict(), json_file):
        _print(result)


def _print(result: PipelineBenchmark) -> None:
    rows = [
        (
            _NAMES[name],
            f"{each.median_ms:.1f} ms",
            f"{1000 * each.faces / each.median_ms:.0f}",
            "" if each.peer_ms is None else f"{each.peer_ms:.1f} ms",
            "" if each.ratio_vs_peer is None else f"{each.ratio_vs_peer:.2f}",
            "" if each.ratio_vs_peer_single_thread is None else f"{each.ratio_vs_peer_single_thread:.2f}",
            f"{each.thread_scaling:.2f}",
        )
        for name, each in result.workloads.items()
    ]
    print_table(
        f"{result.pack}, {result.threads} threads",
        (
            "pictures",
            "median",
            "faces/s",
            result.peer or "no other library",
            "times faster",
            "on one thread",
            "threads beside one",
        ),
        rows,
    )
    share = result.share
    parts = {
        "detector": share.detector,
        "around it": share.around_detection,
        "alignment": share.alignment,
        "embedder": share.embedder,
        "around it ": share.around_embedding,
    }
    print_table("", tuple(parts), [tuple(f"{100 * part:.1f} %" for part in parts.values())])
    console().print(
        f"The embedder takes {result.embedder_multiplications / 1e6:,.0f} million multiplications a face and reaches "
        f"{result.embedder_gflops:.0f} GFLOP/s on one thread, "
        f"{100 * result.embedder_share_of_product:.0f} % of the product's "
        f"{result.product_gflops:.0f}; {'; '.join(f'{role}: {what}' for role, what in result.runtime.items())}; "
        f"at most {result.peak_bytes / 1e6:,.0f} MB in use",
        markup=False,
    )
