"""``facematch models quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import AsJson, PackName, UseOption, load_analyzer
from facematch.cli.output import console, print_json, print_table, progress_bar
from facematch.errors import InvalidArgument

__all__ = ["quantize"]


def quantize(
    pictures: Annotated[
        Path, typer.Option("--pictures", metavar="DIR", help="Folder of pictures with faces, to calibrate with.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for the new pack.")],
    pack: PackName = "opencv",
    lfw: Annotated[
        Path | None,
        typer.Option(
            "--lfw",
            metavar="DIR",
            help="Folder with LFW's images/ and pairs.txt: measure both packs and write the accuracy into the new one.",
        ),
    ] = None,
    use: UseOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a pack whose embedder computes in 8-bit integers: three times as fast with OpenVINO, a little less accurate.

    It is meant for processors with VNNI and without bfloat16; where there is bfloat16, FACEMATCH_PRECISION=bfloat16 is
    as fast and loses nothing. The new pack has an embedding contract of its own: subjects are enrolled anew, and its
    threshold is yours to certify with facematch calibration make.

    Example: `facematch models quantize --pictures pictures --out packs/opencv-int8`
    """
    from facematch.bulk.embedding import pictures_in
    from facematch.evaluation.lfw import evaluate_lfw
    from facematch.faces import FaceAnalyzer
    from facematch.faces.quantizing import quantize_pack, record_figures
    from facematch.settings import Settings

    if lfw is not None and not ((lfw / "images").is_dir() and (lfw / "pairs.txt").is_file()):
        raise InvalidArgument(f"{lfw} has no images/ and pairs.txt", hint="name the folder that holds LFW")
    analyzer = load_analyzer(pack, use)
    with progress_bar("looking for faces") as progress:
        made = quantize_pack(analyzer, pictures_in(pictures), out, progress=progress)
    figures: dict[str, str] = {}
    if lfw is not None:
        for name, each in (("float32", analyzer), ("int8", FaceAnalyzer.from_pack(out, use=use, settings=Settings()))):
            with progress_bar(f"LFW in {name}") as progress:
                result = evaluate_lfw(each, lfw / "images", lfw / "pairs.txt", progress=progress)
            figures[f"LFW accuracy measured here, {name}"] = f"{100 * result.accuracy:.2f} %"
        record_figures(made, figures)
    if as_json:
        print_json(
            {
                "folder": str(made.folder),
                "calibrated": made.calibrated,
                "faces_compared": made.agreement.faces,
                "cosine_mean": round(made.agreement.mean, 6),
                "cosine_lowest_percent": round(made.agreement.lowest_percent, 6),
                "figures": figures,
            }
        )
        return
    rows = [("calibrated with", f"{made.calibrated} faces"), ("beside float32", str(made.agreement)), *figures.items()]
    print_table(f"{made.manifest.name} in {made.folder}", ("", ""), rows)
    console().print("run it with FACEMATCH_RUNTIME=openvino, and certify a threshold: facematch calibration make")
