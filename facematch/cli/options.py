"""Options that several commands share, and how they become a watchlist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

from facematch.cli.output import progress_bar
from facematch.errors import InvalidArgument
from facematch.faces import FaceAnalyzer
from facematch.settings import Settings
from facematch.watchlist import Watchlist

__all__ = [
    "Actor",
    "AsJson",
    "Database",
    "PackName",
    "Purpose",
    "Site",
    "ThresholdOption",
    "TopK",
    "UseOption",
    "load_analyzer",
    "open_watchlist",
    "parse_duration",
]

Database: TypeAlias = Annotated[
    str | None, typer.Option("--db", help="Database URL [env: FACEMATCH_DATABASE; default: sqlite:///facematch.db].")
]
Actor: TypeAlias = Annotated[
    str | None, typer.Option("--actor", help="Who acts, for the audit [env: FACEMATCH_ACTOR; default: login name].")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
PackName: TypeAlias = Annotated[str, typer.Option("--pack", help="Model pack: a bundled name or a folder.")]
UseOption: TypeAlias = Annotated[
    Literal["commercial", "research"] | None,
    typer.Option("--use", help="What the models are used for [env: FACEMATCH_USE; default: commercial]."),
]
Purpose: TypeAlias = Annotated[
    str | None, typer.Option("--purpose", help="Purpose of the search, as consent records name it; required.")
]
Site: TypeAlias = Annotated[str | None, typer.Option("--site", help="Site of the search.")]
TopK: TypeAlias = Annotated[int, typer.Option("--top-k", min=1, help="Most candidates a face.")]
ThresholdOption: TypeAlias = Annotated[
    float | None, typer.Option("--threshold", help="Raise the tested threshold to this cosine; lowering is refused.")
]

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """``36h``, ``365d`` or ``52w`` as a duration.

    Raises:
        InvalidArgument: It is none of these.
    """
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip())
    if match is None:
        raise InvalidArgument(f"a duration is a number with h, d or w, got {text!r}", hint="for example 365d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def load_analyzer(pack: str, use: Literal["commercial", "research"] | None, **detector_options: Any) -> FaceAnalyzer:
    """Load a pack, with a progress bar for what has to be fetched; options go to its detector."""
    with progress_bar(f"fetching model pack {Path(pack).name}", unit="bytes") as progress:
        return FaceAnalyzer.from_pack(pack, use=use, settings=Settings(), progress=progress, **detector_options)


@contextmanager
def open_watchlist(
    database: str | None, actor: str | None, *, analyzer: FaceAnalyzer | None = None
) -> Iterator[Watchlist]:
    """Open the watchlist that the options and the environment name."""
    settings = Settings()
    url = database or settings.database
    with Watchlist.open(url, actor=actor or settings.actor, analyzer=analyzer, settings=settings) as watchlist:
        yield watchlist
