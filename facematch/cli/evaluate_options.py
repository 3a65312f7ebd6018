"""Options of the ``evaluate`` commands, and where their results go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from facematch.cli.json_files import publish_json
from facematch.cli.output import console

if TYPE_CHECKING:
    from facematch.evaluation.cache import EmbeddingCache
    from facematch.evaluation.pictures import FaceChoice
    from facematch.protocols import Analyzer
    from facematch.reporting import Report

__all__ = [
    "CacheFolder",
    "Draws",
    "FaceOption",
    "GallerySize",
    "ImagesFolder",
    "JsonFile",
    "NoCache",
    "ReportFolder",
    "RuleOption",
    "Seed",
    "Templates",
    "finish",
    "open_cache",
    "percent",
]

ImagesFolder: TypeAlias = Annotated[Path, typer.Option("--images", help="Folder with a folder of pictures a person.")]
JsonFile: TypeAlias = Annotated[
    Path | None, typer.Option("--json", help="Write the result as JSON to this file; - is standard output.")
]
ReportFolder: TypeAlias = Annotated[
    Path | None, typer.Option("--report", help="Write a report (HTML and PNG) into this folder.")
]
CacheFolder: TypeAlias = Annotated[
    Path | None, typer.Option("--cache", help="Folder for embeddings [default: evaluation in FACEMATCH_HOME].")
]
NoCache: TypeAlias = Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep embeddings.")]
FaceOption: TypeAlias = Annotated[
    Literal["central", "largest"],
    typer.Option("--face", help="Which face of a picture counts: nearest the center, or largest."),
]
GallerySize: TypeAlias = Annotated[
    int | None,
    typer.Option("--gallery-size", min=1, help="People in a gallery; default: 1000, or what the data allow."),
]
Templates: TypeAlias = Annotated[int, typer.Option("--templates", min=1, help="Templates a person.")]
Draws: TypeAlias = Annotated[int, typer.Option("--draws", min=1, help="How many times galleries are drawn.")]
RuleOption: TypeAlias = Annotated[str, typer.Option("--rule", help="max, mean_template or mean_top_M.")]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws and intervals.")]


def open_cache(analyzer: Analyzer, choice: FaceChoice, folder: Path | None, no_cache: bool) -> EmbeddingCache | None:
    """The cache that the options name, or none."""
    from facematch.evaluation.cache import EmbeddingCache

    return None if no_cache else EmbeddingCache.open(analyzer, choice=choice, folder=folder)


def finish(
    document: Mapping[str, Any], json_file: Path | None, report_folder: Path | None, report: Callable[[], Report]
) -> bool:
    """Write the JSON and the report.

    Args:
        document: The result.
        json_file: Where its JSON goes, ``-`` for standard output; ``None``: nowhere.
        report_folder: Where the report goes; ``None``: nowhere.
        report: Makes the report.

    Returns:
        Whether standard output is still for people.

    Raises:
        InvalidArgument: A file cannot be written.
    """
    if report_folder is not None:
        from facematch.evaluation.report import write_report

        path = write_report(report(), report_folder)
        console(stderr=True).print(f"report: {path}", markup=False)
    return not publish_json(document, json_file)


def percent(rate: float) -> str:
    """A rate in percent, two digits after the point or two that say something."""
    return f"{100 * rate:.2f} %" if rate == 0 or rate >= 0.0001 else f"{100 * rate:.2g} %"
