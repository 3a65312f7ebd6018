"""``facematch embed``."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from facematch.cli.files import reserved
from facematch.cli.options import AsJson, PackName, SmallestFace, UseOption, load_analyzer
from facematch.cli.output import console, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from facematch.bulk import EmbeddingReport

__all__ = ["embed"]

_SHOWN: Final = 20


def embed(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of pictures; folders in it are looked into.")],
    out: Annotated[Path, typer.Option("--out", help="The new file, .npz or .parquet.")],
    reduced: Annotated[
        bool,
        typer.Option(
            "--reduced",
            help="Decode JPEG files no larger than the detector looks at them. Quicker for large pictures; embeddings "
            "of large faces then differ by about 0.01 in cosine. Not with --smallest-face.",
        ),
    ] = False,
    smallest_face: SmallestFace = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write the report, with every error, to this new file."),
    ] = None,
    pack: PackName = "opencv",
    use: UseOption = None,
    as_json: AsJson = False,
) -> None:
    """Embed every face of a folder's pictures into one file, for research and for moving galleries.

    Embeddings are biometric data of the people in the pictures, and no consent, retention or audit of a watchlist
    reaches this file: it is readable by you only, and yours to delete. Interrupted, the same command goes on where it
    stopped.

    Example: `facematch embed pictures --out pictures.npz`
    """
    from facematch.bulk.embedding import draft_of, embed_folder

    analyzer = load_analyzer(pack, use, smallest_face=smallest_face)
    with nullcontext(None) if report is None else reserved(report) as write:
        try:
            with progress_bar("embedding") as progress:
                done = embed_folder(analyzer, folder, out, reduced=reduced, progress=progress)
        except KeyboardInterrupt:
            if draft_of(out).exists():
                console(stderr=True).print(
                    f"what was done is in {draft_of(out)}; the same command goes on from there", markup=False
                )
            raise
        if write is not None:
            write(json.dumps(done.to_dict(), indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print_json(done.to_dict())
    else:
        _show(done, out)


def _show(done: EmbeddingReport, out: Path) -> None:
    fresh = done.pictures - done.resumed
    console().print(
        f"{done.faces} faces of {done.pictures} pictures in {out}; {done.without_face} show no face, "
        f"{len(done.errors)} cannot be read; {fresh} looked at in {done.seconds:.1f} s",
        markup=False,
    )
    console().print("the file holds biometric data: keep it no longer than needed", markup=False)
    if done.errors:
        more = f" (the first {_SHOWN}; --report has them all)" if len(done.errors) > _SHOWN else ""
        print_table(f"Not read{more}", ("picture", "code", "why"), done.errors[:_SHOWN])
