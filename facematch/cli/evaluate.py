"""``facematch evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import AsJson, PackName, UseOption, load_analyzer
from facematch.cli.output import console, print_json, print_table, progress_bar
from facematch.evaluation import evaluate_lfw

__all__ = ["app"]

app = typer.Typer(help="Measure how accurate a model pack is.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure how accurate a model pack is."""


@app.command("lfw")
def lfw(
    images: Annotated[Path, typer.Option("--images", help="Folder with a folder a person.")],
    pairs: Annotated[Path, typer.Option("--pairs", help="LFW's pairs.txt.")],
    pack: PackName = "opencv",
    use: UseOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the JSON to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the LFW protocol: 6,000 pairs in ten folds, and thresholds from all pairs of the pictures.

    Example: `facematch evaluate lfw --images lfw/images --pairs lfw/pairs.txt`
    """
    analyzer = load_analyzer(pack, use)
    with progress_bar("embedding") as progress:
        result = evaluate_lfw(analyzer, images, pairs, progress=progress)
    document = {"pack": pack, **result.to_dict()}
    if out is not None:
        out.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    if as_json:
        print_json(document)
        return
    console().print(
        f"accuracy {result.accuracy * 100:.2f} % +- {result.std * 100:.2f} on {result.n_pairs} pairs, "
        f"{len(result.failures)} pictures without a face"
    )
    rows = [
        (f"{float(fmr):g}", f"{point['threshold']:.4f}", f"{point['fmr']:.2e}", f"{point['fnmr'] * 100:.2f} %")
        for fmr, point in result.thresholds.items()
    ]
    print_table(f"{result.n_non_mated:,} non-mated pairs", ("target FMR", "threshold", "FMR", "FNMR"), rows)
